"""PostgreSQL with a bounded pool; a thread's connection returns to it when the thread ends."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import peewee as pw
import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extras import execute_values

from datapkg.kit.dialect import POSTGRESQL
from datapkg.kit.dialect.base import quote
from datapkg.kit.engines.base import KitDatabase, Lease, leak
from datapkg.kit.errors import ConfigurationError, DatabaseUnavailableError, StatementError

__all__ = ["PostgresDatabase", "PostgresMixin"]

logger = logging.getLogger(__name__)


class PostgresMixin(KitDatabase):
    """PostgreSQL, and engines that speak its dialect."""

    dialect = POSTGRESQL
    field_types = {**pw.PostgresqlDatabase.field_types, **POSTGRESQL.field_types}

    def _connect(self) -> Any:
        try:
            conn = super()._connect()  # type: ignore[misc]  # not in Peewee's stubs
        except psycopg2.ProgrammingError as error:  # its words name the option, never a value
            raise ConfigurationError(
                f"The URL has an option that PostgreSQL's driver does not take: {str(error).strip()}.",
                fix="Correct what follows the question mark in the URL.",
            ) from None
        # Documents and keys stay text: the kit decodes a document when somebody looks at it, and makes a UUID in a
        # third of the time that the driver takes.
        psycopg2.extensions.register_type(_TEXT, conn)
        # In another session's zone the first and last hours that Python knows are in years that it does not. The server
        # has told its zone already, so this mostly costs nothing.
        if conn.get_parameter_status("TimeZone") not in ("UTC", "Etc/UTC"):
            with conn.cursor() as cursor:
                cursor.execute("SET TIME ZONE 'UTC'")
        return conn

    def _revive(self) -> None:
        # An idle connection is readable only when the server has hung up (or sends a notice): ask the socket, which
        # costs a microsecond, rather than the server.
        conn = self._state.conn
        if conn.closed or _readable(conn):
            try:
                if not conn.closed:
                    with conn.cursor() as cursor:
                        cursor.execute("SELECT 1")
                    return
            except Exception:
                logger.info("the server closed an idle connection; connecting again")
            self._discard()

    def _drop_if_gone(self, error: BaseException) -> None:
        if self.dialect.is_disconnect(error) and not self._state.transactions:
            self._discard()

    def _discard(self) -> None:
        self.close()

    def commit(self) -> None:
        """Commit, with typed errors."""
        self.refuse_failed()
        super().commit()

    def refuse_failed(self) -> None:
        """Refuse to commit a transaction that PostgreSQL would quietly undo instead.

        Raises:
            StatementError: one of its statements failed.
        """
        conn = self._state.conn
        if conn is not None and not conn.closed and conn.get_transaction_status() == TRANSACTION_STATUS_INERROR:
            raise StatementError(
                "A statement of this transaction failed, so PostgreSQL keeps nothing of the transaction.",
                fix="Let the error leave the transaction, or put what may fail into a transaction() of its own inside.",
            )

    def _twin_arguments(self, seconds: int) -> dict[str, Any]:
        return {**self.connect_params, "connect_timeout": seconds}

    def twin(self, seconds: int) -> KitDatabase:
        """Return another object for the same database, with a connection of its own and short waits."""
        made = type(self)(self.database, **self._twin_arguments(seconds))
        made.url = self.url
        return made

    def hang_up(self, conn: Any) -> None:
        """End what another thread waits for on its connection; that thread gets an error."""
        # Not cancel(), which asks the server over a new connection: a server that hangs would hang that too.
        with contextlib.suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(conn.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def bounded(self, timeout_ms: int) -> Iterator[None]:
        """Bound every statement of the block in time, waiting for locks included; it is one transaction."""
        with self.atomic():
            self.execute_sql("SELECT set_config('statement_timeout', %s, true)", (str(int(timeout_ms)),))
            yield

    @contextmanager
    def read_only(self, timeout_ms: int) -> Iterator[None]:
        """Open a transaction in which the server refuses every write."""
        with self.bounded(timeout_ms):
            self.execute_sql("SET TRANSACTION READ ONLY")
            yield

    def facts(self) -> tuple[str, bool]:
        """Ask the server for its version and whether it takes no writes."""
        sql = (
            "SELECT current_setting('server_version'), current_setting('default_transaction_read_only') = 'on' "
            "OR pg_is_in_recovery()"
        )
        row = self.fetch(sql, ())[0]
        return str(row[0]), bool(row[1])

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, unless: Sequence[str] = ()
    ) -> int:
        """Insert many rows inside the caller's transaction, by COPY where none may be left out; return how many."""
        conn = self._in_own_transaction()
        if not rows:
            return 0
        names = f"{quote(table)} ({', '.join(map(quote, columns))})"
        try:
            with conn.cursor() as cursor:
                if not unless:
                    cursor.copy_expert(f"COPY {names} FROM STDIN", io.StringIO("".join(map(_copy_line, rows))))
                    return int(cursor.rowcount)
                sql = f"INSERT INTO {names} VALUES %s ON CONFLICT ({', '.join(map(quote, unless))}) DO NOTHING"
                execute_values(cursor, sql, rows, page_size=len(rows))
                return int(cursor.rowcount)
        except psycopg2.Error as error:
            raise self._refused(error) from error

    def insert_at_once(self, table: str, columns: Sequence[str], batches: Iterable[Sequence[Sequence[object]]]) -> int:
        """Insert rows that refer to each other, in any order, inside the caller's transaction; return how many."""
        conn = self._in_own_transaction()
        sql = f"COPY {quote(table)} ({', '.join(map(quote, columns))}) FROM STDIN"
        stream = _CopyStream(batches)
        try:
            with conn.cursor() as cursor:
                # One statement: references are checked at its end.
                cursor.copy_expert(sql, stream)
                return int(cursor.rowcount)
        except psycopg2.Error as error:
            if stream.error is not None:
                raise stream.error from None
            raise self._refused(error) from error

    def _set_gate(self, table: str) -> None:
        super()._set_gate(table)
        # datapkg: allow-write this is open_gate itself
        self.execute_sql("SELECT set_config('datapkg.gate', %s, true)", (table,))

    def _restore_gate(self, before: str | None) -> None:
        try:
            # datapkg: allow-write this is open_gate itself, closing
            self.execute_sql("SELECT set_config('datapkg.gate', %s, true)", (before or "",))
        except Exception:
            # In a failed transaction nothing runs any more, and its end closes the gate anyway.
            logger.debug("the gate closes with its failed transaction")


