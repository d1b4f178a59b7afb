"""What goes wrong: failing files, edited, late, unknown and foreign ones, missing folders, open transactions."""

from __future__ import annotations

import traceback

import pytest

from datapkg import registry
from datapkg.errors import ForeignDatabaseError, MigrationError, SchemaAheadError, UnsafeMigrationError
from datapkg.kit.domains import Domain
from datapkg.operations import migrations

NOTES = """
@migrator.create_model
class Note(Model):
    text = TextField(max_length=20)
    class Meta:
        table_name = "notes"
"""
INSERT = "INSERT INTO notes VALUES ('0192e4a0-0000-7000-8000-00000000000{n}', '2024-01-01T00:00:00.000000Z', '{text}')"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('migrator.sql("INSERT INTO nowhere VALUES (1)")', "nowhere"),
        ("migrator.run(lambda: 1 / 0)", "ZeroDivisionError"),
        ("raise KeyError('here')", "KeyError"),
        ("migrator.add_fields('papers', pages=IntegerField(null=True))", "no table papers"),
        ("migrator.add_fields('notes', pages=IntegerField())", "no default"),
        ("migrator.change_fields('notes', pages=IntegerField())", "no field pages"),
        ("migrator.drop_index('notes', 'text')", "no index on text"),
        ("migrator.drop_constraints('notes', 'ck_x')", "no table constraint ck_x"),
        ("migrator.add_index('notes', 'text', name='mine')", "must start with ix_"),
        ("migrator.change_fields('notes', text=TextField(max_length=2))", "ck_notes_text"),
        ("migrator.add_index('notes', 'text', unique=True)", "uq_notes_text"),
        ("migrator.add_constraint('notes', 'ck_notes_long', 'CHECK (length(text) > 4)')", "ck_notes_long"),
        (NOTES, "notes"),
        ("migrator.run(1, 2", "SyntaxError"),
    ],
)
def test_a_failed_migration_leaves_the_database_as_it_was(database, files, body, says):
    """Whatever fails, after however many steps: file and line are named, nothing stays, and a mended file then runs."""
    files.write("001_notes", NOTES)
    migrations.migrate(history="mine")
    for n in (1, 2):
        database.execute_sql(INSERT.format(n=n, text="long"))
    before = (migrations.catalog(), database.fetch("SELECT * FROM notes", ()), migrations.status().as_dict())
    first = (
        "migrator.sql(\"UPDATE notes SET text = 'lost'\")\nmigrator.add_fields('notes', lost=IntegerField(null=True))\n"
    )
    if says == "uq_notes_text":
        first = ""
    path = files.write("002_bad", first + "# 100 % sure\n" + body)
    with pytest.raises(MigrationError) as caught:
        migrations.migrate(history="mine")
    assert says in caught.value.why
    assert caught.value.why.startswith("002_bad.py, line ")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert caught.value.meta["line"] >= lines.index("    # 100 % sure") + 2
    path.unlink()
    after = (migrations.catalog(), database.fetch("SELECT * FROM notes", ()), migrations.status().as_dict())
    assert after == before
    assert not database.in_transaction()
    files.write("002_good", "migrator.add_fields('notes', kept=IntegerField(null=True))")
    assert migrations.migrate(history="mine").applied == ["mine: 002_good"]


def test_tracebacks_show_the_file_and_its_line(database, files):
    """The traceback of a failing data step reads like that of any other module."""
    path = files.write("001_bad", "def fill():\n    return [][0]  # this very line\nmigrator.run(fill)")
    with pytest.raises(MigrationError) as caught:
        migrations.migrate(history="mine")
    shown = "".join(traceback.format_exception(caught.value))
    assert str(path) in shown
    assert "return [][0]  # this very line" in shown


def test_the_very_first_migration_fails(database, files):
    """Nothing of our own books stays either."""
    files.write("001_bad", "migrator.sql('no SQL')")
    with pytest.raises(MigrationError, match="001_bad"):
        migrations.migrate(history="mine")
    assert migrations.catalog().tables == {}
    assert migrations.status().state == "empty"


