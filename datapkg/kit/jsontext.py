"""The JSON text that a column stores, checked once."""

from __future__ import annotations

from typing import Any

from datapkg.kit.errors import ValidationError
from datapkg.kit.json_values import dotted, dump_json, is_plain, normalise, parse_json

__all__ = ["Encoded", "decode", "encode"]


class Encoded(str):
    """JSON text that has been checked; fields take it as it stands."""

    __slots__ = ()


def encode(value: object, *, path: str = "value") -> Encoded:
    """Return a value as compact JSON text.

    Args:
        value: a plain JSON value, see :mod:`datapkg.kit.json_values`.
        path: how errors name the value.

    Raises:
        ValidationError: the value holds something that one of the engines could not give back.
    """
    if not is_plain(value):
        value, problems = normalise(value)
        if problems:
            raise ValidationError({dotted((path, where)) if where else path: why for where, why in problems.items()})
    return Encoded(dump_json(value))


def decode(text: str) -> Any:
    """Parse JSON text that :func:`encode` or an engine wrote.

    Raises:
        ValueError: the text is not JSON.
    """
    return parse_json(text)
