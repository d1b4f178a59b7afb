"""Legacy databases, opened for reading alone: one state of the database for the whole of the reading."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from datapkg.kit.errors import ConfigurationError, DatabaseUnavailableError, DatapkgError, StorageError
from datapkg.kit.urls import DatabaseUrl, parse_url

__all__ = ["Source", "open_source"]

_BATCH = 500


class Source(ABC):
    """A legacy database, open for reading.

    Args:
        connection: the driver's connection, in a read-only transaction.
        name: which database it is, the same each time, without user and password.
    """

    quote = '"'

    def __init__(self, connection: Any, name: str) -> None:
        self.connection, self.name = connection, name

    def columns(self, table: str) -> list[str] | None:
        """Return the names of a table's or view's columns, or None if there is no such table.

        Raises:
            StorageError: it is there and cannot be read.
        """
        try:
            with closing(self.connection.cursor()) as cursor:
                cursor.execute(f"SELECT * FROM {self._quoted(table)} LIMIT 0")
                return [each[0] for each in cursor.description]
        except Exception as error:
            if self._is_missing(error):
                return None
            raise self.unreadable(table, error) from error

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(f"SELECT count(*) FROM {self._quoted(table)}")
            return int(cursor.fetchone()[0])

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """Yield a table's rows in no particular order, a few at a time.

        Raises:
            StorageError: the database is damaged or went away.
        """
        listed = ", ".join(map(self._quoted_name, columns))
        try:
            with closing(self._streaming()) as cursor:
                cursor.execute(f"SELECT {listed} FROM {self._quoted(table)}")
                while batch := cursor.fetchmany(_BATCH):
                    yield from batch
        except DatapkgError:
            raise
        except Exception as error:
            raise self.unreadable(table, error) from error

    def unreadable(self, table: str, error: Exception) -> StorageError:
        """Return the error for a table that cannot be read."""
        return StorageError(
            f"The table {table} of the legacy database cannot be read: {str(error).strip()}.",
            fix="Repair the legacy database, or let the user read the table; nothing was written.",
            table=table,
        )

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()

    def _streaming(self) -> Any:
        return self.connection.cursor()

    def _quoted(self, table: str) -> str:
        return ".".join(map(self._quoted_name, table.split(".")))

    def _quoted_name(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    @abstractmethod
    def _is_missing(self, error: Exception) -> bool:
        """Whether the error says that there is no such table."""


class _Sqlite(Source):
    def _is_missing(self, error: Exception) -> bool:
        return str(error).startswith("no such table")


class _Postgresql(Source):
    def columns(self, table: str) -> list[str] | None:
        # A refused statement would otherwise end the transaction, and with it the one state that all is read in.
        with closing(self.connection.cursor()) as cursor:
            cursor.execute("SAVEPOINT look")
            try:
                return super().columns(table)
            finally:
                cursor.execute("ROLLBACK TO SAVEPOINT look")

    def _is_missing(self, error: Exception) -> bool:
        return getattr(error, "pgcode", None) in ("42P01", "3F000")

    def _streaming(self) -> Any:
        cursor = self.connection.cursor(name="datapkg_backfill")
        cursor.itersize = _BATCH
        return cursor


class _Mysql(Source):
    quote = "`"

    def _is_missing(self, error: Exception) -> bool:
        return bool(error.args) and error.args[0] in (1146, 1049)

    def _streaming(self) -> Any:
        from pymysql.cursors import SSCursor

        return self.connection.cursor(SSCursor)


@contextmanager
def open_source(url: str) -> Iterator[Source]:
    """Open a legacy database for reading.

    Args:
        url: ``sqlite:///file.db``, ``postgresql://…``, ``mysql://…`` or ``mariadb://…``.

    Raises:
        ConfigurationError: the URL cannot be used, or the driver is not installed.
        DatabaseUnavailableError: the file or server cannot be reached.
    """
    parsed = parse_url(url)
    opened = _OPENERS.get(parsed.scheme)
    if opened is None:
        raise ConfigurationError(
            f"A backfill cannot read {parsed.scheme!r} databases.",
            fix="Give a URL that begins with sqlite:///, postgresql://, mysql:// or mariadb://.",
        )
    source = opened(parsed)
    try:
        yield source
    finally:
        source.close()


def _open_sqlite(parsed: DatabaseUrl) -> Source:
    path = os.path.realpath(parsed.database)
    if not os.path.isfile(path):
        raise DatabaseUnavailableError(f"There is no file {path}.", fix="Check the URL of the legacy database.")
    from urllib.parse import quote

    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
        # What is no UTF-8 is refused by row and column later, and not by the driver here.
        connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise StorageError(
            f"The legacy database {path} cannot be read: {error}.", fix="Check that it is a SQLite database."
        ) from error
    return _Sqlite(connection, f"sqlite:///{path}")


def _open_postgresql(parsed: DatabaseUrl) -> Source:
    import psycopg2

    try:
        arguments = {"connect_timeout": 10, **parsed.arguments}
        connection = psycopg2.connect(dbname=parsed.database, **arguments)  # type: ignore[call-overload]  # by name
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL TIME ZONE 'UTC'")
    except psycopg2.Error as error:
        raise _unavailable(parsed, error) from error
    return _Postgresql(connection, _server_name("postgresql", parsed))


def _open_mysql(parsed: DatabaseUrl) -> Source:
    try:
        import pymysql
    except ImportError:
        raise ConfigurationError(
            "Reading MySQL and MariaDB needs a driver that is not installed.", fix="Run: pip install pymysql."
        ) from None
    arguments: dict[str, Any] = {"charset": "utf8mb4", "connect_timeout": 10, **parsed.arguments}
    try:
        connection = pymysql.connect(database=parsed.database, **arguments)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    except TypeError as error:
        raise ConfigurationError(
            f"The URL has an option that the driver does not take: {error}.", fix="Correct what follows the ? in it."
        ) from None
    except pymysql.MySQLError as error:
        raise _unavailable(parsed, error) from error
    return _Mysql(connection, _server_name("mysql", parsed))


_OPENERS = {
    "sqlite": _open_sqlite,
    "postgresql": _open_postgresql,
    "mysql": _open_mysql,
    "mariadb": _open_mysql,
}


def _unavailable(parsed: DatabaseUrl, error: Exception) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(f"The legacy database {parsed.safe} cannot be reached: {str(error).strip()}.")


def _server_name(scheme: str, parsed: DatabaseUrl) -> str:
    given = parsed.arguments
    place = given.get("unix_socket") or f"{given.get('host', 'localhost')}:{given.get('port', '')}"
    return f"{scheme}://{place}/{parsed.database}"
