"""The work queue: features, their dependencies and history, what they cost and were worth."""

from __future__ import annotations

from typing import Any

import peewee as pw

from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DecimalField,
    EnumField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, MutableModel

STATUSES = ("DRAFT", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED")


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class Feature(MutableModel):
        feature_number = IntegerField(min=1, unique=True)
        name = TextField(max_length=500, min_length=1)
        category = TextField(max_length=100, min_length=1)
        status = EnumField(choices=STATUSES, default="PENDING")
        priority = EnumField(choices=("HIGH", "MEDIUM", "LOW"), default="MEDIUM")
        priority_rank = IntegerField(min=0, max=2, default=1)
        test_steps = TextField(max_length=100_000)
        result_data = TextField(max_length=10_000_000, null=True)
        execution_log = TextField(max_length=10_000_000, null=True)
        failure_kind = EnumField(choices=("ERROR", "STOPPED", "TIMEOUT", "EXHAUSTED"), null=True)
        attempt = IntegerField(min=0, default=0)
        max_attempts = IntegerField(min=1, default=3)
        unmet_dependencies = IntegerField(min=0, default=0)
        claim_token = UUIDField(null=True)
        claimed_by = TextField(max_length=200, min_length=1, null=True)
        lease_expires_at = TimestampField(null=True)
        finished_at = TimestampField(null=True)

        class Meta:
            table_name = "feature_queue"
            indexes = ((("status", "feature_number"), False),)
            constraints = [
                pw.Check(
                    "priority_rank = CASE priority WHEN 'HIGH' THEN 0 WHEN 'MEDIUM' THEN 1 ELSE 2 END",
                    "ck_feature_queue_rank_of_priority",
                )
            ]

    migrator.add_index(
        "feature_queue",
        "priority_rank",
        "created_at",
        "id",
        name="ix_feature_queue_ready",
        where=pw.SQL("status = 'PENDING' AND unmet_dependencies = 0"),
    )
    migrator.add_index(
        "feature_queue",
        "category",
        "priority_rank",
        "created_at",
        "id",
        name="ix_feature_queue_ready_category",
        where=pw.SQL("status = 'PENDING' AND unmet_dependencies = 0"),
    )
    migrator.add_index(
        "feature_queue",
        "lease_expires_at",
        name="ix_feature_queue_leased",
        where=pw.SQL("status = 'IN_PROGRESS'"),
    )

    @migrator.create_model
    class FeatureDependency(Model):
        feature = ForeignKey(Feature, on_delete="CASCADE", index=False)
        depends_on = ForeignKey(Feature, on_delete="SET NULL", null=True)
        depends_on_number = IntegerField(min=1)

        class Meta:
            table_name = "feature_dependencies"
            indexes = ((("feature", "depends_on_number"), True),)

    @migrator.create_model
    class FeatureTransition(Model):
        feature_id = UUIDField()
        feature_number = IntegerField(min=1)
        from_status = EnumField(choices=STATUSES, null=True)
        to_status = EnumField(choices=STATUSES)
        actor = TextField(max_length=200, min_length=1, null=True)
        attempt = IntegerField(min=0, default=0)
        note = TextField(max_length=2000, null=True)

        class Meta:
            table_name = "feature_transitions"
            indexes = ((("feature_number", "id"), False),)
            append_only = True

    @migrator.create_model
    class ExecutionMetric(Model):
        feature = ForeignKey(Feature, on_delete="CASCADE", unique=True)
        total_cost_usd = DecimalField(max_digits=14, scale=6)
        duration_seconds = IntegerField(min=0)
        success_rate = IntegerField(min=0, max=100)
        ready_for_production = BooleanField()
        prompt_tokens = BigIntegerField(min=0)
        completion_tokens = BigIntegerField(min=0)
        cached_tokens = BigIntegerField(min=0)
        agents_used = JSONField()

        class Meta:
            table_name = "execution_metrics"

    @migrator.create_model
    class RoiMetric(Model):
        feature = ForeignKey(Feature, on_delete="CASCADE", unique=True)
        files_modified = IntegerField(min=0, null=True)
        git_branch = TextField(max_length=500, null=True)
        tools_called = IntegerField(min=0, null=True)
        estimated_human_hours_saved = DecimalField(max_digits=12, scale=2, null=True)

        class Meta:
            table_name = "roi_metrics"


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in ("roi_metrics", "execution_metrics", "feature_transitions", "feature_dependencies", "feature_queue"):
        migrator.remove_model(table)
