"""How results are shown: a table on a terminal, one JSON value with --json."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from datapkg.cli.bars import progress
from datapkg.cli.settings import Settings
from datapkg.cli.streams import echo, echo_json, width_of_stdout

__all__ = ["filled", "progress", "say", "show", "show_rows"]


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
    """Print rows as a table, or as a JSON list.

    Args:
        settings: of the command.
        rows: all with the same columns.
        empty: what is said where there are none: ``No runs.``
    """
    from datapkg.kit.results import text_table

    columns = list(rows[0]) if rows else []
    table = text_table(columns, [[row[column] for column in columns] for row in rows]) if rows else empty
    show(settings, list(rows), table)


def filled(text: str) -> str:
    """Return a long sentence in lines that are no wider than the terminal, nor than anybody likes to read."""
    import textwrap

    return textwrap.fill(text, min(110, width_of_stdout() or 110))


def say(settings: Settings, text: str) -> None:
    """Print a line for people: nothing with --quiet or --json."""
    if not (settings.quiet or settings.json):
        echo(text)
