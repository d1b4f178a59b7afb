"""The work loop in Python: handlers, heartbeats, stopping, commands."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sqlite3
import sys
import threading
import time

import pytest

from datapkg import workqueue
from datapkg.errors import DatabaseBusyError, ValidationError
from datapkg.kit.database import open_database, override, release
from datapkg.testing.factories import execution_metrics, make_feature
from datapkg.workqueue import Outcome

SHORT = dt.timedelta(seconds=0.6)


def state(number=1):
    """Return a feature's status."""
    return workqueue.get_feature(number).status


def test_it_works_until_nothing_is_ready(db):
    """In the queue's order; a result may be text, nothing, or an outcome with metrics."""
    make_feature(), make_feature(priority="HIGH", depends_on_ids=[1]), make_feature()
    answers = {1: "# one", 2: None, 3: Outcome(result_data="three", metrics=execution_metrics(), roi={})}
    seen, ended = [], []

    def handler(job):
        seen.append(job.feature.feature_number)
        return answers[job.feature.feature_number]

    report = workqueue.work(
        handler, worker="me", until="drained", on_end=lambda feature, what: ended.append((feature.label, what))
    )
    assert seen == [1, 2, 3]
    assert report.public() == {"worker": "me", "claimed": 3, "completed": 3, "failed": 0, "released": 0, "lost": 0}
    assert ended == report.features == [(f"FEAT-00{number}", "completed") for number in seen]
    assert [workqueue.get_feature(number).result_data for number in seen] == ["# one", None, "three"]
    assert workqueue.get_execution_metric(3).success_rate == 98


def test_one_feature_and_no_more(db):
    """Or none, when nothing is ready."""
    assert workqueue.work(lambda job: None, until="one").claimed == 0
    make_feature(), make_feature()
    report = workqueue.work(lambda job: None, until="one")
    assert (report.claimed, state(1), state(2)) == (1, "COMPLETED", "PENDING")
    assert ":" in report.worker


def test_only_its_category(db):
    """The rest stays."""
    make_feature(category="docs"), make_feature()
    assert workqueue.work(lambda job: None, category="docs", until="drained").completed == 1
    assert state(2) == "PENDING"


def test_what_a_handler_raises_is_a_failure(db, statuses, caplog):
    """Whatever its words; the next feature is worked on."""
    # pytest-xdist cannot send a log with a lone surrogate in it to the process that prints the report.
    caplog.set_level(logging.CRITICAL, logger="datapkg.workqueue.worker")
    make_feature(), make_feature()

    def handler(job):
        if job.feature.feature_number == 1:
            raise ValueError("bad \0 \ud800 " + "x" * 3000)

    report = workqueue.work(handler, until="drained")
    assert (report.failed, report.completed) == (1, 1)
    assert workqueue.get_feature(1).failure_kind == "ERROR"
    assert statuses(1)[-1][1].startswith("ValueError: bad � ? xxx")


def test_an_outcome_that_makes_no_sense_is_a_failure(db, statuses):
    """A state that there is none of is a failure that says so; a note that is no text is spelled out."""
    make_feature(), make_feature()
    outcomes = [Outcome(state="bogus"), Outcome(state="failed", note=5)]
    report = workqueue.work(lambda job: outcomes.pop(0), until="drained")
    assert (report.failed, report.completed) == (2, 0)
    assert "'bogus'" in statuses(1)[-1][1]
    assert statuses(2)[-1][1] == "5"


def test_a_failure_may_be_tried_again(db):
    """While attempts are left."""
    make_feature(max_attempts=3)
    report = workqueue.work(lambda job: Outcome(state="failed", kind="TIMEOUT", retry=True), until="drained")
    assert (report.claimed, state()) == (3, "FAILED")


def test_a_result_that_cannot_be_stored_is_a_failure(db, statuses):
    """The note says why."""
    make_feature()
    workqueue.work(lambda job: Outcome(result_data="\0", metrics={"success_rate": 101}), until="drained")
    assert state() == "FAILED"
    assert "metrics.success_rate" in statuses(1)[-1][1]


