"""Engagement in figures: what was measured, decided and answered in a period, and what people still have to look at."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from datapkg.engagement.models import Decision
from datapkg.engagement.oversight_models import Escalation, KpiMetric
from datapkg.engagement.vocabulary import APPROVAL_STATUSES, ESCALATION_PRIORITIES, OPERATIONAL_MODES
from datapkg.kit.database import current, snapshot
from datapkg.kit.markup import html_table
from datapkg.kit.results import Rows, text_table

if TYPE_CHECKING:
    import pandas

__all__ = ["EngagementReport", "KpiSummary", "ModeSummary", "OpenEscalations", "ReplySummary", "report"]


@dataclass(frozen=True)
class KpiSummary:
    """A figure over the days of the period.

    Attributes:
        platform: one of ``KPI_PLATFORMS``.
        metric_type: one of ``KPI_TYPES``.
        metric_name: such as ``replies_posted``.
        days: for how many days there is a value.
        latest_on: the newest of them.
        latest: its value.
        mean: of all values, to 12 digits.
        least: the least value.
        greatest: the greatest value.
    """

    platform: str
    metric_type: str
    metric_name: str
    days: int
    latest_on: dt.date
    latest: float
    mean: float
    least: float
    greatest: float


@dataclass(frozen=True)
class ModeSummary:
    """The decisions for one mode.

    Attributes:
        mode: one of ``OPERATIONAL_MODES``.
        decisions: how many.
        mean_composite_score: of theirs, to 12 digits; None without any.
        randomized: how many of them were drawn at random.
    """

    mode: str
    decisions: int
    mean_composite_score: float | None
    randomized: int


@dataclass(frozen=True)
class ReplySummary:
    """The replies with one approval status.

    Attributes:
        approval_status: one of ``APPROVAL_STATUSES``.
        replies: how many, deleted ones not counted.
        posted: how many of them were posted.
        deleted: how many more were deleted.
    """

    approval_status: str
    replies: int
    posted: int
    deleted: int


@dataclass(frozen=True)
class OpenEscalations:
    """The escalations of one priority that are not closed.

    Attributes:
        priority: one of ``ESCALATION_PRIORITIES``.
        unassigned: how many nobody has been given.
        assigned: how many somebody has.
        oldest: when the oldest was made; None without any.
    """

    priority: str
    unassigned: int
    assigned: int
    oldest: dt.datetime | None


@dataclass(frozen=True)
class EngagementReport:
    """Engagement in figures.

    Attributes:
        date_from: the first day, in UTC; None for all before the last.
        date_to: the last day; None for all after the first.
        platform: the platform; None for all.
        kpis: one row for each figure, by platform, type and name.
        decisions: one row for each mode, also those without a decision.
        replies: one row for each approval status, by when they were drafted.
        escalations: one row for each priority: what was made up to the last day, however long ago, and is not closed.
    """

    date_from: dt.date | None
    date_to: dt.date | None
    platform: str | None
    kpis: Rows[KpiSummary]
    decisions: Rows[ModeSummary]
    replies: Rows[ReplySummary]
    escalations: Rows[OpenEscalations]

    def public(self) -> dict[str, object]:
        """Return what JSON shows."""
        return asdict(self)

    @property
    def title(self) -> str:
        """What it is about, in one line."""
        first, last = self.date_from, self.date_to
        days = [f"from {first}" if first else "", f"to {last}" if last else ""]
        return " ".join(part for part in ("Engagement on", self.platform or "all platforms", *days) if part)

    def _tables(self) -> Iterator[tuple[str, list[str], list[list[object]]]]:
        listed: tuple[tuple[str, Rows[Any]], ...] = (
            ("KPIs", self.kpis),
            ("Decisions", self.decisions),
            ("Replies", self.replies),
            ("Open escalations", self.escalations),
        )
        for name, rows in listed:
            records = [asdict(row) for row in rows]
            yield name, list(records[0]) if records else [], [list(record.values()) for record in records]

    def __str__(self) -> str:
        parts = [self.title]
        for name, columns, rows in self._tables():
            parts += [f"{name}\n{text_table(columns, rows)}" if rows else f"{name}: none."]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        tables = "".join(html_table(columns, rows, caption=name) for name, columns, rows in self._tables())
        return f"<p>{html.escape(self.title)}</p>{tables}"

    def df(self) -> pandas.DataFrame:
        """Return the KPIs as a DataFrame; ``decisions``, ``replies`` and ``escalations`` have a ``df`` of their own.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.kpis.df()


