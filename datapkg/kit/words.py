"""Words in messages: one of a thing or several, and the name that was meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["counted", "did_you_mean"]


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        count: how many.
        one: the noun for one of them.
        many: the noun for any other number, where it is not ``one`` with an s.

    >>> counted(1, "entry", "entries"), counted(1200, "row")
    ('1 entry', '1,200 rows')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name that is nearest to what was typed, or nothing.

    >>> did_you_mean("evalution", ["audit", "evaluation"])
    " Did you mean 'evaluation'?"
    """
    import difflib  # only where something was mistyped

    by_letters = {each.casefold(): each for each in known}
    typed = name.casefold()
    near = difflib.get_close_matches(typed, by_letters, n=1)
    # What was cut short: `stat` and `def` are nobody's neighbours by their letters.
    near = near or [each for each in by_letters if len(typed) > 2 and each.startswith(typed)][:1]
    return f" Did you mean {by_letters[near[0]]!r}?" if near else ""
