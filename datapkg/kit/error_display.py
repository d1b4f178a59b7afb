"""Errors in a notebook: why and the fix first, then the user's own lines; no frames of this package or of a driver."""

from __future__ import annotations

import html
import linecache
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datapkg.kit.errors import DatapkgError, ValidationError
from datapkg.kit.markup import html_table

__all__ = ["error_html", "error_text"]

_BOLD, _RED, _DIM, _END = "\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_COLOUR = re.compile("\x1b\\[[0-9]*m")
_FRAMES = 5  # the innermost ones
_COMPLAINTS = 50
_WIDEST = 50  # the column of paths
_MESSAGE = 2000  # characters

_FOREIGN = (
    f"{Path(__file__).parents[1]}{os.sep}",
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
    "<frozen ",
)
# A line of code with such a word may hold a password, by whatever name or place: none of its texts is shown.
_SENSITIVE = re.compile(
    r"pass|pwd|secret|token|key|credential|user|account|connect|using|copy|url|dsn|://", re.IGNORECASE
)
_TEXT = re.compile(r"(\'\'\'|\"\"\"|'|\")(?:\\.|(?!\1).)*(?:\1|$)")


def error_text(error: DatapkgError) -> list[str]:
    """Return the parts that IPython prints for an error: its code and why, the fix, the user's own lines.

    Args:
        error: one with a traceback.
    """
    if isinstance(error, ValidationError) and error.errors:
        head = f"The {error.what} is not valid."
        complaints = list(_complaints(error))
        width = min(max(len(path) for path, _ in complaints), _WIDEST)
        parts = [*_headed(error.code, head), ""]
        parts += [f"  {_plain(path).ljust(width)}  {_plain(complaint)}" for path, complaint in complaints]
    else:
        parts = _headed(error.code, _plain(error.why))
    if error.fix:
        parts += ["", f"{_BOLD}Fix:{_END} {_plain(error.fix)}"]
    lines = list(_own_lines(error))
    parts = [*parts, "", *lines] if lines else parts
    return parts if _coloured() else [_COLOUR.sub("", part) for part in parts]


def error_html(error: DatapkgError) -> str:
    """Return an error that is looked at as a value, such as one that was caught, as HTML."""
    why = f"<p><b>{html.escape(error.code)}</b>: "
    if isinstance(error, ValidationError) and error.errors:
        why += f"{html.escape(f'The {error.what} is not valid.')}</p>"
        why += html_table(("path", "complaint"), _complaints(error))
    else:
        why += f"{html.escape(_plain(error.why))}</p>"
    return f"{why}<p><b>Fix:</b> {html.escape(_plain(error.fix))}</p>"


def _headed(code: str, why: str) -> list[str]:
    return [f"{_RED}{_BOLD}{code}{_END}: {why}"]


def _complaints(error: ValidationError) -> Iterator[tuple[str, str]]:
    for path, messages in list(error.errors.items())[:_COMPLAINTS]:
        yield path, " ".join(messages)
    if len(error.errors) > _COMPLAINTS:
        yield "…", f"and {len(error.errors) - _COMPLAINTS} more"


def _plain(text: str) -> str:
    """Return a text of an error that can do nothing to a terminal."""
    shown = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
    return shown if len(shown) <= _MESSAGE else f"{shown[:_MESSAGE]}…"


def _own_lines(error: BaseException) -> Iterator[str]:
    """Yield the places in the user's own code that led to the error, the last one at the end."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [(file, line) for file, line in frames if not file.startswith(_FOREIGN)]
    for file, line in own[-_FRAMES:]:
        source = linecache.getline(file, line).strip()
        if _SENSITIVE.search(source):
            source = _TEXT.sub(r"\1…\1", source)
        yield f"{_DIM}{_place(file)}, line {line}:{_END} {_plain(source)}"


def _shell() -> Any:
    """Return the running IPython, or None."""
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _coloured() -> bool:
    return not os.environ.get("NO_COLOR") and str(getattr(_shell(), "colors", "")).lower() != "nocolor"


def _place(file: str) -> str:
    """Return what people call a file, ``Cell In[3]`` for one of a notebook."""
    shell = _shell()
    named = shell.compile.format_code_name(file) if shell else None
    return " ".join(named) if named else file
