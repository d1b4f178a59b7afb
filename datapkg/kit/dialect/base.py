"""What a dialect has to answer; the two engines answer in files of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import peewee as pw

if TYPE_CHECKING:
    from datapkg.kit.errors import DatapkgError

__all__ = ["Dialect", "driver_error", "frozen", "frozen_message", "literal", "quote"]

MAX_FLOAT = "1.7976931348623157e308"


def quote(name: str) -> str:
    """Quote an identifier, on both engines the same way."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a text literal, on both engines the same way."""
    return "'" + value.replace("'", "''") + "'"


_FROZEN = "frozen: "


def frozen_message(table: str, column: str, by_table: str) -> str:
    """Return what the trigger of a frozen column says; the same on both engines, so that it can be recognised."""
    return f"{_FROZEN}{table}.{column} stays as it is, because {by_table} refer to the row"


def frozen(text: str) -> DatapkgError | None:
    """Return the error for a trigger's message if it is that of a frozen column."""
    from datapkg.kit.errors import StaleWriteError

    if not text.startswith(_FROZEN):
        return None
    return StaleWriteError(
        f"The database refused the change: {text.removeprefix(_FROZEN)}.",
        fix="Leave the row as it is and make a new one.",
    )


class Dialect(ABC):
    """One engine's way of saying things; stateless, one instance for each engine."""

    name: str
    param: str
    """The placeholder of a bound value."""

    # Column types -----------------------------------------------------------------------------------------

    field_types: dict[str, str]
    """Peewee's and the kit's field types, by the engine's own names."""

    @abstractmethod
    def text_checks(self, column: str) -> list[str]:
        """Conditions that every text column needs."""

    @abstractmethod
    def boolean_checks(self, column: str) -> list[str]:
        """Conditions that keep a boolean column to true and false."""

    @abstractmethod
    def uuid_checks(self, column: str) -> list[str]:
        """Conditions that keep a key column to one spelling of a UUID."""

    @abstractmethod
    def timestamp_checks(self, column: str) -> list[str]:
        """Conditions that keep an instant to what Python can hold."""

    @abstractmethod
    def date_checks(self, column: str) -> list[str]:
        """Conditions that keep a date to what Python can hold."""

    @abstractmethod
    def json_checks(self, column: str) -> list[str]:
        """Conditions that keep a document column to valid JSON."""

    @abstractmethod
    def decimal_checks(self, column: str, *, max_digits: int, scale: int) -> list[str]:
        """Conditions that keep a decimal to its digits and scale, refusing rather than rounding."""

    def float_checks(self, column: str) -> list[str]:
        """Conditions that keep a float finite (NaN sorts above everything on PostgreSQL)."""
        return [f"{column} BETWEEN -{MAX_FLOAT} AND {MAX_FLOAT}"]

    # Tables, triggers and gates ---------------------------------------------------------------------------

    strict_tables: bool
    """Whether tables are declared STRICT."""

    @abstractmethod
    def append_only_ddl(
        self, table: str, *, keys: Sequence[Sequence[str]], rowid: bool, inserts: bool = False
    ) -> list[str]:
        """Statements that make a table append-only except behind its open gate.

        Args:
            table: the table, also the gate's name.
            keys: the column lists of its primary key and unique constraints, for engines whose
                ``INSERT OR REPLACE`` would otherwise delete silently.
            rowid: whether such an engine gives the table a hidden key too.
            inserts: whether rows too can be inserted only behind the gate.
        """

    @abstractmethod
    def trigger_names(self, table: str, *, inserts: bool = False) -> list[str]:
        """The names of the triggers that :meth:`append_only_ddl` makes."""

    @abstractmethod
    def frozen_ddl(self, table: str, *, column: str, by_table: str, by_column: str) -> list[str]:
        """Statements that keep a column as it is for as long as another table's rows refer to the row.

        Args:
            table: the table.
            column: its column that freezes.
            by_table: the table whose rows freeze it.
            by_column: that table's reference.
        """

    def frozen_trigger_names(self, table: str, *, column: str) -> list[str]:
        """The names of the triggers that :meth:`frozen_ddl` makes."""
        return [f"tg_{table}_{column}_frozen"]

    @abstractmethod
    def immutable_ddl(self, table: str, *, column: str) -> list[str]:
        """Statements that keep a column of a row as it was inserted."""

    def immutable_trigger_names(self, table: str, *, column: str) -> list[str]:
        """The names of the triggers that :meth:`immutable_ddl` makes."""
        return [f"tg_{table}_{column}_immutable"]

    # Documents --------------------------------------------------------------------------------------------

    @abstractmethod
    def json_version(self, column: str) -> str:
        """An expression for a document's version as text: digits, ``0`` where it has none, else ``corrupt``."""

    @abstractmethod
    def json_value(self, value: str) -> str:
        """An expression that makes a bound text comparable with a JSON column."""

    def key_value(self, value: str) -> str:
        """An expression that makes a text comparable with a key column."""
        return value

    @abstractmethod
    def json_member(self, column: str, member: str) -> str:
        """An expression for the JSON text of a document column's member; NULL where the document lacks it."""

    @abstractmethod
    def json_integer(self, column: str, member: str) -> str:
        """An expression for a whole number in a document column; 0 where the document lacks it."""

    @abstractmethod
    def json_with(self, column: str, members: Mapping[str, str]) -> str:
        """An expression for a document column with some of its members replaced by whole numbers.

        Args:
            column: the column; its document is an object.
            members: an expression for each member's number.
        """

    @abstractmethod
    def instant_text(self, instant: str) -> str:
        """An expression that spells an instant as ``2026-01-02T03:04:05.000000Z``."""

    # Locks and errors -------------------------------------------------------------------------------------

    for_update: str
    """What a SELECT ends with to lock the rows it reads."""

    for_key_share: str
    """What a SELECT ends with to lock the rows it reads as a reference to them does: against ``for_update`` alone."""

    skip_locked: str
    """What a SELECT ends with to lock the rows it reads and to pass over those that another transaction has locked."""

    writes_in_with: bool
    """Whether a WITH may hold an UPDATE or INSERT, so that one statement does what else takes a transaction."""

    def indexed_by(self, index: str) -> str:
        """What follows a table's name to read it along this index; empty where the planner finds it by itself."""
        return ""

    tree_by_level: bool
    """Whether a broad tree is read by one query for each level rather than by one recursive query."""

    stores_instants_as_text: bool
    """Whether instants and days come from the driver as the very text that columns bind."""

    references_always_hold: bool
    """Whether no client can leave a reference to a row that is not there."""

    error_spoils_transaction: bool
    """Whether a refused statement makes the whole transaction useless unless a savepoint was around it."""

    named_lock_sql: str
    """Takes the lock of the bound name until the transaction ends; empty where writers exclude each other anyway."""

    filling_sql: str
    """What a transaction begins with that fills empty tables whose rows refer to each other; may be empty."""

    restricting_sql: str
    """Lists ``(table, column)`` of every foreign key to the bound table that forbids deleting what it refers to."""

    @abstractmethod
    def translate(self, error: pw.PeeweeException) -> DatapkgError:
        """Turn a driver's error into the package's own."""

    @abstractmethod
    def is_retryable(self, error: BaseException) -> bool:
        """Whether running the whole transaction again may succeed (serialization, deadlock, lock)."""

    @abstractmethod
    def is_disconnect(self, error: BaseException) -> bool:
        """Whether the error says that the connection is gone."""


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own exception behind Peewee's wrapper (or the exception itself)."""
    # Peewee keeps it as `orig`; the context covers wrappers of its own.
    original = getattr(error, "orig", None)
    if isinstance(original, BaseException):
        return original
    if isinstance(error, pw.PeeweeException) and error.__context__ is not None:
        return error.__context__
    return error
