"""Copying a database into the other engine, beside scripts written by hand with the bare drivers.

Both directions are in ``benchmarks/COPYING.md``. Every script copies the same tables into an empty target that is
migrated already:

*plain* reads each table in the order of its references and writes it with ``executemany`` or ``COPY``, a batch at a
time, in one transaction: the least that a script can do. It checks nothing.

*checked* does the same, and then reads both databases again and compares every row: what a script has to do before
somebody may throw the source away.
"""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from benchmarks.engines import new_database
from benchmarks.harness import Different, Figures, rotated
from benchmarks.machine import described
from datapkg import accounts, connection, evaluation
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import open_database, override, release
from datapkg.kit.fields import BooleanField, DateField, DecimalField, JSONField, TimestampField
from datapkg.operations import migrations
from datapkg.operations.copying import copy
from datapkg.operations.moving.tables import moved_tables

__all__ = ["ROWS", "fill", "measure", "measure_copying", "written"]

ROWS = 20_000
"""Transcripts in the source."""

_BATCH = 2000
_WORDS = "He looks at the light, and then at the sea; nobody says a word for a while. "
_TEXT = psycopg2.extensions.new_type((3802, 114, 2950), "BENCHMARK_TEXT", psycopg2.extensions.UNICODE)


def fill(url: str, rows: int) -> None:
    """Put transcripts into a new database.

    Args:
        url: the database.
        rows: how many transcripts, of about 1 KB each.
    """
    connection.connect(url, migrate=True, synchronous="NORMAL")
    accounts.create_user("benchmark@example.com")
    definition = evaluation.create_definition("d", content={"preamble": "", "template": "", "dimensions": []})
    scenario = evaluation.create_scenario(definition.id, name="a", content={"preamble": "", "prompt": "", "values": {}})
    run = create_run(definition.id, config={"models": ["model-a"]})
    turns = [{"role": "assistant", "content": _WORDS * 5}, {"role": "user", "content": _WORDS * 5}]
    for start in range(0, rows, 10_000):
        evaluation.create_transcripts(
            run.id,
            rows=[
                {"scenario_id": scenario.id, "model": "model-a", "sample_index": number, "content": turns}
                for number in range(start, min(start + 10_000, rows))
            ],
        )
    connection.disconnect()


@dataclass(frozen=True)
class _Table:
    """A table as a script knows it: its columns, and the places of those that the two engines hold differently."""

    name: str
    columns: list[str]
    flags: list[int]
    times: list[int]
    documents: list[int]
    decimals: dict[int, int]


def _tables() -> list[_Table]:
    found = []
    for table in moved_tables():
        fields = [table.fields[column] for column in table.columns]

        def places(kind: type, fields: list[Any] = fields) -> list[int]:
            return [place for place, field in enumerate(fields) if isinstance(field, kind)]

        decimals = {place: fields[place].scale for place in places(DecimalField)}
        times = [*places(TimestampField), *places(DateField)]
        found.append(_Table(table.name, list(table.columns), places(BooleanField), times, places(JSONField), decimals))
    return found


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    if url.startswith("sqlite"):
        conn: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        conn.execute("PRAGMA synchronous = NORMAL")
    else:
        conn = psycopg2.connect(url)
        psycopg2.extensions.register_type(_TEXT, conn)
    with closing(conn):
        yield conn


def _read(conn: Any, table: _Table) -> Iterator[list[list[Any]]]:
    """Yield a table's rows in batches, in a form that both engines have in common."""
    names = ", ".join(f'"{column}"' for column in table.columns)
    sql = f'SELECT {names} FROM "{table.name}" ORDER BY id'
    converts: list[tuple[int, Callable[[Any], Any]]]
    if isinstance(conn, sqlite3.Connection):
        cursor: Any = conn.execute(sql)
        converts = [(place, bool) for place in table.flags]
        converts += [(place, partial(_unscaled, scale)) for place, scale in table.decimals.items()]
    else:
        cursor = conn.cursor("reader")
        cursor.execute(sql)
        converts = [(place, _instant) for place in table.times]
    while batch := cursor.fetchmany(_BATCH):
        rows = [list(row) for row in batch]
        for place, convert in converts:
            for row in rows:
                if row[place] is not None:
                    row[place] = convert(row[place])
        yield rows
    cursor.close()


def _unscaled(scale: int, value: int) -> Decimal:
    return Decimal(value).scaleb(-scale)


