"""The queue in figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from datapkg.kit.database import current, snapshot
from datapkg.kit.fields import total
from datapkg.kit.instants import as_instant
from datapkg.kit.markup import html_table
from datapkg.workqueue.models import FEATURE_STATUSES, ExecutionMetric, Feature, RoiMetric

__all__ = ["QueueStats", "stats"]


@dataclass(frozen=True)
class QueueStats:
    """The queue in figures.

    Attributes:
        by_status: how many features have each status.
        ready: how many could be claimed now.
        waiting: how many PENDING ones wait for another.
        expired: how many claims have run out and were not taken away yet.
        failures: how many FAILED ones there are of each kind.
        by_category: how many features each category has that are not completed.
        oldest_ready_seconds: how long the oldest ready one has been in the queue; None if none is.
        total_cost_usd: what all executions cost, exact.
        human_hours_saved: what all of them saved, exact.
        measured: how many executions that is.
    """

    by_status: Mapping[str, int]
    ready: int
    waiting: int
    expired: int
    failures: Mapping[str, int]
    by_category: Mapping[str, int]
    oldest_ready_seconds: float | None
    total_cost_usd: Decimal
    human_hours_saved: Decimal
    measured: int

    def public(self) -> dict[str, object]:
        """Return what a table or JSON shows."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows: list[tuple[str, object]] = []
        for name, value in self.public().items():
            rows += (
                [(f"{name}: {key}", each) for key, each in value.items()]
                if isinstance(value, dict)
                else [(name, value)]
            )
        return html_table(("queue", "value"), rows)


def stats(*, now: dt.datetime | None = None) -> QueueStats:
    """Return the queue in figures, all of one moment.

    Args:
        now: the present, for tests.
    """
    moment = as_instant(now)
    with snapshot():
        counted = dict(_counts("status", "1 = 1"))
        ready_where = "status = 'PENDING' AND unmet_dependencies = 0"
        count, oldest = current().fetch(f"SELECT count(*), min(created_at) FROM feature_queue WHERE {ready_where}", ())[
            0
        ]
        expired = Feature.select().where((Feature.status == "IN_PROGRESS") & (Feature.lease_expires_at <= moment))
        first = None if oldest is None else Feature.created_at.python_value(oldest)
        return QueueStats(
            by_status={status: counted.get(status, 0) for status in FEATURE_STATUSES},
            ready=count,
            waiting=counted.get("PENDING", 0) - count,
            expired=expired.count(),
            failures=dict(_counts("failure_kind", "status = 'FAILED' AND failure_kind IS NOT NULL")),
            by_category=dict(_counts("category", "status <> 'COMPLETED'")),
            oldest_ready_seconds=None if first is None else max((moment - first).total_seconds(), 0.0),
            total_cost_usd=_sum(ExecutionMetric, ExecutionMetric.total_cost_usd),
            human_hours_saved=_sum(RoiMetric, RoiMetric.estimated_human_hours_saved),
            measured=ExecutionMetric.select().count(),
        )


def _counts(column: str, where: str) -> list[tuple[str, int]]:
    rows = current().fetch(f"SELECT {column}, count(*) FROM feature_queue WHERE {where} GROUP BY {column}", ())
    return sorted((str(value), count) for value, count in rows)


def _sum(model: Any, field: Any) -> Decimal:
    found = model.select(total(field)).scalar()
    return Decimal(0) if found is None else found
