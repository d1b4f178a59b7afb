"""What operations do beyond one table's shape: values, renamed indexes, refusals."""

from __future__ import annotations

import pytest

from datapkg.errors import MigrationError, UnsafeMigrationError
from datapkg.kit.database import override
from datapkg.operations import migrations

PARTIAL = """
{model}.add_index(pw.ModelIndex({model}, [{model}.{field}], where=pw.SQL("pages > 1")))
{model}.add_index(pw.ModelIndex({model}, [{model}.{field}], unique=True, name="uq_mine", where=pw.SQL("pages > 2")))
"""


def test_index_objects_follow_renames(database, files, new_url, connect, notes):
    """A partial index that is named after table and column is renamed with them; one with its own name keeps it."""
    files.write("001_first", notes.models(after=PARTIAL.format(model="Note", field="text")))
    files.write(
        "002_change",
        """
        migrator.rename_table("notes", "papers")
        migrator.rename_field("papers", "text", "body")
        migrator.add_default("papers", "parent", None)
        """,
        """
        migrator.rename_field("papers", "body", "text")
        migrator.rename_table("papers", "notes")
        """,
    )
    migrations.migrate(history="mine", to="1")
    notes.fill(database)
    before = (migrations.catalog(), notes.everything(database))
    migrations.migrate(history="mine")
    changed = migrations.catalog()
    assert {"ix_papers_body", "uq_mine"} <= set(changed.tables["papers"].indexes)
    migrations.rollback(history="mine")
    assert (migrations.difference(migrations.catalog(), before[0]), notes.everything(database)) == ([], before[1])
    (files.folder / "002_change.py").unlink()
    new = {"text": None, "body": "<text>", "meta": 'indexes = ((("body", "kind"), True),)', "table": "papers"}
    files.write("001_first", notes.models(**new, after=PARTIAL.format(model="Note", field="body")))
    with override(connect(new_url())):
        migrations.migrate(history="mine")
        assert migrations.difference(changed, migrations.catalog()) == []


def test_references_with_a_backref_can_go(database, files, notes):
    """A plain Peewee reference, which put an attribute on the model it refers to, can be renamed and removed."""
    files.write(
        "001_first", notes.models(author='pw.ForeignKeyField(Author, backref="notes", null=True, on_delete="SET NULL")')
    )
    files.write("002_rename", 'migrator.rename_field("notes", "author", "writer")')
    files.write("003_remove", 'migrator.remove_fields("notes", "writer")')
    migrations.migrate(history="mine", to="1")
    notes.fill(database)
    migrations.migrate(history="mine", to="2")
    assert [row[0] is None for row in database.fetch("SELECT writer_id FROM notes ORDER BY id", ())][:2] == [
        False,
        True,
    ]
    migrations.migrate(history="mine")
    assert "writer_id" not in migrations.catalog().tables["notes"].columns


def test_what_a_field_cannot_say_is_refused(database, files, notes):
    """A constraint other than a default, smuggled into a changed field, is refused on PostgreSQL, not dropped."""
    files.write("001_first", notes.models())
    change = 'IntegerField(min=0, null=True, constraints=[pw.SQL("CHECK (pages <> 3)")])'
    files.write("002_change", f'migrator.change_fields("notes", pages={change})')
    migrations.migrate(history="mine", to="1")
    if database.dialect.name == "sqlite":
        migrations.migrate(history="mine")
        assert "(unnamed) pages <> 3" in migrations.catalog().tables["notes"].checks
    else:
        with pytest.raises(UnsafeMigrationError, match="cannot get 'CHECK"):
            migrations.migrate(history="mine")


def test_constraints_need_names(database, files, notes):
    """A table constraint without a name could never be dropped, so it is refused, and told how to name it."""
    files.write("001_first", notes.models(meta='constraints = [pw.Check("pages > 1")]'))
    with pytest.raises(MigrationError, match=r"without a name: CHECK \(pages > 1\)") as caught:
        migrations.migrate(history="mine")
    assert "ck_notes_" in caught.value.fix


