"""A backfill that is killed, runs twice at once, or runs inside a migration, is whole or not there at all."""

from __future__ import annotations

import os
import signal

import nursery
import pytest
from legacy_plays import TEXTS, changed, sqlite_legacy

from datapkg import registry, scripts
from datapkg.errors import DatapkgError, StaleWriteError
from datapkg.kit.database import current
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations import migrations
from datapkg.registry import Domain
from datapkg.scripts.backfilling import backfill
from datapkg.scripts.models import Script

CHILD = """
import sys, datapkg
from datapkg.scripts.backfilling import backfill
datapkg.connect(sys.argv[1])
backfill(sys.argv[2])
"""
WHOLE = {
    "users": 2,
    "sessions": 2,
    "chat_messages": 3,
    "scripts": 4,
    "script_commands": 10,
    "script_versions": 10,
    "script_feed": 10,
    "personas": 2,
    "backfill_progress": 6,
}
MIGRATION = """
def migrate(migrator, database, *, fake=False):
    from datapkg.scripts.backfilling import backfill
    migrator.run(lambda: backfill({url!r}) and None)
"""
POINTS = [(name, 1) for name in FAILPOINTS if name.startswith("backfill.")]
POINTS += [("backfill.mid_stage", 4), ("backfill.mid_stage", 5), ("append.after_snapshot", 3)]


def start(url, source, failpoint=None):
    """Start another process that does the backfill."""
    environment = {**os.environ, **({"DATAPKG_FAILPOINT": failpoint} if failpoint else {})}
    return nursery.start_python(CHILD, url, source, env=environment)


def counts():
    """How many rows each table holds."""
    return {table: current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in WHOLE}


def check_whole():
    """Everything is there once, and reads as it did."""
    assert counts() == WHOLE
    for title, texts in TEXTS.items():
        script = Script.get(Script.title == title)
        assert [scripts.at(script.id, version=number).text for number in range(1, len(texts) + 1)] == texts
    assert scripts.verify().ok


@pytest.mark.datapkg_commits
@pytest.mark.parametrize(("failpoint", "time"), POINTS)
def test_a_killed_backfill_is_whole_after_the_next(db, datapkg_url, tmp_path, failpoint, time):
    """Killed at this point, then run again: complete, and nothing doubled; what was committed is not done again."""
    source = sqlite_legacy(tmp_path)
    killed = start(datapkg_url, source, f"{failpoint}:{time}")
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, errors
    done = counts()["backfill_progress"]
    report = backfill(source)
    assert (len(report.resumed), len(report.written)) == (done, 6 - done)
    check_whole()


@pytest.mark.datapkg_commits
def test_a_source_that_changed_after_a_kill_is_refused(db, datapkg_url, tmp_path):
    """Half of one content and half of another would be neither; back as it was, it goes on."""
    killed = start(datapkg_url, sqlite_legacy(tmp_path), "backfill.after_scripts")
    killed.communicate(timeout=120)
    before = counts()
    with pytest.raises(StaleWriteError, match="changed since"):
        backfill(sqlite_legacy(tmp_path, changed(users=[(3, "cy@example.com", None, None)])))
    assert counts() == before
    backfill(sqlite_legacy(tmp_path))
    check_whole()


@pytest.mark.datapkg_commits
def test_two_backfills_at_once_do_the_work_once(db, datapkg_url, tmp_path):
    """Both succeed, and every row is there once."""
    source = sqlite_legacy(tmp_path)
    both = [start(datapkg_url, source) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    check_whole()


@pytest.fixture
def run_migration(tmp_path):
    """Run a migration that calls the backfill."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    registry.register(Domain(name="mine", models=(), migrations=folder))

    def run(source):
        (folder / "001_plays.py").write_text(MIGRATION.format(url=source), encoding="utf-8")
        migrations.migrate()

    yield run
    registry.unregister("mine")


@pytest.mark.datapkg_commits
def test_a_migration_that_calls_it_fails_whole(db, datapkg_url, tmp_path, run_migration):
    """With one thing wrong nothing is left, not even the migration's own row; put right, all of it is there."""
    wrong = changed(script_elements=[(1003, 99, 0, "action", "x", None)])
    with pytest.raises(DatapkgError, match="there is no script 99"):
        run_migration(sqlite_legacy(tmp_path, wrong))
    assert set(counts().values()) == {0}
    assert current().fetch("SELECT count(*) FROM datapkg_migrations WHERE history = 'mine'", ())[0][0] == 0
    run_migration(sqlite_legacy(tmp_path))
    check_whole()


@pytest.mark.datapkg_commits
def test_a_transaction_around_it_undoes_all_of_it(db, datapkg_url, tmp_path):
    """What fails after the backfill, in the same transaction, takes all of its stages with it."""
    with pytest.raises(RuntimeError), current().atomic():
        backfill(sqlite_legacy(tmp_path))
        raise RuntimeError
    assert set(counts().values()) == {0}
