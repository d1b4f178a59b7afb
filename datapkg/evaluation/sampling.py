"""Drawing the sample of a run: the same on every engine, machine and Python, and open to anybody's check."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable
from fractions import Fraction

from datapkg.kit.errors import ValidationError
from datapkg.kit.json_values import text_problem

__all__ = ["draw_sample"]

_GREATEST_SEED = 2**53


def draw_sample(names: Iterable[str], *, percentage: float, seed: int) -> list[str]:
    """Return the names that a run's sample holds, as anybody can check.

    The method: for each name take the SHA-256 of the UTF-8 text ``{seed}:{name}``, such as ``7:tone=kind``. Of ``n``
    names the ``ceil(n * percentage / 100)`` with the smallest digests are drawn, smallest first. The percentage counts
    as the decimal number that it is written as, so that 0.1 % of 1,000 names are exactly one; of at least one name at
    least one is drawn. Neither keys nor the order of the names matter, and with the same seed a greater percentage
    draws all that a smaller one does.

    Args:
        names: the scenarios' names, each once.
        percentage: greater than 0 and at most 100.
        seed: ``sample_seed`` of the run's config, from 0 to 2**53.

    Raises:
        ValidationError: an argument is not valid.

    Example:
        >>> draw_sample(["a", "b", "c"], percentage=50, seed=1)
        ['a', 'b']
    """
    problems: dict[str, list[str]] = {}
    if isinstance(percentage, bool) or not isinstance(percentage, (int, float)) or not 0 < percentage <= 100:
        problems["percentage"] = ["Must be greater than 0 and at most 100."]
    if isinstance(seed, bool) or not isinstance(seed, int):
        problems["seed"] = ["Not a valid integer."]
    elif not 0 <= seed <= _GREATEST_SEED:
        problems["seed"] = [f"Must be between 0 and {_GREATEST_SEED}."]
    listed = list(names) if isinstance(names, Iterable) and not isinstance(names, (str, bytes)) else None
    if listed is None or not all(isinstance(name, str) and text_problem(name) is None for name in listed):
        problems["names"] = ["Must be an iterable of names."]
    if problems or listed is None:
        raise ValidationError(problems, what="sample")
    digests = [(hashlib.sha256(f"{seed}:{name}".encode()).digest(), name) for name in listed]
    # Through its text: the float 0.1 is a little more than a tenth, which would round 1 up to 2.
    wanted = math.ceil(len(digests) * Fraction(str(percentage)) / 100)
    return [name for _, name in heapq.nsmallest(wanted, digests)]
