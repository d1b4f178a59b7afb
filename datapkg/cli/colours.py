"""Colours: which there are, what is painted in them, and which streams show them.

A colour only repeats what a word says already. This is the one place that decides; :func:`datapkg.cli.streams.echo`
leaves colours away where a stream shows none.
"""

from __future__ import annotations

import os
import re
from typing import Any

import click

__all__ = ["paint", "paint_cell", "paint_diff", "paint_tags", "shown_on"]

_STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "warning": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "faint": {"dim": True},
    "heading": {"bold": True},
}
_GOOD = "additive applied approved completed current insert ok rolled_back"
_WARNING = (
    "at_risk behind data delete draft late marked old paused pending read-only running unmigrated update widening"
)
_BAD = "ahead cancelled destructive edited failed foreign missing over refused rejected unknown unreachable"
_WORDS = {
    word: style for style, words in (("good", _GOOD), ("warning", _WARNING), ("bad", _BAD)) for word in words.split()
}
_COLUMNS = frozenset({"action", "approval_status", "done", "from_status", "state", "status", "to_status"})
_TAG = re.compile(r"(?<=-- )(?:additive|widening|data|destructive)\b")


def shown_on(stream: Any) -> bool:
    """Tell whether a stream shows colours: a terminal that knows them, unless NO_COLOR is set."""
    try:
        terminal = bool(stream.isatty())
    except (AttributeError, ValueError):  # none at all, or closed
        return False
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str) -> str:
    """Return text in a style: ``good``, ``warning``, ``bad``, ``faint`` or ``heading``."""
    return click.style(text, **_STYLES[style]) if text else text


def paint_cell(column: str, text: str) -> str:
    """Return a table's cell as it is painted: states by what they mean, what was before and after in a diff."""
    if column in _COLUMNS and (style := _WORDS.get(text.strip().lower().replace(" ", "_"))):
        return paint(text, style)
    if column in ("before", "after"):
        return paint(text, "bad" if column == "before" else "good")
    return text


def paint_tags(text: str) -> str:
    """Return SQL with the tags painted that stand in comments behind it."""
    return _TAG.sub(lambda tag: paint(tag[0], _WORDS[tag[0]]), text)


def paint_diff(text: str) -> str:
    """Return a diff with the lines painted that came and went."""
    styles = {"+": "good", "-": "bad"}
    return "\n".join(paint(line, styles[line[0]]) if line[:1] in styles else line for line in text.split("\n"))
