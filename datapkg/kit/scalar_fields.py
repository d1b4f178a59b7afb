"""Field types of single values for schemas, strict by default: they convert little and never lose anything.

They differ from marshmallow's own: no truncated ``1.7``, no text read as a number, no ``bytes`` read as text, no NUL
or lone surrogate. Import them from :mod:`datapkg.kit.schemas`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import numbers
import re
import uuid
from collections.abc import Iterable
from typing import Any, Unpack

from marshmallow import ValidationError, fields, validate

from datapkg.kit.field_options import FieldOptions, anchored, length_bound, merged_options, range_bound
from datapkg.kit.json_values import integral, text_problem

__all__ = [
    "MAX_FIELD_INTEGER",
    "MIN_FIELD_INTEGER",
    "Boolean",
    "Choice",
    "Constant",
    "Date",
    "Decimal",
    "Float",
    "Integer",
    "Text",
    "Timestamp",
    "Uuid",
]

#: The range of an Integer field without bounds of its own: what a BIGINT column holds.
MIN_FIELD_INTEGER, MAX_FIELD_INTEGER = -(2**63), 2**63 - 1

_UUID = re.compile(r"\A(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32})\Z")
_DATE = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TIMESTAMP = re.compile(
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})\Z"
)
_NUMBER = re.compile(r"\A[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\Z")


class Text(fields.Field[str]):
    r"""Text that both engines can store: a ``str`` without NUL and without lone surrogates.

    Args:
        min: the least number of characters.
        max: the greatest number of characters.
        pattern: a regular expression, anchored with ``\A…\Z``.
        options: see :class:`FieldOptions`.

    Raises:
        ValueError: the pattern is not anchored.
    """

    default_error_messages = {"invalid": "Not a valid string."}

    def __init__(
        self,
        min: int | None = None,
        max: int | None = None,
        *,
        pattern: str | re.Pattern[str] | None = None,
        **options: Unpack[FieldOptions],
    ) -> None:
        if pattern is not None:
            anchored(pattern)  # refused here, where the traceback shows the line; the schema does it to stay
        matches = [] if pattern is None else [validate.Regexp(pattern)]
        super().__init__(**merged_options(options, length_bound(min, max), *matches))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if why := text_problem(value):
            raise ValidationError(why)
        return str.__str__(value)


class Choice(fields.Field[str]):
    """One of a fixed set of texts.

    Args:
        values: the texts, distinct and not empty.
        options: see :class:`FieldOptions`.

    Raises:
        ValueError: there is no value, or one is not usable or given twice.
    """

    default_error_messages = {"invalid": "Not a valid string."}

    def __init__(self, values: Iterable[str], **options: Unpack[FieldOptions]) -> None:
        self.values = () if isinstance(values, str) else tuple(values)
        usable = all(isinstance(value, str) and value and not text_problem(value) for value in self.values)
        if not self.values or not usable or len(set(self.values)) != len(self.values):
            raise ValueError(f"A Choice needs distinct texts, not {values!r}.")
        super().__init__(**merged_options(options, validate.OneOf(self.values)))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return str.__str__(value)


class Constant(fields.Field[Any]):
    """Exactly one value (marshmallow's own Constant accepts anything and replaces it).

    Args:
        constant: a text, an integer or a boolean.
        options: see :class:`FieldOptions`.
    """

    def __init__(self, constant: str | int | bool, **options: Unpack[FieldOptions]) -> None:
        self.constant = constant
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> object:
        if type(value) is not type(self.constant) or value != self.constant:
            raise ValidationError(f"Must be {self.constant!r}.")
        return value


class Integer(fields.Field[int]):
    """A whole number: no text, no boolean, no float, not even ``1.0``; within what BIGINT holds.

    Args:
        min: the least value.
        max: the greatest value.
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {"invalid": "Not a valid integer.", "too_large": "Number too large."}

    def __init__(self, min: int | None = None, max: int | None = None, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, range_bound(min, max)))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise self.make_error("invalid")
        number = int(value)
        if not MIN_FIELD_INTEGER <= number <= MAX_FIELD_INTEGER:
            raise self.make_error("too_large")
        return number


