"""Instants and spans as callers give them, and the clock they can replace."""

from __future__ import annotations

import datetime as dt

from datapkg.kit.errors import ValidationError
from datapkg.kit.models import now as clock

__all__ = ["as_instant", "later"]


def as_instant(value: dt.datetime | None, name: str = "now") -> dt.datetime:
    """Return the instant given, in UTC, or the present one.

    Args:
        value: an aware datetime, or None for the present.
        name: the argument it was given as, for the error.

    Raises:
        ValidationError: it is not a datetime, or naive.
    """
    if value is None:
        return clock()
    if not isinstance(value, dt.datetime):
        raise ValidationError({name: ["Not a valid datetime."]})
    if value.utcoffset() is None:
        raise ValidationError({name: ["Must have a time zone, for example datetime.now(UTC)."]})
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise ValidationError({name: ["The instant is outside the years 1 to 9999."]}) from None


def later(start: dt.datetime, span: dt.timedelta, name: str) -> dt.datetime:
    """Return the instant a positive span after another.

    Args:
        start: an aware datetime.
        span: how long, more than nothing.
        name: the argument the span was given as, for the error.

    Raises:
        ValidationError: the span is not a timedelta, not positive, or leads beyond the year 9999.
    """
    if not isinstance(span, dt.timedelta):
        raise ValidationError({name: ["Not a timedelta."]})
    if span <= dt.timedelta(0):
        raise ValidationError({name: ["Must be longer than nothing."]})
    try:
        return start + span
    except OverflowError:
        raise ValidationError({name: ["Leads beyond the year 9999."]}) from None
