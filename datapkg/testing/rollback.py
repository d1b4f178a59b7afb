"""A PostgreSQL database whose every change is undone when its test ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Self, cast

import peewee as pw
import psycopg2 as driver

from datapkg.kit.database import open_database
from datapkg.kit.engines import KitDatabase, PostgresDatabase
from datapkg.kit.engines.base import leak
from datapkg.kit.errors import ConfigurationError

__all__ = ["RollbackDatabase"]

# One savepoint stands for the transaction of the code under test, one for each statement outside of any.
_TRANSACTION = "datapkg_test_transaction"
_STATEMENT = "datapkg_test_statement"


class RollbackDatabase(PostgresDatabase):
    """One connection inside one transaction, which the code under test does not see.

    What that code takes for a transaction is a savepoint, and a statement outside of one stands in a savepoint of its
    own, so that a refused statement spoils nothing. Only the thread and process of the test can use it.
    """

    _held: Any = None
    _thread = 0
    _begun = False

    @classmethod
    def of(cls, url: str) -> Self:
        """Make one for a URL; nothing is connected yet."""
        plain = cast(PostgresDatabase, open_database(url))
        made = cls(plain.database, pool_size=1, pool_timeout=0.0, **plain.connect_params)
        made.url = plain.url
        return made

    def _direct(self) -> None:
        """Let no statement past the savepoint that stands around it."""

    def begin_test(self) -> None:
        """Begin the transaction that the test runs in, and give it to this thread."""
        if self._held is None or self._held.closed:
            self._held = super(PostgresDatabase, self)._connect()  # not through the pool, which it would exhaust
        self._thread, self._begun = threading.get_ident(), False
        self._raw(f"BEGIN; SAVEPOINT {_STATEMENT}")

    def end_test(self) -> None:
        """Undo everything, and leave the connection as a new one would be."""
        self._state.reset()
        self._thread = 0
        if self._held is not None and not self._held.closed:
            # Settings, temporary tables and LISTEN go with the transaction; these two do not.
            self._raw("ROLLBACK; SELECT pg_advisory_unlock_all(); DEALLOCATE ALL")

    def destroy(self) -> None:
        """Close the connection."""
        self._state.reset()
        if self._held is not None:
            self._held.close()
            self._held = None

    def _raw(self, sql: str) -> None:
        try:
            with self._held.cursor() as cursor:
                cursor.execute(sql)
        except driver.Error as error:
            raise self.dialect.translate(cast(pw.PeeweeException, error)) from error

    # The connection is the test's ----------------------------------------------------------------------------

    def _connect(self) -> Any:
        if self._thread != threading.get_ident():
            raise ConfigurationError(
                "This test's PostgreSQL database is one transaction, which only the test's own thread and process see.",
                fix="Mark the test with @pytest.mark.datapkg_commits; it then gets a database that everybody can use.",
            )
        return self._held

    def _close(self, conn: Any) -> None:
        pass  # the test's changes live in it

    def _discard(self) -> None:
        pass  # a new connection would not have the test's changes; the statement fails instead

    def _after_fork(self) -> None:
        if self._held is not None:
            leak(self._held)
        self._held, self._thread = None, 0
        super()._after_fork()

    # Transactions are savepoints -----------------------------------------------------------------------------

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> Any:
        """Run a statement, in a savepoint of its own where no transaction is open."""
        if self._state.transactions or self._begun:
            return super().execute_sql(sql, params)
        self.connection()  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs
        self._raw(f"RELEASE SAVEPOINT {_STATEMENT}; SAVEPOINT {_STATEMENT}")
        try:
            return super().execute_sql(sql, params)
        except BaseException:
            if not self._held.closed:
                self._raw(f"ROLLBACK TO SAVEPOINT {_STATEMENT}")
            raise

    # Short cuts past execute_sql would pass by the savepoint too.
    fetch = KitDatabase.fetch
    change = KitDatabase.change

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Set the savepoint that stands for BEGIN; an isolation level is ignored."""
        self.connection()  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs
        self._raw(f"SAVEPOINT {_TRANSACTION}")
        self._begun = True

    def commit(self) -> None:
        """Release the savepoint that stands for the transaction."""
        self.refuse_failed()
        self._raw(f"RELEASE SAVEPOINT {_TRANSACTION}")
        self._begun = False

    def rollback(self) -> None:
        """Go back to the savepoint that stands for BEGIN."""
        self._begun = False
        if not self._held.closed:
            self._raw(f"ROLLBACK TO SAVEPOINT {_TRANSACTION}; RELEASE SAVEPOINT {_TRANSACTION}")
