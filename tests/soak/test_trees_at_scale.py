"""A million definitions: trees stay right, bounded and indexed. Run by ``tox -e soak``, before a release.

One database on each engine serves all tests of this file; none of them changes what another one looks at.
"""

from __future__ import annotations

import faulthandler
import itertools
import json
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest

from datapkg import evaluation
from datapkg.errors import CorruptTreeError
from datapkg.kit.database import bound, transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.models import new_id

pytestmark = pytest.mark.soak

ROWS = 1_000_000
DEPTH = 10_000
CHILDREN = 50_000
CYCLE = 1_000
STAMP = "2026-01-01T00:00:00.000000Z"
CONTENT = json.dumps({"schema_version": 1, "preamble": "Be fair.", "template": "", "dimensions": []})
CONFIG = json.dumps({"schema_version": 1, "models": ["model-a"]})
PROGRESS = json.dumps({"schema_version": 1, "total": 10, "completed": 0, "failed": 0})
TURNS = json.dumps(
    {
        "schema_version": 1,
        "items": [{"role": "user", "content": "Is it fair? " * 20}, {"role": "assistant", "content": "Yes."}],
    }
)
METRICS = json.dumps({"schema_version": 1, "values": {"score": 0.5}})
SECONDS_AT_THE_MOST = 300


@dataclass
class World:
    """Keys of what the million consists of.

    Attributes:
        db: the database.
        root: what everything but the cycle descends from.
        chain: below the root, each the only child of the one before it.
        wide: a node with many children.
        children: its children, oldest first.
        cycle: definitions whose parents form a circle.
        tail: a definition below the circle.
    """

    db: KitDatabase
    root: str = ""
    chain: list[str] = field(default_factory=list)
    wide: str = ""
    children: list[str] = field(default_factory=list)
    cycle: list[str] = field(default_factory=list)
    tail: str = ""


