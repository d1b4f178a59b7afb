"""A fresh database for a test: datapkg's testing kit beside creating the same tables anew."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from benchmarks.harness import Figures, rotated
from datapkg import registry
from datapkg.kit.database import open_database, override, release
from datapkg.kit.engines import KitDatabase
from datapkg.testing.databases import RunDatabases

__all__ = ["measure_fresh"]

_Turn = Callable[[], AbstractContextManager[object]]
_SLOW = ("create", "clone")


def measure_fresh(engine: str, *, rounds: int, times: int) -> Figures:
    """Time what a test waits for: its database, one query in it, and the end.

    Args:
        engine: ``sqlite`` or ``postgresql``; the latter is the server of the testing kit, with its settings.
        rounds: figures for each way.
        times: databases in one round.

    Returns:
        ``create`` makes the tables anew, ``copy`` and ``clone`` copy a migrated template, ``rollback`` undoes.
    """
    databases = RunDatabases()
    with contextlib.ExitStack() as stack:
        stack.callback(databases.close)
        turns = _sqlite(databases, stack) if engine == "sqlite" else _postgresql(databases)
        figures = Figures()
        for number in range(-1, rounds):
            for name in rotated(list(turns), max(number, 0)):
                gc.collect()
                seconds = _timed(turns[name], 1 if name in _SLOW else times)
                if number >= 0:  # the first round makes the template
                    figures.add(name, seconds)
        return figures


def _timed(turn: _Turn, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        with turn():
            pass
    return (time.perf_counter() - start) / times


def _use(database: KitDatabase) -> None:
    database.fetch("SELECT count(*) FROM definitions", ())


def _sqlite(databases: RunDatabases, stack: contextlib.ExitStack) -> dict[str, _Turn]:
    kept = stack.enter_context(databases.in_memory())
    found = kept.fetch("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid", ())

    @contextlib.contextmanager
    def create() -> Iterator[None]:
        conn = sqlite3.connect(":memory:", isolation_level=None)
        for (statement,) in found:
            conn.execute(statement)
        conn.execute("SELECT count(*) FROM definitions").fetchall()
        yield
        conn.close()

    @contextlib.contextmanager
    def copy() -> Iterator[None]:
        with databases.in_memory() as database:
            _use(database)
            yield

    @contextlib.contextmanager
    def rollback() -> Iterator[None]:
        with kept.atomic() as transaction:
            _use(kept)
            yield
            transaction.rollback()

    return {"create": create, "copy": copy, "rollback": rollback}


def _postgresql(databases: RunDatabases) -> dict[str, _Turn]:
    @contextlib.contextmanager
    def create() -> Iterator[None]:
        with databases.server().new_database() as url:
            database = open_database(url)
            with override(database):
                database.create_tables(registry.models())
                _use(database)
            yield
            release(database)

    @contextlib.contextmanager
    def clone() -> Iterator[None]:
        with databases.in_clone() as (database, _):
            _use(database)
            yield

    @contextlib.contextmanager
    def rollback() -> Iterator[None]:
        with databases.in_transaction() as database:
            _use(database)
            yield

    return {"create": create, "clone": clone, "rollback": rollback}
