"""Every function of the work queue, in one place."""

from __future__ import annotations

from datapkg.workqueue.claims import LEASE, claim_next, heartbeat, release, release_expired
from datapkg.workqueue.commands import command_handler
from datapkg.workqueue.dependencies import add_dependency, list_dependencies, remove_dependency, verify_counts
from datapkg.workqueue.enqueuing import enqueue, enqueue_many
from datapkg.workqueue.features import (
    FeatureChanges,
    delete_feature,
    find_execution_metric,
    find_feature,
    find_roi_metric,
    get_execution_metric,
    get_feature,
    get_roi_metric,
    list_features,
    update_feature,
)
from datapkg.workqueue.finishing import complete, fail, retry, stop, submit
from datapkg.workqueue.history import list_transitions
from datapkg.workqueue.plans import Plan, PlannedFeature, plan
from datapkg.workqueue.statistics import QueueStats, stats
from datapkg.workqueue.waiting import Blocked, Explanation, blocked, explain, ready
from datapkg.workqueue.worker import Job, Outcome, WorkReport, work

__all__ = [
    "LEASE",
    "Blocked",
    "Explanation",
    "FeatureChanges",
    "Job",
    "Outcome",
    "Plan",
    "PlannedFeature",
    "QueueStats",
    "WorkReport",
    "add_dependency",
    "blocked",
    "claim_next",
    "command_handler",
    "complete",
    "delete_feature",
    "enqueue",
    "enqueue_many",
    "explain",
    "fail",
    "find_execution_metric",
    "find_feature",
    "find_roi_metric",
    "get_execution_metric",
    "get_feature",
    "get_roi_metric",
    "heartbeat",
    "list_dependencies",
    "list_features",
    "list_transitions",
    "plan",
    "ready",
    "release",
    "release_expired",
    "remove_dependency",
    "retry",
    "stats",
    "stop",
    "submit",
    "update_feature",
    "verify_counts",
    "work",
]
