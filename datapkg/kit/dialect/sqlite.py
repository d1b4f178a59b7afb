"""SQLite's answers: STRICT tables, generated CHECKs, triggers that fail closed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence

import peewee as pw

from datapkg.kit.dialect.base import Dialect, driver_error, frozen, frozen_message, literal, quote
from datapkg.kit.errors import (
    ConflictError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    DatapkgError,
    ReadOnlyError,
    StatementError,
    StorageError,
    WriteGateError,
)

__all__ = ["SQLITE", "SqliteDialect"]

GATE_FUNCTION = "datapkg_gate"
_UUID_GLOB = "-".join("[0-9a-f]" * length for length in (8, 4, 4, 4, 12))
_STAMP_GLOB = (
    "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z"
)
_UNIQUE = re.compile(r"UNIQUE constraint failed: (.+)$")
_CHECK = re.compile(r"CHECK constraint failed: (\S+)$")
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (\w+)\.(\w+)$")


class SqliteDialect(Dialect):
    """SQLite 3.37 and later (STRICT); 3.38 for its JSON operators."""

    name = "sqlite"
    param = "?"
    strict_tables = True
    tree_by_level = True  # a query costs microseconds, and its recursion takes half as long again
    for_update = ""  # the whole database is locked at BEGIN IMMEDIATE already
    for_key_share = ""  # likewise
    skip_locked = ""  # likewise
    writes_in_with = False
    stores_instants_as_text = True
    references_always_hold = False  # a client checks them only after PRAGMA foreign_keys = ON
    error_spoils_transaction = False  # it undoes the refused statement alone
    named_lock_sql = ""  # likewise
    filling_sql = ""
    restricting_sql = """