# The types jsonb, json and uuid, by their fixed object ids.
_TEXT = psycopg2.extensions.new_type((3802, 114, 2950), "DATAPKG_TEXT", psycopg2.extensions.UNICODE)


def _readable(conn: Any) -> bool:
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(conn.fileno(), select.POLLIN)
        return bool(poller.poll(0))
    return bool(select.select([conn], [], [], 0)[0])


def _copy_line(row: Sequence[object]) -> str:
    """Return a row in COPY's text format."""
    return "\t".join(map(_copy_value, row)) + "\n"


def _copy_value(value: object) -> str:
    if type(value) is str:
        if "\\" in value:
            value = value.replace("\\", "\\\\")
        return value.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    if value is None:
        return "\\N"
    # Everything else that columns bind (numbers, instants, days, booleans) is spelled in a way that PostgreSQL reads.
    return str(value)


class _CopyStream:
    """Batches of rows as the file that COPY reads from."""

    def __init__(self, batches: Iterable[Sequence[Sequence[object]]]) -> None:
        self._batches, self._text = iter(batches), io.StringIO()
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> str:
        while not (given := self._text.read(size)):
            try:
                batch = next(self._batches, None)
            except BaseException as error:  # the driver would tell its text alone
                self.error = error
                raise
            if batch is None:
                return ""
            self._text = io.StringIO("".join(map(_copy_line, batch)))
        return given


