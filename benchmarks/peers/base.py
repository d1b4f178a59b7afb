"""What a side of the comparison has to answer."""

from __future__ import annotations

import gc
import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg2

__all__ = ["FULL_ROWS_DOWN", "FULL_ROWS_UP", "Place", "Side"]

# The recursive queries as they are usually written, whole rows through the recursion; the peers run the same.
FULL_ROWS_UP = """
WITH RECURSIVE up AS (
  SELECT d.*, 0 AS depth FROM definitions AS d WHERE d.id = {p}
  UNION ALL
  SELECT d.*, up.depth + 1 FROM definitions AS d JOIN up ON d.id = up.parent_id
) SELECT {columns}, depth FROM up ORDER BY depth"""
FULL_ROWS_DOWN = """
WITH RECURSIVE down AS (
  SELECT d.*, 0 AS depth FROM definitions AS d WHERE d.id = {p}
  UNION ALL
  SELECT d.*, down.depth + 1 FROM definitions AS d JOIN down ON d.parent_id = down.id
) SELECT {columns}, depth FROM down ORDER BY depth, id"""


class Place:
    """Where a side finds the rows.

    Attributes:
        engine: ``sqlite`` or ``postgresql``.
        source: the path of a file in datapkg's own schema, or the URL of a database in it.
        folder: for files of the side's own.
    """

    def __init__(self, engine: str, source: str, folder: str) -> None:
        self.engine, self.source, self.folder = engine, source, folder

    def version(self) -> str:
        """Return the engine's version."""
        if self.engine == "sqlite":
            return sqlite3.sqlite_version
        conn = psycopg2.connect(self.source)
        try:
            return ".".join(map(str, divmod(conn.server_version, 10_000)))
        finally:
            conn.close()

    def tidy(self, table: str) -> None:
        """Remove what deleted rows left behind, and count the others, as PostgreSQL does by itself now and then."""
        if self.engine == "postgresql":
            conn = psycopg2.connect(self.source)
            conn.autocommit = True
            conn.cursor().execute(f"VACUUM ANALYZE {table}")
            conn.close()

    def own_file(self, side: str) -> str:
        """Return the path of the file that a side makes of the source's rows on SQLite."""
        return os.path.join(self.folder, f"{side.lower()}-{os.path.basename(self.source)}")


class Side(ABC):
    """One library (or the bare driver), set up on one engine.

    Every operation gives what its library usually gives; ``described`` makes plain values of it, outside of what is
    timed, so that the answers of all sides can be compared.
    """

    name: str
    warming: float = 0.0
    """Seconds of calls before the first figure of an operation, one call at the least."""

    @classmethod
    def install(cls) -> str | None:
        """Make ready what the side needs; return why that cannot be, or None."""
        return None

    @classmethod
    def versions(cls) -> list[str]:
        """Return names and versions of what takes part beside Python packages."""
        return []

    @abstractmethod
    def open(self, place: Place) -> None:
        """Connect; make tables and rows of its own where it cannot read the common ones."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run a statement without a result on its connection."""

    @abstractmethod
    def create(self, name: str, content: dict[str, Any]) -> Any:
        """Insert one definition in a transaction of its own and return it."""

    @abstractmethod
    def get(self, key: str) -> Any:
        """Return a definition by its key, its content read."""

    @abstractmethod
    def ancestors(self, key: str) -> Any:
        """Return what a definition was forked from, nearest first, every content read."""

    @abstractmethod
    def tree(self, key: str) -> Any:
        """Return a definition and all below it as nested objects, every content read."""

    @abstractmethod
    def structure(self, key: str) -> Any:
        """Return the same tree for somebody who only looks at names and structure."""

    @abstractmethod
    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        """Insert all transcripts of a run in one transaction, as ``conversations.new_transcripts`` gives them."""

    @abstractmethod
    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        """Return key, status, progress and the definition's name of the newest runs, from one query's objects."""

    @abstractmethod
    def increment(self, run: str) -> Any:
        """Count one more completed transcript in a run's progress, in the database, in a transaction of its own."""

    @abstractmethod
    def claim(self) -> tuple[int, int, str]:
        """Claim the next feature of the queue, in a transaction of its own; return number, attempt and worker.

        The row is read and taken so that nobody else gets it, and the history is written.
        """

    @abstractmethod
    def stream(self, run: str) -> tuple[int, int, float]:
        """Read every transcript of a run in constant memory; return how many, all their turns, all their fairness."""

    @abstractmethod
    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        """Return key, name and content of what ``create``, ``get`` or one of ``ancestors`` gave."""

    @abstractmethod
    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        """Return key, name and children of a tree's node."""

    def node_content(self, item: Any) -> dict[str, Any]:
        """Return the content of a tree's node."""
        return self.row(item)[2]

    def spelled(self, key: str) -> str:
        """Return a key as it is spelled in SQL text."""
        return key

    def process(self) -> int:
        """Return the id of the process that does the work."""
        return os.getpid()

    def collect(self) -> None:
        """Collect garbage, so that nobody pays for what another has left."""
        gc.collect()

    def timed(self, work: Callable[[], object], *, answered: bool = False) -> tuple[float, Any]:
        """Call ``work``, which calls this side's operations.

        Args:
            work: what to call.
            answered: whether what it returns, or what its last operation does, is wanted.

        Returns:
            The seconds that the operations took, and the answer.
        """
        start = time.perf_counter()
        answer = work()
        return time.perf_counter() - start, answer

    def ready(self) -> AbstractContextManager[object]:
        """Set the process up for this side while it is timed."""
        return nullcontext()

    def walk(self, root: Any) -> Iterator[tuple[int, str, str]]:
        """Yield depth, key and name of every node below and including ``root``, parents first, in order."""
        waiting = [(0, root)]
        while waiting:
            depth, item = waiting.pop()
            key, name, children = self.node(item)
            yield depth, key, name
            waiting.extend((depth + 1, child) for child in reversed(children))
