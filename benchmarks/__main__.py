"""``python -m benchmarks`` measures everything and writes ``benchmarks/RESULTS.md``, its plots and its side reports."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks import claims, copying, scripts
from benchmarks.data import Scale
from benchmarks.plots import plot
from benchmarks.report import written
from benchmarks.run import run

_ENGINES = ("sqlite", "postgresql")


def main() -> None:
    """Read the arguments, measure, write the reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--engine", choices=(*_ENGINES, "all"), default="all", help="copying needs both (all)")
    parser.add_argument("--rounds", type=int, default=5, help="figures for each side and operation (5)")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the reports go")
    given = parser.parse_args()
    engines = _ENGINES if given.engine == "all" else (given.engine,)
    started = time.perf_counter()
    results = run(engines=engines, rounds=given.rounds, scale=Scale())
    found = claims.measure(engines, claims.COUNTS, rounds=given.rounds * 6)
    (given.folder / "CLAIMS.md").write_text(claims.written(found), encoding="utf-8")
    results.growth = {engine: claims.growth(sizes) for engine, sizes in found.items()}
    shapes = scripts.measure(engines, scripts.SHAPES, rounds=given.rounds * 3)
    (given.folder / "SCRIPTS.md").write_text(scripts.written(shapes), encoding="utf-8")
    if engines == _ENGINES:
        copies = copying.measure(copying.ROWS, rounds=min(given.rounds, 3))
        (given.folder / "COPYING.md").write_text(copying.written(copies, copying.ROWS), encoding="utf-8")
    plots = {}
    for engine, figures in results.operations.items():
        plots[engine] = f"plots/{engine}.svg"
        plot(engine, figures, results.streams.get(engine), given.folder / plots[engine])
    text = written(results, seconds=time.perf_counter() - started, plots=plots)
    (given.folder / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
