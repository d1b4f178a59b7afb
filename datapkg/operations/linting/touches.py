"""One touch of a table, and what the walk asks about functions and calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from datapkg.operations.linting.sql import Access

__all__ = ["Touch", "arguments", "shows"]

_LOGGERS = re.compile(r"(^|_)(log|logger|logging|warnings)$", re.IGNORECASE)
_LOGGED = frozenset(("debug", "info", "warning", "warn", "error", "exception", "critical", "log"))


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


def shows(func: ast.expr) -> bool:
    """Whether a function only shows its arguments to people."""
    if isinstance(func, ast.Name):
        return func.id == "print"
    if not isinstance(func, ast.Attribute) or func.attr not in _LOGGED:
        return False
    owner = func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return _LOGGERS.search(name) is not None
