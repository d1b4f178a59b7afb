"""The feature flags."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import BooleanField, IntegerField, TextField
from datapkg.kit.models import MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class FeatureFlag(MutableModel):
        key = TextField(max_length=100, min_length=1, unique=True)
        enabled = BooleanField(default=False)
        description = TextField(max_length=2000, null=True)
        rollout_percentage = IntegerField(min=0, max=100, null=True)

        class Meta:
            table_name = "feature_flags"


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    migrator.remove_model("feature_flags")
