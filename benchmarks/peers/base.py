"""What a side of the comparison has to answer."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
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


class Side(ABC):
    """One library (or the bare driver), set up on one engine.

    Every operation gives what its library usually gives; ``described`` makes plain values of it, outside of what is
    timed, so that the answers of all sides can be compared.
    """

    name: str

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
    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        """Return key, name and content of what ``create``, ``get`` or one of ``ancestors`` gave."""

    @abstractmethod
    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        """Return key, name and children of a tree's node."""

    def node_content(self, item: Any) -> dict[str, Any]:
        """Return the content of a tree's node."""
        return self.row(item)[2]

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