def test_values_survive_a_change_of_type(database, files, notes):
    """A decimal keeps its value when its scale grows, a number its digits as text, and a default fills old rows."""
    files.write("001_first", notes.models())
    migrations.migrate(history="mine")
    notes.fill(database)
    files.write(
        "002_change",
        """
        migrator.change_fields("notes", price=DecimalField(max_digits=9, scale=4, null=True))
        migrator.change_fields("notes", pages=TextField(max_length=20, null=True))
        from datetime import datetime
        at = datetime.fromisoformat("2024-05-01T00:00:00+02:00")
        migrator.add_fields("notes", at=TimestampField(default=lambda: at))

        def look():
            rows = migrator.orm["notes"].select().order_by(pw.SQL("id")).limit(2)
            seen = [(str(row.price), row.pages, row.at.isoformat()) for row in rows]
            (HERE / "seen").write_text(repr(seen))

        migrator.run(look)
        """,
    )
    migrations.migrate(history="mine")
    seen = (files.folder / "seen").read_text(encoding="utf-8")
    at = "2024-04-30T22:00:00+00:00"
    assert seen == repr([("1.5000", "1", at), ("3.0000", "2", at)])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pages=TimestampField(null=True)", "from INT to TIMESTAMPTZ"),
        ("price=TextField(max_length=9, null=True)", "from DECIMAL to TEXT"),
        ("text=JSONField()", "from TEXT to JSON"),
    ],
)
def test_types_that_the_engines_convert_differently_are_refused(database, files, change, says, notes):
    """Where SQLite and PostgreSQL would make different values of the old ones, a data step has to."""
    files.write("001_first", notes.models())
    files.write("002_change", f'migrator.change_fields("notes", {change})')
    with pytest.raises(UnsafeMigrationError, match=says):
        migrations.migrate(history="mine")


def test_a_smaller_scale_never_rounds(database, files, notes):
    """A scale that would cut digits off is refused on both engines; one that would not is not."""
    files.write("001_first", notes.models())
    migrations.migrate(history="mine")
    notes.fill(database)
    bad = files.write(
        "002_scale", 'migrator.change_fields("notes", price=DecimalField(max_digits=6, scale=0, null=True))'
    )
    with pytest.raises(MigrationError, match="price"):
        migrations.migrate(history="mine")
    bad.unlink()
    files.write("002_scale", 'migrator.change_fields("notes", price=DecimalField(max_digits=6, scale=1, null=True))')
    migrations.migrate(history="mine")
    assert [float(price) for (price,) in database.fetch("SELECT price FROM notes ORDER BY id", ())][:2] in (
        [15, 30],
        [1.5, 3.0],
    )


def test_several_operations_on_one_table_each_see_the_state_before(database, files, notes):
    """Operations and data steps interleave in the order in which they stand in the file."""
    files.write("001_first", notes.models())
    migrations.migrate(history="mine")
    notes.fill(database)
    files.write(
        "002_split",
        """
        migrator.add_fields("notes", title=TextField(max_length=20, null=True))
        migrator.sql("UPDATE notes SET title = text")
        migrator.add_not_null("notes", "title")
        migrator.rename_field("notes", "title", "heading")
        migrator.sql("UPDATE notes SET heading = heading || '!'")
        migrator.change_fields("notes", heading=TextField(max_length=3))
        """,
    )
    migrations.migrate(history="mine")
    assert database.fetch("SELECT heading FROM notes ORDER BY id", ())[:2] == [("t1!",), ("t2!",)]
    facts = migrations.catalog().tables["notes"]
    assert not facts.columns["heading"].nullable
    assert "3" in facts.checks["ck_notes_heading"]
    assert "ck_notes_title" not in facts.checks


def test_an_append_only_table_can_be_changed(database, files, notes):
    """A new column with a default fills the rows of an append-only table, whose triggers are there afterwards."""
    files.write("001_first", notes.models(meta="<indexes>\n        append_only = True"))
    migrations.migrate(history="mine")
    notes.fill(database)
    triggers = migrations.catalog().tables["notes"].triggers
    files.write("002_more", 'migrator.add_fields("notes", extra=IntegerField(default=3))')
    migrations.migrate(history="mine")
    assert set(database.fetch("SELECT extra FROM notes", ())) == {(3,)}
    assert migrations.catalog().tables["notes"].triggers == triggers
    with pytest.raises(Exception, match="append-only"):
        database.execute_sql("UPDATE notes SET extra = 4")
