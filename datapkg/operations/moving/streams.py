"""Reading and writing a table's rows a batch at a time, whatever its size, and the hash of all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.tables import MovedTable

__all__ = [
    "BATCH",
    "Digest",
    "count_rows",
    "digest_of",
    "gate",
    "occupied",
    "read_batches",
    "remove_rows",
    "set_late_columns",
    "write_rows",
]

BATCH = 2000
"""Rows read or written at once, at the most."""

_BYTES = 8_000_000  # of text in one batch, about; a table may hold rows of ten megabytes each
Row = list[Any]


@dataclass(frozen=True)
class Digest:
    """What a table holds, in short.

    Attributes:
        rows: how many rows.
        sha256: of their lines, in the order of their keys; the same on every engine.
    """

    rows: int
    sha256: str


def _key(table: MovedTable) -> str:
    return quote(table.columns[0])


def read_batches(
    database: KitDatabase, table: MovedTable, *, after: str | None = None, size: int = BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the driver's rows in the order of their keys; what others commit meanwhile is up to the transaction.

    Args:
        database: where from.
        table: the table; values come in the order of its columns.
        after: the key to begin behind.
        size: rows at once, at the most; fewer where rows are long.
    """
    columns = ", ".join(map(quote, table.columns))
    mark, start = database.dialect.param, f"SELECT {columns} FROM {quote(table.name)}"
    limit = min(size, 50)
    while True:
        where = "" if after is None else f" WHERE {_key(table)} > {mark}"
        sql = f"{start}{where} ORDER BY {_key(table)} LIMIT {limit}"
        batch = database.fetch(sql, () if after is None else (after,))
        if batch:
            yield batch
        if len(batch) < limit:
            return
        after = batch[-1][0]
        held = sum(len(value) for row in batch for value in row if type(value) is str)
        limit = max(1, min(size, limit * 4, _BYTES * len(batch) // max(held, 1)))


def digest_of(database: KitDatabase, table: MovedTable, *, progress: Callable[[int], None] | None = None) -> Digest:
    """Read a whole table and return its digest.

    Args:
        database: where it is.
        table: the table.
        progress: called with the number of rows of each batch.

    Raises:
        ValidationError: a stored value is none that its column may hold.
    """
    codec, digest, rows = RowCodec(table, database.dialect), hashlib.sha256(), 0
    for batch in read_batches(database, table):
        digest.update(b"".join([codec.line(codec.take(row)) for row in batch]))
        rows += len(batch)
        if progress is not None:
            progress(len(batch))
    return Digest(rows, digest.hexdigest())


def count_rows(database: KitDatabase, table: MovedTable) -> int:
    """Return how many rows a table has."""
    return int(database.fetch(f"SELECT count(*) FROM {quote(table.name)}", ())[0][0])


def occupied(database: KitDatabase, tables: Iterable[MovedTable]) -> list[str]:
    """Return the names of the tables that have rows."""
    return [table.name for table in tables if database.fetch(f"SELECT 1 FROM {quote(table.name)} LIMIT 1", ())]


def gate(database: KitDatabase, table: MovedTable) -> AbstractContextManager[None]:
    """Open a table's gate inside the caller's transaction, where it has one."""
    # datapkg: allow-write whole rows come in through here, as they were written elsewhere
    return database.open_gate(table.name) if table.guarded else nullcontext()


def write_rows(database: KitDatabase, table: MovedTable, batches: Iterable[Sequence[Row]]) -> int:
    """Insert rows inside the caller's transaction and return how many.

    Columns that refer to tables further down the order stay empty; see :func:`set_late_columns`.

    Args:
        database: where to.
        table: the table.
        batches: canonical rows. Where rows refer to each other all of them belong into one call, in any order.

    Raises:
        ConflictError: a constraint refused a row; the transaction must be undone.
    """
    codec = RowCodec(table, database.dialect)
    empty = [table.columns.index(column) for column in table.late]

    def bound() -> Iterator[Sequence[Sequence[object]]]:
        for batch in batches:
            rows = [codec.give(row) for row in batch]
            for row in rows:
                for position in empty:
                    row[position] = None
            yield rows

    with gate(database, table):
        if table.refers_to_itself:
            # One statement (or, on SQLite, one transaction) is checked at its end, so the order of its rows is free.
            return database.insert_at_once(table.name, table.columns, bound())
        return sum(database.insert_rows(table.name, table.columns, rows) for rows in bound())


def set_late_columns(database: KitDatabase, table: MovedTable, batches: Iterable[Sequence[Row]]) -> int:
    """Set the columns that were left empty, inside the caller's transaction, and return how many rows had some.

    Args:
        database: where.
        table: the table; nothing is done unless it has such columns.
        batches: its canonical rows.
    """
    if not table.late:
        return 0
    mark, done = database.dialect.param, 0
    key = f"{_key(table)} = {mark}"
    columns = [(table.columns.index(column), column) for column in table.late]
    sets = ", ".join(f"{quote(column)} = {mark}" for _, column in columns)
    with gate(database, table):
        for batch in batches:
            for row in batch:
                values = [row[position] for position, _ in columns]
                if any(value is not None for value in values):
                    done += database.change(f"UPDATE {quote(table.name)} SET {sets} WHERE {key}", (*values, row[0]))
    return done


def remove_rows(database: KitDatabase, tables: Sequence[MovedTable]) -> None:
    """Delete every row of these tables inside the caller's transaction, gates and references notwithstanding.

    Args:
        database: where.
        tables: parents before children; nothing outside of them may refer to their rows.
    """
    for table in tables:
        loose = [*table.late, *(each.column for each in table.references if _loosens(table, each.column))]
        if loose:
            sets = ", ".join(f"{quote(column)} = NULL" for column in dict.fromkeys(loose))
            some = " OR ".join(f"{quote(column)} IS NOT NULL" for column in dict.fromkeys(loose))
            with gate(database, table):
                database.change(f"UPDATE {quote(table.name)} SET {sets} WHERE {some}", ())
    for table in reversed(tables):
        with gate(database, table):
            _delete(database, table)


def _loosens(table: MovedTable, column: str) -> bool:
    """Whether a reference of a table to itself can be emptied before its rows go."""
    return any(
        each.column == column and each.table == table.name and each.nullable and not each.fixed
        for each in table.references
    )


def _delete(database: KitDatabase, table: MovedTable) -> None:
    name, key = quote(table.name), _key(table)
    stuck = [each.column for each in table.references if each.table == table.name and (each.fixed or not each.nullable)]
    if not stuck:
        database.change(f"DELETE FROM {name}", ())
        return
    # Leaves first: SQLite checks row by row whether another still refers to it, even its own statement's.
    others = " AND ".join(
        f"{key} NOT IN (SELECT {quote(column)} FROM {name} WHERE {quote(column)} IS NOT NULL "
        f"AND {quote(column)} <> {key})"
        for column in stuck
    )
    while database.change(f"DELETE FROM {name} WHERE {others}", ()):
        pass
