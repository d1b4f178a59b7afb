"""Planning scenarios have a mode; those that are there already plan as before."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import EnumField


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    # migration-lint: allow index people make scenarios by hand, so there are few
    migrator.add_fields(
        "planning_scenarios", planning_mode=EnumField(choices=("LEGACY", "TOKEN"), default="LEGACY", index=True)
    )


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    migrator.remove_fields("planning_scenarios", "planning_mode")
