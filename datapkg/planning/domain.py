"""The planning domain, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain
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

DOMAIN = Domain(
    name="planning",
    models=(PlanningScenario, Initiative, InitiativeStatus, SkillPool, TokenSupply, TokenDemand, TokenCalibration),
)
"""What migrate, seed and the test fixtures know of this domain."""
