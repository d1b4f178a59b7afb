"""Figures of a day: written by day, platform, type and name, as often as one likes."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from datapkg.engagement.oversight_models import KpiMetric
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement
from datapkg.kit.upserts import upsert

__all__ = ["delete_kpi", "find_kpi", "get_kpi", "list_kpis", "record_kpi"]

ENTITY = "KPI"

_by_id: Statement[KpiMetric] = Statement(
    lambda _: KpiMetric.select().where(KpiMetric.id == Param("id")), model=KpiMetric
)


def record_kpi(date: dt.date, *, platform: str, metric_type: str, metric_name: str, value: float) -> KpiMetric:
    """Write a figure; the one of the same day, platform, type and name is replaced, and keeps its key.

    Args:
        date: the day, in UTC.
        platform: one of ``PLATFORMS``, or ``ALL`` for a figure of all of them.
        metric_type: one of ``KPI_TYPES``.
        metric_name: such as ``replies_posted``, 1 to 100 characters.
        value: the figure, finite.

    Raises:
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> record_kpi(
        ...     dt.date(2026, 11, 1), platform="ALL", metric_type="REACH", metric_name="replies_posted", value=12
        ... )  # doctest: +SKIP
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {
        "date": date,
        "platform": platform,
        "metric_type": metric_type,
        "metric_name": metric_name,
        "value": value,
    }
    given: dict[str, Any] = load(oversight_schemas.NewKpi, told, what=ENTITY)
    given["value"] += 0.0  # never -0.0, which SQLite does not keep
    return upsert(KpiMetric, given, key=("date", "platform", "metric_type", "metric_name"))


def get_kpi(kpi_id: UUID | str) -> KpiMetric:
    """Return a figure.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    kpi = find_kpi(kpi_id)
    if kpi is None:
        raise NotFoundError(ENTITY, kpi_id)
    return kpi


def find_kpi(kpi_id: UUID | str) -> KpiMetric | None:
    """Return a figure, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(kpi_id, "kpi_id"))


def list_kpis(
    *,
    platform: str | None = None,
    metric_type: str | None = None,
    metric_name: str | None = None,
    date_from: dt.date | None = None,
    date_before: dt.date | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[KpiMetric]:
    """Return a page of figures, the one first written last at the top, whatever its day.

    Args:
        platform: only of this platform; ``ALL`` is one of its own, not the sum of the others.
        metric_type: only of this type.
        metric_name: only of exactly this name.
        date_from: only of this day or later.
        date_before: only of a day before this one.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import oversight_schemas

    given = {
        "platform": platform,
        "metric_type": metric_type,
        "metric_name": metric_name,
        "date_from": date_from,
        "date_before": date_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "platform": KpiMetric.platform.__eq__,
        "metric_type": KpiMetric.metric_type.__eq__,
        "metric_name": KpiMetric.metric_name.__eq__,
        "date_from": KpiMetric.date.__ge__,
        "date_before": KpiMetric.date.__lt__,
    }
    return list_page(KpiMetric, oversight_schemas.KpiFilters, what="list of KPIs", given=given, where=where)


def delete_kpi(kpi_id: UUID | str) -> None:
    """Delete a figure that should never have been there.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(KpiMetric, as_id(kpi_id, "kpi_id"), entity=ENTITY)
