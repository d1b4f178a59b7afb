r"""JSON values: what may be stored, how it is parsed, and one canonical text to hash.

A *plain* value is what comes out of a JSON parser and goes back in unchanged on both engines: ``dict`` with text
keys, ``list``, ``str`` without NUL and lone surrogates, ``int`` of at most 64 bits, finite ``float``, ``bool``,
``None``; at most 100 containers deep and two million values in all.

PostgreSQL's jsonb spells some numbers another way than they were written (``1e20`` comes back as
``100000000000000000000``, ``-0.0`` as ``0.0``). So :func:`dump_json` writes a large float with all its digits and
``.0``, which stays a float. Where somebody else wrote it, an integer beyond 64 bits that is such a spelling of a float
counts as that float; any other is refused, because some readers would round it.
"""

from __future__ import annotations

import decimal
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from datapkg.kit.errors import ValidationError

try:  # The extra "json"; what it returns is the same, see parse_json.
    import orjson
except ImportError:  # pragma: no cover - the tests run with it, and once more with it blocked
    orjson = None  # type: ignore[assignment]  # the name stands for "not installed"

__all__ = [
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MAX_VALUES",
    "MIN_INTEGER",
    "Dotted",
    "canonical_json",
    "content_hash",
    "dotted",
    "dump_json",
    "has_lone_surrogate",
    "integral",
    "is_plain",
    "normalise",
    "parse_json",
    "text_problem",
]

MAX_DEPTH = 100
MAX_VALUES = 2_000_000
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
_MAX_PROBLEMS = 100
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def has_lone_surrogate(text: str) -> bool:
    """Tell whether a text holds half of a pair of surrogates, so that nobody could write it as UTF-8."""
    try:
        text.encode()  # six times as fast as looking for one with a regular expression
    except UnicodeEncodeError:
        return True
    return False


class Dotted(str):
    """A path that is already joined by dots, so that nobody shortens or escapes it again."""

    __slots__ = ()


def dotted(parts: Iterable[object]) -> Dotted:
    """Join the keys and positions of a path by dots, as ``content.dimensions.2.name``.

    Args:
        parts: keys and 0-based positions, outermost first. What cannot be printed is escaped, and a key of more
            than 80 characters is cut, so that a hostile key cannot spoil a log.
    """
    return Dotted(".".join(part if type(part) is Dotted else _printable(str(part)) for part in parts))


def _printable(part: str) -> str:
    short = part if len(part) <= 80 else part[:79] + "…"
    return short if short.isprintable() else short.encode("unicode_escape").decode("ascii")


def text_problem(text: str) -> str | None:
    """Return why this text cannot be stored in both engines (NUL, a lone surrogate), or ``None``."""
    if "\0" in text:
        return "May not contain NUL characters."
    if not text.isascii() and has_lone_surrogate(text):
        return "May not contain lone surrogates."
    return None


def is_plain(value: object) -> bool:
    """Tell whether ``value`` is a plain JSON value, exactly as the module's text defines it.

    It goes level by level and not recursively, so that neither depth nor a cycle can exhaust the stack.
    """
    level: list[Any] = [value]
    depth = count = 0
    while level:
        count += len(level)
        if count > MAX_VALUES:
            return False
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                if "\0" in item or (not item.isascii() and has_lone_surrogate(item)):
                    return False
            elif kind is dict:
                for key in item:
                    if type(key) is not str or "\0" in key or (not key.isascii() and has_lone_surrogate(key)):
                        return False
                below += item.values()
                if depth == MAX_DEPTH:
                    return False
            elif kind is list:
                below += item
                if depth == MAX_DEPTH:
                    return False
            elif kind is int:
                if not MIN_INTEGER <= item <= MAX_INTEGER:
                    return False
            elif kind is float:
                if not -math.inf < item < math.inf:
                    return False
            elif item is not None and kind is not bool:
                return False
        level = below
        depth += 1
    return True


def normalise(value: object) -> tuple[object, dict[Dotted, list[str]]]:
    """Return a plain copy of ``value``, and every reason why there is none.

    Tuples become lists, other mappings become ``dict``, subclasses of ``str``, ``int`` and ``float`` their plain
    value; nothing else is converted.

    Returns:
        The copy and ``{path: [message]}`` with paths relative to ``value`` (``""`` is the value itself). The copy
        means nothing unless the second is empty. After 100 problems the search ends.
    """
    walk = _Walk()
    copy = walk.visit(value, (), 0)
    return copy, walk.problems


