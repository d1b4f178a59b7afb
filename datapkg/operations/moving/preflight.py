"""Finding every row that another database would refuse, before anything is written there.

A database refuses what its constraints forbid, and yet may hold it: constraints can be switched off while somebody
writes (SQLite checks references only for clients that ask for it), or be missing from a table that somebody made by
hand. So the rules are asked of the rows, in SQL where the rows are, and the values are read as a copy would read them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import CopyError, ValidationError
from datapkg.kit.fields.base import Column
from datapkg.kit.results import Rows
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.streams import Digest, read_batches
from datapkg.operations.moving.tables import MovedTable

__all__ = ["MAX_LISTED", "RefusedRow", "preflight"]

MAX_LISTED = 1000
"""Refused rows that are listed, at the most; after that the search ends with the table."""

_CHECK = re.compile(r"CHECK \((.*)\)\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class RefusedRow:
    """A row that the target would refuse.

    Attributes:
        table: the table.
        key: the row's key.
        column: the column that is wrong, or the name of the rule where it is about several.
        why: what is wrong with it.
    """

    table: str
    key: str
    column: str
    why: str


def preflight(
    source: KitDatabase, tables: Sequence[MovedTable], *, progress: Callable[[int], None] | None = None
) -> dict[str, Digest]:
    """Read everything, and return what each table holds.

    Args:
        source: where the rows are.
        tables: the tables to move.
        progress: called with the number of rows of each batch.

    Raises:
        CopyError: rows that a target would refuse; ``refused`` in its ``meta`` lists them.
    """
    refused: Rows[RefusedRow] = Rows()
    digests: dict[str, Digest] = {}
    for table in tables:
        found = (*_against_rules(source, table), *_lost(source, table), *_doubled(source, table))
        broken = {(each.key, each.column): each for each in found}
        digests[table.name] = _read(source, table, broken, progress)
        refused += list(broken.values())
        if len(refused) >= MAX_LISTED:
            break
    if refused:
        listed = "; ".join(f"{each.table} {each.key}, {each.column}: {each.why}" for each in refused[:5])
        more = f" (and {len(refused) - 5} more)" if len(refused) > 5 else ""
        least = "at least " if len(refused) >= MAX_LISTED else ""
        raise CopyError(
            f"The target would refuse {least}{len(refused)} values of {source.url}: {listed}{more}.",
            fix="Correct or remove those rows in the source and copy again; nothing was written.",
            refused=[vars(each) for each in refused],
        )
    return digests


def _read(
    source: KitDatabase,
    table: MovedTable,
    broken: dict[tuple[str, str], RefusedRow],
    progress: Callable[[int], None] | None,
) -> Digest:
    codec, digest, rows = RowCodec(table, source.dialect), hashlib.sha256(), 0
    for batch in read_batches(source, table):
        for raw in batch:
            try:
                digest.update(codec.line(codec.take(raw)))
            except ValidationError as error:
                for column, why in error.errors.items():
                    broken.setdefault(
                        (raw[0], column.partition(".")[0]), RefusedRow(table.name, raw[0], column, " ".join(why))
                    )
        rows += len(batch)
        if progress is not None:
            progress(len(batch))
        if len(broken) >= MAX_LISTED:
            break
    return Digest(rows, digest.hexdigest())


def _rules(source: KitDatabase, table: MovedTable) -> Iterator[tuple[str, str]]:
    """Yield ``(column or name, condition)`` of everything that the table's constraints demand of one row."""
    for column in table.columns:
        field, name = table.fields[column], quote(column)
        if not field.null:
            yield column, f"{name} IS NOT NULL"
        conditions = field.conditions(name, source.dialect) if isinstance(field, Column) else []
        if conditions:
            yield column, " AND ".join(conditions)
    for each in table.model._meta.constraints or ():
        text, _ = _sql(source, each)
        if found := _CHECK.search(text):
            yield text.partition(" CHECK")[0].removeprefix("CONSTRAINT ").strip('" ') or "check", found[1]


def _against_rules(source: KitDatabase, table: MovedTable) -> Iterator[RefusedRow]:
    rules = list(_rules(source, table))
    broken = [f"NOT ({condition})" for _, condition in rules]
    sql = (
        f"SELECT {quote(table.columns[0])}, {', '.join(f'CASE WHEN {each} THEN 1 ELSE 0 END' for each in broken)} "
        f"FROM {quote(table.name)} WHERE {' OR '.join(broken)} ORDER BY 1 LIMIT {MAX_LISTED}"
    )
    for key, *flags in source.fetch(sql, ()):
        for (name, condition), flag in zip(rules, flags, strict=True):
            if flag:
                yield RefusedRow(table.name, key, name, _why(condition))


def _why(condition: str) -> str:
    return "May not be empty." if condition.endswith(" IS NOT NULL") else "Breaks the rule of its column."


def _lost(source: KitDatabase, table: MovedTable) -> Iterator[RefusedRow]:
    """Yield the rows that refer to a row that is not there."""
    if source.dialect.references_always_hold:
        return
    key = quote(table.columns[0])
    for each in table.references:
        column, parent = quote(each.column), quote(each.table)
        sql = (
            f"SELECT c.{key} FROM {quote(table.name)} AS c WHERE c.{column} IS NOT NULL "
            f"AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE p.id = c.{column}) ORDER BY 1 LIMIT {MAX_LISTED}"
        )
        for (row,) in source.fetch(sql, ()):
            yield RefusedRow(table.name, row, each.column, f"Refers to a row of {each.table} that is not there.")


def _doubled(source: KitDatabase, table: MovedTable) -> Iterator[RefusedRow]:
    """Yield the rows that share what may be there once only, where the source has lost the index that says so."""
    kept = {tuple(each.columns) for each in source.get_indexes(table.name) if each.unique}
    for index in table.model._meta.fields_to_index():
        columns = tuple(str(getattr(part, "column_name", "")) for part in index._expressions)
        if not index._unique or columns in kept or not all(columns):
            continue
        names = ", ".join(map(quote, columns))
        condition, given = _sql(source, index._where) if index._where is not None else ("1 = 1", [])
        where = " AND ".join([*(f"{quote(column)} IS NOT NULL" for column in columns), condition])
        sql = (
            f"SELECT {quote(table.columns[0])} FROM {quote(table.name)} WHERE {where} AND ({names}) IN "
            f"(SELECT {names} FROM {quote(table.name)} WHERE {where} GROUP BY {names} HAVING count(*) > 1) "
            f"ORDER BY 1 LIMIT {MAX_LISTED}"
        )
        for (key,) in source.fetch(sql, (*given, *given)):
            yield RefusedRow(table.name, key, ", ".join(columns), "Another row has the same.")


def _sql(source: KitDatabase, node: Any) -> tuple[str, list[Any]]:
    context: Any = source.get_sql_context()
    with context.scope_values():
        sql, params = context.sql(node).query()
    return str(sql), list(params)
