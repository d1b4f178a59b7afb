"""The benchmarks run, on few rows: a figure means something only if everybody answered the same question."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    """Import from the checkout's benchmarks, which are in no wheel, without making the checkout's datapkg visible."""
    package = importlib.util.spec_from_file_location(
        "benchmarks", ROOT / "benchmarks" / "__init__.py", submodule_search_locations=[str(ROOT / "benchmarks")]
    )
    module = importlib.util.module_from_spec(package)
    monkeypatch.setitem(sys.modules, "benchmarks", module)
    package.loader.exec_module(module)
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    for name in [name for name in sys.modules if name.startswith("benchmarks.")]:
        del sys.modules[name]


SMALL = {"definitions": 120, "chain": 12, "tree": 30}


def test_every_side_answers_alike_and_the_table_is_written(benchmarks):
    """Raw driver, Peewee, SQLAlchemy and datapkg give the same rows; each gets its column, each operation its row."""
    run, report, data = benchmarks("run"), benchmarks("report"), benchmarks("data")
    results = run.run(engines=["sqlite"], rounds=2, scale=data.Scale(**SMALL), effort=0.02, startup=False)
    text = report.written(results, seconds=1.0)
    for side in run.SIDES:
        assert f" {side.name} |" in text
    for operation in benchmarks("operations").OPERATIONS:
        assert operation.title in text
    assert "copy of a migrated template" in text


def test_a_side_that_answers_differently_is_found_out(benchmarks):
    """A peer that leaves out a row would look fast; it is refused instead."""
    harness, data, engines = (benchmarks(name) for name in ("harness", "data", "engines"))
    raw = benchmarks("peers.raw").Raw

    class Forgetful(raw):
        name = "forgetful"

        def ancestors(self, key):
            return super().ancestors(key)[:-1]

    dataset = data.Dataset(data.Scale(**SMALL))
    with engines.opened("sqlite", dataset) as place:
        sides = [raw(), Forgetful()]
        for side in sides:
            side.open(place)
        contents = [data.content(random.Random(1))]
        with pytest.raises(harness.Different, match="forgetful and raw differ in: ancestors"):
            harness.check_answers(sides, dataset, contents)
        for side in sides:
            side.close()