def test_an_edited_file_is_reported_and_refused(database, files):
    """Status says which file was edited; migrate and rollback refuse, until it is undone or acknowledged."""
    path = files.write("001_notes", NOTES, "migrator.remove_model('notes')")
    files.write("002_more", "pass")
    migrations.migrate(to="1", history="mine")
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    found = migrations.status()
    assert (found.state, found.edited) == ("edited", ["mine: 001_notes"])
    assert {"migration": "mine: 001_notes", "state": "edited"}.items() <= found.rows()[0].items()
    for action in (migrations.migrate, migrations.rollback, migrations.plan):
        with pytest.raises(MigrationError, match=r"001_notes\.py was edited"):
            action(history="mine")
    assert migrations.migrate(resolve_applied="001_notes", history="mine").marked == ["mine: 001_notes"]
    assert migrations.status().edited == []
    assert migrations.migrate(history="mine").applied == ["mine: 002_more"]


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
def test_line_endings_are_no_edit(database, files, ending):
    """A checkout that changed the line endings does not make a file an edited one."""
    path = files.write("001_notes", NOTES)
    migrations.migrate(history="mine")
    path.write_bytes(path.read_bytes().replace(b"\n", ending))
    assert migrations.status().edited == []
    assert migrations.migrate(history="mine").applied == []


def test_a_late_file_is_reported_and_refused(database, files):
    """A file whose number is below an applied one is refused until it is renumbered or marked."""
    files.write("002_notes", NOTES)
    migrations.migrate(history="mine")
    late = files.write("001_late", "migrator.sql('CREATE TABLE late (a INTEGER)')")
    found = migrations.status()
    assert (found.late, found.rows()[-1]["state"]) == (["mine: 001_late"], "late")
    with pytest.raises(MigrationError, match=r"001_late\.py has a lower number"):
        migrations.migrate(history="mine")
    assert "late" not in migrations.catalog().tables
    late.rename(late.with_name("003_late.py"))
    assert migrations.migrate(history="mine").applied == ["mine: 003_late"]


def test_an_unknown_applied_migration_is_ahead(database, files):
    """A database written by newer code is told by name, and neither migrated nor rolled back."""
    files.write("001_notes", NOTES)
    newer = files.write("002_newer", "pass", "pass")
    migrations.migrate()
    newer.unlink()
    found = migrations.status()
    assert (found.state, found.unknown) == ("ahead", ["mine: 002_newer"])
    assert found.rows()[-1]["state"] == "unknown"
    for action in (migrations.migrate, migrations.rollback, migrations.plan):
        with pytest.raises(SchemaAheadError, match="002_newer"):
            action(history="mine")


def test_history_of_a_domain_that_is_not_registered_does_not_matter(database, files):
    """A program that does not know somebody else's domain works on the same database."""
    files.write("001_notes", NOTES)
    migrations.migrate()
    registry.unregister("mine")
    assert migrations.status().state == "current"
    assert migrations.migrate().applied == []


def test_a_foreign_database_is_recognised(database):
    """Tables without our books are foreign; setting the environment there is refused, migrating leaves them alone."""
    database.execute_sql("CREATE TABLE theirs (a INTEGER)")
    database.execute_sql("INSERT INTO theirs VALUES (1)")
    assert migrations.status().state == "foreign"
    with pytest.raises(ForeignDatabaseError, match="theirs"):
        migrations.set_environment("production")
    assert set(migrations.catalog().tables) == {"theirs"}
    migrations.migrate()
    assert migrations.status().state == "current"
    assert database.fetch("SELECT a FROM theirs", ()) == [(1,)]


def test_somebody_elses_table_of_our_name_is_not_adopted(database):
    """Where the database has a table called users already, the migration that makes ours fails and says so."""
    database.execute_sql("CREATE TABLE users (a INTEGER)")
    with pytest.raises(MigrationError, match="users"):
        migrations.migrate()
    assert list(migrations.catalog().tables["users"].columns) == ["a"]


def test_resolve_applied_marks_without_running(database, files):
    """A migration whose tables exist already is recorded without running it, and what follows builds on it."""
    files.write("001_notes", NOTES)
    files.write("002_more", "migrator.add_fields('notes', pages=IntegerField(null=True))")
    migrations.migrate(history="mine", to="1")
    database.execute_sql("DELETE FROM datapkg_migrations")
    with pytest.raises(MigrationError, match="notes"):
        migrations.migrate(history="mine")
    assert migrations.migrate(resolve_applied="1", history="mine").marked == ["mine: 001_notes"]
    assert migrations.migrate(history="mine").applied == ["mine: 002_more"]
    assert "pages" in migrations.catalog().tables["notes"].columns
    with pytest.raises(MigrationError, match="no migration '003'"):
        migrations.migrate(resolve_applied="003", history="mine")


