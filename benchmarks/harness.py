"""Times every side in turn: rotated order, several rounds, medians."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.conversations import PROGRESS, new_transcripts
from benchmarks.data import Dataset
from benchmarks.features import RELEASED
from benchmarks.operations import Operation
from benchmarks.peers.base import Side

__all__ = ["Different", "Figures", "check_answers", "measure", "rotated"]


class Different(AssertionError):
    """Two sides gave different answers, so that timing them would mean nothing."""


@dataclass
class Figures:
    """Seconds for one call, one figure a round, by side.

    Attributes:
        rounds: the figures.
    """

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, side: str, seconds: float) -> None:
        """Add a round's figure."""
        self.rounds.setdefault(side, []).append(seconds)

    def median(self, side: str) -> float | None:
        """The median of a side's rounds, or None where it took no part."""
        found = self.rounds.get(side)
        return statistics.median(found) if found else None

    def ratio(self, side: str, against: str = "raw") -> float | None:
        """How many times as long as another side this one took, by their medians."""
        mine, other = self.median(side), self.median(against)
        return mine / other if mine is not None and other else None

    def spread(self, side: str) -> float | None:
        """Half the distance between the quartiles of a side's rounds, as a part of the median."""
        found = self.rounds.get(side)
        if not found or len(found) < 2:
            return None
        low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
        return (high - low) / 2 / middle


def rotated(sides: Sequence[Any], number: int) -> list[Any]:
    """Return the sides in the order of one round, so that none always comes first."""
    start = number % len(sides)
    order = [*sides[start:], *sides[:start]]
    return order if number % 2 == 0 else order[::-1]


def measure(
    operation: Operation,
    sides: Sequence[Side],
    dataset: Dataset,
    contents: list[dict[str, object]],
    *,
    rounds: int,
    times: int,
    undo: Callable[[Side], None] = lambda side: None,
) -> Figures:
    """Time one operation on every side.

    Args:
        operation: what is timed.
        sides: open sides whose answers have been checked; each is warmed up once.
        dataset: where keys come from.
        contents: what new definitions hold.
        rounds: how many figures each side gets.
        times: how often it is called for one figure.
        undo: takes back what a figure's calls have written, outside of what is timed.
    """
    call, figures, done = operation.bind(dataset, contents), Figures(), 0
    for side in sides:
        if not operation.slow:
            with side.ready():
                spent, most = 0.0, dataset.scale.features // 2  # so that the queue has enough for a claim
                while not spent or (spent < side.warming and most):
                    spent += side.timed(lambda: call(side, 0))[0]  # noqa: B023  # called at once
                    most -= 1
                undo(side)

    def work(side: Side) -> None:
        for each in range(times):
            call(side, done + each)

    for number in range(rounds):
        for side in rotated(sides, number):
            with side.ready():
                side.collect()
                figures.add(side.name, side.timed(partial(work, side))[0] / times / operation.per(dataset.scale))
                undo(side)
        done += times
    return figures


def check_answers(sides: Sequence[Side], dataset: Dataset, contents: list[dict[str, object]]) -> None:
    """Ask every side the same and compare.

    Raises:
        Different: two sides disagree, or a side answers too little.
    """
    expected: Any = None
    for side in sides:
        with side.ready():
            found = _answers(side, dataset, contents)
        expected = found if expected is None else expected
        for (what, mine), (_, others) in zip(found, expected, strict=True):
            if mine != others:
                raise Different(f"{side.name} and {sides[0].name} differ in: {what}.")
    sizes = {what: len(value) for what, value in expected}
    wanted = {"ancestors": dataset.scale.chain, "tree": dataset.scale.tree, "structure": dataset.scale.tree}
    wanted["runs"] = min(100, dataset.scale.runs)
    if any(sizes[what] != size for what, size in wanted.items()):
        raise Different(f"The answers have {sizes} rows, not {wanted}.")


def _answers(side: Side, dataset: Dataset, contents: list[dict[str, object]]) -> list[tuple[str, Any]]:
    key, root = dataset.chain[-1], dataset.tree[0]
    made = side.row(side.create("new", contents[0]))
    stored = side.row(side.get(made[0]))
    tree = side.tree(root)
    waiting, read = [tree], []
    while waiting:
        item = waiting.pop()
        read.append(side.node_content(item))
        waiting.extend(side.node(item)[2])
    runs = [(str(run), status, done["total"], name) for run, status, done, name in side.list_runs(100)]
    side.increment(dataset.filled)
    side.create_transcripts(dataset.filled, new_transcripts(dataset))
    filled = side.stream(dataset.filled)
    progress = _progress(side)
    claimed = [side.claim() for _ in range(3)]
    _reset(side, dataset.filled)
    return [
        ("create", (made[1:], stored[1:])),
        ("get", side.row(side.get(key))),
        ("ancestors", [side.row(item) for item in side.ancestors(key)]),
        ("tree", list(side.walk(tree))),
        ("contents", read),
        ("structure", list(side.walk(side.structure(root)))),
        ("runs", runs),
        ("increment", progress),
        ("transcripts", filled),
        ("claim", claimed),
    ]


def _progress(side: Side) -> dict[str, Any]:
    """The progress of the newest run, which is the one that is counted, without the version that datapkg hides."""
    return {key: value for key, value in side.list_runs(1)[0][2].items() if key != "schema_version"}


def _reset(side: Side, run: str) -> None:
    side.execute(f"DELETE FROM transcripts WHERE run_id = '{side.spelled(run)}'")
    side.execute(RELEASED)
    side.execute(f"UPDATE runs SET progress = '{json.dumps(PROGRESS)}' WHERE id = '{side.spelled(run)}'")
