"""Token planning: skill pools, their supplies and calibrations, and what initiatives want of them."""

from __future__ import annotations

from typing import Any

import peewee as pw

from datapkg.kit.fields import BooleanField, DateField, FloatField, ForeignKey, TextField
from datapkg.kit.models import MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    scenarios, initiatives = migrator.orm["planning_scenarios"], migrator.orm["initiatives"]

    @migrator.create_model
    class SkillPool(MutableModel):
        name = TextField(max_length=100, min_length=1, unique=True)
        description = TextField(max_length=10_000, null=True)
        is_active = BooleanField(default=True, index=True)

        class Meta:
            table_name = "skill_pools"

    @migrator.create_model
    class TokenSupply(MutableModel):
        scenario = ForeignKey(scenarios, on_delete="CASCADE", index=False)
        skill_pool = ForeignKey(SkillPool, on_delete="CASCADE")
        tokens = FloatField(min=0, max=1e15)
        notes = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "token_supplies"
            indexes = ((("scenario", "skill_pool"), True),)

    @migrator.create_model
    class TokenDemand(MutableModel):
        scenario = ForeignKey(scenarios, on_delete="CASCADE", index=False)
        initiative = ForeignKey(initiatives, on_delete="CASCADE")
        skill_pool = ForeignKey(SkillPool, on_delete="CASCADE")
        tokens_p50 = FloatField(min=0, max=1e15)
        tokens_p90 = FloatField(min=0, max=1e15, null=True)
        notes = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "token_demands"
            indexes = ((("scenario", "initiative", "skill_pool"), True),)
            constraints = [pw.Check("tokens_p90 >= tokens_p50", "ck_token_demands_tokens_p90_at_least_p50")]

    @migrator.create_model
    class TokenCalibration(MutableModel):
        skill_pool = ForeignKey(SkillPool, on_delete="CASCADE", index=False)
        token_per_hour = FloatField(min=0, max=1e15, default=1.0)
        effective_date = DateField()
        notes = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "token_calibrations"
            indexes = ((("skill_pool", "effective_date"), True),)
            constraints = [pw.Check("token_per_hour > 0", "ck_token_calibrations_token_per_hour_above_zero")]


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in ("token_calibrations", "token_demands", "token_supplies", "skill_pools"):
        migrator.remove_model(table)
