"""Analyses: recorded in versions, one current, found stale, declared invalid, on both engines."""

from __future__ import annotations

import nursery
import pytest
from scored_runs import a_definition, a_run, add

from datapkg import evaluation
from datapkg.errors import (
    DocumentError,
    InvalidTransitionError,
    NotFoundError,
    ValidationError,
)
from datapkg.evaluation.analyses import (
    delete_analysis,
    find_analysis,
    get_analysis,
    get_current_analysis,
    invalidate_analysis,
    is_stale,
    list_analyses,
    record_analysis,
)
from datapkg.evaluation.fingerprints import fingerprint_inputs
from datapkg.evaluation.models import Transcript
from datapkg.evaluation.rubrics import create_rubric
from datapkg.evaluation.runs import delete_run
from datapkg.kit.database import current, transaction
from datapkg.kit.statements import insert

UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"
RECORD = """
import sys
from datapkg.evaluation.analyses import record_analysis
from datapkg.kit import database
database.bind(sys.argv[1], busy_timeout=60.0, retries=20)
sys.stdin.readline()
record_analysis(sys.argv[2], analysis_type="means", output={"by": sys.argv[3]}, code_version="1")
"""


def a_scored_run():
    """Make a run with two transcripts."""
    return a_run(a_definition("a", "b"), {"a": 1.0, "b": 2.0})


def record(run, **options):
    """Record an analysis with valid arguments."""
    given = {"analysis_type": "means", "output": {"score": 1.5}, "code_version": "1", **options}
    return record_analysis(run.id, **given)


def statuses(run, analysis_type="means"):
    """Return the statuses of a run's analyses of a type by version."""
    return {each.version: each.status for each in list_analyses(run_id=run.id, analysis_type=analysis_type)}


def execute(sql, *params):
    """Run raw SQL, as foreign code would."""
    return current().change(sql.replace("?", current().dialect.param), params)


def test_an_analysis_reads_back_as_it_was_recorded(db):
    """Output, code, rubric and fingerprint are the same when read, by either form of the key."""
    run = a_scored_run()
    rubric = create_rubric("r", content={"instructions": "", "criteria": []})
    made = record(run, rubric_id=str(rubric.id), output={"score": 1.5, "by": {"a": [1, None, "x"]}})
    read = get_analysis(str(made.id).upper())
    assert read.output == {"schema_version": 1, "data": {"score": 1.5, "by": {"a": [1, None, "x"]}}}
    assert (read.run_id, read.rubric_id, read.analysis_type, read.code_version) == (run.id, rubric.id, "means", "1")
    assert (read.version, read.status, read.invalidated_at) == (1, "CURRENT", None)
    assert read.input_hash == fingerprint_inputs(run.id, rubric_id=rubric.id)
    assert find_analysis(made.id) == made
    assert read.public() == made.public()


def test_output_may_be_any_object(db):
    """Also an empty one, and one whose keys look like a document's."""
    run = a_scored_run()
    for output in ({}, {"data": 1}, {"schema_version": 7}, {"": None, "é": [[]]}):
        made = record(run, output=output)
        assert get_analysis(made.id).output == {"schema_version": 1, "data": output}


