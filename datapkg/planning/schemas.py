"""What the planning domain's functions accept, and its rows in seed files."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from datapkg.kit.schemas import Boolean, Choice, Date, Float, Integer, Page, Schema, Text, Uuid
from datapkg.planning.models import INITIATIVE_STATUSES, MAX_TOKENS, PLANNING_MODES

__all__ = [
    "CalibrationFilters",
    "CalibrationRow",
    "Conversion",
    "DemandFilters",
    "DemandRow",
    "InitiativeFilters",
    "InitiativeRow",
    "InitiativeStatusRow",
    "LedgerCopy",
    "ModeChange",
    "NewCalibration",
    "NewDemand",
    "NewInitiative",
    "NewRevision",
    "NewScenario",
    "NewSkillPool",
    "NewSupply",
    "PoolDeletion",
    "RateOn",
    "ScenarioChange",
    "ScenarioFilters",
    "ScenarioRow",
    "SimulationOptions",
    "SkillPoolChange",
    "SkillPoolFilters",
    "SkillPoolRow",
    "StatusChange",
    "StatusFilters",
    "SupplyFilters",
    "SupplyRow",
]

MIN_DRAWS, MAX_DRAWS = 100, 1_000_000


def _above_zero() -> Float:
    return Float(
        0, MAX_TOKENS, required=True, validate=validate.Range(min=0, min_inclusive=False, error="Must be above 0.")
    )


class _Demand(Schema):
    """What a demand is, whoever it belongs to."""

    tokens_p50 = Float(0, MAX_TOKENS, required=True)
    tokens_p90 = Float(0, MAX_TOKENS, allow_none=True)
    notes = Text(0, 10_000, allow_none=True)

    @validates_schema(skip_on_field_errors=False)
    def _in_order(self, data: dict[str, Any], **kwargs: object) -> None:
        p50, p90 = data.get("tokens_p50"), data.get("tokens_p90")
        if p50 is not None and p90 is not None and p90 < p50:
            raise ValidationError("Must be at least tokens_p50.", "tokens_p90")


# Scenarios ------------------------------------------------------------------------------------------------------------


class NewScenario(Schema):
    """A scenario as a caller gives it."""

    name = Text(1, 200, required=True)
    needs_reconciliation = Boolean()


class ScenarioChange(Schema):
    """What may change on a scenario, its mode apart."""

    name = Text(1, 200)
    needs_reconciliation = Boolean()


class NewRevision(Schema):
    """Which scenario is revised, and what the revision is called."""

    scenario_id = Uuid(required=True)
    name = Text(1, 200, allow_none=True)


class ModeChange(Schema):
    """Which scenario plans in which mode from now on, and who says so."""

    scenario_id = Uuid(required=True)
    mode = Choice(PLANNING_MODES, required=True)
    actor = Text(1, 200, required=True)


class ScenarioFilters(Page):
    """What a list of scenarios can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    planning_mode = Choice(PLANNING_MODES)
    needs_reconciliation = Boolean()
    revision_of = Uuid()


class ScenarioRow(Schema):
    """A scenario in a seed file; its mode is not a seed's to set, because TOKEN needs the flag and is audited."""

    name = Text(1, 200, required=True)
    needs_reconciliation = Boolean()
    revision_of = Uuid(allow_none=True)


# Initiatives ----------------------------------------------------------------------------------------------------------


class NewInitiative(Schema):
    """An initiative as a caller gives it."""

    name = Text(1, 200, required=True)
    description = Text(0, 10_000, allow_none=True)
    status = Choice(INITIATIVE_STATUSES)
    actor = Text(1, 200, required=True)


class StatusChange(Schema):
    """Which initiative comes to which status, by whom, and why."""

    initiative_id = Uuid(required=True)
    status = Choice(INITIATIVE_STATUSES, required=True)
    actor = Text(1, 200, required=True)
    note = Text(1, 2000, allow_none=True)


