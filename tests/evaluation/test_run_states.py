"""The states of runs: every transition, who wins of two, signs of life, and the reaping of what gives none."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

import pytest
from run_samples import START, STEPS, at_once, in_processes, run_of, store

from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.evaluation.models import RUN_STATUSES
from datapkg.evaluation.run_changes import RUN_TRANSITIONS
from datapkg.evaluation.run_states import heartbeat_run, reap_stale_runs, update_run_status
from datapkg.evaluation.runs import get_run
from datapkg.kit.database import transaction

NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)

ALLOWED = {
    "PENDING": {"RUNNING", "CANCELLED", "FAILED"},
    "RUNNING": {"PAUSED", "COMPLETED", "FAILED", "CANCELLED"},
    "PAUSED": {"RUNNING", "FAILED", "CANCELLED"},
    "COMPLETED": set(),
    "FAILED": set(),
    "CANCELLED": set(),
}


@pytest.mark.parametrize("before", STEPS)
@pytest.mark.parametrize("after", RUN_STATUSES)
def test_every_transition(db, before, after):
    """What the rules allow happens; anything else is refused with what is allowed, and changes nothing."""
    run = run_of(status=before)
    if after in ALLOWED[before]:
        changed = update_run_status(str(run.id), status=after)
        assert changed.status == after
        assert get_run(run.id) == changed
        assert get_run(run.id).public() == changed.public()
        return
    with transaction(), pytest.raises(InvalidTransitionError) as caught:
        update_run_status(run.id, status=after)
    meta = caught.value.meta
    assert (meta["from"], meta["to"], set(meta["allowed"])) == (before, after, ALLOWED[before])
    assert before in caught.value.why
    assert after in caught.value.why
    assert all(status in caught.value.fix for status in ALLOWED[before])
    assert get_run(run.id).public() == run.public()


def test_the_table_of_transitions_covers_every_status():
    """No status is forgotten."""
    assert set(RUN_TRANSITIONS) == set(RUN_STATUSES)


def test_times_follow_the_states(db):
    """Started once, alive at each start, finished at the end."""
    run = run_of()
    first = update_run_status(run.id, status="RUNNING", now=NOON)
    assert (first.started_at, first.heartbeat_at, first.finished_at) == (NOON, NOON, None)
    paused = update_run_status(run.id, status="PAUSED", now=NOON + MINUTE)
    assert (paused.started_at, paused.heartbeat_at, paused.finished_at) == (NOON, NOON, None)
    again = update_run_status(run.id, status="RUNNING", now=NOON + 2 * MINUTE)
    assert (again.started_at, again.heartbeat_at, again.finished_at) == (NOON, NOON + 2 * MINUTE, None)
    done = update_run_status(run.id, status="COMPLETED", now=NOON + 3 * MINUTE)
    assert (done.started_at, done.heartbeat_at, done.finished_at) == (NOON, NOON + 2 * MINUTE, NOON + 3 * MINUTE)
    assert done.updated_at > run.updated_at
    assert done.created_at == run.created_at
    unstarted = update_run_status(run_of().id, status="CANCELLED", now=NOON)
    assert (unstarted.started_at, unstarted.heartbeat_at, unstarted.finished_at) == (None, None, NOON)


@pytest.mark.parametrize("error", ["x", "é" * 10_000, None])
def test_a_failure_may_say_why(db, error):
    """From one to ten thousand characters, or nothing."""
    assert update_run_status(run_of().id, status="FAILED", error=error).error == error


@pytest.mark.parametrize(
    ("status", "error"),
    [("FAILED", ""), ("FAILED", "x" * 10_001), ("FAILED", "\0"), ("FAILED", 3), ("RUNNING", "x"), ("CANCELLED", "x")],
)
def test_an_error_that_is_refused(db, status, error):
    """Too short, too long, not storable, no text, or not with a failure: nothing changes."""
    run = run_of()
    with pytest.raises(ValidationError) as caught:
        update_run_status(run.id, status=status, error=error)
    assert list(caught.value.errors) == ["error"]
    assert get_run(run.id).status == "PENDING"


def test_every_complaint_comes_at_once(db):
    """Key, status, error and clock are checked together."""
    with pytest.raises(ValidationError) as caught:
        update_run_status("x", status="DONE", error="x", now=dt.datetime(2026, 1, 1))
    assert set(caught.value.errors) == {"run_id", "status", "error", "now"}
    for status in (None, 1, ["RUNNING"], "running"):
        with pytest.raises(ValidationError) as caught:
            update_run_status(run_of().id, status=status)
        assert list(caught.value.errors) == ["status"]


def test_a_missing_run_is_told(db):
    """For every function, before anything else."""
    for call in (
        lambda: update_run_status(uuid.uuid4(), status="RUNNING"),
        lambda: update_run_status(uuid.uuid4(), status="PENDING"),
        lambda: heartbeat_run(uuid.uuid4()),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.entity == "run"


START_RUN = (
    START
    + """
try:
    update_run_status(sys.argv[2], status="RUNNING")
    print("started")
except InvalidTransitionError as error:
    print(error.meta["from"])
