"""Finding the rows that are due, in batches, each with all that goes with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from datapkg.kit.database import current, snapshot
from datapkg.kit.dialect.base import quote
from datapkg.kit.fields import DateField
from datapkg.kit.rows import instance_builder
from datapkg.operations.retention.layouts import Layout, Prefix, Table, period_of

__all__ = ["BATCH", "Bundle", "bundles_of", "chunks", "count_due", "due_bundles", "exempt_now", "lock_rows", "marks"]

BATCH = 500
"""Rows of the policy's own table that are in memory at a time, with what goes with them."""

Keys = Sequence[str]


@dataclass
class Bundle:
    """A row with all that goes with it, as lines.

    Attributes:
        key: the row's id.
        root: its line.
        parts: for each of the layout's parts, lines in the order of their ids.
    """

    key: str
    root: str
    parts: list[list[str]] = field(default_factory=list)


def chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    """Yield keys in lists that an engine takes as parameters."""
    waiting = list(keys)
    for start in range(0, len(waiting), BATCH):
        yield waiting[start : start + BATCH]


def marks(count: int) -> str:
    """Return that many placeholders in parentheses."""
    return "(" + ", ".join([current().dialect.param] * count) + ")"


def _exempt(layout: Layout) -> str:
    return " OR ".join(f"({each.condition})" for each in layout.policy.exempt)


def _older(layout: Layout, cutoff: dt.datetime, prefix: Prefix | None) -> tuple[str, list[Any]]:
    """Return the condition, with its values, for rows old enough."""
    if prefix is not None:
        return f"this.{quote(prefix.order)} <= {current().dialect.param}", [prefix.last(cutoff)]
    by = layout.policy.model._meta.fields[layout.policy.by].column_name
    return f"this.{quote(by)} < {current().dialect.param}", [layout.due(cutoff)]


def _day(layout: Layout) -> str:
    """Return an expression for the day of a row, as text."""
    aged = layout.policy.model._meta.fields[layout.policy.by]
    column = f"this.{quote(aged.column_name)}"
    if isinstance(aged, DateField):
        return f"CAST({column} AS TEXT)"
    return current().dialect.instant_text(column)


def count_due(layout: Layout, cutoff: dt.datetime) -> dict[str, tuple[int, int]]:
    """Return, by period, how many rows are due, and how many more would be but for what exempts them."""
    older, values = _older(layout, cutoff, layout.prefix())
    exempt = _exempt(layout)
    counted = f"sum(CASE WHEN {exempt} THEN 1 ELSE 0 END)" if exempt else "0"
    rows = current().fetch(
        f"SELECT substr({_day(layout)}, 1, 7) AS month, count(*), {counted} "
        f"FROM {quote(layout.policy.model._meta.table_name)} AS this WHERE {older} GROUP BY 1 ORDER BY 1",
        values,
    )
    found: dict[str, tuple[int, int]] = {}
    for month, total, kept in rows:
        period = period_of(f"{month}-01", layout.policy.period)
        due, exempted = found.get(period, (0, 0))
        found[period] = (due + int(total) - int(kept), exempted + int(kept))
    return found


