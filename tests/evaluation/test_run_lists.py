"""Lists of runs: filtered, paged, each with its definition, by one query; and the runs of a whole tree."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest
from run_samples import counted, execute, fetch, numbered, run_of, store, store_definition

from datapkg import evaluation
from datapkg.errors import CorruptTreeError, NotFoundError, UnknownSchemaVersionError, ValidationError
from datapkg.evaluation.models import Experiment
from datapkg.evaluation.run_lists import get_runs_for_definition_tree, list_runs
from datapkg.evaluation.runs import create_run
from datapkg.kit.statements import insert

CONFIG = {"models": ["m"]}


@pytest.fixture
def family(db):
    """root with children a and b, a with child c; a stranger; two runs of each, one of them RUNNING, made in turns."""
    root = numbered(1, name="root")
    made = {"root": root, "stranger": numbered(1, name="stranger")}
    for name, parent in [("a", "root"), ("b", "root"), ("c", "a")]:
        made[name] = evaluation.fork_definition(made[parent].id, name=name)
    for status in ("PENDING", "RUNNING"):
        for definition in made.values():
            run_of(definition, status=status)
    return made


def names(runs):
    """Return the definitions' names."""
    return [run.definition.name for run in runs]


def test_newest_first_each_with_its_definition_by_one_query(family):
    """The definition is attached, once for all of its runs, and its content is not decoded until looked at."""
    with counted() as statements:
        runs = list_runs()
        assert names(runs) == ["c", "b", "a", "stranger", "root"] * 2
        assert [run.status for run in runs] == ["RUNNING"] * 5 + ["PENDING"] * 5
    assert len(statements) == 1
    assert runs[0].definition is runs[5].definition
    assert runs[0].definition == family["c"]
    assert runs[0].definition_id == family["c"].id
    for run in runs:
        assert run.__data__.raw_text("config") is not None
        assert run.definition.__data__.raw_text("content") is not None
    assert runs[4].definition.content == family["root"].content
    assert runs[0].public()["definition_id"] == family["c"].id
    assert "RUNNING" in repr(runs)


def test_filters_narrow_and_combine(family):
    """Each filter alone, and several at once."""
    a = family["a"].id
    assert names(list_runs(definition_id=a)) == ["a", "a"]
    assert names(list_runs(definition_id=str(a), status="RUNNING")) == ["a"]
    assert len(list_runs(status="PENDING")) == 5
    assert list_runs(status="FAILED") == []
    experiment = insert(Experiment, {"name": "x", "analysis_plan": {"test": "t", "alpha": 0.05}})
    run = create_run(a, config=CONFIG, experiment_id=experiment.id)
    assert list_runs(experiment_id=experiment.id) == [run]
    assert list_runs(experiment_id=experiment.id, definition_id=family["b"].id) == []
    assert list_runs(experiment_id=uuid.uuid4()) == []


def test_times_bound_the_list(family):
    """From is included, before is not, to the microsecond."""
    first, second = list_runs()[::-1][:2]
    instants = [dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, 3, 4, 5, 7, tzinfo=dt.UTC)]
    for run, instant in zip((first, second), instants, strict=True):
        execute("UPDATE runs SET created_at = ? WHERE id = ?", instant.isoformat()[:26] + "Z", str(run.id))
    assert list_runs(created_before=instants[0]) == []
    assert list_runs(created_before=instants[1]) == [first]
    assert list_runs(created_from=instants[1], created_before=instants[1] + dt.timedelta(microseconds=1)) == [second]
    abroad = instants[1].astimezone(dt.timezone(dt.timedelta(hours=5)))
    assert list_runs(created_from=instants[0], created_before=abroad) == [first]
    assert len(list_runs(created_from=instants[0])) == 10


def test_pages_continue_where_the_last_ended(family):
    """Nothing is left out or doubled, whatever is added meanwhile."""
    everything, seen, after = list_runs(), [], None
    while page := list_runs(limit=3, after=after):
        seen += page
        after = page[-1].id
        run_of(family["a"])
    assert seen == everything
    assert list_runs(limit=2, after=everything[7].id, status="PENDING") == everything[8:]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": True}, "limit"),
        ({"after": "x"}, "after"),
        ({"status": "running"}, "status"),
        ({"definition_id": 1}, "definition_id"),
        ({"experiment_id": "x"}, "experiment_id"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_before": dt.datetime(2026, 1, 1)}, "created_before"),
    ],
    ids=str,
)
def test_each_filter_refuses(db, change, path):
    """A filter that is not valid is named; several are named together."""
    with pytest.raises(ValidationError) as caught:
        list_runs(**change)
    assert list(caught.value.errors) == [path]
    with pytest.raises(ValidationError) as caught:
        list_runs(**{"status": 1, "limit": -1, "after": 1, **change})
    assert set(caught.value.errors) == {path, "status", "limit", "after"}


