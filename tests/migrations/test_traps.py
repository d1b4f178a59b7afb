"""What the stock router does that ours must not: each trap as it is, and then ours in its place."""

from __future__ import annotations

import subprocess
import sys
import traceback

import peewee as pw
import pytest
from peewee_migrate.models import MigrateHistory
from peewee_migrate.router import Router

from datapkg.operations import migrations
from datapkg.operations.bookkeeping import AppliedMigration

CREATE = """
def migrate(migrator, database, *, fake=False):
    migrator.sql("CREATE TABLE IF NOT EXISTS notes (a INTEGER)")
"""
READS = """
def migrate(migrator, database, *, fake=False):
    open(__import__("os").environ["TRAP_FILE"], "a").write("x")
    rows = database.execute_sql("SELECT a FROM notes").fetchall()
    for row in rows:
        migrator.sql(f"UPDATE notes SET a = {row[0]} + 1")
"""
# What run() does, with a pause where another process may come in between.
OVERLAP = """
import sys
from pathlib import Path
import peewee as pw
from peewee_migrate.router import Router
router = Router(pw.SqliteDatabase(sys.argv[1]), migrate_dir=Path(sys.argv[2]))
pending = router.diff
print(*pending, flush=True)
input()
for name in pending:
    router.run_one(name, router.migrator, fake=False)
"""
NOTES = """
@migrator.create_model
class Note(Model):
    pages = IntegerField()
    class Meta:
        table_name = "notes"
"""


@pytest.fixture
def router(tmp_path):
    """A stock router over the files that a test writes, on a SQLite file; one more with each call."""
    folder = tmp_path / "stock"
    folder.mkdir()

    def make(**texts):
        for name, text in texts.items():
            (folder / f"{name.removeprefix('_')}.py").write_text(text, encoding="utf-8")
        return Router(pw.SqliteDatabase(tmp_path / "stock.db"), migrate_dir=folder)

    return make


def test_the_trap_bodies_run_again_with_mocks(router, tmp_path, monkeypatch):
    """A stock data migration that reads rows in its body fails at replay, after its side effects ran again."""
    monkeypatch.setenv("TRAP_FILE", str(tmp_path / "seen"))
    first = router(_001_notes=CREATE, _002_reads=READS)
    first.run()
    first.database.execute_sql("INSERT INTO notes VALUES (1)")
    with pytest.raises(TypeError, match="Mock"):
        router(_003_more=CREATE).run()
    assert (tmp_path / "seen").read_text(encoding="utf-8") == "xx"


def test_the_trap_two_processes_apply_twice(router, tmp_path):
    """Stock runs look at what is pending, then apply it, with no lock: two that overlap record a migration twice."""
    stock = router(_001_notes=CREATE)
    command = [sys.executable, "-c", OVERLAP, str(tmp_path / "stock.db"), str(stock.migrate_dir)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["001_notes\n"] * 2
    for process in processes:
        process.communicate("go\n", timeout=60)
    assert stock.database.execute_sql("SELECT name FROM migratehistory").fetchall() == [("001_notes",)] * 2


def test_the_trap_a_missing_folder_is_created(tmp_path):
    """The stock router makes the folder, and then has nothing to do; ours refuses (test_faults)."""
    stock = Router(pw.SqliteDatabase(":memory:"), migrate_dir=tmp_path / "typo")
    assert stock.run() == []
    assert (tmp_path / "typo").is_dir()


def test_the_trap_tracebacks_hide_the_file(router):
    """A stock migration that fails has no file name in its traceback; ours names file and line (test_faults)."""
    with pytest.raises(ZeroDivisionError) as caught:
        router(_001_bad="def migrate(migrator, database, **kwargs):\n    1 / 0\n").run()
    assert [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "<string>"


def test_the_trap_rollback_only_unmarks(router):
    """A stock rollback of a migration without one leaves its table and forgets it; ours refuses (test_rollback)."""
    stock = router(_001_notes=CREATE)
    stock.run()
    router().rollback()
    assert stock.database.table_exists("notes")
    assert router().done == []


def test_the_trap_one_history_model_for_all(tmp_path):
    """A second stock router turns the first one's history to its own database."""
    databases = [pw.SqliteDatabase(tmp_path / name) for name in ("a.db", "b.db")]
    one, two = (Router(database, migrate_dir=tmp_path) for database in databases)
    assert (one.done, two.done) == ([], [])
    one.model.create(name="001_notes")
    assert databases[0].execute_sql("SELECT count(*) FROM migratehistory").fetchone() == (0,)
    assert two.done == ["001_notes"]
    assert MigrateHistory._meta.database is databases[1]


def test_two_of_our_databases_have_histories_of_their_own(database, files, new_url, connect):
    """Ours is bound to no database: two of them are migrated side by side, and each knows what it has been through."""
    from datapkg.kit.database import proxy

    files.write("001_notes", NOTES)
    files.write("002_more", "migrator.add_index('notes', 'pages')")
    other = connect(new_url())
    migrations.migrate(history="mine", to="1")
    migrations.migrate(history="mine", database=other)
    migrations.migrate(history="mine")
    for each in (database, other):
        assert [row.name for row in migrations.status(database=each).applied] == ["mine: 001_notes", "mine: 002_more"]
    assert AppliedMigration._meta.database is proxy