class Float(fields.Field[float]):
    """A finite binary floating point number; an integer is converted if that loses nothing.

    Args:
        min: the least value.
        max: the greatest value.
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {
        "invalid": "Not a valid number.",
        "too_large": "Number too large.",
        "special": "Special numeric values (nan or infinity) are not permitted.",
        "inexact": "Not exactly representable as a float.",
    }

    def __init__(self, min: float | None = None, max: float | None = None, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, range_bound(min, max)))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise self.make_error("invalid")
        try:
            number = float(value)
        except OverflowError as error:
            raise self.make_error("too_large") from error
        if not math.isfinite(number):
            raise self.make_error("special")
        # jsonb may have made an integer of a large float: the same digits, though not the same value.
        if number != value and not (number.is_integer() and integral(number) == value):
            raise self.make_error("inexact")
        return number


class Boolean(fields.Field[bool]):
    """``True`` or ``False`` and nothing else.

    Args:
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {"invalid": "Not a valid boolean."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> bool:
        if value is not True and value is not False:
            raise self.make_error("invalid")
        return value


class Uuid(fields.Field[uuid.UUID]):
    """A UUID: a ``uuid.UUID``, or its text with or without dashes; gives a ``uuid.UUID``.

    Args:
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {"invalid_uuid": "Not a valid UUID."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> uuid.UUID:
        if type(value) is uuid.UUID:
            return value
        if isinstance(value, uuid.UUID):
            return uuid.UUID(int=value.int)
        if not isinstance(value, str) or not _UUID.match(value):
            raise self.make_error("invalid_uuid")
        return uuid.UUID(value)

    def _serialize(self, value: uuid.UUID | None, attr: object, obj: object, **kwargs: object) -> str | None:
        return None if value is None else str(value)


class Timestamp(fields.Field[dt.datetime]):
    """A moment: an aware ``datetime``, or ISO 8601 text with an offset; gives an aware ``datetime`` in UTC.

    Text has at most six digits after the second. A naive ``datetime`` or text without an offset is refused.

    Args:
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {
        "invalid": "Not a valid datetime.",
        "naive": "Must have a time zone, for example 2024-02-29T12:00:00Z.",
    }

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> dt.datetime:
        if isinstance(value, str):
            if not _TIMESTAMP.match(value):
                raise self.make_error("naive" if _TIMESTAMP.match(value + "Z") else "invalid")
            try:
                value = dt.datetime.fromisoformat(value)
            except ValueError as error:
                raise self.make_error("invalid") from error
        if not isinstance(value, dt.datetime):
            raise self.make_error("invalid")
        if value.utcoffset() is None:
            raise self.make_error("naive")
        try:
            moment = value.astimezone(dt.UTC)
        except OverflowError as error:  # the offset moves it out of the years 1 to 9999
            raise self.make_error("invalid") from error
        if type(moment) is dt.datetime and moment.tzinfo is dt.UTC:
            return moment
        date = moment.year, moment.month, moment.day
        return dt.datetime(*date, moment.hour, moment.minute, moment.second, moment.microsecond, tzinfo=dt.UTC)

    def _serialize(self, value: dt.datetime | None, attr: object, obj: object, **kwargs: object) -> str | None:
        return None if value is None else value.isoformat()


class Date(fields.Field[dt.date]):
    """A calendar day: a ``date`` (not a ``datetime``), or text as ``2024-02-29``; gives a ``date``.

    Args:
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {"invalid": "Not a valid date."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> dt.date:
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return dt.date(value.year, value.month, value.day)
        if not isinstance(value, str) or not _DATE.match(value):
            raise self.make_error("invalid")
        try:
            return dt.date.fromisoformat(value)
        except ValueError as error:
            raise self.make_error("invalid") from error

    def _serialize(self, value: dt.date | None, attr: object, obj: object, **kwargs: object) -> str | None:
        return None if value is None else value.isoformat()


class Decimal(fields.Field[decimal.Decimal]):
    """An exact decimal number: a ``Decimal``, an integer, or text; never a float, never rounded.

    Gives a ``Decimal`` with exactly ``scale`` decimal places: ``"1.5"`` with a scale of 2 is ``Decimal("1.50")``.

    Args:
        max_digits: how many digits it may have in all, decimal places included.
        scale: how many of them are decimal places.
        min: the least value.
        max: the greatest value.
        options: see :class:`FieldOptions`.

    Raises:
        ValueError: unless ``max_digits >= 1`` and ``0 <= scale <= max_digits``.
    """

    default_error_messages = {
        "invalid": "Not a valid decimal number.",
        "special": "Special numeric values (nan or infinity) are not permitted.",
        "digits": "At most {whole} digits before the decimal point.",
        "scale": "At most {scale} decimal places.",
    }

    def __init__(
        self,
        max_digits: int,
        scale: int,
        *,
        min: decimal.Decimal | int | None = None,
        max: decimal.Decimal | int | None = None,
        **options: Unpack[FieldOptions],
    ) -> None:
        if max_digits < 1 or not 0 <= scale <= max_digits:
            raise ValueError(f"No decimal has {max_digits} digits of which {scale} are decimal places.")
        self.max_digits, self.scale = max_digits, scale
        super().__init__(**merged_options(options, range_bound(min, max)))

    def is_exact(self, value: object) -> bool:
        """Tell whether this is a value as the field gives it: a fitting ``Decimal`` of exactly ``scale`` places."""
        if type(value) is not decimal.Decimal or not value.is_finite():
            return False
        sign, digits, exponent = value.as_tuple()
        return exponent == -self.scale and len(digits) <= self.max_digits and not (sign and not value)

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> decimal.Decimal:
        if isinstance(value, str) and _NUMBER.match(value):
            value = decimal.Decimal(value)
        elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
            value = decimal.Decimal(int(value))
        elif not isinstance(value, decimal.Decimal):
            raise self.make_error("invalid")
        if not value.is_finite():
            raise self.make_error("special")
        whole = self.max_digits - self.scale
        if value and value.adjusted() >= whole:
            raise self.make_error("digits", whole=whole)
        context = decimal.Context(prec=self.max_digits + 1, traps=[decimal.Inexact, decimal.InvalidOperation])
        try:
            exact = decimal.Decimal(value).quantize(decimal.Decimal((0, (1,), -self.scale)), context=context)
        except decimal.DecimalException as error:
            raise self.make_error("scale", scale=self.scale) from error
        return exact if exact else exact.copy_abs()

    def _serialize(self, value: decimal.Decimal | None, attr: object, obj: object, **kwargs: object) -> str | None:
        return None if value is None else format(value, "f")