def test_a_newer_document_does_not_spoil_the_list(family):
    """What this code cannot read is listed, and refused where somebody looks at it."""
    newest = list_runs(limit=1)[0]
    store(newest, config={"schema_version": 9})
    run = list_runs(limit=1)[0]
    assert run.status == "RUNNING"
    with pytest.raises(UnknownSchemaVersionError):
        print(run.config)


def test_the_runs_of_a_tree_by_one_query(family):
    """The root's runs and those of everything below it, newest first, at any depth; nobody else's."""
    with counted() as statements:
        runs = get_runs_for_definition_tree(family["root"].id)
        assert names(runs) == ["c", "b", "a", "root"] * 2
    assert len(statements) == 1
    assert runs[0].definition is runs[4].definition
    assert runs[0].definition.__data__.raw_text("content") is not None
    assert runs == [run for run in list_runs() if run.definition.name != "stranger"]
    assert names(get_runs_for_definition_tree(str(family["a"].id))) == ["c", "a"] * 2
    assert names(get_runs_for_definition_tree(family["b"].id, status="RUNNING")) == ["b"]


def test_a_tree_s_runs_come_in_pages_too(family):
    """A limit and the last row's key; without a limit all come."""
    root = family["root"].id
    everything = get_runs_for_definition_tree(root)
    assert get_runs_for_definition_tree(root, limit=3) == everything[:3]
    assert get_runs_for_definition_tree(root, limit=3, after=everything[2].id) == everything[3:6]
    assert get_runs_for_definition_tree(root, after=everything[5].id) == everything[6:]
    assert get_runs_for_definition_tree(root, status="PENDING", limit=1) == everything[4:5]
    assert get_runs_for_definition_tree(root, after=everything[-1].id) == []


def test_a_tree_without_runs_is_not_a_missing_tree(db):
    """An empty list for the one, an error for the other."""
    assert get_runs_for_definition_tree(numbered(1).id) == []
    with pytest.raises(NotFoundError) as caught:
        get_runs_for_definition_tree(uuid.uuid4())
    assert caught.value.entity == "definition"


def test_arguments_of_the_tree_are_checked_together(db):
    """Every complaint comes at once."""
    with pytest.raises(ValidationError) as caught:
        get_runs_for_definition_tree("x", status="DONE", limit=0, after=3)
    assert set(caught.value.errors) == {"root_id", "status", "limit", "after"}


def test_a_corrupted_cycle_is_a_typed_error_not_a_hang(family):
    """Somebody made the root a child of c: the walk ends and says so, with runs and without."""
    execute("UPDATE definitions SET parent_id = ? WHERE id = ?", str(family["c"].id), str(family["root"].id))
    for start in ("root", "a", "c"):
        for options in ({}, {"limit": 1}, {"status": "FAILED"}):
            with pytest.raises(CorruptTreeError):
                get_runs_for_definition_tree(family[start].id, **options)
    assert names(get_runs_for_definition_tree(family["b"].id)) == ["b", "b"]


def test_its_own_parent_is_the_smallest_cycle(db):
    """A row that is its own parent ends too."""
    run = run_of()
    execute("UPDATE definitions SET parent_id = id WHERE id = ?", str(run.definition_id))
    with pytest.raises(CorruptTreeError):
        get_runs_for_definition_tree(run.definition_id)


def test_a_deep_chain(db):
    """A run at the end of a chain of 300 is found from its beginning."""
    content = {"preamble": "", "template": "", "dimensions": []}
    first = key = store_definition(content)
    for _ in range(300):
        key = store_definition(content, parent=key)
    run = create_run(key, config=CONFIG)
    assert get_runs_for_definition_tree(first) == [run]
    assert json.loads(fetch("SELECT content FROM definitions WHERE id = ?", key)[0][0]) == content
