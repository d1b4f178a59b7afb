"""SQLite's catalog: its pragmas, and from the text of CREATE TABLE what no pragma tells (CHECKs, names)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from datapkg.kit.dialect.base import literal, quote
from datapkg.kit.dialect.catalog import ColumnFacts, ForeignKeyFacts, IndexFacts, TableFacts

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = ["NAMES", "closing_bracket", "normalised", "read_tables"]

NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
"""The query for the tables' names, SQLite's own left out."""

_TOKENS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\s+|\w+|.""", re.S)
_NAME = r'(?:"((?:[^"]|"")+)"|(\w+))'
_CONSTRAINT = re.compile(rf"CONSTRAINT\s+{_NAME}\s+(CHECK|FOREIGN\s+KEY|REFERENCES)\b", re.I)
_ANY_CHECK = re.compile(r"\bCHECK\s*\(", re.I)


def read_tables(database: KitDatabase) -> dict[str, TableFacts]:
    """Read every table but SQLite's own, by name."""
    rows = database.fetch(f"SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name IN ({NAMES})", ())
    return {name: _table(database, name, sql) for name, sql in rows}


def _table(database: KitDatabase, name: str, sql: str) -> TableFacts:
    columns, key = {}, {}
    for _, column, kind, not_null, default, position in database.fetch(f"PRAGMA table_info({quote(name)})", ()):
        columns[column] = ColumnFacts(kind.upper(), not not_null and not position, default)
        if position:
            key[position] = column
    indexes = {}
    for _, index, unique, origin, _partial in database.fetch(f"PRAGMA index_list({quote(name)})", ()):
        if origin != "pk":
            indexes[index] = _index(database, index, bool(unique))
    triggers = {
        trigger: normalised(text)
        for trigger, text in database.fetch(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (name,)
        )
    }
    tail = sql[sql.rindex(")") + 1 :].upper() if ")" in sql else ""
    return TableFacts(
        columns=columns,
        primary_key=tuple(key[position] for position in sorted(key)),
        indexes=indexes,
        checks=_checks(sql),
        foreign_keys=_foreign_keys(database, name, sql),
        triggers=triggers,
        options=frozenset(option for option in ("STRICT", "WITHOUT ROWID") if option in tail),
    )


def _index(database: KitDatabase, name: str, unique: bool) -> IndexFacts:
    parts = database.fetch(f"PRAGMA index_xinfo({quote(name)})", ())
    columns = tuple(f"{part[2] or '(expression)'}{' DESC' if part[3] else ''}" for part in parts if part[5])
    sql = database.fetch(f"SELECT sql FROM sqlite_master WHERE type = 'index' AND name = {literal(name)}", ())
    where = None
    if sql and sql[0][0]:
        text = normalised(sql[0][0])
        opening = text.index("(", text.upper().index(" ON "))
        closing = closing_bracket(text, opening)
        if any(part[2] is None for part in parts if part[5]):
            columns = (text[opening + 1 : closing],)
        rest = text[closing + 1 :].strip()
        where = rest[6:].strip() if rest.upper().startswith("WHERE ") else None
    return IndexFacts(unique, columns, where)


@lru_cache(maxsize=500)
def _checks(sql: str) -> Mapping[str, str]:
    checks = {}
    plain = _without_literals(sql)
    named = {}
    for match in _CONSTRAINT.finditer(plain):
        if match[3].upper() == "CHECK":
            named[plain.index("(", match.end())] = _matched_name(match, sql)
    for match in _ANY_CHECK.finditer(plain):
        opening = match.end() - 1
        text = normalised(sql[opening + 1 : closing_bracket(sql, opening)])
        checks[named.get(opening, f"(unnamed) {text}")] = text
    return checks


def _foreign_keys(database: KitDatabase, table: str, sql: str) -> dict[str, ForeignKeyFacts]:
    rows: dict[int, list[tuple[object, ...]]] = {}
    for row in database.fetch(f"PRAGMA foreign_key_list({quote(table)})", ()):
        rows.setdefault(row[0], []).append(row)
    names = _foreign_key_names(sql)
    facts = {}
    for parts in rows.values():
        parts.sort(key=lambda part: str(part[1]).zfill(4))
        columns = tuple(str(part[3]) for part in parts)
        targets = tuple(str(part[4] or "id") for part in parts)
        name = names.get(columns, f"(unnamed) {', '.join(columns)}")
        facts[name] = ForeignKeyFacts(columns, str(parts[0][2]), targets, str(parts[0][6]), str(parts[0][5]))
    return facts


@lru_cache(maxsize=500)
def _foreign_key_names(sql: str) -> Mapping[tuple[str, ...], str]:
    names = {}
    plain = _without_literals(sql)
    for match in _CONSTRAINT.finditer(plain):
        kind = match[3].upper()
        if kind.startswith("FOREIGN"):
            opening = plain.index("(", match.end())
            inside = sql[opening + 1 : closing_bracket(sql, opening)]
            names[tuple(part.strip().strip('"') for part in inside.split(","))] = _matched_name(match, sql)
        elif kind == "REFERENCES":
            names[(_column_before(plain, sql, match.start()),)] = _matched_name(match, sql)
    return names


def _column_before(plain: str, sql: str, end: int) -> str:
    """The column whose definition holds this place: the first word after the last comma outside of brackets."""
    depth, start = 0, 0
    for place in range(end - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(plain[place], 0)
        if depth < 0 or (depth == 0 and plain[place] == ","):
            start = place + 1
            break
    match = re.match(rf"\s*{_NAME}", sql[start:])
    return (match[1] or match[2]).replace('""', '"') if match else ""


def _matched_name(match: re.Match[str], sql: str) -> str:
    group = 1 if match[1] is not None else 2
    return sql[match.start(group) : match.end(group)].replace('""', '"')


def _without_literals(sql: str) -> str:
    """The text with literals and comments blanked, every place where it was."""
    return "".join(
        " " * len(token) if token[0] == "'" or token[:2] in ("--", "/*") else token for token in _tokens(sql)
    )


def _tokens(sql: str) -> Iterator[str]:
    return (match[0] for match in _TOKENS.finditer(sql))


def closing_bracket(sql: str, opening: int) -> int:
    """Return where the bracket that opens here is closed, quotes and comments regarded."""
    depth, place = 0, opening
    for token in _tokens(sql[opening:]):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0:
            return place
        place += len(token)
    raise ValueError("the bracket is never closed")


def normalised(sql: str) -> str:
    """Return SQL with every run of blanks outside of quotes as one space, comments left out."""
    parts = (" " if token.isspace() or token[:2] in ("--", "/*") else token for token in _tokens(sql))
    squeezed: list[str] = []
    for part in parts:
        if part != " " or squeezed[-1:] != [" "]:
            squeezed.append(part)
    return "".join(squeezed).strip()
