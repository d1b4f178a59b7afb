"""The feature flags' table."""

from __future__ import annotations

from datapkg.kit.fields import BooleanField, IntegerField, TextField
from datapkg.kit.models import MutableModel

__all__ = ["FeatureFlag"]


class FeatureFlag(MutableModel):
    """A switch that an operator turns.

    Attributes:
        key: its name, such as ``token_planning_v1``.
        enabled: whether it is on at all.
        description: what it does.
        rollout_percentage: 0 to 100, for whom it is on while enabled; empty means everybody.
    """

    key = TextField(max_length=100, min_length=1, unique=True)
    enabled = BooleanField(default=False)
    description = TextField(max_length=2000, null=True)
    rollout_percentage = IntegerField(min=0, max=100, null=True)

    class Meta:
        table_name = "feature_flags"
