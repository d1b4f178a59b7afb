"""Numbers and booleans."""

from __future__ import annotations

import math
import sqlite3
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Literal, Unpack, overload

import peewee as pw

from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.fields.base import Column, ColumnOptions, V

__all__ = ["BigIntegerField", "BooleanField", "DecimalField", "FloatField", "IntegerField", "total"]


class IntegerField(Column[V]):
    """A whole number within bounds; the widest are those of 32 bits.

    Args:
        min: the smallest allowed value.
        max: the largest allowed value.
    """

    field_type = "INT"
    bits = 32

    @overload
    def __init__(
        self: IntegerField[int],
        *,
        min: int | None = ...,
        max: int | None = ...,
        null: Literal[False] = ...,
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: IntegerField[int | None],
        *,
        min: int | None = ...,
        max: int | None = ...,
        null: Literal[True],
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    def __init__(self, *, min: int | None = None, max: int | None = None, **kwargs: Any) -> None:
        limit: int = 2 ** (self.bits - 1)
        self.min = -limit if min is None else min
        self.max = limit - 1 if max is None else max
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return [f"{column} BETWEEN {self.min} AND {self.max}"]

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, pw.Node):
            return value
        if type(value) is not int:
            raise self.invalid("Not a whole number.")
        if not self.min <= value <= self.max:
            raise self.invalid(f"Must be between {self.min} and {self.max}.")
        return value


class BigIntegerField(IntegerField[V]):
    """A whole number of 64 bits, within bounds."""

    field_type = "BIGINT"
    bits = 64

    @overload
    def __init__(
        self: BigIntegerField[int],
        *,
        min: int | None = ...,
        max: int | None = ...,
        null: Literal[False] = ...,
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: BigIntegerField[int | None],
        *,
        min: int | None = ...,
        max: int | None = ...,
        null: Literal[True],
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[misc]  # mypy compares an open V with each of the overloads


class BooleanField(Column[V]):
    """True or False, nothing that merely looks like it."""

    field_type = "BOOL"

    @overload
    def __init__(self: BooleanField[bool], *, null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]) -> None: ...
    @overload
    def __init__(self: BooleanField[bool | None], *, null: Literal[True], **kwargs: Unpack[ColumnOptions]) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.boolean_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, (bool, pw.Node)):
            return value
        raise self.invalid("Not a boolean.")

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        return None if value is None else bool(value)


class FloatField(Column[V]):
    """A finite double.

    Args:
        min: the smallest allowed value.
        max: the largest allowed value.
    """

    field_type = "DOUBLE"

    @overload
    def __init__(
        self: FloatField[float],
        *,
        min: float | None = ...,
        max: float | None = ...,
        null: Literal[False] = ...,
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: FloatField[float | None],
        *,
        min: float | None = ...,
        max: float | None = ...,
        null: Literal[True],
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    def __init__(self, *, min: float | None = None, max: float | None = None, **kwargs: Any) -> None:
        self.min, self.max = min, max
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        bounds = dialect.float_checks(column)
        if self.min is not None:
            bounds.append(f"{column} >= {float(self.min)!r}")
        if self.max is not None:
            bounds.append(f"{column} <= {float(self.max)!r}")
        return bounds

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, pw.Node):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.invalid("Not a number.")
        try:
            number = float(value)
        except OverflowError:
            raise self.invalid("Numbers must be finite.") from None
        if not math.isfinite(number):
            raise self.invalid("Numbers must be finite.")
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise self.invalid(f"Must be between {self.min} and {self.max}.")
        return number

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        return None if value is None else float(value)


# The program's own context may keep fewer digits. Room for the sum of any table.
_EXACT = Context(prec=60)


class _Scaled(Decimal):
    """One value for two drivers: psycopg2 sees a Decimal, sqlite3 asks ``__conform__`` and gets the scaled integer."""

    def __conform__(self, protocol: object) -> int | None:
        if protocol is sqlite3.PrepareProtocol:
            exponent = self.as_tuple().exponent
            assert isinstance(exponent, int)  # db_value let only finite numbers through
            return int(self.scaleb(-exponent, _EXACT))
        return None


class DecimalField(Column[V]):
    """A decimal of fixed scale that keeps its digits and is never rounded.

    On SQLite it is a scaled integer, so it sorts, compares and sums exactly. Sums come back right through
    :func:`datapkg.kit.fields.total`; make averages and products in Python.

    Args:
        max_digits: digits at the most, 18 the widest.
        scale: digits after the point.
    """

    field_type = "DECIMAL"

    @overload
    def __init__(
        self: DecimalField[Decimal],
        *,
        max_digits: int = ...,
        scale: int = ...,
        null: Literal[False] = ...,
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DecimalField[Decimal | None],
        *,
        max_digits: int = ...,
        scale: int = ...,
        null: Literal[True],
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    def __init__(self, *, max_digits: int = 18, scale: int = 2, **kwargs: Any) -> None:
        if not 0 <= scale <= max_digits <= 18:
            raise ConfigurationError("A decimal has at most 18 digits, and not fewer than its scale.")
        self.max_digits, self.scale = max_digits, scale
        self._quantum = Decimal((0, (1,), -scale))
        self._limit = Decimal(10 ** (max_digits - scale))
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.decimal_checks(column, max_digits=self.max_digits, scale=self.scale)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, pw.Node):
            return value
        if isinstance(value, (bool, float)) or not isinstance(value, (Decimal, int, str)):
            raise self.invalid("Not a decimal; give a Decimal, a whole number or text, not a float.")
        try:
            number = Decimal(value)
            fixed = number.quantize(self._quantum, context=_EXACT) if number.is_finite() else None
        except InvalidOperation:
            fixed = None
        if fixed is None or fixed != number or fixed.copy_abs() >= self._limit:
            raise self.invalid(
                f"Must be a finite decimal of at most {self.max_digits} digits, {self.scale} after the point."
            )
        return _Scaled(fixed)

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        if value is None or isinstance(value, _Scaled):
            return value if value is None else Decimal(value)
        if isinstance(value, int):  # SQLite's scaled integer
            return Decimal(value).scaleb(-self.scale, _EXACT)
        return Decimal(value).quantize(self._quantum, context=_EXACT)


def total(field: DecimalField) -> pw.Function:
    """Return SUM(field) as an exact Decimal on both engines."""
    return pw.fn.SUM(field).converter(field.python_value)
