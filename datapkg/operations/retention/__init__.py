"""Retention: rows that are old enough go to files, are checked there, and only then leave their tables.

>>> from datapkg import retention
>>> retention.plan().due  # doctest: +SKIP
1200
>>> retention.apply("archives")  # doctest: +SKIP
"""

from __future__ import annotations

from datapkg.operations.retention.applying import apply
from datapkg.operations.retention.planning import plan
from datapkg.operations.retention.reports import ApplyReport, Archived, Plan, RestoreReport
from datapkg.operations.retention.restoring import restore

__all__ = ["ApplyReport", "Archived", "Plan", "RestoreReport", "apply", "plan", "restore"]


def __dir__() -> list[str]:
    return sorted(__all__)
