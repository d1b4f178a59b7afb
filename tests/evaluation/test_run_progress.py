"""How far a run is: counted in SQL, nothing lost, never more than there is."""

from __future__ import annotations

import json
import uuid

import pytest
from run_samples import START, counted, execute, fetch, in_processes, run_of, store

from datapkg.errors import (
    DocumentError,
    InvalidTransitionError,
    NotFoundError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.evaluation.progress import increment_run_progress, update_run_progress
from datapkg.evaluation.runs import get_run
from datapkg.kit.database import transaction

FINAL = ("COMPLETED", "FAILED", "CANCELLED")


def counting(total, completed=0, failed=0):
    """Return a progress document as it is read."""
    return {"schema_version": 1, "total": total, "completed": completed, "failed": failed}


def run_to_do(total, *, status="RUNNING"):
    """Make a run with so much to do."""
    run = run_of(status=status)
    store(run, progress=counting(total))
    return get_run(run.id)


def raw(run):
    """Return a run's progress as it is stored."""
    return json.loads(fetch("SELECT progress FROM runs WHERE id = ?", str(run.id))[0][0])


def test_counts_add_up(db):
    """Completed, failed and both; by one statement, and a sign of life each time."""
    run = run_to_do(10)
    with counted() as statements:
        changed = increment_run_progress(str(run.id), completed=2)
    assert len(statements) == 1
    assert changed.progress == counting(10, 2)
    assert changed.heartbeat_at == changed.updated_at > run.heartbeat_at
    assert changed.status == "RUNNING"
    assert increment_run_progress(run.id, failed=1).progress == counting(10, 2, 1)
    last = increment_run_progress(run.id, completed=3, failed=4)
    assert last.progress == counting(10, 5, 5)
    assert get_run(run.id) == last
    assert get_run(run.id).public() == last.public()


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "PAUSED"])
def test_a_run_that_goes_on_makes_progress(db, status):
    """Also before it is started and while it is paused."""
    assert increment_run_progress(run_to_do(1, status=status).id, completed=1).progress == counting(1, 1)


@pytest.mark.parametrize("status", FINAL)
def test_a_final_run_makes_none(db, status):
    """Neither by counting nor by replacing, and that is said before any other reason."""
    run = run_to_do(1, status=status)
    for call in (
        lambda: increment_run_progress(run.id, completed=5),
        lambda: update_run_progress(run.id, progress=counting(3)),
    ):
        with pytest.raises(InvalidTransitionError) as caught:
            call()
        assert caught.value.meta["from"] == status
    assert get_run(run.id).public() == run.public()


def test_never_more_than_the_total(db):
    """Exactly the total is reached; one more is refused whole, and the caller's transaction goes on."""
    run = run_to_do(3)
    increment_run_progress(run.id, completed=1, failed=1)
    with transaction():
        for amounts in ({"completed": 2}, {"failed": 2}, {"completed": 1, "failed": 1}):
            with pytest.raises(ValidationError) as caught:
                increment_run_progress(run.id, **amounts)
            assert list(caught.value.errors) == ["total"]
        assert increment_run_progress(run.id, failed=1).progress == counting(3, 1, 2)
    with pytest.raises(ValidationError):
        increment_run_progress(run_to_do(0).id, completed=1)
    assert raw(run) == counting(3, 1, 2)


@pytest.mark.parametrize(
    ("amounts", "paths"),
    [
        ({}, {"_schema"}),
        ({"completed": 0, "failed": 0}, {"_schema"}),
        ({"completed": -1}, {"completed"}),
        ({"completed": 2, "failed": -1}, {"failed"}),
        ({"completed": 1.0}, {"completed"}),
        ({"completed": True}, {"completed"}),
        ({"completed": "1", "failed": None}, {"completed", "failed"}),
        ({"completed": 2**53 + 1}, {"completed"}),
    ],
)
def test_amounts_that_are_refused(db, amounts, paths):
    """Nothing, less than nothing, no whole number: each is named, and nothing changes."""
    run = run_to_do(10)
    with pytest.raises(ValidationError) as caught:
        increment_run_progress(run.id, **amounts)
    assert set(caught.value.errors) == paths
    assert raw(run) == counting(10)


def test_keys_are_checked_with_the_amounts(db):
    """Every complaint comes at once; a key that is nobody's is told."""
    with pytest.raises(ValidationError) as caught:
        increment_run_progress("x", completed=-1)
    assert set(caught.value.errors) == {"run_id", "completed"}
    with pytest.raises(ValidationError) as caught:
        update_run_progress("x", progress={"total": 1})
    assert set(caught.value.errors) == {"run_id", "progress.completed", "progress.failed"}
    for call in (
        lambda: increment_run_progress("x", completed=1),
        lambda: update_run_progress(None, progress=counting(1)),
    ):
        with pytest.raises(ValidationError) as caught:
            call()
        assert set(caught.value.errors) == {"run_id"}
    for call in (
        lambda: increment_run_progress(uuid.uuid4(), completed=1),
        lambda: update_run_progress(uuid.uuid4(), progress=counting(1)),
    ):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({"total": 5, "completed": 1, "failed": 2}, counting(5, 2, 2)),
        ({"total": 5}, counting(5, 1, 0)),
        ({"total": 5, "failed": 4}, counting(5, 1, 4)),
        ({"schema_version": 0, "total": 5, "completed": None}, counting(5, 1)),
        ({"total": 5.0, "completed": 1.0}, counting(5, 2)),
        ({"total": 5, "note": "x"}, {**counting(5, 1), "note": "x"}),
    ],
)
def test_older_documents_are_counted_in_too(db, stored, read):
    """Counts that are not there are 0, whatever else is there stays, and so does the version."""
    run = run_to_do(1)
    store(run, progress=stored)
    assert increment_run_progress(run.id, completed=1).progress == read
    assert raw(run).get("schema_version") == stored.get("schema_version")


