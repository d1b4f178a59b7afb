"""The databases that rows come from and go into: ours and up to date, and a target empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import (
    ConflictError,
    ForeignDatabaseError,
    MigrationError,
    SchemaAheadError,
    SchemaOutdatedError,
)
from datapkg.kit.words import counted
from datapkg.operations import migrations
from datapkg.operations.migrations import Status
from datapkg.operations.moving.streams import occupied
from datapkg.operations.moving.tables import MovedTable
from datapkg.operations.moving.unfinished import refuse_unfinished

__all__ = ["bring_up_to_date", "refuse_referrers", "refuse_rows", "refused", "require_current"]


def refused(status: Status, *, role: str) -> None:
    """Refuse a database that this code cannot work with, even by migrating it.

    Args:
        status: the database beside the code.
        role: what it is to be: ``target``, for one.

    Raises:
        ForeignDatabaseError: it holds somebody else's tables.
        SchemaAheadError: it was written by newer code.
        MigrationError: migrations were edited after they ran there.
    """
    if status.state == "foreign":
        raise ForeignDatabaseError(
            f"The {role} {status.url} holds tables, but none of datapkg's.",
            fix="Check the URL; to add datapkg's tables beside them, run `datapkg migrate` first.",
        )
    if status.state == "ahead":
        raise SchemaAheadError(
            f"The {role} {status.url} has migrations that this code does not know: {', '.join(status.unknown)}."
        )
    if status.state == "edited":
        raise MigrationError(
            f"Migrations were edited after they ran on the {role} {status.url}: {', '.join(status.edited)}.",
            fix="Restore the files as they were, and put the change into a new migration.",
        )


def require_current(database: KitDatabase, *, role: str) -> None:
    """Refuse a database that is not just as this code needs it.

    Args:
        database: the database.
        role: what it is: ``source``, for one.

    Raises:
        CopyError: a copy into it is not finished.
        SchemaOutdatedError: it lacks migrations.
        DatabaseUnavailableError: it is a file that is not there.
        ForeignDatabaseError, SchemaAheadError, MigrationError: see :func:`refused`.
    """
    refuse_unfinished(database)
    status = migrations.status(database=database)
    refused(status, role=role)
    if status.state == "missing":
        database.connect()  # says that there is no such file
    if status.state != "current":
        raise SchemaOutdatedError(
            f"The {role} {database.url} lacks {counted(len(status.pending), 'migration')}: "
            f"{', '.join(status.pending)}.",
            fix="Run `datapkg migrate` on it first.",
            pending=status.pending,
        )


def bring_up_to_date(database: KitDatabase, tables: Iterable[MovedTable]) -> list[str]:
    """Migrate a target that has no rows yet, and return the migrations that ran.

    Raises:
        SchemaOutdatedError: it lacks migrations, and has rows.
        ForeignDatabaseError, SchemaAheadError, MigrationError: see :func:`refused`.
    """
    status = migrations.status(database=database)
    refused(status, role="target")
    if status.state == "current":
        return []
    there = set() if status.state == "missing" else table_names(database)
    rows = occupied(database, (table for table in tables if table.name in there))
    if rows:
        raise SchemaOutdatedError(
            f"The target {database.url} lacks migrations, and has rows in {_listed(rows)}.",
            fix="Run `datapkg migrate` on it first.",
            pending=status.pending,
        )
    return migrations.migrate(database=database).applied


def refuse_rows(database: KitDatabase, tables: Sequence[MovedTable], *, fix: str) -> None:
    """Refuse a target that has rows in one of these tables.

    Raises:
        ConflictError: it has.
    """
    rows = occupied(database, tables)
    if rows:
        raise ConflictError(f"The target {database.url} has rows already, in {_listed(rows)}.", fix=fix)


def refuse_referrers(database: KitDatabase, tables: Sequence[MovedTable], everything: Sequence[MovedTable]) -> None:
    """Refuse to empty tables that rows outside of them refer to.

    Raises:
        ConflictError: some do.
    """
    names = {table.name for table in tables}
    for table in everything:
        for each in table.references:
            if table.name in names or each.table not in names:
                continue
            sql = f"SELECT 1 FROM {quote(table.name)} WHERE {quote(each.column)} IS NOT NULL LIMIT 1"
            if database.fetch(sql, ()):
                raise ConflictError(
                    f"Rows of {table.name} refer to {each.table}, whose rows would be replaced.",
                    fix="Replace everything, or the domain of that table too.",
                    table=table.name,
                )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more tables" if len(names) > 5 else "")
