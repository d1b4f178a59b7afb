"""However much a legacy database holds, reading and checking it takes a bounded amount of memory."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

from legacy_plays import sqlite_legacy

CHILD = """
import sys, resource
from datapkg.scripts.backfilling import backfill
unit = 1 if sys.platform == "darwin" else 1024
backfill(sys.argv[1], dry_run=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
report = backfill(sys.argv[2], dry_run=True)
assert report.ok and report.read["chat_messages"] == 60_003, report
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before)
"""
MESSAGES, CHARACTERS = 60_000, 5_000
MOST = 150_000_000


def test_a_large_database_is_checked_in_little_memory(tmp_path):
    """300 MB of messages cost less than half of that, where holding them would cost all of it."""
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()
    small, large = sqlite_legacy(few), sqlite_legacy(many)
    with sqlite3.connect(many / "legacy.db") as legacy:
        sql = "INSERT INTO chat_messages VALUES (?, 10, 1, NULL, 'user', ?, '2024-02-01 09:01:00')"
        legacy.executemany(sql, ((1000 + at, f"{at}" + "x" * CHARACTERS) for at in range(MESSAGES)))
    legacy.close()
    assert (many / "legacy.db").stat().st_size > 2 * MOST * 0.99
    result = subprocess.run([sys.executable, "-c", CHILD, small, large], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < MOST
