"""The planning domain, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain, SeedTable
from datapkg.planning.models import (
    Initiative,
    InitiativeStatus,
    PlanningScenario,
    SkillPool,
    TokenCalibration,
    TokenDemand,
    TokenSupply,
)

__all__ = ["DOMAIN"]

_SCHEMAS = "datapkg.planning.schemas"

DOMAIN = Domain(
    name="planning",
    models=(PlanningScenario, Initiative, InitiativeStatus, SkillPool, TokenSupply, TokenDemand, TokenCalibration),
    seeds=(
        SeedTable(
            model=PlanningScenario,
            schema=f"{_SCHEMAS}:ScenarioRow",
            insert_only=("needs_reconciliation", "revision_of"),
        ),
        # Its status goes its own way, with a log.
        SeedTable(model=Initiative, schema=f"{_SCHEMAS}:InitiativeRow", insert_only=("status",)),
        # What happened is history: a seed writes it once.
        SeedTable(
            model=InitiativeStatus,
            schema=f"{_SCHEMAS}:InitiativeStatusRow",
            insert_only=("initiative", "from_status", "to_status", "actor", "note"),
        ),
        SeedTable(
            model=SkillPool,
            schema=f"{_SCHEMAS}:SkillPoolRow",
            natural_key=("name",),
            insert_only=("description", "is_active"),
        ),
        SeedTable(model=TokenSupply, schema=f"{_SCHEMAS}:SupplyRow", natural_key=("scenario", "skill_pool")),
        SeedTable(
            model=TokenDemand, schema=f"{_SCHEMAS}:DemandRow", natural_key=("scenario", "initiative", "skill_pool")
        ),
        SeedTable(
            model=TokenCalibration,
            schema=f"{_SCHEMAS}:CalibrationRow",
            natural_key=("skill_pool", "effective_date"),
        ),
    ),
)
"""What migrate, seed and the test fixtures know of this domain."""
