"""The planning domain's tables."""

from __future__ import annotations

from uuid import UUID

import peewee as pw

from datapkg.kit.fields import BooleanField, DateField, EnumField, FloatField, ForeignKey, TextField
from datapkg.kit.models import Model, MutableModel

__all__ = [
    "INITIATIVE_STATUSES",
    "MAX_TOKENS",
    "PLANNING_MODES",
    "Initiative",
    "InitiativeStatus",
    "PlanningScenario",
    "SkillPool",
    "TokenCalibration",
    "TokenDemand",
    "TokenSupply",
]

PLANNING_MODES = ("LEGACY", "TOKEN")
INITIATIVE_STATUSES = ("PROPOSED", "ACTIVE", "ON_HOLD", "COMPLETED", "CANCELLED")
MAX_TOKENS = 1e15
"""The largest figure of the ledger: whole numbers up to here are exact, and no sum of rows overflows."""


class PlanningScenario(MutableModel):
    """A plan to look at: who has capacity, and what wants it.

    Attributes:
        name: how people call it.
        planning_mode: one of ``PLANNING_MODES``; changed by ``set_planning_mode`` alone.
        needs_reconciliation: whether figures elsewhere have to be looked at again.
        revision_of: the scenario that this one revises.
    """

    name = TextField(max_length=200, min_length=1, index=True)
    needs_reconciliation = BooleanField(default=False)
    revision_of: ForeignKey[PlanningScenario | None] = ForeignKey("self", on_delete="SET NULL", null=True)
    planning_mode = EnumField(choices=PLANNING_MODES, default="LEGACY", index=True)

    revision_of_id: UUID | None

    class Meta:
        table_name = "planning_scenarios"


class Initiative(MutableModel):
    """Something that is to be done, and needs skills.

    Attributes:
        name: how people call it.
        status: one of ``INITIATIVE_STATUSES``.
        description: what it is about.
    """

    name = TextField(max_length=200, min_length=1, index=True)
    status = EnumField(choices=INITIATIVE_STATUSES, default="PROPOSED", index=True)
    description = TextField(max_length=10_000, null=True)

    class Meta:
        table_name = "initiatives"


class InitiativeStatus(Model):
    """One change of an initiative's status.

    Attributes:
        initiative: which one.
        from_status, to_status: one of ``INITIATIVE_STATUSES``; nothing before the first.
        actor: who changed it.
        note: why.
    """

    initiative = ForeignKey(Initiative, on_delete="CASCADE")
    from_status = EnumField(choices=INITIATIVE_STATUSES, null=True)
    to_status = EnumField(choices=INITIATIVE_STATUSES)
    actor = TextField(max_length=200, min_length=1)
    note = TextField(max_length=2000, null=True)

    initiative_id: UUID

    class Meta:
        table_name = "initiative_status_log"


class SkillPool(MutableModel):
    """People with one skill, whose capacity is counted together.

    Attributes:
        name: unique.
        description: what they do.
        is_active: whether new plans may use it.
    """

    name = TextField(max_length=100, min_length=1, unique=True)
    description = TextField(max_length=10_000, null=True)
    is_active = BooleanField(default=True, index=True)

    class Meta:
        table_name = "skill_pools"


class TokenSupply(MutableModel):
    """How many tokens a pool has in a scenario.

    Attributes:
        scenario, skill_pool: of which scenario and pool; one row each.
        tokens: 0 to ``MAX_TOKENS``.
        notes: where the figure comes from.
    """

    scenario = ForeignKey(PlanningScenario, on_delete="CASCADE", index=False)
    skill_pool = ForeignKey(SkillPool, on_delete="CASCADE")
    tokens = FloatField(min=0, max=MAX_TOKENS)
    notes = TextField(max_length=10_000, null=True)

    scenario_id: UUID
    skill_pool_id: UUID

    class Meta:
        table_name = "token_supplies"
        indexes = ((("scenario", "skill_pool"), True),)


class TokenDemand(MutableModel):
    """How many tokens an initiative wants of a pool in a scenario.

    Attributes:
        scenario, initiative, skill_pool: of which; one row each.
        tokens_p50: half of the time it takes no more.
        tokens_p90: nine times in ten it takes no more; at least P50, or unknown.
        notes: where the figures come from.
    """

    scenario = ForeignKey(PlanningScenario, on_delete="CASCADE", index=False)
    initiative = ForeignKey(Initiative, on_delete="CASCADE")
    skill_pool = ForeignKey(SkillPool, on_delete="CASCADE")
    tokens_p50 = FloatField(min=0, max=MAX_TOKENS)
    tokens_p90 = FloatField(min=0, max=MAX_TOKENS, null=True)
    notes = TextField(max_length=10_000, null=True)

    scenario_id: UUID
    initiative_id: UUID
    skill_pool_id: UUID

    class Meta:
        table_name = "token_demands"
        indexes = ((("scenario", "initiative", "skill_pool"), True),)
        constraints = [pw.Check("tokens_p90 >= tokens_p50", "ck_token_demands_tokens_p90_at_least_p50")]


class TokenCalibration(MutableModel):
    """What an hour of a pool is worth from a day on.

    Attributes:
        skill_pool: which pool.
        token_per_hour: more than 0, up to ``MAX_TOKENS``.
        effective_date: the first day on which it holds.
        notes: where the figure comes from.
    """

    skill_pool = ForeignKey(SkillPool, on_delete="CASCADE", index=False)
    token_per_hour = FloatField(min=0, max=MAX_TOKENS, default=1.0)
    effective_date = DateField()
    notes = TextField(max_length=10_000, null=True)

    skill_pool_id: UUID

    class Meta:
        table_name = "token_calibrations"
        indexes = ((("skill_pool", "effective_date"), True),)
        constraints = [pw.Check("token_per_hour > 0", "ck_token_calibrations_token_per_hour_above_zero")]
