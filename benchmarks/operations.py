"""What is measured: how each operation is called, how often, and what it is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.conversations import new_transcripts
from benchmarks.data import Dataset, Scale
from benchmarks.features import RELEASED
from benchmarks.peers.base import Side

__all__ = ["OPERATIONS", "Operation"]

Call = Callable[[Side, int], Any]


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Attributes:
        key: its short name.
        title: how the table calls it.
        short: how the plot calls it.
        bind: makes the call from the dataset and a content; the call is given the side and a running number.
        times: how often it is called in one round.
        unit: of the table, ``µs`` or ``ms``.
        targets: the most that datapkg may take, as a multiple of ``against``, by engine.
        against: ``raw``, or the key of another operation of datapkg's own.
        setup: a statement run by every side before the rounds, by engine.
        cleanup: and after them.
        per: how many rows a call handles, where the figure is for one of them.
        often: how many rounds it has for each that was asked for, where each is over in a moment.
        most_rounds: how many rounds at the most, where each takes long.
        slow: whether one call takes so long that checking the answers has to do for warming up.
        undo: the statement that takes back what a figure's calls have written, and the table it is about; ``{run}`` is
            the filled run's key as the side spells it.
    """

    key: str
    title: str
    short: str
    bind: Callable[[Dataset, list[dict[str, object]]], Call]
    times: int
    unit: str
    targets: dict[str, float]
    against: str = "raw"
    setup: dict[str, str] | None = None
    cleanup: dict[str, str] | None = None
    per: Callable[[Scale], int] = lambda scale: 1
    often: int = 1
    most_rounds: int = 1_000
    slow: bool = False
    undo: tuple[str, str] | None = None


def _create(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    def call(side: Side, number: int) -> Any:
        return side.create(f"new {number}", contents[number % len(contents)])

    return call


def _get(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    keys = dataset.others[:: max(1, len(dataset.others) // 997)]

    def call(side: Side, number: int) -> Any:
        return side.get(keys[number % len(keys)])

    return call


def _ancestors(depth: int) -> Callable[[Dataset, list[dict[str, object]]], Call]:
    def bind(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
        key = dataset.chain[min(depth, dataset.scale.chain)]
        return lambda side, number: side.ancestors(key)

    return bind


def _tree(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    return lambda side, number: side.tree(dataset.tree[0])


def _structure(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    return lambda side, number: side.structure(dataset.tree[0])


def _fill(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    rows = new_transcripts(dataset)
    return lambda side, number: side.create_transcripts(dataset.filled, rows)


def _list(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    return lambda side, number: side.list_runs(100)


def _increment(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    return lambda side, number: side.increment(dataset.filled)


def _claim(dataset: Dataset, contents: list[dict[str, object]]) -> Call:
    return lambda side, number: side.claim()


OPERATIONS = (
    Operation(
        "create",
        "create one definition, own transaction",
        "create, one transaction",
        _create,
        60,
        "µs",
        {"sqlite": 1.2, "postgresql": 1.1},
        often=4,
    ),
    Operation(
        "create-full",
        "the same, synchronous FULL (the default)",
        "create, synchronous FULL",
        _create,
        25,
        "µs",
        {"sqlite": 1.2},
        often=4,
        setup={"sqlite": "PRAGMA synchronous = FULL"},
        cleanup={"sqlite": "PRAGMA synchronous = NORMAL"},
    ),
    Operation(
        "get",
        "get by key, content read",
        "get by key",
        _get,
        200,
        "µs",
        {"sqlite": 1.2, "postgresql": 1.2},
        often=4,
    ),
    Operation(
        "ancestors-10",
        "ancestors at depth 10",
        "ancestors, depth 10",
        _ancestors(10),
        50,
        "µs",
        {"sqlite": 0.9, "postgresql": 1.1},
        often=4,
    ),
    Operation(
        "ancestors-1000",
        "ancestors at depth 1,000, every content read",
        "ancestors, depth 1,000",
        _ancestors(1_000),
        2,
        "ms",
        {"sqlite": 0.8, "postgresql": 0.8},
        often=3,
    ),
    Operation(
        "tree",
        "tree of 10,000 nested, every content read",
        "tree of 10,000",
        _tree,
        1,
        "ms",
        {"sqlite": 0.5, "postgresql": 0.6},
    ),
    Operation(
        "structure",
        "the same tree, names and structure only",
        "tree, names only",
        _structure,
        1,
        "ms",
        {"sqlite": 0.4, "postgresql": 0.5},
        against="tree",
    ),
    Operation(
        "fill",
        "bulk insert of 10,000 transcripts of 2 KB, per row",
        "bulk insert, per row",
        _fill,
        1,
        "µs",
        {"sqlite": 1.25, "postgresql": 0.9},
        per=lambda scale: scale.batch,
        most_rounds=3,
        slow=True,
        undo=("DELETE FROM transcripts WHERE run_id = '{run}'", "transcripts"),
    ),
    Operation(
        "list",
        "list of the 100 newest runs with their definition",
        "list 100 runs",
        _list,
        10,
        "µs",
        {"sqlite": 0.9, "postgresql": 0.9},
        often=4,
    ),
    Operation(
        "increment",
        "progress increment",
        "progress increment",
        _increment,
        100,
        "µs",
        {"sqlite": 1.5, "postgresql": 1.1},
        often=4,
    ),
    Operation(
        "claim",
        "claim of the next of 10,000 features",
        "claim from a queue",
        _claim,
        40,
        "µs",
        {"sqlite": 1.5, "postgresql": 1.2},
        often=4,
        undo=(RELEASED, "feature_queue"),
    ),
)
"""Targets are those of the design: multiples of the raw driver in the same run, or of another row of datapkg's."""