class PostgresDatabase(PostgresMixin, pw.PostgresqlDatabase):
    """PostgreSQL with a bounded pool; a thread keeps its connection until it closes it or ends."""

    def __init__(self, database: str, *, pool_size: int, pool_timeout: float, **kwargs: Any) -> None:
        self.pool_size, self.pool_timeout = pool_size, pool_timeout
        self._idle: list[Any] = []
        self._count = 0
        self._free = threading.Condition()
        self._local = threading.local()
        super().__init__(database, **kwargs)
        # Peewee's lock would be held by who waits for the pool, against those who bring a connection back.
        self._lock: Any = nullcontext()

    def twin(self, seconds: int) -> KitDatabase:
        """Return another object for the same database, with a pool of one connection and short waits."""
        # Not type(self), for the tests' database that is undone has no second connection; it holds committed data only.
        made = PostgresDatabase(
            self.database, pool_size=1, pool_timeout=float(seconds), **self._twin_arguments(seconds)
        )
        made.url = self.url
        return made

    def _connect(self) -> Any:
        conn = self._check_out()
        self._local.lease = Lease(lambda: self._give_back(conn))
        return conn

    def _check_out(self) -> Any:
        deadline = time.monotonic() + self.pool_timeout
        with self._free:
            while True:
                while self._idle:
                    conn = self._idle.pop()
                    if not conn.closed and not _readable(conn):
                        return conn
                    conn.close()
                    self._count -= 1
                if self._count < self.pool_size:
                    self._count += 1
                    break
                if not self._free.wait(deadline - time.monotonic()):
                    raise DatabaseUnavailableError(
                        f"All {self.pool_size} pooled connections are in use.",
                        fix="Close connections in threads that are done, or raise pool_size or pool_timeout.",
                        pool_size=self.pool_size,
                    )
        try:
            return super()._connect()
        except BaseException:
            with self._free:
                self._count -= 1
                self._free.notify()
            raise

    def _close(self, conn: Any) -> None:
        self._local.lease = None  # its finalizer gives the connection back

    def _give_back(self, conn: Any) -> None:
        try:
            if not conn.closed and conn.get_transaction_status() != 0:
                conn.cursor().execute("ROLLBACK")  # the thread ended inside its transaction
            usable = not conn.closed and conn.get_transaction_status() == 0
        except Exception:
            usable = False
        with self._free:
            if usable:
                self._idle.append(conn)
            else:
                if not conn.closed:
                    conn.close()
                self._count -= 1
            self._free.notify()

    def _discard(self) -> None:
        conn = self._state.conn
        if conn is not None and not conn.closed:
            conn.close()
        self.close()

    def fetch(self, sql: str, params: Sequence[object]) -> list[Any]:
        """Run a statement and return all of its rows."""
        conn = self._direct()
        if conn is None:
            return super().fetch(sql, params)
        try:
            with conn.cursor() as cursor:
                cursor.execute(sql, params or None)
                rows: list[Any] = cursor.fetchall()
        except psycopg2.Error as error:
            raise self._refused(error) from error
        return rows

    def change(self, sql: str, params: Sequence[object]) -> int:
        """Run a statement and return how many rows it changed."""
        conn = self._direct()
        if conn is None:
            return super().change(sql, params)
        try:
            with conn.cursor() as cursor:
                cursor.execute(sql, params or None)
                count: int = cursor.rowcount
        except psycopg2.Error as error:
            raise self._refused(error) from error
        return count

    def snapshot(self) -> AbstractContextManager[Any]:
        """Open a transaction whose statements all see one state of the database; for reading only."""
        # By default each statement sees what was committed before it began.
        context: AbstractContextManager[Any] = self.atomic("REPEATABLE READ")
        return context

    def close_idle(self) -> None:
        """Close the pool's idle connections; those in use stay with their threads."""
        with self._free:
            while self._idle:
                self._idle.pop().close()
                self._count -= 1

    def _after_fork(self) -> None:
        for conn in self._idle:
            leak(conn)
        self._idle, self._count = [], 0
        self._free = threading.Condition()
        lease_holder = self._local
        self._local = threading.local()
        leak(lease_holder)  # its finalizer must not run in the child
        super()._after_fork()
        self._lock = nullcontext()
