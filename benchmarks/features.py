"""A queue of features for every side: what is pending, and how a claim is written with the bare drivers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.data import EPOCH, Dataset

__all__ = [
    "COLUMNS",
    "LEASE",
    "RELEASED",
    "WORKER",
    "claim_statements",
    "claim_values",
    "feature_rows",
    "history_values",
]

COLUMNS = (
    "id, created_at, updated_at, feature_number, name, category, status, priority, priority_rank, test_steps, "
    "result_data, execution_log, failure_kind, attempt, max_attempts, unmet_dependencies, claim_token, claimed_by, "
    "lease_expires_at, finished_at"
)
"""Every column of the queue."""

RELEASED = (
    "UPDATE feature_queue SET status = 'PENDING', attempt = 0, claimed_by = NULL, claim_token = NULL, "
    "lease_expires_at = NULL WHERE status = 'IN_PROGRESS'"
)
"""Makes every claimed feature pending again."""

WORKER = "worker"

_PRIORITIES = ("HIGH", "MEDIUM", "LOW")
LEASE = dt.timedelta(minutes=5)
_NAMES = COLUMNS.split(", ")
_ID, _NUMBER, _ATTEMPT = (_NAMES.index(name) for name in ("id", "feature_number", "attempt"))
_NEXT = (
    "WITH next AS MATERIALIZED (SELECT f.id FROM feature_queue f{ready} "
    "WHERE f.status = 'PENDING' AND f.unmet_dependencies = 0{checks} "
    "ORDER BY f.priority_rank, f.created_at, f.id LIMIT 1{lock})"
)
_CHECKS = (
    " AND NOT EXISTS (SELECT 1 FROM feature_queue x{leased} "
    "WHERE x.status = 'IN_PROGRESS' AND x.lease_expires_at <= {p})"
    " AND 0 = (SELECT count(*) FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id"
    " WHERE e.feature_id = f.id AND (d.status IS NULL OR d.status <> 'COMPLETED'))"
)
_TAKE = (
    "UPDATE feature_queue SET status = 'IN_PROGRESS', attempt = attempt + 1, claimed_by = {p}, claim_token = {p}, "
    f"lease_expires_at = {{p}}, updated_at = {{p}} WHERE id = (SELECT id FROM next) RETURNING {COLUMNS}"
)
_HISTORY = (
    # datapkg: allow-write what a claim costs without this package
    "INSERT INTO feature_transitions "
    "(id, created_at, feature_id, feature_number, from_status, to_status, actor, attempt) "
)


def feature_rows(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield a queue of pending features, in the order of ``COLUMNS``."""
    for number in range(1, dataset.scale.features + 1):
        at = (EPOCH + dt.timedelta(seconds=number)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        rank = number * 7 % 3
        named = f"Feature {number}", ("backend", "frontend", "docs")[number % 3]
        state = "PENDING", _PRIORITIES[rank], rank, "It works. " * 10
        yield (str(uuid7()), at, at, number, *named, *state, None, None, None, 0, 3, 0, None, None, None, None)


def claim_statements(engine: str) -> dict[str, str]:
    """Return a claim's SQL: ``full`` with all that datapkg looks at, ``history`` that follows it, ``bare`` without.

    On PostgreSQL the full one writes the history itself.

    Args:
        engine: ``sqlite`` or ``postgresql``.
    """
    if engine == "sqlite":
        ready = " INDEXED BY ix_feature_queue_ready"
        checks = _CHECKS.format(leased=" INDEXED BY ix_feature_queue_leased", p="?")
        return {
            "full": f"{_NEXT.format(ready=ready, checks=checks, lock='')} {_TAKE.format(p='?')}",
            "bare": f"{_NEXT.format(ready=ready, checks='', lock='')} {_TAKE.format(p='?')}",
            "history": f"{_HISTORY}VALUES (?, ?, ?, ?, 'PENDING', 'IN_PROGRESS', ?, ?)",
        }
    lock, take = " FOR UPDATE SKIP LOCKED", _TAKE.format(p="%s")
    following = (
        f", claimed AS ({take}), recorded AS ({_HISTORY}SELECT %s, %s, id, feature_number, 'PENDING', 'IN_PROGRESS', "
        f"claimed_by, attempt FROM claimed) SELECT {COLUMNS} FROM claimed"
    )
    checks = _CHECKS.format(leased="", p="%s")
    return {
        # datapkg: allow-write what a claim costs without this package
        "full": _NEXT.format(ready="", checks=checks, lock=lock) + following,
        "bare": f"{_NEXT.format(ready='', checks='', lock=lock)} {take}",
    }


def claim_values() -> tuple[str, list[Any]]:
    """Return the present, spelled for either engine, and what a claim is told beside the statement's checks."""
    moment = dt.datetime.now(dt.UTC)
    at, until = (each.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for each in (moment, moment + LEASE))
    return at, [WORKER, str(uuid7()), until, at]


def history_values(row: Any, at: str) -> list[Any]:
    """Return what the history is told about a feature that was claimed.

    Args:
        row: all columns of it.
        at: the present.
    """
    return [str(uuid7()), at, row[_ID], row[_NUMBER], WORKER, row[_ATTEMPT]]
