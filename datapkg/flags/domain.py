"""The flags domain, as the registry lists it."""

from __future__ import annotations

from datapkg.flags.models import FeatureFlag
from datapkg.kit.domains import Domain, SeedTable

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="flags",
    models=(FeatureFlag,),
    seeds=(
        # Everything about a flag is an operator's to set, so seeding never resets any of it.
        SeedTable(
            model=FeatureFlag,
            schema="datapkg.flags.schemas:FlagSchema",
            natural_key=("key",),
            insert_only=("enabled", "description", "rollout_percentage"),
        ),
    ),
)
"""What migrate, seed and the test fixtures know of this domain."""
