"""Connecting: bind the proxy to a URL, then make sure that the database has the tables this code needs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from datapkg.kit import database as kit
from datapkg.kit.database import run_in_transaction
from datapkg.kit.engines import KitDatabase, MemoryDatabase, Options, SqliteDatabase, SqliteFileDatabase
from datapkg.kit.errors import ForeignDatabaseError, MigrationError, SchemaAheadError, SchemaOutdatedError
from datapkg.kit.urls import DEFAULT_URL
from datapkg.operations import migrations
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.migrations.history import ensure_bookkeeping, has_books, setting
from datapkg.operations.moving.unfinished import refuse_unfinished

__all__ = ["connect", "default_url", "disconnect", "using"]

logger = logging.getLogger(__name__)


def default_url() -> str:
    """Return the URL used where none is given: ``DATABASE_URL``, else a SQLite file in the working directory."""
    return os.environ.get("DATABASE_URL") or DEFAULT_URL


def connect(url: str | None = None, *, migrate: bool = False, **options: Unpack[Options]) -> KitDatabase:
    """Connect to a database and make it the process's default, seen by every thread.

    A new SQLite file and an in-memory database get their tables at once. Any other database must be up to date,
    or ``migrate=True`` brings it there under the migration lock.

    Args:
        url: ``sqlite:///file.db``, ``sqlite:///:memory:``, ``postgresql://user:password@host/name`` or a scheme of
            ``playhouse.db_url``; left out, ``DATABASE_URL``, then ``sqlite:///datapkg.db``.
        migrate: bring a database that is behind up to date.
        options: see :class:`datapkg.kit.engines.Options`.

    Returns:
        The Peewee database.

    Raises:
        ConfigurationError: the URL or an option cannot be used.
        DatabaseUnavailableError: the server or file cannot be reached.
        SchemaOutdatedError: the database lacks migrations, and ``migrate`` was not asked for.
        SchemaAheadError: the database was written by newer code.
        ForeignDatabaseError: the database holds somebody else's tables.

    Example:
        ``datapkg.connect("sqlite:///eval.db")``
    """
    database = _ready(url or default_url(), migrate, options)
    kit.unbind()
    kit.proxy.obj = database
    logger.info("connected", extra={"url": database.url, "engine": database.dialect.name})
    return database


def disconnect() -> None:
    """Close the process's default database; an in-memory one is gone with it."""
    kit.unbind()


@contextmanager
def using(url: str | KitDatabase, *, migrate: bool = False, **options: Unpack[Options]) -> Iterator[KitDatabase]:
    """Work on another database in the current thread or task until the block ends.

    Args:
        url: as for :func:`connect`, or a database that is open already (it stays open afterwards).
        migrate: bring a database that is behind up to date.
        options: see :class:`datapkg.kit.engines.Options`.

    It raises the same errors as :func:`connect`.

    Example:
        ``with datapkg.using("sqlite:///other.db"): evaluation.list_definitions()``
    """
    if isinstance(url, KitDatabase):
        with kit.override(url):
            yield url
        return
    database = _ready(url, migrate, options)
    try:
        with kit.override(database):
            yield database
    finally:
        kit.release(database)


def _ready(url: str, migrate: bool, options: Options) -> KitDatabase:
    database = kit.open_database(url, **options)
    try:
        with kit.override(database):
            _look(database, migrate)
    except BaseException:
        kit.release(database)
        raise
    return database


def _look(database: KitDatabase, migrate: bool) -> None:
    """Raise unless the database is up to date; bring it there where that was asked for or nothing can be lost."""
    status = migrations.status()
    if status.state in ("current", "behind", "unmigrated"):
        refuse_unfinished(database)
    new_file = False
    if isinstance(database, SqliteFileDatabase):
        new_file = status.state in ("missing", "empty") or setting(database, _BEING_MADE) is True
        if not new_file and status.state != "current":
            status = migrations.status()  # another process may have finished it between the two looks
    fresh = new_file or isinstance(database, MemoryDatabase)
    if status.state == "foreign" and not migrate:
        raise ForeignDatabaseError(
            f"The database {database.url} holds tables, but none of datapkg's.",
            fix="Check the URL; to add datapkg's tables beside them, run `datapkg migrate`.",
        )
    if status.state == "ahead":
        raise SchemaAheadError(
            f"The database {database.url} has migrations that this code does not know: {', '.join(status.unknown)}."
        )
    if status.state == "edited":
        raise MigrationError(
            f"Migrations were edited after they ran on {database.url}: {', '.join(status.edited)}.",
            fix="Restore the files as they were, and put the change into a new migration.",
        )
    if status.state != "current":
        if not (fresh or migrate):
            number = len(status.pending)
            raise SchemaOutdatedError(
                f"The database {database.url} lacks {number} migration{'s' if number != 1 else ''}: "
                f"{', '.join(status.pending)}.",
                pending=status.pending,
            )
        if new_file:
            run_in_transaction(_note_being_made)(database)
        migrations.migrate()
    if new_file:
        Setting.delete().where(Setting.key == _BEING_MADE).execute()
    if isinstance(database, SqliteDatabase):
        database.enable_wal()


# In a new SQLite file until it has all of its tables, so that whoever finds it half made, because another process is
# at it or was killed, goes on with it instead of refusing it as outdated.
_BEING_MADE = "being_made"


def _note_being_made(database: KitDatabase) -> None:
    if not has_books(database):
        ensure_bookkeeping(database)
        Setting.create(key=_BEING_MADE, value=True)
