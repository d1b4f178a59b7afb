"""Text as a reader sees it, for searching, with the way back to where each part stands in what was written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["fold", "occurrences"]

# Format characters (category Cf) are found by their category. These are of other categories and show nothing
# either: controls that are no white space, and what Unicode calls Default_Ignorable_Code_Point: the grapheme joiner,
# Hangul fillers, Khmer inherent vowels, variation selectors, and code points that are kept free for more of the kind.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u034f\u115f\u1160\u3164\uffa0\u17b4\u17b5\u180b-\u180d\u180f"
    "\u2065\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def _shows(char: str) -> bool:
    return unicodedata.category(char) != "Cf" and not _INVISIBLE.match(char)


def _is_plain(text: str) -> bool:
    """Tell whether a text is its own folded form, character by character."""
    return text.isascii() and not _INVISIBLE.search(text)


def fold(text: str) -> str:
    """Return a text in Unicode's NFKC form, without the characters that show nothing.

    Args:
        text: any text.
    """
    if _is_plain(text):
        return text
    return unicodedata.normalize("NFKC", "".join(filter(_shows, text)))


def occurrences(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Yield where a pattern matches the folded text, as the start and end of that part of the raw text.

    Where one raw character folds to several (a ligature), the part takes in the whole character; an empty match is
    passed over.

    Args:
        pattern: what to look for.
        text: the raw text.
    """
    found = [match.span() for match in pattern.finditer(fold(text)) if match.end() > match.start()]
    if not found:
        return
    if _is_plain(text):
        yield from found
        return
    places = [place for folded, *place in _segments(text) for _ in folded]
    for start, end in found:
        yield places[start][0], places[end - 1][1]


def _segments(text: str) -> Iterator[tuple[str, int, int]]:
    """Cut a text where its parts fold independently; yield each part folded, and where it stands in the raw text."""
    segment, folded, start, end = "", "", 0, 0
    for index, char in enumerate(text):
        if not _shows(char):
            continue
        alone = unicodedata.normalize("NFKC", char)
        if segment and not _cut_before(char, alone, segment, folded):
            segment += char
            # Combining characters are put in order once, when the segment ends.
            folded = "" if unicodedata.combining(alone[0]) else unicodedata.normalize("NFKC", segment)
            end = index + 1
            continue
        if segment:
            yield folded or unicodedata.normalize("NFKC", segment), start, end
        segment, folded, start, end = char, alone, index, index + 1
    if segment:
        yield folded or unicodedata.normalize("NFKC", segment), start, end


def _cut_before(char: str, alone: str, segment: str, folded: str) -> bool:
    if char.isascii():
        return True
    if unicodedata.combining(alone[0]):
        return False
    # A starter can join what stands before it, such as a Hangul vowel its consonant.
    return unicodedata.normalize("NFKC", segment + char) == (folded or unicodedata.normalize("NFKC", segment)) + alone
