"""What people call: migrate, rollback, plan."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from datapkg.kit.database import current
from datapkg.kit.engines import KitDatabase, SqliteDatabase
from datapkg.kit.errors import MigrationError
from datapkg.kit.results import Rows
from datapkg.kit.words import did_you_mean
from datapkg.operations.migrations import history as books
from datapkg.operations.migrations.comparison import check, compare, label
from datapkg.operations.migrations.environments import environment, guard
from datapkg.operations.migrations.files import BUILT_IN, History, find, histories, scan
from datapkg.operations.migrations.lock import refuse_open_transaction, seconds

if TYPE_CHECKING:
    from datapkg.operations.migrations.runner import Done, Runner
    from datapkg.operations.migrations.steps import Step

__all__ = ["MigrationReport", "migrate", "plan", "rollback", "selected"]


@dataclass(frozen=True)
class MigrationReport:
    """What a run did, each list in the order in which it was done.

    Attributes:
        applied: names of migrations that were run; before that of a history other than the built-in one, the
            history's: ``mine: 001_first``.
        rolled_back: that were undone.
        marked: that were recorded as applied without running.
        seconds: how long each took.
        backup: the backup that was taken before it, in production; None elsewhere.
    """

    applied: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    backup: Path | None = None

    def rows(self) -> Rows[dict[str, object]]:
        """Return a row for each migration: ``migration``, ``done`` and ``seconds``."""
        rows: Iterator[dict[str, object]] = (
            {"migration": name, "done": done.replace("_", " "), "seconds": round(self.seconds[name], 3)}
            for done in ("applied", "rolled_back", "marked")
            for name in getattr(self, done)
        )
        return Rows(rows, of={"migration": str, "done": str, "seconds": float})

    def __str__(self) -> str:
        if not self.seconds:
            return "Nothing to do."
        if self.backup is None:
            return repr(self.rows())
        back = f"datapkg restore {shlex.quote(str(self.backup))} --i-know-this-is production"
        return f"{self.rows()!r}\n\nBackup before it: {self.backup}\nTo put it back: {back}"

    def _repr_html_(self) -> str:
        return self.rows()._repr_html_()


def _seconds(done: list[Done]) -> dict[str, float]:
    return {label(each.history, each.name): each.seconds for each in done}


def _runner(database: KitDatabase, timeout: float) -> Runner:
    from datapkg.operations.migrations.runner import Runner  # peewee-migrate costs more than connecting does

    return Runner(database, timeout=seconds(timeout, "lock_timeout"))


def _history(name: str) -> History:
    for each in histories():
        if each.name == name:
            return each
    known = [each.name for each in histories()]
    raise MigrationError(
        f"There is no migration history {name!r}.{did_you_mean(name, known)}",
        fix=f"There are: {', '.join(known)}; a domain without migrations of its own has none.",
    )


def selected(to: str | None, history: str | None) -> tuple[list[History], str | None]:
    """Return the histories that are meant, and the name of the last migration that is.

    Args:
        to, history: as in :func:`migrate`.

    Raises:
        MigrationError: there is no such history or migration.
    """
    chosen = histories() if history is None and to is None else [_history(history or BUILT_IN)]
    return chosen, find(to, scan(chosen[0])).name if to is not None else None


def migrate(
    *,
    to: str | None = None,
    resolve_applied: str | None = None,
    history: str | None = None,
    backup: bool = True,
    backup_folder: str | os.PathLike[str] | None = None,
    i_know_this_is: str | None = None,
    lock_timeout: float = 60,
    database: KitDatabase | None = None,
) -> MigrationReport:
    """Apply what is pending, each migration under the lock and in its own transaction.

    In production a backup is taken first, and steps that lose something are refused unless they are meant.

    Several processes may call it at once: each migration is applied by one of them, the others wait. Other people's
    tables in the database stay as they are; one that has the name of ours is an error.

    Args:
        to: the last migration to apply, by name or number; those after it stay pending.
        resolve_applied: only record this migration as applied, as its file stands now, without running it.
        history: only this history; with ``to`` and ``resolve_applied`` the built-in one unless given.
        backup: in production, False takes none.
        backup_folder: where it goes; unless given, where ``DATAPKG_BACKUP_FOLDER`` says, or ``backups`` beside the
            SQLite file, for a server in the working directory.
        i_know_this_is: ``"production"``, to run destructive steps or go without a backup there.
        lock_timeout: seconds to wait for another process that migrates.
        database: instead of the database in force.

    Raises:
        MigrationError: a file failed (and the database is as it was before it), was edited after it had been applied,
            or comes too late; or a transaction is open; or no backup could be made, and nothing was migrated.
        EnvironmentGuardError: production, a destructive step or no backup, and the caller did not say so.
        UnsafeMigrationError: a migration would lose rows, or runs SQL while its operations are collected.
        SchemaAheadError: the database has been through migrations that this code does not know.
        DatabaseBusyError: the lock was not to be had in time.
        ValidationError: the timeout is no number of seconds.

    Example:
        ``migrate(to="003")``
    """
    database = database or current()
    refuse_open_transaction(database)
    runner = _runner(database, lock_timeout)
    if resolve_applied is not None:
        file = find(resolve_applied, scan(_history(history or BUILT_IN)))
        runner.enable_wal()
        took = _seconds([runner.mark(file)])
        return MigrationReport(marked=list(took), seconds=took)
    chosen, upto = selected(to, history)
    first = _Before(database, "migrate", backup=backup, folder=backup_folder, i_know_this_is=i_know_this_is)
    done: list[Done] = []
    for each in chosen:
        compared = compare(each, books.applied(database))
        check(compared)
        # A database that is up to date is only read, so it may be read-only and needs no lock.
        if not any(upto is None or file.name <= upto for file in compared.pending):
            continue
        if not done and environment(database=database) == "production" and i_know_this_is != "production":
            _refuse_destructive(plan(to=to, history=history, database=database), database)
        if backup and isinstance(database, SqliteDatabase) and environment(database=database) == "production":
            database.enable_wal()  # without it nobody could read for the backup while the migration lock is held
        runner.enable_wal()
        while (one := runner.apply_next(each, upto=upto, first=first)) is not None:
            done.append(one)
    took = _seconds(done)
    return MigrationReport(applied=list(took), seconds=took, backup=first.made)


def rollback(
    *,
    to: str | None = None,
    count: int = 1,
    history: str = BUILT_IN,
    i_know_this_is: str | None = None,
    backup: bool = True,
    backup_folder: str | os.PathLike[str] | None = None,
    lock_timeout: float = 60,
    database: KitDatabase | None = None,
) -> MigrationReport:
    """Undo applied migrations of one history, newest first, each in its own transaction.

    Args:
        to: undo everything after this one (by name or number); ``"zero"`` undoes everything.
        count: how many to undo, where ``to`` is not given.
        history: whose.
        i_know_this_is: ``"production"``, to do it there.
        backup, backup_folder: as in :func:`migrate`.
        lock_timeout: seconds to wait for another process that migrates.
        database: instead of the database in force.

    Raises:
        EnvironmentGuardError: the database is production.
        MigrationError: one of them has no rollback (nothing is undone then), or its rollback failed.
    """
    database = database or current()
    refuse_open_transaction(database)
    guard("rollback", i_know_this_is=i_know_this_is, database=database)
    runner = _runner(database, lock_timeout)
    if backup and isinstance(database, SqliteDatabase) and environment(database=database) == "production":
        database.enable_wal()  # as in migrate
    rows = [] if books.is_missing(database) else books.applied(database)
    compared = compare(_history(history), rows)
    check(compared)
    newest_first = list(reversed(compared.done))
    if to == "zero":
        chosen = newest_first
    elif to is not None:
        target = find(to, list(compared.done))
        chosen = [file for file in newest_first if file.name > target.name]
    else:
        chosen = newest_first[: max(count, 0)]
    for file in chosen:
        runner.require_rollback(file)
    first = _Before(database, "rollback", backup=backup, folder=backup_folder, i_know_this_is=i_know_this_is)
    took = _seconds([runner.undo(file, first=first) for file in chosen])
    return MigrationReport(rolled_back=list(took), seconds=took, backup=first.made)


class _Before:
    """Takes the backup once, under the lock of the first migration."""

    def __init__(
        self,
        database: KitDatabase,
        action: str,
        *,
        backup: bool,
        folder: str | os.PathLike[str] | None,
        i_know_this_is: str | None,
    ) -> None:
        self.made: Path | None = None
        self._asked = False
        self._database, self._action, self._backup, self._folder = database, action, backup, folder
        self._i_know_this_is = i_know_this_is

    def __call__(self) -> None:
        if self._asked:
            return
        self._asked = True
        if environment(database=self._database) != "production":
            return
        if not self._backup:
            guard(f"{self._action} without a backup", i_know_this_is=self._i_know_this_is, database=self._database)
            return
        from datapkg.operations.backups.before import backup_before

        self.made = backup_before(self._action, self._database, folder=self._folder).path


def _refuse_destructive(steps: Sequence[Step], database: KitDatabase) -> None:
    for step in steps:
        if step.tag == "destructive":
            name = label(step.history, step.migration)
            guard(f"`migrate` of {name}, which would lose what is there ({step.sql}),", database=database)


def plan(*, to: str | None = None, history: str | None = None, database: KitDatabase | None = None) -> Rows[Step]:
    """Return what ``migrate`` would run, statement by statement; nothing is run, written or created.

    Args:
        to, history: as in :func:`migrate`.
        database: instead of the database in force.

    Raises:
        MigrationError: as in :func:`migrate`, for a file that cannot even be collected.
    """
    from datapkg.operations.migrations.runner import in_order
    from datapkg.operations.migrations.steps import Step

    database = database or current()
    runner = _runner(database, 0)
    chosen, upto = selected(to, history)
    rows = [] if books.is_missing(database) else books.applied(database)
    before = in_order(rows)
    steps: list[Step] = []
    for each in chosen:
        compared = compare(each, rows)
        check(compared)
        for file in compared.pending:
            if upto is not None and file.name > upto:
                break
            for step in runner.collect(file, before=before):
                steps += [Step(file.history, file.name, step.tag, sql, step.line) for sql in step.lines(database)]
            before = [*before, file]
    return Rows(steps, of=Step)
