"""Copying: between any two engines, found good before, compared after, gone on with after an interruption."""

from __future__ import annotations

import sqlite3

import moving_samples
import pytest
from moving_samples import contents, fill, fill_league

import datapkg
from datapkg import audit, registry, scripts
from datapkg.errors import (
    ConfigurationError,
    ConflictError,
    CopyError,
    DatabaseUnavailableError,
    EnvironmentGuardError,
    ForeignDatabaseError,
    LeaseLostError,
    SchemaOutdatedError,
    ValidationError,
)
from datapkg.kit.database import current, open_database, override, release
from datapkg.kit.json_values import MAX_DEPTH
from datapkg.operations.moving.streams import count_rows
from datapkg.operations.moving.tables import moved_tables
from datapkg.testing import factories
from datapkg.testing.server import EmbeddedPostgres

MEMORY = "sqlite:///:memory:"


def rows_in(url):
    """How many rows a database has, whatever its state."""
    database = open_database(url)
    try:
        return sum(count_rows(database, table) for table in moved_tables())
    finally:
        release(database)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The URL of a SQLite file with rows in every table; nobody writes to it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('source') / 'full.db'}"
    with datapkg.using(url):
        fill()
    return url


@pytest.fixture
def own(tmp_path):
    """The URL of a small SQLite file to spoil, and a connection that obeys no rule."""
    path = tmp_path / "own.db"
    with datapkg.using(f"sqlite:///{path}"):
        factories.make_definition_tree(depth=3)
        factories.make_feature()
        for name in "abcdefgh":
            factories.make_flag(name)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA ignore_check_constraints = ON")
    yield f"sqlite:///{path}", raw
    raw.close()


@pytest.mark.datapkg_engines("postgresql")
def test_a_copy_there_and_back_is_the_same_database(new_url, source, tmp_path):
    """From SQLite to this engine and back: every table equal, the target migrated, gates shut, its environment kept."""
    moving_samples.league(tmp_path / "league")
    back = f"sqlite:///{tmp_path / 'back.db'}"
    try:
        with datapkg.using(source, migrate=True):
            if not moving_samples.Team.select().exists():
                fill_league()
            before = contents()
            datapkg.set_environment("laboratory")
        target, steps = new_url(), []
        report = datapkg.copy(source, target, batch_size=30, progress=lambda done, total: steps.append((done, total)))
        assert (report.resumed, report.rows) == (False, sum(each.rows for each in before.values()))
        assert "001_audit" in report.migrated and steps[-1] == (3 * report.rows, 3 * report.rows)
        with datapkg.using(target) as database:
            assert contents() == before
            assert datapkg.environment() == "development"
            assert audit.verify_chain().ok and scripts.verify().ok
            with pytest.raises(datapkg.errors.WriteGateError):
                database.execute_sql("DELETE FROM script_versions")
        datapkg.copy(target, back)
        with datapkg.using(back):
            assert contents() == before
    finally:
        registry.unregister("league")


def test_every_row_that_would_be_refused_is_listed_before_anything_is_written(own, tmp_path):
    """Rules and indexes that were missing, references to nothing, JSON that no jsonb takes: all, by table and key."""
    url, raw = own
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("DROP INDEX uq_feature_flags_key")
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    spoilt = {
        "name": "UPDATE feature_queue SET name = ''",
        "enabled": "UPDATE feature_flags SET enabled = 7 WHERE key = 'a'",
        "rollout_percentage": "UPDATE feature_flags SET rollout_percentage = 700 WHERE key = 'a'",
        "deep": f"UPDATE definitions SET content = '{deep}' WHERE id = (SELECT max(id) FROM definitions)",
        "key": "UPDATE feature_flags SET key = 'h' WHERE key = 'g'",
        "parent_id": "UPDATE definitions SET parent_id = '0192e4a0-0000-7000-8000-000000000000' "
        "WHERE id = (SELECT max(id) FROM definitions)",
        "ck_feature_queue_rank_of_priority": "UPDATE feature_queue SET priority_rank = (priority_rank + 1) % 3",
        "content": 'UPDATE definitions SET content = \'{"a": "\\u0000"}\' WHERE parent_id IS NULL',
    }
    for sql in spoilt.values():
        assert raw.execute(sql).rowcount == 1, sql
    target = tmp_path / "target.db"
    with pytest.raises(CopyError) as caught:
        datapkg.copy(url, f"sqlite:///{target}")
    refused = {each["column"].partition(".")[0]: each for each in caught.value.meta["refused"]}
    assert {*refused, "deep"} == set(spoilt)
    assert len(caught.value.meta["refused"]) == len(spoilt) + 1  # both rows of the key
    assert "that is not there" in refused["parent_id"]["why"] and len(refused["parent_id"]["key"]) == 36
    assert not target.exists()


