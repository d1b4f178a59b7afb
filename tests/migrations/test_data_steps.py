"""Data steps run exactly once; a migration's body runs again and again, and may not touch the database."""

from __future__ import annotations

import threading
from unittest import mock

import peewee as pw
import pytest
from peewee_migrate.router import Router

from datapkg.errors import MigrationError, UnsafeMigrationError, WriteGateError
from datapkg.kit.database import current
from datapkg.operations import migrations

NOTES = """
@migrator.create_model
class Note(Model):
    text = TextField(max_length=20)
    class Meta:
        table_name = "notes"
"""
FILL = """
def fill():
    Note = migrator.orm["notes"]
    Note.create(text="100 %")
    (HERE / "side_effect").open("a").write("x")

migrator.run(fill)
migrator.sql("UPDATE notes SET text = text || ' %s %'")
migrator.sql("UPDATE notes SET text = text || %s || '%%'", "!")
"""
LOOK = """
import threading
import peewee as pw
seen = []
thread = threading.Thread(target=lambda: seen.append((pw.Model.select, pw.Database.execute_sql)))
thread.start()
thread.join()
(HERE / "seen").open("a").write(f"{seen[0][0].__qualname__} {seen[0][1].__qualname__}\\n")
"""


@pytest.fixture
def texts():
    """The texts in the table notes."""
    return lambda: [text for (text,) in current().fetch("SELECT text FROM notes ORDER BY id", ())]


def test_the_trap_stock_replay_patches_peewee_for_everybody(tmp_path):
    """peewee-migrate replays applied files with Model.select mocked in the whole process: another thread gets mocks."""
    seen = []

    def look_from_another_thread():
        thread = threading.Thread(target=lambda: seen.append(pw.Model.select))
        thread.start()
        thread.join()

    router = Router(pw.SqliteDatabase(":memory:"), migrate_dir=tmp_path)
    router.read = lambda name: (lambda *args, **kwargs: look_from_another_thread(), None)
    router.run_one("001_look", router.migrator, fake=True)
    assert isinstance(seen[0], mock.Mock)


def test_nothing_of_peewee_is_patched_while_we_replay(database, files):
    """While our runner replays applied files, other threads see Peewee as it is, and read the database."""
    files.write(
        "001_notes",
        LOOK + NOTES,
    )
    files.write("002_more", "migrator.add_index('notes', 'text')")
    migrations.migrate(to="1", history="mine")
    migrations.migrate(history="mine")
    lines = (files.folder / "seen").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 1  # the body did run again
    assert set(lines) == {"Model.select Database.execute_sql"}


def test_a_data_step_runs_once(database, files, texts):
    """Later migrations, plans and rollbacks replay the file; its function and its SQL run only when it is applied."""
    files.write("001_notes", NOTES)
    files.write("002_fill", FILL, "pass")
    migrations.migrate(history="mine", to="2")
    files.write(
        "003_more",
        "migrator.add_fields('notes', pages=IntegerField(null=True))",
        "migrator.remove_fields('notes', 'pages')",
    )
    migrations.plan(history="mine")
    migrations.migrate(history="mine")
    migrations.rollback(history="mine")
    migrations.migrate(history="mine")
    assert texts() == ["100 % %s %!%"]
    assert (files.folder / "side_effect").read_text(encoding="utf-8") == "x"


@pytest.mark.parametrize(
    "body",
    [
        'database.execute_sql("DELETE FROM notes")',
        'migrator.orm["notes"].delete().execute()',
        'list(migrator.orm["notes"].select())',
        'migrator.orm["notes"].create(text="x")',
        "database.get_tables()",
        "database.connection()",
        "with database.atomic(): pass",
        "from datapkg import flags\nflags.list_flags()",
    ],
)
def test_sql_in_the_body_is_refused(database, files, texts, body):
    """Whichever way a body reaches for the database, it is refused by file and line, and told where SQL belongs."""
    files.write(
        "001_notes",
        NOTES + "\nmigrator.sql(\"INSERT INTO notes VALUES ('0192e4a0-0000-7000-8000-000000000000', "
        "'2024-01-01T00:00:00.000000Z', 'kept')\")",
    )
    migrations.migrate(history="mine")
    path = files.write("002_bad", body)
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 1 + max(index for index, line in enumerate(lines) if line.strip() == body.splitlines()[-1])
    with pytest.raises(UnsafeMigrationError, match=rf"002_bad.py, line {number}, failed") as caught:
        migrations.migrate(history="mine")
    assert "migrator.run" in caught.value.fix
    assert (caught.value.meta["file"], caught.value.meta["line"]) == (str(path), number)
    with pytest.raises(UnsafeMigrationError):
        migrations.plan(history="mine")
    assert texts() == ["kept"]
    assert migrations.status().state == "behind"


