"""A new SQLite file that several processes meet at once, or whose making was killed."""

from __future__ import annotations

import os
import signal

import nursery
import pytest

import datapkg
from datapkg.errors import SchemaOutdatedError
from datapkg.kit.database import current

CONNECT = """
import sys, time, datapkg
time.sleep(float(sys.argv[2]))
datapkg.connect(sys.argv[1])
print(datapkg.status().state)
"""


@pytest.fixture
def url(tmp_path):
    """A SQLite file that does not exist yet."""
    yield f"sqlite:///{tmp_path / 'new.db'}"
    datapkg.disconnect()


def settings():
    """Return what is stored about the database itself."""
    return current().fetch("SELECT key FROM datapkg_settings", ())


def test_processes_that_start_at_once_all_get_the_whole_file(url):
    """Whoever finds it half made goes on with it, and nobody is told that it is outdated."""
    running = [nursery.start_python(CONNECT, url, 0.03 * number) for number in range(8)]
    for process in running:
        printed, errors = process.communicate(timeout=120)
        assert printed.strip() == "current", errors
    datapkg.connect(url)
    assert settings() == []


@pytest.mark.parametrize("failpoint", ["migrate.after_bookkeeping", "migrate.after_commit", "migrate.after_commit:4"])
def test_a_file_whose_making_was_killed_is_finished_by_the_next_connect(url, failpoint):
    """Killed between two migrations, or after the last one."""
    killed = nursery.run_python(CONNECT, url, 0, env={**os.environ, "DATAPKG_FAILPOINT": failpoint})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    datapkg.connect(url)
    assert datapkg.status().state == "current"
    assert settings() == []


def test_a_finished_file_that_falls_behind_is_refused_as_ever(url):
    """Only one that was never whole is finished without being asked."""
    datapkg.connect(url)
    datapkg.rollback()
    datapkg.disconnect()
    with pytest.raises(SchemaOutdatedError, match="lacks 1 migration:"):
        datapkg.connect(url)
