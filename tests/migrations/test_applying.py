"""Applying migrations: what runs, what is recorded, what a plan and a status say."""

from __future__ import annotations

import os
import re

import pytest
from peewee_migrate.router import Router

from datapkg import registry
from datapkg.kit.database import open_database, override, release
from datapkg.kit.domains import Domain
from datapkg.kit.errors import MigrationError
from datapkg.operations import migrations
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.operations.migrations import files as naming

NOTES = """
@migrator.create_model
class Note(Model):
    text = TextField(max_length=20)
    class Meta:
        table_name = "notes"
"""
BUILT_IN = [path.stem for path in sorted(migrations.histories()[0].folder.glob("[0-9]*.py"))]


def test_up_gives_the_same_catalog_as_creating_from_the_models(database, new_url, connect):
    """A database that was migrated from nothing cannot be told from one made from today's models."""
    report = migrations.migrate()
    assert report.applied == BUILT_IN
    other = connect(new_url())
    with override(other):
        for model in (*BOOKKEEPING, *registry.models()):
            model.create_table(safe=False)
    migrated, created = migrations.catalog(), migrations.catalog(database=other)
    assert {model._meta.table_name for model in registry.models()} <= set(migrated.tables)
    assert migrations.difference(migrated, created) == []


def test_up_down_up_keeps_the_catalog(database):
    """Rolling everything back leaves only our own books, and migrating again gives the very same catalog."""
    migrations.migrate()
    before = migrations.catalog()
    assert migrations.rollback(to="zero").rolled_back == BUILT_IN[::-1]
    assert set(migrations.catalog().tables) == {model._meta.table_name for model in BOOKKEEPING}
    migrations.migrate()
    assert migrations.difference(migrations.catalog(), before) == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_migration_goes_up_down_and_up(database, name):
    """Each built-in migration can be undone by itself, and comes back the same."""
    migrations.migrate(to=name)
    after = migrations.catalog()
    assert migrations.rollback().rolled_back == [name]
    assert migrations.difference(migrations.catalog(), after) != []
    assert migrations.migrate(to=name).applied == [name]
    assert migrations.difference(migrations.catalog(), after) == []


def test_a_second_run_does_nothing(database):
    """Migrating a database that is up to date changes nothing and says so."""
    migrations.migrate()
    before = migrations.status()
    report = migrations.migrate()
    assert report.applied == []
    assert (str(report), report._repr_html_()) == ("Nothing to do.", "<p>(no rows)</p>")
    assert migrations.status() == before


def test_to_stops_there(database):
    """`to` takes a name or a number, and leaves later ones pending."""
    assert migrations.migrate(to="2").applied == BUILT_IN[:2]
    assert {step.migration for step in migrations.plan(to="003")} == {BUILT_IN[2]}
    assert migrations.migrate(to=BUILT_IN[2]).applied == [BUILT_IN[2]]
    assert migrations.migrate(to="001").applied == []
    assert migrations.status().pending == BUILT_IN[3:]
    with pytest.raises(MigrationError, match="no migration '999'"):
        migrations.migrate(to="999")
    with pytest.raises(MigrationError, match="no migration '²'"):
        migrations.migrate(to="²")


def test_status_follows_the_database(database, files):
    """A status says empty, then behind, then current, and lists each migration with its time."""
    files.write("001_notes", NOTES, 'migrator.remove_model("notes")')
    first = migrations.status()
    assert first.state in ("missing", "empty")  # a SQLite file that nobody made yet, or an empty database
    assert first.pending == [*BUILT_IN, "mine: 001_notes"]
    migrations.migrate(to="001")
    behind = migrations.status()
    assert (behind.state, [each.name for each in behind.applied]) == ("behind", BUILT_IN[:1])
    migrations.migrate()
    current = migrations.status()
    assert current.state == "current"
    assert [row["state"] for row in current.rows()] == ["applied"] * (len(BUILT_IN) + 1)
    assert current.applied[-1].name == "mine: 001_notes"
    assert current.applied[-1].applied_at.tzinfo is not None
    assert current.as_dict()["applied"][0]["name"] == BUILT_IN[0]
    assert "mine: 001_notes" in str(current)
    assert "<table" in current._repr_html_()
    migrations.rollback(to="zero")
    migrations.rollback(to="zero", history="mine")
    assert migrations.status().state == "unmigrated"


@pytest.mark.datapkg_engines("sqlite")
def test_looking_creates_no_file(database, files, tmp_path):
    """Neither a status nor a plan of a SQLite file that does not exist creates it."""
    files.write("001_notes", NOTES + "\nmigrator.sql('UPDATE notes SET text = 1')")
    assert migrations.status().state == "missing"
    assert migrations.environment() == "development"
    assert [step.migration for step in migrations.plan()][-1] == "001_notes"
    assert os.listdir(os.path.dirname(database.database)) == []


