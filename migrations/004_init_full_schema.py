"""Evaluation: the versioned scenario definitions."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import ForeignKey, JSONField, TextField
from datapkg.kit.models import MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class Definition(MutableModel):
        parent = ForeignKey("self", on_delete="RESTRICT", null=True)
        name = TextField(max_length=200, min_length=1, index=True)
        content = JSONField()
        created_by = ForeignKey(migrator.orm["users"], on_delete="RESTRICT", null=True, column_name="created_by")

        class Meta:
            table_name = "definitions"
            indexes = ((("created_at",), False),)


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    migrator.remove_model("definitions")
