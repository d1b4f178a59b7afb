"""``datapkg dump``, ``load`` and ``copy`` as processes: what they print, JSON, exit codes."""

from __future__ import annotations

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
    assert "1 row in flags.zip" in part.stdout and part.stderr == ""
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
    """To an empty file; a second time it is refused."""
    done = app("copy", "sqlite:///app.db", "sqlite:///copy.db")
    assert "rows copied from sqlite:///app.db to sqlite:///copy.db" in done.stdout and done.stderr == ""
    refused = app.refusal("copy", "sqlite:///app.db", "sqlite:///copy.db")
    assert refused["code"] == "conflict" and "empty database" in refused["fix"]
