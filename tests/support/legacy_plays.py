"""A legacy database with plays, in the layout that a backfill reads, on any engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["COLUMNS", "ROWS", "changed", "fill", "sqlite_legacy"]

COLUMNS = {
    "users": "id {key}, email {text}, name {text}, created_at {time}",
    "sessions": "id {key}, user_id {key}, created_at {time}",
    "chat_messages": "id {key}, session_id {key}, user_id {key}, script_id {key}, role {text}, content {text}, "
    "created_at {time}",
    "scripts": "id {key}, user_id {key}, title {text}, content {text}, version_number {key}, created_at {time}",
    "script_versions": "script_id {key}, version_number {key}, content {text}, created_at {time}",
    "script_elements": "id {key}, script_id {key}, position {key}, kind {text}, content {text}, persona_id {key}",
    "personas": "id {key}, script_id {key}, name {text}, description {text}",
}

ROWS: dict[str, list[tuple[Any, ...]]] = {
    "users": [
        (1, "  Ann@Example.com ", "Ann", "2024-01-01 10:00:00"),
        (2, "bob@example.com", None, "2024-01-02 10:00:00"),
    ],
    "sessions": [(10, 1, "2024-02-01 09:00:00"), (11, 2, "2024-02-01 09:00:00")],
    "chat_messages": [
        (100, 10, 1, 2, "user", "Make it shorter.", "2024-02-01 09:01:00"),
        (101, 10, None, 2, "assistant", "Shorter:\r\n\u2026 \U0001f3ad", "2024-02-01 09:01:00"),
        (102, None, 2, None, "system", "", "2024-02-01 09:02:00"),
    ],
    "scripts": [
        # Versions of one script as rows of their own, not in their order.
        (2, 1, "Hamlet", "To be,\r\nor not  to be\n\n", 2, "2024-01-05 10:00:00"),
        (1, 1, "Hamlet", "To be", 1, "2024-01-04 10:00:00"),
        (3, 1, "Hamlet", "SCENE. Elsinore\nTo be\u2028or\ttrailing \n\nnot", 3, "2024-01-06 10:00:00"),
        # One row, whose history is in a table of its own.
        (4, 2, "Lear", "Nothing will come of nothing.", None, "2024-01-03 10:00:00"),
        # A script without any history, and another of the same title.
        (5, 2, "Note", "", None, "2024-01-03 10:00:00"),
        (6, 2, "Note", "\n", None, "2024-01-03 11:00:00"),
    ],
    "script_versions": [
        (4, 1, "Nothing.", "2024-01-03 11:00:00"),
        (4, 2, "Nothing, my lord.\r", "2024-01-03 12:00:00"),
    ],
    "script_elements": [
        (1000, 3, 0, "scene_heading", "SCENE. Elsinore", None),
        (1001, 3, 1, "dialogue", "not", 50),
        (1002, 4, 0, "action", "He laughs.", 51),
    ],
    "personas": [(50, 3, "Hamlet", "A prince"), (51, None, "Lear", None), (52, None, "Nobody", None)],
}
"""Two users, two sessions, three messages, four scripts with eight versions in all, three elements."""

TEXTS = {
    "Hamlet": ["To be", "To be,\r\nor not  to be\n\n", "SCENE. Elsinore\nTo be\u2028or\ttrailing \n\nnot"],
    "Lear": ["Nothing.", "Nothing, my lord.\r", "Nothing will come of nothing."],
}
"""What the versions of two of the scripts say."""


def changed(**tables: Sequence[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows with more rows in some of the tables."""
    return {table: [*rows, *tables.get(table, ())] for table, rows in ROWS.items()}


def fill(
    connection: Any, rows: Mapping[str, Sequence[tuple[Any, ...]]], *, types: Mapping[str, str], mark: str
) -> None:
    """Make the tables through a driver's connection, and insert the rows.

    Args:
        connection: of any driver.
        rows: by table; a table without an entry is not made.
        types: the engine's types for ``key``, ``text`` and ``time``.
        mark: the driver's placeholder.
    """
    cursor = connection.cursor()
    for table, columns in COLUMNS.items():
        if table in rows:
            cursor.execute(f"CREATE TABLE {table} ({columns.format(**types)})")
            for row in rows[table]:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(row))})", row)
    connection.commit()


def sqlite_legacy(folder: Path, rows: Mapping[str, Sequence[tuple[Any, ...]]] = ROWS) -> str:
    """Make a legacy SQLite file, or make it anew, and return its URL."""
    path = folder / "legacy.db"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    # No types, as a careless program leaves them, so that anything can stand anywhere.
    fill(connection, rows, types={"key": "", "text": "", "time": ""}, mark="?")
    connection.close()
    return f"sqlite:///{path}"
