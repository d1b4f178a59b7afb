"""SQLite: a file with one connection a thread, or one in-memory database that all threads share."""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import peewee as pw

from datapkg.kit.dialect import SQLITE
from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.sqlite import GATE_FUNCTION
from datapkg.kit.engines.base import KitDatabase, Lease, leak
from datapkg.kit.errors import ConflictError, DatabaseBusyError, DatabaseUnavailableError

__all__ = ["MemoryDatabase", "SqliteDatabase", "SqliteFileDatabase"]


class SqliteDatabase(KitDatabase, pw.SqliteDatabase):
    """What both kinds share: pragmas, the write lock at BEGIN, the gate's function."""

    dialect = SQLITE
    field_types = {**pw.SqliteDatabase.field_types, **SQLITE.field_types}
    returning_clause = True  # keys are not rowids, so the last rowid says nothing

    def __init__(self, path: str, *, busy_timeout: float, synchronous: str, **kwargs: Any) -> None:
        self.must_exist = bool(kwargs.pop("must_exist", False))
        super().__init__(
            path,
            # WAL is a property of the file, set by enable_wal() once the file is known to be ours.
            pragmas={"foreign_keys": 1, "synchronous": synchronous, "recursive_triggers": 1, "trusted_schema": 1},
            lock_type="IMMEDIATE",
            timeout=busy_timeout,
            **kwargs,
        )
        self.register_function(self._gate, GATE_FUNCTION, 0)

    def _gate(self) -> str | None:
        gate: str | None = self._state.gate
        return gate

    def facts(self) -> tuple[str, bool]:
        """Ask SQLite for its version and whether the file takes no writes."""
        version = self.fetch("SELECT sqlite_version(), (SELECT count(*) FROM sqlite_master)", ())[0][0]
        if self.database == ":memory:":
            return str(version), False
        # A write needs a journal beside the file too.
        needed = (self.database, os.path.dirname(self.database))
        return str(version), not all(os.access(path, os.W_OK) for path in needed)

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, unless: Sequence[str] = ()
    ) -> int:
        """Insert many rows inside the caller's transaction; return how many."""
        conn: sqlite3.Connection = self._in_own_transaction()
        if not rows:
            return 0
        sql = f"INSERT INTO {quote(table)} ({', '.join(map(quote, columns))}) VALUES ({', '.join('?' * len(columns))})"
        if unless:
            sql += f" ON CONFLICT ({', '.join(map(quote, unless))}) DO NOTHING"
        try:
            return conn.executemany(sql, rows).rowcount
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def insert_at_once(self, table: str, columns: Sequence[str], batches: Iterable[Sequence[Sequence[object]]]) -> int:
        """Insert rows that refer to each other, in any order, inside the caller's transaction; return how many."""
        conn: sqlite3.Connection = self._in_own_transaction()
        sql = f"INSERT INTO {quote(table)} ({', '.join(map(quote, columns))}) VALUES ({', '.join('?' * len(columns))})"
        try:
            # It would check after each row; now it checks at the commit, and below.
            conn.execute("PRAGMA defer_foreign_keys = ON")
            count = conn.executemany(sql, itertools.chain.from_iterable(batches)).rowcount
            broken = conn.execute(f"PRAGMA foreign_key_check({quote(table)})").fetchall()
            conn.execute("PRAGMA defer_foreign_keys = OFF")
        except sqlite3.Error as error:
            raise self._refused(error) from error
        if broken:
            raise ConflictError(
                f"{len(broken)} references of {table} are to rows that do not exist, one of {broken[0][2]}.",
                fix="Create the parents first, or empty those references.",
                table=table,
            )
        return max(count, 0)

    def snapshot(self) -> AbstractContextManager[Any]:
        """Open a transaction whose statements all see one state of the database; for reading only."""
        context: AbstractContextManager[Any] = self.atomic("DEFERRED")  # a reader needs no write lock
        return context

    @contextmanager
    def read_only(self, timeout_ms: int) -> Iterator[None]:
        """Open a transaction in which SQLite refuses every write."""
        with self.snapshot():
            before = self.execute_sql("PRAGMA query_only").fetchone()[0]  # an outer one goes on
            self.execute_sql("PRAGMA query_only = ON")
            try:
                yield
            finally:
                self.execute_sql(f"PRAGMA query_only = {before}")

    def enable_wal(self) -> None:
        """Keep the file's journal as WAL (readers and a writer side by side); a read-only file stays as it is."""

    def alone(self, timeout: float) -> AbstractContextManager[None]:
        """Keep other threads off this thread's connection; only the shared one of an in-memory database has any.

        Args:
            timeout: seconds to wait for another thread's transaction.
        """
        return nullcontext()


