"""Which tables an SQL text reads and writes: a tokenizer, and the shapes of the statements that touch rows.

A text counts only if it has the shape of a statement from its first word on, so that a sentence with the words of
SQL in it does not. What Python puts into the text while it runs stands in it as :data:`HOLE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from datapkg.operations.linting.tokens import END, HOLE, Token, tokens, words

__all__ = ["HOLE", "Access", "SqlTouch", "sql_touches"]

Access = Literal["read", "write", "schema", "gate"]

_GATE = "datapkg.gate"


# Statements that may touch rows, or that others may follow after a semicolon.
_STARTS = words(
    "ALTER ANALYZE BEGIN COMMIT COPY CREATE DECLARE DELETE DO DROP END EXPLAIN INSERT LOCK MERGE PRAGMA PREPARE "
    "RELEASE REPLACE ROLLBACK SAVEPOINT SELECT SET START TABLE TRUNCATE UPDATE VACUUM VALUES WITH"
)
_QUERY = frozenset(("SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE"))
# What may stand after a table's name, and is therefore no alias.
_CLAUSE = words(
    "AS CROSS DEFAULT EXCEPT FETCH FOR FROM FULL GROUP HAVING INDEXED INNER INTERSECT JOIN LEFT LIMIT NATURAL NOT "
    "OFFSET ON ORDER OUTER OVERRIDING RETURNING RIGHT SELECT SET TABLE TABLESAMPLE UNION USING VALUE VALUES WHERE "
    "WINDOW WITH"
)
_INSERTED = words("( VALUES VALUE DEFAULT SELECT WITH AS SET OVERRIDING TABLE")
_DELETED = words("WHERE USING RETURNING ORDER LIMIT INDEXED NOT )")
_TRUNCATED = words("RESTART CONTINUE CASCADE RESTRICT")
_ARTICLES = words("A AN ALL ANY EACH EVERY IT ITS ONE THAT THE THEM THESE THIS THOSE YOUR")

_START = re.compile(rf"[\s({HOLE};]*(?:--|/\*|([A-Za-z]+))")


@dataclass(frozen=True)
class SqlTouch:
    """One table in one statement.

    Attributes:
        access: what is done to it: its rows are read or written, it is made or altered, or its gate is opened.
        table: its name in lower case, without its schema; None where only the running program knows it.
        verb: the statement's first word, such as ``INSERT``.
        offset: where the statement begins in the text, in characters.
        sure: whether the text cannot be a sentence; False for ``Select a run from list``.
    """

    access: Access
    table: str | None
    verb: str
    offset: int
    sure: bool = True


@lru_cache(maxsize=2048)
def sql_touches(text: str) -> tuple[SqlTouch, ...]:
    """Return every table that the statements of a text touch, in order.

    Args:
        text: what may be SQL, one statement or several.

    Returns:
        Nothing for a text that has not the shape of SQL.

    Example:
        >>> [(touch.access, touch.table) for touch in sql_touches("INSERT INTO a SELECT * FROM b")]
        [('write', 'a'), ('read', 'b')]
    """
    start = _START.match(text)
    if start is None or (start[1] and start[1].upper() not in _STARTS):
        return ()
    return tuple(_Reader(text).statements())


class _Reader:
    """Reads the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.closing: dict[int, int] = {}
        opened = []
        for position, token in enumerate(self.tokens):
            if token.word == "(":
                opened.append(position)
            elif token.word == ")" and opened:
                self.closing[opened.pop()] = position
        self.found: list[SqlTouch] = []
        self.defined: set[str] = set()
        self.verb, self.offset, self.spelled = "", 0, ""

    def at(self, position: int) -> Token:
        return self.tokens[position] if position < len(self.tokens) else END

    def word(self, position: int) -> str:
        return self.at(position).word

    def statements(self) -> Iterator[SqlTouch]:
        begin = 0
        while begin < len(self.tokens):
            end = begin
            while end < len(self.tokens) and self.word(end) != ";":
                end = self.closing.get(end, end) + 1
            self.found, self.defined = [], set()
            self.statement(begin, end)
            yield from (touch for touch in self.found if touch.access != "read" or touch.table not in self.defined)
            begin = end + 1

    # One statement ----------------------------------------------------------------------------------------------

    def statement(self, begin: int, end: int) -> None:
        while begin < end and (self.word(begin) == "(" or self.at(begin).text.strip(HOLE) == ""):
            begin += 1
        word = self.word(begin)
        outer, self.verb = (self.verb, self.offset, self.spelled), word
        self.offset, self.spelled = self.at(begin).at, self.at(begin).text
        if word == "EXPLAIN":
            begin += 1
            while self.word(begin) in ("ANALYZE", "VERBOSE", "QUERY", "PLAN", "("):
                begin = self.closing.get(begin, begin) + 1
            self.statement(begin, end)
        elif word in ("PREPARE", "DECLARE"):
            after = "AS" if word == "PREPARE" else "FOR"
            self.statement(next((i + 1 for i in range(begin, end) if self.word(i) == after), end), end)
        elif word == "BEGIN" and self.word(begin + 1) in _QUERY | {"REPLACE"}:
            self.statement(begin + 1, end)
        elif word == "WITH":
            self.statement(self.definitions(begin + 1, end), end)
        elif word in ("SELECT", "VALUES"):
            self.reads(begin + 1, end, query=True)
        elif word == "DO":
            self.bodies(begin, end)
        elif word == "SET":
            spelled = "".join(token.text for token in self.tokens[begin + 1 : begin + 5]).lower().replace('"', "")
            if re.match(rf"(local|session)?{re.escape(_GATE)}", spelled):
                self.add("gate", None)
        elif word in ("CREATE", "ALTER", "DROP"):
            self.definition(begin, end)
        elif method := getattr(self, f"_{word.lower()}", None) if word.isalpha() else None:
            method(begin + 1, end)
        self.verb, self.offset, self.spelled = outer

    def add(self, access: Access, table: str | None) -> None:
        sure = (self.spelled.isupper() or self.spelled.islower()) and (table or "").upper() not in _ARTICLES
        self.found.append(SqlTouch(access, table, self.verb, self.offset, sure))

    def name(self, position: int) -> tuple[str | None, int]:
        """Read a table's name; return it and the position behind it, or the same position where there is none."""
        table: str | None = None
        begin = position
        while self.at(position).kind in ("name", "quoted", "mark") and self.at(position).text not in ("?",):
            token = self.at(position)
            if token.kind == "mark" and token.text[0] != "%":
                break
            bare = token.text.strip('"`[]').replace('""', '"')
            table = bare.strip(HOLE).lower() or None
            if token.kind == "mark" or (table is not None and HOLE in table):
                table = None
            position += 1
            if self.word(position) != ".":
                return table, position
            position += 1
        return (None, begin) if position == begin or self.word(position - 1) == "." else (table, position)

    def holed(self, position: int) -> bool:
        return self.at(position).kind == "name" and HOLE in self.at(position).text

    def alias(self, position: int) -> int:
        if self.word(position) == "AS":
            return position + 2
        token = self.at(position)
        named = token.kind in ("name", "quoted") and token.word not in _CLAUSE and not self.holed(position)
        return position + 1 if named else position

    def definitions(self, position: int, end: int) -> int:
        """Read what WITH defines; return where the statement itself begins."""
        if self.word(position) == "RECURSIVE":
            position += 1
        while position < end:
            name, behind = self.name(position)
            if behind == position:
                return end
            self.defined.add(name or "")
            if self.word(behind) == "(":
                behind = self.closing.get(behind, end) + 1
            if self.word(behind) != "AS":
                return end
            while self.word(behind) in ("AS", "NOT", "MATERIALIZED"):
                behind += 1
            close = self.closing.get(behind, end)
            self.statement(behind + 1, close)
            if self.word(close + 1) != ",":
                return close + 1
            position = close + 2
        return end

    # Writes -----------------------------------------------------------------------------------------------------

    def _insert(self, position: int, end: int) -> None:
        if self.word(position) == "OR":
            position += 2
        if self.word(position) == "IGNORE":
            position += 1
        if self.word(position) != "INTO":
            return
        table, behind = self.name(position + 1)
        fits = behind >= end or self.word(behind) in _INSERTED or self.holed(behind) or self.holed(behind - 1)
        if behind > position + 1 and fits:
            self.add("write", table)
            self.reads(self.closing.get(behind, behind - 1) + 1, end, query=True)

    _replace = _insert

    def _update(self, position: int, end: int) -> None:
        if self.word(position) == "OR":
            position += 2
        if self.word(position) == "ONLY":
            position += 1
        table, behind = self.name(position)
        if behind == position:
            return
        after = self.alias(behind + 1 if self.word(behind) == "*" else behind)
        if self.word(after) == "SET" or self.holed(after) or self.holed(behind - 1):
            self.add("write", table)
            self.reads(after, end, query=True)

    def _delete(self, position: int, end: int) -> None:
        if self.word(position) != "FROM":
            return
        if self.word(position + 1) == "ONLY":
            position += 1
        table, behind = self.name(position + 1)
        if behind == position + 1:
            return
        after = self.alias(behind + 1 if self.word(behind) == "*" else behind)
        if after >= end or self.word(after) in _DELETED or self.holed(after) or self.holed(behind - 1):
            self.add("write", table)
            if self.word(after) == "USING":
                after = self.tables(after + 1, end)
            self.reads(after, end, query=True)

    def _truncate(self, position: int, end: int) -> None:
        if self.word(position) == "TABLE":
            position += 1
        tables = []
        while True:
            if self.word(position) == "ONLY":
                position += 1
            table, behind = self.name(position)
            if behind == position:
                return
            tables.append(table)
            if self.word(behind) != ",":
                break
            position = behind + 1
        if behind >= end or self.word(behind) in _TRUNCATED or self.holed(behind):
            for table in tables:
                self.add("write", table)

    def _merge(self, position: int, end: int) -> None:
        if self.word(position) != "INTO":
            return
        if self.word(position + 1) == "ONLY":
            position += 1
        table, behind = self.name(position + 1)
        after = self.alias(behind)
        if behind > position + 1 and (self.word(after) == "USING" or self.holed(after)):
            self.add("write", table)
            if self.word(after) == "USING":
                after = self.tables(after + 1, end)
            self.reads(after, end, query=True)

    def _copy(self, position: int, end: int) -> None:
        if self.word(position) == "(":
            self.statement(position, self.closing.get(position, end))
            return
        table, behind = self.name(position)
        if behind == position:
            return
        if self.word(behind) == "(":
            behind = self.closing.get(behind, end) + 1
        file = self.at(behind + 1)
        named = file.kind in ("string", "mark") or file.word in ("STDIN", "STDOUT", "PROGRAM") or self.holed(behind + 1)
        if self.word(behind) in ("FROM", "TO") and named:
            self.add("write" if self.word(behind) == "FROM" else "read", table)

    # Definitions ------------------------------------------------------------------------------------------------

    def definition(self, begin: int, end: int) -> None:
        position = begin + 1
        while self.word(position) in ("TEMP", "TEMPORARY", "UNLOGGED", "OR", "REPLACE", "CONSTRAINT", "VIRTUAL"):
            position += 1
        kind = self.word(position)
        if kind == "TRIGGER":
            body = next((i + 1 for i in range(position, end) if self.word(i) == "BEGIN"), end)
            self.statement(body, end)
        elif kind in ("FUNCTION", "PROCEDURE"):
            self.bodies(position, end)
        elif kind in ("TABLE", "VIEW", "MATERIALIZED"):
            while self.word(position) in ("TABLE", "VIEW", "MATERIALIZED", "IF", "NOT", "EXISTS", "ONLY"):
                position += 1
            table, behind = self.name(position)
            if kind == "TABLE" and behind > position:
                self.add("schema", table)
            if self.word(begin) == "CREATE":
                self.statement(next((i + 1 for i in range(behind, end) if self.word(i) == "AS"), end), end)

    def bodies(self, begin: int, end: int) -> None:
        """Read the statements in the bodies of functions, as far as they stand at the beginning of a statement."""
        for token in self.tokens[begin:end]:
            if token.kind == "body":
                inner = re.sub(r"\A\$\w*\$|\$\w*\$\Z", "", token.text)
                inner = re.sub(r"\A\s*(?:DECLARE\b.*?)?\bBEGIN\b", "", inner, flags=re.I | re.S)
                self.found += [
                    SqlTouch(touch.access, touch.table, touch.verb, self.offset, touch.sure)
                    for touch in sql_touches(inner)
                ]

    # Reads ------------------------------------------------------------------------------------------------------

    def reads(self, position: int, end: int, *, query: bool) -> None:
        """Add the tables after every FROM and JOIN between two positions."""
        unnamed, row = 0, [query]
        while position < end:
            token = self.at(position)
            unnamed = unnamed + 1 if token.kind == "name" and token.word not in _CLAUSE | {"DISTINCT"} else 0
            if unnamed > 3 and len(row) == 1 and query and not self.found:
                return  # a sentence: no select list has so many words in a row
            if token.word == "(":
                if self.word(position + 1) in _QUERY and position in self.closing:
                    self.statement(position + 1, self.closing[position])
                    position = self.closing[position]
                else:
                    row.append(False)
            elif token.word == ")" and len(row) > 1:
                row.pop()
            elif token.word == "JOIN" or (token.word == "FROM" and row[-1] and self.word(position - 1) != "DISTINCT"):
                position = self.tables(position + 1, end)
                continue
            elif token.word == "SET_CONFIG" and self.at(position + 2).text.lower() == f"'{_GATE}'":
                self.add("gate", None)
            position += 1

    def tables(self, position: int, end: int) -> int:
        """Add the tables of a list; return the position behind it."""
        while position < end:
            while self.word(position) in ("ONLY", "LATERAL"):
                position += 1
            if self.word(position) == "(":
                close = self.closing.get(position, end)
                if self.word(position + 1) in _QUERY:
                    self.statement(position + 1, close)
                else:
                    self.reads(self.tables(position + 1, close), close, query=False)
                behind = close + 1
            else:
                table, behind = self.name(position)
                if behind == position:
                    return position
                if self.word(behind) == "(":
                    close = self.closing.get(behind, end)
                    self.reads(behind + 1, close, query=False)
                    behind = close + 1
                else:
                    self.add("read", table)
            behind = self.alias(behind)
            if self.word(behind) != ",":
                return behind
            position = behind + 1
        return position
