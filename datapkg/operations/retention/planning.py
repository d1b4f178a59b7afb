"""Telling what is due, and writing nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datapkg.kit.instants import as_instant
from datapkg.kit.results import Rows
from datapkg.operations.bookkeeping import Archive as Record
from datapkg.operations.retention.layouts import Policies, layouts
from datapkg.operations.retention.reports import Plan
from datapkg.operations.retention.selection import count_due

__all__ = ["plan"]


_SHAPE = {"policy": str, "table": str, "keep_days": float, "period": str, "due": int, "exempt": int}


def plan(
    *, now: dt.datetime | None = None, keep: Mapping[str, dt.timedelta] | None = None, policies: Policies = None
) -> Plan:
    """Count what ``apply`` would archive, by policy and period, and what is exempt.

    Args:
        now: the instant that rows are due by; the present if left out.
        keep: other spans than the policies' own, by policy.
        policies: names of policies, or policies of your own; all of them if left out.

    Raises:
        ValidationError: an argument is not valid.
    """
    instant = as_instant(now)
    rows: Rows[dict[str, object]] = Rows(of=_SHAPE)
    for layout in layouts(policies=policies, keep=keep):
        for period, (due, exempt) in sorted(count_due(layout, layout.cutoff(instant)).items()):
            rows.append(
                {
                    "policy": layout.policy.name,
                    "table": layout.root.name,
                    "keep_days": layout.keep / dt.timedelta(days=1),
                    "period": period,
                    "due": due,
                    "exempt": exempt,
                }
            )
    unfinished = Record.select(Record.folder).where(Record.status == "WRITTEN").order_by(Record.created_at)
    return Plan(rows, tuple(record.folder for record in unfinished))
