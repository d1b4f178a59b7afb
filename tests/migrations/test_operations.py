"""Every operation, on both engines: the table it leaves is the table that the new model would have made."""

from __future__ import annotations

import pytest

from datapkg.errors import MigrationError, UnsafeMigrationError
from datapkg.kit.database import override
from datapkg.operations import migrations

MODELS = """
@migrator.create_model
class Author(Model):
    name = TextField(max_length=50)
    class Meta:
        table_name = "authors"

@migrator.create_model
class Note(MutableModel):
{fields}
    class Meta:
        table_name = "{table}"
{meta}

@migrator.create_model
class Mark(Model):
    note = ForeignKey(Note, on_delete="CASCADE")
    class Meta:
        table_name = "marks"
"""
FIELDS = {
    "text": "TextField(max_length=20)",
    "kind": 'EnumField(choices=("a", "b"), default="a", index=True)',
    "pages": "IntegerField(min=0, null=True)",
    "price": "DecimalField(max_digits=6, scale=2, null=True)",
    "author": 'ForeignKey(Author, on_delete="RESTRICT", null=True)',
    "parent": 'ForeignKey("self", on_delete="SET NULL", null=True)',
    "code": "TextField(max_length=5, unique=True, null=True)",
}
INDEXES = 'indexes = ((("text", "kind"), True),)'
NEW_AUTHOR = 'ForeignKey(migrator.orm["authors"], on_delete="{rule}", null=True)'

