"""Runs everything, or a part of it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.data import Dataset, Scale, content
from benchmarks.engines import copied, opened
from benchmarks.fresh import measure_fresh
from benchmarks.harness import Figures, check_answers, measure
from benchmarks.operations import OPERATIONS
from benchmarks.peers.base import Side
from benchmarks.peers.datapkg_itself import Datapkg, DatapkgStandardJson
from benchmarks.peers.plain_peewee import PlainPeewee
from benchmarks.peers.raw import Best, Raw
from benchmarks.peers.sqlalchemy_orm import SqlalchemyOrm
from benchmarks.report import Results
from benchmarks.startup import measure_startup
from benchmarks.validation import measure_validation

__all__ = ["SIDES", "run"]

SIDES: tuple[type[Side], ...] = (Raw, Best, PlainPeewee, SqlalchemyOrm, Datapkg, DatapkgStandardJson)


def run(*, engines: Sequence[str], rounds: int, scale: Scale, effort: float = 1.0, startup: bool = True) -> Results:
    """Measure, after checking that all sides give the same answers.

    Args:
        engines: of ``sqlite`` and ``postgresql``.
        rounds: figures for each side and operation.
        scale: how many rows there are.
        effort: how often operations are repeated within a round, as a multiple of the usual.
        startup: whether to time imports too.

    Raises:
        Different: two sides answered differently.
    """
    results = Results(rounds=rounds)
    contents = [content(random.Random(number)) for number in range(20)]
    for engine in engines:
        results.operations[engine], results.servers[engine] = _operations(engine, rounds, scale, effort, contents)
        results.fresh[engine] = measure_fresh(engine, rounds=rounds, times=max(1, int(20 * effort)))
    results.validation = measure_validation(contents, rounds=rounds, times=max(1, int(500 * effort)))
    if startup:
        results.startup = measure_startup(rounds=rounds)
    return results


def _operations(
    engine: str, rounds: int, scale: Scale, effort: float, contents: list[dict[str, object]]
) -> tuple[dict[str, Figures], str]:
    dataset, found = Dataset(scale), {}
    with opened(engine, dataset) as place, ExitStack() as stack:
        sides = [kind() for kind in SIDES]
        for side in sides:
            # The peers fill files of their own from the place; everybody else gets a copy.
            side.open(copied(place, side.name) if isinstance(side, Raw | Datapkg) else place)
            stack.callback(side.close)
        check_answers(sides, dataset, contents)
        for operation in OPERATIONS:
            if engine not in operation.targets:
                continue
            started = time.perf_counter()
            for side in sides:
                side.execute((operation.setup or {}).get(engine, "SELECT 1"))
            times = max(1, int(operation.times * effort))
            found[operation.key] = measure(operation, sides, dataset, contents, rounds=rounds, times=times)
            for side in sides:
                side.execute((operation.cleanup or {}).get(engine, "SELECT 1"))
            print(f"{engine}: {operation.title}: {time.perf_counter() - started:.1f} s", flush=True)
        return found, place.version()
