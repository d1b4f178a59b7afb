"""The history table: which migrations a database has been through, and which of our tables it has at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime

from datapkg.kit.database import override
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.engines import KitDatabase, SqliteFileDatabase
from datapkg.kit.errors import ForeignDatabaseError
from datapkg.operations.bookkeeping import BOOKKEEPING, AppliedMigration, Setting
from datapkg.operations.migrations.files import MigrationFile

__all__ = [
    "Applied",
    "add",
    "applied",
    "ensure_bookkeeping",
    "has_books",
    "is_missing",
    "other_tables",
    "refuse_foreign",
    "remove",
    "restamp",
    "setting",
]


@dataclass(frozen=True)
class Applied:
    """A row of the history.

    Attributes:
        history: whose it is.
        name: the migration.
        sha256: of its file when it ran.
        applied_at: when.
    """

    history: str
    name: str
    sha256: str
    applied_at: datetime


def is_missing(database: KitDatabase) -> bool:
    """Whether the database is a SQLite file that does not exist; connecting would create it."""
    return isinstance(database, SqliteFileDatabase) and not os.path.exists(database.database)


def has_books(database: KitDatabase) -> bool:
    """Whether the database has the package's own tables."""
    return AppliedMigration._meta.table_name in table_names(database)


def other_tables(database: KitDatabase) -> list[str]:
    """Return the tables that are not the package's own books."""
    own = {model._meta.table_name for model in BOOKKEEPING}
    return sorted(table_names(database) - own)


def refuse_foreign(database: KitDatabase) -> None:
    """Refuse a database that holds tables, but not ours.

    Raises:
        ForeignDatabaseError: it does.
    """
    if not has_books(database) and (tables := other_tables(database)):
        shown = ", ".join(tables[:5]) + (" …" if len(tables) > 5 else "")
        raise ForeignDatabaseError(
            f"The database {database.url} holds tables, but none of datapkg's: {shown}.",
            fix="Check the URL; to add datapkg's tables beside them, run `datapkg migrate`.",
        )


def applied(database: KitDatabase) -> list[Applied]:
    """Return the history of every folder, in the order in which it happened."""
    if not has_books(database):
        return []
    with override(database):
        rows = AppliedMigration.select().order_by(AppliedMigration.applied_at, AppliedMigration.id)
        return [Applied(row.history, row.name, row.sha256, row.applied_at) for row in rows]


def ensure_bookkeeping(database: KitDatabase) -> None:
    """Make the package's own tables where they are missing, in the caller's transaction."""
    there = table_names(database)
    with override(database):
        for model in BOOKKEEPING:
            if model._meta.table_name not in there:
                model.create_table(safe=False)


def add(database: KitDatabase, file: MigrationFile) -> None:
    """Record a migration as applied now."""
    with override(database):
        AppliedMigration.create(history=file.history, name=file.name, sha256=file.sha256)


def restamp(database: KitDatabase, file: MigrationFile) -> None:
    """Record that an applied migration's file is right as it stands now."""
    with override(database):
        AppliedMigration.update(sha256=file.sha256).where(
            (AppliedMigration.history == file.history) & (AppliedMigration.name == file.name)
        ).execute()


def remove(database: KitDatabase, file: MigrationFile) -> None:
    """Record a migration as not applied."""
    with override(database):
        AppliedMigration.delete().where(
            (AppliedMigration.history == file.history) & (AppliedMigration.name == file.name)
        ).execute()


def setting(database: KitDatabase, key: str) -> object:
    """Return a setting's value, or None."""
    if is_missing(database) or Setting._meta.table_name not in table_names(database):
        return None
    with override(database):
        row = Setting.get_or_none(Setting.key == key)
        return None if row is None else row.value
