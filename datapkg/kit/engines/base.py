"""What the databases of every engine share: typed errors, owned transactions, gates, fork safety."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypedDict

import peewee as pw

from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import driver_error
from datapkg.kit.errors import ConfigurationError, DatapkgError, TransactionOwnerError, WriteGateError

__all__ = ["KitDatabase", "Lease", "Options", "leak", "log_slow_queries", "running_task"]

peewee_logger = logging.getLogger("peewee")
slow_logger = logging.getLogger("datapkg.kit.slow_query")


class Options(TypedDict, total=False):
    """What ``connect`` takes beside the URL; every one has a default that suits most programs.

    Attributes:
        pool_size: PostgreSQL connections at the most (20).
        pool_timeout: seconds to wait for a free one (10).
        connect_timeout: seconds to wait for the server (10).
        busy_timeout: seconds to wait for SQLite's write lock (5).
        synchronous: SQLite's setting, ``"FULL"`` (a commit survives a power cut) or ``"NORMAL"``.
        slow_query_ms: log statements slower than this many milliseconds.
        retries: how often ``run_in_transaction`` tries again (5).
        must_exist: refuse to create a missing SQLite file (False).
    """

    pool_size: int
    pool_timeout: float
    connect_timeout: int
    busy_timeout: float
    synchronous: str
    slow_query_ms: float | None
    retries: int
    must_exist: bool


class _State(pw._ConnectionState, threading.local):
    """A thread's connection, its open transactions, their owner and the open write gate."""

    def reset(self) -> None:
        super().reset()
        self.owner: object = None
        self.gate: str | None = None

    def set_connection(self, conn: object) -> None:
        super().set_connection(conn)
        self.owner = None
        self.gate = None


def running_task() -> object:
    """Return what owns a transaction: the running asyncio task, or None outside of one."""
    # asyncio costs 20 ms to import, and where nobody imported it no task can be running.
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    task: object = asyncio.current_task()
    return task


_databases: weakref.WeakSet[KitDatabase] = weakref.WeakSet()