@pytest.mark.datapkg_commits
def test_heartbeats_keep_the_claim_for_as_long_as_it_takes(db):
    """Several leases long, and nobody else gets the feature."""
    make_feature()

    def handler(job):
        time.sleep(SHORT.total_seconds() * 2.5)
        assert workqueue.claim_next("thief", lease=SHORT) is None
        return "done"

    assert workqueue.work(handler, lease=SHORT, until="one").completed == 1
    assert workqueue.get_feature(1).attempt == 1


@pytest.mark.datapkg_commits
def test_a_lost_claim_ends_the_work(db):
    """Stopped by hand meanwhile: the handler is told, and what it returns is not written."""
    make_feature()

    def handler(job):
        workqueue.stop(1)
        deadline = time.monotonic() + 30
        while not job.should_end() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert job.lost
        return "late"

    report = workqueue.work(handler, lease=SHORT, until="one")
    assert (report.lost, report.completed) == (1, 0)
    assert (state(), workqueue.get_feature(1).result_data) == ("FAILED", None)


def test_it_stops_when_asked_and_gives_back(db):
    """Also while it waits for features; the handler decides what becomes of what it has."""
    asked = threading.Event()
    make_feature(max_attempts=1)

    def handler(job):
        asked.set()
        assert job.should_end()
        return Outcome(state="released", note="later")

    report = workqueue.work(handler, stop=asked.is_set)
    assert (report.released, state()) == (1, "PENDING")
    again = workqueue.work(handler, stop=asked.is_set)
    assert again.claimed == 0
    threading.Timer(0.3, asked.set).start()
    asked.clear()
    workqueue.stop(1)
    assert workqueue.work(handler, stop=asked.is_set, poll=60).claimed == 0


def test_an_interrupt_frees_the_feature(db):
    """KeyboardInterrupt ends the worker, and the feature is PENDING again."""
    make_feature()

    def handler(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workqueue.work(handler)
    assert state() == "PENDING"


def test_asked_to_stop_while_claiming(db):
    """What was claimed just then is given back unseen."""
    make_feature()
    answers = iter([False, True, True])

    def handler(job):
        raise AssertionError("never called")

    report = workqueue.work(handler, stop=lambda: next(answers))
    assert (report.released, state()) == (1, "PENDING")


@pytest.mark.parametrize(
    ("given", "path"),
    [({"until": "never"}, "until"), ({"poll": 0}, "poll"), ({"poll": "1"}, "poll"), ({"worker": "x" * 201}, "worker")],
    ids=["until", "no poll", "text", "worker"],
)
def test_bad_arguments_are_refused(db, given, path):
    """Nothing is claimed."""
    make_feature()
    with pytest.raises(ValidationError) as caught:
        workqueue.work(lambda job: None, **given)
    assert list(caught.value.errors) == [path]
    assert state() == "PENDING"


def python(code):
    """Return a command that runs Python code."""
    return [sys.executable, "-c", code]


def test_a_command_reads_the_feature_and_prints_the_result(db):
    """JSON on stdin; stdout is the result, stderr the log."""
    make_feature(feature_number=4), make_feature(feature_number=5, name="Ünï", depends_on_ids=[4], priority="LOW")
    code = "import json, sys; f = json.load(sys.stdin); print(json.dumps(f)); print('log é', file=sys.stderr)"
    report = workqueue.work(workqueue.command_handler(python(code)), worker="me", until="drained")
    assert report.completed == 2
    row = workqueue.get_feature(5)
    given = json.loads(row.result_data)
    assert (given["feature"], given["name"], given["depends_on_ids"]) == ("FEAT-005", "Ünï", [4])
    assert (given["claimed_by"], given["attempt"], given["status"]) == ("me", 1, "IN_PROGRESS")
    assert dt.datetime.fromisoformat(given["lease_expires_at"]).tzinfo is not None
    assert row.execution_log == "log é\n"


@pytest.mark.parametrize(
    ("command", "note"),
    [
        (python("import sys; print('partly'); sys.exit(3)"), "The command exited with 3."),
        (python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), "The command ended by signal 9."),
        (["/no/such/program"], "The command cannot be started"),
        (python("import sys; sys.stdout.buffer.write(b'\\xff\\0ok')"), None),
    ],
    ids=["exit code", "signal", "no program", "bytes"],
)
def test_how_a_command_ends(db, statuses, command, note):
    """The note says how; bytes that are no text are replaced."""
    make_feature()
    workqueue.work(workqueue.command_handler(command), until="one")
    if note is None:
        assert workqueue.get_feature(1).result_data == "��ok"
        return
    assert state() == "FAILED"
    assert statuses(1)[-1][1].startswith(note)
    assert (workqueue.get_feature(1).result_data or "").strip() in ("", "partly")


