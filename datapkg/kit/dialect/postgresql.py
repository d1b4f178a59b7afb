"""PostgreSQL's answers; engines that speak its dialect (CockroachDB) share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import peewee as pw
import psycopg2
from psycopg2 import errorcodes

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

__all__ = ["POSTGRESQL", "PostgresqlDialect"]

GATE_SETTING = "datapkg.gate"
GATE_FUNCTION = "datapkg_append_only"
FROZEN_FUNCTION = "datapkg_frozen"
IMMUTABLE_FUNCTION = "datapkg_immutable"
_RETRYABLE = {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED}
_BUSY = {errorcodes.LOCK_NOT_AVAILABLE, errorcodes.QUERY_CANCELED}
_DAMAGED = {errorcodes.DATA_CORRUPTED, errorcodes.INDEX_CORRUPTED}
_READ_ONLY = {errorcodes.READ_ONLY_SQL_TRANSACTION, errorcodes.INSUFFICIENT_PRIVILEGE}
# A server that goes away tells so by one of these, or drops the socket and psycopg2 reports no code at all.
_GONE = {errorcodes.ADMIN_SHUTDOWN, errorcodes.CRASH_SHUTDOWN, errorcodes.CANNOT_CONNECT_NOW}


class PostgresqlDialect(Dialect):
    """PostgreSQL 12 and later."""

    name = "postgresql"
    param = "%s"
    strict_tables = False
    tree_by_level = False  # each query is a round trip to the server
    for_update = " FOR UPDATE"
    for_key_share = " FOR KEY SHARE"
    skip_locked = " FOR UPDATE SKIP LOCKED"
    writes_in_with = True
    # Bound to the transaction: a session's lock would hang behind PgBouncer.
    stores_instants_as_text = False
    references_always_hold = True
    error_spoils_transaction = True
    named_lock_sql = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
    # The check of a reference is planned once a session: planned while the table is empty, it would read all of it for
    # each row from then on.
    filling_sql = "SET LOCAL enable_seqscan = off"
    restricting_sql = """