class KitDatabase(pw.Database):
    """What every engine's class shares; mixed in before a Peewee database class."""

    dialect: Dialect
    url: str = ""
    """The URL without its password."""
    retries: int = 5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state = _State()
        _databases.add(self)

    def get_context_options(self) -> dict[str, Any]:
        """Add the dialect to what compiles SQL, so that each column can write its CHECK."""
        options: dict[str, Any] = super().get_context_options()
        options["dialect"] = self.dialect
        return options

    # Errors -----------------------------------------------------------------------------------------------

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connect this thread, with typed errors."""
        try:
            opened: bool = super().connect(reuse_if_open)
        except pw.PeeweeException as error:
            if isinstance(error, DatapkgError):
                raise
            raise self.dialect.translate(error) from error
        return opened

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> Any:
        """Run a statement, with typed errors, unless another task's transaction is open."""
        if self._state.transactions:
            if self._state.owner is not running_task():
                raise TransactionOwnerError("Another task has a transaction open on this thread's connection.")
        elif not self._state.closed:
            self._revive()
        try:
            return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs
        except pw.PeeweeException as error:
            if isinstance(error, DatapkgError):  # connecting has told why already
                raise
            self._drop_if_gone(error)
            raise self.dialect.translate(error) from error

    # Peewee's layers add microseconds to a statement that takes a few; engines pass them by where nobody listens there.

    def _direct(self) -> Any:
        """Return the driver's connection if a statement may go straight to it, else None."""
        state = self._state
        if state.closed or self.query_hooks or peewee_logger.isEnabledFor(logging.DEBUG):
            return None
        if state.transactions:
            # Another task's transaction: execute_sql says what is wrong.
            return state.conn if state.owner is running_task() else None
        self._revive()
        return state.conn  # None after a server hung up; execute_sql connects again

    def _refused(self, error: Exception) -> DatapkgError:
        """Return the package's error for one that came straight from the driver."""
        self._drop_if_gone(error)
        kind = pw.EXCEPTIONS.get(type(error).__name__, pw.DatabaseError)  # type: ignore[attr-defined]  # not in Peewee's stubs
        return self.dialect.translate(kind(error, *error.args))

    def fetch(self, sql: str, params: Sequence[object]) -> list[Any]:
        """Run a statement and return all of its rows."""
        cursor = self.execute_sql(sql, params)
        try:
            rows: list[Any] = cursor.fetchall()
        except (sqlite3.Error, OSError) as error:  # SQLite reads as it fetches
            raise self.dialect.translate(pw.DatabaseError(error)) from error
        finally:
            cursor.close()
        return rows

    def change(self, sql: str, params: Sequence[object]) -> int:
        """Run a statement and return how many rows it changed."""
        cursor = self.execute_sql(sql, params)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, unless: Sequence[str] = ()
    ) -> int:
        """Insert many rows inside the caller's transaction, the engine's quickest way; return how many.

        Args:
            table: into which table.
            columns: the columns that each row has values for.
            rows: the driver's values.
            unless: the columns of a unique constraint; a row that it would refuse is left out.

        Raises:
            ConfigurationError: no transaction is open.
            ConflictError: a constraint refused a row; the transaction must be undone.
        """
        raise NotImplementedError  # each engine has its own way

    def insert_at_once(self, table: str, columns: Sequence[str], batches: Iterable[Sequence[Sequence[object]]]) -> int:
        """Insert rows that refer to each other, in any order, inside the caller's transaction; return how many.

        Args:
            table: into which table.
            columns: the columns that each row has values for.
            batches: the driver's values, read as they are needed.

        Raises:
            ConfigurationError: no transaction is open.
            ConflictError: a constraint refused a row, or one refers to a row that is not there; the transaction must
                be undone.
        """
        raise NotImplementedError  # each engine has its own way

    def _in_own_transaction(self) -> Any:
        """Return the driver's connection, for what goes straight to it inside a transaction."""
        state = self._state
        if not state.transactions:
            raise ConfigurationError("Many rows go into a table only inside a transaction.", fix="Open one.")
        if state.owner is not running_task():
            raise TransactionOwnerError("Another task has a transaction open on this thread's connection.")
        return state.conn

    def _revive(self) -> None:
        """Replace a connection that the server closed while it was idle; only networked engines need it."""

    def _drop_if_gone(self, error: BaseException) -> None:
        """Forget a connection that turned out to be dead."""

    def _log_query(self, sql: str, params: object) -> None:
        # Peewee would log the parameters too, which may be password hashes.
        peewee_logger.debug(sql)

    # Transactions -----------------------------------------------------------------------------------------

    def push_transaction(self, transaction: object) -> None:
        """Note a transaction that has begun, and the task that owns it."""
        state = self._state
        if not state.transactions:
            state.owner = running_task()
        elif state.owner is not running_task():
            raise TransactionOwnerError("Another task has a transaction open on this thread's connection.")
        super().push_transaction(transaction)

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Begin a transaction, on a connection that is alive."""
        if not self._state.closed:
            self._revive()
        try:
            super().begin(*args, **kwargs)
        except pw.PeeweeException as error:
            if isinstance(error, DatapkgError):
                raise
            self._drop_if_gone(error)
            raise self.dialect.translate(error) from error

    def commit(self) -> None:
        """Commit, with typed errors."""
        try:
            super().commit()
        except pw.PeeweeException as error:
            raise self.dialect.translate(error) from error

    def rollback(self) -> None:
        """Undo the transaction, also where the engine has undone it by itself already."""
        try:
            super().rollback()
        except pw.PeeweeException as error:
            # The server undoes the transaction of a lost connection by itself, and the first error must stay visible.
            if self.dialect.is_disconnect(error) or self.is_closed():
                self._drop_if_gone(error)
                return
            if isinstance(driver_error(error), sqlite3.OperationalError) and not self._state.conn.in_transaction:
                return  # SQLite has rolled back already (disk full, for one)
            raise self.dialect.translate(error) from error

    def snapshot(self) -> AbstractContextManager[Any]:
        """Open a transaction whose statements all see one state of the database; for reading only."""
        context: AbstractContextManager[Any] = self.atomic()  # serializable, unless the engine says otherwise
        return context

    def twin(self, seconds: int) -> KitDatabase:
        """Return another object for the same database, with a connection of its own and short waits.

        It never creates a SQLite file. An in-memory database has no other connection: it returns itself.

        Args:
            seconds: how long to wait for the server, or for SQLite's lock.
        """
        raise NotImplementedError  # each engine waits for something else

    def hang_up(self, conn: Any) -> None:
        """End what another thread waits for on its connection; that thread gets an error.

        Args:
            conn: the driver's connection, which must not be closed meanwhile.
        """

    @contextmanager
    def bounded(self, timeout_ms: int) -> Iterator[None]:
        """Bound every statement of the block in time; a file on the own disk needs no more than the busy timeout."""
        yield

    def read_only(self, timeout_ms: int) -> AbstractContextManager[None]:
        """Open a transaction in which the engine itself refuses every write.

        Args:
            timeout_ms: how long a statement may take where the engine can bound it.
        """
        raise NotImplementedError  # each engine refuses its own way

    def facts(self) -> tuple[str, bool]:
        """Ask the engine for its version and whether it takes no writes."""
        raise NotImplementedError  # each engine asks its own way

    # Write gates ------------------------------------------------------------------------------------------

    @contextmanager
    def open_gate(self, table: str) -> Iterator[None]:
        """Let this transaction change an append-only table; only a domain's own functions call it.

        Args:
            table: the append-only table.

        Raises:
            WriteGateError: no transaction is open.
        """
        state = self._state
        if not state.transactions:  # PostgreSQL's gate is the transaction's, so SQLite's must not stand open longer
            raise WriteGateError(
                f"The gate of {table} opens only inside a transaction.", fix="Put transaction() around it."
            )
        before = state.gate
        self._set_gate(table)
        try:
            yield
        finally:
            if self.in_transaction() and not self.is_closed():
                self._restore_gate(before)
            state.gate = before

    def _set_gate(self, table: str) -> None:
        self._state.gate = table

    def _restore_gate(self, before: str | None) -> None:
        """Close the gate again; engines that keep it in Python need do nothing."""

    # Forks ------------------------------------------------------------------------------------------------

    def _after_fork(self) -> None:
        """Forget the parent's connections in a forked child, without closing them."""
        conn = self._state.conn
        if conn is not None:
            leak(conn)
        self._lock = threading.Lock()
        self._state = _State()


class Lease:
    """Held by a thread's local storage; calls back when the thread ends or drops it, but not in a forked child.

    A fork ends every other thread's storage in the child, before any hook runs, and their connections are the parent's.
    """

    def __init__(self, ended: Callable[[], object]) -> None:
        pid = os.getpid()
        weakref.finalize(self, lambda: ended() if os.getpid() == pid else None).atexit = False


def leak(conn: object) -> None:
    """Keep an inherited connection alive for ever: closing it would end the parent's session or checkpoint its WAL."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(conn))


def _forget_after_fork() -> None:
    for database in list(_databases):
        database._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def log_slow_queries(database: KitDatabase, threshold_ms: float) -> None:
    """Log every statement that takes longer than ``threshold_ms``, without its parameters (they may be secret)."""

    def hook(event: Any) -> None:
        elapsed = event.duration * 1000
        if elapsed >= threshold_ms:
            slow_logger.warning(
                "slow query: %.1f ms: %s", elapsed, event.sql, extra={"duration_ms": elapsed, "sql": event.sql}
            )

    database.query_hooks.append(hook)
