"""Seeding that is killed, or run twice at once, ends in the same state as one run."""

from __future__ import annotations

import os
import signal

import nursery
import pytest

from datapkg.kit.database import current
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations.seeding.files import profile_files

COMMAND = ["seed", "--profile", "demo"]
WHOLE = {
    "users": 1,
    "feature_flags": 1,
    "definitions": 6,
    "runs": 2,
    "transcripts": 19,
    "scripts": 1,
    "script_commands": 12,
    "script_elements": 5,
    "script_pages": 2,
    "authors": 15,
    "posts": 24,
    "decisions": 21,
    "replies": 14,
}


def environment(url, **more):
    """Return the environment of a seeding process."""
    return {**os.environ, "DATABASE_URL": url, **more}


def state():
    """Return what is stored, without keys and times, which differ from run to run."""
    found = {
        table: current().fetch(f"SELECT count(*) FROM {table}", ())[0][0]
        for table in (*WHOLE, "datapkg_seed_keys", "datapkg_seeds")
    }
    tree = "SELECT c.name, p.name FROM definitions c LEFT JOIN definitions p ON p.id = c.parent_id ORDER BY c.name"
    return found, current().fetch(tree, ())


@pytest.mark.datapkg_commits
@pytest.mark.parametrize("failpoint", [name for name in FAILPOINTS if name.startswith("seed.")])
def test_a_killed_seeding_is_whole_after_the_next(db, datapkg_url, failpoint):
    """Killed at this point, then run again: nothing is lost or doubled."""
    killed = nursery.run(COMMAND, env=environment(datapkg_url, DATAPKG_FAILPOINT=failpoint))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    counts, _ = state()
    assert counts["users"] == (1 if failpoint == "seed.after_commit" else 0)
    again = nursery.run(COMMAND, env=environment(datapkg_url))
    assert again.returncode == 0, again.stderr
    after = state()
    files = profile_files("demo")
    keys = [row["key"] for file in files for row in file.rows if "key" in row and file.table != "feature_flags"]
    assert after[0] == {**WHOLE, "datapkg_seed_keys": len(keys), "datapkg_seeds": len(files)}
    third = nursery.run(COMMAND, env=environment(datapkg_url))
    assert "Nothing to change" in third.stdout
    assert state() == after


@pytest.mark.datapkg_commits
def test_seedings_at_once_make_one_set_of_rows(db, datapkg_url):
    """Three processes seed at the same time; all succeed, and every row is there once."""
    running = [nursery.start(COMMAND, env=environment(datapkg_url)) for _ in range(3)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert state()[0]["definitions"] == 6
    assert state()[0]["users"] == 1
