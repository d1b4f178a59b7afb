"""The workqueue domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

from datapkg import workqueue
from datapkg.kit.results import Rows
from datapkg.workqueue import (
    Blocked,
    ExecutionMetric,
    Explanation,
    Feature,
    FeatureDependency,
    FeatureTransition,
    Plan,
    QueueStats,
    RoiMetric,
    WorkReport,
)


def execution_metric_columns(row: ExecutionMetric) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.feature, Feature)
    assert_type(row.feature_id, UUID)
    assert_type(row.total_cost_usd, Decimal)
    assert_type(row.duration_seconds, int)
    assert_type(row.success_rate, int)
    assert_type(row.ready_for_production, bool)
    assert_type(row.prompt_tokens, int)
    assert_type(row.completion_tokens, int)
    assert_type(row.cached_tokens, int)
    assert_type(row.agents_used, list[dict[str, Any]])


def feature_columns(row: Feature) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.feature_number, int)
    assert_type(row.name, str)
    assert_type(row.category, str)
    assert_type(row.status, str)
    assert_type(row.priority, str)
    assert_type(row.priority_rank, int)
    assert_type(row.test_steps, str)
    assert_type(row.result_data, str | None)
    assert_type(row.execution_log, str | None)
    assert_type(row.failure_kind, str | None)
    assert_type(row.attempt, int)
    assert_type(row.max_attempts, int)
    assert_type(row.unmet_dependencies, int)
    assert_type(row.claim_token, UUID | None)
    assert_type(row.claimed_by, str | None)
    assert_type(row.lease_expires_at, dt.datetime | None)
    assert_type(row.finished_at, dt.datetime | None)


def feature_dependency_columns(row: FeatureDependency) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.feature, Feature)
    assert_type(row.feature_id, UUID)
    assert_type(row.depends_on, Feature | None)
    assert_type(row.depends_on_id, UUID | None)
    assert_type(row.depends_on_number, int)


def feature_transition_columns(row: FeatureTransition) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.feature_id, UUID)
    assert_type(row.feature_number, int)
    assert_type(row.from_status, str | None)
    assert_type(row.to_status, str)
    assert_type(row.actor, str | None)
    assert_type(row.attempt, int)
    assert_type(row.note, str | None)


def roi_metric_columns(row: RoiMetric) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.feature, Feature)
    assert_type(row.feature_id, UUID)
    assert_type(row.files_modified, int | None)
    assert_type(row.git_branch, str | None)
    assert_type(row.tools_called, int | None)
    assert_type(row.estimated_human_hours_saved, Decimal | None)


def functions(key: UUID, text: str, number: int) -> None:
    """What each function gives."""
    assert_type(workqueue.add_dependency(number, depends_on=number), FeatureDependency)
    assert_type(workqueue.blocked(), Rows[Blocked])
    assert_type(workqueue.claim_next(text), Feature | None)
    handler = workqueue.command_handler([text])
    assert_type(handler, Callable[[workqueue.Job], workqueue.Outcome | str | None])
    assert_type(workqueue.complete(number, claim_token=key), Feature)
    workqueue.delete_feature(number)
    assert_type(workqueue.enqueue(text, category=text, test_steps=text), Feature)
    assert_type(workqueue.enqueue_many([{}]), Rows[Feature])
    assert_type(workqueue.explain(number), Explanation)
    assert_type(workqueue.fail(number, claim_token=key), Feature)
    assert_type(workqueue.feature_label(1), str)
    assert_type(workqueue.find_execution_metric(number), ExecutionMetric | None)
    assert_type(workqueue.find_feature(number), Feature | None)
    assert_type(workqueue.find_roi_metric(number), RoiMetric | None)
    assert_type(workqueue.get_execution_metric(number), ExecutionMetric)
    assert_type(workqueue.get_feature(number), Feature)
    assert_type(workqueue.get_roi_metric(number), RoiMetric)
    assert_type(workqueue.heartbeat(number, claim_token=key), Feature)
    assert_type(workqueue.list_dependencies(number), Rows[FeatureDependency])
    assert_type(workqueue.list_features(), Rows[Feature])
    assert_type(workqueue.list_transitions(), Rows[FeatureTransition])
    workqueue.load_depends_on_ids([])
    assert_type(workqueue.plan(), Plan)
    assert_type(workqueue.ready(), Rows[Feature])
    assert_type(workqueue.release(number, claim_token=key), Feature)
    assert_type(workqueue.release_expired(), Rows[Feature])
    workqueue.remove_dependency(number, depends_on=number)
    assert_type(workqueue.retry(number), Feature)
    assert_type(workqueue.stats(), QueueStats)
    assert_type(workqueue.stop(number), Feature)
    assert_type(workqueue.submit(number), Feature)
    assert_type(workqueue.update_feature(number), Feature)
    assert_type(workqueue.verify_counts(), Rows[dict[str, object]])
    assert_type(workqueue.work(handler), WorkReport)
