"""The two engines with the rows in them, each in a temporary place that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extras import execute_values

from benchmarks.data import Dataset, rows
from benchmarks.peers.base import Place
from datapkg import registry
from datapkg.kit import database

__all__ = ["copied", "opened"]

_COLUMNS = "id, created_at, updated_at, name, created_by, parent_id, content"


def _create_tables(url: str) -> None:
    made = database.open_database(url)
    with database.override(made):
        if isinstance(made, database.SqliteFileDatabase):
            made.enable_wal()
        made.create_tables(registry.models())
        made.close()


@contextmanager
def opened(engine: str, dataset: Dataset) -> Iterator[Place]:
    """Fill one engine with the rows, note their keys in the dataset, and give the place."""
    with tempfile.TemporaryDirectory(prefix="datapkg-benchmarks-") as folder:
        if engine == "sqlite":
            yield _sqlite(folder, dataset)
        else:
            from datapkg.testing.server import EmbeddedPostgres

            # PostgreSQL's own default instead of the little that tests need.
            with EmbeddedPostgres(durable=True, settings={"shared_buffers": "128MB"}) as server:
                yield _postgresql(server.url, folder, dataset)


def _sqlite(folder: str, dataset: Dataset) -> Place:
    path = os.path.join(folder, "source.db")
    _create_tables(f"sqlite:///{path}")
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA synchronous = NORMAL")
    conn.execute("BEGIN")
    conn.executemany(f"INSERT INTO definitions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows(dataset))
    conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    return Place("sqlite", path, folder)


def _postgresql(url: str, folder: str, dataset: Dataset) -> Place:
    _create_tables(url)
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO definitions ({_COLUMNS}) VALUES %s", rows(dataset), page_size=1_000)
    conn.autocommit = True
    conn.cursor().execute("VACUUM ANALYZE definitions")
    conn.close()
    return Place("postgresql", url, folder)


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