def test_a_plan_tells_every_statement_and_writes_nothing(database, files):
    """Each step is tagged, data steps are named, and the database is untouched afterwards."""
    files.write("001_notes", NOTES)
    files.write(
        "002_more",
        """
        def shout():
            raise AssertionError("a plan must not run this")

        migrator.add_fields("notes", pages=IntegerField(null=True))
        migrator.change_fields("notes", text=TextField(max_length=40))
        migrator.change_fields("notes", text=TextField(max_length=30))
        migrator.sql("UPDATE notes SET pages = %s", 5)
        migrator.run(shout)
        migrator.sql("DELETE FROM notes")
        migrator.sql("CREATE VIEW long_notes AS SELECT * FROM notes")
        migrator.drop_not_null("notes", "text")
        migrator.add_index("notes", "pages")
        migrator.remove_fields("notes", "pages")
        """,
    )
    migrations.migrate(history="mine", to="1")
    before = (migrations.catalog(), migrations.status())
    steps = migrations.plan(history="mine")
    assert {step.migration for step in steps} == {"002_more"}
    by_line = {}
    for step in steps:
        by_line.setdefault(step.line, set()).add(step.tag)
    tags = [by_line[line] for line in sorted(by_line)]
    assert tags[0] == {"additive"}
    assert "destructive" not in tags[1] and "widening" in tags[1]
    assert "destructive" in tags[2]
    assert tags[3:8] == [{"data"}, {"data"}, {"destructive"}, {"additive"}, {"widening"}]
    assert tags[8] == {"additive"}
    assert "destructive" in tags[9]
    assert any(step.sql == "python function shout" for step in steps)
    assert steps[0].public()["sql"].startswith("ALTER TABLE")
    assert (migrations.catalog(), migrations.status()) == before


def test_a_plan_is_what_runs(database, files):
    """The statements of a plan are the ones that the migration then runs, in their order."""
    files.write("001_notes", NOTES)
    files.write("002_more", "migrator.change_fields('notes', text=TextField(max_length=40))")
    migrations.migrate(history="mine", to="1")
    planned = [step.sql for step in migrations.plan(history="mine")]
    ran = []
    database.query_hooks.append(lambda event: ran.append(event.sql))
    migrations.migrate(history="mine")
    verbs = ("CREATE", "ALTER", 'INSERT INTO "notes', "DROP")
    assert [sql for sql in ran if sql.startswith(verbs)] == planned


def test_in_memory_sqlite_is_migrated(files):
    """An in-memory database works like any other, and its foreign keys are on again afterwards."""
    files.write("001_notes", NOTES)
    database = open_database("sqlite:///:memory:")
    with override(database):
        assert migrations.migrate().applied == [*BUILT_IN, "mine: 001_notes"]
        assert database.fetch("PRAGMA foreign_keys", ()) == [(1,)]
        assert migrations.status().state == "current"
    release(database)


@pytest.mark.datapkg_engines("sqlite")
def test_a_new_file_gets_wal(database):
    """The first migration switches a SQLite file to WAL."""
    migrations.migrate()
    assert database.fetch("PRAGMA journal_mode", ()) == [("wal",)]


def test_a_domain_of_ones_own_builds_on_the_built_in_tables(database, files):
    """A registered domain's migrations come after the built-in ones and can refer to their tables."""
    files.write(
        "001_notes",
        """
        @migrator.create_model
        class Note(Model):
            user = ForeignKey(migrator.orm["users"], on_delete="CASCADE")
            class Meta:
                table_name = "notes"
        """,
        'migrator.remove_model("notes")',
    )
    report = migrations.migrate()
    assert report.applied == [*BUILT_IN, "mine: 001_notes"]
    assert migrations.catalog().tables["notes"].foreign_keys["fk_notes_user_id"].table == "users"
    assert migrations.rollback(history="mine").rolled_back == ["mine: 001_notes"]
    assert "notes" not in migrations.catalog().tables


def test_histories_are_replayed_in_the_order_in_which_they_happened(database, files, tmp_path):
    """A domain's old migration keeps working when a later one of another history renames what it refers to."""
    files.write("001_notes", NOTES)
    other = tmp_path / "other"
    other.mkdir()
    registry.register(Domain(name="other", models=(), migrations=other))
    try:
        marks = """
            from datapkg.kit.fields import ForeignKey
            from datapkg.kit.models import Model
            def migrate(migrator, database, *, fake=False):
                class Mark(Model):
                    note = ForeignKey(migrator.orm["notes"], on_delete="CASCADE")
                    class Meta:
                        table_name = "marks"
                migrator.create_model(Mark)
        """
        (other / "001_marks.py").write_text(re.sub("^ {12}", "", marks, flags=re.M), encoding="utf-8")
        migrations.migrate()
        files.write("002_rename", 'migrator.rename_table("notes", "papers")')
        files.write("003_more", 'migrator.add_fields("papers", pages=IntegerField(null=True))')
        migrations.migrate()
        marks = migrations.catalog().tables["marks"].foreign_keys["fk_marks_note_id"]
        assert (marks.table, migrations.status().state) == ("papers", "current")
    finally:
        registry.unregister("other")


@pytest.mark.datapkg_engines("postgresql")
def test_another_schema_of_a_server_is_another_database(database, url, connect):
    """With a search path of one's own, tables are made and looked for there, whatever stands in public."""
    migrations.migrate()
    database.execute_sql("CREATE SCHEMA apart")
    apart = connect(f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3Dapart")
    assert migrations.status(database=apart).state == "empty"
    assert migrations.migrate(database=apart).applied == BUILT_IN
    assert migrations.status(database=apart).state == "current"
    migrations.rollback(to="zero", database=apart)
    assert migrations.status().state == "current"


def test_an_unknown_history_is_refused(database):
    """Asking for a history that no domain has is an error that lists those there are."""
    with pytest.raises(MigrationError, match="no migration history 'yours'") as caught:
        migrations.migrate(history="yours")
    assert "datapkg" in caught.value.fix


def test_file_names_are_peewee_migrates():
    """Which files are migrations is decided by peewee-migrate's own rule."""
    assert naming.FILE_NAME.pattern == Router.filemask.pattern


def test_importing_status_does_not_import_peewee_migrate(start_python):
    """Connecting looks at the status, which must not cost what importing peewee-migrate costs."""
    code = "import sys, datapkg; datapkg.status; print('peewee_migrate' in sys.modules)"
    assert start_python(code) == "False"