class SqliteFileDatabase(SqliteDatabase):
    """A SQLite file: one connection a thread, WAL, write transactions take the lock at BEGIN."""

    def __init__(self, path: str, **kwargs: Any) -> None:
        self._open: set[sqlite3.Connection] = set()
        self._local = threading.local()
        super().__init__(path, **kwargs)

    def twin(self, seconds: int) -> KitDatabase:
        """Return another object for the same file, which never creates it and waits shortly for its lock."""
        made = SqliteFileDatabase(self.database, busy_timeout=float(seconds), synchronous="FULL", must_exist=True)
        made.url = self.url
        return made

    def hang_up(self, conn: Any) -> None:
        """End what another thread waits for on its connection; that thread gets an error."""
        conn.interrupt()

    def _connect(self) -> sqlite3.Connection:
        if self.must_exist and not os.path.exists(self.database):
            raise DatabaseUnavailableError(
                f"There is no SQLite file {self.database}.",
                fix="Check the path, or run `datapkg migrate` to create it.",
            )
        conn: sqlite3.Connection = super()._connect()  # type: ignore[misc]  # not in Peewee's stubs
        # Kept here until its thread ends: in a forked child nothing may close it, which would roll back on the
        # parent's files.
        self._open.add(conn)
        forget, lost = self._open.discard, conn
        self._local.lease = Lease(lambda: forget(lost))
        return conn

    def _close(self, conn: Any) -> None:
        self._local.lease = None
        super()._close(conn)  # type: ignore[misc]  # not in Peewee's stubs

    def _after_fork(self) -> None:
        for conn in self._open:
            leak(conn)
        leak(self._local)
        self._open, self._local = set(), threading.local()
        super()._after_fork()

    def fetch(self, sql: str, params: Sequence[object]) -> list[Any]:
        """Run a statement and return all of its rows."""
        conn: sqlite3.Connection | None = self._direct()
        if conn is None:
            return super().fetch(sql, params)
        try:
            return conn.execute(sql, params).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def change(self, sql: str, params: Sequence[object]) -> int:
        """Run a statement and return how many rows it changed."""
        conn: sqlite3.Connection | None = self._direct()
        if conn is None:
            return super().change(sql, params)
        try:
            return conn.execute(sql, params).rowcount
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def enable_wal(self) -> None:
        """Keep the file's journal as WAL; a read-only file stays as it is."""
        if self.execute_sql("PRAGMA journal_mode").fetchone()[0] != "wal" and os.access(self.database, os.W_OK):
            self.execute_sql("PRAGMA journal_mode = wal").fetchone()


class _Buffered:
    """A cursor whose rows are fetched already, so that nothing is read after the shared connection's lock is free."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        self._next = 0
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid

    def fetchone(self) -> Any:
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchmany(self, size: int = 1) -> list[Any]:
        rows = self._rows[self._next : self._next + size]
        self._next += len(rows)
        return rows

    def fetchall(self) -> list[Any]:
        rows = self._rows[self._next :]
        self._next = len(self._rows)
        return rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def close(self) -> None:
        self._rows = []


class MemoryDatabase(SqliteDatabase):
    """One in-memory database for the whole process.

    All threads share one connection; a transaction holds its lock from BEGIN to COMMIT, so that nobody reads or
    writes inside another thread's transaction. Closing does not lose it: it lives as long as this object.
    """

    _timeout: float  # set by Peewee

    def __init__(self, **kwargs: Any) -> None:
        self._shared: sqlite3.Connection | None = None
        self._inherited = False
        self._turn = threading.RLock()
        super().__init__(":memory:", check_same_thread=False, **kwargs)

    def _connect(self) -> sqlite3.Connection:
        # Peewee's own lock is held here, so only one thread makes it; the turn would wait for a transaction's end.
        if self._shared is None:
            self._shared = super()._connect()  # type: ignore[misc]  # not in Peewee's stubs
        if self._inherited:
            self._inherited = False
            self._shared.rollback()  # what another of the parent's threads had not committed
        return self._shared

    def _close(self, conn: object) -> None:
        pass  # the connection is the database

    def twin(self, seconds: int) -> KitDatabase:
        """Return itself: there is no other connection."""
        return self

    def image(self) -> bytes:
        """Return the whole database as the bytes of a SQLite file."""
        made: bytes = self.connection().serialize()  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs
        return made

    def restore(self, image: bytes) -> None:
        """Replace all that the database holds by what :meth:`image`, or a SQLite file without a WAL, holds."""
        self.connection().deserialize(image)  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs

    def destroy(self) -> None:
        """Close the shared connection; the data is gone."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        self._state.reset()

    def alone(self, timeout: float) -> AbstractContextManager[None]:
        """Keep other threads off the shared connection."""
        return self._our_turn(timeout)

    @contextmanager
    def _our_turn(self, timeout: float | None = None) -> Iterator[None]:
        if not self._turn.acquire(timeout=self._timeout if timeout is None else timeout):
            raise DatabaseBusyError("Another thread's transaction on the in-memory database outlasted the timeout.")
        try:
            yield
        finally:
            self._turn.release()

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> Any:
        """Run a statement and fetch its rows while no other thread uses the connection."""
        with self._our_turn():
            cursor = super().execute_sql(sql, params)
            try:
                return _Buffered(cursor)
            except sqlite3.Error as error:
                raise self.dialect.translate(pw.DatabaseError(error)) from error

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Begin a transaction, and hold the connection's lock until its end."""
        if not self._turn.acquire(timeout=self._timeout):
            raise DatabaseBusyError("Another thread's transaction on the in-memory database outlasted the timeout.")
        try:
            super().begin(*args, **kwargs)
        except BaseException:
            self._turn.release()
            raise

    def commit(self) -> None:
        """Commit, and release the connection's lock."""
        super().commit()
        self._turn.release()

    def rollback(self) -> None:
        """Undo the transaction, and release the connection's lock."""
        try:
            super().rollback()
        finally:
            self._turn.release()

    def _after_fork(self) -> None:
        # The child owns a copy of the memory; the locks and transactions of threads that it does not have must go.
        self._turn = threading.RLock()
        self._lock = threading.Lock()
        if self.in_transaction():
            self._turn.acquire()
        else:
            self._state.reset()
            self._inherited = True
