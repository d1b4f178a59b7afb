"""The tokens of SQL, of both engines and of their drivers' placeholders."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["END", "HOLE", "Token", "tokens", "words"]

HOLE = "\ue000"
"""Stands for a value that is known only when the program runs."""

_TOKEN = re.compile(
    rf"""
    (?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>'[^']*(?:''[^']*)*'?)
    |(?P<body>(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=tag)|\Z))
    |(?P<quoted>"[^"]*(?:""[^"]*)*"?|`[^`]*`?|\[[A-Za-z_]\w*\])
    |(?P<name>[^\W\d{HOLE}][\w${HOLE}]*|{HOLE}[\w${HOLE}]*)
    |(?P<mark>%s|%\(\w+\)s|\?\d*|::?\w+|\$\d+|@\w+)
    |(?P<other>\d[\w.]*|.)
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        kind: ``string``, ``body`` (between dollars), ``quoted``, ``name``, ``mark`` (a placeholder), ``other``.
        text: as it is spelled.
        word: in upper case, for bare names and single characters; empty for any other.
        at: where it begins, in characters.
    """

    kind: str
    text: str
    word: str
    at: int


END = Token("end", "", "", 0)
"""Stands behind the last token."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text; comments and spaces are none."""
    return [
        Token(kind, match[0], match[0].upper() if kind in ("name", "other") else "", match.start())
        for match in _TOKEN.finditer(text)
        if (kind := str(match.lastgroup)) != "space"
    ]