@pytest.mark.parametrize("output", [None, [], "x", 1])
def test_output_must_be_an_object(db, output):
    """Anything else is refused."""
    with pytest.raises(ValidationError) as caught:
        record(a_scored_run(), output=output)
    assert list(caught.value.errors) == ["output"]


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Keys, texts and output are checked together."""
    with pytest.raises(ValidationError) as caught:
        record_analysis(
            "x", analysis_type="", output={"a": [float("nan")], "b": {1}}, code_version="v" * 201, rubric_id="y"
        )
    assert set(caught.value.errors) == {
        "run_id",
        "analysis_type",
        "output.a.0",
        "output.b",
        "code_version",
        "rubric_id",
    }
    assert list_analyses() == []


def test_near_misses_are_accepted(db):
    """What is just inside every bound is stored."""
    made = record(a_scored_run(), analysis_type="t" * 100, code_version="v" * 200)
    assert get_current_analysis(made.run_id, analysis_type="t" * 100) == made


def test_what_is_not_there_is_named(db):
    """A missing run, rubric or analysis is told by its kind."""
    run = a_scored_run()
    for call, entity in (
        (lambda: record_analysis(UNKNOWN, analysis_type="a", output={}, code_version="1"), "run"),
        (lambda: record(run, rubric_id=UNKNOWN), "rubric"),
        (lambda: fingerprint_inputs(UNKNOWN), "run"),
        (lambda: fingerprint_inputs(run.id, rubric_id=UNKNOWN), "rubric"),
        (lambda: get_analysis(UNKNOWN), "analysis"),
        (lambda: delete_analysis(UNKNOWN), "analysis"),
        (lambda: is_stale(UNKNOWN), "analysis"),
        (lambda: invalidate_analysis(UNKNOWN, author="a", reason="r"), "analysis"),
        (lambda: get_current_analysis(run.id, analysis_type="means"), "current analysis"),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.entity == entity
    assert find_analysis(UNKNOWN) is None
    assert list_analyses() == []


@pytest.mark.parametrize(
    ("call", "paths"),
    [
        (lambda: fingerprint_inputs("x", rubric_id="y"), {"run_id", "rubric_id"}),
        (lambda: get_current_analysis("x", analysis_type=""), {"run_id", "analysis_type"}),
        (lambda: is_stale("x", code_version=1), {"analysis_id", "code_version"}),
        (lambda: invalidate_analysis("x", author="", reason="r" * 2001), {"analysis_id", "author", "reason"}),
        (lambda: list_analyses(run_id="x", status="NEW", limit=0), {"run_id", "status", "limit"}),
        (lambda: get_analysis("x"), {"analysis_id"}),
        (lambda: find_analysis("x"), {"analysis_id"}),
        (lambda: delete_analysis("x"), {"analysis_id"}),
    ],
    ids=["fingerprint", "current", "stale", "invalidate", "list", "get", "find", "delete"],
)
def test_bad_arguments_are_told_at_once(db, call, paths):
    """Each function checks all that it is given."""
    with pytest.raises(ValidationError) as caught:
        call()
    assert set(caught.value.errors) == paths


def test_a_new_version_supersedes_the_current_one(db):
    """Versions are counted for each run and type, and one of each is current."""
    run, other = a_scored_run(), a_scored_run()
    first = record(run)
    second = record(run, code_version="2")
    assert [record(run, analysis_type="spread").version, record(other).version] == [1, 1]
    third = record(run)
    assert (first.version, second.version, third.version) == (1, 2, 3)
    assert statuses(run) == {1: "SUPERSEDED", 2: "SUPERSEDED", 3: "CURRENT"}
    assert statuses(run, "spread") == statuses(other) == {1: "CURRENT"}
    assert get_current_analysis(str(run.id), analysis_type="means") == third
    assert get_analysis(first.id).updated_at > first.updated_at


@pytest.mark.datapkg_commits
def test_eight_processes_record_eight_versions_and_one_is_current(db, datapkg_url):
    """However many record at once, no version is lost or given twice."""
    run = a_scored_run()
    workers = [nursery.start_python(RECORD, datapkg_url, run.id, number) for number in range(8)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.close()
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 8
    assert statuses(run) == {**dict.fromkeys(range(1, 8), "SUPERSEDED"), 8: "CURRENT"}
    assert {each.output["data"]["by"] for each in list_analyses()} == set("01234567")


def test_an_invalid_analysis_says_by_whom_and_why_and_leaves_none_current(db):
    """The one before does not come back; the next one is current again."""
    run = a_scored_run()
    first, second = record(run), record(run)
    invalid = invalidate_analysis(str(second.id), author="Ada", reason="The wrong column.")
    assert (invalid.status, invalid.invalidated_by, invalid.invalidated_reason) == (
        "INVALIDATED",
        "Ada",
        "The wrong column.",
    )
    assert invalid.invalidated_at >= second.created_at
    assert get_analysis(second.id).public() == invalid.public()
    with pytest.raises(NotFoundError):
        get_current_analysis(run.id, analysis_type="means")
    assert statuses(run) == {1: "SUPERSEDED", 2: "INVALIDATED"}
    assert invalidate_analysis(first.id, author="Ada", reason="Too.").status == "INVALIDATED"
    assert record(run).version == 3
    assert statuses(run) == {1: "INVALIDATED", 2: "INVALIDATED", 3: "CURRENT"}


def test_an_analysis_is_declared_invalid_once(db):
    """The second time is refused, and the first one's author and reason stay."""
    made = record(a_scored_run())
    first = invalidate_analysis(made.id, author="Ada", reason="A.")
    with pytest.raises(InvalidTransitionError) as caught:
        invalidate_analysis(made.id, author="Bob", reason="B.")
    assert caught.value.meta == {"from": "INVALIDATED", "to": "INVALIDATED", "allowed": []}
    assert get_analysis(made.id).public() == first.public()


def test_lists_are_filtered_and_paged_newest_first(db):
    """Run, type and status narrow the list; a page goes on after the last row."""
    run, other = a_scored_run(), a_scored_run()
    made = [record(run), record(run), record(run, analysis_type="spread"), record(other)]
    keys = [each.id for each in made]
    assert [each.id for each in list_analyses()] == keys[::-1]
    assert [each.id for each in list_analyses(run_id=run.id, status="CURRENT")] == [keys[2], keys[1]]
    assert [each.id for each in list_analyses(analysis_type="means", limit=2)] == [keys[3], keys[1]]
    assert [each.id for each in list_analyses(analysis_type="means", after=keys[1])] == [keys[0]]


