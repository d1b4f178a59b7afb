"""The bare drivers: the limit for any library that decodes with the standard library's json."""

from __future__ import annotations

import datetime as dt
import io
import json
import operator
import sqlite3
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extras import execute_values
from uuid_utils.compat import uuid7

from benchmarks.conversations import TABLES, stored
from benchmarks.features import COLUMNS as FEATURE_COLUMNS
from benchmarks.features import claim_statements, claim_values, history_values
from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]  # stands for "not installed"

__all__ = ["Best", "Raw"]

COLUMNS = ("id", "created_at", "updated_at", "parent_id", "name", "content", "created_by")
_NAMED = ", ".join(COLUMNS)
_SHORT = tuple(column for column in COLUMNS if column != "content")
_RUN_COLUMNS = (*TABLES["runs"].split(", "), "experiment_id", "started_at", "finished_at", "heartbeat_at", "error")
_TRANSCRIPT_COLUMNS = tuple(TABLES["transcripts"].split(", "))
_PLAIN = ("scenario_id", "model", "sample_index", "input_tokens", "output_tokens", "duration_ms")
_FEATURE_COLUMNS = tuple(FEATURE_COLUMNS.split(", "))
_INSERTED = ("id", "created_at", "run_id", "content", "metrics", *_PLAIN)


