"""``datapkg scripts backfill``, driven as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from legacy_plays import changed, sqlite_legacy


def run(folder, *args, expect=0):
    """Run a command on a database in the folder."""
    result = subprocess.run(
        [sys.executable, "-m", "datapkg", "--database", "sqlite:///new.db", *args],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == expect, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result


def test_a_backfill_is_shown_as_tables(tmp_path):
    """A dry run, the run, and the run again: what was read, written, decided, and found done."""
    url = sqlite_legacy(tmp_path)
    dry = run(tmp_path, "scripts", "backfill", url, "--dry-run").stdout
    assert "Nothing is wrong; nothing was written." in dry
    done = run(tmp_path, "scripts", "backfill", url).stdout
    assert "8 rows written" in done and "taken as UTC" in done
    again = json.loads(run(tmp_path, "scripts", "backfill", url, "--json").stdout)
    assert (again["written"], len(again["resumed"])) == ({}, 6)
    listed = json.loads(run(tmp_path, "scripts", "list", "--json").stdout)
    assert len(listed) == 4


def test_violations_are_a_table_and_exit_1(tmp_path):
    """Every complaint with its place and rule, on a terminal and as JSON; nothing is written."""
    url = sqlite_legacy(tmp_path, changed(users=[(3, "nobody", None, None)], sessions=[(12, 9, None)]))
    shown = run(tmp_path, "scripts", "backfill", url, expect=1).stdout
    assert "users.3" in shown and "unknown_user" in shown and "Nothing was written." in shown
    found = json.loads(run(tmp_path, "scripts", "backfill", url, "--json", expect=1).stdout)
    assert [each["rule"] for each in found["violations"]] == ["bad_email", "unknown_user"]
    assert json.loads(run(tmp_path, "scripts", "list", "--json").stdout) == []


def test_a_mapping_comes_from_a_file(tmp_path):
    """A wrong one is refused by path, a missing file told."""
    url = sqlite_legacy(tmp_path)
    (tmp_path / "names.json").write_text('{"tables": {"people": {}}}')
    wrong = run(tmp_path, "scripts", "backfill", url, "--mapping", "names.json", expect=1)
    assert "mapping.tables.people" in wrong.stderr
    gone = run(tmp_path, "scripts", "backfill", url, "--mapping", "none.json", expect=1)
    assert "none.json" in gone.stderr
    (tmp_path / "names.json").write_text('{"tables": {"personas": null, "script_elements": null}}')
    assert "chat_messages" in run(tmp_path, "scripts", "backfill", url, "--mapping", "names.json").stdout
