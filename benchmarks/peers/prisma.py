"""Prisma, in one Node process that times its own work; only where Node is installed, and nothing validated."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.conversations import stored
from benchmarks.peers.base import FULL_ROWS_DOWN, FULL_ROWS_UP, Place, Side
from benchmarks.peers.copying import copy_rows

__all__ = ["Prisma"]

_SOURCES = Path(__file__).with_name("prisma_node")
_ENGINES = ("sqlite", "postgresql")
_NATIVE = {
    "sqlite": {"/*UUID*/": "", "/*INSTANT*/": ""},
    "postgresql": {"/*UUID*/": "@db.Uuid", "/*INSTANT*/": "@db.Timestamptz(6)"},
}
_COLUMNS = ("id", "created_at", "updated_at", "parent_id", "name", "content", "created_by")
_CAMEL = {
    "scenario_id": "scenarioId",
    "sample_index": "sampleIndex",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "duration_ms": "durationMs",
}
# What `prisma migrate` makes of the schema on SQLite; it needs an engine that it downloads, and this does not.
_TABLES = """
CREATE TABLE definitions (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, parent_id TEXT REFERENCES definitions (id) ON DELETE RESTRICT, name TEXT NOT NULL,
  content JSONB NOT NULL, created_by TEXT);
CREATE INDEX ix_parent ON definitions (parent_id);
CREATE INDEX ix_name ON definitions (name);
CREATE INDEX ix_created_by ON definitions (created_by);
CREATE INDEX ix_created_at ON definitions (created_at);
CREATE TABLE scenarios (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, definition_id TEXT NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
  name TEXT NOT NULL, content JSONB NOT NULL);
CREATE UNIQUE INDEX uq_scenario ON scenarios (definition_id, name);
CREATE TABLE runs (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, definition_id TEXT NOT NULL REFERENCES definitions (id) ON DELETE RESTRICT,
  experiment_id TEXT, status TEXT NOT NULL, config JSONB NOT NULL, progress JSONB NOT NULL,
  content_sha256 TEXT NOT NULL, definition_schema_version INTEGER NOT NULL, started_at DATETIME,
  finished_at DATETIME, heartbeat_at DATETIME, error TEXT);
CREATE INDEX ix_definition ON runs (definition_id);
CREATE INDEX ix_experiment ON runs (experiment_id);
CREATE INDEX ix_status ON runs (status);
CREATE TABLE transcripts (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  scenario_id TEXT REFERENCES scenarios (id) ON DELETE SET NULL, model TEXT NOT NULL,
  sample_index INTEGER NOT NULL DEFAULT 0, content JSONB NOT NULL, metrics JSONB, input_tokens BIGINT,
  output_tokens BIGINT, duration_ms BIGINT);
