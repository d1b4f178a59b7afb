"""Writing to a terminal, a pipe or a file, whatever characters it can take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click

__all__ = ["echo", "echo_json"]

_PLAIN = str.maketrans(
    {"─": "-", "…": "...", "├": "+", "└": "+", "│": "|", "█": "#", "▒": "=", "·": ".", "±": "+-", "»": ">"}
)


def echo(text: str, *, err: bool = False) -> None:
    """Print a line for people; characters that the stream cannot take are spelled with those it can.

    Args:
        text: what to print.
        err: on stderr instead of stdout.
    """
    encoding = _encoding(err)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    click.echo(text, err=err)


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


def _encoding(err: bool) -> str:
    return getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
