"""Where two JSON values differ, and two rows that are compared by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from datapkg.kit.markup import changes_table
from datapkg.kit.results import Rows

if TYPE_CHECKING:
    import pandas

__all__ = ["ABSENT", "CHANGE", "Diff", "differences", "row_of"]

CHANGE = {"path": str, "change": Literal["added", "removed", "changed"], "before": object, "after": object}
"""What the rows of a difference hold."""

ABSENT = object()
"""Stands for a value that one side does not have."""


def differences(before: object, after: object, *, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Yield ``(path, before, after)`` for each part that differs, sorted by key.

    Only objects are gone into, lists count as a whole. The order is not that of the objects, which PostgreSQL's jsonb
    does not keep.

    Args:
        before: a JSON value.
        after: the other.
        path: put before every path.

    >>> list(differences({"a": {"b": 1}}, {"a": {"b": 2}}))
    [('a.b', 1, 2)]
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            below = f"{path}.{key}" if path else key
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), path=below)
    elif before is ABSENT or after is ABSENT or before != after or isinstance(before, bool) != isinstance(after, bool):
        yield path, before, after


def row_of(path: str, before: object, after: object) -> dict[str, Any]:
    """Return a difference as a row for people: ``path``, ``change``, ``before`` and ``after``."""
    return {
        "path": path,
        "change": "added" if before is ABSENT else "removed" if after is ABSENT else "changed",
        "before": None if before is ABSENT else before,
        "after": None if after is ABSENT else after,
    }


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences from one row to another; a domain's own diffs inherit it.

    Attributes:
        a: the first row's key.
        b: the second's.
        changes: rows of ``path``, ``change`` (``added``, ``removed`` or ``changed``), ``before`` and ``after``.
    """

    a: UUID
    b: UUID
    changes: Rows[dict[str, Any]]

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not self.changes

    def __repr__(self) -> str:
        return repr(self.changes) if self.changes else "(no differences)"

    def df(self) -> pandas.DataFrame:
        """Return the changes as a DataFrame: ``path``, ``change``, and ``before`` and ``after`` as they are.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.changes.df()

    def _repr_html_(self) -> str:
        if not self.changes:
            return "<p>(no differences)</p>"
        return changes_table(self.changes, caption=f"{len(self.changes)} differences")
