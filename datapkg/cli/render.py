"""How results are shown: a table on a terminal, one JSON value with --json."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import click

from datapkg.cli.root import Settings
from datapkg.cli.streams import echo, echo_json

__all__ = ["progress", "say", "show", "show_rows"]


class _Plain(Protocol):
    def __call__(self, count: int, /) -> None: ...


def _jsonable(value: Any) -> Any:
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if callable(getattr(value, "public", None)):
        return value.public()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def show(settings: Settings, data: Any, text: str) -> None:
    """Print ``data`` as JSON where that was asked for, else the text."""
    if settings.json:
        echo_json(data, default=_jsonable)
    elif text:
        say(settings, text)


def show_rows(settings: Settings, rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows as a table, or as a JSON list."""
    from datapkg.kit.results import text_table

    columns = list(rows[0]) if rows else []
    table = text_table(columns, [[row[column] for column in columns] for row in rows]) if rows else empty
    show(settings, list(rows), table)


def say(settings: Settings, text: str) -> None:
    """Print a line for people: nothing with --quiet or --json."""
    if not (settings.quiet or settings.json):
        echo(text)


@contextmanager
def progress(settings: Settings, label: str, total: int) -> Iterator[_Plain]:
    """Show a progress bar on a terminal, and nothing in a pipe; yields a function to advance it."""
    if settings.quiet or settings.json or not sys.stderr.isatty():
        yield lambda count, /: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield lambda count, /: bar.update(count)