def test_a_missing_folder_is_an_error_and_stays_missing(database, tmp_path):
    """A domain whose folder is not there is named; no folder is made, no migration is run."""
    folder = tmp_path / "nowhere"
    registry.register(Domain(name="lost", models=(), migrations=folder))
    try:
        for action in (migrations.migrate, migrations.status, migrations.plan):
            with pytest.raises(MigrationError, match="nowhere of lost does not exist"):
                action()
    finally:
        registry.unregister("lost")
    assert not folder.exists()


def test_two_files_of_one_number_are_refused(database, files):
    """Which of two files with one number comes first would depend on their names: neither is run."""
    files.write("001_notes", NOTES)
    files.write("001_others", "pass")
    with pytest.raises(MigrationError, match=r"001_notes\.py and 001_others\.py of mine have the same number"):
        migrations.migrate(history="mine")


def test_a_file_without_migrate_is_refused(database, files):
    """A file that has no function migrate is an error, not a migration that does nothing."""
    (files.folder / "001_empty.py").write_text("def upgrade(): pass\n", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"001_empty\.py.*has no function migrate"):
        migrations.migrate(history="mine")


def test_other_files_in_the_folder_are_left_alone(database, files):
    """Only files named like migrations are."""
    files.write("001_notes", NOTES)
    for name in ("__init__.py", "notes.py", "01_short.py", "002_notes.txt", "002_a.b.py"):
        (files.folder / name).write_text("raise SystemExit", encoding="utf-8")
    assert migrations.migrate(history="mine").applied == ["mine: 001_notes"]


@pytest.mark.parametrize("action", [migrations.migrate, migrations.rollback])
def test_no_migration_inside_an_open_transaction(database, files, action):
    """Inside a transaction SQLite cannot switch foreign keys off, so migrating and rolling back are refused there."""
    files.write("001_notes", NOTES)
    with database.atomic(), pytest.raises(MigrationError, match="inside an open transaction"):
        action()
    assert migrations.catalog().tables == {}


@pytest.mark.datapkg_engines("sqlite")
def test_no_migration_inside_a_transaction_of_the_drivers(database, files):
    """A transaction that somebody began on the driver's connection is noticed too."""
    files.write("001_notes", NOTES)
    database.connection().execute("BEGIN")
    with pytest.raises(MigrationError, match="inside an open transaction"):
        migrations.migrate(history="mine")
    database.connection().execute("ROLLBACK")


def test_a_table_cannot_go_while_others_refer_to_it(database, files):
    """Dropping a parent is refused on both engines, also while its children are empty."""
    files.write("001_notes", NOTES)
    files.write(
        "002_marks",
        """
        @migrator.create_model
        class Mark(Model):
            note = ForeignKey(migrator.orm["notes"], on_delete="CASCADE")
            class Meta:
                table_name = "marks"
        """,
    )
    files.write("003_bad", "migrator.remove_model('notes')")
    with pytest.raises(MigrationError, match="marks"):
        migrations.migrate(history="mine")
    assert "notes" in migrations.catalog().tables


def test_a_data_step_cannot_leave_orphans(database, files):
    """Rows that refer to nothing are refused at the end of a migration, on SQLite too, where keys are off meanwhile."""
    files.write("001_notes", NOTES)
    files.write(
        "002_marks",
        """
        @migrator.create_model
        class Mark(Model):
            note = ForeignKey(migrator.orm["notes"], on_delete="CASCADE")
            class Meta:
                table_name = "marks"
        """,
    )
    files.write(
        "003_bad", "migrator.run(lambda: migrator.orm['marks'].create(note='0192e4a0-0000-7000-8000-000000000009'))"
    )
    with pytest.raises(MigrationError) as caught:
        migrations.migrate(history="mine")
    if database.dialect.name == "sqlite":
        assert isinstance(caught.value, UnsafeMigrationError)
        assert "1 rows of marks refer to notes" in caught.value.why
    assert database.fetch("SELECT count(*) FROM marks", ()) == [(0,)]
    assert migrations.status().pending[-1] == "mine: 003_bad"
