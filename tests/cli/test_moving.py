"""``datapkg dump``, ``load`` and ``copy`` as processes: what they print, JSON, exit codes, the bar on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

import datapkg


@pytest.fixture
def app(shell):
    """A shell with a small database."""
    shell.environment["DATABASE_URL"] = "sqlite:///app.db"
    with datapkg.using(f"sqlite:///{shell.folder / 'app.db'}"):
        datapkg.seed(profile="base")
    return shell


def test_dump_and_load(app):
    """There and back; a target with rows, production, a damaged file and a wrong name are refused with what to do."""
    made = app.json("dump", "all.zip")
    assert made["path"] == "all.zip" and made["rows"] > 6 and "api_keys" in made["left_out"]
    part = app("dump", "--domain", "flags", "flags.zip")
    assert "1 rows in flags.zip" in part.stdout and part.stderr == ""
    refused = app.refusal("load", "all.zip")
    assert refused["code"] == "conflict" and "--replace" in refused["fix"]
    with datapkg.using(f"sqlite:///{app.folder / 'app.db'}"):
        datapkg.set_environment("production")
    refused = app.refusal("load", "all.zip", "--replace")
    assert refused["code"] == "environment_guard" and "--i-know-this-is production" in refused["fix"]
    done = app("load", "all.zip", "--replace", "--i-know-this-is", "production")
    assert f"{made['rows']} rows loaded from all.zip." in done.stdout and done.stderr == ""
    assert app.json("--database", "sqlite:///new.db", "load", "all.zip")["migrated"][0] == "001_audit"
    (app.folder / "all.zip").write_bytes((app.folder / "all.zip").read_bytes()[:-100])
    assert app.refusal("--database", "sqlite:///none.db", "load", "all.zip")["code"] == "archive"
    assert not (app.folder / "none.db").exists()


def test_copy(app):
    """To an empty file; a second time it is refused; on a terminal a bar says how far it is."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "datapkg", "copy", "sqlite:///app.db", "sqlite:///copy.db"],
        cwd=app.folder,
        env={**app.environment, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0 and "rows copied from sqlite:///app.db to sqlite:///copy.db" in done.stdout
    assert "copying" in shown and "100%" in shown
    refused = app.refusal("copy", "sqlite:///app.db", "sqlite:///copy.db")
    assert refused["code"] == "conflict" and "empty database" in refused["fix"]
