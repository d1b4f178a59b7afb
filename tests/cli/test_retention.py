"""``datapkg retention`` and ``datapkg audit`` as processes: tables, JSON, exit codes."""

from __future__ import annotations

import json
import sqlite3

import pytest
from retention_samples import fill

from datapkg import connection


@pytest.fixture
def old(shell):
    """A SQLite file whose rows are all due, seen from a day on which nothing is."""
    connection.connect(f"sqlite:///{shell.folder / 'old.db'}", migrate=True)
    fill(posts=40, days=40)
    connection.disconnect()
    # As if it all had happened a long time ago.
    with sqlite3.connect(shell.folder / "old.db") as rows:
        rows.execute("UPDATE posts SET detected_at = '2019' || substr(detected_at, 5)")
        rows.execute("UPDATE kpi_metrics SET date = '2019' || substr(date, 5) WHERE date < '2038' AND date < '2037-12'")
        rows.execute("DELETE FROM kpi_metrics WHERE date > '2030'")
    rows.close()
    shell.environment["DATABASE_URL"] = "sqlite:///old.db"
    return shell


def test_plan_apply_restore(old):
    """What is planned is done and undone, as tables and as JSON; a bar is for terminals only."""
    plan = old.json("retention", "plan")
    assert plan["due"] == 40 + 334 and plan["unfinished"] == []
    table = old("retention", "plan", "--policy", "posts", "--keep", "posts=1w").stdout
    assert "40 rows are due." in table and "kpi_metrics" not in table
    done = old("retention", "apply", "archives")
    assert "40 archived" in done.stdout and "references cut" in done.stdout and done.stderr == ""
    assert "Nothing is due" in old("retention", "apply", "archives").stdout
    (folder,) = (old.folder / "archives").glob("posts-*")
    (figures,) = (old.folder / "archives").glob("kpi_metrics-*")
    assert old.json("retention", "restore", figures)["restored"] == {"kpi_metrics": 334}
    assert "40 rows back" in old("retention", "restore", folder).stdout
    assert "were there already" in old("retention", "restore", folder).stdout
    assert old.json("retention", "plan") == plan


def test_what_is_refused(old):
    """Wrong usage exits with 2, a refusal with 1, both with what to do."""
    for given in ("posts=30y", "=3d"):
        assert "posts=30d" in old("retention", "plan", "--keep", given, expect=2).stderr
    refused = old.refusal("retention", "plan", "--keep", "pots=30d", "--policy", "x")
    assert set(refused["meta"]["errors"]) == {"keep.pots", "policies.0"}
    assert old.refusal("retention", "restore", "nowhere")["code"] == "storage"
    (old.folder / "file").write_text("")
    assert old("retention", "apply", "file", expect=2).stderr
    assert "retention" in old("retention", "aply", expect=2).stderr


def test_audit_verify(old):
    """0 for a whole chain, 3 for one that somebody changed."""
    assert old("audit", "verify").stdout == "6 entries are as they were recorded.\n"
    old("retention", "apply", "archives")
    found = old.json("audit", "verify")
    assert (found["ok"], found["checked"], found["archived"], found["problem"]) == (True, 8, 0, None)
    with sqlite3.connect(old.folder / "old.db") as tampered:
        tampered.execute("DROP TRIGGER tg_audit_logs_update")
        tampered.execute("UPDATE audit_logs SET actor = 'other' WHERE sequence = 3")
    tampered.close()
    told = old("audit", "verify", expect=3).stdout
    assert "2 entries are as they were recorded." in told and "entry 3: edited" in told
    broken = json.loads(old("audit", "verify", "--json", expect=3).stdout)
    assert broken["problem"]["sequence"] == 3 and broken["ok"] is False
