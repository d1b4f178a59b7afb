"""``datapkg queue``, driven as a process: filling, looking, and working with real signals."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import nursery
import pytest

from datapkg import workqueue
from datapkg.kit.database import current

STEPS = ("--category", "backend", "--test-steps", "It works.")


pytestmark = pytest.mark.datapkg_commits


@pytest.fixture
def queue(shell, db, datapkg_url):
    """Run ``datapkg queue …`` on the test's own database; ``queue.json`` parses what it prints."""
    shell.environment["DATABASE_URL"] = datapkg_url

    def run(*args, **options):
        return shell("queue", *args, **options)

    def refusal(*args):
        result = run("--json", *args, expect=1)
        assert result.stdout == ""
        return json.loads(result.stderr)

    run.shell, run.refusal = shell, refusal
    # Before the rest, as what follows "--" is another program's.
    run.json = lambda *args, **options: json.loads(run("--json", *args, **options).stdout)
    return run


def wait_for(what, seconds=60):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.03)


def start(queue, *args):
    """Start a worker and do not wait for it."""
    words = ["queue", "work", *map(str, args)]
    return nursery.start(words, cwd=queue.shell.folder, env=queue.shell.environment)


def python(code):
    """Return a command that runs Python code."""
    return ["--", sys.executable, "-c", code]


@pytest.mark.datapkg_engines("sqlite")  # the functions themselves are tested on both
def test_add_list_explain_plan_and_stats(queue):
    """As text and as JSON."""
    assert queue("add", "First", *STEPS, "--priority", "high").stdout == "FEAT-001 is PENDING.\n"
    made = queue.json("add", "Second", *STEPS, "--depends-on", "FEAT-001", "--draft", "--number", "7")
    assert (made["feature"], made["status"], made["depends_on_ids"]) == ("FEAT-007", "DRAFT", [1])
    assert "FEAT-008" in queue("add", "Third", *STEPS, "--depends-on", "1", "--depends-on", "7").stdout
    table = queue("list").stdout
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["FEAT-008", "FEAT-007", "FEAT-001"]
    assert [row["feature"] for row in queue.json("list", "--status", "draft")] == ["FEAT-007"]
    assert [row["depends_on_ids"] for row in queue.json("list", "--category", "backend")] == [[1, 7], [1], []]
    assert "No features." in queue("list", "--category", "docs").stdout
    assert "FEAT-007 is a draft: submit it" in queue("explain", "8").stdout
    assert queue.json("explain", "FEAT-008")["reason"] == "DRAFT"
    plan = queue("plan").stdout
    assert "FEAT-001" in plan and "Stuck:" in plan
    assert queue("submit", "7").stdout == "FEAT-007 is PENDING.\n"
    assert "Critical path: FEAT-001 -> FEAT-007 -> FEAT-008" in queue("plan").stdout
    assert queue.json("plan")["critical_path"] == ["FEAT-001", "FEAT-007", "FEAT-008"]
    dot = queue("plan", "--dot").stdout
    assert dot.startswith("digraph plan {") and "f1 -> f7" in dot
    stats = queue.json("stats")
    assert (stats["ready"], stats["waiting"], stats["by_status"]["PENDING"]) == (1, 2, 3)
    assert "by_status.PENDING" in queue("stats").stdout


@pytest.mark.datapkg_engines("sqlite")
def test_stop_and_retry(queue):
    """By hand; the note is in the history."""
    queue("add", "First", *STEPS)
    assert queue("stop", "1", "--note", "not needed").stdout == "FEAT-001 is FAILED.\n"
    assert "STOPPED: not needed" in queue("explain", "1").stdout
    assert queue.refusal("stop", "1")["code"] == "invalid_transition"
    assert queue("retry", "1").stdout == "FEAT-001 is PENDING.\n"


