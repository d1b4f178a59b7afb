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


def test_claims_are_measured_on_both_engines(benchmarks, tmp_path):
    """A small queue gives a line for each engine, with every side's figure."""
    written = tmp_path / "claims.md"
    benchmarks("claims").main(["--counts", "200", "--rounds", "2", "--output", str(written)])
    lines = [line for line in written.read_text().splitlines() if line.startswith(("| sqlite", "| postgresql"))]
    assert [line.count("|") for line in lines] == [7, 7]


def test_scripts_are_measured_on_both_engines(benchmarks, tmp_path):
    """Every script gives a line with its figures; what is read is compared with the driver's rows on the way."""
    written = tmp_path / "scripts.md"
    given = ["--counts", "5", "120", "--elements", "4", "30", "--rounds", "1", "--output", str(written)]
    benchmarks("scripts").main(given)
    rows = [line.split(" | ") for line in written.read_text().splitlines() if line.startswith(("| sqlite", "| postgr"))]
    assert [(row[1], row[2], len(row)) for row in rows] == [("5", "4", 8), ("120", "4", 8), ("5", "30", 8)] * 2


@pytest.mark.datapkg_engines("postgresql")
def test_copies_are_measured_and_equal(benchmarks, new_url, tmp_path):
    """The script written by hand copies the rows that datapkg copies, and every side has a figure."""
    copying, source = benchmarks("copying"), f"sqlite:///{tmp_path / 'source.db'}"
    copying.fill(source, 5)
    figures = copying.measure_copying(source, new_url, rounds=1)
    assert sorted(figures.rounds) == ["checked", "datapkg", "plain"]


SMALL = {"definitions": 120, "chain": 12, "tree": 30, "runs": 8, "scenarios": 3, "batch": 20, "transcripts": 40}


def test_every_side_answers_alike_and_the_table_is_written(benchmarks, monkeypatch, tmp_path):
    """Raw driver, every Python peer and datapkg give the same rows; who cannot take part has a column of dashes."""
    run, report, data, sides = (benchmarks(name) for name in ("run", "report", "data", "sides"))
    monkeypatch.setenv("PATH", str(tmp_path))  # no Node, whose packages would come from a registry
    results = run.run(engines=["sqlite"], rounds=1, scale=data.Scale(**SMALL), effort=0.02, startup=False)
    text = report.written(results, seconds=1.0)
    for side in sides.SIDES:
        assert f" {side.name} |" in text
    for title in [operation.title for operation in benchmarks("operations").OPERATIONS] + ["stream 100,000", "memory"]:
        row = next(line for line in text.splitlines() if title in line)
        cells = dict(zip([side.name for side in sides.SIDES], row.split(" | ")[1:], strict=False))
        assert [name for name, cell in cells.items() if cell == "-"] == ["Prisma"]
    assert "- Prisma takes no part: there is no Node here." in text
    assert "copy of a migrated template" in text


def test_a_side_that_streams_other_rows_is_found_out(benchmarks):
    """Streams are compared too, though each runs in a process of its own."""
    harness, data, engines, streaming = (benchmarks(name) for name in ("harness", "data", "engines", "streaming"))
    sides = [benchmarks("peers.raw").Raw, benchmarks("peers.plain_peewee").PlainPeewee]
    dataset = data.Dataset(data.Scale(**SMALL))
    with engines.opened("sqlite", dataset) as place:
        streamed = engines.streams(place, dataset)
        peewee = sides[1]()
        peewee.open(streamed)
        assert peewee.stream(dataset.streamed)[0] == SMALL["transcripts"]
        peewee.execute("DELETE FROM transcripts WHERE sample_index = 7")
        peewee.close()
        with pytest.raises(harness.Different, match="streamed different rows"):
            streaming.measure_streams(streamed, sides, dataset, rounds=1)


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
