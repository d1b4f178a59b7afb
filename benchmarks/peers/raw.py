"""The bare drivers: the limit for any library that decodes with the standard library's json."""

from __future__ import annotations

import datetime as dt
import json
import operator
import sqlite3
from typing import Any

import psycopg2
import psycopg2.extensions
from uuid_utils.compat import uuid7

from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]  # stands for "not installed"

__all__ = ["Best", "Raw"]

COLUMNS = ("id", "created_at", "updated_at", "parent_id", "name", "content", "created_by")
_NAMED = ", ".join(COLUMNS)
_SHORT = tuple(column for column in COLUMNS if column != "content")


class Raw(Side):
    """The driver, the usual SQL, dictionaries, the standard library's json."""

    name = "raw"
    prefix = ""
    up, down = FULL_ROWS_UP, FULL_ROWS_DOWN
    loads = staticmethod(json.loads)

    def open(self, place: Place) -> None:
        self.engine = place.engine
        if place.engine == "sqlite":
            self.conn: Any = sqlite3.connect(place.source, isolation_level=None)
            for pragma in ("foreign_keys = 1", "synchronous = NORMAL"):
                self.conn.execute(f"PRAGMA {pragma}")
        else:
            self.conn = psycopg2.connect(place.source)
            self.conn.autocommit = True
            # The driver's own default; other libraries in the process change it for everybody.
            self.read_as_text(2950)
        p = self.mark = "?" if place.engine == "sqlite" else "%s"
        self.insert_sql = f"INSERT INTO definitions ({_NAMED}) VALUES ({', '.join([p] * len(COLUMNS))})"
        self.get_sql = f"SELECT {_NAMED} FROM definitions WHERE id = {p}"
        every, short = (", ".join(f"{self.prefix}{column}" for column in columns) for columns in (COLUMNS, _SHORT))
        self.up_sql = self.up.format(p=p, columns=every)
        self.down_sql = self.down.format(p=p, columns=every)
        carried = ", ".join(f"d.{column}" for column in _SHORT)
        self.short_sql = self.down.replace("d.*", carried).format(p=p, columns=short)

    def close(self) -> None:
        self.conn.close()

    def execute(self, sql: str) -> None:
        self.conn.cursor().execute(sql)

    def read_as_text(self, *types: int) -> None:
        """Make PostgreSQL's driver return types, by their object ids, as text."""
        as_text = psycopg2.extensions.new_type(types, "BENCHMARK_TEXT", psycopg2.extensions.UNICODE)
        psycopg2.extensions.register_type(as_text, self.conn)

    def rows(self, sql: str, key: str) -> list[Any]:
        """Run a query with one parameter."""
        if self.engine == "sqlite":
            found: list[Any] = self.conn.execute(sql, (key,)).fetchall()
            return found
        with self.conn.cursor() as cursor:
            cursor.execute(sql, (key,))
            found = cursor.fetchall()
            return found

    def decoded(self, row: Any) -> dict[str, Any]:
        """Make a dictionary of a row; PostgreSQL's driver parses the content itself, by the same json."""
        made = dict(zip(COLUMNS, row, strict=False))
        if self.engine == "sqlite":
            made["content"] = self.loads(made["content"])
        return made

    def create(self, name: str, content: dict[str, Any]) -> Any:
        at = dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        values = (str(uuid7()), at, at, None, name, json.dumps(content), None)
        if self.engine == "sqlite":
            self.conn.execute(self.insert_sql, values)
        else:
            with self.conn.cursor() as cursor:
                cursor.execute(self.insert_sql, values)
        return {**dict(zip(COLUMNS, values, strict=True)), "content": content}

    def get(self, key: str) -> Any:
        return self.decoded(self.rows(self.get_sql, key)[0])

    def ancestors(self, key: str) -> Any:
        return [self.decoded(row) for row in self.rows(self.up_sql, key)[1:]]

    def tree(self, key: str) -> Any:
        return self.nested([self.decoded(row) for row in self.rows(self.down_sql, key)])

    def structure(self, key: str) -> Any:
        return self.nested([dict(zip(_SHORT, row, strict=False)) for row in self.rows(self.short_sql, key)])

    def nested(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        """Put every row among its parent's children."""
        nodes: dict[str, dict[str, Any]] = {}
        for item in found:
            item["children"] = []
            nodes[item["id"]] = item
            parent = nodes.get(item["parent_id"])
            if parent is not None:
                parent["children"].append(item)
        return found[0]

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return item["id"], item["name"], item["content"]

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return item["id"], item["name"], item["children"]


class Best(Raw):
    """The driver with what helps: keys alone through the recursion, and orjson where it is installed."""

    name = "best"
    prefix = "d."
    up = """
WITH RECURSIVE up (id) AS (
  SELECT id FROM definitions WHERE id = {p}
  UNION
  SELECT d.parent_id FROM up CROSS JOIN definitions AS d WHERE d.id = up.id AND d.parent_id IS NOT NULL
) SELECT {columns} FROM up CROSS JOIN definitions AS d WHERE d.id = up.id"""
    down = """
WITH RECURSIVE down (id) AS (
  SELECT id FROM definitions WHERE id = {p}
  UNION
  SELECT d.id FROM down CROSS JOIN definitions AS d WHERE d.parent_id = down.id
) SELECT {columns} FROM down CROSS JOIN definitions AS d WHERE d.id = down.id"""
    loads = staticmethod(json.loads if orjson is None else orjson.loads)

    def open(self, place: Place) -> None:
        super().open(place)
        if place.engine == "postgresql":
            self.read_as_text(3802)

    def decoded(self, row: Any) -> dict[str, Any]:
        made = dict(zip(COLUMNS, row, strict=False))
        made["content"] = self.loads(made["content"])
        return made

    def ancestors(self, key: str) -> Any:
        found = {item["id"]: item for item in map(self.decoded, self.rows(self.up_sql, key))}
        chain = []
        while (item := found.get(key)) is not None:
            chain.append(item)
            key = item["parent_id"]
        return chain[1:]

    def nested(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        root = found[0]  # the recursion's start comes first
        return super().nested([root, *sorted(found[1:], key=operator.itemgetter("id"))])
