"""Runs everything, or a part of it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.data import Dataset, Scale, content
from benchmarks.engines import copied, opened, streams
from benchmarks.fresh import measure_fresh
from benchmarks.harness import Figures, check_answers, measure
from benchmarks.operations import OPERATIONS, Operation
from benchmarks.peers.base import Place, Side
from benchmarks.peers.datapkg_itself import Datapkg
from benchmarks.peers.raw import Raw
from benchmarks.report import Results
from benchmarks.sides import SIDES
from benchmarks.startup import measure_startup
from benchmarks.streaming import measure_streams
from benchmarks.validation import measure_validation

__all__ = ["run"]

_STREAM_ROUNDS = 3


def run(
    *,
    engines: Sequence[str],
    rounds: int,
    scale: Scale,
    effort: float = 1.0,
    startup: bool = True,
    wanted: Sequence[type[Side]] = SIDES,
) -> Results:
    """Measure, after checking that all sides give the same answers.

    Args:
        engines: of ``sqlite`` and ``postgresql``.
        rounds: figures for each side and operation.
        scale: how many rows there are.
        effort: how often operations are repeated within a round, as a multiple of the usual.
        startup: whether to time imports too.
        wanted: the sides that take part if they can; the others' columns stay empty.

    Raises:
        Different: two sides answered differently.
    """
    results = Results(rounds=rounds)
    sides = []
    for kind in wanted:
        missing = kind.install()
        if missing is None:
            sides.append(kind)
        else:
            results.notes.append(missing)
            results.absent.append(kind.name)
    for kind in sides:
        results.versions += kind.versions()
    contents = [content(random.Random(number)) for number in range(20)]
    for engine in engines:
        _engine(engine, results, sides, scale, effort, contents)
        results.fresh[engine] = measure_fresh(engine, rounds=rounds, times=max(1, int(20 * effort)))
    results.validation = measure_validation(contents, rounds=rounds, times=max(1, int(500 * effort)))
    if startup:
        results.startup = measure_startup(rounds=rounds)
    return results


def _engine(
    engine: str,
    results: Results,
    wanted: Sequence[type[Side]],
    scale: Scale,
    effort: float,
    contents: list[dict[str, object]],
) -> None:
    dataset = Dataset(scale)
    found: dict[str, Figures] = {}
    with opened(engine, dataset) as place:
        results.servers[engine] = place.version()
        with ExitStack() as stack:
            sides = [kind() for kind in wanted]
            for side in sides:
                # The peers fill files of their own from the place; everybody else gets a copy.
                side.open(copied(place, side.name) if isinstance(side, Raw | Datapkg) else place)
                stack.callback(side.close)
            check_answers(sides, dataset, contents)
            for operation in OPERATIONS:
                if engine in operation.targets:
                    rounds = min(results.rounds * operation.often, operation.most_rounds)
                    found[operation.key] = _measured(operation, place, sides, dataset, contents, rounds, effort)
        started = time.perf_counter()
        results.streams[engine], results.memory[engine] = measure_streams(
            streams(place, dataset), wanted, dataset, rounds=min(results.rounds, _STREAM_ROUNDS)
        )
        print(f"{engine}: streams: {time.perf_counter() - started:.1f} s", flush=True)
    results.operations[engine] = found


def _measured(
    operation: Operation,
    place: Place,
    sides: Sequence[Side],
    dataset: Dataset,
    contents: list[dict[str, object]],
    rounds: int,
    effort: float,
) -> Figures:
    def undo(side: Side) -> None:
        if operation.undo is not None:
            statement, table = operation.undo
            side.execute(statement.format(run=side.spelled(dataset.filled)))
            place.tidy(table)

    started = time.perf_counter()
    for side in sides:
        side.execute((operation.setup or {}).get(place.engine, "SELECT 1"))
    times = max(1, int(operation.times * effort))
    found = measure(operation, sides, dataset, contents, rounds=rounds, times=times, undo=undo)
    for side in sides:
        side.execute((operation.cleanup or {}).get(place.engine, "SELECT 1"))
    print(f"{place.engine}: {operation.title}: {time.perf_counter() - started:.1f} s", flush=True)
    return found
