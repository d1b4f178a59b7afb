"""Columns that never change: the triggers of ``Meta.immutable`` in and after migrations."""

from __future__ import annotations

import uuid

import pytest

from datapkg.errors import DatapkgError
from datapkg.kit.database import transaction
from datapkg.operations import migrations

NOTES = """
@migrator.create_model
class Note(MutableModel):
    text = TextField(max_length=20)
    origin = JSONField()
    class Meta:
        table_name = "notes"
        {meta}
"""
IMMUTABLE = 'immutable = ("origin",)'
WIDER = 'migrator.change_fields("notes", text=TextField(max_length=40))'
NARROWER = 'migrator.change_fields("notes", text=TextField(max_length=20))'


def add_note(database):
    """A row, by SQL; its key."""
    key = str(uuid.uuid4())
    marks = ", ".join([database.dialect.param] * 5)
    at = "2024-01-01T00:00:00.000000Z"
    database.change(
        f"INSERT INTO notes (id, created_at, updated_at, text, origin) VALUES ({marks})",
        (key, at, at, "first", '{"from": "a"}'),
    )
    return key


def assert_kept(database, key):
    """The column refuses another value, takes its own again, and leaves the other columns alone."""
    mark = database.dialect.param
    with pytest.raises(DatapkgError, match=r"notes\.origin never changes"), transaction():
        database.change(f"UPDATE notes SET text = {mark}, origin = {mark} WHERE id = {mark}", ("x", '{"from": 1}', key))
    for value in ("second", "first"):
        database.change(
            f"UPDATE notes SET text = {mark}, origin = {mark} WHERE id = {mark}", (value, '{"from": "a"}', key)
        )
    assert database.fetch(f"SELECT text FROM notes WHERE id = {mark}", (key,)) == [("first",)]


def test_an_immutable_column_stays_immutable_through_migrations(database, files):
    """Made with its trigger; a change of another column, a rebuild on SQLite, and its rollback keep it."""
    files.write("001_notes", NOTES.format(meta=IMMUTABLE), 'migrator.remove_model("notes")')
    migrations.migrate(history="mine")
    key = add_note(database)
    assert_kept(database, key)
    before = migrations.catalog().tables["notes"]
    assert set(before.triggers) == set(database.dialect.immutable_trigger_names("notes", column="origin"))
    files.write("002_wider", WIDER, NARROWER)
    migrations.migrate(history="mine")
    assert migrations.catalog().tables["notes"].triggers == before.triggers
    assert_kept(database, key)
    migrations.rollback(history="mine")
    assert migrations.catalog().tables["notes"].triggers == before.triggers
    assert_kept(database, key)
    migrations.rollback(history="mine")
    assert "notes" not in migrations.catalog().tables
    files.write("001_notes", NOTES.format(meta="pass"), 'migrator.remove_model("notes")')
    (files.folder / "002_wider.py").unlink()
    migrations.migrate(history="mine")
    plain = migrations.catalog().tables["notes"]
    assert plain.triggers == {}
    key = add_note(database)
    assert database.change(f"UPDATE notes SET origin = '[]' WHERE id = {database.dialect.param}", (key,)) == 1


def test_a_lost_trigger_of_an_immutable_column_is_told(database):
    """The comparison of catalogs names a dropped trigger of the replies' snapshot."""
    migrations.migrate()
    whole = migrations.catalog()
    (name, *_) = database.dialect.immutable_trigger_names("replies", column="decision_snapshot")
    assert name in whole.tables["replies"].triggers
    on = " ON replies" if database.dialect.name == "postgresql" else ""
    database.execute_sql(f"DROP TRIGGER {name}{on}")
    assert migrations.difference(migrations.catalog(), whole) == [f"table replies: trigger {name} is missing"]
    assert migrations.difference(whole, migrations.catalog()) == [f"table replies: trigger {name} should not be there"]


@pytest.mark.datapkg_engines("sqlite")
def test_replacing_a_row_does_not_change_its_immutable_column(database, files):
    """``OR REPLACE`` under the same key is refused with another value and accepted with the same."""
    files.write("001_notes", NOTES.format(meta=IMMUTABLE))
    migrations.migrate(history="mine")
    key = add_note(database)
    replace = "INSERT OR REPLACE INTO notes SELECT id, created_at, updated_at, 'second', {} FROM notes"
    for recursive in (1, 0):  # on, as in our connections, and as a foreign client leaves it
        database.execute_sql(f"PRAGMA recursive_triggers = {recursive}")
        with pytest.raises(DatapkgError, match="never changes"):
            database.change(replace.format("'[1]'"), ())
    assert database.change(replace.format("origin"), ()) == 1
    assert database.fetch("SELECT id, text FROM notes", ()) == [(key, "second")]
