"""What a database holds besides rows, as values that can be compared across engines' own spellings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = [
    "Catalog",
    "ColumnFacts",
    "ForeignKeyFacts",
    "IndexFacts",
    "TableFacts",
    "difference",
    "read_catalog",
    "table_names",
]


@dataclass(frozen=True)
class ColumnFacts:
    """One column.

    Attributes:
        type: as the engine calls it; on PostgreSQL with what else belongs to it, such as a collation.
        nullable: whether it may be empty.
        default: the default's SQL, or None.
    """

    type: str
    nullable: bool
    default: str | None = None


@dataclass(frozen=True)
class IndexFacts:
    """One index, a constraint's own included.

    Attributes:
        unique: whether it refuses duplicates.
        columns: its columns or expressions, in order.
        where: the condition of a partial index, or None.
        using: on PostgreSQL its method, with all that stands between that and the condition.
    """

    unique: bool
    columns: tuple[str, ...]
    where: str | None = None
    using: str = ""


@dataclass(frozen=True)
class ForeignKeyFacts:
    """One foreign key.

    Attributes:
        columns: the columns that refer.
        table: the table referred to.
        targets: the columns referred to.
        on_delete, on_update: the rules.
        extra: what else PostgreSQL says of it: ``DEFERRABLE``, ``NOT VALID``.
    """

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    extra: str = ""


@dataclass(frozen=True)
class TableFacts:
    """One table, everything by name.

    Attributes:
        columns: the columns.
        primary_key: the key's columns, in order.
        indexes: those that no primary key makes.
        checks: the CHECKs' SQL.
        foreign_keys: the foreign keys.
        triggers: the triggers' SQL, on PostgreSQL with their function's and whether they are switched off.
        options: ``STRICT``, ``WITHOUT ROWID``; on PostgreSQL ``UNLOGGED``, ``ROW SECURITY``, ``PARTITIONED``.
    """

    columns: Mapping[str, ColumnFacts]
    primary_key: tuple[str, ...] = ()
    indexes: Mapping[str, IndexFacts] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    foreign_keys: Mapping[str, ForeignKeyFacts] = field(default_factory=dict)
    triggers: Mapping[str, str] = field(default_factory=dict)
    options: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Catalog:
    """Every table of a database, by name; the order of columns does not count."""

    tables: Mapping[str, TableFacts]


def table_names(database: KitDatabase) -> set[str]:
    """Return the names of the tables (on PostgreSQL: of the current schema, where Peewee looks in ``public``)."""
    if database.dialect.name == "sqlite":
        from datapkg.kit.dialect.catalog_sqlite import NAMES
    else:
        from datapkg.kit.dialect.catalog_postgresql import NAMES
    return {name for (name,) in database.fetch(NAMES, ())}


def read_catalog(database: KitDatabase) -> Catalog:
    """Read the tables of a database (on PostgreSQL: of its current schema)."""
    if database.dialect.name == "sqlite":
        from datapkg.kit.dialect.catalog_sqlite import read_tables
    else:
        from datapkg.kit.dialect.catalog_postgresql import read_tables
    return Catalog(read_tables(database))


def difference(a: Catalog, b: Catalog) -> list[str]:
    """Say in words how two catalogs differ, one line a difference; an empty list when they are the same.

    Args:
        a: the catalog that is there.
        b: the catalog that should be.

    >>> there, wanted = Catalog({}), Catalog({"users": TableFacts({})})
    >>> difference(there, wanted)
    ['table users is missing']
    """
    lines = []
    for name in sorted({*a.tables, *b.tables}):
        if name not in a.tables:
            lines.append(f"table {name} is missing")
        elif name not in b.tables:
            lines.append(f"table {name} should not be there")
        else:
            lines += [f"table {name}: {line}" for line in _table_difference(a.tables[name], b.tables[name])]
    return lines


def _table_difference(a: TableFacts, b: TableFacts) -> list[str]:
    lines: list[str] = []
    for part in fields(TableFacts):
        there, wanted = getattr(a, part.name), getattr(b, part.name)
        label = part.name.replace("_", " ")
        if isinstance(wanted, Mapping):
            lines += _named_difference(_SINGULAR[part.name], there, wanted)
        elif there != wanted:
            lines.append(f"{label} is {_shown(there)}, should be {_shown(wanted)}")
    return lines


_SINGULAR = {
    "columns": "column",
    "indexes": "index",
    "checks": "check",
    "foreign_keys": "foreign key",
    "triggers": "trigger",
}


def _named_difference(label: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in sorted({*a, *b}):
        if name not in a:
            lines.append(f"{label} {name} is missing")
        elif name not in b:
            lines.append(f"{label} {name} should not be there")
        elif a[name] != b[name]:
            lines.append(f"{label} {name} is {_shown(a[name])}, should be {_shown(b[name])}")
    return lines


def _shown(value: object) -> str:
    if isinstance(value, (frozenset, set)):
        return ", ".join(sorted(value)) or "(none)"
    return str(value)
