"""One spelling of a row for every engine: a line of JSON, the same for the same content.

A row's canonical values are JSON's: a key, an instant, a day and a decimal are text, a JSON column is JSON text with
its keys sorted by code point. Each column goes three ways: from the driver to the canonical value, from it to the
line, and from it to what the other engine's driver takes.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import ValidationError
from datapkg.kit.fields import (
    BooleanField,
    DateField,
    DecimalField,
    FloatField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.json_values import dump_json, is_plain, normalise, parse_json
from datapkg.operations.moving.tables import MovedTable

try:
    import orjson
except ImportError:  # pragma: no cover - the tests run with it, and once more with it blocked
    orjson = None  # type: ignore[assignment]  # the name stands for "not installed"

__all__ = ["RowCodec", "normal_json"]

Convert = Callable[[Any], Any]

_sorted = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
_text = json.encoder.encode_basestring  # JSON text of a str, not escaped beyond what JSON requires
_exponent = re.compile("[0-9]e[-0-9]")


def normal_json(text: str) -> str:
    """Return JSON text with sorted keys and every number spelled in one way, as both engines give it back.

    Raises:
        ValueError: it is not JSON that both engines can hold.
    """
    value = parse_json(text)
    # Only these can go wrong in what a parser took: NUL, depth, size.
    doubtful = "\\u0000" in text or len(text) > 1_000_000 or text.count("[") + text.count("{") > 100
    if doubtful and not is_plain(value):
        _, problems = normalise(value)
        raise ValueError("; ".join(f"{path or 'value'}: {' '.join(why)}" for path, why in problems.items()))
    return _spelled(value)


def _spelled(value: object) -> str:
    made = _encoded(value)
    # A negative zero comes back as zero from jsonb; a large float has a spelling of its own. Both are rare.
    if "e+" in made or "-0.0" in made:
        return dump_json(_tidy(value))
    return made


def _encoded(value: object) -> str:
    """Encode with sorted keys; the same text with and without orjson."""
    if orjson is not None:
        try:
            made = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        except TypeError:  # an integer beyond 64 bits
            return _sorted.encode(value)
        # The only things that the two spell differently are floats that Python gives an exponent.
        if "0.0000" not in made and _exponent.search(made) is None:
            return made
    return _sorted.encode(value)


def _tidy(value: object) -> object:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return {key: _tidy(value[key]) for key in sorted(value)}
    return [_tidy(each) for each in value] if isinstance(value, list) else value


class RowCodec:
    """Converts the rows of one table.

    Args:
        table: the table; rows are sequences in the order of its columns.
        dialect: the engine that rows are read from or written to.
    """

    def __init__(self, table: MovedTable, dialect: Dialect) -> None:
        self.table = table
        fields = [table.fields[column] for column in table.columns]
        self._take = [_taker(field, dialect) for field in fields]
        self._give = [_giver(field) for field in fields]
        self._spell = [_speller(field) for field in fields]
        self._receive = [_receiver(field) for field in fields]
        heads = [json.dumps(column) + ":" for column in table.columns]
        self._heads = ["{" + heads[0], *("," + head for head in heads[1:])]

    def take(self, raw: Sequence[Any]) -> list[Any]:
        """Return the canonical values of what the driver gave.

        Raises:
            ValidationError: a value is none that its column may hold; paths are columns.
        """
        try:
            return [
                value if value is None or convert is None else convert(value)
                for convert, value in zip(self._take, raw, strict=True)
            ]
        except (ValueError, ValidationError, OverflowError):
            raise self._problems(self._take, raw) from None

    def give(self, row: Sequence[Any]) -> list[Any]:
        """Return the driver's values of canonical ones."""
        return [
            value if value is None or convert is None else convert(value)
            for convert, value in zip(self._give, row, strict=True)
        ]

    def line(self, row: Sequence[Any]) -> bytes:
        """Return the row's line: a JSON object by column, and a line feed."""
        parts = []
        for head, spell, value in zip(self._heads, self._spell, row, strict=True):
            parts.append(head)
            parts.append("null" if value is None else value if spell is None else spell(value))
        return ("".join(parts) + "}\n").encode()

    def receive(self, given: Sequence[Any]) -> list[Any]:
        """Return the canonical values of a parsed line's, checked against their columns.

        Raises:
            ValidationError: with every complaint; paths are columns.
        """
        try:
            return [convert(value) for convert, value in zip(self._receive, given, strict=True)]
        except (ValueError, TypeError, ValidationError, OverflowError):
            raise self._problems(self._receive, given) from None

    def _problems(self, converts: Sequence[Convert | None], row: Sequence[Any]) -> ValidationError:
        problems: dict[str, list[str]] = {}
        for column, convert, value in zip(self.table.columns, converts, row, strict=True):
            try:
                if convert is not None and (value is not None or converts is self._receive):
                    convert(value)
            except ValidationError as error:
                for path, why in error.errors.items():
                    problems[column + path.removeprefix(self.table.fields[column].name)] = why
            except (ValueError, TypeError, OverflowError) as error:
                problems[column] = [f"{error}."]
        return ValidationError(problems, what=f"row of {self.table.name}")


