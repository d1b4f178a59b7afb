"""The database that a migration's code sees: it refuses SQL while operations are collected, and passes it on later.

A migration's ``migrate`` only says what is to be done. Its code runs again whenever the model state is needed (for
every later migration, for a plan), so SQL in it would run again too. While operations are collected the recorder
stands in for the database, also as the one that ``datapkg.kit.database.current()`` returns, and refuses every
statement; nothing of Peewee is patched. While the collected steps run, it is the real database: it shares its
connection and its open transaction.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from datapkg.kit.database import override
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import UnsafeMigrationError

__all__ = ["Recorder", "collecting", "recorder_for", "running"]


class Recorder(KitDatabase):
    """Mixed into a database's own class, so that ``isinstance`` and the dialect answer as for the real one."""

    live: bool
    """Whether the collected steps run now."""

    def _refuse(self, what: str) -> None:
        if not self.live:
            raise UnsafeMigrationError(
                f"The migration runs SQL while its operations are collected: {what}",
                fix="Put it into migrator.sql(...) or, as a function, into migrator.run(...): those run exactly once.",
            )

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> Any:
        """Run a statement of a data step."""
        self._refuse(" ".join(sql.split())[:80])
        return super().execute_sql(sql, params)

    def connection(self) -> Any:
        """Return the driver's connection, in a data step."""
        self._refuse("database.connection()")
        return super().connection()  # type: ignore[no-untyped-call]  # Peewee's

    def begin(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: a migration is one transaction already, and ``atomic()`` in it is a savepoint."""
        self._end("BEGIN")

    def commit(self) -> None:
        """Refuse: a migration is committed with its history row, or not at all."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Refuse: raise an exception to undo a migration."""
        self._end("ROLLBACK")

    def _end(self, what: str) -> None:
        self._refuse(what)
        raise UnsafeMigrationError(
            f"The migration would end its own transaction ({what}).",
            fix="Use database.atomic() for a savepoint, or raise an exception to undo everything.",
        )


@cache
def _class_for(kind: Any) -> Any:
    return type(f"Recorded{kind.__name__}", (Recorder, kind), {})


def recorder_for(database: KitDatabase) -> Recorder:
    """Return a recorder that shares the database's connection and transaction."""
    twin = copy.copy(database)
    kind: Any = type(database)
    twin.__class__ = _class_for(kind)
    assert isinstance(twin, Recorder)
    twin.live = False
    return twin


@contextmanager
def collecting(recorder: Recorder) -> Iterator[None]:
    """Refuse all SQL of this thread or task until the block ends."""
    recorder.live = False
    with override(recorder):
        yield


@contextmanager
def running(recorder: Recorder, database: KitDatabase) -> Iterator[None]:
    """Let the collected steps reach the database until the block ends; public functions called by them too."""
    recorder.live = True
    try:
        with override(database):
            yield
    finally:
        recorder.live = False
