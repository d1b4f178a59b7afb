"""What all field types of schemas share: their options, their bounds, and patterns that match a text as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from marshmallow import validate

__all__ = ["FieldOptions", "anchored", "length_bound", "merged_options", "range_bound"]


class FieldOptions(TypedDict, total=False):
    """The options every field takes; they mean what they mean in marshmallow.

    ``validate`` is one callable or several: each raises ``marshmallow.ValidationError``, or returns ``False``, to
    refuse the (converted) value.
    """

    required: bool
    allow_none: bool
    load_default: object
    validate: Callable[[Any], object] | Iterable[Callable[[Any], object]]
    data_key: str
    dump_only: bool
    load_only: bool
    error_messages: dict[str, str]
    metadata: Mapping[str, object]


def anchored(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    r"""Return the pattern compiled so that it can only match a text as a whole.

    Args:
        pattern: a regular expression that begins with ``\A`` and ends with ``\Z``.

    Raises:
        ValueError: it does not. ``^…$`` is refused because ``$`` matches before a trailing newline.
    """
    source = pattern if isinstance(pattern, str) else pattern.pattern
    flags = 0 if isinstance(pattern, str) else pattern.flags
    body = source.removeprefix(r"\A").removesuffix(r"\Z")
    escaped = (len(body) - len(body.rstrip("\\"))) % 2 == 1
    if len(body) != len(source) - 4 or escaped:
        raise ValueError(rf"The pattern {source!r} must begin with \A and end with \Z.")
    # Grouped, because in \Aa|b\Z each anchor would hold for one of the alternatives only.
    return re.compile(rf"\A(?:{body})\Z", flags)


def merged_options(
    options: FieldOptions, bound: validate.Validator | None, *more: validate.Validator
) -> dict[str, Any]:
    """Return a field's options with its own validators put before those the caller gave."""
    given = options.get("validate", ())
    own = [each for each in (bound, *more) if each is not None]
    merged: dict[str, Any] = dict(options)
    merged["validate"] = [*own, *([given] if callable(given) else given)]
    return merged


def length_bound(least: int | None, most: int | None) -> validate.Length | None:
    """Return the validator of a length between two bounds, or ``None`` without any."""
    return None if least is None and most is None else validate.Length(least, most)


def range_bound(least: object, most: object) -> validate.Range | None:
    """Return the validator of a value between two bounds, or ``None`` without any."""
    return None if least is None and most is None else validate.Range(least, most)
