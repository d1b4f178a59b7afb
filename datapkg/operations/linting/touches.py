"""One touch of a table, and what the walk asks about functions and calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from datapkg.operations.linting.sql import Access

__all__ = [
    "JOINS",
    "MODEL_READS",
    "MODEL_SCHEMA",
    "MODEL_WRITES",
    "ROW_WRITES",
    "WRITERS",
    "Touch",
    "arguments",
    "defaults",
    "shows",
]

_LOGGERS = re.compile(r"(^|_)(log|logger|logging|warnings)$", re.IGNORECASE)
_LOGGED = frozenset(("debug", "info", "warning", "warn", "error", "exception", "critical", "log"))
MODEL_WRITES = frozenset(
    {
        *("insert", "insert_many", "insert_from", "replace", "replace_many", "update", "delete", "create"),
        *("get_or_create", "bulk_create", "bulk_update", "delete_by_id", "set_by_id", "truncate_table"),
    }
)
MODEL_READS = frozenset(("select", "get", "get_or_none", "get_by_id", "filter"))
MODEL_SCHEMA = frozenset(("create_table", "drop_table"))
ROW_WRITES = frozenset(("save", "delete_instance"))
JOINS = frozenset(("join", "left_outer_join", "join_from", "from_"))
# The kit's own ways into a table, and Peewee's bare queries, by dotted name; the model is the first argument.
WRITERS = re.compile(
    r"(datapkg\.kit\.(statements\.insert|statements\.insert_many|deletion\.delete_row)"
    r"|peewee\.(Model)?(Insert|Update|Delete))$"
)


@dataclass(frozen=True)
class Touch:
    """One place that touches a table.

    Attributes:
        line, end_line: where the expression begins and ends, from 1.
        column: where it begins, from 1.
        access: what is done.
        table: in lower case; None where only the running program knows it.
        how: as people say it, such as ``UPDATE`` or ``AuditLog.update``.
        behind_gate: whether it stands in a ``with …open_gate(table)``, which is a touch of its own.
        sure: whether it cannot be a sentence that only looks like SQL.
    """

    line: int
    end_line: int
    column: int
    access: Access
    table: str | None
    how: str
    behind_gate: bool = False
    sure: bool = True


def arguments(given: ast.arguments) -> Iterator[ast.arg]:
    """Yield every parameter of a function."""
    yield from (*given.posonlyargs, *given.args, *given.kwonlyargs)
    yield from filter(None, (given.vararg, given.kwarg))


def defaults(given: ast.arguments) -> dict[str, ast.expr]:
    """Return the values that parameters have unless they are given."""
    named = [*given.posonlyargs, *given.args]
    found = dict(zip((each.arg for each in reversed(named)), reversed(given.defaults), strict=False))
    return found | {each.arg: value for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value}


def shows(func: ast.expr) -> bool:
    """Whether a function only shows its arguments to people."""
    if isinstance(func, ast.Name):
        return func.id == "print"
    if not isinstance(func, ast.Attribute) or func.attr not in _LOGGED:
        return False
    owner = func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return _LOGGERS.search(name) is not None