@pytest.mark.parametrize("stored", [{}, {"completed": 0}, {"total": 1, "failed": 1}])
def test_an_older_document_may_have_nothing_left(db, stored):
    """A total that is not there is 0."""
    run = run_to_do(1)
    store(run, progress=stored)
    with pytest.raises(ValidationError):
        increment_run_progress(run.id, completed=1)
    assert raw(run) == stored


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ({**counting(5), "schema_version": 2}, UnknownSchemaVersionError),
        ({**counting(5), "schema_version": "1"}, UnknownSchemaVersionError),
        ({**counting(5), "schema_version": 1.5}, UnknownSchemaVersionError),
        ({**counting(5), "schema_version": True}, UnknownSchemaVersionError),
        ({**counting(5), "schema_version": None}, UnknownSchemaVersionError),
        ([1], DocumentError),
        (7, DocumentError),
        ("x", DocumentError),
    ],
    ids=str,
)
def test_what_this_code_cannot_read_it_does_not_write(db, stored, error):
    """Newer and corrupt documents are neither counted in nor replaced."""
    run = run_to_do(1)
    store(run, progress=stored)
    with pytest.raises(error):
        increment_run_progress(run.id, completed=1)
    with pytest.raises(error):
        update_run_progress(run.id, progress=counting(1))
    assert raw(run) == stored


def test_a_count_that_is_no_number_is_a_corrupt_document(db):
    """It is told where it is in the way."""
    run = run_to_do(1)
    store(run, progress={"total": None})
    with pytest.raises(DocumentError) as caught:
        increment_run_progress(run.id, completed=1)
    assert caught.value.path == "total"


def test_replacing_the_document(db):
    """For a total that was not known; the sign of life stays as it was."""
    run = run_to_do(0)
    changed = update_run_progress(str(run.id), progress={"total": 7, "completed": 3, "failed": 4})
    assert changed.progress == counting(7, 3, 4)
    assert raw(run) == counting(7, 3, 4)
    assert changed.heartbeat_at == run.heartbeat_at
    assert changed.updated_at > run.updated_at
    assert get_run(run.id).public() == changed.public()
    store(run, progress={"total": 1})
    assert update_run_progress(run.id, progress={"schema_version": 0, "total": 2}).progress == counting(2)
    assert raw(run) == counting(2)


@pytest.mark.parametrize(
    ("progress", "path"),
    [
        ({"total": 6, "completed": 3, "failed": 4}, "progress.total"),
        ({"total": -1, "completed": 0, "failed": 0}, "progress.total"),
        ({"total": 1, "completed": 0.5, "failed": 0}, "progress.completed"),
        ({"total": 1, "completed": 0, "failed": True}, "progress.failed"),
        ({"total": 1, "completed": 0}, "progress.failed"),
        ({**counting(1), "skipped": 0}, "progress.skipped"),
        (None, "progress"),
        ([], "progress"),
    ],
)
def test_each_rule_of_the_document_refuses(db, progress, path):
    """Every rule names the place it refuses, and nothing changes."""
    run = run_to_do(5)
    with pytest.raises(ValidationError) as caught:
        update_run_progress(run.id, progress=progress)
    assert list(caught.value.errors) == [path]
    assert raw(run) == counting(5)


COUNT = (
    START
    + """
done = refused = 0
for number in range(int(sys.argv[3])):
    try:
        increment_run_progress(sys.argv[2], **{"failed" if number % 5 == 4 else "completed": 1})
        done += 1
    except ValidationError:
        refused += 1
print(done, refused)
"""
)


@pytest.mark.datapkg_commits
def test_eight_processes_lose_nothing(db, datapkg_url):
    """Eight times twenty-five increments at once are two hundred."""
    run = run_to_do(1000)
    assert in_processes(8, COUNT, datapkg_url, run.id, 25) == ["25 0"] * 8
    assert raw(run) == counting(1000, 160, 40)


@pytest.mark.datapkg_commits
def test_eight_processes_stop_at_the_total(db, datapkg_url):
    """Of a hundred and twenty increments exactly the fifty that there is room for succeed."""
    run = run_to_do(50)
    told = [tuple(map(int, each.split())) for each in in_processes(8, COUNT, datapkg_url, run.id, 15)]
    assert (sum(done for done, _ in told), sum(refused for _, refused in told)) == (50, 70)
    stored = raw(run)
    assert stored["completed"] + stored["failed"] == stored["total"] == 50


UNTIL_THE_END = (
    START
    + """
done = 0
try:
    while True:
        increment_run_progress(sys.argv[2], completed=1)
        done += 1
        if done == int(sys.argv[3]):
            update_run_status(sys.argv[2], status="COMPLETED")
except InvalidTransitionError:
    print(done)
"""
)


@pytest.mark.datapkg_commits
def test_what_is_counted_before_the_end_is_kept(db, datapkg_url):
    """Processes count until one of them ends the run: it holds exactly what they were told is counted."""
    run = run_to_do(10**6)
    told = sum(map(int, in_processes(4, UNTIL_THE_END, datapkg_url, run.id, 30)))
    assert get_run(run.id).status == "COMPLETED"
    assert raw(run) == counting(10**6, told)


def test_foreign_sql_may_have_spelled_the_counts_its_own_way(db):
    """Blanks and order in the stored text do not matter."""
    run = run_to_do(1)
    text = '{ "failed":0,"total" : 2 , "completed":1, "schema_version":1 }'
    execute("UPDATE runs SET progress = ? WHERE id = ?", text, str(run.id))
    assert increment_run_progress(run.id, failed=1).progress == counting(2, 1, 1)