def _instant(value: Any) -> str:
    text: str = value.isoformat(timespec="microseconds") if hasattr(value, "hour") else value.isoformat()
    return text.replace("+00:00", "Z")


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    text = str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _write(conn: Any, table: _Table, batch: list[list[Any]]) -> None:
    names = ", ".join(f'"{column}"' for column in table.columns)
    if isinstance(conn, sqlite3.Connection):
        for place, scale in table.decimals.items():
            for row in batch:
                if row[place] is not None:
                    row[place] = int(row[place].scaleb(scale))
        conn.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(table.columns))})', batch)
        return
    lines = "".join("\t".join(map(_copied, row)) + "\n" for row in batch)
    with conn.cursor() as cursor:
        cursor.copy_expert(f'COPY "{table.name}" ({names}) FROM STDIN', io.StringIO(lines))


def _script(source: str, target: str, *, checked: bool) -> None:
    tables = _tables()
    with _opened(source) as one, _opened(target) as other:
        if isinstance(other, sqlite3.Connection):
            other.execute("BEGIN IMMEDIATE")
        for table in tables:
            for batch in _read(one, table):
                _write(other, table, batch)
        other.commit()
        for table in tables if checked else ():
            mine, theirs = (_compared(conn, table) for conn in (one, other))
            for row, copied in zip(mine, theirs, strict=True):
                if row != copied:
                    raise Different(f"{table.name} {row[0]}")


def _compared(conn: Any, table: _Table) -> Iterator[list[Any]]:
    for batch in _read(conn, table):
        for row in batch:
            for place in table.documents:
                row[place] = None if row[place] is None else json.loads(row[place])
            yield row


def measure_copying(source: str, targets: Callable[[], str], *, rounds: int) -> Figures:
    """Time a copy by each side, in turn.

    Args:
        source: the database to copy.
        targets: makes an empty database and returns its URL.
        rounds: figures for each side.

    Returns:
        Seconds of ``plain``, ``checked`` and ``datapkg``.
    """
    sides: dict[str, Callable[[str], object]] = {
        "plain": lambda target: _script(source, target, checked=False),
        "checked": lambda target: _script(source, target, checked=True),
        "datapkg": lambda target: copy(source, target),
    }
    figures = Figures()
    for number in range(rounds):
        for name in rotated(list(sides), number):
            target = targets()
            database = open_database(target)
            with override(database):
                migrations.migrate()
            release(database)
            began = time.perf_counter()
            sides[name](target)
            figures.add(name, time.perf_counter() - began)
    return figures


def measure(rows: int, *, rounds: int) -> dict[str, Figures]:
    """Time both directions, by title.

    Args:
        rows: transcripts in the source.
        rounds: figures for each side.
    """
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="datapkg-benchmarks-")))
        url = stack.enter_context(new_database("postgresql"))
        made = iter(range(1_000_000))
        admin = psycopg2.connect(url)
        stack.callback(admin.close)
        admin.autocommit = True

        def on_sqlite() -> str:
            return f"sqlite:///{folder / f'{next(made)}.db'}"

        def on_postgresql() -> str:
            name = f"copy_{next(made)}"
            with admin.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}")
            return url.replace("/postgres?", f"/{name}?")

        first = on_sqlite()
        fill(first, rows)
        second = on_postgresql()
        copy(first, second)
        for title, source, targets in (
            ("SQLite to PostgreSQL", first, on_postgresql),
            ("PostgreSQL to SQLite", second, on_sqlite),
        ):
            started = time.perf_counter()
            found[title] = measure_copying(source, targets, rounds=rounds)
            print(f"copying, {title}: {time.perf_counter() - started:.1f} s", flush=True)
    return found


def written(found: Mapping[str, Figures], rows: int) -> str:
    """Return the figures as Markdown.

    Args:
        found: what :func:`measure` gave.
        rows: transcripts in the source.
    """
    lines = [
        "# Copying between engines",
        "",
        "Written by `python -m benchmarks`; do not edit. Median seconds for one copy into an empty, migrated",
        f"target, of {rows:,} transcripts of about 1 KB; then the multiple of each script. *Plain* is a",
        "script with the bare drivers that reads and writes (`executemany`, `COPY`), in one transaction, and checks",
        "nothing; *checked* also reads both databases again and compares every row. `datapkg copy` finds every row",
        "that would be refused before it writes, commits as it goes so that it can be resumed, and compares hashes.",
        "",
        *(f"- {each}" for each in described()),
        "",
        "| direction | plain | checked | datapkg | of plain | of checked |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, figures in found.items():
        cells = [title, *(f"{figures.median(side):.2f}" for side in ("plain", "checked", "datapkg"))]
        cells += [f"{figures.ratio('datapkg', side):.2f}" for side in ("plain", "checked")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
