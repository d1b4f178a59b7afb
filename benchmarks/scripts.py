"""Reading and appending to a script of N commands: how the cost grows with the history, beside the raw driver.

Scripts of 100, 10,000 and 100,000 commands over 50 elements, and one of 5,000 elements, in ``benchmarks/SCRIPTS.md``.

*raw* does the same read as ``scripts.at``: the script's row, its elements joined with their personas, and its pages, in
one transaction.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg2

from benchmarks.engines import new_database
from benchmarks.harness import rotated
from benchmarks.machine import described
from datapkg import accounts, connection, scripts
from datapkg.kit import database as kit

__all__ = ["SHAPES", "Shape", "measure", "measure_scripts", "written"]

_SCRIPT = "SELECT title, current_sequence, current_version FROM scripts WHERE id = {p}"
_ELEMENTS = (
    "SELECT e.element_id, e.kind, e.text, p.name FROM script_elements AS e "
    "LEFT JOIN personas AS p ON p.id = e.persona_id WHERE e.script_id = {p} ORDER BY e.position"
)
_PAGES = "SELECT page_id, title, first_position FROM script_pages WHERE script_id = {p} ORDER BY position"
_LINE = "He looks at the light, and then at the sea; nobody says a word for a while. "
_BATCH = 5_000
_Row = Sequence[object]
Read = Callable[[str], tuple[_Row, Sequence[_Row], Sequence[_Row]]]


@dataclass(frozen=True)
class Shape:
    """What a script is like.

    Attributes:
        commands: how many made it.
        elements: how many it has; the first command imports them, every other one edits one.
    """

    commands: int
    elements: int


SHAPES = (Shape(100, 50), Shape(10_000, 50), Shape(100_000, 50), Shape(100, 5_000))
"""The scripts of the report."""


def _state(script: UUID) -> list[scripts.Element]:
    return list(scripts.at(script).elements)


def _edit(elements: Sequence[scripts.Element], number: int) -> dict[str, object]:
    chosen = elements[number * 7 % len(elements)]
    return {"command_type": "EDIT_ELEMENT", "element_id": str(chosen.element_id), "text": f"{number}: {_LINE}"}


def _make(shape: Shape, owner: UUID) -> UUID:
    script = scripts.create_script(owner, title=f"A play of {shape.commands} commands")
    cast: list[dict[str, object]] = [
        {"kind": "DIALOGUE", "text": _LINE, "persona": f"Keeper {number % 8}"}
        if number % 2
        else {"kind": "ACTION", "text": _LINE}
        for number in range(shape.elements)
    ]
    pages = [{"title": "Act One", "length": shape.elements // 2}, {"length": shape.elements - shape.elements // 2}]
    first = {"command_type": "IMPORT", "elements": cast, "pages": pages}
    done = scripts.append(script.id, commands=[first], expected_sequence=1, actor_type="SYSTEM").sequence
    elements = _state(script.id)
    while done < shape.commands:
        batch = [_edit(elements, done + number) for number in range(min(_BATCH, shape.commands - done))]
        done = scripts.append(script.id, commands=batch, expected_sequence=done, actor_type="SYSTEM").sequence
    return script.id


@contextmanager
def _raw(url: str) -> Iterator[Read]:
    if url.startswith("sqlite"):
        mark, begin = "?", "BEGIN"
        conn = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    else:
        mark, begin = "%s", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        conn = psycopg2.connect(url)
        conn.autocommit = True
    script, elements, pages = (sql.format(p=mark) for sql in (_SCRIPT, _ELEMENTS, _PAGES))

    def read(key: str) -> tuple[_Row, Sequence[_Row], Sequence[_Row]]:
        cursor = conn.cursor()
        cursor.execute(begin)
        cursor.execute(script, (key,))
        row = cursor.fetchone()
        cursor.execute(elements, (key,))
        rows = cursor.fetchall()
        cursor.execute(pages, (key,))
        paged = cursor.fetchall()
        cursor.execute("COMMIT")
        return row, rows, paged

    yield read
    conn.close()


def _same(read: Read, script: UUID) -> None:
    state = scripts.at(script)
    mine = [(str(each.element_id), each.kind, each.text, each.persona) for each in state.elements]
    row, rows, pages = read(str(script))
    assert tuple(row) == (state.title, state.sequence, state.version)
    assert [(str(key), *others) for key, *others in rows] == mine
    assert [(str(key), title) for key, title, _ in pages] == [(str(each.page_id), each.title) for each in state.pages]


def measure_scripts(
    url: str, shapes: Sequence[Shape], *, rounds: int, times: int = 10
) -> Mapping[Shape, Mapping[str, float]]:
    """Return the median seconds of ``raw`` reads, ``read`` and ``append`` (of one command), by shape.

    All scripts are in one database and have their turns in one round, so that whatever else the machine does meets
    all of them alike.

    Args:
        url: an empty database.
        shapes: the scripts to make.
        rounds: how often each has its turn.
        times: calls in one turn.
    """
    connection.connect(url, migrate=True, synchronous="NORMAL")
    owner = accounts.create_user("benchmark@example.com").id
    made = {shape: _make(shape, owner) for shape in shapes}
    tidy = "PRAGMA wal_checkpoint(TRUNCATE)" if url.startswith("sqlite") else "ANALYZE"
    kit.current().execute_sql(tidy).close()
    texts = {shape: _state(script) for shape, script in made.items()}
    sequences = {shape: shape.commands for shape in shapes}

    def append(shape: Shape) -> None:
        command = _edit(texts[shape], sequences[shape])
        sequences[shape] = scripts.append(
            made[shape], commands=[command], expected_sequence=sequences[shape], actor_type="USER"
        ).sequence

    with _raw(url) as read:
        for script in made.values():
            _same(read, script)
        calls: dict[str, Callable[[Shape], object]] = {
            "raw": lambda shape: read(str(made[shape])),
            "read": lambda shape: scripts.at(made[shape]),
        }
        found = _timed(calls, shapes, rounds=rounds, times=times)
        found.update(_timed({"append": append}, shapes, rounds=rounds, times=times))
        for script in made.values():
            _same(read, script)
    connection.disconnect()
    return {shape: {name: statistics.median(found[name, shape]) for name in (*calls, "append")} for shape in shapes}


def _timed(
    calls: Mapping[str, Callable[[Shape], object]], shapes: Sequence[Shape], *, rounds: int, times: int
) -> dict[tuple[str, Shape], list[float]]:
    turns = [(name, shape) for shape in shapes for name in calls]
    found: dict[tuple[str, Shape], list[float]] = {turn: [] for turn in turns}
    for number in range(-2, rounds):
        for name, shape in rotated(turns, max(number, 0)):
            for _ in range(times):
                began = time.perf_counter()
                calls[name](shape)
                took = time.perf_counter() - began
                if number >= 0:  # the first rounds warm up
                    found[name, shape].append(took)
    return found


def measure(
    engines: Sequence[str], shapes: Sequence[Shape], *, rounds: int
) -> dict[str, Mapping[Shape, Mapping[str, float]]]:
    """Measure every script on each engine, on a new database.

    Args:
        engines: of ``sqlite`` and ``postgresql``.
        shapes: the scripts, the first of which the others are held against.
        rounds: how often each has its turn.
    """
    found: dict[str, Mapping[Shape, Mapping[str, float]]] = {}
    for engine in engines:
        started = time.perf_counter()
        with new_database(engine) as url:
            found[engine] = measure_scripts(url, shapes, rounds=rounds)
        print(f"{engine}: scripts: {time.perf_counter() - started:.1f} s", flush=True)
    return found


def written(found: Mapping[str, Mapping[Shape, Mapping[str, float]]]) -> str:
    """Return the figures as Markdown.

    Args:
        found: what :func:`measure` gave.
    """
    few = min(shape.elements for sizes in found.values() for shape in sizes)
    lines = [
        "# Reading a script's newest state, and appending to it",
        "",
        "Written by `python -m benchmarks`; do not edit. Median microseconds. *Raw* reads the script's row,",
        "the elements joined with their personas, and the pages with the driver, in one transaction; *read* is",
        "`scripts.at(id)`, in brackets the multiple of *raw*; *append* is `scripts.append` of one command, committed.",
        f"*Growth* is the cost against that of the first script; with {few} elements it should be 3 at the most,",
        "however many commands there are. The last script of each engine shows what elements cost: reading returns",
        "all of them, and an append looks at all of them.",
        "",
        *(f"- {each}" for each in described()),
        "",
        "| engine | commands | elements | raw | read | growth | append | growth |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for engine, sizes in found.items():
        first = next(iter(sizes.values()))
        for shape, seconds in sizes.items():
            raw, read, append = (seconds[name] for name in ("raw", "read", "append"))
            cells = [engine, f"{shape.commands:,}", f"{shape.elements:,}", f"{raw * 1e6:.0f}"]
            cells += [f"{read * 1e6:.0f} ({read / raw:.2f})", f"{read / first['read']:.2f}"]
            cells += [f"{append * 1e6:.0f}", f"{append / first['append']:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