# What is done, how it is undone, and in what the model differs afterwards.
CASES = {
    "add a nullable field": (
        'add_fields("notes", extra=JSONField(null=True))',
        'remove_fields("notes", "extra")',
        {"extra": "JSONField(null=True)"},
    ),
    "add a field with a default": (
        'add_fields("notes", extra=EnumField(choices=("100 %", "b\'c"), default="100 %"))',
        'remove_fields("notes", "extra")',
        {"extra": 'EnumField(choices=("100 %", "b\'c"))'},
    ),
    "add a nullable field with a default": (
        'add_fields("notes", extra=DecimalField(scale=3, null=True, default="1.5"))',
        'remove_fields("notes", "extra")',
        {"extra": "DecimalField(scale=3, null=True)"},
    ),
    "add a unique field": (
        'add_fields("notes", extra=IntegerField(null=True, unique=True))',
        'remove_fields("notes", "extra")',
        {"extra": "IntegerField(null=True, unique=True)"},
    ),
    "add a reference": (
        'add_fields("notes", editor=ForeignKey(migrator.orm["authors"], on_delete="SET NULL", null=True))',
        'remove_fields("notes", "editor")',
        {"editor": 'ForeignKey(Author, on_delete="SET NULL", null=True)'},
    ),
    "remove fields": (
        'remove_fields("notes", "kind", "author")',
        None,
        {"kind": None, "author": None, "meta": ""},
    ),
    "rename a field": (
        'rename_field("notes", "kind", "sort")',
        'rename_field("notes", "sort", "kind")',
        {"kind": None, "sort": FIELDS["kind"], "meta": INDEXES.replace("kind", "sort")},
    ),
    "rename a unique field": (
        'rename_field("notes", "code", "sign")',
        'rename_field("notes", "sign", "code")',
        {"code": None, "sign": FIELDS["code"]},
    ),
    "rename a reference": (
        'rename_field("notes", "author", "writer")',
        'rename_field("notes", "writer", "author")',
        {"author": None, "writer": FIELDS["author"]},
    ),
    "rename a reference to itself": (
        'rename_field("notes", "parent", "origin")',
        'rename_field("notes", "origin", "parent")',
        {"parent": None, "origin": FIELDS["parent"]},
    ),
    "rename the table": ('rename_table("notes", "papers")', 'rename_table("papers", "notes")', {"table": "papers"}),
    "longer text": (
        'change_fields("notes", text=TextField(max_length=30))',
        'change_fields("notes", text=TextField(max_length=20))',
        {"text": "TextField(max_length=30)"},
    ),
    "more choices": (
        'change_fields("notes", kind=EnumField(choices=("a", "b", "c"), default="a", index=True))',
        f'change_fields("notes", kind={FIELDS["kind"]})',
        {"kind": 'EnumField(choices=("a", "b", "c"), index=True)'},
    ),
    "a wider number": (
        'change_fields("notes", pages=BigIntegerField(null=True))',
        f'change_fields("notes", pages={FIELDS["pages"]})',
        {"pages": "BigIntegerField(null=True)"},
    ),
    "a number as text": (
        'change_fields("notes", pages=TextField(max_length=20, null=True))',
        f'change_fields("notes", pages={FIELDS["pages"]})',
        {"pages": "TextField(max_length=20, null=True)"},
    ),
    "another scale": (
        'change_fields("notes", price=DecimalField(max_digits=9, scale=4, null=True))',
        f'change_fields("notes", price={FIELDS["price"]})',
        {"price": "DecimalField(max_digits=9, scale=4, null=True)"},
    ),
    "unique from now on": (
        'change_fields("notes", pages=IntegerField(min=0, null=True, unique=True))',
        f'change_fields("notes", pages={FIELDS["pages"]})',
        {"pages": "IntegerField(min=0, null=True, unique=True)"},
    ),
    "another column name": (
        'change_fields("notes", pages=IntegerField(min=0, null=True, column_name="page_count"))',
        f'change_fields("notes", pages={FIELDS["pages"]})',
        {"pages": 'IntegerField(min=0, null=True, column_name="page_count")'},
    ),
    "another rule of deletion": (
        f'change_fields("notes", author={NEW_AUTHOR.format(rule="CASCADE")})',
        f'change_fields("notes", author={NEW_AUTHOR.format(rule="RESTRICT")})',
        {"author": 'ForeignKey(Author, on_delete="CASCADE", null=True)'},
    ),
    "a reference no more": (
        'change_fields("notes", author=UUIDField(null=True, column_name="author_id"))',
        f'change_fields("notes", author={NEW_AUTHOR.format(rule="RESTRICT")})',
        {"author": 'UUIDField(null=True, column_name="author_id")'},
    ),
    "required": (
        'add_not_null("notes", "pages", "code")',
        'drop_not_null("notes", "pages", "code")',
        {"pages": "IntegerField(min=0)", "code": "TextField(max_length=5, unique=True)"},
    ),
    "add an index": (
        'add_index("notes", "pages", "price")',
        'drop_index("notes", "pages", "price")',
        {"meta": 'indexes = ((("text", "kind"), True), (("pages", "price"), False))'},
    ),
    "add a unique index": (
        'add_index("notes", "pages", unique=True)',
        'drop_index("notes", "pages")',
        {"pages": "IntegerField(min=0, null=True, unique=True)"},
    ),
    "drop an index": (
        'drop_index("notes", "text", "kind")',
        'add_index("notes", "text", "kind", unique=True)',
        {"meta": ""},
    ),
    "drop a field's index": (
        'drop_index("notes", "kind")',
        'add_index("notes", "kind")',
        {"kind": 'EnumField(choices=("a", "b"))'},
    ),
    "add a partial index": (
        'add_index("notes", "text", unique=True, name="uq_notes_drafts", where=pw.SQL("kind = \'a\'"))',
        'drop_index("notes", name="uq_notes_drafts")',
        {
            "after": 'Note.add_index(pw.ModelIndex(Note, [Note.text], unique=True, name="uq_notes_drafts", where=pw.SQL("kind = \'a\'")))'
        },
    ),
    "add a constraint": (
        'add_constraint("notes", "ck_notes_rule", "CHECK (pages > 1 OR text <> \'100 %\')")',
        'drop_constraints("notes", "ck_notes_rule")',
        {"meta": INDEXES + '\n        constraints = [pw.Check("pages > 1 OR text <> \'100 %\'", "ck_notes_rule")]'},
    ),
    "append-only": (
        'set_append_only("notes")',
        'set_append_only("notes", False)',
        {"meta": INDEXES + "\n        append_only = True"},
    ),
    "a default": ('add_default("notes", "pages", 7)', "orm", {}),
}
ID = "0192e4a0-0000-7000-8000-{:012d}"
AT = "2024-01-01T00:00:00.000000Z"


def models(**changes):
    """The two-table state, with these fields, this table name or these Meta lines instead."""
    table, meta, after = (
        changes.pop(name, default) for name, default in (("table", "notes"), ("meta", INDEXES), ("after", ""))
    )
    fields = {**FIELDS, **changes}
    lines = "\n".join(f"    {name} = {made}" for name, made in fields.items() if made)
    text = MODELS.format(fields=lines, meta=f"        {meta}" if meta else "", table=table)
    return text.replace("\n@migrator.create_model\nclass Note", "\nclass Note").replace(
        "@migrator.create_model\nclass Mark",
        f"{after}\nmigrator.create_model(Note)\n\n@migrator.create_model\nclass Mark",
    )