SELECT m.name, f."from" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
WHERE m.type = 'table' AND f."table" = ? AND f.on_delete IN ('RESTRICT', 'NO ACTION')"""
    # STRICT takes only SQLite's own type names. Decimals are scaled integers so that they sort, compare and
    # sum exactly; instants are fixed-width text that sorts.
    field_types = {
        "AUTO": "INTEGER",
        "BIGAUTO": "INTEGER",
        "BIGINT": "INTEGER",
        "BOOL": "INTEGER",
        "CHAR": "TEXT",
        "DATE": "TEXT",
        "DATETIME": "TEXT",
        "DECIMAL": "INTEGER",
        "DOUBLE": "REAL",
        "FLOAT": "REAL",
        "INT": "INTEGER",
        "JSON": "TEXT",
        "SMALLINT": "INTEGER",
        "TIMESTAMPTZ": "TEXT",
        "UUID": "TEXT",
        "VARCHAR": "TEXT",
    }

    def indexed_by(self, index: str) -> str:
        """What follows a table's name to read it along this index."""
        # Without statistics SQLite prefers an index with an equality to a partial one in the right order, and sorts.
        return f" INDEXED BY {quote(index)}"

    def text_checks(self, column: str) -> list[str]:
        """Conditions that every text column needs."""
        return [f"instr({column}, char(0)) = 0"]  # PostgreSQL's text cannot hold NUL

    def boolean_checks(self, column: str) -> list[str]:
        """Conditions that keep a boolean column to true and false."""
        return [f"{column} IN (0, 1)"]

    def uuid_checks(self, column: str) -> list[str]:
        """Conditions that keep a key column to one spelling of a UUID."""
        return [f"{column} GLOB {literal(_UUID_GLOB)}"]

    def timestamp_checks(self, column: str) -> list[str]:
        """Conditions that keep an instant to what Python can hold."""
        # Without '+0 days' strftime takes 2024-02-30 as it stands; the fraction stays out, as it rounds .9995 up.
        return [
            f"{column} GLOB {literal(_STAMP_GLOB)}",
            f"substr({column}, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr({column}, 1, 19), '+0 days')",
            f"{column} >= '0001'",  # Python has no year 0
        ]

    def date_checks(self, column: str) -> list[str]:
        """Conditions that keep a date to what Python can hold."""
        return [f"{column} IS date({column}, '+0 days')", f"{column} >= '0001-01-01'"]

    def json_checks(self, column: str) -> list[str]:
        """Conditions that keep a document column to valid JSON."""
        return [f"({column} IS NULL OR json_valid({column}))"]  # json_valid(NULL) is 0 before SQLite 3.45

    def decimal_checks(self, column: str, *, max_digits: int, scale: int) -> list[str]:
        """Conditions that keep a decimal to its digits and scale."""
        limit = 10**max_digits - 1
        return [f"{column} BETWEEN -{limit} AND {limit}"]

    def append_only_ddl(
        self, table: str, *, keys: Sequence[Sequence[str]], rowid: bool, inserts: bool = False
    ) -> list[str]:
        """Statements that make a table append-only except behind its open gate."""
        # A client that did not register the function gets "no such function": it fails closed.
        closed = f"{GATE_FUNCTION}() IS NOT {literal(table)}"
        message = literal(f"write gate: {table} is append-only")
        update, delete, insert, *gate = self.trigger_names(table, inserts=inserts)
        # INSERT OR REPLACE deletes without firing DELETE triggers unless the client turned recursive_triggers on, as
        # ours do: for everybody else any insert over a row that is there is refused. The parentheses keep out a table
        # of the pragma's name, which somebody could make: it is no function, and everything is refused then.
        replaces = "(SELECT recursive_triggers FROM pragma_recursive_triggers()) = 0"
        clash = " OR ".join(
            "EXISTS (SELECT 1 FROM {t} WHERE {on})".format(
                t=quote(table), on=" AND ".join(f"{quote(column)} = NEW.{quote(column)}" for column in key)
            )
            for key in [*keys, *([("rowid",)] if rowid else [])]  # a client may name the hidden key
        )
        refuse = f"BEGIN SELECT RAISE(ABORT, {message}); END"
        return [
            f"CREATE TRIGGER {quote(update)} BEFORE UPDATE ON {quote(table)} WHEN {closed} {refuse}",
            f"CREATE TRIGGER {quote(delete)} BEFORE DELETE ON {quote(table)} WHEN {closed} {refuse}",
            f"CREATE TRIGGER {quote(insert)} BEFORE INSERT ON {quote(table)} WHEN {replaces} AND ({clash}) {refuse}",
            *(f"CREATE TRIGGER {quote(name)} BEFORE INSERT ON {quote(table)} WHEN {closed} {refuse}" for name in gate),
        ]

    def trigger_names(self, table: str, *, inserts: bool = False) -> list[str]:
        """The names of the triggers that :meth:`append_only_ddl` makes."""
        names = [f"tg_{table}_update", f"tg_{table}_delete", f"tg_{table}_replace"]
        return [*names, f"tg_{table}_insert"] if inserts else names

    def frozen_ddl(self, table: str, *, column: str, by_table: str, by_column: str) -> list[str]:
        """Statements that keep a column as it is for as long as another table's rows refer to the row."""
        update, move, delete, insert = self.frozen_trigger_names(table, column=column)
        name, refers = quote(table), f"EXISTS (SELECT 1 FROM {quote(by_table)} WHERE {quote(by_column)} ="
        refuse = f"BEGIN SELECT RAISE(ABORT, {literal(frozen_message(table, column, by_table))}); END"
        # The references keep the row itself in its place, but only for clients that turned foreign_keys on, as ours do;
        # for everybody else the row is neither deleted (and put back with another content), nor moved, nor replaced.
        off = "(SELECT foreign_keys FROM pragma_foreign_keys()) = 0"
        # OR REPLACE deletes, without firing DELETE triggers, whatever has the new row's key or rowid.
        there = f"EXISTS (SELECT 1 FROM {name} o WHERE (o.id = NEW.id OR o.rowid = NEW.rowid) AND {refers} o.id))"
        moved = "(NEW.id IS NOT OLD.id OR NEW.rowid IS NOT OLD.rowid)"
        return [
            f"CREATE TRIGGER {quote(update)} BEFORE UPDATE OF {quote(column)} ON {name} "
            f"WHEN NEW.{quote(column)} IS NOT OLD.{quote(column)} AND {refers} OLD.id) {refuse}",
            f"CREATE TRIGGER {quote(move)} BEFORE UPDATE ON {name} "
            f"WHEN {moved} AND ({refers} OLD.id) OR {there}) AND {off} {refuse}",
            f"CREATE TRIGGER {quote(delete)} BEFORE DELETE ON {name} WHEN {off} AND {refers} OLD.id) {refuse}",
            f"CREATE TRIGGER {quote(insert)} BEFORE INSERT ON {name} WHEN {there} AND {off} {refuse}",
        ]

    def frozen_trigger_names(self, table: str, *, column: str) -> list[str]:
        """The names of the triggers that :meth:`frozen_ddl` makes."""
        return [f"tg_{table}_{column}_{what}" for what in ("frozen", "moved", "deleted", "replaced")]

    def immutable_ddl(self, table: str, *, column: str) -> list[str]:
        """Statements that keep a column of a row as it was inserted."""
        update, replace = self.immutable_trigger_names(table, column=column)
        name, message = quote(table), literal(f"write gate: {table}.{column} never changes")
        refuse = f"BEGIN SELECT RAISE(ABORT, {message}); END"
        changed = f"{{}}.{quote(column)} IS NOT NEW.{quote(column)}"
        return [
            f"CREATE TRIGGER {quote(update)} BEFORE UPDATE OF {quote(column)} ON {name} "
            f"WHEN {changed.format('OLD')} {refuse}",
            # What OR REPLACE would put in the row's place. No DELETE trigger would see it: rows may be deleted.
            f"CREATE TRIGGER {quote(replace)} BEFORE INSERT ON {name} "
            f"WHEN EXISTS (SELECT 1 FROM {name} o WHERE o.id = NEW.id AND {changed.format('o')}) {refuse}",
        ]

    def immutable_trigger_names(self, table: str, *, column: str) -> list[str]:
        """The names of the triggers that :meth:`immutable_ddl` makes."""
        return [f"tg_{table}_{column}_immutable", f"tg_{table}_{column}_unreplaced"]

    def json_version(self, column: str) -> str:
        """The SQL of a document column's version."""
        version = f"json_extract({column}, '$.schema_version')"
        kind = f"json_type({column}, '$.schema_version')"
        return (
            f"CASE WHEN json_type({column}) = 'object' AND {kind} IS NULL THEN '0' "
            f"WHEN {kind} = 'integer' AND {version} >= 0 THEN {version} || '' ELSE 'corrupt' END"
        )

    def json_value(self, value: str) -> str:
        """The SQL of a bound JSON value."""
        return value

    def json_member(self, column: str, member: str) -> str:
        """The SQL of the JSON text of a document column's member."""
        return f"{column} -> {literal('$.' + member)}"

    def json_integer(self, column: str, member: str) -> str:
        """The SQL of a whole number in a document column."""
        # Cast, because foreign code may have written 1.0.
        return f"coalesce(CAST(json_extract({column}, {literal('$.' + member)}) AS INTEGER), 0)"

    def json_with(self, column: str, members: Mapping[str, str]) -> str:
        """The SQL of a document column with other whole numbers in it."""
        pairs = ", ".join(f"{literal('$.' + name)}, {value}" for name, value in members.items())
        return f"json_set({column}, {pairs})"

    def instant_text(self, instant: str) -> str:
        """The SQL of an instant's text."""
        return instant  # it is kept as that text

    def is_retryable(self, error: BaseException) -> bool:
        """Whether running the whole transaction again may succeed."""
        cause = driver_error(error)
        # Extended codes carry the primary one in their low byte: SQLITE_BUSY 5, SQLITE_LOCKED 6.
        code: int = getattr(cause, "sqlite_errorcode", 0)
        # An in-memory database's own lock has no driver's error behind it.
        return isinstance(error, DatabaseBusyError) or (
            isinstance(cause, sqlite3.OperationalError) and code & 0xFF in (5, 6)
        )

    def is_disconnect(self, error: BaseException) -> bool:
        """Whether the error says that the connection is gone."""
        return False

    def translate(self, error: pw.PeeweeException) -> DatapkgError:
        """Turn a driver's error into the package's own."""
        cause = driver_error(error)
        text = str(cause)
        code: int = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if self.is_retryable(error):
            return DatabaseBusyError(f"SQLite is locked by another writer: {text}.")
        if text.startswith("write gate: ") or f"no such function: {GATE_FUNCTION}" in text:
            return WriteGateError(f"The database refused the write: {text}.")
        if (refusal := frozen(text)) is not None:
            return refusal
        if isinstance(cause, sqlite3.IntegrityError):
            return self._conflict(text)
        if code == sqlite3.SQLITE_READONLY:
            return ReadOnlyError(f"The SQLite database is read-only: {text}.")
        if code == sqlite3.SQLITE_CANTOPEN:
            return DatabaseUnavailableError(
                f"The SQLite file cannot be opened: {text}.",
                fix="Check the path, and that its folder exists and is writable.",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StorageError(
                f"The SQLite file is damaged, or no SQLite file: {text}.",
                fix="Check the path; if it is the right file, restore it from a backup.",
                damaged=True,
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return StorageError(f"SQLite could not read or write the file: {text}.")
        return StatementError(f"SQLite refused the statement: {text}.")

    def _conflict(self, text: str) -> ConflictError:
        if match := _UNIQUE.search(text):
            columns = tuple(part.rpartition(".")[2] for part in match[1].split(", "))
            table = match[1].split(", ")[0].rpartition(".")[0]
            if not table:  # an index on an expression is named: index 'uq_…'
                name = match[1].removeprefix("index ").strip("'")
                return ConflictError(f"A row with these values exists already ({name}).", constraint=name)
            name = f"pk_{table}" if columns == ("id",) else "_".join(("uq", table, *columns))
            return ConflictError(
                f"A row of {table} with the same {', '.join(columns)} exists already ({name}).",
                constraint=name,
                table=table,
                columns=columns,
            )
        if match := _CHECK.search(text):
            return ConflictError(
                f"A value breaks the rule {match[1]} of its column.",
                fix="Change the value; the constraint's name ends in the column's.",
                constraint=match[1],
            )
        if match := _NOT_NULL.search(text):
            return ConflictError(
                f"{match[2]} of {match[1]} must not be empty.",
                fix=f"Give {match[2]} a value.",
                constraint=f"nn_{match[1]}_{match[2]}",
                table=match[1],
                columns=(match[2],),
            )
        if "FOREIGN KEY" in text:
            return ConflictError(
                "A row that this one refers to does not exist, or other rows still refer to this one.",
                fix="Create the parent first, or remove what refers to the row.",
            )
        return ConflictError(f"The database refused the value: {text}.", fix="Change the value.")


SQLITE = SqliteDialect()
"""The one SQLite dialect."""
