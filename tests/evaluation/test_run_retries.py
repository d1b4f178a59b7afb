"""Running again what failed: what was done is taken along as it is stored, and nothing else changes."""

from __future__ import annotations

import json
import uuid

import pytest
from run_samples import INSTANT, STEPS, at_once, count, execute, fetch, numbered, run_of, store

from datapkg.errors import (
    DocumentError,
    InvalidTransitionError,
    NotFoundError,
    StaleWriteError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.evaluation.models import Experiment
from datapkg.evaluation.retries import retry_run
from datapkg.evaluation.run_states import update_run_status
from datapkg.evaluation.runs import create_run, delete_run, get_run
from datapkg.kit.database import transaction
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert

KEPT = "scenario_id, model, sample_index, content, metrics, input_tokens, output_tokens, duration_ms, created_at"


def failed_run(scenarios=3, **config):
    """Make a FAILED run."""
    return run_of(numbered(scenarios), status="FAILED", **config)


def store_transcript(run, content, *, scenario=None, index=0, metrics=None):
    """Put a transcript with this very content into the table, as older or newer code would."""
    execute(
        "INSERT INTO transcripts (id, run_id, scenario_id, model, sample_index, content, metrics, duration_ms, "
        "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        str(new_id()), str(run.id), scenario, "m", index, json.dumps(content),
        None if metrics is None else json.dumps(metrics), 2**40, INSTANT,
    )  # fmt: skip


def transcripts(run, columns=KEPT):
    """Return a run's transcripts as they are stored, oldest first."""
    return fetch(f"SELECT {columns} FROM transcripts WHERE run_id = ? ORDER BY id", str(run.id))


def selection(run):
    """Return a run's sample."""
    sql = "SELECT scenario_id, position FROM run_scenario_selection WHERE run_id = ? ORDER BY position"
    return fetch(sql, str(run.id))


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_retry_goes_on_where_the_run_ended(db, status):
    """Same definition, experiment, config with its seed, pin and sample; what was done counts as done."""
    experiment = insert(Experiment, {"name": "x", "analysis_plan": {"test": "t", "alpha": 0.05}})
    config = {"models": ["m", "n"], "sample_percentage": 50}
    old = create_run(numbered(6).id, config=config, experiment_id=experiment.id)
    store_transcript(old, [], scenario=selection(old)[1][0])
    store_transcript(old, [], scenario=selection(old)[0][0])
    store(old, progress={"schema_version": 1, "total": 6, "completed": 2, "failed": 3})
    old = update_run_status(old.id, status=status)
    new = retry_run(str(old.id))
    assert new.id != old.id
    assert get_run(new.id).public() == new.public()
    assert (new.status, new.started_at, new.heartbeat_at, new.finished_at, new.error) == ("PENDING", *[None] * 4)
    for name in ("definition_id", "experiment_id", "config", "content_sha256", "definition_schema_version"):
        assert getattr(new, name) == getattr(old, name)
    assert new.config["sample_seed"] == old.config["sample_seed"]
    assert new.progress == {"schema_version": 1, "total": 6, "completed": 2, "failed": 0}
    assert selection(new) == selection(old) != []
    assert transcripts(new) == transcripts(old)
    assert get_run(old.id).public() == old.public()
    assert new.created_at > old.created_at


def test_transcripts_are_copied_as_they_are_stored(db):
    """Documents of older and newer versions, odd texts, empty columns and times, in their order; keys are new."""
    old = failed_run()
    scenarios = [scenario for scenario, _ in selection(old)]
    store_transcript(old, [{"role": "user", "content": "tab\t line\n \\N \\ é \U0001f600"}], scenario=scenarios[2])
    store_transcript(
        old, {"schema_version": 9, "new": [1e20, {"b": 1, "a": 2}]}, scenario=scenarios[0], metrics={"s": 1}
    )
    store_transcript(old, {"schema_version": 1, "items": []}, metrics={"schema_version": 7})
    store_transcript(old, "corrupt", index=1)
    before = transcripts(old, "*")
    new = retry_run(old.id)
    assert transcripts(new) == transcripts(old)
    assert transcripts(old, "*") == before
    assert not set(transcripts(new, "id")) & set(transcripts(old, "id"))
    assert new.progress == {"schema_version": 1, "total": 4, "completed": 4, "failed": 0}


def test_more_transcripts_than_one_batch(db):
    """Hundreds are copied, each once."""
    old = failed_run()
    with transaction():
        for number in range(250):
            store_transcript(old, [], index=number)
    new = retry_run(old.id)
    assert transcripts(new) == transcripts(old)
    assert new.progress["completed"] == 250


def test_a_retry_can_be_retried(db):
    """The copies are transcripts like any other."""
    old = failed_run()
    store_transcript(old, [])
    again = retry_run(update_run_status(retry_run(old.id).id, status="CANCELLED").id)
    assert transcripts(again) == transcripts(old)
    delete_run(old.id)
    assert len(transcripts(again)) == 1


def test_what_newer_code_has_configured_stays_as_it_is(db):
    """The config is copied unread."""
    old = failed_run()
    store(old, config={"schema_version": 9, "new": 1})
    new = retry_run(old.id)
    with pytest.raises(UnknownSchemaVersionError):
        print(new.config)
    texts = fetch("SELECT config FROM runs")
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("progress", "error"),
    [
        ({"schema_version": 9, "total": 1}, UnknownSchemaVersionError),
        ({"total": "x"}, DocumentError),
        ([], DocumentError),
    ],
    ids=str,
)
def test_a_total_that_cannot_be_read_is_told(db, progress, error):
    """Nothing is written then."""
    old = failed_run()
    store(old, progress=progress)
    with pytest.raises(error):
        retry_run(old.id)
    assert count("runs") == 1