CREATE UNIQUE INDEX uq_transcript ON transcripts (run_id, scenario_id, model, sample_index);
CREATE INDEX ix_scenario ON transcripts (scenario_id);
CREATE INDEX ix_run ON transcripts (run_id, id);
"""


class Prisma(Side):
    """Prisma's client with the driver adapters, which need no engine beside the client."""

    name = "Prisma"
    warming = 1.0  # as long as Node takes to compile what runs often

    @classmethod
    def install(cls) -> str | None:
        """Install the client with npm, into the user's cache, unless it is there; return why that cannot be, or None.

        The first time takes a minute or two and needs the npm registry.
        """
        if shutil.which("node") is None or shutil.which("npm") is None:
            return "Prisma takes no part: there is no Node here."
        folder = _folder()
        if (folder / "ready").exists():
            return None
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_SOURCES / "package.json", folder / "package.json")
        # `generate` asks for this engine without running it, and would download it from elsewhere.
        environment = {**os.environ, "PRISMA_SCHEMA_ENGINE_BINARY": shutil.which("true") or "true"}
        steps = [["npm", "install", "--no-audit", "--no-fund"]]
        for engine in _ENGINES:
            schema = (_SOURCES / "schema.prisma").read_text(encoding="utf-8").replace("ENGINE", engine)
            for mark, native in _NATIVE[engine].items():
                schema = schema.replace(mark, native)
            (folder / f"{engine}.prisma").write_text(schema, encoding="utf-8")
            steps.append(["node_modules/.bin/prisma", "generate", "--schema", f"{engine}.prisma"])
        for step in steps:
            ended = subprocess.run(step, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if ended.returncode:
                last = (ended.stderr.strip() or ended.stdout.strip() or "no message").splitlines()[-1]
                return f"Prisma takes no part: `{' '.join(step[:2])}` failed ({last})."
        (folder / "ready").touch()
        return None

    @staticmethod
    def versions() -> list[str]:
        """Return the versions of Node and of Prisma."""
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        wanted = json.loads((_SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]
        return [f"Node {node.removeprefix('v')}", f"Prisma {wanted['prisma']}"]

    def open(self, place: Place) -> None:
        where: dict[str, Any]
        self.sqlite = place.engine == "sqlite"
        if self.sqlite:
            path = place.own_file(self.name)
            where = {"file": path}
            if not os.path.exists(path):
                conn = sqlite3.connect(path)
                conn.executescript(_TABLES)
                conn.close()
                copy_rows(place.source, path, at="replace({c}, 'Z', '+00:00')", key="{c}")
        else:
            parts = urlsplit(place.source)
            where = {"host": parse_qs(parts.query).get("host", [parts.hostname])[0], "database": parts.path[1:]}
            where |= {"user": parts.username} | ({"port": parts.port} if parts.port else {})
            where |= {"password": parts.password} if parts.password else {}
        shutil.copyfile(_SOURCES / "driver.mjs", _folder() / "driver.mjs")
        command = ["node", "--expose-gc", str(_folder() / "driver.mjs"), place.engine, json.dumps(where)]
        quiet = {**os.environ, "NODE_NO_WARNINGS": "1"}  # the adapter's about its driver
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        self.waiting: list[list[Any]] | None = None
        self.held = 0
        mark = "?" if self.sqlite else "$1::uuid"
        self.up = FULL_ROWS_UP.format(p=mark, columns=", ".join(_COLUMNS))
        self.down = FULL_ROWS_DOWN.format(p=mark, columns=", ".join(_COLUMNS))
        short = [column for column in _COLUMNS if column != "content"]
        carried = ", ".join(f"d.{column}" for column in short)
        self.short = FULL_ROWS_DOWN.replace("d.*", carried).format(p=mark, columns=", ".join(short))
        if self.sqlite:
            self.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        assert self.program.stdin is not None and self.program.stdout is not None
        self.program.stdin.close()
        self.program.wait(timeout=30)
        self.program.stdout.close()

    def process(self) -> int:
        return self.program.pid

    def _ask(self, calls: list[list[Any]], *, wanted: bool) -> Any:
        assert self.program.stdin is not None and self.program.stdout is not None
        self.program.stdin.write(json.dumps({"calls": calls, "wanted": wanted}) + "\n")
        self.program.stdin.flush()
        answer = json.loads(self.program.stdout.readline() or '{"error": "Node has ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _call(self, *call: Any) -> Any:
        if self.waiting is None:
            return self._ask([list(call)], wanted=True)["result"]
        self.waiting.append(list(call))
        return None

    def collect(self) -> None:
        self._call("collect")

    def timed(self, work: Callable[[], object], *, answered: bool = False) -> tuple[float, Any]:
        # The calls are gathered and go to Node together, which times them: neither JSON nor pipes count.
        self.waiting = []
        try:
            work()
            calls = self.waiting
        finally:
            self.waiting = None
        answer = self._ask(calls, wanted=answered)
        return answer["seconds"], answer["result"]

    def execute(self, sql: str) -> None:
        self._call("execute", sql)

    def create(self, name: str, content: dict[str, Any]) -> Any:
        return self._call("create", name, content)

    def get(self, key: str) -> Any:
        return self._call("get", key)

    def ancestors(self, key: str) -> Any:
        return self._call("ancestors", self.up, key)

    def tree(self, key: str) -> Any:
        return self._call("tree", self.down, key)

    def structure(self, key: str) -> Any:
        return self._call("structure", self.short, key)

    def create_transcripts(self, run: str, rows: list[dict[str, Any]]) -> Any:
        if self.held != id(rows):
            made = []
            for row in rows:
                plain = {_CAMEL.get(column, column): value for column, value in row.items()}
                made.append({**plain, "content": stored(row["content"]), "metrics": stored(row["metrics"])})
            self._ask([["hold", made]], wanted=False)
            self.held = id(rows)
        return self._call("createTranscripts", run)

    def list_runs(self, limit: int) -> list[tuple[Any, str, dict[str, Any], str]]:
        return [tuple(run) for run in self._call("listRuns", limit) or []]

    def increment(self, run: str) -> Any:
        return self._call("increment", run)

    def stream(self, run: str) -> Any:
        found = self._call("stream", run)
        return found and tuple(found)

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return item["id"], item["name"], item["content"]

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return item["id"], item["name"], item["children"]


def _folder() -> Path:
    """Return where this version of the client is installed."""
    digest = hashlib.sha256()
    for name in ("package.json", "schema.prisma"):
        digest.update((_SOURCES / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "datapkg-benchmarks" / f"prisma-{digest.hexdigest()[:12]}"