SELECT child.relname, a.attname FROM pg_constraint c
JOIN pg_class child ON child.oid = c.conrelid
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'f' AND c.confrelid = to_regclass(quote_ident(%s)) AND c.confdeltype IN ('a', 'r')"""
    # Never varchar(n), which trims trailing blanks, nor numeric(p,s), which rounds: TEXT and NUMERIC with CHECKs.
    field_types = {"TIMESTAMPTZ": "TIMESTAMPTZ", "VARCHAR": "TEXT", "CHAR": "TEXT", "DECIMAL": "NUMERIC"}

    def text_checks(self, column: str) -> list[str]:
        """Conditions that every text column needs."""
        return []

    def boolean_checks(self, column: str) -> list[str]:
        """Conditions that keep a boolean column to true and false."""
        return []

    def uuid_checks(self, column: str) -> list[str]:
        """Conditions that keep a key column to one spelling of a UUID."""
        return []

    def timestamp_checks(self, column: str) -> list[str]:
        """Conditions that keep an instant to what Python can hold."""
        # Wider than Python's datetime by nature, infinity included.
        return [f"{column} >= '0001-01-01T00:00:00Z'", f"{column} < '10000-01-01T00:00:00Z'"]

    def date_checks(self, column: str) -> list[str]:
        """Conditions that keep a date to what Python can hold."""
        return [f"{column} BETWEEN '0001-01-01' AND '9999-12-31'"]

    def json_checks(self, column: str) -> list[str]:
        """Conditions that keep a document column to valid JSON."""
        return []

    def decimal_checks(self, column: str, *, max_digits: int, scale: int) -> list[str]:
        """Conditions that keep a decimal to its digits and scale."""
        # NaN is above every number, so the bound refuses it too.
        return [f"{column} = round({column}, {scale})", f"abs({column}) < {10 ** (max_digits - scale)}"]

    def append_only_ddl(
        self, table: str, *, keys: Sequence[Sequence[str]], rowid: bool, inserts: bool = False
    ) -> list[str]:
        """Statements that make a table append-only except behind its open gate."""
        change, truncate, *gate = self.trigger_names(table, inserts=inserts)
        function = f"""CREATE OR REPLACE FUNCTION {GATE_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting({literal(GATE_SETTING)}, true) IS DISTINCT FROM TG_TABLE_NAME::text THEN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
      MESSAGE = concat('write gate: ', TG_TABLE_NAME, ' is append-only');
  END IF;
  IF TG_OP IN ('INSERT', 'UPDATE') THEN RETURN NEW; END IF;
  RETURN OLD;
END $$"""
        return [
            function,
            f"CREATE TRIGGER {quote(change)} BEFORE UPDATE OR DELETE ON {quote(table)} "
            f"FOR EACH ROW EXECUTE FUNCTION {GATE_FUNCTION}()",
            f"CREATE TRIGGER {quote(truncate)} BEFORE TRUNCATE ON {quote(table)} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {GATE_FUNCTION}()",
            # Once for a statement: asking for each row would make COPY slower.
            *(
                f"CREATE TRIGGER {quote(name)} BEFORE INSERT ON {quote(table)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {GATE_FUNCTION}()"
                for name in gate
            ),
        ]

    def trigger_names(self, table: str, *, inserts: bool = False) -> list[str]:
        """The names of the triggers that :meth:`append_only_ddl` makes."""
        names = [f"tg_{table}_change", f"tg_{table}_truncate"]
        return [*names, f"tg_{table}_insert"] if inserts else names

    def frozen_ddl(self, table: str, *, column: str, by_table: str, by_column: str) -> list[str]:
        """Statements that keep a column as it is for as long as another table's rows refer to the row."""
        (name,) = self.frozen_trigger_names(table, column=column)
        function = f"""CREATE OR REPLACE FUNCTION {FROZEN_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE referred boolean;
BEGIN
  -- Whoever inserts a reference holds a weaker lock on the row, which an UPDATE of this column would not wait for.
  EXECUTE concat('SELECT 1 FROM ', TG_RELID::regclass, ' WHERE id = $1 FOR UPDATE') USING OLD.id;
  -- By its schema, because a client may have a table of the same name in front of it.
  EXECUTE concat('SELECT EXISTS (SELECT 1 FROM ', quote_ident(TG_TABLE_SCHEMA), '.', quote_ident(TG_ARGV[0]),
    ' WHERE ', quote_ident(TG_ARGV[1]), ' = $1)') INTO referred USING OLD.id;
  IF referred THEN
    RAISE EXCEPTION USING ERRCODE = 'raise_exception', MESSAGE = TG_ARGV[2];
  END IF;
  RETURN NEW;
END $$"""
        arguments = ", ".join(map(literal, (by_table, by_column, frozen_message(table, column, by_table))))
        return [
            function,
            f"CREATE TRIGGER {quote(name)} BEFORE UPDATE OF {quote(column)} ON {quote(table)} FOR EACH ROW "
            f"WHEN (OLD.{quote(column)} IS DISTINCT FROM NEW.{quote(column)}) "
            f"EXECUTE FUNCTION {FROZEN_FUNCTION}({arguments})",
        ]

    def immutable_ddl(self, table: str, *, column: str) -> list[str]:
        """Statements that keep a column of a row as it was inserted."""
        (name,) = self.immutable_trigger_names(table, column=column)
        function = f"""CREATE OR REPLACE FUNCTION {IMMUTABLE_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = TG_ARGV[0];
END $$"""
        message = literal(f"write gate: {table}.{column} never changes")
        return [
            function,
            f"CREATE TRIGGER {quote(name)} BEFORE UPDATE OF {quote(column)} ON {quote(table)} FOR EACH ROW "
            f"WHEN (OLD.{quote(column)} IS DISTINCT FROM NEW.{quote(column)}) "
            f"EXECUTE FUNCTION {IMMUTABLE_FUNCTION}({message})",
        ]

    def json_version(self, column: str) -> str:
        """The SQL of a document column's version."""
        version = f"{column} ->> 'schema_version'"
        kind = f"jsonb_typeof({column} -> 'schema_version')"
        return (
            f"CASE WHEN jsonb_typeof({column}) = 'object' AND {kind} IS NULL THEN '0' "
            f"WHEN {kind} = 'number' AND {version} ~ '^[0-9]+$' THEN {version} ELSE 'corrupt' END"
        )

    def json_value(self, value: str) -> str:
        """The SQL of a bound JSON value."""
        return f"{value}::jsonb"

    def key_value(self, value: str) -> str:
        """The SQL of a key that is given as text."""
        return f"{value}::uuid"

    def json_member(self, column: str, member: str) -> str:
        """The SQL of the JSON text of a document column's member."""
        return f"({column} -> {literal(member)})::text"

    def json_integer(self, column: str, member: str) -> str:
        """The SQL of a whole number in a document column."""
        # Foreign code may have written 1.0, 1e300, or what is no number: that counts as 0 rather than as an SQL error.
        value = f"{column} -> {literal(member)}"
        number = f"trunc(({column} ->> {literal(member)})::numeric)"
        return f"(CASE jsonb_typeof({value}) WHEN 'number' THEN {number} ELSE 0 END)"

    def json_with(self, column: str, members: Mapping[str, str]) -> str:
        """The SQL of a document column with other whole numbers in it."""
        pairs = ", ".join(f"{literal(name)}, {value}" for name, value in members.items())
        return f"({column} || jsonb_build_object({pairs}))"

    def instant_text(self, instant: str) -> str:
        """The SQL of an instant's text."""
        spelling = literal('YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        return f"to_char({instant} AT TIME ZONE 'UTC', {spelling})"

    def is_retryable(self, error: BaseException) -> bool:
        """Whether running the whole transaction again may succeed."""
        return getattr(driver_error(error), "pgcode", None) in _RETRYABLE

    def is_disconnect(self, error: BaseException) -> bool:
        """Whether the error says that the connection is gone."""
        cause = driver_error(error)
        if not isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.DatabaseError)):
            return False
        code = getattr(cause, "pgcode", None)
        if code is not None:
            return code in _GONE or code.startswith("08")
        return isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError)) or "connection" in str(cause)

    def translate(self, error: pw.PeeweeException) -> DatapkgError:
        """Turn a driver's error into the package's own."""
        cause = driver_error(error)
        code = getattr(cause, "pgcode", None) or ""
        text = (str(cause).strip().splitlines() or ["no reason given"])[0]
        if code in _RETRYABLE or code in _BUSY:
            return DatabaseBusyError(f"PostgreSQL could not run this beside other transactions: {text}.", pgcode=code)
        if "write gate: " in text:
            return WriteGateError(f"The database refused the write: {text}.")
        if (refusal := frozen(text)) is not None:
            return refusal
        if code.startswith("23"):
            # The driver's message goes on with the row's values, which may be secret; a traceback shows both errors.
            error.args = cause.args = (text,)
            return self._conflict(cause, code, text)
        if code in _READ_ONLY:
            return ReadOnlyError(f"PostgreSQL does not let this user write here: {text}.", pgcode=code)
        if code in _DAMAGED:
            return StorageError(
                f"PostgreSQL found damaged data: {text}.",
                fix="Keep a copy of the server's files as they are, then restore the database from a backup.",
                pgcode=code,
                damaged=True,
            )
        if code.startswith("53") or code.startswith("58"):  # out of resources; input/output
            return StorageError(f"PostgreSQL ran out of room or could not use its disk: {text}.", pgcode=code)
        if self.is_disconnect(error) or code.startswith("28") or code == errorcodes.INVALID_CATALOG_NAME:
            return DatabaseUnavailableError(f"PostgreSQL is not reachable: {text}.", pgcode=code or None)
        if code == errorcodes.DEPENDENT_OBJECTS_STILL_EXIST:  # the detail says what, and holds no values
            detail = getattr(getattr(cause, "diag", None), "message_detail", None) or ""
            text = f"{text}: {' '.join(detail.split())}"
        return StatementError(f"PostgreSQL refused the statement: {text}.", pgcode=code or None)

    def _conflict(self, cause: BaseException, code: str, text: str) -> ConflictError:
        diag = getattr(cause, "diag", None)
        name: str | None = getattr(diag, "constraint_name", None)
        table: str | None = getattr(diag, "table_name", None)
        column: str | None = getattr(diag, "column_name", None)
        if code == errorcodes.UNIQUE_VIOLATION:
            if table and name == f"{table}_pkey":
                name = f"pk_{table}"
            columns = _columns_in(getattr(diag, "message_detail", None) or "")
            return ConflictError(
                f"A row of {table} with the same {', '.join(columns) or 'values'} exists already ({name}).",
                constraint=name,
                table=table,
                columns=columns,
            )
        if code == errorcodes.NOT_NULL_VIOLATION:
            return ConflictError(
                f"{column} of {table} must not be empty.",
                fix=f"Give {column} a value.",
                constraint=f"nn_{table}_{column}",
                table=table,
                columns=(column,) if column else (),
            )
        if code in (errorcodes.FOREIGN_KEY_VIOLATION, errorcodes.RESTRICT_VIOLATION):
            return ConflictError(
                "A row that this one refers to does not exist, or other rows still refer to this one.",
                fix="Create the parent first, or remove what refers to the row.",
                constraint=name,
                table=table,
            )
        if code == errorcodes.CHECK_VIOLATION:
            return ConflictError(
                f"A value breaks the rule {name} of its column.",
                fix="Change the value; the constraint's name ends in the column's.",
                constraint=name,
                table=table,
            )
        return ConflictError(f"The database refused the value: {text}.", fix="Change the value.", constraint=name)


def _columns_in(detail: str) -> tuple[str, ...]:
    """The columns of ``Key (a, b)=(1, 2) already exists.``; the values stay out, they may be secret."""
    if not detail.startswith("Key ("):
        return ()
    inside = detail[5 : detail.find(")=")]
    return tuple(part.strip().strip('"') for part in inside.split(","))


POSTGRESQL = PostgresqlDialect()
"""The one PostgreSQL dialect."""
