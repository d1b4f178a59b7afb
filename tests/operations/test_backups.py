"""Backups: one moment of a database that others write to, in one file, and back: whole, or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time

import nursery
import pytest
from killing import killed
from moving_samples import contents, fill

import datapkg
from datapkg import audit
from datapkg.errors import (
    ArchiveError,
    ConfigurationError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    ForeignDatabaseError,
    ValidationError,
    WriteGateError,
)
from datapkg.kit.database import current, open_database, override, release
from datapkg.kit.dialect.catalog import difference, read_catalog, table_names
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations.backups import read_backup
from datapkg.operations.backups.tools import connection_of, find_tools
from datapkg.testing import factories
from datapkg.testing.server import EmbeddedPostgres

# Two flags and an entry of the audit log in each transaction, without a pause, until it is killed.
WRITER = """
import sys, datapkg, itertools
from datapkg import audit, flags
datapkg.connect(sys.argv[1])
for number in itertools.count():
    with datapkg.transaction():
        flags.set_flag(f"left-{number}")
        audit.record("written", entity_id=str(number), action="try", actor="system", details={})
        flags.set_flag(f"right-{number}")
"""
STARVED = """
import resource, sys
from datapkg.errors import StorageError
from datapkg.kit.database import bind
from datapkg.operations import backups
bind(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    getattr(backups, sys.argv[2])(sys.argv[3])
except StorageError as error:
    print(error.fix)
"""

# PostgreSQL says conditions with BETWEEN in another way after it has read its own text again.
ODD = [
    "CREATE TABLE odd (a INTEGER, b TEXT, CONSTRAINT ck_odd CHECK (a BETWEEN 1 AND 9 AND b <> ') AND (' "
    "AND (a BETWEEN 2 AND 3 OR a BETWEEN 4 AND 5 OR b = 'x')))",
    "CREATE INDEX ix_odd ON odd (a) WHERE a BETWEEN 1 AND 9 AND b IS NOT NULL",
]


def child(script, *args):
    """Start a process with a script."""
    return nursery.start_python(script, *args)


def keys():
    """The keys of all flags."""
    return {row[0] for row in current().fetch("SELECT key FROM feature_flags", ())}


def count_flags(database):
    """How many flags a database has, asked on its own connection."""
    return database.fetch("SELECT count(*) FROM feature_flags", ())[0][0]


@pytest.mark.datapkg_commits
def test_a_backup_under_a_writer_is_one_moment_and_comes_back_whole(db, datapkg_url, new_url, tmp_path):
    """A process writes all the time, during the backup too; elsewhere it is a whole database with its gates shut."""
    fill()
    path, waited = tmp_path / "app.backup", []
    watching = open_database(datapkg_url)
    writer = child(WRITER, datapkg_url)

    def until_more_is_written(*_):
        if len(waited) < 2:
            start, deadline = count_flags(watching), time.monotonic() + 60
            while count_flags(watching) == start and writer.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            waited.append(count_flags(watching) - start)

    until_more_is_written()
    report = datapkg.backup(path, progress=until_more_is_written)
    writer.kill()
    assert writer.wait() == -signal.SIGKILL, writer.stderr.read()
    release(watching)
    assert all(number > 0 for number in waited) and len(waited) == 2, waited
    assert path.stat().st_mode & 0o777 == 0o600 and list(tmp_path.iterdir()) == [path]
    assert report.backup.tables == len(table_names(db)) and report.as_dict()["revisions"]["datapkg"] in str(report)
    assert read_backup(path) == report.backup
    before, shape = contents(), read_catalog(db)
    elsewhere = open_database(new_url())
    with override(elsewhere):
        back = datapkg.restore(path)
        assert (back.state, back.environment) == ("current", "development")
        after = contents()
        assert {name for name in before if before[name] != after[name]} == {
            "feature_flags",
            "audit_logs",
            "audit_heads",
        }
        assert audit.verify_chain().ok
        made = {name for name in keys() if name.startswith(("left-", "right-"))}
        assert made == {f"{side}-{number}" for side in ("left", "right") for number in range(len(made) // 2)}
        written = "SELECT count(*) FROM audit_logs WHERE entity_type = 'written'"
        assert len(made) == 2 * elsewhere.fetch(written, ())[0][0]
        assert difference(shape, read_catalog(elsewhere)) == []
        with pytest.raises(WriteGateError):
            elsewhere.execute_sql("DELETE FROM script_versions")
    release(elsewhere)


@pytest.mark.datapkg_commits
def test_a_restore_replaces_all_and_keeps_the_environment(db, datapkg_url, tmp_path):
    """Rows and tables made since are gone, lost ones are back, the stamp stays; who is connected sees it."""
    factories.make_definition_tree(depth=2)
    datapkg.set_environment("staging")
    for sql in ODD:
        db.execute_sql(sql)
    path = tmp_path / "it's 100%.backup"
    datapkg.backup(path)
    before, shape = contents(), read_catalog(db)
    datapkg.set_environment("laboratory")
    factories.make_flag("later")
    db.execute_sql("CREATE TABLE later (n INTEGER)")
    db.execute_sql("DROP TABLE kpi_metrics")
    other = open_database(datapkg_url)
    assert count_flags(other) == 1
    with datapkg.transaction(), pytest.raises(ConfigurationError, match="open transaction"):
        datapkg.restore(path)
    steps = []
    report = datapkg.restore(path, progress=lambda done, total: steps.append((done, total)))
    assert (report.environment, report.state) == ("laboratory", "current") and "laboratory" in str(report)
    assert steps and steps[-1][0] <= steps[-1][1]
    assert contents() == before and difference(shape, read_catalog(db)) == []
    assert count_flags(other) == 0 and datapkg.environment() == "laboratory"
    release(other)


@pytest.mark.datapkg_commits
def test_what_is_no_whole_backup_is_refused_and_nothing_touched(db, datapkg_url, new_url, tmp_path):
    """Cut off anywhere, a changed byte anywhere, another engine's, none at all; and names that cannot be written."""
    factories.make_flag("kept")
    path, spoilt = tmp_path / "good.backup", tmp_path / "spoilt.backup"
    datapkg.backup(path)
    factories.make_flag("newer")
    before = contents()
    good = path.read_bytes()
    cuts = [good[:end] for end in (0, 1, 40, len(good) // 2, len(good) - 500, len(good) - 30, len(good) - 1)]
    flips = [
        good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        for at in (0, 30, len(good) // 2, len(good) - 400, len(good) - 120, len(good) - 60, len(good) - 2)
    ]
    for data in (*cuts, *flips, good + b"x", b"x" + good):
        spoilt.write_bytes(data)
        with pytest.raises(ArchiveError) as caught:
            datapkg.restore(spoilt)
        assert str(spoilt) in caught.value.why and caught.value.fix
    for nothing in (tmp_path / "none", tmp_path, "a\0b", 7):
        with pytest.raises(ValidationError):
            datapkg.restore(nothing)
    with override(open_database("sqlite:///:memory:")) as memory:
        if db.dialect.name == "sqlite":
            assert datapkg.restore(path).environment == "development" and keys() == {"kept"}
        else:
            with pytest.raises(ArchiveError, match="backup of postgresql"):
                datapkg.restore(path)
        release(memory)
    assert contents() == before
    foreign = open_database(new_url())
    foreign.execute_sql("CREATE TABLE theirs (n INTEGER)")
    with override(foreign):
        with pytest.raises(ForeignDatabaseError):
            datapkg.restore(path)
        with pytest.raises(ForeignDatabaseError):
            datapkg.backup(tmp_path / "foreign.backup")
    release(foreign)
    wrong = [path, tmp_path, tmp_path / "no" / "folder", "a\0b", 7]
    if db.dialect.name == "sqlite":
        wrong += [db.database, db.database + "-wal"]
    for name in wrong:
        with pytest.raises(ValidationError):
            datapkg.backup(name, overwrite=name != path)
    assert path.read_bytes() == good and not (tmp_path / "foreign.backup").exists()
    datapkg.backup(path, overwrite=True)
    datapkg.restore(path)
    assert keys() == {"kept", "newer"}


@pytest.mark.datapkg_commits
def test_a_kill_at_any_point_leaves_the_old_or_the_new(db, datapkg_url, tmp_path):
    """Restore: before the commit all is as it was, after it all is restored. Backup: no file, and the next works."""
    factories.make_flag("old")
    path = tmp_path / "old.backup"
    datapkg.backup(path)
    old = contents()
    factories.make_flag("new")
    new = contents()
    places = [name for name in FAILPOINTS if name.startswith("restore.")]
    for failpoint in sorted(places, key="restore.after_commit".__eq__):
        late = f"{failpoint}:20" if failpoint == "restore.mid_write" else failpoint
        killed(late, lambda: datapkg.restore(path))
        assert contents() == (old if failpoint == "restore.after_commit" else new), failpoint
    assert datapkg.status().state == "current"
    killed("backup.before_rename", lambda: datapkg.backup(tmp_path / "b"))
    assert not (tmp_path / "b").exists()
    datapkg.backup(tmp_path / "b")


@pytest.mark.datapkg_commits
def test_of_two_restores_one_comes_after_the_other(db, datapkg_url, tmp_path):
    """Both finish, and what is there is one of the two backups; a lock of somebody else is waited for, not for ever."""
    wanted = []
    for name in ("a", "b"):
        factories.make_flag(name)
        datapkg.backup(tmp_path / name)
        wanted.append(contents())
    failed = []

    def restore(name):
        try:
            datapkg.restore(tmp_path / name, database=database)
        except BaseException as error:
            failed.append(error)
        finally:
            database.close()

    database = open_database(datapkg_url)
    threads = [threading.Thread(target=restore, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release(database)
    assert failed == [] and contents() in wanted
    other = open_database(datapkg_url)
    with override(other), datapkg.transaction():
        factories.make_flag("uncommitted")
        with override(db), pytest.raises(DatabaseBusyError) as caught:
            datapkg.restore(tmp_path / "a", lock_timeout=0.2)
    assert caught.value.fix
    release(other)
    assert "uncommitted" in keys()


@pytest.mark.datapkg_commits
def test_a_full_disk_leaves_no_file_and_the_database_as_it_was(db, datapkg_url, tmp_path):
    """The files may grow to 20 kB only: a typed error, nothing half written."""
    datapkg.backup(tmp_path / "good")
    factories.make_flag("kept")
    before = contents()
    acts = [("backup", tmp_path / "b")] + ([("restore", tmp_path / "good")] if db.dialect.name == "sqlite" else [])
    for act, path in acts:
        out, errors = child(STARVED, datapkg_url, act, path).communicate()
        assert "space" in out, errors
    assert [entry.name for entry in tmp_path.iterdir()] == ["good"]
    assert contents() == before


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_postgresql_programs_are_found_or_asked_for(db, monkeypatch, tmp_path):
    """Missing or older than the server: what is there, what is needed, where to get it. No password in arguments."""
    with pytest.raises(ConfigurationError, match="pg_nothing is not on PATH") as caught:
        find_tools("pg_nothing", at_least=1)
    assert "pip install" in caught.value.fix
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_tools("pg_dump", at_least=9).folder == tmp_path
    assert find_tools("pg_dump", at_least=10).folder != tmp_path
    with pytest.raises(ConfigurationError, match=rf"there is only .*9 in {tmp_path}"):
        find_tools("pg_dump", at_least=999)
    datapkg.backup(tmp_path / "app.backup")
    secret = open_database("postgresql://me:hidden@host/app?sslmode=require")
    dsn, environment = connection_of(secret)
    assert "hidden" not in dsn and "sslmode=require" in dsn and environment["PGPASSWORD"] == "hidden"


def test_a_server_that_stops_half_way_has_restored_nothing(tmp_path):
    """PostgreSQL goes down in the middle: a typed error; when it is back, all is as it was."""
    with EmbeddedPostgres(durable=True) as server, datapkg.using(server.url, migrate=True):
        datapkg.backup(tmp_path / "empty.backup")
        factories.make_flag("kept")

        def stop(done, total):
            if done == 20:
                server.stop("immediate")

        with pytest.raises(DatabaseUnavailableError):
            datapkg.restore(tmp_path / "empty.backup", progress=stop)
        server.start()
        assert keys() == {"kept"} and datapkg.status().state == "current"


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_schema_is_restored_beside_others(db, datapkg_url, tmp_path):
    """Only the schema that the search path leads to is saved and replaced; another path is told the right one."""
    factories.make_flag("public")
    db.execute_sql('CREATE SCHEMA "my App"')
    url = f"{datapkg_url}{'&' if '?' in datapkg_url else '?'}options=-csearch_path%3D%22my%5C%20App%22"
    path = tmp_path / "app.backup"
    with datapkg.using(url, migrate=True) as inner:
        factories.make_flag("inner")
        assert datapkg.backup(path).backup.schema == "my App"
        inner.execute_sql('DROP SCHEMA "my App" CASCADE')
        inner.execute_sql('CREATE SCHEMA "my App"')
        datapkg.restore(path, owners=False)
        assert keys() == {"inner"}
    assert keys() == {"public"}
    with pytest.raises(ConfigurationError, match="search path") as caught:
        datapkg.restore(path)
    assert "csearch_path" in caught.value.fix


@pytest.mark.datapkg_engines("sqlite")
def test_a_damaged_database_gives_no_backup(tmp_path):
    """The backup of broken pages would be of no use: no file is kept, and the error says so."""
    file = tmp_path / "app.db"
    with datapkg.using(f"sqlite:///{file}"):
        fill()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
        root = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'posts'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    with file.open("r+b") as data:
        data.seek((root - 1) * size + 8)
        data.write(b"\xff" * 200)
    database = open_database(f"sqlite:///{file}")
    with pytest.raises(datapkg.errors.StorageError, match=r"damaged|malformed") as caught:
        datapkg.backup(tmp_path / "b", database=database)
    assert caught.value.fix and not (tmp_path / "b").exists()
    release(database)
