"""``migration check``: each kind of change by hand is found, and adopted by the migration that is printed."""

from __future__ import annotations

import pytest

from datapkg.errors import UnsafeMigrationError
from datapkg.operations import migrations

# What is done by hand, on both engines or on one, and what is told of it.
BOTH = {
    "DROP TABLE marks": "table marks is missing",
    "ALTER TABLE notes ADD COLUMN extra INTEGER DEFAULT 5": "table notes: column extra should not be there",
    "ALTER TABLE notes DROP COLUMN spare": "table notes: column spare is missing",
    "DROP INDEX ix_notes_kind": "table notes: index ix_notes_kind is missing",
    "CREATE INDEX ix_notes_pages ON notes (pages)": "table notes: index ix_notes_pages should not be there",
    "CREATE UNIQUE INDEX by_hand ON notes (pages) WHERE pages > 1": "table notes: index by_hand should not be there",
    "DROP INDEX uq_notes_text_kind": "table notes: index uq_notes_text_kind is IndexFacts(",
    "CREATE INDEX uq_notes_text_kind ON notes (text)": "table notes: index uq_notes_text_kind is IndexFacts(",
}
FUNCTION = "CREATE FUNCTION by_hand() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
POSTGRESQL = {
    "ALTER TABLE notes ALTER COLUMN code TYPE varchar(90)": "table notes: column code is ColumnFacts(type='char",
    "ALTER TABLE notes ALTER COLUMN text DROP NOT NULL": "table notes: column text is ColumnFacts(type='text'",
    "ALTER TABLE notes ALTER COLUMN kind SET DEFAULT 'b'": "table notes: column kind is ColumnFacts(type='text'",
    "ALTER TABLE notes DROP CONSTRAINT ck_notes_pages": "table notes: check ck_notes_pages is missing",
    "ALTER TABLE notes ADD CONSTRAINT mine CHECK (pages <> 7)": "table notes: check mine should not be there",
    "ALTER TABLE notes DROP CONSTRAINT fk_notes_author_id, ADD CONSTRAINT fk_notes_author_id FOREIGN KEY (author_id) "
    "REFERENCES writers (id) ON DELETE CASCADE": "table notes: foreign key fk_notes_author_id is ForeignKeyFacts(",
    "DROP TRIGGER tg_books_change ON books": "table books: trigger tg_books_change is missing",
    "ALTER TABLE books DISABLE TRIGGER tg_books_truncate": "table books: trigger tg_books_truncate is CREATE TRIGGER",
    f"{FUNCTION}; CREATE TRIGGER hand BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION by_hand()": (
        "table notes: trigger hand should not be there"
    ),
}
# SQLite changes no column; so the text of the table is changed, as who builds it anew by hand does.
TEXTS = {
    ('"text" TEXT NOT NULL', '"text" TEXT'): "table notes: column text is ColumnFacts(type='TEXT', nullable=True",
    (
        '"kind" TEXT NOT NULL',
        "\"kind\" TEXT NOT NULL DEFAULT 'b'",
    ): "table notes: column kind is ColumnFacts(type='TEXT'",
    ('"code" TEXT', '"code" INTEGER'): "table notes: column code is ColumnFacts(type='INTEGER'",
    ('REFERENCES "writers" ("id") ON DELETE RESTRICT', 'REFERENCES "writers" ("id") ON DELETE CASCADE'): (
        "table notes: foreign key fk_notes_author_id is ForeignKeyFacts("
    ),
    ('CONSTRAINT "ck_notes_pages" CHECK', 'CONSTRAINT "mine" CHECK'): "table notes: check ck_notes_pages is missing",
}
SQLITE = {
    "DROP TRIGGER tg_books_update": "table books: trigger tg_books_update is missing",
    "CREATE TRIGGER hand BEFORE UPDATE ON notes BEGIN SELECT 1; END": "table notes: trigger hand should not be there",
}
BOOKS = """

@migrator.create_model
class Book(Model):
    name = TextField(max_length=20)
    class Meta:
        table_name = "books"
        append_only = True
"""


def rewrite(database, texts):
    """Change the text of the table notes."""
    database.execute_sql("PRAGMA writable_schema = ON")
    for old, new in texts:
        count = database.change(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'notes' AND instr(sql, ?)", (old, new, old)
        )
        assert count == 1, (old, database.fetch("SELECT sql FROM sqlite_master WHERE name = 'notes'", ()))
    database.execute_sql("PRAGMA writable_schema = RESET")


def test_every_kind_of_drift_is_told_and_adopted(database, files, notes):
    """Columns, types, nullability, defaults, indexes, constraints and triggers; the printed migration takes them in."""
    spare = '    spare = TextField(max_length=5, null=True)\n    class Meta:\n        table_name = "notes"'
    text = notes.models(meta="<indexes>").replace('    class Meta:\n        table_name = "notes"', spare)
    files.write("001_base", (text + BOOKS).replace('"authors"', '"writers"'))
    migrations.migrate()
    lines = [line for line in migrations.check() if not line.startswith("migrations: ")]
    assert lines == []
    says = {**BOTH, **(SQLITE if database.dialect.name == "sqlite" else POSTGRESQL)}
    for sql in says:
        database.execute_sql(sql)
    if database.dialect.name == "sqlite":
        rewrite(database, TEXTS)
        says = {**says, **TEXTS}
        # A rebuild would lose the column that no migration knows of.
        wider = files.write("002_wider", 'migrator.change_fields("notes", text=TextField(max_length=90))')
        with pytest.raises(UnsafeMigrationError, match="would lose them: extra"):
            migrations.migrate()
        wider.unlink()
    found = migrations.check()
    told = [line.removeprefix("database: ") for line in found if line.startswith("database: ")]
    for line in says.values():
        assert any(each.startswith(line) for each in told), (line, told)
    text = found.files["mine: 002_adopt_changes_by_hand"]
    print(text)
    assert "Not adopted" not in text
    (files.folder / "002_adopt_changes_by_hand.py").write_text(text, encoding="utf-8")
    migrations.migrate(resolve_applied="002_adopt_changes_by_hand", history="mine")
    assert [line for line in migrations.check() if not line.startswith("migrations: ")] == []
