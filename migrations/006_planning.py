"""Planning: scenarios, and initiatives with the log of their status."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import BooleanField, EnumField, ForeignKey, TextField
from datapkg.kit.models import Model, MutableModel

STATUSES = ("PROPOSED", "ACTIVE", "ON_HOLD", "COMPLETED", "CANCELLED")


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class PlanningScenario(MutableModel):
        name = TextField(max_length=200, min_length=1, index=True)
        needs_reconciliation = BooleanField(default=False)
        revision_of = ForeignKey("self", on_delete="SET NULL", null=True)

        class Meta:
            table_name = "planning_scenarios"

    @migrator.create_model
    class Initiative(MutableModel):
        name = TextField(max_length=200, min_length=1, index=True)
        status = EnumField(choices=STATUSES, default="PROPOSED", index=True)
        description = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "initiatives"

    @migrator.create_model
    class InitiativeStatus(Model):
        initiative = ForeignKey(Initiative, on_delete="CASCADE")
        from_status = EnumField(choices=STATUSES, null=True)
        to_status = EnumField(choices=STATUSES)
        actor = TextField(max_length=200, min_length=1)
        note = TextField(max_length=2000, null=True)

        class Meta:
            table_name = "initiative_status_log"


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in ("initiative_status_log", "initiatives", "planning_scenarios"):
        migrator.remove_model(table)
