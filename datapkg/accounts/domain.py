"""The accounts domain, as the registry lists it."""

from __future__ import annotations

from datapkg.accounts.models import ApiKey, Session, User, VerificationToken
from datapkg.kit.domains import Domain, SeedTable

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="accounts",
    models=(User, ApiKey, VerificationToken, Session),
    seeds=(
        SeedTable(
            model=User,
            schema="datapkg.accounts.schemas:UserRow",
            natural_key=("email",),
            insert_only=("name", "created_at"),
        ),
    ),
)
"""What migrate, seed and the test fixtures know of this domain."""