def test_sql_in_an_applied_body_is_refused_at_replay_too(database, files):
    """A file that got applied by marking it is still refused when a later one needs its model state."""
    files.write("001_bad", 'database.execute_sql("SELECT 1")')
    files.write("002_notes", NOTES)
    migrations.migrate(resolve_applied="1", history="mine")
    with pytest.raises(UnsafeMigrationError, match=r"001_bad\.py, line"):
        migrations.migrate(history="mine")


def test_a_data_step_uses_models_and_public_functions(database, files):
    """In a data step the model state, the live package and savepoints work, all in the migration's transaction."""
    files.write(
        "001_flag",
        """
        def fill():
            from datapkg import flags
            from datapkg.kit.database import current

            flags.set_flag(key="by_migration", enabled=True)
            assert flags.is_enabled(key="by_migration")
            try:
                with database.atomic():
                    current().execute_sql("DELETE FROM feature_flags")
                    raise ValueError
            except ValueError:
                pass
            assert migrator.orm["feature_flags"].select().count() == 1

        migrator.run(fill)
        """,
    )
    migrations.migrate()
    assert database.fetch("SELECT key FROM feature_flags", ()) == [("by_migration",)]


@pytest.mark.parametrize(
    "body",
    [
        'migrator.sql("COMMIT")',
        'migrator.sql(" rollback ")',
        'migrator.sql("-- done\\nCOMMIT")',
        'migrator.sql("/* done */ COMMIT")',
        "migrator.run(database.commit)",
        "migrator.run(database.rollback)",
        "migrator.run(database.begin)",
        "def end():\n    from datapkg.kit.database import current\n    current().commit()\nmigrator.run(end)",
        "migrator()",
    ],
)
def test_a_migration_cannot_end_its_own_transaction(database, files, body):
    """COMMIT and ROLLBACK in any disguise are refused, and the migration is not recorded."""
    files.write("001_notes", NOTES)
    migrations.migrate(history="mine")
    files.write("002_bad", body)
    with pytest.raises(UnsafeMigrationError, match=r"002_bad\.py, line"):
        migrations.migrate(history="mine")
    assert migrations.status().pending[-1] == "mine: 002_bad"
    assert not database.in_transaction()
    assert database.fetch("SELECT count(*) FROM notes", ()) == [(0,)]


def test_what_a_step_has_committed_is_not_said_to_be_undone(database, files):
    """Where a data step got past all that and committed, the error says so, and nothing that contradicts it."""
    end = "def end():\n    from datapkg.kit.database import current\n    current().commit()\nmigrator.run(end)"
    files.write("001_bad", end)
    with pytest.raises(UnsafeMigrationError, match="is committed or undone") as caught:
        migrations.migrate(history="mine")
    assert "as it was before" not in str(caught.value)
    assert caught.value.meta["migration"] == "001_bad"


def test_write_gates_hold_in_data_steps(database, files):
    """A data step writes an append-only table only behind its open gate."""
    files.write("001_log", NOTES.replace('"notes"', '"notes"\n        append_only = True'))
    files.write("002_bad", "migrator.run(lambda: (Note(migrator).create(text='a'), Note(migrator).delete().execute()))")
    (files.folder / "002_bad.py").open("a").write("def Note(migrator): return migrator.orm['notes']\n")
    migrations.migrate(history="mine", to="1")
    with pytest.raises(MigrationError, match="append-only") as caught:
        migrations.migrate(history="mine")
    assert isinstance(caught.value.__cause__, WriteGateError)
    (files.folder / "002_bad.py").unlink()
    files.write(
        "002_good",
        """
        def change():
            migrator.orm["notes"].create(text="a")
            with database.open_gate("notes"):
                migrator.orm["notes"].update(text="b").execute()
        migrator.run(change)
        """,
    )
    migrations.migrate(history="mine")
    assert database.fetch("SELECT text FROM notes", ()) == [("b",)]


def test_live_models_are_refused(database, files):
    """A migration that creates a model of the package, rather than its own frozen one, is refused."""
    files.write("001_live", "from datapkg.flags.models import FeatureFlag\nmigrator.create_model(FeatureFlag)")
    with pytest.raises(UnsafeMigrationError, match=r"FeatureFlag is a model of datapkg\.flags\.models"):
        migrations.migrate(history="mine")
    from datapkg.flags.models import FeatureFlag
    from datapkg.kit.database import proxy

    assert FeatureFlag._meta.database is proxy
