"""The first pass's working copy: a private SQLite file that the system deletes with the process, however it ends.

What a legacy database holds can be more than fits into memory, and its own sorting and comparing depends on engine and
collation. So every row is copied here in one spelling, and all checks and the second pass read from here.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from datapkg.kit.errors import StorageError
from datapkg.scripts.legacy.mapping import Layout, TableLayout
from datapkg.scripts.legacy.report import Violation
from datapkg.scripts.legacy.sources import Source
from datapkg.scripts.legacy.values import Refused, as_instant_text, as_key, as_number, as_past_text, as_text

__all__ = ["LISTED", "MOST_PARTS", "Staging"]

LISTED = 10_000
"""How many violations a report lists."""

NAIVE = "times without a zone, taken as UTC"

_BATCH, _BATCH_CHARACTERS = 500, 4_000_000
_LONGEST = 10_000_000
MOST_PARTS = 200_000
"""How many lines or elements a script may have: a snapshot is one document, and those have their limit."""

_TABLES = {
    "users": "id, email, name, at",
    "sessions": "id, user_id, at, expires_at, seen_at",
    "messages": "id, session_id, user_id, script_id, role, content, at",
    "rows": "id, user_id, title, content, number, at",
    "history": "script_id, number, content, at, origin",
    "elements": "id, script_id, position, kind, text, persona_id",
    "personas": "id, script_id, user_id, name, description",
}
_INDEXES = (
    "users(id)",
    "users(email)",
    "sessions(id)",
    "messages(id)",
    "messages(script_id)",
    "messages(at, id)",
    "rows(id)",
    "rows(user_id, title, number)",
    "history(script_id, number)",
    "elements(id)",
    "elements(script_id, position)",
    "personas(id)",
    "personas(script_id)",
)

_Convert = Callable[[object], object]


class Staging:
    """A working copy of a legacy database; use it as a context manager.

    Args:
        layout: tables, columns and words of the legacy database.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.read: dict[str, int] = {}
        self.notes: dict[str, int] = {}
        # The empty name makes a file that nobody else sees, and that is gone when the process is, even by kill -9.
        self.database = sqlite3.connect("", isolation_level=None)
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute("PRAGMA cache_size = -65536")
        self.database.execute("CREATE TABLE violations (at INTEGER PRIMARY KEY, place, key, rule, message)")
        for name, columns in _TABLES.items():
            self.database.execute(f"CREATE TABLE {name} ({columns})")

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *exception: object) -> None:
        self.database.close()

    # What is wrong ----------------------------------------------------------------------------------------

    def complain(self, place: str, key: object, rule: str, message: str) -> None:
        """Note a violation."""
        self.query("INSERT INTO violations (place, key, rule, message) VALUES (?, ?, ?, ?)", place, key, rule, message)

    def violations(self) -> tuple[int, tuple[Violation, ...]]:
        """Return how many violations there are, and the first of them, table by table."""
        total = self.query("SELECT count(*) FROM violations")[0][0]
        order = {table: at for at, table in enumerate(self.layout.tables)}
        rows = self.query("SELECT place, key, rule, message FROM violations ORDER BY at LIMIT ?", LISTED)
        listed = [Violation(place, str(key), rule, message) for place, key, rule, message in rows]
        listed.sort(key=lambda each: order.get(each.table, -1))
        return total, tuple(listed)

    # Reading ----------------------------------------------------------------------------------------------

    def copy(self, source: Source, progress: Callable[[int], None]) -> None:
        """Copy every table, noting each value that cannot be taken; stops after the tables if those are not there.

        Args:
            source: the legacy database.
            progress: called with the number of rows read since the last call.
        """
        found = {name: self._columns(source, name, table) for name, table in self.layout.tables.items()}
        if self.query("SELECT 1 FROM violations LIMIT 1"):
            return
        for name, columns in found.items():
            if columns is not None:
                self._copy_table(source, name, columns, progress)
        for index in _INDEXES:
            name = index.replace("(", "_").replace(", ", "_").rstrip(")")
            self.query(f"CREATE INDEX ix_{name} ON {index}")

    def _columns(self, source: Source, name: str, table: TableLayout) -> dict[str, str] | None:
        """Return the legacy name of each of the layout's columns that there is; None without the table."""
        try:
            there = source.columns(table.table)
        except StorageError as error:
            self.complain(name, "", "unreadable", error.why)
            return None
        if there is None:
            if table.needed:
                self.complain(name, "", "missing_table", f"There is no table {table.table}.")
            return None
        found = {}
        for column, names in table.columns.items():
            spelled = next((each for each in names if each in there), None)
            if spelled is not None:
                found[column] = spelled
            elif column in table.required or column in table.named:
                self.complain(name, "", "missing_column", f"The table {table.table} has no column {names[0]}.")
        return found

    def _copy_table(self, source: Source, name: str, columns: dict[str, str], progress: Callable[[int], None]) -> None:
        into, converters = self._converters(name)
        picked = list(columns)
        marks = ", ".join("?" * (len(converters) + (into == "history")))
        sql = f"INSERT INTO {into} VALUES ({marks})"
        total, size = 0, 0
        waiting: list[list[Any]] = []
        self.query("BEGIN")
        for values in source.rows(self.layout.tables[name].table, [columns[column] for column in picked]):
            given = dict(zip(picked, values, strict=True))
            row = self._row(name, given, converters)
            waiting.append([*row, name] if into == "history" else row)
            size += sum(len(each) for each in row if isinstance(each, str))
            total += 1
            if len(waiting) >= _BATCH or size >= _BATCH_CHARACTERS:
                self.database.executemany(sql, waiting)
                progress(len(waiting))
                waiting, size = [], 0
        self.database.executemany(sql, waiting)
        self.query("COMMIT")
        progress(len(waiting))
        self.read[name] = total

    def _row(self, name: str, given: dict[str, object], converters: Sequence[tuple[str, _Convert, bool]]) -> list[Any]:
        row: list[Any] = []
        for column, convert, needed in converters:
            value = given.get(column)
            if value is None and not needed:
                row.append(None)
                continue
            try:
                row.append(convert(value))
            except Refused as error:
                row.append(None)
                self.complain(name, _named(name, given), f"bad_{column}", f"{column}: {error}")
        return row

    def _converters(self, name: str) -> tuple[str, list[tuple[str, _Convert, bool]]]:
        """Return the working copy's table, and for each column the legacy one, its reader, and if it has to be."""
        key = as_key
        past, instant = self._moment(as_past_text), self._moment(as_instant_text)
        readers: dict[str, tuple[str, list[tuple[str, _Convert, bool]]]] = {
            "users": (
                "users",
                [("id", key, True), ("email", _email, True), ("name", _text(0, 200), False), _at(past)],
            ),
            "sessions": (
                "sessions",
                [
                    ("id", key, True),
                    ("user_id", key, True),
                    _at(past),
                    ("expires_at", instant, False),
                    ("last_seen_at", past, False),
                ],
            ),
            "chat_messages": (
                "messages",
                [
                    ("id", key, True),
                    ("session_id", key, False),
                    ("user_id", key, False),
                    ("script_id", key, False),
                    ("role", _word(self.layout.roles, "role"), True),
                    ("content", _text(0, _LONGEST), True),
                    _at(past),
                ],
            ),
            "scripts": (
                "rows",
                [
                    ("id", key, True),
                    ("user_id", key, True),
                    ("title", _text(1, 500), True),
                    ("content", _script, True),
                    ("version_number", _number(1), False),
                    _at(past),
                ],
            ),
            "script_elements": (
                "elements",
                [
                    ("id", key, True),
                    ("script_id", key, True),
                    ("position", _number(0), False),
                    ("kind", _word(self.layout.kinds, "kind"), False),
                    ("text", _text(0, _LONGEST), True),
                    ("persona_id", key, False),
                ],
            ),
            "personas": (
                "personas",
                [
                    ("id", key, True),
                    ("script_id", key, False),
                    ("user_id", key, False),
                    ("name", _text(1, 200), True),
                    ("description", _text(0, 10_000), False),
                ],
            ),
        }
        history: list[tuple[str, _Convert, bool]] = [
            ("script_id", key, True),
            ("version_number", _number(1), True),
            ("content", _script, True),
            _at(past),
        ]
        return readers.get(name, ("history", history))

    def _moment(self, reader: Callable[[object], tuple[str, bool]]) -> _Convert:
        def convert(value: object) -> str:
            text, naive = reader(value)
            if naive:
                self.note(NAIVE)
            return text

        return convert

    def note(self, what: str, count: int = 1) -> None:
        """Count something that was decided, for the report."""
        if count:
            self.notes[what] = self.notes.get(what, 0) + count

    # Looking ----------------------------------------------------------------------------------------------

    def query(self, sql: str, *values: object) -> list[Any]:
        """Run a statement on the working copy and return all of its rows."""
        return self.database.execute(sql, values).fetchall()

    def batches(self, sql: str, *values: object) -> Iterator[list[Any]]:
        """Yield a query's rows, as many at a time as memory takes easily."""
        with closing(self.database.cursor()) as cursor:
            cursor.execute(sql, values)
            batch, size = [], 0
            for row in cursor:
                batch.append(row)
                size += sum(len(each) for each in row if isinstance(each, str))
                if len(batch) >= _BATCH or size >= _BATCH_CHARACTERS:
                    yield batch
                    batch, size = [], 0
            if batch:
                yield batch

    def fingerprint(self) -> str:
        """Return the SHA-256 of everything that was read; the order in which it was read does not matter."""
        digest = hashlib.sha256(b"datapkg legacy layout 1\n")
        for table, columns in _TABLES.items():
            digest.update(f"{table}\n".encode())
            for batch in self.batches(f"SELECT {columns} FROM {table} ORDER BY {columns}"):
                for row in batch:
                    digest.update(repr(row).encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()


def _named(name: str, given: dict[str, object]) -> str:
    """Return what names a row in a complaint."""
    for value in (given.get("id"), given.get("script_id")):
        try:
            key = as_key(value)
        except Refused:
            continue
        if name in ("script_versions", "script_edits"):
            return f"{key}.{given.get('version_number')!r:.40}"
        return key
    return "?"


def _at(past: _Convert) -> tuple[str, _Convert, bool]:
    return "created_at", past, False


def _text(least: int, most: int) -> _Convert:
    return lambda value: as_text(value, least, most)


def _script(value: object) -> str:
    text = as_text(value, 0, _LONGEST)
    lines = text.count("\n") + 1
    if lines > MOST_PARTS:
        raise Refused(f"Has {lines:,} lines; {MOST_PARTS:,} can be stored.")
    return text


def _number(least: int) -> _Convert:
    return lambda value: as_number(value, least)


def _email(value: object) -> str:
    from datapkg.accounts.emails import email_problem, normalise_email

    email = normalise_email(as_text(value, 1, 1000))
    why = email_problem(email)
    if why or len(email) > 254:
        raise Refused(f"{why or 'At most 254 characters.'} ({email!r:.80})")
    return email


def _word(words: Any, what: str) -> _Convert:
    def convert(value: object) -> str:
        text = as_text(value, 1, 100)
        known: str | None = words.get(text.strip().lower())
        if known is None:
            raise Refused(f"The {what} {text!r:.40} is not known; a mapping can say what it stands for.")
        return known

    return convert