def test_deleting_one_brings_none_back(db):
    """A deleted analysis is gone, the superseded one stays so, and all of them go with their run."""
    run = a_scored_run()
    first, second = record(run), record(run)
    delete_analysis(second.id)
    assert find_analysis(second.id) is None
    assert statuses(run) == {1: "SUPERSEDED"}
    assert record(run).version == 2
    delete_run(run.id)
    assert find_analysis(first.id) is None


def test_an_analysis_of_unchanged_inputs_is_not_stale(db):
    """Recording, superseding, other runs and the code's own version change nothing."""
    run = a_scored_run()
    made = record(run, code_version="1.0")
    record(run)
    add(a_run(a_definition("a"), {}), a_definition("a"), {"a": 1.0})
    assert not is_stale(made.id)
    assert not is_stale(str(made.id), code_version="1.0")
    assert is_stale(made.id, code_version="1.1")
    invalidate_analysis(made.id, author="a", reason="r")
    assert not is_stale(made.id)


def first_transcript(run):
    """Return a run's first transcript."""
    return Transcript.select().where(Transcript.run == run.id).order_by(Transcript.id).first()


def delete_first_transcript(run):
    """Delete a run's first transcript."""
    execute("DELETE FROM transcripts WHERE id = ?", str(first_transcript(run).id))


def delete_first_scenario(run):
    """Delete the scenario of a run's first transcript."""
    evaluation.delete_scenario(first_transcript(run).scenario_id)


def rename_first_scenario(run):
    """Rename the scenario of a run's first transcript."""
    execute("UPDATE scenarios SET name = 'other' WHERE id = ?", str(first_transcript(run).scenario_id))


def add_transcript(run):
    """Add a transcript without a scenario to a run."""
    content = [{"role": "user", "content": "?"}]
    insert(Transcript, {"run": run.id, "model": "m", "sample_index": 9, "content": content})


def edit_definition(run):
    """Change the definition's content as foreign code does that went around the trigger."""
    drop = "DROP TRIGGER tg_definitions_content_frozen"
    execute(drop if db_name() == "sqlite" else f"{drop} ON definitions")
    definition = evaluation.get_definition(run.definition_id)
    text = '{"preamble": "other"}'
    execute(f"UPDATE definitions SET content = '{text}' WHERE id = ?", str(definition.id))


def db_name():
    """Return the engine's name."""
    return current().dialect.name


def edit(column, value):
    """Return what sets a column of a run's first transcript by raw SQL."""
    return lambda run: execute(f"UPDATE transcripts SET {column} = {value} WHERE id = ?", str(first_transcript(run).id))


@pytest.mark.parametrize(
    "change",
    [
        add_transcript,
        delete_first_transcript,
        delete_first_scenario,
        rename_first_scenario,
        edit_definition,
        edit("metrics", "NULL"),
        edit("metrics", """'{"schema_version": 1, "values": {"score": 1.0000000000000002}}'"""),
        edit("metrics", """'{"score": 1.0}'"""),
        edit("content", "'[]'"),
        edit("model", "'n'"),
        edit("sample_index", "7"),
        edit("input_tokens", "0"),
        edit("output_tokens", "0"),
        edit("duration_ms", "0"),
    ],
    ids=["add", "delete", "scenario", "rename", "definition", "no metrics", "metrics", "old metrics", "turns", "model",
         "sample", "input tokens", "output tokens", "duration"],
)  # fmt: skip
def test_every_change_of_the_inputs_makes_it_stale(db, change):
    """Through this package or around it; and what was there before fits again."""
    run = a_scored_run()
    made = record(run)
    with pytest.raises(KeyError), transaction():
        change(run)
        assert is_stale(made.id)
        raise KeyError
    assert not is_stale(made.id)


def test_the_same_value_in_another_spelling_is_no_change(db):
    """What counts is what the JSON says, not its white space, its order of keys or how it spells a number."""
    run = a_scored_run()
    made = record(run)
    edit("metrics", """'{"values": {"score": 1},  "schema_version": 1.0}'""")(run)
    assert not is_stale(made.id)


def test_a_document_that_is_no_document_is_told(db):
    """JSON that the package never writes cannot be compared."""
    run = a_scored_run()
    made = record(run)
    deep = "[" * 101 + "]" * 101
    edit("content", f"'{deep}'")(run)
    with pytest.raises(DocumentError) as caught:
        is_stale(made.id)
    assert caught.value.document == "transcript-turns"


def test_a_refusal_inside_a_transaction_spoils_nothing(db):
    """The caller's transaction goes on, and what was recorded in it is undone with it."""
    run = a_scored_run()
    with transaction():
        with pytest.raises(NotFoundError):
            record(run, rubric_id=UNKNOWN)
        made = record(run)
        assert not is_stale(made.id)
    with pytest.raises(KeyError), transaction():
        record(run)
        raise KeyError
    assert statuses(run) == {1: "CURRENT"}
