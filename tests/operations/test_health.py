"""Health: each state is told apart, quickly and without secrets."""

from __future__ import annotations

import socket
import time

import pytest

import datapkg
from datapkg.kit.database import open_database
from datapkg.operations.health import health


def test_a_current_database_is_ok(db):
    """State, engine, version and latency of a database that works."""
    found = health()
    assert (found.state, found.ok, found.engine) == ("ok", True, db.dialect.name)
    assert found.latency_ms > 0
    assert found.version[0].isdigit()
    assert "ok" in found._repr_html_()


@pytest.mark.datapkg_commits
def test_a_database_that_is_behind_says_what_to_run(db):
    """Pending migrations are named."""
    datapkg.rollback()
    found = health()
    assert (found.state, found.ok) == ("behind", False)
    assert "datapkg migrate" in found.detail


def test_an_empty_database_is_unmigrated(new_url):
    """No tables at all."""
    assert health(database=open_database(new_url())).state == "unmigrated"


def test_a_foreign_database_is_told(new_url):
    """Tables, but none of ours."""
    database = open_database(new_url())
    database.execute_sql("CREATE TABLE theirs (a INTEGER)")
    assert health(database=database).state == "foreign"
    database.close()


def test_an_unreachable_server_is_an_answer_not_an_exception():
    """Nothing listens: unreachable, soon, and without the password."""
    started = time.monotonic()
    found = health(database=open_database("postgresql://me:hunter2@127.0.0.1:1/x", connect_timeout=2))
    assert found.state == "unreachable"
    assert time.monotonic() - started < 10
    assert "hunter2" not in str(found.as_dict())


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_a_read_only_server_is_told(db, datapkg_url):
    """A server that takes no writes is well enough to read, and says so."""
    read_only = open_database(f"{datapkg_url}&options=-c%20default_transaction_read_only%3Don")
    assert health(database=read_only).state == "read-only"
    read_only.close()


def test_a_file_that_is_not_there_is_unmigrated_and_stays_away(tmp_path):
    """Asking after its health does not create it."""
    path = tmp_path / "none.db"
    found = health(database=open_database(f"sqlite:///{path}"))
    assert found.state == "unmigrated"
    assert str(path) in found.detail
    assert not path.exists()


@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.datapkg_commits
def test_a_database_whose_tables_are_locked_answers_in_time(db, datapkg_url):
    """Waiting for a lock is bounded too: the answer comes, and says that the database cannot be worked with."""
    blocker = open_database(datapkg_url)
    with blocker.atomic():
        blocker.execute_sql("LOCK TABLE datapkg_migrations IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        found = health()
        assert time.monotonic() - started < 10
    assert not found.ok
    blocker.close()
    assert health().ok


def test_a_silent_server_is_unreachable_in_time():
    """A port that accepts and never answers is given up after the connect timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x"
        started = time.monotonic()
        assert health(database=open_database(url, connect_timeout=2)).state == "unreachable"
        assert time.monotonic() - started < 15
