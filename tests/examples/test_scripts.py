"""The programs in examples/, run as anybody would run them: as processes, with real requests and a real kill -9."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from datapkg import evaluation, workqueue

EXAMPLES = Path(__file__).parents[2] / "examples"
UNSET = ("DATABASE_URL", "PYTEST_ADDOPTS", "PYTHONPATH")


@pytest.fixture
def start(tmp_path):
    """Starts a program of examples/ in an empty folder; what still runs at the end is killed."""
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    started = []

    def run(name, *args):
        program = [sys.executable, str(EXAMPLES / name), *map(str, args)]
        process = subprocess.Popen(
            program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    """Wait for a process and return what it printed; it has to end well."""
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return printed


@pytest.mark.datapkg_commits
def test_evaluate(db, datapkg_url, start):
    """It prints the comparison, and everything is stored; running it again adds another one."""
    assert ended(start("evaluate.py", datapkg_url)).splitlines() == [
        "baseline_mean     0.67",
        "comparison_mean   1.00",
        "mean_difference   0.33",
        "standard_error    0.33",
    ]
    ended(start("evaluate.py", datapkg_url))
    runs = evaluation.list_runs()
    assert [run.status for run in runs] == ["COMPLETED"] * 4
    scores = [each.metrics["values"]["accuracy"] for each in evaluation.list_transcripts(run_id=runs[-1].id)]
    assert sorted(scores) == [0, 1, 1]


def finished(labels):
    """Whether all of these are completed."""
    return all(workqueue.get_feature(label).status == "COMPLETED" for label in labels)


@pytest.mark.datapkg_commits
def test_worker(db, datapkg_url, start):
    """Two at once share the work; when one is killed with -9, the other does what it had begun, and ends on SIGTERM."""
    rows = [{"name": f"n{each}", "category": "c", "test_steps": "It works."} for each in range(6)]
    labels = [feature.label for feature in workqueue.enqueue_many(rows)]
    doomed = start("worker.py", datapkg_url, "--lease", "2", "--seconds", "60")
    deadline = time.monotonic() + 60
    while workqueue.stats().by_status["IN_PROGRESS"] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    doomed.kill()  # with -9, in the middle of its work
    workers = [start("worker.py", datapkg_url, "--lease", "2", "--seconds", "0.2") for _ in range(2)]
    while not finished(labels) and time.monotonic() < deadline:
        time.sleep(0.1)
    for worker in workers:
        worker.terminate()
    printed = [ended(worker).splitlines() for worker in workers]
    done = [line.removesuffix(" completed") for lines in printed for line in lines[:-1]]
    assert sorted(done) == sorted(labels)  # each once
    assert sum(int(lines[-1].split()[0]) for lines in printed) == 6
    features = [workqueue.get_feature(label) for label in labels]
    assert {feature.result_data for feature in features} == {"2 words"}
    assert [feature.attempt for feature in features] == [2, 1, 1, 1, 1, 1]  # the first was begun twice


@pytest.mark.datapkg_commits
def test_service(db, datapkg_url, start):
    """Features go in and out over HTTP; what is wrong has the status and the paths that a client needs."""
    address = urlsplit(start("service.py", datapkg_url, 0).stdout.readline().strip())

    def ask(method, path, body=None):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request(method, path, None if body is None else body if type(body) is str else json.dumps(body))
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        return answer.status, found

    assert ask("GET", "/live") == (200, {"state": "live"})
    status, health = ask("GET", "/health")
    assert status == 200 and health["state"] == "ok"
    login = {"name": "Login page", "category": "frontend", "test_steps": "One can log in."}
    status, answer = ask("POST", "/features", [login])
    made = answer["features"][0]
    assert status == 201 and made["status"] == "PENDING" and made["name"] == "Login page"
    assert ask("GET", "/features/1") == (200, made)
    status, refused = ask("POST", "/features", [login, {"name": "", "colour": "red"}])
    assert status == 422 and refused["code"] == "validation"
    assert set(refused["errors"]) == {"1.name", "1.colour", "1.category", "1.test_steps"}
    assert ask("POST", "/features", "{")[1]["errors"] == {"body": ["Not valid JSON."]}
    assert ask("POST", "/features", 7)[0] == ask("POST", "/features", {"name": "x"})[0] == 422
    assert ask("GET", "/features/9")[0] == ask("GET", "/nothing")[0] == ask("DELETE", "/features/1")[0] == 404
    assert ask("GET", "/features/x")[0] == 422
    status, conflict = ask("POST", "/features/1/retry")
    assert status == 409 and conflict["fix"]
    workqueue.stop(1, actor="me")
    assert ask("POST", "/features/1/retry")[1]["status"] == "PENDING"
    status, taken = ask("POST", "/features", [{**login, "feature_number": 1}])
    assert status == 409 and taken["code"] == "conflict"


@pytest.mark.datapkg_engines("sqlite")
def test_prompts(datapkg_databases, tmp_path):
    """Somebody's own tests pass on both engines."""
    environment = {name: value for name, value in os.environ.items() if name not in UNSET and "XDIST" not in name}
    environment["DATAPKG_TEST_POSTGRES_URL"] = datapkg_databases.server().url
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--datapkg-engine", "all"]
    done = subprocess.run(
        [*program, "--rootdir", tmp_path, "-c", os.devnull, EXAMPLES / "test_prompts.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout + done.stderr


def test_every_example_is_listed_and_run():
    """The README names each program, and each has its test here or in a file of its own."""
    readme, here = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        if path.name != "execute.py":  # runs the notebook
            assert f"]({path.name})" in readme and path.name in here