def due_bundles(layout: Layout, cutoff: dt.datetime) -> Iterator[tuple[str, list[Bundle]]]:
    """Yield the rows that are due, oldest first, with the period of each batch.

    Raises:
        ConflictError: a prefix is not what it should be.
    """
    prefix = layout.prefix()
    database = current()
    param = database.dialect.param
    older, values = _older(layout, cutoff, prefix)
    exempt = f" AND NOT ({_exempt(layout)})" if layout.policy.exempt else ""
    columns = layout.root.lines.columns
    aged = layout.policy.model._meta.fields[layout.policy.by].column_name
    order = (prefix.order,) if prefix is not None else (aged, "id")
    listed = ", ".join(f"this.{quote(name)}" for name in order)
    build = instance_builder(layout.policy.model, database.dialect)
    places = [columns.index(name) for name in order]
    last: list[Any] = []
    newest = ""
    while True:
        beyond = f" AND ({listed}) > ({', '.join([param] * len(order))})" if last else ""
        sql = f"{layout.root.select} WHERE {older}{beyond}{exempt} ORDER BY {listed} LIMIT {BATCH}"
        with snapshot():  # a row and what goes with it as they were at one moment
            rows = database.fetch(sql, [*values, *last])
            bundles = bundles_of(layout, rows)
        if not rows:
            return
        if prefix is not None:
            prefix.verify([build(row) for row in rows])
        last = [rows[-1][place] for place in places]
        start = 0
        for place, row in enumerate(rows):
            # Entries whose clock was set back stay in the period that their order puts them in.
            period = max(newest, period_of(_text(row[columns.index(aged)]), layout.policy.period))
            if period != newest and place > start:
                yield newest, bundles[start:place]
                start = place
            newest = period
        yield newest, bundles[start:]


def _text(value: Any) -> str:
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC)
    return str(value)


def lock_rows(layout: Layout, keys: Keys) -> list[Any]:
    """Lock rows of the policy's own table until the transaction ends, and return those that are there."""
    dialect = current().dialect
    # In the order of their ids, so that two who lock some of the same do not wait for each other.
    rows = current().fetch(
        f"{layout.root.select} WHERE this.id IN {marks(len(keys))} ORDER BY this.id{dialect.for_update}", list(keys)
    )
    for name in {name for each in layout.policy.exempt for name in each.locks} if dialect.for_update else ():
        reference = layout.policy.model._meta.fields[name]
        place = layout.root.lines.columns.index(reference.column_name)
        wanted = sorted({row[place] for row in rows if row[place] is not None})
        if wanted:
            table = quote(reference.rel_model._meta.table_name)
            current().fetch(
                f"SELECT id FROM {table} WHERE id IN {marks(len(wanted))} ORDER BY id{dialect.for_update}", wanted
            )
    return rows


def bundles_of(layout: Layout, rows: Sequence[Any], *, locked: bool = False) -> list[Bundle]:
    """Return rows with all that goes with them.

    Args:
        layout: the policy.
        rows: the driver's rows of its own table.
        locked: whether to lock all that goes with them too, so that nothing is added to it either.
    """
    key = layout.root.lines.columns.index("id")
    found = {row[key]: Bundle(row[key], layout.root.lines.of_row(row)) for row in rows}
    owners: dict[str, dict[str, Bundle]] = {layout.root.model._meta.table_name: found}
    for part in layout.parts:
        for bundle in found.values():
            bundle.parts.append([])
        owner = owners.get(part.refers_to, {})
        place = part.lines.columns.index(part.column)
        mine: dict[str, Bundle] = {}
        for row in _referring(part, owner, locked):
            bundle = owner[row[place]]
            bundle.parts[-1].append(part.lines.of_row(row))
            mine[row[part.lines.columns.index("id")]] = bundle
        if not part.cut:
            owners.setdefault(part.model._meta.table_name, {}).update(mine)
    return list(found.values())


def _referring(part: Table, owner: Iterable[str], locked: bool) -> list[Any]:
    lock = current().dialect.for_update if locked else ""
    rows: list[Any] = []
    for some in chunks(owner):
        condition = f"this.{quote(part.column)} IN {marks(len(some))}"
        rows += current().fetch(f"{part.select} WHERE {condition} ORDER BY this.id{lock}", some)
    return rows


def exempt_now(layout: Layout, keys: Keys) -> dict[str, str]:
    """Return why rows are exempt, by id, for those that are."""
    table = quote(layout.policy.model._meta.table_name)
    found: dict[str, str] = {}
    for each in layout.policy.exempt:
        sql = f"SELECT this.id FROM {table} AS this WHERE this.id IN {marks(len(keys))} AND ({each.condition})"
        for (key,) in current().fetch(sql, list(keys)):
            found.setdefault(key, each.why)
    return found
