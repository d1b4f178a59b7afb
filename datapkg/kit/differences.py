"""Where two JSON values differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["ABSENT", "differences"]

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
