"""A throw-away copy of a database, to try migrations on."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote as quoted

from datapkg.kit.database import open_database, release
from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase, PostgresMixin, SqliteDatabase
from datapkg.kit.errors import ConfigurationError, DatapkgError
from datapkg.operations.migrations.history import has_books, is_missing

__all__ = ["CLONE_PREFIX", "cloned"]

CLONE_PREFIX = "datapkg_rehearsal_"
"""What the names of clones begin with; then follow the second in which they were made, and eight characters."""
_STALE = 24 * 3600
_MADE = re.compile(r"([0-9]{10})_[a-z0-9_]{8}\Z")


@contextmanager
def cloned(database: KitDatabase) -> Iterator[KitDatabase]:
    """Yield a copy of a database as it is at one moment, while others go on writing; afterwards it is gone.

    Clones that a killed process left, and that are older than a day, are removed before.

    SQLite: its online backup, into a temporary folder. PostgreSQL: pg_dump and pg_restore into a new database on the
    same server; ``CREATE DATABASE … TEMPLATE`` would be quicker, and is refused while anybody is connected.

    Args:
        database: what to copy; only read. One with no table of datapkg's has an empty copy.

    Raises:
        ConfigurationError: a transaction is open, PostgreSQL's programs are missing, or no database may be created.
        StorageError: there is no room for the copy.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{CLONE_PREFIX}*"):
        if _is_stale(left.name):
            shutil.rmtree(left, ignore_errors=True)
    with _sqlite(database) if isinstance(database, SqliteDatabase) else _postgresql(database) as clone:
        try:
            yield clone
        finally:
            with suppress(DatapkgError):
                release(clone)


def _prefix() -> str:
    return f"{CLONE_PREFIX}{int(time.time())}_"


def _is_stale(name: str) -> bool:
    """Tell by its name whether a clone is older than a day."""
    made = _MADE.match(name.removeprefix(CLONE_PREFIX))
    return made is not None and int(made[1]) < time.time() - _STALE


@contextmanager
def _sqlite(database: SqliteDatabase) -> Iterator[KitDatabase]:
    from datapkg.operations.backups import sqlite

    with tempfile.TemporaryDirectory(prefix=_prefix()) as folder:
        path = Path(folder) / "clone.db"
        if not is_missing(database):
            path.touch(mode=0o600)
            with database.alone(60), database.snapshot():
                database.fetch("SELECT count(*) FROM sqlite_master", ())  # the snapshot begins with the first read
                sqlite.copy_out(database, path, locked=False, progress=None)
        yield open_database(f"sqlite:///{quoted(str(path))}", synchronous="NORMAL")


@contextmanager
def _postgresql(database: KitDatabase) -> Iterator[KitDatabase]:
    from datapkg.operations.backups import backup, postgresql, restore

    assert isinstance(database, PostgresMixin)
    name = f"{_prefix()}{uuid.uuid4().hex[:8]}"
    encoding, collate, ctype = database.fetch(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database "
        "WHERE datname = current_database()",
        (),
    )[0]
    like = f"ENCODING '{encoding}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}'"
    # Not the caller's connection, and not its object either, which may be in a transaction that is never committed.
    with closing(database.twin(60)) as other:
        for (left,) in other.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (CLONE_PREFIX,)):
            if _is_stale(left):
                with suppress(DatapkgError):  # another role's, or somebody looks at it
                    other.execute_sql(f"DROP DATABASE IF EXISTS {quote(left)}")
        try:
            other.execute_sql(f"CREATE DATABASE {quote(name)} TEMPLATE template0 {like}")
        except DatapkgError as error:
            raise ConfigurationError(
                f"No database for the rehearsal can be created beside {database.url}: {error.why}",
                fix="Let the role create databases (ALTER ROLE … CREATEDB), or rehearse on a restored backup.",
            ) from error
        clone = database.twin(60)
        try:
            clone.database = name
            clone.url = f"{database.url} (its clone {name})"
            clone.execute_sql(f"CREATE SCHEMA IF NOT EXISTS {quote(postgresql.schema_of(database))}")
            if has_books(database):
                with tempfile.TemporaryDirectory(prefix=_prefix()) as folder:
                    backup(Path(folder) / "clone", database=database)
                    restore(Path(folder) / "clone", owners=False, database=clone)
            yield clone
        finally:
            with suppress(DatapkgError):
                release(clone)
            other.execute_sql(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")
