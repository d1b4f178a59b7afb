"""Migrations tried on a clone: everything runs, data steps too, and the real database stays as it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from datapkg.kit.database import current
from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.dialect.tables import Tag
from datapkg.kit.engines import KitDatabase, SqliteDatabase
from datapkg.kit.markup import html_lines
from datapkg.kit.results import Rows
from datapkg.kit.words import counted
from datapkg.operations.bookkeeping import BOOKKEEPING
from datapkg.operations.migrations import history as books
from datapkg.operations.migrations.cloning import cloned
from datapkg.operations.migrations.commands import selected
from datapkg.operations.migrations.comparison import check, compare, label
from datapkg.operations.migrations.files import MigrationFile
from datapkg.operations.migrations.lock import refuse_open_transaction
from datapkg.operations.migrations.runner import Runner
from datapkg.operations.migrations.steps import CollectedStep, FunctionStep

__all__ = ["Rehearsal", "RehearsedStep", "rehearse"]


@dataclass(frozen=True)
class RehearsedStep:
    """What one step did to the clone.

    Attributes:
        history: whose migration it belongs to.
        migration: the migration's name.
        tag: as in a plan.
        sql: its statements; for a Python function its name, then what it sent, alike statements once.
        line: the line of the migration file that asks for it.
        rows: inserted, updated and deleted; where SQLite rebuilds a table, the rows that it copied too.
        seconds: how long it took.
    """

    history: str
    migration: str
    tag: Tag
    sql: list[str]
    line: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Rehearsal:
    """What pending migrations would do, seen on a clone.

    Attributes:
        steps: every step, in order.
        seconds: how long each migration took, by name.
        before, after: the rows of each table before the first and after the last migration.
        cloning: seconds that the copy took.
    """

    steps: Rows[RehearsedStep] = field(default_factory=Rows)
    seconds: dict[str, float] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    cloning: float = 0.0

    def public(self) -> dict[str, object]:
        """Return everything as a JSON-ready dictionary."""
        return asdict(self)

    def tables(self) -> Rows[dict[str, object]]:
        """Return a row for each table that comes, goes or changes in size: ``table``, ``before``, ``after``."""
        rows: Iterator[dict[str, object]] = (
            {"table": name, "before": self.before.get(name), "after": self.after.get(name)}
            for name in sorted({*self.before, *self.after})
            if self.before.get(name) != self.after.get(name)
        )
        return Rows(rows, of={"table": str, "before": int | None, "after": int | None})

    def _repr_html_(self) -> str:
        return html_lines(str(self))

    def __str__(self) -> str:
        if not self.seconds:
            return "Nothing to migrate."
        lines: list[str] = []
        for name, seconds in self.seconds.items():
            lines.append(f"-- {name}: {seconds:.3f} s")
            for step in self.steps:
                if label(step.history, step.migration) == name:
                    lines += [f"{sql};" for sql in step.sql]
                    lines[-1] += f"  -- {step.tag}, {counted(step.rows, 'row')}, {step.seconds:.3f} s"
        kept = len(self.before) - sum(row["before"] is not None for row in self.tables())
        counts = "\n".join(
            f"  {row['table']}: {_shown(row['before'])} -> {_shown(row['after'])}" for row in self.tables()
        )
        changed = f"\nRows before and after:\n{counts}" if counts else ""
        return "\n".join(
            [
                *lines,
                f"{changed}\n{counted(kept, 'table keeps its', 'tables keep their')} number of rows. "
                f"The clone took {self.cloning:.1f} s; it is gone.",
            ]
        )


def _shown(count: object) -> str:
    return "(no table)" if count is None else f"{count}"


def rehearse(*, to: str | None = None, history: str | None = None, database: KitDatabase | None = None) -> Rehearsal:
    """Run everything pending on a clone of the database, and tell what it did; the database itself is only read.

    Data steps run too, on all rows of the clone; what they do outside of the database they really do. SQLite is cloned
    by its online backup into a temporary folder, PostgreSQL by pg_dump and pg_restore into a new database on the same
    server. The clone is removed, also after a failure.

    Args:
        to, history: as in :func:`migrate`.
        database: instead of the database in force.

    Raises:
        MigrationError, UnsafeMigrationError: a migration would fail, for the reason told.
        ConfigurationError: a transaction is open, or the clone cannot be made; see the fix.

    Example:
        ``print(rehearse())``
    """
    database = database or current()
    refuse_open_transaction(database)
    chosen, upto = selected(to, history)
    rows = [] if books.is_missing(database) else books.applied(database)
    for each in chosen:
        check(compare(each, rows))
    if not any(upto is None or file.name <= upto for each in chosen for file in compare(each, rows).pending):
        return Rehearsal()
    started = time.monotonic()
    with cloned(database) as clone:
        took = time.monotonic() - started
        before = _counts(clone)
        watch = _Watch(clone)
        runner = Runner(clone, around=watch.step)
        seconds: dict[str, float] = {}
        for each in chosen:
            while (one := runner.apply_next(each, upto=upto)) is not None:
                seconds[label(one.history, one.name)] = one.seconds
        return Rehearsal(watch.steps, seconds, before, _counts(clone), took)


def _counts(database: KitDatabase) -> dict[str, int]:
    own = {model._meta.table_name for model in BOOKKEEPING}
    return {
        name: int(database.fetch(f"SELECT count(*) FROM {quote(name)}", ())[0][0])
        for name in sorted(table_names(database) - own)
    }


class _Watch:
    """Writes down what each step does.

    Args:
        clone: the database that the steps run on.
    """

    def __init__(self, clone: KitDatabase) -> None:
        self.steps: Rows[RehearsedStep] = Rows(of=RehearsedStep)
        self._clone = clone
        self._said: list[str] | None = None
        clone.query_hooks.append(self._hear)

    def _hear(self, event: Any) -> None:
        sql = " ".join(event.sql.split()).rstrip(";")
        if self._said is not None and not sql.startswith(("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO ")):
            self._said.append(sql)

    def _written(self) -> int:
        """How many rows this transaction has inserted, updated and deleted so far."""
        if isinstance(self._clone, SqliteDatabase):
            connection: Any = self._clone.connection()  # type: ignore[no-untyped-call]  # Peewee's
            return int(connection.total_changes)
        sql = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables"
        return int(self._clone.fetch(sql, ())[0][0])

    @contextmanager
    def step(self, file: MigrationFile, step: CollectedStep) -> Iterator[None]:
        """Watch one step run."""
        before, started = self._written(), time.monotonic()
        self._said = []
        try:
            yield
        finally:
            said, self._said = self._said, None
        seconds = time.monotonic() - started
        lines = [" ".join(line.split()) for line in step.lines(self._clone)]
        if isinstance(step, FunctionStep):
            lines += [sql if times == 1 else f"{sql} ({times} times)" for sql, times in Counter(said).items()]
        rows = max(self._written() - before, 0)
        self.steps.append(RehearsedStep(file.history, file.name, step.tag, lines, step.line, rows, seconds))
