"""How PostgreSQL changes a table: one ALTER for each change, all of them inside the migration's transaction."""

from __future__ import annotations

from collections.abc import Mapping

from datapkg.kit.dialect.alterations import Alteration, Sql, refuse_type_change
from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.tables import Change, ColumnState, TableState, changes
from datapkg.kit.errors import UnsafeMigrationError

__all__ = ["alterations"]


def alterations(
    before: TableState, after: TableState, renames: Mapping[str, str], fill: Mapping[str, object]
) -> list[Alteration]:
    """Return the statements that turn one state of a table into another."""
    return [step for change in changes(before, after, renames) for step in _statements(change, before, after, fill)]


def _statements(change: Change, before: TableState, after: TableState, fill: Mapping[str, object]) -> list[Alteration]:
    table = f"ALTER TABLE {quote(after.name)}"
    old, new, tag = change.old, change.new, change.tag
    match change.kind:
        case "drop_triggers":
            return [Sql(f"DROP TRIGGER {quote(name)} ON {quote(before.name)}", tag) for name in before.trigger_names]
        case "add_triggers":
            return [Sql(sql, tag) for sql in after.triggers]
        case "rename_table":
            # The key's index keeps the table's old name otherwise.
            key = f"ALTER INDEX {quote(old + '_pkey')} RENAME TO {quote(new + '_pkey')}"
            return [Sql(f"ALTER TABLE {quote(old)} RENAME TO {quote(new)}", tag), Sql(key, "additive")]
        case "rename_column":
            return [Sql(f"{table} RENAME COLUMN {quote(old)} TO {quote(new)}", tag)]
        case "rename_index":
            return [Sql(f"ALTER INDEX {quote(old.name)} RENAME TO {quote(new.name)}", tag)]
        case "drop_index":
            return [Sql(f"DROP INDEX {quote(old.name)}", tag)]
        case "add_index":
            return [Sql(new.sql, tag, new.params)]
        case "drop_foreign_key" | "drop_constraint":
            return [Sql(f"{table} DROP CONSTRAINT {quote(old)}", tag)]
        case "rename_constraint":
            return [Sql(f"{table} RENAME CONSTRAINT {quote(old)} TO {quote(new)}", tag)]
        case "add_foreign_key" | "add_constraint":
            return [Sql(f"{table} ADD {new}", tag)]
        case "drop_column":
            return [Sql(f"{table} DROP COLUMN {quote(old)}", tag)]
        case "add_column":
            return _add_column(table, new, fill)
        case "type":
            refuse_type_change(after.name, new.name, old.kind, new.kind)
            if old.type == new.type:
                return []
            column = quote(new.name)
            return [Sql(f"{table} ALTER COLUMN {column} TYPE {new.type} USING {column}::{new.type}", tag)]
        case "null":
            return [Sql(f"{table} ALTER COLUMN {quote(new.name)} {'DROP' if new.null else 'SET'} NOT NULL", tag)]
        case _:  # "default"
            return [Sql(f"{table} ALTER COLUMN {quote(new.name)} {_default(after, new)}", tag)]


def _add_column(table: str, column: ColumnState, fill: Mapping[str, object]) -> list[Alteration]:
    if column.name not in fill:
        return [Sql(f"{table} ADD COLUMN {column.ddl}", "additive")]
    # A constant default fills the rows without rewriting the table, and without an UPDATE, which an append-only
    # table would refuse; the default itself stays in Python.
    name, rest = quote(column.name), column.ddl.removeprefix(quote(column.name) + " " + column.type)
    return [
        Sql(
            f"{table} ADD COLUMN {name} {column.type} DEFAULT %s{rest.replace('%', '%%')}",
            "additive",
            (fill[column.name],),
        ),
        Sql(f"{table} ALTER COLUMN {name} DROP DEFAULT", "additive"),
    ]


def _default(table: TableState, column: ColumnState) -> str:
    if not column.extra:
        return "DROP DEFAULT"
    if not column.extra.upper().startswith("DEFAULT "):
        raise UnsafeMigrationError(
            f"{table.name}.{column.name} cannot get {column.extra!r} by changing the field.",
            fix="Use migrator.add_constraint, or migrator.sql for what a field cannot say.",
        )
    return f"SET {column.extra}"
