"""Every operation, on both engines: the table it leaves is the table that the new model would have made."""

from __future__ import annotations

import pytest

from datapkg.kit.database import override
from datapkg.operations import migrations

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
        {"kind": None, "sort": "<kind>", "meta": 'indexes = ((("text", "sort"), True),)'},
    ),
    "rename a unique field": (
        'rename_field("notes", "code", "sign")',
        'rename_field("notes", "sign", "code")',
        {"code": None, "sign": "<code>"},
    ),
    "rename a reference": (
        'rename_field("notes", "author", "writer")',
        'rename_field("notes", "writer", "author")',
        {"author": None, "writer": "<author>"},
    ),
    "rename a reference to itself": (
        'rename_field("notes", "parent", "origin")',
        'rename_field("notes", "origin", "parent")',
        {"parent": None, "origin": "<parent>"},
    ),
    "rename the table": ('rename_table("notes", "papers")', 'rename_table("papers", "notes")', {"table": "papers"}),
    "longer text": (
        'change_fields("notes", text=TextField(max_length=30))',
        'change_fields("notes", text=TextField(max_length=20))',
        {"text": "TextField(max_length=30)"},
    ),
    "more choices": (
        'change_fields("notes", kind=EnumField(choices=("a", "b", "c"), default="a", index=True))',
        'change_fields("notes", kind=<kind>)',
        {"kind": 'EnumField(choices=("a", "b", "c"), index=True)'},
    ),
    "a wider number": (
        'change_fields("notes", pages=BigIntegerField(null=True))',
        'change_fields("notes", pages=<pages>)',
        {"pages": "BigIntegerField(null=True)"},
    ),
    "a number as text": (
        'change_fields("notes", pages=TextField(max_length=20, null=True))',
        'change_fields("notes", pages=<pages>)',
        {"pages": "TextField(max_length=20, null=True)"},
    ),
    "another scale": (
        'change_fields("notes", price=DecimalField(max_digits=9, scale=4, null=True))',
        'change_fields("notes", price=<price>)',
        {"price": "DecimalField(max_digits=9, scale=4, null=True)"},
    ),
    "unique from now on": (
        'change_fields("notes", pages=IntegerField(min=0, null=True, unique=True))',
        'change_fields("notes", pages=<pages>)',
        {"pages": "IntegerField(min=0, null=True, unique=True)"},
    ),
    "another column name": (
        'change_fields("notes", pages=IntegerField(min=0, null=True, column_name="page_count"))',
        'change_fields("notes", pages=<pages>)',
        {"pages": 'IntegerField(min=0, null=True, column_name="page_count")'},
    ),
    "another rule of deletion": (
        'change_fields("notes", author=<author CASCADE>)',
        'change_fields("notes", author=<author RESTRICT>)',
        {"author": 'ForeignKey(Author, on_delete="CASCADE", null=True)'},
    ),
    "a reference no more": (
        'change_fields("notes", author=UUIDField(null=True, column_name="author_id"))',
        'change_fields("notes", author=<author RESTRICT>)',
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
            "after": "Note.add_index(pw.ModelIndex(Note, [Note.text], unique=True, name='uq_notes_drafts', "
            "where=pw.SQL(\"kind = 'a'\")))"
        },
    ),
    "add a constraint": (
        'add_constraint("notes", "ck_notes_rule", "CHECK (pages > 1 OR text <> \'100 %\')")',
        'drop_constraints("notes", "ck_notes_rule")',
        {"meta": '<indexes>\n        constraints = [pw.Check("pages > 1 OR text <> \'100 %\'", "ck_notes_rule")]'},
    ),
    "append-only": (
        'set_append_only("notes")',
        'set_append_only("notes", False)',
        {"meta": "<indexes>\n        append_only = True"},
    ),
    "a default in the database": (
        'change_fields("notes", pages=IntegerField(min=0, null=True, constraints=[pw.SQL("DEFAULT 5")]))',
        'change_fields("notes", pages=<pages>)',
        {"pages": 'IntegerField(min=0, null=True, constraints=[pw.SQL("DEFAULT 5")])'},
    ),
    "a default": ('add_default("notes", "pages", 7)', "orm", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_operation_makes_the_new_models_table(case, database, files, new_url, connect, notes):
    """The catalog afterwards is the new model's, no row of any table is lost, and the rollback restores both."""
    operation, back, changes = CASES[case]
    operation, back = notes.literal(operation), back and notes.literal(back)
    files.write("001_first", notes.models())
    migrations.migrate(history="mine")
    notes.fill(database)
    before = (migrations.catalog(), notes.everything(database))
    files.write("002_change", f"migrator.{operation}", None if back is None else f"migrator.{back}")
    migrations.migrate(history="mine")
    changed = migrations.catalog()
    (files.folder / "002_change.py").rename(files.folder / "002_change.bak")
    other = connect(new_url())
    files.write("001_first", notes.models(**changes))
    with override(other):
        migrations.migrate(history="mine")
        assert migrations.difference(changed, migrations.catalog()) == []
    counts = [len(rows) for _, rows in notes.everything(database).values()]
    assert sorted(counts) == [1, 5, 5]
    if back is not None:
        files.write("001_first", notes.models())
        (files.folder / "002_change.bak").rename(files.folder / "002_change.py")
        migrations.rollback(history="mine")
        assert migrations.difference(migrations.catalog(), before[0]) == []
        assert notes.everything(database) == before[1]
