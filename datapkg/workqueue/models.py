"""The work queue's tables."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import peewee as pw

from datapkg.kit.database import current
from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DecimalField,
    DocumentField,
    EnumField,
    ForeignKey,
    IntegerField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, MutableModel
from datapkg.workqueue.documents import AGENTS_USED

__all__ = [
    "FAILURE_KINDS",
    "FEATURE_STATUSES",
    "PRIORITIES",
    "ExecutionMetric",
    "Feature",
    "FeatureDependency",
    "FeatureTransition",
    "RoiMetric",
    "feature_label",
    "load_depends_on_ids",
]

FEATURE_STATUSES = ("DRAFT", "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED")
PRIORITIES = ("HIGH", "MEDIUM", "LOW")
"""From the first claimed to the last; a feature's ``priority_rank`` is its place here."""
FAILURE_KINDS = ("ERROR", "STOPPED", "TIMEOUT", "EXHAUSTED")


def feature_label(number: int) -> str:
    """Return how people are shown a feature's number: ``FEAT-005``."""
    return f"FEAT-{number:03d}"


class Feature(MutableModel):
    """A piece of work, claimed by one worker at a time.

    Attributes:
        feature_number: what people call it by, shown as FEAT-005.
        name: what it is called.
        category: what kind of work it is, such as ``backend``.
        status: one of ``FEATURE_STATUSES``.
        priority: one of ``PRIORITIES``.
        priority_rank: 0 for HIGH, 1 for MEDIUM, 2 for LOW; sorts as the text does not.
        test_steps: requirements and acceptance criteria.
        result_data: what came out, usually Markdown.
        execution_log: the raw log.
        failure_kind: why it failed, one of ``FAILURE_KINDS``.
        attempt: how often it was claimed since it was last submitted or retried; a claim given back does not count.
        max_attempts: how often it may be.
        unmet_dependencies: how many of its dependencies are not completed; a claim looks at 0 only.
        claim_token: the fencing token of the claim that holds it.
        claimed_by: the worker that holds it.
        lease_expires_at: until when.
        finished_at: when it came to COMPLETED or FAILED.
    """

    feature_number = IntegerField(min=1, unique=True)
    name = TextField(max_length=500, min_length=1)
    category = TextField(max_length=100, min_length=1)
    status = EnumField(choices=FEATURE_STATUSES, default="PENDING")
    priority = EnumField(choices=PRIORITIES, default="MEDIUM")
    priority_rank = IntegerField(min=0, max=2, default=1)
    test_steps = TextField(max_length=100_000)
    result_data = TextField(max_length=10_000_000, null=True)
    execution_log = TextField(max_length=10_000_000, null=True)
    failure_kind = EnumField(choices=FAILURE_KINDS, null=True)
    attempt = IntegerField(min=0, default=0)
    max_attempts = IntegerField(min=1, default=3)
    unmet_dependencies = IntegerField(min=0, default=0)
    claim_token = UUIDField(null=True)
    claimed_by = TextField(max_length=200, min_length=1, null=True)
    lease_expires_at = TimestampField(null=True)
    finished_at = TimestampField(null=True)

    _depends_on_ids: tuple[int, ...] | None = None

    @property
    def label(self) -> str:
        """How people are shown its number: ``FEAT-005``."""
        return feature_label(self.feature_number)

    @property
    def depends_on_ids(self) -> list[int]:
        """The numbers of the features it depends on, in their order; read when first asked for."""
        if self._depends_on_ids is None:
            load_depends_on_ids([self])
        return list(self._depends_on_ids or ())

    def public(self) -> dict[str, object]:
        """Return the columns for people, FEAT-005 first; without the claim's token, which is the worker's."""
        shown = {"feature": self.label, **super().public()}
        del shown["claim_token"]
        return shown

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives: by name the column, or the type of what is no column."""
        shape = {"feature": str, **super().public_shape()}
        del shape["claim_token"]
        return shape

    class Meta:
        table_name = "feature_queue"
        indexes = ((("status", "feature_number"), False),)
        constraints = [
            pw.Check(
                "priority_rank = CASE priority WHEN 'HIGH' THEN 0 WHEN 'MEDIUM' THEN 1 ELSE 2 END",
                "ck_feature_queue_rank_of_priority",
            )
        ]


# What a claim walks along: only what is ready, in the order in which it is claimed.
Feature.add_index(
    pw.ModelIndex(
        Feature,
        [Feature.priority_rank, Feature.created_at, Feature.id],
        name="ix_feature_queue_ready",
        where=pw.SQL("status = 'PENDING' AND unmet_dependencies = 0"),
    )
)
Feature.add_index(
    pw.ModelIndex(
        Feature,
        [Feature.category, Feature.priority_rank, Feature.created_at, Feature.id],
        name="ix_feature_queue_ready_category",
        where=pw.SQL("status = 'PENDING' AND unmet_dependencies = 0"),
    )
)
Feature.add_index(
    pw.ModelIndex(
        Feature,
        [Feature.lease_expires_at],
        name="ix_feature_queue_leased",
        where=pw.SQL("status = 'IN_PROGRESS'"),
    )
)


class FeatureDependency(Model):
    """That one feature waits for another.

    Attributes:
        feature: which one waits.
        depends_on: for which; empty once that was deleted.
        depends_on_number: its number, which stays.
    """

    feature = ForeignKey(Feature, on_delete="CASCADE", index=False)
    depends_on = ForeignKey(Feature, on_delete="SET NULL", null=True)
    depends_on_number = IntegerField(min=1)

    feature_id: UUID
    depends_on_id: UUID | None

    class Meta:
        table_name = "feature_dependencies"
        indexes = ((("feature", "depends_on_number"), True),)


def load_depends_on_ids(features: Iterable[Feature]) -> None:
    """Read what several features depend on, in one query for each 500 of them.

    Args:
        features: rows of the queue; their ``depends_on_ids`` then costs nothing.
    """
    features = list(features)
    found: dict[str, list[int]] = {str(feature.id): [] for feature in features}
    keys, database = list(found), current()
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        marks = ", ".join([database.dialect.param] * len(some))
        sql = (
            f"SELECT feature_id, depends_on_number FROM feature_dependencies WHERE feature_id IN ({marks}) "
            "ORDER BY depends_on_number"
        )
        for key, number in database.fetch(sql, some):
            found[key].append(number)
    for feature in features:
        feature._depends_on_ids = tuple(found[str(feature.id)])


class FeatureTransition(Model):
    """One change of a feature's status; append-only, and kept when the feature is deleted.

    Attributes:
        feature_id: which feature; no reference, so that history outlives it.
        feature_number: its number.
        from_status, to_status: one of ``FEATURE_STATUSES``; nothing before the first.
        actor: the worker or caller.
        attempt: the attempt that it belongs to.
        note: why.
    """

    feature_id = UUIDField()
    feature_number = IntegerField(min=1)
    from_status = EnumField(choices=FEATURE_STATUSES, null=True)
    to_status = EnumField(choices=FEATURE_STATUSES)
    actor = TextField(max_length=200, min_length=1, null=True)
    attempt = IntegerField(min=0, default=0)
    note = TextField(max_length=2000, null=True)

    def public(self) -> dict[str, object]:
        """Return the columns for people, FEAT-005 first."""
        return {"feature": feature_label(self.feature_number), **super().public()}

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives: by name the column, or the type of what is no column."""
        return {"feature": str, **super().public_shape()}

    class Meta:
        table_name = "feature_transitions"
        indexes = ((("feature_number", "id"), False),)
        append_only = True
        written_by = "datapkg.workqueue.complete, or another function that changes a status"


