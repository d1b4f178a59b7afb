"""The steps that a migration consists of, as they are collected, planned and run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from datapkg.kit.dialect.alterations import Alteration, run_sql
from datapkg.kit.dialect.tables import Tag
from datapkg.kit.engines import KitDatabase

__all__ = ["CollectedStep", "FunctionStep", "RawStep", "Step", "ends_transaction", "line_in", "tag_of"]


@dataclass(frozen=True)
class Step:
    """One statement of a plan.

    Attributes:
        history: whose migration it belongs to.
        migration: the migration's name.
        tag: ``additive``, ``widening``, ``data`` or ``destructive`` (drops, narrows or renames).
        sql: the statement, or ``python function NAME``.
        line: the line of the migration file that asks for it.
    """

    history: str
    migration: str
    tag: Tag
    sql: str
    line: int

    def public(self) -> dict[str, object]:
        """Return the attributes as a JSON-ready dictionary."""
        return asdict(self)


class CollectedStep:
    """An operation of the Migrator.

    Args:
        line: the line of the migration file.
        alteration: what it does.
        tag: how dangerous it is.
    """

    def __init__(self, line: int, alteration: Alteration | None, tag: Tag) -> None:
        self.line, self.alteration, self.tag = line, alteration, tag

    def lines(self, database: KitDatabase) -> list[str]:
        """The statements, as a plan shows them."""
        assert self.alteration is not None
        return self.alteration.lines()

    def run(self, database: KitDatabase) -> None:
        """Do it, in the migration's transaction."""
        assert self.alteration is not None
        self.alteration.run(database)


class RawStep(CollectedStep):
    """A statement of ``migrator.sql``."""

    def __init__(self, line: int, sql: str, params: tuple[object, ...]) -> None:
        super().__init__(line, None, tag_of(sql))
        self.sql, self.params = sql, params

    def _for(self, database: KitDatabase) -> str:
        if not self.params or database.dialect.param == "%s":
            return self.sql
        return re.sub(r"%[s%]", lambda match: "?" if match[0] == "%s" else "%", self.sql)

    def lines(self, database: KitDatabase) -> list[str]:
        """The statement."""
        text = self._for(database)
        return [text if not self.params else f"{text}  -- {', '.join(map(repr, self.params))}"]

    def run(self, database: KitDatabase) -> None:
        """Run it."""
        run_sql(database, self._for(database), self.params)


class FunctionStep(CollectedStep):
    """A function of ``migrator.run``."""

    def __init__(
        self, line: int, function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, Any]
    ) -> None:
        super().__init__(line, None, "data")
        self.function, self.args, self.kwargs = function, args, kwargs

    def lines(self, database: KitDatabase) -> list[str]:
        """The function's name: what it does, only running it tells."""
        name = str(getattr(self.function, "__qualname__", self.function))
        return [f"python function {name.rpartition('.<locals>.')[2]}"]

    def run(self, database: KitDatabase) -> None:
        """Call it."""
        self.function(*self.args, **self.kwargs)


def line_in(path: str) -> int:
    """Return the line of a file that is being run right now, or 0."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != path:
        frame = frame.f_back  # type: ignore[assignment]  # None at the top
    return frame.f_lineno if frame is not None else 0


_ENDS = re.compile(r"\s*(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK(?!\s+TO)|ABORT)\b", re.I)
_DESTRUCTIVE = re.compile(r"\b(DELETE|TRUNCATE|DROP|REPLACE|RENAME|SET\s+NOT\s+NULL|TYPE)\b", re.I)
_REMOVES = re.compile(r"\b(DELETE|TRUNCATE|OR\s+REPLACE)\b", re.I)
# Its statements are run later, and its BEGIN begins no transaction.
_BODY = re.compile(r"(\s*CREATE\s[^;]*?\b(?:TRIGGER|FUNCTION|PROCEDURE)\b[^;]*?)\bBEGIN\b.*\bEND\b", re.I | re.S)
_SEVERAL = re.compile(r";\s*\S")
# In one go, since a text may look like a comment and a comment may hold a quote.
_NO_CODE = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.S)


def ends_transaction(sql: str) -> bool:
    """Return whether a hand-written statement, or one of several in it, begins or ends a transaction.

    >>> ends_transaction("UPDATE users SET name = 'x'; COMMIT"), ends_transaction("ROLLBACK TO here")
    (True, False)
    """
    return any(_ENDS.match(part) for part in _code(sql).split(";"))


def tag_of(sql: str) -> Tag:
    """Return how dangerous a hand-written statement is, by its words.

    >>> tag_of("UPDATE users SET name = 'x'"), tag_of("DROP INDEX ix_users_name")
    ('data', 'destructive')
    """
    sql = _code(sql)
    if _SEVERAL.search(sql):
        return "destructive"  # only the first statement's verb would be looked at
    words = sql.split()
    verb = words[0].upper() if words else ""
    if verb == "CREATE":
        return "additive"
    if verb == "ALTER" and not _DESTRUCTIVE.search(sql):
        return "additive"
    if verb in ("INSERT", "UPDATE", "MERGE", "SELECT", "WITH") and not _REMOVES.search(sql):
        return "data"
    return "destructive"


def _code(sql: str) -> str:
    """Return what a statement does by itself: without texts, comments, and the body of what it creates."""
    return _BODY.sub(r"\1", _NO_CODE.sub(" ", sql))
