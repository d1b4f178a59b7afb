"""Whether a text names an author, as far as a program can tell, and the text without that."""

from __future__ import annotations

import re
from collections.abc import Callable

from datapkg.engagement.folding import fold, occurrences
from datapkg.engagement.models import Author

__all__ = ["masking", "naming"]


def naming(author: Author) -> Callable[[str], bool]:
    """Return a function that tells whether a text names an author.

    It does if it has their handle, display name or account key as a word, as a reader sees it, or if it is one of
    these but for spaces and punctuation.

    Args:
        author: the author.
    """
    names = {_plain(name) for name in _names(author)} - {""}
    squeezed = {_squeezed(name) for name in names} - {""}
    word = re.compile("|".join(map(_word, sorted(names))))

    def names_them(text: str) -> bool:
        plain = _plain(text)
        return word.search(plain) is not None or _squeezed(plain) in squeezed

    return names_them


def masking(author: Author, mask: str, *, longest: int) -> Callable[[str], str]:
    """Return a function that puts a mask in place of what names an author in a text.

    If the text would still name them, or be too long, the mask is all that is left of it.

    Args:
        author: the author.
        mask: what stands for the name.
        longest: how many characters a text may have.
    """
    names_them = naming(author)
    names = {" ".join(fold(name).split()) for name in _names(author)} - {""}
    patterns = [_word(name).replace("\\ ", r"\s+") for name in sorted(names, key=len, reverse=True)]
    word = re.compile("|".join(patterns), re.IGNORECASE)

    def masked(text: str) -> str:
        if not names_them(text):
            return text
        parts, done = [], 0
        for start, end in occurrences(word, text):
            parts += [text[done:start], mask]
            done = end
        rest = "".join([*parts, text[done:]])
        return mask if len(rest) > longest or names_them(rest) else rest

    return masked


def _names(author: Author) -> list[str]:
    return [name for name in (author.handle, author.display_name, author.platform_id) if name]


def _word(name: str) -> str:
    # An underscore is no letter here: "_owl_" has the word "owl".
    return rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"


def _plain(text: str) -> str:
    return " ".join(fold(text).casefold().split())


def _squeezed(plain: str) -> str:
    return "".join(filter(str.isalnum, plain))