@pytest.mark.datapkg_engines("sqlite")
def test_refusals_have_codes(queue):
    """1 for what the package refuses, 2 for wrong usage; nothing is written."""
    assert queue.refusal("add", "", *STEPS)["meta"]["errors"] == {"name": ["Length must be between 1 and 500."]}
    assert queue.refusal("add", "x", *STEPS, "--depends-on", "9")["code"] == "validation"
    assert queue.refusal("explain", "9")["code"] == "not_found"
    assert queue.refusal("explain", "x")["code"] == "validation"
    for wrong in (
        ["add", "x"],
        ["list", "--status", "x"],
        ["add", "x", *STEPS, "--depends-on", "x"],
        ["add", "x", *STEPS, "--priority", "URGENT"],
        ["work"],
        ["work", "--once", "--drain", "--", "true"],
        ["work", "--lease", "x", "--", "true"],
        ["work", "--lease", "1e300", "--", "true"],
    ):
        assert queue(*wrong, expect=2).stderr
    assert queue.refusal("work", "--lease", "0", "--once", "--", "true")["code"] == "validation"
    assert queue.refusal("work", "--lease", "-1", "--once", "--", "true")["code"] == "validation"
    assert queue.json("list") == []


def test_work_runs_a_command_for_each_feature(queue):
    """stdout is the result, stderr the log, an exit code a failure; --once is one, --drain is all that is ready."""
    queue("add", "good", *STEPS)
    queue("add", "bad", *STEPS, "--depends-on", "1")
    queue("add", "after bad", *STEPS, "--depends-on", "2")
    queue("add", "other", "--category", "docs", "--test-steps", "")
    code = (
        "import json, sys; f = json.load(sys.stdin); print(f['name'].upper()); print('log', file=sys.stderr); "
        "sys.exit(f['name'] == 'bad')"
    )
    first = queue("work", "--once", "--worker", "me", *python(code)).stdout
    assert first.splitlines() == ["FEAT-001 completed.", "me: 1 claimed, 1 completed, 0 failed, 0 released, 0 lost."]
    report = queue.json("work", "--drain", "--category", "backend", *python(code))
    assert (report["failed"], report["features"]) == (1, {"FEAT-002": "failed"})
    good, bad, after, other = (workqueue.get_feature(number) for number in (1, 2, 3, 4))
    assert (good.status, good.result_data, good.execution_log) == ("COMPLETED", "GOOD\n", "log\n")
    assert (bad.status, bad.failure_kind, bad.result_data) == ("FAILED", "ERROR", "BAD\n")
    assert (after.status, other.status) == ("PENDING", "PENDING")
    assert "exited with 1" in queue("explain", "2").stdout
    assert queue.json("work", "--once", "--category", "nothing", "--", "true")["claimed"] == 0
    said = queue("work", "--once", "--lease", "0", "--", "true", "--json", expect=1).stderr
    assert said.startswith("error: ")  # that --json is the command's


@pytest.mark.datapkg_engines("sqlite")
def test_a_failed_command_may_be_tried_again(queue):
    """With --retry, as often as the feature may be claimed."""
    queue("add", "flaky", *STEPS, "--max-attempts", "2")
    assert queue.json("work", "--drain", "--retry", "--", "false")["failed"] == 2
    row = workqueue.get_feature(1)
    assert (row.status, row.attempt) == ("FAILED", 2)


SLOW = (
    "import pathlib, signal, sys, time\n"
    "def end(*_):\n"
    "    time.sleep({after}); print('ended'); sys.exit({code})\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path({mark!r}).write_text('')\n"
    "time.sleep(120)\n"
)


