"""SQLite: the online backup API, in both directions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import peewee as pw

from datapkg.kit.engines import MemoryDatabase, SqliteDatabase
from datapkg.kit.errors import DatabaseBusyError, DatapkgError, ReadOnlyError, StorageError
from datapkg.kit.failpoints import reach
from datapkg.operations.backups.files import Backup, refused, temporary_file

__all__ = ["copy_in", "copy_out"]

_STEPS = 50
_LARGEST_STEP = 1000
_SECONDS = 60
_BUSY, _LOCKED = 5, 6


def copy_out(
    database: SqliteDatabase, target: Path, *, locked: bool, progress: Callable[[int, int], None] | None
) -> None:
    """Write the database's content into a file; others go on reading and writing.

    Args:
        database: in a transaction that has read already, so that all pages are of one state.
        target: an empty file.
        locked: the transaction keeps other writers out, and has written nothing.
        progress: called with the pages done and the pages in all.

    Raises:
        StorageError: the disk is full, or the database is damaged.
        DatabaseBusyError: readers are locked out too.
    """
    patience = _Patience(database, _SECONDS)

    def tell(status: int, remaining: int, total: int) -> None:
        if patience.goes_on(status) and progress is not None:
            progress(total - remaining, total)

    with _typed(database), ExitStack() as stack:
        if isinstance(database, MemoryDatabase):
            target.write_bytes(database.image())
        out = stack.enter_context(_connected(str(target)))
        # Whether the file survives a power cut is seen to when it is sealed; until then it is nobody's.
        out.execute("PRAGMA journal_mode = OFF")
        out.execute("PRAGMA synchronous = OFF")
        if not isinstance(database, MemoryDatabase):
            # SQLite copies nothing through a connection that is writing; what another one sees is the same here.
            source: sqlite3.Connection = (
                stack.enter_context(_connected(f"file:{quote(database.database)}")) if locked else database.connection()  # type: ignore[no-untyped-call]  # Peewee's
            )
            source.backup(out, pages=_pages(source), progress=tell, sleep=0.05)
        out.execute("PRAGMA journal_mode = DELETE")  # one file, also where the database's own journal is WAL
        found = [row[0] for row in out.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise StorageError(
            f"The database {database.url} is damaged, so no backup was kept: {'; '.join(found)[:500]}.",
            fix="Restore the last good backup, or save what can be read with `sqlite3 FILE .recover`.",
        )


class _Patience:
    """Ends a copy that others keep waiting: SQLite's own tries for ever."""

    def __init__(self, database: SqliteDatabase, seconds: float) -> None:
        self._database, self._seconds = database, seconds
        self._deadline = time.monotonic() + seconds

    def goes_on(self, status: int) -> bool:
        """Whether the last step did something.

        Raises:
            DatabaseBusyError: the steps have done nothing for too long.
        """
        if status not in (_BUSY, _LOCKED):
            self._deadline = time.monotonic() + self._seconds
            return True
        if time.monotonic() > self._deadline:
            raise DatabaseBusyError(
                f"Others have kept {self._database.url} locked for more than {self._seconds:g} seconds.",
                fix="Stop what writes to it, or raise the lock timeout, and try again.",
            )
        return False


def copy_in(
    database: SqliteDatabase,
    backup: Backup,
    *,
    settings: list[str],
    timeout: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Replace the whole content of the database in one transaction, for those who have it open as well.

    Args:
        database: the database; its file may be missing.
        backup: a whole one.
        settings: statements that run on the content before anybody sees it.
        timeout: seconds to wait for other writers.
        progress: called with the pages done and the pages in all.

    Raises:
        DatabaseBusyError: somebody else wrote for longer than that.
        StorageError: the disk is full, or the file is damaged; ReadOnlyError: it may not be written.
    """
    patience, step = _Patience(database, timeout), 1

    def tell(status: int, remaining: int, total: int) -> None:
        if not patience.goes_on(status):
            return
        reach("restore.mid_write")
        if 0 < remaining <= step:
            reach("restore.before_commit")  # the last pages and the commit are one call
        if progress is not None:
            progress(total - remaining, total)

    with ExitStack() as stack:
        content = stack.enter_context(_with_settings(backup, _folder(database), settings)) if settings else backup.path
        stack.enter_context(_typed(database))
        # immutable: a backup may lie in a folder where SQLite can make no file, and nobody writes to it.
        source = stack.enter_context(_connected(f"file:{quote(str(content))}?mode=ro&immutable=1"))
        if isinstance(database, MemoryDatabase):
            stack.enter_context(database.alone(timeout))
            target: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]  # Peewee's
        else:
            if os.path.exists(database.database) and not os.access(database.database, os.W_OK):
                raise ReadOnlyError(f"The file {database.database} may not be written.")
            target = stack.enter_context(_connected(f"file:{quote(database.database)}", timeout=min(timeout, 5)))
            target.execute("PRAGMA synchronous = FULL")
        step = _pages(source)
        source.backup(target, pages=step, progress=tell, sleep=0.05)
    reach("restore.after_commit")


@contextmanager
def _with_settings(backup: Backup, folder: Path, settings: list[str]) -> Iterator[Path]:
    """A copy of the content with these statements run on it."""
    try:
        with temporary_file(folder, f".{backup.path.name}.") as copy:
            shutil.copyfile(backup.path, copy)
            with _connected(str(copy)) as connection:
                for statement in settings:
                    connection.execute(statement)
            yield copy
    except OSError as error:
        if isinstance(error, DatapkgError):
            raise
        raise refused(error, folder) from error


def _folder(database: SqliteDatabase) -> Path:
    return Path(tempfile.gettempdir() if isinstance(database, MemoryDatabase) else database.database).parent


def _pages(source: sqlite3.Connection) -> int:
    """How many pages to copy at a time: enough steps to show how far it is, and not too many of them."""
    count: int = source.execute("PRAGMA page_count").fetchone()[0]
    return max(1, min(_LARGEST_STEP, count // _STEPS))


@contextmanager
def _connected(name: str, *, timeout: float = 5) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(name, uri=name.startswith("file:"), isolation_level=None, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _typed(database: SqliteDatabase) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise database.dialect.translate(pw.DatabaseError(error, *error.args)) from error
