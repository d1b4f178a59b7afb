"""Backups: the whole database in one file, and back, by each engine's own tool."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from datapkg.kit.database import current
from datapkg.kit.dialect.base import literal, quote
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.engines import KitDatabase, MemoryDatabase, PostgresMixin, SqliteDatabase
from datapkg.kit.errors import (
    ArchiveError,
    ConfigurationError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    SchemaOutdatedError,
    StorageError,
    ValidationError,
)
from datapkg.kit.failpoints import reach
from datapkg.kit.markup import html_table
from datapkg.kit.words import counted
from datapkg.operations.backups.files import Backup, new_file, read_backup, seal, stamp_of_now
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.migrations.environments import ENVIRONMENT_KEY, environment, guard
from datapkg.operations.migrations.history import applied, has_books, is_missing, refuse_foreign
from datapkg.operations.migrations.lock import in_driver_transaction, seconds

__all__ = ["Backup", "BackupReport", "RestoreReport", "backup", "read_backup", "restore", "write_backup"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class BackupReport:
    """What a backup made.

    Attributes:
        path: the file.
        backup: what it is of.
        seconds: how long it took.
    """

    path: Path
    backup: Backup
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        return {"path": str(self.path), **_facts(self.backup), "seconds": round(self.seconds, 3)}

    def _repr_html_(self) -> str:
        return html_table(("", "backup"), self.as_dict().items())

    def __str__(self) -> str:
        made = self.backup
        return (
            f"{self.path}: {counted(made.tables, 'table')}, {counted(made.size, 'byte')}, {made.engine} "
            f"{made.engine_version}, "
            f"at {_revision(made)}."
        )


@dataclass(frozen=True)
class RestoreReport:
    """What a restore did.

    Attributes:
        backup: what was put back.
        environment: the database's stamp now.
        state: of its migrations: ``current``, ``behind``, ``ahead`` …
        seconds: how long it took.
    """

    backup: Backup
    environment: str
    state: str
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """Return it as a JSON-ready dictionary."""
        facts = {**_facts(self.backup), "path": str(self.backup.path)}
        return {**facts, "environment": self.environment, "state": self.state, "seconds": round(self.seconds, 3)}

    def _repr_html_(self) -> str:
        return html_table(("", "restored"), self.as_dict().items())

    def __str__(self) -> str:
        text = (
            f"Restored {counted(self.backup.tables, 'table')} as they were at {self.backup.made_at}, "
            f"at {_revision(self.backup)}; the environment is {self.environment}."
        )
        if self.state == "behind":
            text += " Migrations are pending: run `datapkg migrate`."
        elif self.state == "ahead":
            text += " It is ahead of this code: upgrade datapkg before you use it."
        return text


def _facts(made: Backup) -> dict[str, object]:
    facts = asdict(made)
    del facts["path"]
    return facts


def _revision(made: Backup) -> str:
    return (
        ", ".join(name if history == "datapkg" else f"{history}: {name}" for history, name in made.revisions.items())
        or "no migration"
    )


def backup(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    database: KitDatabase | None = None,
) -> BackupReport:
    """Write the whole database into one file, as it is at one moment, while others go on writing.

    SQLite's online backup, or PostgreSQL's pg_dump of the schema that the tables are in. The file appears when it is
    whole; only its owner may read it, as it holds password hashes and keys.

    Args:
        path: the file.
        overwrite: whether it may replace a file.
        progress: called with how much is done, and how much there is in all (pages or tables).
        database: instead of the database in force.

    Raises:
        ValidationError: the path cannot be used, or there is a file already.
        ConfigurationError: pg_dump is missing or older than the server, or a transaction is open.
        StorageError: the disk is full, or the database is damaged.
        ReadOnlyError: the folder may not be written.
        SchemaOutdatedError, ForeignDatabaseError: the database has none of datapkg's tables.

    Example:
        ``backup("app.backup")``
    """
    database = database or current()
    _refuse_open_transaction(database, "backup")
    if is_missing(database):
        raise DatabaseUnavailableError(f"There is no SQLite file {database.database}.", fix="Check the URL.")
    waits = database.alone(60) if isinstance(database, SqliteDatabase) else nullcontext()
    with waits, database.snapshot():
        if isinstance(database, PostgresMixin):  # pg_dump may take longer than a server lets a transaction be idle
            database.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        return write_backup(path, database, overwrite=overwrite, progress=progress)


def write_backup(
    path: str | os.PathLike[str],
    database: KitDatabase,
    *,
    overwrite: bool = False,
    locked: bool = False,
    progress: Progress | None = None,
) -> BackupReport:
    """Write a backup inside the caller's transaction, of what was committed before it; see :func:`backup`.

    Args:
        path: the file.
        database: in a transaction that has written nothing.
        overwrite: whether it may replace a file.
        locked: the transaction keeps other writers out.
        progress: as in :func:`backup`.
    """
    started = time.monotonic()
    if isinstance(database, SqliteDatabase):
        _refuse_own_files(path, database)
    refuse_foreign(database)
    if not has_books(database):
        raise SchemaOutdatedError(
            f"The database {database.url} has none of datapkg's tables: there is nothing to keep."
        )
    made = Backup(
        engine=_engine(database),
        engine_version=database.facts()[0].split()[0],
        tool=0,
        schema="",
        environment=environment(database=database),
        revisions={row.history: row.name for row in applied(database)},
        made_at=stamp_of_now(),
        tables=len(table_names(database)),
    )
    if isinstance(database, SqliteDatabase):
        from datapkg.operations.backups import sqlite

        with new_file(path, overwrite=overwrite) as part:
            sqlite.copy_out(database, part, locked=locked, progress=progress)
            made = seal(part, made)
    else:
        assert isinstance(database, PostgresMixin)
        from datapkg.operations.backups import postgresql, tools

        found = tools.find_tools("pg_dump", at_least=tools.server_version(database))
        made = replace(made, tool=found.major, schema=postgresql.schema_of(database))
        with new_file(path, overwrite=overwrite) as part:
            postgresql.copy_out(database, found, part, made, locked=locked, progress=progress)
            made = seal(part, made)
    final = Path(os.path.abspath(path))
    made = replace(made, path=final)
    return BackupReport(final, made, time.monotonic() - started)


def restore(
    path: str | os.PathLike[str],
    *,
    i_know_this_is: str | None = None,
    owners: bool = True,
    lock_timeout: float = 60,
    progress: Progress | None = None,
    database: KitDatabase | None = None,
) -> RestoreReport:
    """Replace the database's whole content by a backup's, all or nothing.

    Killed at any moment it leaves the old content or the new. Programs that have the database open may stay: they see
    the new content from the next transaction on. The environment stamp stays that of the database; one that had no
    tables gets the backup's.

    Args:
        path: a file that :func:`backup` wrote, on the same engine.
        i_know_this_is: ``"production"``, to do it there.
        owners: on PostgreSQL give tables back to their owners, with their grants; otherwise the connected user owns
            them and nobody else is granted anything.
        lock_timeout: seconds to wait for others that use the tables.
        progress: as in :func:`backup`.
        database: instead of the database in force.

    Raises:
        ValidationError: there is no such file, or the timeout is no number of seconds.
        ArchiveError: it is no backup, was truncated or altered, or is of the other engine.
        EnvironmentGuardError: the database is production.
        ForeignDatabaseError: it holds somebody else's tables, and none of datapkg's.
        ConfigurationError: PostgreSQL's programs are missing or too old, or a transaction is open.
        DatabaseBusyError: others kept it locked.
        StorageError, ReadOnlyError: it could not be written.

    Example:
        ``restore("app.backup")``
    """
    started = time.monotonic()
    lock_timeout = seconds(lock_timeout, "lock_timeout")
    database = database or current()
    _refuse_open_transaction(database, "restore")
    engine, chosen = _engine(database), read_backup(path)
    if chosen.engine != engine:
        raise ArchiveError(
            f"{chosen.path} is a backup of {chosen.engine}, and {database.url} is {engine}.",
            fix="Restore it on its own engine; `datapkg dump` and `datapkg load`, or `datapkg copy`, change engines.",
        )
    stamp = chosen.environment
    if not is_missing(database):
        stamp = _stamp_of_target(database, stamp)
    guard("restore", i_know_this_is=i_know_this_is, database=database)
    settings = [] if stamp == chosen.environment else _stamping(stamp, chosen.schema)
    if isinstance(database, SqliteDatabase):
        from datapkg.operations.backups import sqlite

        reach("restore.verified")
        sqlite.copy_in(database, chosen, settings=settings, timeout=lock_timeout, progress=progress)
        with suppress(DatabaseBusyError):  # of a new file; the next connect() does it as well
            database.enable_wal()
    else:
        assert isinstance(database, PostgresMixin)
        from datapkg.operations.backups import postgresql

        if (schema := postgresql.schema_of(database)) != chosen.schema:
            raise ConfigurationError(
                f"The backup is of the schema {chosen.schema}; the search path of {database.url} leads to {schema}.",
                fix=f"End the URL with ?options=-csearch_path%3D{chosen.schema}.",
            )
        reach("restore.verified")
        postgresql.copy_in(database, chosen, settings=settings, owners=owners, timeout=lock_timeout, progress=progress)
    from datapkg.operations.migrations import status

    state = status(database=database).state
    return RestoreReport(chosen, environment(database=database), state, time.monotonic() - started)


def _engine(database: KitDatabase) -> str:
    if isinstance(database, SqliteDatabase) or (
        # Others speak PostgreSQL's language without its snapshots, catalogs and programs.
        isinstance(database, PostgresMixin) and database.fetch("SELECT version()", ())[0][0].startswith("PostgreSQL")
    ):
        return database.dialect.name
    raise ConfigurationError(
        f"datapkg has no backup for {database.url}.", fix="Use that server's own tools, or `datapkg dump`."
    )


def _refuse_open_transaction(database: KitDatabase, what: str) -> None:
    if database.in_transaction() or (not isinstance(database, MemoryDatabase) and in_driver_transaction(database)):
        raise ConfigurationError(
            f"A {what} cannot run inside an open transaction.", fix="Commit or leave the transaction first."
        )


def _refuse_own_files(path: str | os.PathLike[str], database: SqliteDatabase) -> None:
    if isinstance(database, MemoryDatabase):
        return
    with suppress(OSError, ValueError, TypeError):  # of a path that is none, new_file tells
        for suffix in ("", "-wal", "-shm", "-journal"):
            if os.path.realpath(path) == os.path.realpath(database.database + suffix):
                raise ValidationError(
                    {"path": [f"{path} is the database itself."]}, what="backup", fix="Give another name."
                )


def _stamp_of_target(database: KitDatabase, otherwise: str) -> str:
    """Return the stamp that the database has to have afterwards."""
    try:
        refuse_foreign(database)
        return environment(database=database) if has_books(database) else otherwise
    except StorageError as error:
        raise StorageError(
            error.why,
            fix="Move the damaged file away, with those of the same name that end in -wal and -shm, and restore again.",
        ) from error


def _stamping(stamp: str, schema: str) -> list[str]:
    """Return the statements that give the content of a backup another environment."""
    table = ".".join(quote(name) for name in (schema, Setting._meta.table_name) if name)
    key, value, now = literal(ENVIRONMENT_KEY), literal(f'"{stamp}"'), literal(f"{stamp_of_now()[:-1]}.000000Z")
    row = f"{literal(str(uuid.uuid4()))}, {now}, {now}, {key}, {value}"
    return [
        f"DELETE FROM {table} WHERE key = {key}",
        f"INSERT INTO {table} (id, created_at, updated_at, key, value) VALUES ({row})",
    ]