def test_too_long_a_result_is_a_failure(db):
    """What fits is kept."""
    make_feature()
    workqueue.work(workqueue.command_handler(python("print('x' * 10_000_000)")), until="one")
    row = workqueue.get_feature(1)
    assert (row.status, len(row.result_data)) == ("FAILED", 10_000_000)


@pytest.mark.parametrize(("grace", "after"), [(30.0, "completed"), (0.3, "released")])
def test_a_command_has_its_grace_period(db, grace, after, tmp_path):
    """One that finishes in time is completed; one that does not is killed, with all that it started."""
    make_feature()
    started = tmp_path / "started"
    code = (
        "import pathlib, signal, subprocess, sys, time\n"
        "asked = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: asked.append(1))\n"
        f"pathlib.Path({str(started)!r}).write_text('')\n"
        "while not asked: time.sleep(0.02)\n"
        "time.sleep(1.0)\n"
        "print('in time')\n"
    )
    report = workqueue.work(workqueue.command_handler(python(code), grace=grace), stop=started.exists)
    assert report.features == [("FEAT-001", after)]
    assert state() == ("COMPLETED" if after == "completed" else "PENDING")


def test_a_command_that_is_none_is_refused():
    """Before anything is claimed."""
    for given in (
        {"command": []},
        {"command": "ls -l"},
        {"command": [1]},
        {"command": 5},
        {"command": ["true"], "grace": -1},
        {"command": ["true"], "grace": "5"},
        {"command": ["true"], "grace": float("nan")},
    ):
        with pytest.raises(ValidationError):
            workqueue.command_handler(**given)


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.parametrize("lease", [30, 0.4], ids=["it comes back", "it does not"])
def test_a_database_that_is_busy_is_waited_for_as_long_as_the_lease(db, datapkg_url, lease):
    """The outcome is written once another writer lets go; else the error is told, and the lease runs out."""
    make_feature()
    impatient = open_database(datapkg_url, busy_timeout=0.05, retries=0)
    other = sqlite3.connect(datapkg_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)

    def handler(job):
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(1.5, other.execute, ["COMMIT"]).start()
        return "done"

    def run():
        with override(impatient):
            return workqueue.work(handler, lease=dt.timedelta(seconds=lease), until="one")

    try:
        if lease > 1:
            assert run().completed == 1
            assert workqueue.get_feature(1).result_data == "done"
        else:
            with pytest.raises(DatabaseBusyError):
                run()
            assert state() == "IN_PROGRESS"
    finally:
        while other.in_transaction:
            time.sleep(0.05)
        other.close()
        release(impatient)


def test_what_a_stopped_command_leaves_behind_is_ended(db, tmp_path):
    """The command ends at once, what it started ignores SIGTERM: neither outlives the claim."""
    make_feature()
    started, beats = tmp_path / "started", tmp_path / "beats"
    child = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"beats, started = pathlib.Path({str(beats)!r}), pathlib.Path({str(started)!r})\n"
        "for beat in range(600):\n"
        "    beats.write_text(str(beat))\n"
        "    started.write_text('')\n"
        "    time.sleep(0.05)\n"
    )
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    report = workqueue.work(workqueue.command_handler(python(code), grace=0.3), stop=started.exists)
    assert report.features == [("FEAT-001", "released")]
    last = beats.read_text()
    time.sleep(0.3)
    assert beats.read_text() == last


def test_the_end_of_a_log_longer_than_the_column_is_kept(db):
    """Not all of it is read."""
    make_feature()
    code = "import sys; sys.stderr.write('x' * 50_000_000 + 'end')"
    workqueue.work(workqueue.command_handler(python(code)), until="one")
    row = workqueue.get_feature(1)
    assert (row.status, len(row.execution_log), row.execution_log[-4:]) == ("COMPLETED", 10_000_000, "xend")