def _taker(field: Any, dialect: Dialect) -> Convert | None:
    """From the driver to the canonical value; None where they are the same."""
    if isinstance(field, JSONField):
        return normal_json
    if isinstance(field, DecimalField):
        return lambda value: format(field.python_value(value), "f")
    if isinstance(field, (TimestampField, DateField)):
        if dialect.stores_instants_as_text:
            return None
        return lambda value: field.db_value(field.python_value(value))
    if isinstance(field, BooleanField):
        return bool
    if isinstance(field, FloatField):
        return _plain_float
    return None


def _plain_float(value: float) -> float:
    return float(value) + 0.0  # SQLite keeps no negative zero


def _giver(field: Any) -> Convert | None:
    """From the canonical value to what either driver takes; None where they are the same."""
    if isinstance(field, DecimalField):
        convert: Convert = field.db_value  # it adapts itself to the driver
        return convert
    return None


def _speller(field: Any) -> Convert | None:
    """From the canonical value to its JSON text; None where it is JSON text already."""
    if isinstance(field, JSONField):
        return None
    if isinstance(field, (BooleanField, FloatField)):
        return json.dumps
    kind = getattr(field, "field_type", "")
    return str if kind in ("INT", "BIGINT", "SMALLINT") else _value_text


def _value_text(value: Any) -> str:
    return _text(value) if type(value) is str else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _receiver(field: Any) -> Convert:
    """From a parsed line's value to the canonical one, refusing what the column does not hold."""
    convert = _checked(field)

    def receive(value: Any) -> Any:
        if value is None:
            if not field.null:
                raise ValidationError({field.name: ["May not be empty."]})
            return None
        return convert(value)

    return receive


def _checked(field: Any) -> Convert:
    if isinstance(field, JSONField):
        return lambda value: _json_value(value, field.name)
    if isinstance(field, DecimalField):
        return lambda value: format(field.db_value(_as(str, value, field)), "f")
    if isinstance(field, TimestampField):
        return lambda value: field.db_value(dt.datetime.fromisoformat(_as(str, value, field)))
    if isinstance(field, DateField):
        return lambda value: field.db_value(dt.date.fromisoformat(_as(str, value, field)))
    if isinstance(field, TextField):
        return lambda value: _bounded(field, field.db_value(value))
    return field.db_value  # type: ignore[no-any-return]  # Peewee's fields are untyped


def _as(kind: type, value: Any, field: Any) -> Any:
    if type(value) is not kind:
        raise ValidationError({field.name: ["Not text."]})
    return value


def _json_value(value: Any, name: str) -> str:
    if not is_plain(value):
        _, problems = normalise(value)
        raise ValidationError({f"{name}.{path}" if path else name: why for path, why in problems.items()})
    return _spelled(value)


def _bounded(field: TextField, text: str) -> str:
    if len(text) < field.min_length:
        raise ValidationError({field.name: [f"Shorter than {field.min_length} characters."]})
    if field.max_length is not None and len(text) > field.max_length:
        raise ValidationError({field.name: [f"Longer than {field.max_length} characters."]})
    return text
