"""Several processes at once, and processes that are killed: every migration is applied exactly once."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from datapkg.errors import DatabaseBusyError, MigrationError
from datapkg.kit import failpoints
from datapkg.kit.database import open_database, override, release
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations import migrations
from datapkg.operations.migrations.files import scan
from datapkg.operations.migrations.runner import Runner

TABLES = """
@migrator.create_model
class Parent(Model):
    name = TextField(max_length=20, unique=True)
    class Meta:
        table_name = "parents"

@migrator.create_model
class Child(Model):
    parent = ForeignKey(Parent, on_delete="CASCADE")
    class Meta:
        table_name = "children"
"""
ROWS = """
def fill():
    import datetime
    Parent, Child = migrator.orm["parents"], migrator.orm["children"]
    at = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    for n in range(1, 4):
        key = f"0192e4a0-0000-7000-8000-{n:012d}"
        Parent.create(id=key, created_at=at, name=f"p{n}")
        Child.create(id=key, created_at=at, parent=key)

migrator.run(fill)
migrator.sql("UPDATE parents SET name = name || '!'")
"""
CHANGE = """
migrator.change_fields("parents", name=TextField(max_length=40, unique=True))
migrator.add_fields("parents", pages=IntegerField(default=1))
migrator.sql("UPDATE parents SET pages = pages + 1")
"""
UNDO = """
migrator.remove_fields("parents", "pages")
migrator.change_fields("parents", name=TextField(max_length=20, unique=True))
"""
NAMES = ["mine: 001_tables", "mine: 002_rows", "mine: 003_change"]
PLACES = [name for name in FAILPOINTS if name.startswith("migrate.")]
ONLY_SQLITE = {"migrate.rebuild_copied", "migrate.rebuild_dropped"}


@pytest.fixture
def three(files):
    """Tables, rows by a data step, and a change that SQLite makes by a rebuild."""
    files.write("001_tables", TABLES)
    files.write("002_rows", ROWS)
    files.write("003_change", CHANGE, UNDO)
    return files


def rows(database):
    """All rows of the two tables."""
    return [database.fetch(f"SELECT * FROM {table} ORDER BY id", ()) for table in ("parents", "children")]


def end(process):
    """What a process printed; it must have ended well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def test_four_processes_apply_each_migration_once(database, three, start):
    """Whoever comes first applies; the others wait and find it done; nobody fails."""
    applied = [end(process) for process in [start() for _ in range(4)]]
    assert sorted(name for names in applied for name in names) == sorted(
        [*(e.name for e in migrations.status().applied)]
    )
    assert migrations.status().state == "current"
    parents, children = rows(database)
    assert [row[2] for row in parents] == ["p1!", "p2!", "p3!"]
    assert len(children) == 3
    recorded = database.fetch("SELECT count(*), count(DISTINCT history || name) FROM datapkg_migrations", ())
    assert recorded[0][0] == recorded[0][1]


def test_processes_that_undo_at_once(database, three, start):
    """Two processes that undo the same migration: one does, the other does not undo a second one."""
    migrations.migrate(history="mine")
    results = [end(process) for process in [start(undo=True, history="mine") for _ in range(2)]]
    done = [name for result in results if isinstance(result, list) for name in result]
    assert done == ["mine: 003_change"]
    assert "pages" not in migrations.catalog().tables["parents"].columns


def test_undoing_what_is_undone_already(database, three):
    """A migration that another process has undone meanwhile is not undone again."""
    migrations.migrate(history="mine")
    runner = Runner(database)
    newest = scan(migrations.histories()[-1])[-1]
    runner.undo(newest)
    with pytest.raises(MigrationError, match="not applied any more"):
        runner.undo(newest)
    assert "pages" not in migrations.catalog().tables["parents"].columns


@pytest.mark.datapkg_engines("sqlite")
def test_a_new_file_that_somebody_writes_to_meanwhile(database, url, three):
    """Switching a new file to WAL waits, like everything else, for whoever has it locked, and only so long."""
    database.execute_sql("PRAGMA busy_timeout = 1")
    other = open_database(url)
    with other.atomic("EXCLUSIVE"):
        other.execute_sql("CREATE TABLE theirs (a INTEGER)")
        with pytest.raises(DatabaseBusyError):
            migrations.migrate(lock_timeout=0.1)
    release(other)
    assert migrations.migrate(history="mine").applied == NAMES


