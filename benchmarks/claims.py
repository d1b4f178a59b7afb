"""Claiming the next of N pending features: how the cost grows with the queue, beside the raw driver.

Apart from the other rows, because a million features take a while to make: ``python -m benchmarks.claims`` measures
10,000, 100,000 and 1,000,000 and writes ``benchmarks/CLAIMS.md``.

*raw* does the same work as ``claim_next``: it looks for expired leases and unfinished dependencies, takes the
feature, and writes the history, in one transaction (one statement on PostgreSQL). *bare* is nothing but the UPDATE …
RETURNING.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from benchmarks.harness import rotated
from benchmarks.machine import described
from datapkg import connection, workqueue
from datapkg.kit import database as kit
from datapkg.kit.models import new_id, now
from datapkg.kit.statements import insert_many
from datapkg.workqueue.models import PRIORITIES, Feature

__all__ = ["main", "measure_claims"]

_COLUMNS = ", ".join(field.column_name for field in Feature._meta.sorted_fields)
_NEXT = (
    "WITH next AS MATERIALIZED (SELECT f.id FROM feature_queue f{ready} "
    "WHERE f.status = 'PENDING' AND f.unmet_dependencies = 0{checks} "
    "ORDER BY f.priority_rank, f.created_at, f.id LIMIT 1{lock}) "
)
_CHECKS = (
    " AND NOT EXISTS (SELECT 1 FROM feature_queue x{leased} "
    "WHERE x.status = 'IN_PROGRESS' AND x.lease_expires_at <= {p})"
    " AND 0 = (SELECT count(*) FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id"
    " WHERE e.feature_id = f.id AND (d.status IS NULL OR d.status <> 'COMPLETED'))"
)
_TAKE = (
    "UPDATE feature_queue SET status = 'IN_PROGRESS', attempt = attempt + 1, claimed_by = 'worker', claim_token = {p}, "
    f"lease_expires_at = {{p}}, updated_at = {{p}} WHERE id = (SELECT id FROM next) RETURNING {_COLUMNS}"
)
_HISTORY = (
    # datapkg: allow-write what a claim costs without this package
    "INSERT INTO feature_transitions "
    "(id, created_at, feature_id, feature_number, from_status, to_status, actor, attempt) "
)
_ID, _NUMBER, _ATTEMPT = (
    [field.column_name for field in Feature._meta.sorted_fields].index(name)
    for name in ("id", "feature_number", "attempt")
)
_LEASE = dt.timedelta(minutes=5)
Claim = Callable[[], object]


def _stamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def _sqlite_sides(url: str) -> Iterator[dict[str, Claim]]:
    conn = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("PRAGMA foreign_keys = 1")
    conn.execute("PRAGMA recursive_triggers = 1")
    conn.create_function("datapkg_gate", 0, lambda: None)  # datapkg: allow-write it opens none
    ready = " INDEXED BY ix_feature_queue_ready"
    checks = _CHECKS.format(leased=" INDEXED BY ix_feature_queue_leased", p="?")
    full = _NEXT.format(ready=ready, checks=checks, lock="") + _TAKE.format(p="?")
    least = _NEXT.format(ready=ready, checks="", lock="") + _TAKE.format(p="?")
    history = f"{_HISTORY}VALUES (?, ?, ?, ?, 'PENDING', 'IN_PROGRESS', 'worker', ?)"

    def raw() -> object:
        moment = dt.datetime.now(dt.UTC)
        at, until = _stamp(moment), _stamp(moment + _LEASE)
        conn.execute("BEGIN IMMEDIATE")
        (row,) = conn.execute(full, (at, str(new_id()), until, at)).fetchall()
        conn.execute(history, (str(new_id()), at, row[_ID], row[_NUMBER], row[_ATTEMPT]))
        conn.execute("COMMIT")
        return row

    def bare() -> object:
        moment = dt.datetime.now(dt.UTC)
        return conn.execute(least, (str(new_id()), _stamp(moment + _LEASE), _stamp(moment))).fetchall()[0]

    yield {"raw": raw, "bare": bare}
    conn.close()


@contextmanager
def _postgresql_sides(url: str) -> Iterator[dict[str, Claim]]:
    conn = psycopg2.connect(url)
    conn.autocommit = True
    lock, take = " FOR UPDATE SKIP LOCKED", _TAKE.format(p="%s")
    least = _NEXT.format(ready="", checks="", lock=lock) + take
    full = (
        _NEXT.format(ready="", checks=_CHECKS.format(leased="", p="%s"), lock=lock).rstrip()
        + f", claimed AS ({take}), recorded AS ({_HISTORY}SELECT %s, %s, id, feature_number, 'PENDING', 'IN_PROGRESS', "
        f"claimed_by, attempt FROM claimed) SELECT {_COLUMNS} FROM claimed"
    )

    def raw() -> object:
        moment = dt.datetime.now(dt.UTC)
        with conn.cursor() as cursor:
            cursor.execute(full, (moment, str(new_id()), moment + _LEASE, moment, str(new_id()), moment))
            return cursor.fetchall()[0]

    def bare() -> object:
        moment = dt.datetime.now(dt.UTC)
        with conn.cursor() as cursor:
            cursor.execute(least, (str(new_id()), moment + _LEASE, moment))
            return cursor.fetchall()[0]

    yield {"raw": raw, "bare": bare}
    conn.close()


def _fill(url: str, count: int) -> None:
    connection.connect(url, migrate=True, synchronous="NORMAL")
    moment = now()
    with kit.transaction():
        insert_many(
            Feature,
            (
                {
                    "created_at": moment,
                    "updated_at": moment,
                    "feature_number": number,
                    "name": f"Feature {number}",
                    "category": ("backend", "frontend", "docs")[number % 3],
                    "priority": PRIORITIES[number * 7 % 3],
                    "priority_rank": number * 7 % 3,
                    "test_steps": "It works. " * 10,
                }
                for number in range(1, count + 1)
            ),
        )
    tidy = "PRAGMA wal_checkpoint(TRUNCATE)" if url.startswith("sqlite") else "ANALYZE feature_queue"
    kit.current().execute_sql(tidy).close()
    connection.disconnect()


def measure_claims(url: str, count: int, *, rounds: int, times: int = 10) -> dict[str, float]:
    """Return the median seconds of a claim, by side; all take from one queue, a few claims in turn.

    Args:
        url: an empty database.
        count: how many features are pending.
        rounds: how often each side has its turn.
        times: claims in one turn.
    """
    _fill(url, count)
    opened = _sqlite_sides if url.startswith("sqlite") else _postgresql_sides
    mine = kit.open_database(url, synchronous="NORMAL")
    with opened(url) as sides, kit.override(mine):
        sides = {**sides, "datapkg": lambda: workqueue.claim_next("worker")}
        found: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(-2, rounds):
            for name in rotated(list(sides), max(number, 0)):
                for _ in range(times):
                    began = time.perf_counter()
                    claimed = sides[name]()
                    took = time.perf_counter() - began
                    assert claimed is not None
                    if number >= 0:  # the first rounds warm up
                        found[name].append(took)
    kit.release(mine)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def _measured(engine: str, counts: Sequence[int], rounds: int) -> Iterator[tuple[int, dict[str, float]]]:
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="datapkg-benchmarks-") as folder:
            if engine == "sqlite":
                yield count, measure_claims(f"sqlite:///{os.path.join(folder, 'queue.db')}", count, rounds=rounds)
            else:
                from datapkg.testing.server import EmbeddedPostgres

                with EmbeddedPostgres(durable=True, settings={"shared_buffers": "128MB"}) as server:
                    yield count, measure_claims(server.url, count, rounds=rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each size, and write the table."""
    parser = argparse.ArgumentParser(description="How the cost of a claim grows with the queue.")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "CLAIMS.md")
    given = parser.parse_args(arguments)
    lines = [
        "# Claiming the next feature",
        "",
        "Written by `python -m benchmarks.claims`; do not edit. Median microseconds of a claim, in brackets the",
        "multiple of *raw*, which does the same work with the driver (history, leases and dependencies included);",
        "*bare* is the UPDATE … RETURNING alone. The last column is the cost against that at the smallest queue.",
        "",
        *(f"- {each}" for each in described()),
        "",
        "| engine | pending | raw | bare | datapkg | growth |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for engine in given.engines:
        first = 0.0
        for count, found in _measured(engine, given.counts, given.rounds):
            raw, bare, mine = (found[name] for name in ("raw", "bare", "datapkg"))
            first = first or mine
            cells = f"{raw * 1e6:.0f} | {bare * 1e6:.0f} ({bare / raw:.2f}) | {mine * 1e6:.0f} ({mine / raw:.2f})"
            lines.append(f"| {engine} | {count:,} | {cells} | {mine / first:.2f} |")
            print(lines[-1], flush=True)
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
