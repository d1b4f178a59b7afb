"""What text tables are made for: how wide a terminal is, and how it is painted. Only the command line sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Paint", "display", "terminal"]

Paint = Callable[[str, str], str]
"""Takes a column and a cell, and returns the cell in its colours."""

_display: ContextVar[tuple[int | None, Paint]] = ContextVar("display", default=(None, lambda column, text: text))


def display() -> tuple[int | None, Paint]:
    """Return the width that tables have to fit, ``None`` where any will do, and what paints their cells."""
    return _display.get()


@contextmanager
def terminal(width: int | None, paint: Paint) -> Iterator[None]:
    """Make the block's tables for a terminal.

    Args:
        width: its columns; ``None`` where it does not matter how wide a table is.
        paint: what paints cells.
    """
    token = _display.set((width, paint))
    try:
        yield
    finally:
        _display.reset(token)
