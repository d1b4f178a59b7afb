"""``datapkg health`` and its server, driven as processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest


@contextmanager
def served(shell, *args, **options):
    """Run ``datapkg health --serve 0``; yield the process and what it printed."""
    command = [sys.executable, "-m", "datapkg", *args[:-1], "health", "--serve", "0", "--json", *args[-1:]]
    process = subprocess.Popen(
        command,
        cwd=shell.folder,
        env={**shell.environment, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def get(url):
    """Get a page; return the status and the decoded body."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(shell, stop):
    """A free port is chosen and printed; readiness follows the database; a signal ends it well, a silent client too."""
    with served(shell, "--read-only-ok") as (process, printed):
        assert printed["host"] == "127.0.0.1"
        assert printed["url"] == f"http://127.0.0.1:{printed['port']}"
        assert get(f"{printed['url']}/live") == (200, {"state": "live"})
        status, told = get(f"{printed['url']}/ready")
        assert (status, told["state"]) == (503, "unmigrated")
        assert list(shell.folder.iterdir()) == []
        shell("migrate")
        assert get(f"{printed['url']}/health")[0] == 200
        assert get(f"{printed['url']}/nosuch")[0] == 404
        taken = shell.refusal("health", "--serve", printed["port"])
        assert (taken["code"], taken["meta"]["port"]) == ("configuration", printed["port"])
        with socket.create_connection(("127.0.0.1", printed["port"])):
            process.send_signal(stop)
            rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest) == (0, "")
        assert [line.partition("the database is ")[2][:11] for line in errors.splitlines()] == ["unmigrated:"]


def test_what_cannot_be_served_is_refused(shell):
    """An address of another machine, a URL that is none, a port that is none, a host without a server."""
    refusal = shell.refusal("health", "--serve", 0, "--host", "192.0.2.1")
    assert (refusal["code"], refusal["meta"]["host"]) == ("configuration", "192.0.2.1")
    assert shell.refusal("--database", "nonsense", "health", "--serve", 0)["code"] == "configuration"
    for arguments in (("--serve", "65536"), ("--serve", "-1"), ("--serve", "x"), ("--host", "127.0.0.1")):
        shell("health", *arguments, expect=2)


def test_the_exit_code_and_the_state_of_each_illness(shell):
    """0 only for a database that can be worked with, else 3, with what to do; nothing is made by asking."""
    found = shell.json("health", expect=3)
    assert (found["state"], found["ok"]) == ("unmigrated", False)
    gone = shell.json("--database", "postgresql://me:hunter2@127.0.0.1:1/x", "health", expect=3)
    assert (gone["state"], gone["url"]) == ("unreachable", "postgresql://127.0.0.1:1/x")
    assert "hunter2" not in json.dumps(gone)
    shell("migrate", "--to", "002")
    found = shell.json("health", expect=3)
    assert (found["state"], found["pending"]) == ("behind", len(shell.json("status")["pending"]))
    shell("migrate")
    assert shell.json("health")["pending"] == 0
    assert "latency_ms" in shell("health").stdout
