"""The tables that move: parents first, what refers to itself, what must be left empty at first.

The package's own books move as far as they are about rows: which seeds were applied, which rows their keys stand for,
where retention put archived rows. Which migrations a database has been through and what it is for (its environment)
are facts about the database itself and stay where they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import peewee as pw

from datapkg import registry
from datapkg.kit.errors import ConfigurationError, NotFoundError
from datapkg.kit.models import Model
from datapkg.kit.words import did_you_mean
from datapkg.operations.bookkeeping import AppliedSeed, Archive, SeedKey

__all__ = ["BOOKS", "MovedTable", "Reference", "chosen_tables", "moved_tables"]

BOOKS: tuple[type[Model], ...] = (AppliedSeed, SeedKey, Archive)
"""The tables of the package's own books that move with the rows."""


@dataclass(frozen=True)
class Reference:
    """A column that refers to a row.

    Attributes:
        column: its name in the database.
        table: the table it refers to.
        nullable: whether it may be empty.
        fixed: whether it can never be changed once the row is there.
    """

    column: str
    table: str
    nullable: bool
    fixed: bool


@dataclass(frozen=True)
class MovedTable:
    """One table, as it moves.

    Attributes:
        model: its model, of today or of an older revision.
        columns: its columns in the database: the key, then the others by name.
        references: the columns that refer to other rows.
        late: columns that refer to tables further down the order, in a cycle: they are written empty and set once
            those tables are there.
    """

    model: type[Model]
    columns: tuple[str, ...]
    references: tuple[Reference, ...]
    late: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The table's name."""
        return str(self.model._meta.table_name)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The model's fields by column."""
        columns: Mapping[str, Any] = self.model._meta.columns
        return columns

    @property
    def guarded(self) -> bool:
        """Whether changes need the table's gate."""
        return bool(getattr(self.model._meta, "append_only", False) or getattr(self.model._meta, "gated", False))

    @property
    def refers_to_itself(self) -> bool:
        """Whether its rows refer to each other, so that one may come before the row it refers to."""
        return any(each.table == self.name for each in self.references)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The columns that are credentials.

        The salt of an audit entry is kept out of sight, but it is none: it belongs to the entry's details and goes
        wherever they go, because without it nobody could tell whether they were changed.
        """
        return tuple(
            column
            for column in self.columns
            if getattr(self.fields[column], "secret", False) and (self.name, column) not in _NOT_CREDENTIALS
        )


_NOT_CREDENTIALS = {("audit_logs", "details_salt")}


def moved_tables(models: Iterable[type[Model]] | None = None) -> tuple[MovedTable, ...]:
    """Return the tables in an order in which they can be written, parents before children.

    Args:
        models: the tables; left out, those of every registered domain and the books that move.

    Raises:
        ConfigurationError: tables refer to each other in a circle in which no column may be empty at first, or a
            column holds what cannot be moved.
    """
    given = tuple(registry.models()) + BOOKS if models is None else tuple(models)
    tables = {model._meta.table_name: _described(model) for model in given}
    ordered: dict[str, MovedTable] = {}
    while len(ordered) < len(tables):
        waiting = {name: table for name, table in tables.items() if name not in ordered}
        free = [name for name, table in waiting.items() if not _blocking(table, waiting)]
        if free:
            ordered[free[0]] = waiting[free[0]]
            continue
        name = next((each for each, table in waiting.items() if _can_wait(table, waiting)), None)
        if name is None:
            raise ConfigurationError(
                f"The tables {', '.join(waiting)} refer to each other in a circle that cannot be written.",
                fix="Let one column of the circle be empty at first (null=True) and changed later.",
            )
        late = tuple(each.column for each in _blocking(waiting[name], waiting))
        ordered[name] = MovedTable(waiting[name].model, waiting[name].columns, waiting[name].references, late)
    return tuple(ordered.values())


def _described(model: type[Model]) -> MovedTable:
    meta = model._meta
    key_field: Any = meta.primary_key
    key = key_field.column_name
    columns = [key, *sorted(each.column_name for each in meta.sorted_fields if each.column_name != key)]
    for each in meta.sorted_fields:
        if isinstance(each, pw.BlobField):
            raise ConfigurationError(
                f"{meta.table_name}.{each.column_name} holds bytes, which dump, load and copy do not move.",
                fix="Keep the bytes as text (base64) or outside of the database.",
            )
    fixed = tuple(getattr(meta, "immutable", ()))
    references = tuple(
        Reference(each.column_name, each.rel_model._meta.table_name, bool(each.null), each.column_name in fixed)
        for each in meta.sorted_fields
        if isinstance(each, pw.ForeignKeyField)
    )
    return MovedTable(model, tuple(columns), references)


def _blocking(table: MovedTable, waiting: Mapping[str, MovedTable]) -> list[Reference]:
    """The references to tables that have no place yet; those of a table to itself block nothing."""
    return [each for each in table.references if each.table in waiting and each.table != table.name]


def _can_wait(table: MovedTable, waiting: Mapping[str, MovedTable]) -> bool:
    return all(each.nullable and not each.fixed for each in _blocking(table, waiting))


def chosen_tables(domains: Sequence[str] | str | None, among: Sequence[MovedTable]) -> tuple[MovedTable, ...]:
    """Return the tables of these domains and those that they refer to, in their order.

    Args:
        domains: names of domains (or one); None for everything, the books too.
        among: all tables.

    Raises:
        NotFoundError: there is no domain of this name.
    """
    if domains is None:
        return tuple(among)
    names = (domains,) if isinstance(domains, str) else tuple(domains)
    known = {each.name: each for each in registry.domains()}
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known) if isinstance(name, str) else ""
            raise NotFoundError("domain", name, fix=f"{meant} Use some of: {', '.join(known)}.".strip())
    return _with_parents({model._meta.table_name for name in names for model in known[name].models}, among)


def _with_parents(names: Collection[str], among: Sequence[MovedTable]) -> tuple[MovedTable, ...]:
    wanted, by_name = set(names), {table.name: table for table in among}
    waiting = list(names)
    while waiting:
        for each in by_name[waiting.pop()].references:
            if each.table in by_name and each.table not in wanted:
                wanted.add(each.table)
                waiting.append(each.table)
    return tuple(table for table in among if table.name in wanted)
