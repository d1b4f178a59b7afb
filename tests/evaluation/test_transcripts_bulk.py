"""Many transcripts at once: all checked, all or nothing, again without doubling."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import nursery
import pytest

from datapkg import evaluation
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.evaluation import transcripts
from datapkg.evaluation.runs import create_run, delete_run
from datapkg.evaluation.transcripts import TranscriptReport
from datapkg.kit.database import current, transaction

TURNS = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "tab\there, \\N, a\nline"}]
EMPTY = {"preamble": "", "template": "", "dimensions": []}
PROMPT = {"preamble": "", "prompt": "", "values": {}}


@pytest.fixture
def run(db):
    """A run of two scenarios."""
    definition = evaluation.create_definition("d", content=EMPTY)
    for name in ("a", "b"):
        evaluation.create_scenario(definition.id, name=name, content=PROMPT)
    return create_run(definition.id, config={"models": ["model-a"]})


@pytest.fixture
def keys(run):
    """The keys of its scenarios, as text."""
    return sorted(str(each.id) for each in evaluation.list_scenarios(run_id=run.id))


def row(key, index=0, **given):
    """Return a good row, changed as given."""
    return {"scenario_id": key, "model": "model-a", "sample_index": index, "content": TURNS, **given}


def stored():
    """Return how many transcripts are stored."""
    return current().fetch("SELECT count(*) FROM transcripts", ())[0][0]


def test_rows_are_stored_as_given(run, keys):
    """Any iterable; keys as text or UUID; what is left out takes its default."""
    rows = (
        each
        for each in (
            row(keys[0], metrics={"a": 1, "grade": "C"}, input_tokens=1, output_tokens=2, duration_ms=3),
            {"scenario_id": uuid.UUID(keys[1]), "model": "m", "content": []},
            {"scenario_id": None, "model": "m", "content": [], "metrics": None, "input_tokens": None},
        )
    )
    assert transcripts.create_transcripts(str(run.id), rows=rows) == TranscriptReport(created=3, kept=0, errors={})
    first, second, third = transcripts.list_transcripts()[::-1]
    assert first.content == TURNS
    assert first.metrics == {"schema_version": 1, "values": {"a": 1.0}, "labels": {"grade": "C"}}
    assert (first.input_tokens, first.output_tokens, first.duration_ms) == (1, 2, 3)
    assert (second.scenario_id, second.sample_index, second.metrics) == (uuid.UUID(keys[1]), 0, None)
    assert (third.scenario_id, third.run_id) == (None, run.id)
    assert transcripts.create_transcripts(run.id, rows=[]) == TranscriptReport(created=0, kept=0)


def test_one_by_one_and_at_once_store_the_same(run, keys):
    """The two ways write the same columns and documents."""
    given = row(None, metrics={"a": 2, "b": "x"}, input_tokens=7)
    transcripts.create_transcript(run.id, **given)
    transcripts.create_transcripts(run.id, rows=[given])
    rows = current().fetch("SELECT model, sample_index, content, metrics, input_tokens FROM transcripts", ())
    assert rows[0] == rows[1]


def test_every_complaint_about_every_row(run, keys):
    """Paths begin with the row's number, and nothing is written."""
    rows = [row(keys[0], number) for number in range(1500)]
    rows[3] = row(keys[0], 3, content=[{"role": "nobody", "content": "x"}], metrics={"a": True}, model="")
    rows[4] = row(str(uuid.uuid4()), metrics={"values": {"a": "x"}})
    rows[5] = row(keys[0], 1)
    rows[6] = {"scenario_id": "x", "sample_index": 0}
    rows[7] = "no row"
    rows[8] = {**row(keys[0], 8), "extra": 1, "content": {"schema_version": 9}}
    rows[1400] = row(keys[0].upper(), 1399)
    del rows[9]["scenario_id"]  # which is None then, as in create_transcript
    with pytest.raises(ValidationError) as caught:
        transcripts.create_transcripts(run.id, rows=rows)
    assert list(caught.value.errors) == [
        "3.model", "3.content.0.role", "3.metrics.a",
        "4.metrics.values.a", "4.scenario_id",
        "5",
        "6.scenario_id", "6.model", "6.content",
        "7",
        "8.extra", "8.content",
        "1400",
    ]  # fmt: skip
    assert caught.value.errors["5"] == ["Has the scenario, model and sample_index of row 1."]
    assert "of row 1399" in caught.value.errors["1400"][0]
    assert stored() == 0


