"""What the sides in Node share: one process each that times its own work; only where Node is installed."""

from __future__ import annotations

import functools
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

__all__ = ["NodeSide"]

_SOURCES = Path(__file__).with_name("node")
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


class NodeSide(Side):
    """A library of Node's, asked over a pipe; neither the pipe nor JSON counts.

    Attributes:
        program: the script of its side, in ``peers/node``.
        package: its name in npm.
        tables: what it makes in a SQLite file of its own.
        instant: the SQL expression for an instant as it keeps it on SQLite, with ``{c}`` for the column.
    """

    warming = 1.0  # as long as Node takes to compile what runs often
    program: str
    package: str
    tables: str
    instant: str

    @classmethod
    def install(cls) -> str | None:
        """Install the packages with npm, into the user's cache, unless they are there; return why that cannot be.

        The first time takes a minute or two and needs the npm registry.
        """
        problem = _installed()
        return problem and f"{cls.name} takes no part: {problem}"

    @classmethod
    def versions(cls) -> list[str]:
        """Return the version of the library."""
        wanted = json.loads((_SOURCES / "package.json").read_text(encoding="utf-8"))["dependencies"]
        return [f"{cls.name} {wanted[cls.package]} (Node {_node().removeprefix('v')})"]

    def open(self, place: Place) -> None:
        where: dict[str, Any]
        self.sqlite = place.engine == "sqlite"
        if self.sqlite:
            path = place.own_file(self.name)
            where = {"file": path}
            if not os.path.exists(path):
                conn = sqlite3.connect(path)
                conn.executescript(self.tables)
                conn.close()
                copy_rows(place.source, path, at=self.instant, key="{c}")
        else:
            parts = urlsplit(place.source)
            where = {"host": parse_qs(parts.query).get("host", [parts.hostname])[0], "database": parts.path[1:]}
            where |= {"user": parts.username} | ({"port": parts.port} if parts.port else {})
            where |= {"password": parts.password} if parts.password else {}
        for source in _SOURCES.glob("*.mjs"):
            shutil.copyfile(source, _folder() / source.name)  # beside the packages that it imports
        command = ["node", "--expose-gc", str(_folder() / self.program), place.engine, json.dumps(where)]
        quiet = {**os.environ, "NODE_NO_WARNINGS": "1"}  # an adapter's about its driver
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        self.waiting: list[list[Any]] | None = None
        self.held = 0
        mark = "?" if self.sqlite else "$1::uuid"
        self.up = FULL_ROWS_UP.format(p=mark, columns=", ".join(_COLUMNS))
        self.down = FULL_ROWS_DOWN.format(p=mark, columns=", ".join(_COLUMNS))
        short = [column for column in _COLUMNS if column != "content"]
        carried = ", ".join(f"d.{column}" for column in short)
        self.short = FULL_ROWS_DOWN.replace("d.*", carried).format(p=mark, columns=", ".join(short))
        if self.sqlite:
            for pragma in ("foreign_keys = 1", "synchronous = NORMAL"):
                self.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.close()
        self.child.wait(timeout=30)
        self.child.stdout.close()

    def process(self) -> int:
        return self.child.pid

    def _ask(self, calls: list[list[Any]], *, wanted: bool) -> Any:
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.write(json.dumps({"calls": calls, "wanted": wanted}) + "\n")
        self.child.stdin.flush()
        answer = json.loads(self.child.stdout.readline() or '{"error": "Node has ended"}')
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def _call(self, *call: Any) -> Any:
        if self.waiting is None:
            return self._ask([list(call)], wanted=True)["result"]
        self.waiting.append(list(call))
        return None

    def collect(self) -> None:
        self._call("collect")

    def timed(self, work: Callable[[], object], *, answered: bool = False) -> tuple[float, Any]:
        # The calls are gathered and go to Node together, which times them.
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

    def claim(self) -> Any:
        found = self._call("claim")
        return found and tuple(found)

    def stream(self, run: str) -> Any:
        found = self._call("stream", run)
        return found and tuple(found)

    def row(self, item: Any) -> tuple[str, str, dict[str, Any]]:
        return item["id"], item["name"], item["content"]

    def node(self, item: Any) -> tuple[str, str, list[Any]]:
        return item["id"], item["name"], item["children"]


@functools.cache
def _node() -> str:
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def _installed() -> str | None:
    """Install all packages; return why that cannot be, or None."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no Node here."
    folder = _folder()
    if (folder / "ready").exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_SOURCES / "package.json", folder / "package.json")
    # Prisma's `generate` asks for this engine without running it, and would download it from elsewhere.
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
            return f"`{' '.join(step[:2])}` failed ({last})."
    (folder / "ready").touch()
    return None


def _folder() -> Path:
    """Return where these versions of the packages are installed."""
    digest = hashlib.sha256()
    for name in ("package.json", "schema.prisma"):
        digest.update((_SOURCES / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "datapkg-benchmarks" / f"node-{digest.hexdigest()[:12]}"
