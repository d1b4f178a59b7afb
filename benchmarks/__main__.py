"""``python -m benchmarks`` measures everything and writes ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.data import Scale
from benchmarks.report import written
from benchmarks.run import run


def main() -> None:
    """Read the arguments, measure, write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql", "all"), default="all")
    parser.add_argument("--rounds", type=int, default=9, help="figures for each side and operation (9)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    given = parser.parse_args()
    engines = ("sqlite", "postgresql") if given.engine == "all" else (given.engine,)
    started = time.perf_counter()
    results = run(engines=engines, rounds=given.rounds, scale=Scale())
    text = written(results, seconds=time.perf_counter() - started)
    given.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
