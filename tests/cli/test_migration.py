"""``datapkg migration`` and ``migrate --rehearse``: what they print, and their exit codes."""

from __future__ import annotations

import sqlite3


def test_create_check_lint_and_rehearse(shell):
    """Nothing wrong is 0, a difference or a finding is 3, and the way out is printed; --json is one value."""
    rehearsed = shell.json("migrate", "--to", "002", expect=0)
    assert rehearsed["applied"] == ["001_audit", "002_flags"]
    report = shell.json("migrate", "--rehearse", "--to", "003")
    assert report["before"]["feature_flags"] == 0 and report["after"]["users"] == 0
    assert {step["migration"] for step in report["steps"]} == {"003_accounts"}
    assert "not both" in shell("migrate", "--rehearse", "--plan", expect=2).stderr
    with sqlite3.connect(shell.folder / "datapkg.db") as database:
        database.execute("CREATE INDEX ix_feature_flags_created_at ON feature_flags (created_at)")
    database.close()
    printed = shell("migration", "check", expect=3).stdout
    assert "migration 003_accounts is pending" in printed
    assert "database: table feature_flags: index ix_feature_flags_created_at should not be there" in printed
    assert 'migrator.add_index("feature_flags", "created_at")' in printed
    path = shell.json("migration", "create", "by_hand", "--folder", "mine")["path"]
    assert path.endswith("_by_hand.py") and (shell.folder / path).is_file()
    refused = shell.refusal("migration", "create", "nothing", "--auto", "--folder", "mine")
    assert "agree" in refused["why"] and refused["fix"]
    assert shell.json("migration", "lint") == []
