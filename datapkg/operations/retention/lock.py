"""One retention run at a time: whoever holds the lock archives, deletes or restores; it ends with its process."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import peewee as pw
import psycopg2
from psycopg2.errors import LockNotAvailable

from datapkg.kit.database import current
from datapkg.kit.engines import KitDatabase, PostgresMixin, SqliteFileDatabase
from datapkg.kit.errors import ConfigurationError, DatabaseBusyError

__all__ = ["retention_lock"]

KEY = int.from_bytes(b"dp-keep", "big")
"""PostgreSQL's advisory lock."""

_PATIENCE_MS = 1000

_threads: WeakKeyDictionary[KitDatabase, threading.Lock] = WeakKeyDictionary()
_guard = threading.Lock()


@contextmanager
def retention_lock() -> Iterator[Callable[[], None]]:
    """Hold the database's retention lock; yields a function that raises once it is lost.

    Raises:
        DatabaseBusyError: another run holds it.
        ConfigurationError: a transaction is open, which could undo what was deleted after its archive was recorded.
    """
    database = current()
    if database.in_transaction():
        raise ConfigurationError(
            "Retention commits step by step, so it cannot run inside a transaction.", fix="Leave the transaction first."
        )
    if isinstance(database, SqliteFileDatabase):
        held = _file_lock(database)
    elif isinstance(database, PostgresMixin):
        held = _advisory_lock(database)
    else:
        held = _thread_lock(database)
    with held as check:
        yield check


@contextmanager
def _file_lock(database: SqliteFileDatabase) -> Iterator[Callable[[], None]]:
    # A lock on the database file itself would keep everybody from writing; SQLite's locks on a file beside it end with
    # their process on every system.
    with ExitStack() as stack:
        try:
            held = sqlite3.connect(f"{os.path.realpath(database.database)}-retention", timeout=0, isolation_level=None)
            stack.enter_context(closing(held))
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            told = database.dialect.translate(pw.DatabaseError(error))
            raise _busy() if isinstance(told, DatabaseBusyError) else told from error
        yield lambda: None


@contextmanager
def _advisory_lock(database: PostgresMixin) -> Iterator[Callable[[], None]]:
    # On a connection of its own, in a transaction of its own: a session's lock would stay behind a pooler.
    with ExitStack() as stack:
        try:
            held = stack.enter_context(closing(PostgresMixin._connect(database)))
            cursor = stack.enter_context(held.cursor())
            held.autocommit = True
            cursor.execute("BEGIN")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            # The server takes a moment to notice that a process was killed.
            cursor.execute(f"SET LOCAL lock_timeout = {_PATIENCE_MS}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (KEY,))
        except LockNotAvailable as error:
            raise _busy() from error
        except psycopg2.Error as error:
            raise database.dialect.translate(pw.DatabaseError(error)) from error

        def check() -> None:
            try:
                cursor.execute("SELECT 1")
            except psycopg2.Error as error:
                raise DatabaseBusyError(
                    "The retention lock was lost, because the server closed its connection.",
                    fix="Run it again; it goes on where it was.",
                ) from error

        try:
            yield check
        finally:
            with suppress(psycopg2.Error):
                cursor.execute("ROLLBACK")  # closing alone would let it go a little later


@contextmanager
def _thread_lock(database: Any) -> Iterator[Callable[[], None]]:
    with _guard:
        held = _threads.setdefault(database, threading.Lock())
    if not held.acquire(blocking=False):
        raise _busy()
    try:
        yield lambda: None
    finally:
        held.release()


def _busy() -> DatabaseBusyError:
    return DatabaseBusyError(
        "Another process or thread is archiving or restoring in this database.",
        fix="Wait until it is done, then run again.",
    )
