"""What changes a table on either engine: statements, and on SQLite the rebuild that stands for most of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datapkg.kit.dialect.tables import TableState, Tag
from datapkg.kit.errors import UnsafeMigrationError

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = ["Alteration", "Sql", "alter_table", "create_table", "drop_table", "refuse_type_change", "run_sql"]


class Alteration(ABC):
    """One thing that is done to a database.

    Attributes:
        tag: what it does to data and to code that runs at the same time.
    """

    tag: Tag

    @abstractmethod
    def lines(self) -> list[str]:
        """The statements, as they will run."""

    @abstractmethod
    def run(self, database: KitDatabase) -> None:
        """Do it."""


@dataclass(frozen=True)
class Sql(Alteration):
    """One statement with its bound values."""

    sql: str
    tag: Tag
    params: tuple[object, ...] = ()

    def lines(self) -> list[str]:
        """The statement."""
        return [self.sql if not self.params else f"{self.sql}  -- {', '.join(map(repr, self.params))}"]

    def run(self, database: KitDatabase) -> None:
        """Run it."""
        run_sql(database, self.sql, self.params)


def run_sql(database: KitDatabase, sql: str, params: Sequence[object] = ()) -> None:
    """Run a statement exactly as it is written; a ``%`` in it means itself where nothing is bound."""
    if not params and database.dialect.param == "%s":
        sql = sql.replace("%", "%%")  # the driver reads the text as a format even without values
    database.execute_sql(sql, tuple(params))


def create_table(table: TableState) -> list[Alteration]:
    """Return what makes a table with its indexes and triggers."""
    return [
        Sql(table.create, "additive"),
        *(Sql(index.sql, "additive", index.params) for index in table.indexes.values()),
        *(Sql(trigger, "additive") for trigger in table.triggers),
    ]


def drop_table(table: TableState, *, cascade: bool, engine: str) -> list[Alteration]:
    """Return what drops a table; with ``cascade``, on PostgreSQL, also the foreign keys that refer to it."""
    rest = " CASCADE" if cascade and engine == "postgresql" else ""
    return [Sql(f'DROP TABLE "{table.name}"{rest}', "destructive")]


def alter_table(
    before: TableState, after: TableState, *, engine: str, renames: Mapping[str, str], fill: Mapping[str, object]
) -> list[Alteration]:
    """Return what turns one state of a table into another.

    Args:
        before, after: the two states, in the engine's words.
        engine: the dialect's name.
        renames: old column names to new ones.
        fill: for added columns, the driver's value that rows which are there get.

    Raises:
        UnsafeMigrationError: a change of type that the engines would convert differently.
    """
    if engine == "sqlite":
        from datapkg.kit.dialect.alter_sqlite import alterations
    else:
        from datapkg.kit.dialect.alter_postgresql import alterations
    return alterations(before, after, renames, fill)


_WHOLE = {"SMALLINT", "INT", "BIGINT"}
_TEXT = {"TEXT", "VARCHAR", "CHAR", "UUID"}


def refuse_type_change(table: str, column: str, old: str, new: str) -> None:
    """Refuse a change between types that SQLite and PostgreSQL would convert differently.

    Raises:
        UnsafeMigrationError: the two are not of one family.
    """
    whole, text = _WHOLE | {"DECIMAL"}, _TEXT
    if old == new or {old, new} <= whole or {old, new} <= text:
        return
    if (old in _WHOLE and new in (*_TEXT, "DOUBLE")) or (old in _TEXT and new in _WHOLE):
        return
    raise UnsafeMigrationError(
        f"Changing {table}.{column} from {old} to {new} would convert its values differently on SQLite and PostgreSQL.",
        fix="Add a new column, copy the values in a data step (migrator.run or migrator.sql), then remove the old one.",
    )
