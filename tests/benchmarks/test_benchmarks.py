"""The benchmarks run, on few rows: a figure means something only if everybody answered the same question."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"definitions": 120, "chain": 12, "tree": 30, "runs": 8, "scenarios": 3, "batch": 20, "transcripts": 40}
SMALL["features"] = 10


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


def rows_of(text):
    """Return the cells of every row of the Markdown tables in a report, by their first one."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_claims_are_measured(benchmarks, new_url):
    """Every side claims from one queue, and each size has its row; the growth is that of datapkg."""
    claims, engine = benchmarks("claims"), "sqlite" if new_url().startswith("sqlite") else "postgresql"
    found = {count: claims.measure_claims(new_url(), count, rounds=1, times=2) for count in (20, 30)}
    lines = claims.written({engine: found}).splitlines()
    assert [line.split(" | ")[:2] for line in lines if line.startswith(f"| {engine}")] == [
        [f"| {engine}", "20"],
        [f"| {engine}", "30"],
    ]
    assert claims.growth({10: {"datapkg": 2.0}, 1_000: {"datapkg": 3.0}}) == (10, 1_000, 1.5)


def test_scripts_are_measured(benchmarks, new_url):
    """Every script gives a line with its figures; what is read is compared with the driver's rows on the way."""
    scripts, url = benchmarks("scripts"), new_url()
    shapes = [scripts.Shape(5, 4), scripts.Shape(120, 4), scripts.Shape(5, 30)]
    found = scripts.measure_scripts(url, shapes, rounds=1, times=2)
    rows = [line.split(" | ") for line in scripts.written({"an engine": found}).splitlines() if "| an engine" in line]
    assert [(row[1], row[2], len(row)) for row in rows] == [("5", "4", 8), ("120", "4", 8), ("5", "30", 8)]


@pytest.mark.datapkg_engines("postgresql")
def test_copies_are_measured_and_equal(benchmarks, new_url, tmp_path):
    """The script written by hand copies the rows that datapkg copies, and every side has a figure."""
    copying, source = benchmarks("copying"), f"sqlite:///{tmp_path / 'source.db'}"
    copying.fill(source, 5)
    figures = copying.measure_copying(source, new_url, rounds=1)
    assert sorted(figures.rounds) == ["checked", "datapkg", "plain"]
    row = rows_of(copying.written({"SQLite to PostgreSQL": figures}, 5))["SQLite to PostgreSQL"]
    assert len(row) == 5


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_python_side_answers_alike(benchmarks, engine):
    """Raw driver, Python peers and datapkg give the same rows on both engines, and stream the same transcripts."""
    harness, data, engines, sides = (benchmarks(name) for name in ("harness", "data", "engines", "sides"))
    dataset = data.Dataset(data.Scale(**SMALL))
    kinds = [kind for kind in sides.SIDES if kind.name not in ("Prisma", "Drizzle")]
    assert len(kinds) == 7
    with engines.opened(engine, dataset) as place:
        opened = [kind() for kind in kinds]
        for side in opened:
            side.open(engines.copied(place, side.name) if side.name not in sides.PEERS else place)
        harness.check_answers(opened, dataset, [data.content(random.Random(1))])
        for side in opened:
            side.close()


def test_the_report_has_every_row_and_says_who_takes_no_part(benchmarks, monkeypatch, tmp_path):
    """One run on few rows gives every row of the table, and a plot; without Node two columns are left out."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no Node, whose packages would come from a registry
    run, report, data, plots = (benchmarks(name) for name in ("run", "report", "data", "plots"))
    kinds = [kind for kind in benchmarks("sides").SIDES if kind.name in ("raw", "Prisma", "Drizzle", "datapkg")]
    results = run.run(engines=["sqlite"], rounds=1, scale=data.Scale(**SMALL), effort=0.02, startup=False, wanted=kinds)
    results.growth["sqlite"] = (10_000, 1_000_000, 1.1)
    text = report.written(results, seconds=60.0, plots={"sqlite": "plots/sqlite.svg"})
    rows = rows_of(text)
    sides = ["raw", "best", "Peewee", "SQLAlchemy", "Django", "datapkg", "datapkg, no orjson"]
    assert rows["operation"] == [*sides, "±", "ahead", "target", "met"]
    operations = [f"{each.title} ({each.unit})" for each in benchmarks("operations").OPERATIONS]
    for title in [*operations, "the same in ms, for the first goal of all: ten levels within 100 ms"]:
        cells = dict(zip(sides, rows[title], strict=False))
        assert [name for name, cell in cells.items() if cell != "-"] == ["raw", "datapkg"]
    assert [title for title in rows if "stream 100,000" in title or "memory at the most" in title or "copy of" in title]
    assert rows["sqlite"] == ["1,000,000", "10,000", "1.10", "≤ 2", "yes"]
    for name in ("Prisma", "Drizzle"):
        assert f"- {name} takes no part: there is no Node here." in text
    plots.plot("sqlite", results.operations["sqlite"], results.streams["sqlite"], tmp_path / "plots" / "sqlite.svg")
    drawn = "".join(ElementTree.parse(tmp_path / "plots" / "sqlite.svg").getroot().itertext())
    assert "datapkg" in drawn and "claim from a queue" in drawn


def test_a_reason_is_shown_only_where_a_target_is_not_met(benchmarks, monkeypatch):
    """What is slower than its target has its reason below the table; what is not says nothing."""
    report, harness, reasons = (benchmarks(name) for name in ("report", "harness", "reasons"))
    known = {f"{engine} {each.key}" for each in benchmarks("operations").OPERATIONS for engine in each.targets}
    known |= {f"{engine} {key}" for engine in ("sqlite", "postgresql") for key in ("stream", "memory", "growth")}
    known |= {f"{engine} fresh {way}" for engine, limits in report._FRESH_TARGETS.items() for way in limits}
    assert set(reasons.REASONS) <= known | {"validation", "startup", "goal"}
    monkeypatch.setitem(reasons.REASONS, "sqlite get", "the driver alone takes that long.")
    for seconds, shown in ((1.19, False), (1.21, True)):
        figures = harness.Figures({"raw": [1.0], "Django": [0.5], "datapkg": [seconds]})
        results = report.Results(rounds=1)
        results.operations["sqlite"], results.servers["sqlite"] = {"get": figures}, "3"
        text = report.written(results, seconds=1.0)
        assert ("the driver alone takes that long." in text) is shown
        assert rows_of(text)["get by key, content read (µs)"][-3:] == [
            "Django",
            "≤ 1.2 of raw",
            "no: 1.21" if shown else "yes",
        ]


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