"""
)


@pytest.mark.datapkg_commits
def test_of_many_processes_one_starts_a_run(db, datapkg_url):
    """One succeeds; the others are told that it is RUNNING already."""
    run = run_of()
    assert sorted(in_processes(4, START_RUN, datapkg_url, run.id)) == ["RUNNING"] * 3 + ["started"]


@pytest.mark.datapkg_commits
def test_of_two_ends_one_counts(db):
    """Threads that complete and cancel at once: one wins, and the other is told the winner's status."""
    for _ in range(8):
        run = run_of(status="RUNNING")
        results = at_once(
            lambda key=run.id: update_run_status(key, status="COMPLETED").status,
            lambda key=run.id: update_run_status(key, status="CANCELLED").status,
        )
        (refused,) = [result for result in results if isinstance(result, Exception)]
        (won,) = [result for result in results if isinstance(result, str)]
        assert isinstance(refused, InvalidTransitionError)
        assert refused.meta["from"] == won == get_run(run.id).status


@pytest.mark.parametrize("status", STEPS)
def test_only_a_running_run_has_a_heartbeat(db, status):
    """A worker that has lost its run learns so."""
    run = run_of(status=status)
    if status == "RUNNING":
        beaten = heartbeat_run(run.id, now=NOON)
        assert (beaten.heartbeat_at, beaten.status) == (NOON, "RUNNING")
        assert get_run(run.id).public() == beaten.public()
        return
    with pytest.raises(InvalidTransitionError) as caught:
        heartbeat_run(run.id, now=NOON)
    assert caught.value.meta["from"] == status
    assert get_run(run.id).public() == run.public()


def test_arguments_of_a_heartbeat(db):
    """Key and clock are checked together; without a clock it is now."""
    with pytest.raises(ValidationError) as caught:
        heartbeat_run(1, now="now")
    assert set(caught.value.errors) == {"run_id", "now"}
    run = run_of(status="RUNNING")
    assert heartbeat_run(run.id).heartbeat_at > run.heartbeat_at


def test_stale_runs_fail_and_others_do_not(db):
    """RUNNING and silent for longer than the span; the exact span is not longer."""
    stale, exact, alive = (run_of(status="RUNNING") for _ in range(3))
    for run, ago in ((stale, 10 * MINUTE + dt.timedelta(microseconds=1)), (exact, 10 * MINUTE), (alive, MINUTE)):
        heartbeat_run(run.id, now=NOON - ago)
    others = [run_of(status=status) for status in STEPS if status != "RUNNING"]
    for run in others:
        store(run, heartbeat_at="2020-01-01T00:00:00.000000Z")
    (reaped,) = reap_stale_runs(older_than=10 * MINUTE, now=NOON)
    assert reaped == stale
    assert (reaped.status, reaped.finished_at) == ("FAILED", NOON)
    assert reaped.error == "No sign of life since 2026-01-02T11:49:59.999999Z."
    assert get_run(stale.id).public() == reaped.public()
    for run in (exact, alive):
        assert get_run(run.id).status == "RUNNING"
    for run in others:
        assert get_run(run.id).status == run.status
    assert reap_stale_runs(older_than=10 * MINUTE, now=NOON) == []
    with pytest.raises(InvalidTransitionError):
        heartbeat_run(stale.id)


def test_a_run_without_heartbeat_is_judged_by_its_start(db):
    """Then by its last change; foreign code may have left either out."""
    by_start, by_change = run_of(status="RUNNING"), run_of(status="RUNNING")
    store(by_start, heartbeat_at=None, started_at="2026-01-02T11:00:00.000000Z")
    store(by_change, heartbeat_at=None, started_at=None, updated_at="2026-01-02T10:00:00.000000Z")
    assert reap_stale_runs(older_than=150 * MINUTE, now=NOON) == []
    assert reap_stale_runs(older_than=90 * MINUTE, now=NOON) == [by_change]
    (reaped,) = reap_stale_runs(older_than=MINUTE, now=NOON)
    assert (reaped, reaped.error) == (by_start, "No sign of life since 2026-01-02T11:00:00.000000Z.")


def test_the_reaped_come_newest_first(db):
    """As every list does."""
    runs = [run_of(status="RUNNING") for _ in range(5)]
    assert reap_stale_runs(older_than=MINUTE, now=dt.datetime.now(dt.UTC) + 2 * MINUTE) == runs[::-1]


@pytest.mark.parametrize("span", [dt.timedelta(0), -MINUTE, 5, None, dt.timedelta.max])
def test_a_span_that_is_none(db, span):
    """Not a span, none at all, or beyond all time."""
    with pytest.raises(ValidationError) as caught:
        reap_stale_runs(older_than=span)
    assert list(caught.value.errors) == ["older_than"]


@pytest.mark.datapkg_commits
def test_reapers_at_once_reap_each_run_once(db):
    """Three reapers share ten runs among them."""
    runs = [run_of(status="RUNNING") for _ in range(10)]
    later = dt.datetime.now(dt.UTC) + 10 * MINUTE
    found = at_once(*[lambda: [run.id for run in reap_stale_runs(older_than=MINUTE, now=later)]] * 3)
    assert sorted(key for part in found for key in part) == [run.id for run in runs]


def test_changes_are_logged(db, caplog):
    """With the run's key and its new status."""
    with caplog.at_level(logging.INFO, logger="datapkg.evaluation"):
        run = run_of(status="RUNNING")
        reap_stale_runs(older_than=MINUTE, now=dt.datetime.now(dt.UTC) + 2 * MINUTE)
    said = [(record.message, record.status) for record in caplog.records if getattr(record, "run_id", "") == str(run.id)
            and hasattr(record, "status")]  # fmt: skip
    assert said == [("run status changed", "RUNNING"), ("run reaped", "FAILED")]