def test_an_older_progress_counts(db):
    """A total that is not there is 0, or what was copied."""
    old = failed_run()
    store(old, progress={})
    assert retry_run(old.id).progress == {"schema_version": 1, "total": 0, "completed": 0, "failed": 0}
    store_transcript(old, [])
    assert retry_run(old.id).progress == {"schema_version": 1, "total": 1, "completed": 1, "failed": 0}


@pytest.mark.parametrize("status", [status for status in STEPS if status not in ("FAILED", "CANCELLED")])
def test_only_what_did_not_succeed_is_retried(db, status):
    """Any other run is refused, and the caller's transaction goes on."""
    run = run_of(status=status)
    with transaction():
        with pytest.raises(InvalidTransitionError) as caught:
            retry_run(run.id)
        assert caught.value.meta["from"] == status
        assert "FAILED or CANCELLED" in caught.value.fix
        assert count("runs") == 1


def test_content_that_is_not_the_pinned_one(db):
    """Somebody went around the database's protection: transcripts of two contents are not mixed."""
    old = failed_run()
    store(old, content_sha256="0" * 64)
    with pytest.raises(StaleWriteError) as caught:
        retry_run(old.id)
    assert caught.value.meta["pinned"] == "0" * 64
    assert (count("runs"), count("run_scenario_selection")) == (1, 3)


def test_a_missing_run_and_a_malformed_key(db):
    """The one is not found, the other not valid."""
    with pytest.raises(NotFoundError):
        retry_run(uuid.uuid4())
    with pytest.raises(ValidationError) as caught:
        retry_run("x")
    assert list(caught.value.errors) == ["run_id"]


def test_a_sample_that_lost_scenarios(db):
    """What was deleted is not selected again; its transcript comes along without a scenario."""
    old = failed_run()
    store_transcript(old, [], scenario=selection(old)[1][0])
    execute("DELETE FROM scenarios WHERE id = ?", selection(old)[1][0])
    new = retry_run(old.id)
    assert [position for _, position in selection(new)] == [0, 2]
    assert transcripts(new, "scenario_id") == [(None,)]
    assert new.progress["total"] == 3


@pytest.mark.datapkg_commits
def test_retries_and_a_deletion_at_once(db):
    """Each retry is whole or not there at all, whenever the old run is deleted."""
    for _ in range(4):
        old = failed_run()
        for number in range(5):
            store_transcript(old, [], index=number)
        *retried, deleted = at_once(
            *[lambda key=old.id: retry_run(key)] * 2,
            lambda key=old.id: delete_run(key),
        )
        assert deleted is None
        for new in retried:
            assert isinstance(new, NotFoundError) or (len(transcripts(new)), len(selection(new))) == (5, 3)
    assert count("transcripts") == 5 * count("runs")
