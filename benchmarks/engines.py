"""The two engines with the rows in them, each in a temporary place that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extras import execute_values

from benchmarks.conversations import TABLES, run_rows, scenario_rows, selection_rows, transcript_rows
from benchmarks.data import Dataset, rows
from benchmarks.features import COLUMNS as FEATURES
from benchmarks.features import feature_rows
from benchmarks.peers.base import Place
from datapkg import registry
from datapkg.kit import database

__all__ = ["copied", "new_database", "opened", "streams"]

_COLUMNS = {
    "definitions": "id, created_at, updated_at, name, created_by, parent_id, content",
    "feature_queue": FEATURES,
}
_COLUMNS |= TABLES
_ROWS: dict[str, Callable[[Dataset], Iterator[tuple[object, ...]]]] = {
    "definitions": rows,
    "scenarios": scenario_rows,
    "runs": run_rows,
    "run_scenario_selection": selection_rows,
    "feature_queue": feature_rows,
}


def _create_tables(url: str) -> None:
    made = database.open_database(url)
    with database.override(made):
        if isinstance(made, database.SqliteFileDatabase):
            made.enable_wal()
        made.create_tables(registry.models())
        made.close()


@contextmanager
def new_database(engine: str) -> Iterator[str]:
    """Give the URL of an empty database: a SQLite file, or a durable PostgreSQL server of its own.

    Args:
        engine: ``sqlite`` or ``postgresql``.
    """
    if engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="datapkg-benchmarks-") as folder:
            yield f"sqlite:///{os.path.join(folder, 'benchmark.db')}"
    else:
        from datapkg.testing.server import EmbeddedPostgres

        # PostgreSQL's own default instead of the little that tests need.
        with EmbeddedPostgres(durable=True, settings={"shared_buffers": "128MB"}) as server:
            yield server.url


@contextmanager
def opened(engine: str, dataset: Dataset) -> Iterator[Place]:
    """Fill one engine with all rows but the streamed ones, note their keys in the dataset, and give the place."""
    with tempfile.TemporaryDirectory(prefix="datapkg-benchmarks-") as folder:
        if engine == "sqlite":
            yield _sqlite(os.path.join(folder, "source.db"), folder, {t: made(dataset) for t, made in _ROWS.items()})
        else:
            with new_database(engine) as url:
                _create_tables(url)
                place = Place("postgresql", url, folder)
                for table, made in _ROWS.items():
                    _copy(place, table, made(dataset))
                yield place


def streams(place: Place, dataset: Dataset) -> Place:
    """Return a place with the transcripts to stream: the same one on PostgreSQL, a file of its own on SQLite.

    A file of its own keeps them out of every side's copy, as they outweigh all else.
    """
    if place.engine == "postgresql":
        _copy(place, "transcripts", transcript_rows(dataset))
        return place
    path = os.path.join(place.folder, "stream.db")
    kept = sqlite3.connect(place.source)
    wanted = (dataset.streamed, dataset.warming)
    found = kept.execute(f"SELECT {_COLUMNS['runs']} FROM runs WHERE id IN (?, ?)", wanted).fetchall()
    parents = {row[3] for row in found}
    marks = ", ".join("?" * len(parents))
    # Without what they were forked from, which the file does not have.
    columns = _COLUMNS["definitions"].replace("parent_id", "NULL")
    definitions = kept.execute(f"SELECT {columns} FROM definitions WHERE id IN ({marks})", tuple(parents)).fetchall()
    kept.close()
    return _sqlite(
        path,
        place.folder,
        {"definitions": iter(definitions), "runs": iter(found), "transcripts": transcript_rows(dataset)},
    )


def _sqlite(path: str, folder: str, tables: dict[str, Iterator[tuple[object, ...]]]) -> Place:
    _create_tables(f"sqlite:///{path}")
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("BEGIN")
    for table, found in tables.items():
        marks = ", ".join("?" * (_COLUMNS[table].count(",") + 1))
        conn.executemany(f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES ({marks})", found)
    conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    return Place("sqlite", path, folder)


def _copy(place: Place, table: str, found: Iterator[tuple[object, ...]]) -> None:
    conn = psycopg2.connect(place.source)
    with conn, conn.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES %s", found, page_size=1_000)
    conn.close()
    place.tidy(table)


def copied(place: Place, name: str) -> Place:
    """Return a copy of a SQLite place's file, so that two sides do not share one journal.

    Args:
        place: where the rows are; on PostgreSQL all sides share the table.
        name: the side's.
    """
    if place.engine != "sqlite":
        return place
    target = os.path.join(place.folder, f"{name}.db")
    shutil.copyfile(place.source, target)
    conn = sqlite3.connect(target)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    return Place(place.engine, target, place.folder)
