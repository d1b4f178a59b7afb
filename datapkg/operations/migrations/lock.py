"""The migration lock: at any time one process migrates a database, in one transaction for each migration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg2.extensions

from datapkg.kit.engines import KitDatabase, MemoryDatabase, SqliteDatabase
from datapkg.kit.errors import DatabaseBusyError, MigrationError, ValidationError
from datapkg.kit.failpoints import reach

__all__ = ["in_driver_transaction", "migration_lock", "refuse_open_transaction", "seconds"]

KEY = int.from_bytes(b"datapkg", "big")
"""PostgreSQL's advisory lock."""
_LONGEST = 1_800_000  # seconds; PostgreSQL counts milliseconds in 31 bits


def in_driver_transaction(database: KitDatabase) -> bool:
    """Whether the connection, if there is one, is in a transaction, also one that Peewee knows nothing of."""
    if database.is_closed():
        return False
    connection = database.connection()  # type: ignore[no-untyped-call]  # Peewee's
    if isinstance(database, SqliteDatabase):
        return bool(connection.in_transaction)
    return bool(connection.get_transaction_status() != psycopg2.extensions.TRANSACTION_STATUS_IDLE)


def refuse_open_transaction(database: KitDatabase) -> None:
    """Refuse to go on inside a transaction.

    Raises:
        MigrationError: one is open: SQLite could not switch foreign keys off there, and an error would undo part.
    """
    # On the one connection of an in-memory database the driver's transaction may be another thread's.
    shared = isinstance(database, MemoryDatabase)
    if database.in_transaction() or (not shared and in_driver_transaction(database)):
        raise MigrationError(
            "Migrations cannot run inside an open transaction.",
            fix="Commit or leave the transaction first, then migrate.",
        )


@contextmanager
def migration_lock(database: KitDatabase, timeout: float) -> Iterator[None]:
    """Hold the lock and one transaction until the block ends; an exception undoes all of it.

    Args:
        database: the database.
        timeout: seconds to wait for another process that migrates it.

    Raises:
        DatabaseBusyError: the other process took longer.
        MigrationError: a transaction is open already.
    """
    refuse_open_transaction(database)
    held = _sqlite(database, timeout) if isinstance(database, SqliteDatabase) else _postgresql(database, timeout)
    with held:
        reach("migrate.after_lock")
        yield


@contextmanager
def _sqlite(database: SqliteDatabase, timeout: float) -> Iterator[None]:
    with database.alone(timeout):
        before = {name: database.fetch(f"PRAGMA {name}", ())[0][0] for name in ("foreign_keys", "busy_timeout")}
        # A rebuild drops a parent table: with foreign keys on its children's rows would go too. The pragma does
        # nothing inside a transaction, so it stands before.
        database.execute_sql("PRAGMA foreign_keys = OFF")
        database.execute_sql(f"PRAGMA busy_timeout = {math.ceil(timeout * 1000)}")
        try:
            reach("migrate.before_lock")
            with ExitStack() as stack:
                try:
                    stack.enter_context(database.atomic("EXCLUSIVE"))
                except DatabaseBusyError as error:
                    raise _too_long(timeout) from error
                yield
        finally:
            for name, value in before.items():
                database.execute_sql(f"PRAGMA {name} = {value}")


@contextmanager
def _postgresql(database: KitDatabase, timeout: float) -> Iterator[None]:
    reach("migrate.before_lock")
    with database.atomic():
        # What another process committed while this one waited has to be seen.
        database.execute_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        # A server's limits for ordinary statements do not suit migrations. The lock is the transaction's and not the
        # session's, which a pooler between us and the server would keep.
        for name, value in (
            ("lock_timeout", math.ceil(timeout * 1000)),
            ("statement_timeout", 0),
            ("idle_in_transaction_session_timeout", 0),
        ):
            database.execute_sql(f"SET LOCAL {name} = {value}")
        try:
            database.execute_sql(f"SELECT pg_advisory_xact_lock({KEY})")
        except DatabaseBusyError as error:
            raise _too_long(timeout) from error
        yield


def seconds(given: float, name: str) -> float:
    """Return a timeout that every engine takes.

    Args:
        given: seconds.
        name: the argument's name.

    Raises:
        ValidationError: it is no number, negative, or more than three weeks.
    """
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= _LONGEST:
        raise ValidationError({name: [f"Must be a number of seconds, 0 to {_LONGEST:,}."]}, what="timeout")
    return given


def _too_long(timeout: float) -> DatabaseBusyError:
    return DatabaseBusyError(
        f"Another process has held the migration lock or a write lock for more than {timeout:g} seconds.",
        fix="Wait until its migration is done and run again, or raise the lock timeout.",
    )
