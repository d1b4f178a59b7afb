"""Instants and dates."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, Unpack, overload

import peewee as pw

from datapkg.kit.dialect import Dialect
from datapkg.kit.fields.base import Column, ColumnOptions, V

__all__ = ["DateField", "TimestampField"]

UTC = dt.UTC


class TimestampField(Column[V]):
    """An instant, aware and in UTC, to the microsecond; naive datetimes are refused."""

    field_type = "TIMESTAMPTZ"

    @overload
    def __init__(
        self: TimestampField[dt.datetime], *, null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: TimestampField[dt.datetime | None], *, null: Literal[True], **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.timestamp_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if type(value) is dt.datetime and value.tzinfo is UTC:
            return value.isoformat("T", "microseconds")[:26] + "Z"  # as below, in half the time
        if value is None or isinstance(value, pw.Node):
            return value
        if not isinstance(value, dt.datetime):
            raise self.invalid("Not a datetime.")
        if value.tzinfo is None or value.utcoffset() is None:
            raise self.invalid("Naive datetimes are refused; give it a time zone, such as datetime.now(UTC).")
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise self.invalid("The instant is outside the years 1 to 9999.") from None
        # One fixed-width spelling that sorts on SQLite and that PostgreSQL reads as UTC.
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        if value is None:
            return None
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


class DateField(Column[V]):
    """A calendar date, without a time."""

    field_type = "DATE"

    @overload
    def __init__(self: DateField[dt.date], *, null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]) -> None: ...
    @overload
    def __init__(self: DateField[dt.date | None], *, null: Literal[True], **kwargs: Unpack[ColumnOptions]) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.date_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, pw.Node):
            return value
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise self.invalid("Not a date.")
        return value.isoformat()

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