class _Walk:
    def __init__(self) -> None:
        self.problems: dict[Dotted, list[str]] = {}
        self.count = 0

    def refuse(self, path: tuple[object, ...], why: str) -> None:
        self.problems.setdefault(dotted(path), []).append(why)

    def visit(self, value: object, path: tuple[object, ...], depth: int) -> object:
        self.count += 1
        if len(self.problems) >= _MAX_PROBLEMS:
            return None
        if self.count > MAX_VALUES:
            if self.count == MAX_VALUES + 1:
                self.problems[Dotted("")] = [f"Holds more than {MAX_VALUES:,} values."]
            return None
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            if why := text_problem(value):
                self.refuse(path, why)
            return str.__str__(value)
        if isinstance(value, int):
            return self.integer(int(value), path)
        if isinstance(value, float):
            if not math.isfinite(value):
                self.refuse(path, "Must be a finite number.")
            return float(value)
        if not isinstance(value, (Mapping, list, tuple)):
            self.refuse(path, f"Not a JSON value ({type(value).__name__}).")
            return None
        if depth == MAX_DEPTH:
            self.refuse(path, f"Nested deeper than {MAX_DEPTH} levels.")
            return None
        if isinstance(value, Mapping):
            return self.mapping(value, path, depth)
        return [self.visit(item, (*path, number), depth + 1) for number, item in enumerate(value)]

    def integer(self, value: int, path: tuple[object, ...]) -> int | float:
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
        # Bounded first: converting a number of a million digits would take minutes.
        if value.bit_length() <= 1025:
            same = float(value) if abs(value) < 2**1024 - 2**970 else math.inf
            if math.isfinite(same) and integral(same) == value:
                return same
        self.refuse(path, "Integers beyond 64 bits lose digits; store it as text.")
        return value

    def mapping(self, value: Mapping[object, object], path: tuple[object, ...], depth: int) -> dict[str, object]:
        copy: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.refuse((*path, key), "Keys must be text.")
            elif why := text_problem(key):
                self.refuse((*path, key), f"Key: {why[0].lower()}{why[1:]}")
            else:
                copy[str.__str__(key)] = self.visit(item, (*path, key), depth + 1)
        return copy


def parse_json(text: str | bytes) -> object:
    """Parse JSON text as strictly as both engines store it, the same with and without orjson.

    Integers beyond 64 bits come back as floats: only a float of that size can have been stored.

    Raises:
        ValueError: the text is not JSON, or holds NaN, an infinite number or a lone surrogate.
    """
    if orjson is not None:
        return orjson.loads(text)
    raw = text if isinstance(text, str) else bytes(text).decode("utf-8")
    try:
        value: object = _decoder.decode(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # A lone surrogate comes as itself or as an escape; nobody can write it out again.
    if (not raw.isascii() and has_lone_surrogate(raw)) or (
        "\\u" in raw and has_lone_surrogate(json.dumps(value, ensure_ascii=False))
    ):
        raise ValueError("a lone surrogate")
    return value


def dump_json(value: object, *, floats: bool = True) -> str:
    """Return a plain value as JSON text: no white space, text not escaped beyond what JSON requires.

    A float of 1e16 or more is written with all its digits and ``.0``, because jsonb would make an integer of ``1e+16``.

    Args:
        value: a plain JSON value; it is not checked again.
        floats: whether it may hold floats. Without them orjson, where installed, writes the very same text.

    Raises:
        ValueError: it is not plain (NaN, an infinite number).
        TypeError: it is not plain (a type that JSON does not have).
    """
    if orjson is not None and not floats:
        return orjson.dumps(value).decode()
    text = _encoder.encode(value)
    # Rarely true, and then mostly because of a text; the slow way is right for both.
    return _written(value) if "e+" in text else text


def _written(value: object) -> str:
    if isinstance(value, float) and "e+" in repr(value):
        return f"{integral(value)}.0"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encoder.encode(key)}:{_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return _encoder.encode(value)


def _parse_int(text: str) -> int | float:
    if len(text) < 19:
        return int(text)
    value = int(text) if len(text) <= 20 else MAX_INTEGER + 1
    return value if MIN_INTEGER <= value <= MAX_INTEGER else _parse_float(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


# Made once: json.loads makes a new one at every call with such hooks, which takes longer than most documents.
_decoder = json.JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_float)


def canonical_json(value: object) -> str:
    """Return the one text that stands for ``value`` on every engine, for hashing and comparing.

    Keys are sorted by code point, there is no white space, text is not escaped beyond what JSON requires, and a
    number is spelled by its value: ``1``, ``1.0`` and ``1e0`` are all ``1``, ``1e20`` is ``100000000000000000000``,
    ``-0.0`` is ``0``, any other float is Python's shortest spelling. So the text is the same before a value is stored
    and after it is read back from jsonb, which reorders keys and spells numbers its own way.

    Raises:
        ValidationError: the value is not plain JSON (NaN, NUL, keys that are not text, too deep, …), with paths.
    """
    if not is_plain(value):
        value, problems = normalise(value)
        if problems:
            raise ValidationError({path or "_schema": why for path, why in problems.items()}, what="JSON value")
    return json.dumps(_spelled(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def content_hash(value: object) -> str:
    """Return the SHA-256 of :func:`canonical_json` as 64 lower-case hexadecimal digits.

    Raises:
        ValidationError: the value is not plain JSON.
    """
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def _spelled(value: object) -> object:
    if isinstance(value, float):
        return integral(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spelled(item) for item in value]
    return value


def integral(value: float) -> int:
    """Return the integer whose digits are those of a whole float's shortest spelling.

    It is not ``int(value)``: 1e23 is written and read back as 10**23, which ``int(1e23)`` is not.

    Args:
        value: a finite float without a fraction.
    """
    return int(decimal.Decimal(repr(value)))