def definitions(world: World) -> Iterator[tuple[str, str, str, str, str | None, str]]:
    """Yield the million rows, every parent before its children, and note the keys."""

    def row(parent: str | None, name: str) -> tuple[str, str, str, str, str | None, str]:
        return str(new_id()), STAMP, STAMP, name, parent, CONTENT

    first = row(None, "root")
    world.root = first[0]
    yield first
    parent = world.root
    for number in range(DEPTH):
        made = row(parent, f"chain {number}")
        parent = made[0]
        world.chain.append(parent)
        yield made
    made = row(world.root, "wide")
    world.wide = made[0]
    yield made
    for number in range(CHILDREN):
        made = row(world.wide, f"child {number}")
        world.children.append(made[0])
        yield made
    above: str | None = None
    for number in range(CYCLE):
        made = row(above, f"cycle {number}")
        above = made[0]
        world.cycle.append(above)
        yield made
    made = row(above, "tail")
    world.tail = made[0]
    yield made
    # The rest is a tree with ten children a node, as deep as such trees get.
    others = [world.root]
    for number in range(ROWS - DEPTH - CHILDREN - CYCLE - 3):
        made = row(others[number // 10], f"other {number}")
        if len(others) < ROWS // 10 + 1:
            others.append(made[0])
        yield made


def load(db: KitDatabase, table: str, columns: str, rows: Iterator[tuple[object, ...]]) -> None:
    """Insert rows in one transaction, the engine's quickest way."""
    with transaction():
        while batch := list(itertools.islice(rows, 20_000)):
            db.insert_rows(table, columns.split(), batch)
    if db.dialect.name == "postgresql":
        db.execute_sql(f"ANALYZE {table}")


@pytest.fixture(scope="module")
def datapkg_engine(request: pytest.FixtureRequest) -> str:
    """The engine, chosen as everywhere, but once for the whole file."""
    engine: str = request.param
    return engine


@pytest.fixture(scope="module")
def world(datapkg_engine, datapkg_databases, tmp_path_factory) -> Iterator[World]:
    """A database with a million definitions in it."""
    folder = tmp_path_factory.mktemp("soak")
    made = datapkg_databases.in_file(folder) if datapkg_engine == "sqlite" else datapkg_databases.in_clone()
    with made as (db, _), bound(db):
        world = World(db)
        load(db, "definitions", "id created_at updated_at name parent_id content", definitions(world))
        mark = db.dialect.param
        # As nobody can through this package, which never changes a parent.
        db.change(f"UPDATE definitions SET parent_id = {mark} WHERE id = {mark}", (world.cycle[-1], world.cycle[0]))
        yield world


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """End the whole process, with every thread's stack, when a test does not come to an end."""
    faulthandler.dump_traceback_later(SECONDS_AT_THE_MOST, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


def peak(call: Callable[[], object]) -> tuple[object, int]:
    """Return what a call returns, and how many bytes Python held at the most meanwhile."""
    tracemalloc.start()
    try:
        found = call()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def resident() -> int:
    """Return how many bytes of memory the process holds."""
    return int(psutil.Process().memory_info().rss)


@contextmanager
def plans(db: KitDatabase) -> Iterator[list[str]]:
    """Collect how the engine goes about each query of the block."""
    seen: list[tuple[str, object]] = []
    found: list[str] = []

    def hook(event) -> None:
        seen.append((event.sql, event.params))

    db.query_hooks.append(hook)
    try:
        yield found
    finally:
        db.query_hooks.remove(hook)
    explain = "EXPLAIN QUERY PLAN" if db.dialect.name == "sqlite" else "EXPLAIN"
    for sql, params in seen:
        found += [str(row[-1]) for row in db.fetch(f"{explain} {sql}", params or ())]


def scanned(plan: list[str]) -> list[str]:
    """Return the lines of a plan that read a whole table, or all of an index, or sort."""
    return [line for line in plan if re.search(r"Seq Scan|Sort|TEMP B-TREE|^SCAN (?!up\b|CONSTANT ROW)", line)]


def test_there_are_a_million(world):
    """What the other tests look at is as large as it says."""
    assert world.db.fetch("SELECT count(*) FROM definitions", ())[0][0] == ROWS


def test_a_scan_would_be_seen(world):
    """What the tests below take for a scan is one on each engine; a search is none."""
    for condition, seen in (("name || '' = 'x'", True), (f"id = '{world.root}'", False)):
        with plans(world.db) as plan:
            world.db.execute_sql(f"SELECT name FROM definitions AS d WHERE {condition}").fetchall()
        assert plan
        assert bool(scanned(plan)) is seen


def test_ancestors_of_a_chain_of_ten_thousand(world):
    """All of them, nearest first, each with its depth and content, and at most 6 KB for each."""
    found, held = peak(lambda: evaluation.get_ancestors(world.chain[-1]))
    assert [str(each.id) for each in found] == [*world.chain[-2::-1], world.root]
    assert [each.depth for each in found] == list(range(1, DEPTH + 1))
    assert found[-1].content["preamble"] == "Be fair."
    assert held < DEPTH * 6_000


def test_ancestors_of_one_leaf_do_not_grow_with_the_table(world):
    """Six rows cost what six rows cost, by the index, whatever else is in the table."""
    leaf = evaluation.list_definitions(limit=1)[0]
    evaluation.get_ancestors(leaf.id)
    found, held = peak(lambda: evaluation.get_ancestors(leaf.id))
    assert len(found) == 6
    assert str(found[-1].id) == world.root
    assert held < 200_000
    with plans(world.db) as plan:
        evaluation.get_ancestors(leaf.id)
    assert plan
    assert scanned(plan) == []


def test_descendants_of_a_chain_and_of_a_wide_node(world):
    """Ten thousand levels of one, and one level of fifty thousand, siblings oldest first."""
    found = evaluation.get_descendants(world.chain[0])
    assert [(str(each.id), each.depth) for each in found] == [
        (key, depth) for depth, key in enumerate(world.chain[1:], start=1)
    ]
    found = evaluation.get_descendants(world.wide)
    assert [str(each.id) for each in found] == world.children
    assert {each.depth for each in found} == {1}
    assert evaluation.get_descendants(world.chain[-1]) == []


@pytest.mark.parametrize("content", [True, False])
def test_the_tree_of_a_chain(world, content):
    """Each node has one child, down to the end; no recursion in Python."""
    tree = evaluation.get_definition_tree(world.chain[0], content=content)
    assert [str(node.definition.id) for node in tree.walk()] == world.chain
    assert [node.definition.depth for node in tree.walk()] == list(range(DEPTH))
    last = list(tree.walk())[-1].definition
    assert last.content["preamble"] == "Be fair."
    assert repr(tree).count("\n") == DEPTH - 1


@pytest.mark.parametrize("content", [True, False])
def test_the_tree_of_a_wide_node(world, content):
    """Every child once, in order, at most 6 KB for each."""
    tree, held = peak(lambda: evaluation.get_definition_tree(world.wide, content=content))
    assert [str(node.definition.id) for node in tree.children] == world.children
    assert not any(node.children for node in tree.children)
    assert tree.children[-1].definition.content["preamble"] == "Be fair."
    assert held < CHILDREN * 6_000


def test_common_ancestors(world):
    """Of two places in the chain the upper one, of chain and wide node the root, of the tail nothing but an error."""
    assert str(evaluation.common_ancestor(world.chain[-1], world.chain[5_000]).id) == world.chain[5_000]
    assert str(evaluation.common_ancestor(world.chain[-1], world.children[-1]).id) == world.root
    assert str(evaluation.common_ancestor(world.children[0], world.children[-1]).id) == world.wide


def test_the_last_page_of_a_million_needs_no_scan(world):
    """Keyset pages near the oldest row come by the primary key's index, without sorting, and end where they should."""
    oldest = [world.root, *world.chain]
    with plans(world.db) as plan:
        page = evaluation.list_definitions(after=oldest[100], limit=60)
    assert [str(each.id) for each in page] == oldest[99:39:-1]
    assert plan
    assert scanned(plan) == []
    rest = evaluation.list_definitions(after=page[-1].id, limit=1000)
    assert [str(each.id) for each in rest] == oldest[39::-1]
    assert evaluation.list_definitions(after=world.root) == []


def test_all_children_of_a_wide_node_page_by_page(world):
    """Fifty pages of a thousand hold each child once."""
    found: list[str] = []
    while page := evaluation.list_definitions(parent_id=world.wide, limit=1000, after=found[-1] if found else None):
        found += [str(each.id) for each in page]
    assert found == world.children[::-1]


def test_a_cycle_is_an_error_from_every_function(world):
    """A thousand definitions in a circle, and one below it: told from everywhere, and never a hang."""
    inside, tail, outside = world.cycle[CYCLE // 2], world.tail, world.chain[5]
    for start in (inside, tail):
        with pytest.raises(CorruptTreeError):
            evaluation.get_ancestors(start)
        for pair in ((start, outside), (outside, start)):
            with pytest.raises(CorruptTreeError):
                evaluation.common_ancestor(*pair)
    with pytest.raises(CorruptTreeError):
        evaluation.get_descendants(inside)
    for content in (True, False):
        with pytest.raises(CorruptTreeError):
            evaluation.get_definition_tree(inside, content=content)
    assert evaluation.get_descendants(tail) == []


def test_the_runs_of_a_wide_tree(world):
    """Fifty thousand runs, one of each child: all at once, or page by page; each with its definition."""
    runs = [str(new_id()) for _ in world.children]
    load(
        world.db,
        "runs",
        "id created_at updated_at definition_id status config progress content_sha256 definition_schema_version",
        (
            (key, STAMP, STAMP, child, "COMPLETED" if number % 2 else "FAILED", CONFIG, PROGRESS, "0" * 64, 1)
            for number, (key, child) in enumerate(zip(runs, world.children, strict=True))
        ),
    )
    found, held = peak(lambda: evaluation.get_runs_for_definition_tree(world.wide))
    assert [str(run.id) for run in found] == runs[::-1]
    assert [str(run.definition.id) for run in found] == world.children[::-1]
    assert held < CHILDREN * 12_000
    pages: list[str] = []
    while page := evaluation.get_runs_for_definition_tree(
        world.wide, status="FAILED", limit=1000, after=pages[-1] if pages else None
    ):
        pages += [str(run.id) for run in page]
    assert pages == runs[::2][::-1]
    assert evaluation.get_runs_for_definition_tree(world.chain[0]) == []
    with plans(world.db) as plan:
        assert str(evaluation.list_runs(after=runs[10], limit=10)[-1].id) == runs[0]
    assert scanned(plan) == []
    with pytest.raises(CorruptTreeError):
        evaluation.get_runs_for_definition_tree(world.cycle[CYCLE // 2])


def test_a_million_transcripts_in_constant_memory(world):
    """Oldest first, each once, its documents read, and at most 20 MB more than at the start."""
    run, keys = str(new_id()), [str(new_id()) for _ in range(ROWS)]
    load(
        world.db,
        "runs",
        "id created_at updated_at definition_id status config progress content_sha256 definition_schema_version",
        iter([(run, STAMP, STAMP, world.root, "RUNNING", CONFIG, PROGRESS, "0" * 64, 1)]),
    )
    load(
        world.db,
        "transcripts",
        "id created_at run_id model sample_index content metrics",
        ((key, STAMP, run, "model-a", number, TURNS, METRICS) for number, key in enumerate(keys)),
    )
    with plans(world.db) as plan:
        assert str(next(evaluation.iter_transcripts(run_id=run)).id) == keys[0]
    assert scanned(plan) == []
    stream = evaluation.iter_transcripts(run_id=run)
    for _ in range(10_000):
        next(stream)
    before = most = resident()
    for number, transcript in enumerate(stream, start=10_000):
        assert str(transcript.id) == keys[number]
        assert transcript.content[1]["content"] == "Yes."
        assert transcript.metrics["values"] == {"score": 0.5}
        if number % 10_000 == 0:
            most = max(most, resident())
    assert number == ROWS - 1
    assert most - before < 20_000_000


def test_the_whole_tree(world):
    """A million nodes nested, names and structure only, in at most 3 GB."""
    before = resident()
    tree = evaluation.get_definition_tree(world.root, content=False)
    held = resident() - before
    assert sum(1 for _ in tree.walk()) == ROWS - CYCLE - 1
    assert held < 3_000_000_000
    print(f"{world.db.dialect.name}: {held / 1e6:.0f} MB for {ROWS - CYCLE - 1:,} nodes")