class ExecutionMetric(Model):
    """What the execution of a feature cost.

    Attributes:
        feature: which feature, one row each.
        total_cost_usd: in US dollars, exact.
        duration_seconds: wall-clock time.
        success_rate: percent, 0 to 100.
        ready_for_production: whether it was approved.
        prompt_tokens, completion_tokens, cached_tokens: what was consumed.
        agents_used: a ``agents-used`` document, a list of roles and costs.
    """

    feature = ForeignKey(Feature, on_delete="CASCADE", unique=True)
    total_cost_usd = DecimalField(max_digits=14, scale=6)
    duration_seconds = IntegerField(min=0)
    success_rate = IntegerField(min=0, max=100)
    ready_for_production = BooleanField()
    prompt_tokens = BigIntegerField(min=0)
    completion_tokens = BigIntegerField(min=0)
    cached_tokens = BigIntegerField(min=0)
    agents_used = DocumentField(AGENTS_USED)

    feature_id: UUID

    class Meta:
        table_name = "execution_metrics"


class RoiMetric(Model):
    """What a feature was worth.

    Attributes:
        feature: which feature, one row each.
        files_modified: how many files changed.
        git_branch: where the work was done.
        tools_called: how many tool calls were made.
        estimated_human_hours_saved: in hours, exact.
    """

    feature = ForeignKey(Feature, on_delete="CASCADE", unique=True)
    files_modified = IntegerField(min=0, null=True)
    git_branch = TextField(max_length=500, null=True)
    tools_called = IntegerField(min=0, null=True)
    estimated_human_hours_saved = DecimalField(max_digits=12, scale=2, null=True)

    feature_id: UUID

    class Meta:
        table_name = "roi_metrics"