def _stamp() -> str:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Raw(Side):
    """The driver, the usual SQL, dictionaries, the standard library's json."""

    name = "raw"
    prefix = ""
    up, down = FULL_ROWS_UP, FULL_ROWS_DOWN
    loads = staticmethod(json.loads)
    dumps = staticmethod(json.dumps)

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
        self.claims = claim_statements(place.engine)
        p = self.mark = "?" if place.engine == "sqlite" else "%s"
        self.insert_sql = f"INSERT INTO definitions ({_NAMED}) VALUES ({', '.join([p] * len(COLUMNS))})"
        self.get_sql = f"SELECT {_NAMED} FROM definitions WHERE id = {p}"
        every, short = (", ".join(f"{self.prefix}{column}" for column in columns) for columns in (COLUMNS, _SHORT))
        self.up_sql = self.up.format(p=p, columns=every)
        self.down_sql = self.down.format(p=p, columns=every)
        carried = ", ".join(f"d.{column}" for column in _SHORT)
        self.short_sql = self.down.replace("d.*", carried).format(p=p, columns=short)
        both = ", ".join([f"r.{column}" for column in _RUN_COLUMNS] + [f"d.{column}" for column in COLUMNS])
        self.list_sql = (
            f"SELECT {both} FROM runs AS r JOIN definitions AS d ON d.id = r.definition_id ORDER BY r.id DESC LIMIT {p}"
        )
        added = (
            "json_set(progress, '$.completed', json_extract(progress, '$.completed') + 1)"
            if place.engine == "sqlite"
            else "jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))"
        )
        self.increment_sql = f"UPDATE runs SET progress = {added}, updated_at = {p} WHERE id = {p}"
        self.stream_sql = f"SELECT {TABLES['transcripts']} FROM transcripts WHERE run_id = {p} ORDER BY id"
        self.fill_sql = f"INSERT INTO transcripts ({', '.join(_INSERTED)}) VALUES "

    def close(self) -> None:
        self.conn.close()

    def execute(self, sql: str) -> None:
        self.conn.cursor().execute(sql)

    def read_as_text(self, *types: int) -> None:
        """Make PostgreSQL's driver return types, by their object ids, as text."""
        as_text = psycopg2.extensions.new_type(types, "BENCHMARK_TEXT", psycopg2.extensions.UNICODE)
        psycopg2.extensions.register_type(as_text, self.conn)

    def rows(self, sql: str, key: str | int) -> list[Any]:
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
        at = _stamp()
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

    def values(self, run: str, row: dict[str, Any]) -> tuple[Any, ...]:
        """Return what is inserted for a transcript."""
        documents = self.dumps(stored(row["content"])), self.dumps(stored(row["metrics"]))
        return str(uuid7()), _stamp(), run, *documents, *(row[column] for column in _PLAIN)

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        if self.engine == "sqlite":
            marks = ", ".join("?" * len(_INSERTED))
            self.conn.execute("BEGIN IMMEDIATE")
            self.conn.executemany(f"{self.fill_sql} ({marks})", (self.values(run, row) for row in rows))
            self.conn.execute("COMMIT")
            return
        with self.conn.cursor() as cursor:
            cursor.execute("BEGIN")
            execute_values(cursor, f"{self.fill_sql} %s", (self.values(run, row) for row in rows), page_size=1_000)
            cursor.execute("COMMIT")

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        found = []
        for row in self.rows(self.list_sql, limit):
            run = dict(zip(_RUN_COLUMNS, row, strict=False))
            if self.engine == "sqlite":
                run["config"], run["progress"] = self.loads(run["config"]), self.loads(run["progress"])
            run["definition"] = self.decoded(row[len(_RUN_COLUMNS) :])
            found.append(run)
        return [(run["id"], run["status"], run["progress"], run["definition"]["name"]) for run in found]

    def increment(self, run: str) -> Any:
        if self.engine == "sqlite":
            self.conn.execute(self.increment_sql, (_stamp(), run))
        else:
            with self.conn.cursor() as cursor:
                cursor.execute(self.increment_sql, (_stamp(), run))

    def claim(self) -> tuple[int, int, str]:
        at, given = claim_values()
        if self.engine == "sqlite":
            self.conn.execute("BEGIN IMMEDIATE")
            (row,) = self.conn.execute(self.claims["full"], [at, *given]).fetchall()
            self.conn.execute(self.claims["history"], history_values(row, at))
            self.conn.execute("COMMIT")
        else:
            with self.conn.cursor() as cursor:
                cursor.execute(self.claims["full"], [at, *given, str(uuid7()), at])
                row = cursor.fetchone()
        found = dict(zip(_FEATURE_COLUMNS, row, strict=True))
        return found["feature_number"], found["attempt"], found["claimed_by"]

    def stream(self, run: str) -> tuple[int, int, float]:
        if self.engine == "sqlite":
            return self.tallied(self.conn.execute(self.stream_sql, (run,)))
        self.conn.autocommit = False
        with self.conn.cursor("benchmark") as cursor:  # a cursor with a name stays on the server
            cursor.execute(self.stream_sql, (run,))
            found = self.tallied(cursor)
        self.conn.commit()
        self.conn.autocommit = True
        return found

    def tallied(self, rows: Any) -> tuple[int, int, float]:
        """Make a dictionary of each transcript and read its documents."""
        count, turns, fairness = 0, 0, 0.0
        for row in rows:
            item = dict(zip(_TRANSCRIPT_COLUMNS, row, strict=True))
            if self.engine == "sqlite":
                item["content"], item["metrics"] = self.loads(item["content"]), self.loads(item["metrics"])
            count += 1
            turns += len(item["content"]["items"])
            fairness += item["metrics"]["values"]["fairness"]
        return count, turns, fairness

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
    """The driver with what helps: keys alone through the recursion, COPY, only needed documents decoded, by orjson."""

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
    dumps = staticmethod(json.dumps if orjson is None else lambda value: orjson.dumps(value).decode())

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

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        if self.engine == "sqlite":
            super().create_transcripts(run, rows)
            return
        # JSON escapes the control characters that end a column or a line, so backslashes are all there is to double.
        lines = ("\t".join(map(str, self.values(run, row))).replace("\\", "\\\\") for row in rows)
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"COPY transcripts ({', '.join(_INSERTED)}) FROM STDIN", io.StringIO("\n".join(lines)))

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        key, status, progress = (_RUN_COLUMNS.index(column) for column in ("id", "status", "progress"))
        name = len(_RUN_COLUMNS) + COLUMNS.index("name")
        found = self.rows(self.list_sql, limit)
        return [(row[key], row[status], self.loads(row[progress]), row[name]) for row in found]

    def tallied(self, rows: Any) -> tuple[int, int, float]:
        content, metrics = _TRANSCRIPT_COLUMNS.index("content"), _TRANSCRIPT_COLUMNS.index("metrics")
        count, turns, fairness = 0, 0, 0.0
        for row in rows:
            count += 1
            turns += len(self.loads(row[content])["items"])
            fairness += self.loads(row[metrics])["values"]["fairness"]
        return count, turns, fairness
