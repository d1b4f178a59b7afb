"""What legacy values are taken for: keys, texts, numbers and instants, whatever the engine's driver makes of them."""

from __future__ import annotations

import datetime as dt
import re
from uuid import UUID

from datapkg.kit.json_values import text_problem
from datapkg.kit.models import now

__all__ = ["Refused", "as_instant_text", "as_key", "as_number", "as_past_text", "as_text"]

_DIGITS = re.compile(r"[0-9]{1,18}\Z")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]{1,6})?)?"
    r" ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
_LATEST = 253402300800  # the second after the year 9999
_AHEAD = dt.timedelta(days=1)  # of clocks that were wrong, and of times that were not of the zone that they name
_MILLISECONDS = 100_000_000_000  # as seconds this is the year 5138


class Refused(ValueError):
    """A value that cannot be taken; its text says why."""


def as_key(value: object) -> str:
    """Return a key's one spelling: numbers as digits, UUIDs with dashes, 16 bytes as a UUID."""
    if isinstance(value, bool) or value is None:
        raise Refused("Is missing." if value is None else "Not a key.")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        if len(raw) != 16:
            raise Refused("Not a key: binary, and not 16 bytes as a UUID has.")
        return str(UUID(bytes=raw))
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise Refused(f"Not a key: {type(value).__name__}.")
    text = as_text(value, 1, 500)
    if not text.strip():
        raise Refused("Is blank.")
    return text


def as_text(value: object, least: int, most: int) -> str:
    """Return a text unchanged, to the letter.

    Args:
        value: the driver's value.
        least: the least number of characters.
        most: the greatest.
    """
    if value is None:
        raise Refused("Is missing.")
    if not isinstance(value, str):
        raise Refused(f"Not a text: {type(value).__name__}.")
    if why := text_problem(value):
        raise Refused("Not UTF-8 text." if "surrogates" in why else why)
    if not least <= len(value) <= most:
        raise Refused(f"Has {len(value):,} characters; {least:,} to {most:,} can be stored.")
    return value


def as_number(value: object, least: int) -> int:
    """Return a whole number, given as one or as digits."""
    if isinstance(value, str) and _DIGITS.match(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("Is missing." if value is None else f"Not a whole number: {value!r:.40}.")
    if not least <= value < 2**31:
        raise Refused(f"Must be {least} or more, and less than 2,147,483,648.")
    return value


def as_instant_text(value: object) -> tuple[str, bool]:
    """Return an instant in UTC as text that sorts, and whether it was naive and taken as UTC.

    Taken are datetimes, dates, ISO 8601 texts, and numbers: seconds since 1970, or milliseconds where they would
    otherwise lie far in the future.
    """
    if isinstance(value, bool) or value is None:
        raise Refused("Is missing." if value is None else "Not an instant.")
    if isinstance(value, (int, float)):
        seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
        if not 0 <= seconds < _LATEST:
            raise Refused(f"Not an instant: {value!r:.40}.")
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        return moment.isoformat(timespec="microseconds"), False
    if isinstance(value, str):
        value = _parsed(value)
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    if not isinstance(value, dt.datetime):
        raise Refused(f"Not an instant: {type(value).__name__}.")
    naive = value.utcoffset() is None
    try:
        moment = value.replace(tzinfo=dt.UTC) if naive else value.astimezone(dt.UTC)
    except OverflowError:
        raise Refused("Not an instant: beyond the years 1 to 9999.") from None
    return moment.isoformat(timespec="microseconds"), naive


def as_past_text(value: object) -> tuple[str, bool]:
    """Return the same for when something was done: what lies more than a day ahead was not."""
    text, naive = as_instant_text(value)
    if text > (now() + _AHEAD).isoformat(timespec="microseconds"):
        raise Refused(f"Lies in the future: {text}.")
    return text, naive


def _parsed(text: str) -> dt.datetime:
    found = _INSTANT.match(text.strip())
    if found:
        day, time, fraction, zone = found.groups(default="")
        zone = "+00:00" if zone in ("Z", "UTC") else zone
        try:
            return dt.datetime.fromisoformat(
                f"{day}T{time or '00:00'}{fraction.ljust(7, '0') if fraction else ''}{zone}"
            )
        except ValueError:
            pass
    raise Refused(f"Not an instant: {text!r:.60}.")
