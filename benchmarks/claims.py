"""Claiming the next of N pending features: how the cost grows with the queue, beside the raw driver.

*raw* does the same work as ``claim_next``: it looks for expired leases and unfinished dependencies, takes the
feature, and writes the history, in one transaction (one statement on PostgreSQL). *bare* is nothing but the UPDATE …
RETURNING. It writes ``benchmarks/CLAIMS.md``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.engines import new_database
from benchmarks.features import claim_values
from benchmarks.harness import rotated
from benchmarks.machine import described
from benchmarks.peers.base import Place
from benchmarks.peers.raw import Raw
from datapkg import connection, workqueue
from datapkg.kit import database as kit
from datapkg.kit.models import now
from datapkg.kit.statements import insert_many
from datapkg.workqueue.models import PRIORITIES, Feature

__all__ = ["COUNTS", "growth", "measure", "measure_claims", "written"]

COUNTS = (10_000, 100_000, 1_000_000)
"""How many features are pending."""

Claim = Callable[[], object]


@contextmanager
def _sides(url: str) -> Iterator[dict[str, Claim]]:
    """Give the raw driver's claim, as the other figures have it, and the bare one."""
    sqlite = url.startswith("sqlite")
    raw = Raw()
    raw.open(Place("sqlite" if sqlite else "postgresql", url.removeprefix("sqlite:///"), ""))
    if sqlite:
        raw.execute("PRAGMA recursive_triggers = 1")
        raw.conn.create_function("datapkg_gate", 0, lambda: None)  # datapkg: allow-write it opens none

    def bare() -> object:
        _, given = claim_values()
        cursor = raw.conn.cursor()
        cursor.execute(raw.claims["bare"], given)
        return cursor.fetchall()[0]

    yield {"raw": raw.claim, "bare": bare}
    raw.close()


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
    mine = kit.open_database(url, synchronous="NORMAL")
    with _sides(url) as sides, kit.override(mine):
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


def measure(engines: Sequence[str], counts: Sequence[int], *, rounds: int) -> dict[str, dict[int, dict[str, float]]]:
    """Return the median seconds of a claim, by engine, size of the queue, and side.

    Args:
        engines: of ``sqlite`` and ``postgresql``.
        counts: how many features are pending, the fewest first.
        rounds: how often each side has its turn.
    """
    found: dict[str, dict[int, dict[str, float]]] = {}
    for engine in engines:
        for count in counts:
            started = time.perf_counter()
            with new_database(engine) as url:
                found.setdefault(engine, {})[count] = measure_claims(url, count, rounds=rounds)
            print(f"{engine}: claims from {count:,}: {time.perf_counter() - started:.1f} s", flush=True)
    return found


def growth(sizes: Mapping[int, Mapping[str, float]]) -> tuple[int, int, float]:
    """Return the smallest and the biggest queue, and how many times as long datapkg's claim takes in the latter.

    Args:
        sizes: an engine's part of what :func:`measure` gave.
    """
    few, many = min(sizes), max(sizes)
    return few, many, sizes[many]["datapkg"] / sizes[few]["datapkg"]


def written(found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> str:
    """Return the figures as Markdown.

    Args:
        found: what :func:`measure` gave.
    """
    lines = [
        "# Claiming the next feature",
        "",
        "Written by `python -m benchmarks`; do not edit. Median microseconds of a claim, in brackets the",
        "multiple of *raw*, which does the same work with the driver (history, leases and dependencies included);",
        "*bare* is the UPDATE … RETURNING alone. The last column is the cost against that at the smallest queue.",
        "",
        *(f"- {each}" for each in described()),
        "",
        "| engine | pending | raw | bare | datapkg | growth |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for engine, sizes in found.items():
        for count, seconds in sizes.items():
            raw, bare, mine = (seconds[name] for name in ("raw", "bare", "datapkg"))
            cells = f"{raw * 1e6:.0f} | {bare * 1e6:.0f} ({bare / raw:.2f}) | {mine * 1e6:.0f} ({mine / raw:.2f})"
            lines.append(f"| {engine} | {count:,} | {cells} | {mine / sizes[min(sizes)]['datapkg']:.2f} |")
    return "\n".join(lines) + "\n"