def fill(database):
    """Rows in every table: parents, children, references to themselves."""
    database.execute_sql(f"INSERT INTO authors (id, created_at, name) VALUES ('{ID.format(1)}', '{AT}', 'A')")
    for n in range(1, 6):
        parent, author = (f"'{ID.format(n - 1)}'" if n > 1 else "NULL"), (f"'{ID.format(1)}'" if n % 2 else "NULL")
        price = n * 150 if database.dialect.name == "sqlite" else n * 1.5
        database.execute_sql(
            "INSERT INTO notes (id, created_at, updated_at, text, kind, pages, price, author_id, parent_id, code) VALUES "
            f"('{ID.format(n)}', '{AT}', '{AT}', 't{n}', 'b', {n}, {price}, {author}, {parent}, 'c{n}')"
        )
        database.execute_sql(
            f"INSERT INTO marks (id, created_at, note_id) VALUES ('{ID.format(n)}', '{AT}', '{ID.format(n)}')"
        )


def everything(database):
    """All rows, columns in the order of their names."""
    found = {}
    for table, facts in migrations.catalog(database=database).tables.items():
        if not table.startswith("datapkg_"):
            columns = sorted(facts.columns)
            listed = ", ".join(f'"{column}"' for column in columns)
            found[table] = (columns, database.fetch(f'SELECT {listed} FROM "{table}" ORDER BY id', ()))
    return found


@pytest.mark.parametrize("case", CASES)
def test_an_operation_makes_the_new_models_table(case, database, files, new_url, connect):
    """The catalog afterwards is the new model's, no row of any table is lost, and the rollback restores both."""
    operation, back, changes = CASES[case]
    files.write("001_first", models())
    migrations.migrate(history="mine")
    fill(database)
    before = (migrations.catalog(), everything(database))
    files.write("002_change", f"migrator.{operation}", None if back is None else f"migrator.{back}")
    migrations.migrate(history="mine")
    changed = migrations.catalog()
    (files.folder / "002_change.py").rename(files.folder / "002_change.bak")
    other = connect(new_url())
    files.write("001_first", models(**changes))
    with override(other):
        migrations.migrate(history="mine")
        assert migrations.difference(changed, migrations.catalog()) == []
    counts = [len(rows) for _, rows in everything(database).values()]
    assert sorted(counts) == [1, 5, 5]
    if back is not None:
        files.write("001_first", models())
        (files.folder / "002_change.bak").rename(files.folder / "002_change.py")
        migrations.rollback(history="mine")
        assert migrations.difference(migrations.catalog(), before[0]) == []
        assert everything(database) == before[1]


def test_values_survive_a_change_of_type(database, files):
    """A decimal keeps its value when its scale grows, a number its digits as text, and a default fills old rows."""
    files.write("001_first", models())
    migrations.migrate(history="mine")
    fill(database)
    files.write(
        "002_change",
        """
        migrator.change_fields("notes", price=DecimalField(max_digits=9, scale=4, null=True))
        migrator.change_fields("notes", pages=TextField(max_length=20, null=True))
        migrator.add_fields("notes", at=TimestampField(default=lambda: __import__("datetime").datetime.fromisoformat("2024-05-01T00:00:00+02:00")))
        migrator.run(lambda: (HERE / "seen").write_text(repr(
            [(str(note.price), note.pages, note.at.isoformat()) for note in migrator.orm["notes"].select().order_by(pw.SQL("id"))][:2]
        )))
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
def test_types_that_the_engines_convert_differently_are_refused(database, files, change, says):
    """Where SQLite and PostgreSQL would make different values of the old ones, a data step has to."""
    files.write("001_first", models())
    files.write("002_change", f'migrator.change_fields("notes", {change})')
    with pytest.raises(UnsafeMigrationError, match=says):
        migrations.migrate(history="mine")


def test_a_smaller_scale_never_rounds(database, files):
    """A scale that would cut digits off is refused on both engines; one that would not is not."""
    files.write("001_first", models())
    migrations.migrate(history="mine")
    fill(database)
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


def test_several_operations_on_one_table_each_see_the_state_before(database, files):
    """Operations and data steps interleave in the order in which they stand in the file."""
    files.write("001_first", models())
    migrations.migrate(history="mine")
    fill(database)
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


def test_an_append_only_table_can_be_changed(database, files):
    """A new column with a default fills the rows of an append-only table, whose triggers are there afterwards."""
    files.write("001_first", models(meta=INDEXES + "\n        append_only = True"))
    migrations.migrate(history="mine")
    fill(database)
    triggers = migrations.catalog().tables["notes"].triggers
    files.write("002_more", 'migrator.add_fields("notes", extra=IntegerField(default=3))')
    migrations.migrate(history="mine")
    assert set(database.fetch("SELECT extra FROM notes", ())) == {(3,)}
    assert migrations.catalog().tables["notes"].triggers == triggers
    with pytest.raises(Exception, match="append-only"):
        database.execute_sql("UPDATE notes SET extra = 4")