def test_the_good_ones_are_written_and_the_others_reported(run, keys):
    """With on_error="collect" only what is wrong is left out."""
    transcripts.create_transcripts(run.id, rows=[row(keys[0], 0)])
    rows = [row(keys[0], 0), row(keys[0], 1), row(keys[0], 1), row(keys[1], 0, model=""), "x", row(keys[1], 1)]
    report = transcripts.create_transcripts(run.id, rows=rows, on_error="collect")
    assert (report.created, report.kept, list(report.errors)) == (2, 0, [0, 2, 3, 4])
    assert "already" in report.errors[0]["_schema"][0]
    assert list(report.errors[3]) == ["model"]
    assert stored() == 3
    report = transcripts.create_transcripts(run.id, rows=rows, on_error="collect", on_existing="keep")
    assert (report.created, report.kept, list(report.errors)) == (0, 3, [2, 3, 4])


def test_what_is_there_is_kept_or_refused(run, keys):
    """Refused by default, nothing written; kept as it is on demand, and what is missing is added."""
    transcripts.create_transcripts(run.id, rows=[row(keys[0], 1)])
    rows = [row(keys[0], number, content=[]) for number in range(1200)]
    with pytest.raises(ConflictError) as caught:
        transcripts.create_transcripts(run.id, rows=rows)
    assert caught.value.constraint == "uq_transcripts_run_id_scenario_id_model_sample_index"
    assert stored() == 1
    report = transcripts.create_transcripts(run.id, rows=rows, on_existing="keep")
    assert (report.created, report.kept) == (1199, 1)
    assert [each.content for each in transcripts.list_transcripts(limit=1000) if each.sample_index == 1] == []
    assert transcripts.create_transcripts(run.id, rows=rows, on_existing="keep").kept == 1200
    assert stored() == 1200


def test_inside_a_transaction(run, keys):
    """It is undone with the caller's, and a refusal leaves the caller's usable."""
    with pytest.raises(KeyError), transaction():
        transcripts.create_transcripts(run.id, rows=[row(keys[0])])
        raise KeyError
    assert stored() == 0
    with transaction():
        transcripts.create_transcripts(run.id, rows=[row(keys[0], 0)])
        with pytest.raises(ConflictError):
            transcripts.create_transcripts(run.id, rows=[row(keys[0], 0)])
        transcripts.create_transcripts(run.id, rows=[row(keys[0], 1)])
    assert stored() == 2


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"on_error": "ignore"}, ["on_error"]),
        ({"on_existing": None, "on_error": 1}, ["on_error", "on_existing"]),
        ({"rows": 7}, ["rows"]),
    ],
)
def test_arguments_are_checked(run, given, paths):
    """What is neither one nor the other is named."""
    with pytest.raises(ValidationError) as caught:
        transcripts.create_transcripts(run.id, **{"rows": [], **given})
    assert list(caught.value.errors) == paths


def test_a_missing_run_is_told(db):
    """Also where there are no rows."""
    with pytest.raises(NotFoundError):
        transcripts.create_transcripts(uuid.uuid4(), rows=[])
    with pytest.raises(ValidationError):
        transcripts.create_transcripts("x", rows=[])


@pytest.mark.parametrize("count", [1, 1000])
def test_a_run_that_goes_meanwhile_is_told(run, keys, count):
    """A run that is deleted while its transcripts are checked is a missing one."""

    def rows():
        yield from (row(keys[0], number) for number in range(count))
        delete_run(run.id)
        yield row(keys[0], count)

    with pytest.raises(NotFoundError) as caught:
        transcripts.create_transcripts(run.id, rows=rows())
    assert caught.value.entity == "run"


@pytest.mark.datapkg_commits
def test_the_same_rows_at_once_are_stored_once(run, keys, db):
    """Four threads store the same; together they create each once."""
    barrier = threading.Barrier(4)

    def store(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            rows = [row(keys[0], index) for index in range(300)]
            return transcripts.create_transcripts(run.id, rows=rows, on_existing="keep")
        finally:
            db.close()

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(store, range(4)))
    assert sum(report.created for report in reports) == stored() == 300
    assert sum(report.kept for report in reports) == 900


STORE = """
import sys, datapkg
from datapkg.evaluation import transcripts
datapkg.connect(sys.argv[1])
rows = [{"scenario_id": sys.argv[3], "model": "m", "sample_index": n, "content": []} for n in range(2500)]
transcripts.create_transcripts(sys.argv[2], rows=rows, on_existing="keep")
"""


@pytest.mark.datapkg_commits
@pytest.mark.parametrize("failpoint", ["transcripts.mid_write", "transcripts.before_commit"])
def test_killed_half_way_nothing_is_stored(run, keys, datapkg_url, failpoint):
    """A killed process leaves nothing; the next stores all."""
    given = (STORE, datapkg_url, run.id, keys[0])
    killed = nursery.run_python(*given, env={**os.environ, "DATAPKG_FAILPOINT": failpoint})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert stored() == 0
    assert nursery.run_python(*given).returncode == 0
    assert stored() == 2500