@pytest.mark.parametrize(
    ("number", "code", "after", "grace", "status"),
    [
        (signal.SIGTERM, 0, 0.2, 30, "COMPLETED"),
        (signal.SIGTERM, 0, 60, 0.5, "PENDING"),
        (signal.SIGINT, 1, 0, 30, "PENDING"),
    ],
    ids=["finishes", "is killed", "gives up"],
)
def test_a_signal_ends_the_worker_cleanly(queue, number, code, after, grace, status):
    """The command gets SIGTERM and its grace period; the feature is completed or free again, never left behind."""
    queue("add", "slow", *STEPS)
    mark = queue.shell.folder / "started"
    worker = start(queue, "--json", "--grace", grace, *python(SLOW.format(code=code, after=after, mark=str(mark))))
    wait_for(mark.exists)
    assert workqueue.get_feature(1).status == "IN_PROGRESS"
    worker.send_signal(number)
    printed, errors = worker.communicate(timeout=60)
    assert (worker.returncode, errors) == (0, "")
    row = workqueue.get_feature(1)
    assert row.status == status
    report = json.loads(printed)
    assert (report["completed"], report["released"]) == ((1, 0) if status == "COMPLETED" else (0, 1))
    if status == "PENDING":
        assert row.attempt == 0
        assert (row.claim_token, row.lease_expires_at) == (None, None)


def test_a_worker_that_waits_for_features_ends_at_once(queue):
    """And one that is asked twice ends as cleanly."""
    worker = start(queue, "--poll", 60, "--worker", "w", "--", "true")
    queue("add", "first", *STEPS)
    time.sleep(1.5)
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    _, errors = worker.communicate(timeout=30)
    assert errors == ""
    assert worker.returncode in (0, -signal.SIGTERM)  # the signal may have come before the worker was up
    assert workqueue.get_feature(1).status in ("PENDING", "COMPLETED")


def test_a_killed_worker_loses_its_claim_to_the_next(queue):
    """kill -9: the lease runs out, another worker does the work, and the attempt counts."""
    queue("add", "first", *STEPS)
    mark = queue.shell.folder / "started"
    code = f"import pathlib, os, time; pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(120)"
    worker = start(queue, "--lease", 1, *python(code))
    wait_for(lambda: mark.exists() and mark.read_text())
    worker.kill()
    worker.communicate(timeout=30)
    os.kill(int(mark.read_text()), signal.SIGKILL)
    assert workqueue.get_feature(1).status == "IN_PROGRESS"
    wait_for(lambda: queue.json("work", "--once", "--", "true")["completed"] == 1)
    row = workqueue.get_feature(1)
    assert (row.status, row.attempt) == ("COMPLETED", 2)


def test_a_long_command_outlives_its_lease(queue):
    """Heartbeats keep it; a second worker finds nothing."""
    queue("add", "long", *STEPS)
    mark = queue.shell.folder / "started"
    code = f"import pathlib, time; pathlib.Path({str(mark)!r}).write_text(''); time.sleep(4); print('done')"
    worker = start(queue, "--lease", 1.2, "--once", *python(code))
    wait_for(mark.exists)
    time.sleep(1.5)
    assert queue.json("work", "--once", "--", "true")["claimed"] == 0
    worker.communicate(timeout=60)
    row = workqueue.get_feature(1)
    assert (row.status, row.attempt, row.result_data) == ("COMPLETED", 1, "done\n")


def test_stopping_a_feature_ends_its_command(queue):
    """At the next heartbeat; the worker goes on with the next feature."""
    queue("add", "first", *STEPS)
    mark = queue.shell.folder / "started"
    worker = start(queue, "--lease", 0.9, "--drain", "--json", *python(SLOW.format(code=0, after=0, mark=str(mark))))
    wait_for(mark.exists)
    queue("stop", "1")
    printed, _ = worker.communicate(timeout=60)
    assert json.loads(printed)["lost"] == 1
    assert workqueue.get_feature(1).failure_kind == "STOPPED"


@pytest.mark.datapkg_engines("sqlite")
def test_wrong_counts_are_a_finding(queue):
    """stats --check exits 3."""
    queue("add", "first", *STEPS)
    assert queue.json("stats", "--check")["wrong_counts"] == []
    current().change("UPDATE feature_queue SET unmet_dependencies = 1", ())
    found = json.loads(queue("stats", "--check", "--json", expect=3).stdout)
    assert found["wrong_counts"] == [{"feature": "FEAT-001", "stored": 1, "actual": 0}]