class _Where:
    """Conditions on a column and their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.params: list[object] = []

    def add(self, condition: str, value: object) -> None:
        """Add a condition, ``{}`` for the value, unless there is none."""
        if value is not None:
            self.conditions.append(condition.format(current().dialect.param))
            self.params.append(value)

    @property
    def sql(self) -> str:
        """The WHERE clause."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def report(
    *, date_from: dt.date | None = None, date_to: dt.date | None = None, platform: str | None = None
) -> EngagementReport:
    """Return engagement in figures, all of one moment.

    Args:
        date_from: the first day, in UTC; left out, from the beginning.
        date_to: the last day, the whole of it; left out, up to now.
        platform: only this one of ``PLATFORMS``; KPIs of all platforms together (``ALL``) are then left out.

    Raises:
        ValidationError: an argument is not valid.

    Example:
        >>> print(report(date_from=dt.date(2026, 3, 1), platform="REDDIT"))  # doctest: +SKIP
    """
    from datapkg.engagement import report_schemas
    from datapkg.kit.schemas import load

    told = {"date_from": date_from, "date_to": date_to, "platform": platform}
    given: dict[str, Any] = load(report_schemas.ReportPeriod, told, what="period of a report")
    first, last, only = given["date_from"], given["date_to"], given["platform"]
    since = None if first is None else _instant(first, dt.time.min)
    until = None if last is None else _instant(last, dt.time.max)
    with snapshot():
        return EngagementReport(
            date_from=first,
            date_to=last,
            platform=only,
            kpis=_kpis(first, last, only),
            decisions=_decisions(since, until, only),
            replies=_replies(since, until, only),
            escalations=_escalations(until, only),
        )


def _instant(day: dt.date, time: dt.time) -> object:
    field = Decision.created_at
    return field.db_value(dt.datetime.combine(day, time, tzinfo=dt.UTC))


def _mean(value: float) -> float:
    # The engines add up in orders of their own, which shows in the last digits.
    return float(f"{value:.12g}")


_KPIS = """
SELECT platform, metric_type, metric_name, count(*), max(date), max(CASE WHEN newest = 1 THEN value END),
       sum(share), min(value), max(value)
FROM (
    SELECT platform, metric_type, metric_name, date, value,
           row_number() OVER (PARTITION BY platform, metric_type, metric_name ORDER BY date DESC) AS newest,
           value / count(*) OVER (PARTITION BY platform, metric_type, metric_name) AS share
    FROM kpi_metrics {where}
) k
GROUP BY platform, metric_type, metric_name
"""


def _kpis(first: dt.date | None, last: dt.date | None, platform: str | None) -> Rows[KpiSummary]:
    date = KpiMetric.date
    where = _Where()
    where.add("date >= {}", date.db_value(first))
    where.add("date <= {}", date.db_value(last))
    where.add("platform = {}", platform)
    rows = current().fetch(_KPIS.format(where=where.sql), where.params)
    summaries = (
        KpiSummary(owner, kind, name, days, date.python_value(on), latest, _mean(mean), least, greatest)
        for owner, kind, name, days, on, latest, mean, least, greatest in sorted(rows, key=lambda row: tuple(row[:3]))
    )
    return Rows(summaries, of=KpiSummary)


def _decisions(since: object, until: object, platform: str | None) -> Rows[ModeSummary]:
    where = _Where()
    where.add("d.created_at >= {}", since)
    where.add("d.created_at <= {}", until)
    where.add("p.platform = {}", platform)
    join = "JOIN posts p ON p.id = d.post_id" if platform is not None else ""
    rows = current().fetch(
        "SELECT d.mode, count(*), avg(d.composite_score), sum(CASE WHEN d.is_randomized_experiment THEN 1 ELSE 0 END) "
        f"FROM decisions d {join} {where.sql} GROUP BY d.mode",
        where.params,
    )
    found = {mode: (count, _mean(mean), drawn) for mode, count, mean, drawn in rows}
    return Rows(ModeSummary(mode, *found.get(mode, (0, None, 0))) for mode in OPERATIONAL_MODES)


def _replies(since: object, until: object, platform: str | None) -> Rows[ReplySummary]:
    where = _Where()
    where.add("created_at >= {}", since)
    where.add("created_at <= {}", until)
    where.add("platform = {}", platform)
    rows = current().fetch(
        "SELECT approval_status, sum(CASE WHEN deleted_at IS NULL THEN 1 ELSE 0 END), "
        "sum(CASE WHEN deleted_at IS NULL AND posted_at IS NOT NULL THEN 1 ELSE 0 END), "
        "sum(CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END) "
        f"FROM replies {where.sql} GROUP BY approval_status",
        where.params,
    )
    found = {status: counts for status, *counts in rows}
    return Rows(ReplySummary(status, *found.get(status, (0, 0, 0))) for status in APPROVAL_STATUSES)


def _escalations(until: object, platform: str | None) -> Rows[OpenEscalations]:
    where = _Where()
    where.conditions.append("e.status IN ('OPEN', 'IN_PROGRESS')")
    where.add("e.created_at <= {}", until)
    # What it is about may be archived; a reply never is.
    where.add("coalesce(p.platform, r.platform) = {}", platform)
    joins = "LEFT JOIN posts p ON p.id = e.post_id LEFT JOIN replies r ON r.id = e.reply_id" if platform else ""
    rows = current().fetch(
        "SELECT e.priority, sum(CASE WHEN e.assigned_to IS NULL THEN 1 ELSE 0 END), "
        "sum(CASE WHEN e.assigned_to IS NULL THEN 0 ELSE 1 END), min(e.created_at) "
        f"FROM escalations e {joins} {where.sql} GROUP BY e.priority",
        where.params,
    )
    created = Escalation.created_at
    found = {priority: (free, taken, created.python_value(oldest)) for priority, free, taken, oldest in rows}
    return Rows(
        OpenEscalations(priority, *found.get(priority, (0, 0, None))) for priority in reversed(ESCALATION_PRIORITIES)
    )