def test_a_process_waits_for_the_lock_only_so_long(database, url, three):
    """While another connection migrates, a second one gives up after its timeout, by a typed error with a fix."""
    inside, leave = threading.Event(), threading.Event()
    three.write("004_slow", "migrator.run(lambda: (HERE / 'inside').write_text('') and None)")

    from datapkg.operations.migrations.lock import migration_lock

    def hold():
        holder = open_database(url)
        with migration_lock(holder, 10):
            inside.set()
            leave.wait(30)
        release(holder)

    migrations.migrate(history="mine", to="3")
    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    started = time.monotonic()
    try:
        with pytest.raises(DatabaseBusyError, match=r"more than 0\.2 seconds") as caught:
            migrations.migrate(history="mine", lock_timeout=0.2)
    finally:
        leave.set()
        thread.join()
    assert "lock timeout" in caught.value.fix
    assert time.monotonic() - started < 20
    assert migrations.migrate(history="mine").applied == ["mine: 004_slow"]
    assert database.dialect.name != "sqlite" or database.fetch("PRAGMA busy_timeout", ()) == [(5000,)]


def test_threads_of_an_in_memory_database_wait_too(three):
    """The one connection of an in-memory database is not used by others while foreign keys are off."""
    database = open_database("sqlite:///:memory:")
    done, errors = [], []

    def run():
        try:
            with override(database):
                done.extend(migrations.migrate().applied)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with override(database):
        assert sorted(done) == sorted(each.name for each in migrations.status().applied)
        assert migrations.status().state == "current"
    release(database)


def test_every_failpoint_is_in_the_list_and_in_the_code():
    """What the kill tests enumerate is what the code reaches."""
    package = Path(failpoints.__file__).parents[1]
    sources = [path.read_text("utf-8") for path in package.rglob("*.py")]
    reached = {name for source in sources for name in re.findall(r'\breach\("([^"]+)"\)', source)}
    # One of them for each stage of a backfill.
    for beginning in {name for source in sources for name in re.findall(r'\breach\(f"([^"{]+)\{', source)}:
        reached |= {name for name in FAILPOINTS if name.startswith(beginning)}
    assert reached == set(FAILPOINTS)


def reached(engine, place):
    """Whether an engine comes by a failpoint when it migrates."""
    return engine == "sqlite" or place not in ONLY_SQLITE


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_and_run_again(place, database, three, start, new_url, connect):
    """kill -9 at each failpoint: what was committed stands, and running again ends as if nothing had happened."""
    migrations.migrate(history="mine", to="1")
    process = start(failpoint=place if place != "migrate.after_step" else f"{place}:4", history="mine")
    process.communicate(timeout=60)
    died = process.returncode == -signal.SIGKILL
    assert died == reached(database.dialect.name, place)
    found = migrations.status()
    assert "mine: 001_tables" in [each.name for each in found.applied]
    assert [
        *(each.name for each in found.applied if each.name in NAMES),
        *(n for n in found.pending if n in NAMES),
    ] == NAMES
    migrations.migrate(history="mine")
    other = connect(new_url())
    with override(other):
        migrations.migrate(history="mine")
    assert migrations.difference(migrations.catalog(), migrations.catalog(database=other)) == []
    assert rows(database) == rows(other)
    assert database.dialect.name != "sqlite" or database.fetch("PRAGMA integrity_check", ()) == [("ok",)]


@pytest.mark.parametrize(
    "place", ["migrate.after_step", "migrate.rebuild_dropped", "migrate.after_history", "migrate.after_commit"]
)
def test_a_rollback_that_is_killed(place, database, three, start):
    """kill -9 during a rollback: the migration is undone wholly or not at all."""
    migrations.migrate(history="mine")
    process = start(failpoint=place, undo=True, history="mine")
    process.communicate(timeout=60)
    assert (process.returncode == -signal.SIGKILL) == reached(database.dialect.name, place)
    undone = "mine: 003_change" in migrations.status().pending
    assert undone == (place == "migrate.after_commit" or process.returncode == 0)
    assert ("pages" in migrations.catalog().tables["parents"].columns) != undone
    migrations.migrate(history="mine")
    assert [len(each) for each in rows(database)] == [3, 3]


def test_the_first_migration_of_a_new_database_is_killed(url, three, start, connect):
    """kill -9 before the first commit of all leaves a database that is as good as new."""
    process = start(failpoint="migrate.after_history", history="mine")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with override(connect(url)):
        assert migrations.status().state == "empty"
        assert migrations.migrate(history="mine").applied == NAMES