class InitiativeFilters(Page):
    """What a list of initiatives can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    status = Choice(INITIATIVE_STATUSES)


class StatusFilters(Page):
    """What the log of statuses can be narrowed by, and where its page starts."""

    initiative_id = Uuid()
    to_status = Choice(INITIATIVE_STATUSES)
    actor = Text(1, 200)


class InitiativeRow(Schema):
    """An initiative in a seed file."""

    name = Text(1, 200, required=True)
    status = Choice(INITIATIVE_STATUSES)
    description = Text(0, 10_000, allow_none=True)


class InitiativeStatusRow(Schema):
    """A change of an initiative's status in a seed file."""

    initiative = Uuid(required=True)
    from_status = Choice(INITIATIVE_STATUSES, allow_none=True)
    to_status = Choice(INITIATIVE_STATUSES, required=True)
    actor = Text(1, 200, required=True)
    note = Text(0, 2000, allow_none=True)


# Skill pools and their rates ------------------------------------------------------------------------------------------


class NewSkillPool(Schema):
    """A skill pool as a caller gives it."""

    name = Text(1, 100, required=True)
    description = Text(0, 10_000, allow_none=True)
    is_active = Boolean()


class SkillPoolChange(Schema):
    """What may change on a skill pool."""

    name = Text(1, 100)
    description = Text(0, 10_000, allow_none=True)
    is_active = Boolean()


class PoolDeletion(Schema):
    """Which skill pool goes, and whether its history goes with it."""

    pool_id = Uuid(required=True)
    cascade = Boolean(required=True)


class SkillPoolFilters(Page):
    """What a list of skill pools can be narrowed by, and where its page starts."""

    is_active = Boolean()


class SkillPoolRow(NewSkillPool):
    """A skill pool in a seed file."""


class NewCalibration(Schema):
    """What an hour of a pool is worth from a day on."""

    skill_pool_id = Uuid(required=True)
    token_per_hour = _above_zero()
    effective_date = Date(required=True)
    notes = Text(0, 10_000, allow_none=True)


class RateOn(Schema):
    """Whose rate, on which day."""

    skill_pool_id = Uuid(required=True)
    on = Date(required=True)


class Conversion(RateOn):
    """Which hours of whom, on which day."""

    hours = Float(0, MAX_TOKENS, required=True)


class CalibrationFilters(Page):
    """What a list of calibrations can be narrowed by, and where its page starts."""

    skill_pool_id = Uuid()


class CalibrationRow(Schema):
    """A calibration in a seed file."""

    skill_pool = Uuid(required=True)
    token_per_hour = _above_zero()
    effective_date = Date(required=True)
    notes = Text(0, 10_000, allow_none=True)


# The ledger -----------------------------------------------------------------------------------------------------------


class NewSupply(Schema):
    """A supply as a caller gives it."""

    scenario_id = Uuid(required=True)
    skill_pool_id = Uuid(required=True)
    tokens = Float(0, MAX_TOKENS, required=True)
    notes = Text(0, 10_000, allow_none=True)


class NewDemand(_Demand):
    """A demand as a caller gives it."""

    scenario_id = Uuid(required=True)
    initiative_id = Uuid(required=True)
    skill_pool_id = Uuid(required=True)


class LedgerCopy(Schema):
    """Which scenario's ledger is copied into which other's."""

    source_id = Uuid(required=True)
    target_id = Uuid(required=True)

    @validates_schema(skip_on_field_errors=False)
    def _two_scenarios(self, data: dict[str, Any], **kwargs: object) -> None:
        if "source_id" in data and data["source_id"] == data.get("target_id"):
            raise ValidationError("Must be another scenario than the source.", "target_id")


class SupplyFilters(Page):
    """What a list of supplies can be narrowed by, and where its page starts."""

    scenario_id = Uuid()
    skill_pool_id = Uuid()


class DemandFilters(SupplyFilters):
    """What a list of demands can be narrowed by, and where its page starts."""

    initiative_id = Uuid()


class SupplyRow(Schema):
    """A supply in a seed file."""

    scenario = Uuid(required=True)
    skill_pool = Uuid(required=True)
    tokens = Float(0, MAX_TOKENS, required=True)
    notes = Text(0, 10_000, allow_none=True)


class DemandRow(_Demand):
    """A demand in a seed file."""

    scenario = Uuid(required=True)
    initiative = Uuid(required=True)
    skill_pool = Uuid(required=True)


class SimulationOptions(Schema):
    """How often a simulation draws, and where its random numbers start."""

    draws = Integer(MIN_DRAWS, MAX_DRAWS, required=True)
    seed = Integer(0, 2**53, required=True)
