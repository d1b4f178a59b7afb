"""Writing to a terminal, a pipe or a file, whatever characters and colours it can take."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import click

from datapkg.cli.colours import shown_on

__all__ = ["echo", "echo_json", "width_of_stdout"]

_PLAIN = str.maketrans(
    {"─": "-", "…": "...", "├": "+", "└": "+", "│": "|", "█": "#", "▒": "=", "·": ".", "±": "+-", "»": ">"}
)
# What a stored text could move the cursor with, or worse; the colours of this package are let through.
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def echo(text: str, *, err: bool = False) -> None:
    """Print a line for people; characters that the stream cannot take are spelled with those it can.

    Args:
        text: what to print, with colours, which are left away where the stream shows none.
        err: on stderr instead of stdout.
    """
    text = _CONTROL.sub("�", text)
    encoding = _encoding(err)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    click.echo(text, err=err, color=shown_on(sys.stderr if err else sys.stdout))


def echo_json(data: Any, *, default: Callable[[Any], Any] = str, err: bool = False) -> None:
    """Print a value as one line of JSON; characters that the stream cannot take are escaped as JSON escapes them.

    Args:
        data: the value.
        default: what becomes of parts that JSON does not have.
        err: on stderr instead of stdout.
    """
    text = json.dumps(data, ensure_ascii=False, default=default)
    try:
        text.encode(_encoding(err))
    except UnicodeEncodeError:
        text = json.dumps(data, default=default)
    click.echo(text, err=err)


def width_of_stdout() -> int | None:
    """Return how many columns the terminal has that stdout is, or None where it is none."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def _encoding(err: bool) -> str:
    return getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
