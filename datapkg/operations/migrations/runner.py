"""Runs migrations: each under the lock, in one transaction with its history row."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from datapkg.kit.dialect.alter_sqlite import check_foreign_keys
from datapkg.kit.engines import KitDatabase, SqliteDatabase
from datapkg.kit.errors import DatabaseBusyError, DatapkgError, MigrationError, UnsafeMigrationError
from datapkg.kit.failpoints import reach
from datapkg.kit.models import Model
from datapkg.operations.migrations import history as books
from datapkg.operations.migrations.comparison import check, compare
from datapkg.operations.migrations.concurrent import ConcurrentIndex
from datapkg.operations.migrations.files import History, MigrationFile, histories, scan
from datapkg.operations.migrations.history import Applied
from datapkg.operations.migrations.lock import in_driver_transaction, migration_lock
from datapkg.operations.migrations.migrator import KitMigrator
from datapkg.operations.migrations.recorder import collecting, recorder_for, running
from datapkg.operations.migrations.steps import CollectedStep, FunctionStep, RawStep

__all__ = ["Done", "Runner"]

logger = logging.getLogger(__name__)

Around = Callable[[MigrationFile, CollectedStep], AbstractContextManager[None]]


def _nothing_around(file: MigrationFile, step: CollectedStep) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Done:
    """One migration that was run, or undone.

    Attributes:
        history: whose it is.
        name: its name.
        seconds: how long it took.
    """

    history: str
    name: str
    seconds: float


class Runner:
    """Runs and undoes migrations of a database.

    Args:
        database: the database.
        timeout: seconds to wait for the lock.
        around: makes a block that each step runs in.
    """

    def __init__(self, database: KitDatabase, *, timeout: float = 60, around: Around | None = None) -> None:
        self.database, self.timeout = database, timeout
        self._around: Around = around or _nothing_around
        self.recorder = recorder_for(database)
        self._migrator = KitMigrator(self.recorder)
        self._replayed: list[MigrationFile] = []

    @property
    def state(self) -> KitMigrator:
        """The tables as the files that were collected last leave them."""
        return self._migrator

    # Collecting -------------------------------------------------------------------------------------------

    def collect(
        self, file: MigrationFile, *, before: Sequence[MigrationFile], down: bool = False
    ) -> list[CollectedStep]:
        """Return the steps of a file; nothing is run, and the model state is the file's from then on.

        Args:
            file: the migration.
            before: the migrations that the database has been through, in the order in which it was.
            down: the steps of its rollback.

        Raises:
            MigrationError: the file, or one before it, fails.
        """
        self._replay(before)
        try:
            return self._collect(file, down=down, fake=False)
        finally:
            # Half a file's state is no state; a rollback's is that of another list of files.
            self._replayed.append(file)

    def _replay(self, files: Sequence[MigrationFile]) -> None:
        done = len(self._replayed)
        if self._replayed != list(files[:done]):
            self._migrator, self._replayed, done = KitMigrator(self.recorder), [], 0
        try:
            for each in files[done:]:
                self._collect(each, down=False, fake=True)
                self._replayed.append(each)
        except BaseException:
            self.forget()  # half a file's state is no state
            raise

    def models_after(self, files: Sequence[MigrationFile]) -> list[type[Model]]:
        """Return models of the tables as they are after these migrations; nothing is run.

        Args:
            files: in the order in which a database has been through them.

        Raises:
            MigrationError: one of them fails.
        """
        self._replay(files)
        models: Any = self._migrator.orm.__tables__.values()  # kit models, as migrations define them
        return list(models)

    def _collect(self, file: MigrationFile, *, down: bool, fake: bool) -> list[CollectedStep]:
        with blame(file), collecting(self.recorder):
            up, back = file.read()
            if down and back is None:
                raise irreversible(file)
            self._migrator.begin_file(str(file.path), file.module, only_state=fake)
            (back if down and back else up)(self._migrator, self.recorder, fake=fake)
            return _lonely(self._migrator.take())

    def forget(self) -> None:
        """Forget the model state, after a failure or a rollback."""
        self._replayed = []
        self._migrator = KitMigrator(self.recorder)

    # Running ----------------------------------------------------------------------------------------------

    def apply_next(self, history: History, *, upto: str | None, first: Callable[[], None] | None = None) -> Done | None:
        """Apply the next pending migration of a history, or find that there is none.

        Args:
            history: whose.
            upto: the last one to apply.
            first: called under the lock when there is one, before anything is changed.

        Raises:
            MigrationError: it failed; the database is as it was.
        """
        started = time.monotonic()
        try:
            with migration_lock(self.database, self.timeout):
                # Only now, behind the lock, is it certain what other processes have done.
                rows = books.applied(self.database)
                compared = compare(history, rows)
                check(compared)
                file = next((file for file in compared.pending if upto is None or file.name <= upto), None)
                if file is None:
                    return None
                if first is not None:
                    first()
                books.ensure_bookkeeping(self.database)
                reach("migrate.after_bookkeeping")
                self._run(file, self.collect(file, before=in_order(rows)), alone=True)
                reach("migrate.after_steps")
                books.add(self.database, file)
                reach("migrate.after_history")
        except BaseException:
            self.forget()
            raise
        reach("migrate.after_commit")
        seconds = time.monotonic() - started
        logger.info("applied %s", file.name, extra={"history": history.name, "duration_s": seconds})
        return Done(history.name, file.name, seconds)

    def undo(self, file: MigrationFile, *, first: Callable[[], None] | None = None) -> Done:
        """Undo one applied migration by its rollback.

        Args:
            file: the migration.
            first: called under the lock, before anything is changed.

        Raises:
            MigrationError: it has none, or it failed; the database is as it was.
        """
        started = time.monotonic()
        try:
            with migration_lock(self.database, self.timeout):
                rows = books.applied(self.database)
                if not any((row.history, row.name) == (file.history, file.name) for row in rows):
                    raise MigrationError(
                        f"{file.name} is not applied any more.", fix="Another process undid it; look at the status."
                    )
                if first is not None:
                    first()
                self._run(file, self.collect(file, before=in_order(rows), down=True))
                reach("migrate.after_steps")
                books.remove(self.database, file)
                reach("migrate.after_history")
        finally:
            self.forget()
        reach("migrate.after_commit")
        seconds = time.monotonic() - started
        logger.info("rolled back %s", file.name, extra={"history": file.history, "duration_s": seconds})
        return Done(file.history, file.name, seconds)

    def require_rollback(self, file: MigrationFile) -> None:
        """Refuse a migration that cannot be undone, before anything is.

        Raises:
            MigrationError: it has no rollback.
        """
        with blame(file), collecting(self.recorder):
            if file.read()[1] is None:
                raise irreversible(file)

    def mark(self, file: MigrationFile) -> Done:
        """Record a migration as applied, as its file stands now, without running it."""
        started = time.monotonic()
        with migration_lock(self.database, self.timeout):
            books.ensure_bookkeeping(self.database)
            rows = books.applied(self.database)
            if any((row.history, row.name) == (file.history, file.name) for row in rows):
                books.restamp(self.database, file)
            else:
                books.add(self.database, file)
        return Done(file.history, file.name, time.monotonic() - started)

    def enable_wal(self) -> None:
        """Switch a new SQLite file to WAL; other processes may be about to do the same."""
        if not isinstance(self.database, SqliteDatabase) or books.has_books(self.database):
            return
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return self.database.enable_wal()
            except DatabaseBusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def run(self, file: MigrationFile, *, before: Sequence[MigrationFile]) -> None:
        """Run a migration in the caller's transaction, without the lock and without recording it.

        Args:
            file: the migration.
            before: as for :meth:`collect`.
        """
        self._run(file, self.collect(file, before=before))

    def _run(self, file: MigrationFile, steps: Sequence[CollectedStep], *, alone: bool = False) -> None:
        with running(self.recorder, self.database):
            for step in steps:
                with blame(file, line=step.line), self._around(file, step):
                    if alone and isinstance(step.alteration, ConcurrentIndex):
                        step.alteration.build(self.database)
                    else:
                        step.run(self.database)
                    if isinstance(step, (RawStep, FunctionStep)) and not in_driver_transaction(self.database):
                        raise UnsafeMigrationError(
                            f"{file.path.name}, line {step.line}, ended the migration's transaction: what came before "
                            "is committed or undone, and the migration is not recorded.",
                            fix="Take the COMMIT or ROLLBACK out of it, and look at what is there by hand.",
                            file=str(file.path),
                            line=step.line,
                            migration=file.name,
                        )
                reach("migrate.after_step")
        if isinstance(self.database, SqliteDatabase):
            with blame(file):
                check_foreign_keys(self.database)


def _lonely(steps: list[CollectedStep]) -> list[CollectedStep]:
    """Refuse an index that is built concurrently beside other steps: it would wait for their locks for ever."""
    inside = [step for step in steps if not isinstance(step.alteration, ConcurrentIndex)]
    if inside and len(inside) < len(steps):
        raise UnsafeMigrationError(
            "An index that is built concurrently cannot share a migration with other steps.",
            fix="Give the index a migration of its own, or leave concurrently=True out.",
        )
    return steps


def in_order(rows: Sequence[Applied]) -> list[MigrationFile]:
    """Return the files of applied migrations as they happened: histories interleaved by time, each in its own order."""
    names = {(row.history, row.name) for row in rows}
    waiting = {
        each.name: [file for file in scan(each) if (file.history, file.name) in names][::-1] for each in histories()
    }
    return [waiting[row.history].pop() for row in rows if waiting.get(row.history)]


def irreversible(file: MigrationFile) -> MigrationError:
    """Return the error for a migration without a rollback."""
    return MigrationError(
        f"{file.path.name} has no function rollback, so it cannot be undone.",
        fix="Restore a backup, or write a new migration that brings the tables into the shape you want.",
        file=str(file.path),
    )


@contextmanager
def blame(file: MigrationFile, *, line: int = 0) -> Iterator[None]:
    """Name the file, and the line in it, in whatever goes wrong."""
    try:
        yield
    except Exception as error:
        if isinstance(error, MigrationError) and "file" in error.meta:
            raise
        in_file = [
            place.lineno for place in traceback.extract_tb(error.__traceback__) if place.filename == str(file.path)
        ]
        found = (in_file[-1] if in_file else None) or line
        if isinstance(error, SyntaxError) and error.filename == str(file.path):
            found = error.lineno or 0
        kind = UnsafeMigrationError if isinstance(error, UnsafeMigrationError) else MigrationError
        why = error.why if isinstance(error, DatapkgError) else f"{type(error).__name__}: {error}"
        # A migration's error says itself what to do; that of a statement speaks to whoever wrote the statement.
        fix = error.fix.rstrip(".") if isinstance(error, MigrationError) else "Mend the file and run again"
        raise kind(
            f"{file.path.name}{f', line {found},' if found else ''} failed: {why.rstrip('.')}.",
            fix=f"{fix}; the database is as it was before this migration.",
            file=str(file.path),
            line=found or None,
            migration=file.name,
        ) from error
