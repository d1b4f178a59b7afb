"""A fresh, migrated database for each test, within a few milliseconds.

Migrating takes too long to do it for every test, so it is done once, into a template. On SQLite a test gets a copy of
the template's bytes in memory; on PostgreSQL one transaction in a clone of the template, undone at its end. Tests
that commit get a SQLite file, or a clone of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg2

from datapkg import registry
from datapkg.kit.database import open_database, override, release
from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase, MemoryDatabase, SqliteDatabase
from datapkg.testing.rollback import RollbackDatabase
from datapkg.testing.server import POSTGRES_URL_VARIABLE, database_url, shared_server_url

if TYPE_CHECKING:
    from datapkg.kit.domains import Domain

__all__ = ["PostgresServer", "RunDatabases"]

logger = logging.getLogger(__name__)


class PostgresServer:
    """A server that databases for tests are created in.

    Args:
        url: a database of it, by a user who may create databases.
        prefix: what the names of all databases made here begin with, up to 40 characters.
    """

    def __init__(self, url: str, *, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self._numbers = itertools.count(1)

    def run(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run one statement outside of any transaction, on a connection of its own; return its rows."""
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def create(self, *, template: str | None = None, name: str | None = None) -> str:
        """Create a database, empty or as a clone of another one, and return its URL.

        Args:
            template: the name of the database to clone; nobody may be connected to it.
            name: its name; left out, a new one.
        """
        name = name or f"{self.prefix}_{os.getpid()}_{next(self._numbers)}"
        source = f" TEMPLATE {quote(template)} STRATEGY FILE_COPY" if template else ""
        self.run(f"CREATE DATABASE {quote(name)}{source}")
        return database_url(self.url, name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")

    def drop_all(self) -> None:
        """Drop every database whose name begins with the prefix."""
        for (name,) in self.run("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (self.prefix,)):
            self.drop(str(name))

    @contextlib.contextmanager
    def new_database(self, *, template: str | None = None) -> Iterator[str]:
        """Create a database, give its URL, and drop it at the end of the block."""
        name = f"{self.prefix}_{os.getpid()}_{next(self._numbers)}"
        url = self.create(template=template, name=name)
        try:
            yield url
        finally:
            self.drop(name)


class RunDatabases:
    """Every database of one test run, as one process of it sees them.

    Args:
        run: names the run; all of its processes share templates of one name.
        owner: whether this process cleans up what the run has made.
    """

    def __init__(self, *, run: str | None = None, owner: bool = True) -> None:
        self.run = run or uuid.uuid4().hex[:12]
        self.owner = owner
        self._lock = threading.RLock()
        self._server: PostgresServer | None = None
        self._borrowed_server = False
        self._images: dict[str, bytes] = {}
        self._templates: set[str] = set()
        self._idle: dict[str, list[RollbackDatabase]] = {}
        self._known: tuple[tuple[Domain, ...], str] = ((), "")

    # The server -------------------------------------------------------------------------------------------

    def server(self) -> PostgresServer:
        """Return the run's PostgreSQL server, starting it if nobody has yet."""
        with self._lock:
            if self._server is None:
                self._borrowed_server = bool(os.environ.get(POSTGRES_URL_VARIABLE))
                self._server = PostgresServer(shared_server_url(), prefix=f"datapkg_test_{self.run}")
            return self._server

    def close(self) -> None:
        """Close this process's connections; the owner also drops the run's databases from a server that stays."""
        for database in itertools.chain.from_iterable(self._idle.values()):
            database.destroy()
        self._idle.clear()
        if self.owner and self._server is not None and self._borrowed_server:
            self._server.drop_all()

    # Fresh databases --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_memory(self) -> Iterator[KitDatabase]:
        """A migrated SQLite database in memory; it goes with the block."""
        database = _KeptMemoryDatabase(busy_timeout=5.0, synchronous="FULL")
        database.url = "sqlite:///:memory:"
        database.restore(self._image())
        try:
            yield database
        finally:
            database.end()

    @contextlib.contextmanager
    def in_file(self, folder: Path) -> Iterator[tuple[KitDatabase, str]]:
        """A migrated SQLite file in a folder, and its URL; the file stays."""
        path = folder / "datapkg.db"
        path.write_bytes(self._image())
        url = f"sqlite:///{path}"
        database = open_database(url)
        cast(SqliteDatabase, database).enable_wal()
        try:
            yield database, url
        finally:
            release(database)

    @contextlib.contextmanager
    def in_transaction(self) -> Iterator[KitDatabase]:
        """A migrated PostgreSQL database; whatever the block does to it is undone."""
        idle = self._idle.setdefault(self._domains_key(), [])
        database = idle.pop() if idle else RollbackDatabase.of(self.server().create(template=self._template()))
        try:
            database.begin_test()
            yield database
        finally:
            database.end_test()
            idle.append(database)

    @contextlib.contextmanager
    def in_clone(self) -> Iterator[tuple[KitDatabase, str]]:
        """A migrated PostgreSQL database that others can connect to, and its URL; dropped at the block's end."""
        with self.server().new_database(template=self._template()) as url:
            database = open_database(url)
            try:
                yield database, url
            finally:
                release(database)

    # Templates --------------------------------------------------------------------------------------------

    def _domains_key(self) -> str:
        """Name what is registered now, alike in every process: another domain needs another template."""
        domains = registry.domains()
        if self._known[0] is not domains and not _same(self._known[0], domains):
            names = [
                (each.name, str(each.migrations), [model._meta.table_name for model in each.models]) for each in domains
            ]
            self._known = (domains, hashlib.sha256(repr(names).encode()).hexdigest()[:12])
        return self._known[1]

    def _image(self) -> bytes:
        key = self._domains_key()
        image = self._images.get(key)
        if image is None:
            with self._lock:
                database = MemoryDatabase(busy_timeout=5.0, synchronous="FULL")
                _migrate(database)
                image = self._images[key] = database.image()
                database.destroy()
        return image

    def _template(self) -> str:
        server, key = self.server(), self._domains_key()
        name = f"{server.prefix}_t_{key}"
        if name in self._templates:
            return name
        with self._lock:
            lock = psycopg2.connect(server.url)
            try:
                # Held by the connection, so it ends with it. Whoever comes second finds the template made.
                with lock.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
                if not server.run("SELECT 1 FROM pg_database WHERE datname = %s", (name,)):
                    self._build(server, name)
            finally:
                lock.close()
            self._templates.add(name)
        return name

    def _build(self, server: PostgresServer, name: str) -> None:
        draft = f"{name}_d"
        server.drop(draft)
        database = open_database(server.create(name=draft))
        try:
            _migrate(database)
        finally:
            release(database)
        # A database somebody is connected to cannot be cloned; renamed last, so that half a template is never found.
        server.run(f"ALTER DATABASE {quote(draft)} ALLOW_CONNECTIONS false")
        server.run(f"ALTER DATABASE {quote(draft)} RENAME TO {quote(name)}")


class _KeptMemoryDatabase(MemoryDatabase):
    """An in-memory database that outlives a ``disconnect()`` in the test it belongs to."""

    def destroy(self) -> None:
        """Do nothing: the data stays until the test has ended."""

    def end(self) -> None:
        """Close the shared connection; the data is gone."""
        super().destroy()


def _same(left: tuple[Domain, ...], right: tuple[Domain, ...]) -> bool:
    return len(left) == len(right) and all(one is other for one, other in zip(left, right, strict=True))


def _migrate(database: KitDatabase) -> None:
    from datapkg.operations import migrations

    with override(database):
        migrations.migrate()
