"""Numbers that no other row of a test run has."""

from __future__ import annotations

import itertools

__all__ = ["fresh", "number"]

_numbers = itertools.count(1)


def number() -> int:
    """Return a number that was not given before."""
    return next(_numbers)


def fresh(kind: str) -> str:
    """Return a name that was not given before."""
    return f"{kind}-{number()}"
