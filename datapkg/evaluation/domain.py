"""The evaluation domain, as the registry lists it."""

from __future__ import annotations

from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.evaluation.models import Definition
from datapkg.kit.domains import Domain, SeedTable

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="evaluation",
    models=(Definition,),
    seeds=(
        # Forking fixes the parent and the time; what an operator renames is set back, what they add stays.
        SeedTable(
            model=Definition, schema="datapkg.evaluation.schemas:DefinitionRow", insert_only=("parent", "created_at")
        ),
    ),
    documents={"definitions.content": DEFINITION_CONTENT},
)
"""What migrate, seed and the test fixtures know of this domain."""