@pytest.mark.datapkg_engines("postgresql")
def test_what_cannot_be_a_source_or_a_target_is_refused(new_url, source, tmp_path, monkeypatch):
    """The same database, none, one with rows, somebody else's, one that is behind, production, a bad batch size."""
    monkeypatch.setenv("DATAPKG_BACKUP_FOLDER", str(tmp_path / "backups"))
    with pytest.raises(ConfigurationError, match="same database"):
        datapkg.copy(source, source)
    with pytest.raises(ValidationError):
        datapkg.copy(source, MEMORY, batch_size=0)
    with pytest.raises(DatabaseUnavailableError, match="no SQLite file"):
        datapkg.copy(f"sqlite:///{tmp_path / 'none.db'}", MEMORY)
    target = new_url()
    with pytest.raises((SchemaOutdatedError, DatabaseUnavailableError)):
        datapkg.copy(target, MEMORY)
    database = open_database(target)
    database.execute_sql("CREATE TABLE other (n INTEGER)")
    with pytest.raises(ForeignDatabaseError):
        datapkg.copy(source, target)
    database.execute_sql("DROP TABLE other")
    with override(database):
        datapkg.migrate(to="003")
        factories.make_flag("mine")
    with pytest.raises(ConflictError, match="rows already, in feature_flags"):
        datapkg.copy(source, target)
    database.execute_sql("DELETE FROM feature_flags")
    with override(database):
        datapkg.set_environment("production")
    with pytest.raises(EnvironmentGuardError):
        datapkg.copy(source, target)
    assert rows_before(database) == 0
    assert datapkg.copy(source, target, i_know_this_is="production").rows == rows_in(target)
    release(database)


def rows_before(database):
    """How many flags and users an unfinished database has."""
    return sum(database.fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in ("feature_flags", "users"))


class Stop(Exception):
    """Ends a copy from its progress."""


def stop_at(share):
    """Stop a copy once this share of its work is done."""

    def progress(done, total):
        if done >= share * total:
            raise Stop

    return progress


@pytest.mark.datapkg_commits
def test_an_interrupted_copy_is_gone_on_with(db, datapkg_url, own):
    """Meanwhile nobody can connect; run again it skips what is there; if the source changed it begins anew."""
    url, raw = own
    target = datapkg_url
    with pytest.raises(Stop):
        datapkg.copy(url, target, batch_size=1, progress=stop_at(0.5))
    assert 0 < rows_in(target) < rows_in(url)
    with pytest.raises(CopyError, match="not finished") as caught, datapkg.using(target):
        pass
    assert "again" in caught.value.fix
    with pytest.raises(CopyError, match="not finished"):
        datapkg.copy(target, MEMORY)
    there = rows_in(target)
    written = []
    with pytest.raises(Stop):
        datapkg.copy(url, target, batch_size=1, progress=stop_at(0.65))
    assert rows_in(target) > there
    raw.execute("UPDATE feature_flags SET description = 'changed since'")
    report = datapkg.copy(url, target, batch_size=1, progress=lambda done, total: written.append(done))
    assert not report.resumed and written[-1] == 3 * report.rows
    with datapkg.using(url):
        before = contents()
    with datapkg.using(target):
        assert contents() == before


@pytest.mark.datapkg_commits
def test_of_two_copies_at_once_one_finishes(db, datapkg_url, own):
    """The second takes over where the first is; the first is told, and nothing is there twice."""
    url, _ = own
    target = datapkg_url
    second = []

    def progress(done, total):
        # Inside of a transaction it would wait for this one's end.
        if done > 0.5 * total and not second and not current().in_transaction():
            second.append(datapkg.copy(url, target))

    with pytest.raises(LeaseLostError, match="taken over"):
        datapkg.copy(url, target, batch_size=1, progress=progress)
    assert second[0].resumed
    with datapkg.using(url):
        before = contents()
    with datapkg.using(target):
        assert contents() == before


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_target_that_differs_in_the_end_is_emptied_again(db, datapkg_url, own):
    """Somebody changed rows: they go, and the target can be used. Somebody added one: it stays, and nothing goes."""
    url, _ = own
    target = datapkg_url
    meddler = open_database(target)
    done_once = []

    def meddle(done, total):
        if done > 0.66 * total and not done_once:
            done_once.append(meddler.change("UPDATE feature_flags SET description = 'meddled'", ()))

    with pytest.raises(CopyError, match=r"differs from the source in feature_flags"):
        datapkg.copy(url, target, batch_size=1, progress=meddle)
    assert done_once == [8]
    with datapkg.using(target):
        assert rows_in(target) == 0
    done_once.clear()
    added = (
        "INSERT INTO feature_flags (id, key, enabled, created_at, updated_at) "
        "SELECT gen_random_uuid(), 'meddled', enabled, created_at, updated_at FROM feature_flags LIMIT 1"
    )

    def add(done, total):
        if done > 0.66 * total and not done_once:
            done_once.append(meddler.change(added, ()))

    with pytest.raises(CopyError, match="another program wrote them"):
        datapkg.copy(url, target, batch_size=1, progress=add)
    assert meddler.change("DELETE FROM feature_flags WHERE key = 'meddled'", ()) == 1
    release(meddler)
    assert datapkg.copy(url, target).resumed


def test_a_server_that_stops_half_way_is_gone_on_with(own):
    """PostgreSQL goes down in the middle: a typed error; when it is back the copy finishes."""
    url, _ = own
    with EmbeddedPostgres(durable=True) as server:

        def stop(done, total):
            if done > 0.5 * total:
                server.stop("immediate")

        with pytest.raises(DatabaseUnavailableError):
            datapkg.copy(url, server.url, batch_size=1, progress=stop)
        with pytest.raises(DatabaseUnavailableError):
            datapkg.copy(url, server.url)
        server.start()
        assert datapkg.copy(url, server.url).resumed
        assert rows_in(server.url) == rows_in(url)
