"""Rows as lines of plain files: JSON objects or CSV, each of which reads back to the very row.

Stored documents go into a line letter for letter, in the version that they are stored in. Instants are spelled
``2026-01-02T03:04:05.000000Z``.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

import peewee as pw

from datapkg.kit.fields import (
    BooleanField,
    DateField,
    DecimalField,
    FloatField,
    IntegerField,
    JSONField,
    TimestampField,
    UUIDField,
)

__all__ = ["CsvLines", "JsonLines", "Lines", "lines_of"]

Values = dict[str, Any]

_STORED = "_stored"
_scan = json.JSONDecoder().raw_decode
_text: Any = json.decoder.scanstring  # type: ignore[attr-defined]  # not in the stubs
_BREAKS = str.maketrans("\r\n", "  ")
_CELL = re.compile(r'("(?:[^"]|"")*"|[^",\n]*)(,|$)')


def _kind(field: pw.Field[Any]) -> type:
    return type(getattr(field, "rel_field", field))


def _plain(field: Any) -> Callable[[Any], Any] | None:
    """Return what makes a plain value of the driver's, or None where it is one already."""
    kind = _kind(field)
    if issubclass(kind, TimestampField):
        return lambda value: value if isinstance(value, str) else _instant(value)
    if issubclass(kind, BooleanField):
        return bool
    if issubclass(kind, (DateField, UUIDField)):
        return str
    if issubclass(kind, FloatField):
        return float
    if issubclass(kind, DecimalField):
        return lambda value: str(field.python_value(value))
    return None


def _instant(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat("T", "microseconds")[:26] + "Z"


class Lines(ABC):
    """One table's rows as text.

    Args:
        fields: the columns, in order.
    """

    def __init__(self, fields: Sequence[pw.Field[Any]]) -> None:
        self.fields: tuple[Any, ...] = tuple(fields)
        self.columns = tuple(field.column_name for field in fields)
        self._plain = [(place, plain) for place, field in enumerate(fields) if (plain := _plain(field)) is not None]
        self.documents = frozenset(field.column_name for field in fields if isinstance(field, JSONField))

    head = ""
    """What a file begins with."""

    def of_row(self, row: Sequence[Any]) -> str:
        """Return the line of a driver's row."""
        values = list(row)
        for place, plain in self._plain:
            if values[place] is not None:
                values[place] = plain(values[place])
        return self.text(values)

    @abstractmethod
    def text(self, values: Sequence[Any]) -> str:
        """Return the line of plain values."""

    @abstractmethod
    def values(self, line: str) -> Values:
        """Return a line's plain values by column; documents as their text.

        Raises:
            ValueError: the line is none of these.
        """

    def reads_back(self, line: str) -> bool:
        """Whether a line is a row of these columns, spelled as it would be written."""
        try:
            values = self.values(line)
            return self.text([values[name] for name in self.columns]) == line
        except (ValueError, KeyError, TypeError, AttributeError):  # such as where a column has another type by now
            return False

    def records(self, stream: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a file's text, each without its end."""
        for line in stream:
            yield line[:-1] if line.endswith("\n") else line

    def bound(self, values: Values) -> list[Any]:
        """Return what the driver takes for plain values; a column that the line lacks takes its default."""
        made = []
        for field in self.fields:
            if field.column_name not in values:
                default = field.default() if callable(field.default) else field.default
                made.append(None if default is None else field.db_value(default))
                continue
            value = values[field.column_name]
            if value is not None and issubclass(_kind(field), DecimalField):
                value = field.db_value(Decimal(value))
            made.append(value)
        return made

    def same(self, one: str, other: str) -> bool:
        """Whether two lines are of equal rows; documents count by content, as each engine has its own spelling."""
        return one == other or self._compared(one) == self._compared(other)

    def _compared(self, line: str) -> Values:
        values = self.values(line)
        for name in self.documents & values.keys():
            if values[name] is not None:
                values[name] = json.dumps(json.loads(values[name]), sort_keys=True)
        return values


class JsonLines(Lines):
    """One JSON object a line, with the columns' names."""

    def __init__(self, fields: Sequence[pw.Field[Any]]) -> None:
        super().__init__(fields)
        spelled = []
        for field in self.fields:
            kind = _kind(field)
            if isinstance(field, JSONField):
                write: Callable[[Any], str] = str
            elif issubclass(kind, BooleanField):
                write = {True: "true", False: "false"}.__getitem__
            elif issubclass(kind, IntegerField):
                write = str
            elif issubclass(kind, FloatField):
                write = repr
            else:
                write = encode_basestring
            spelled.append((f'"{field.column_name}":', write))
        self._spelled = spelled

    def text(self, values: Sequence[Any]) -> str:
        """Return the line of plain values."""
        line = ",".join(
            [
                name + ("null" if value is None else write(value))
                for (name, write), value in zip(self._spelled, values, strict=True)
            ]
        )
        if "\n" in line or "\r" in line or "null" in values:  # what somebody else wrote, over several lines for one
            kept = {
                name: value
                for name, value in zip(self.columns, values, strict=True)
                if name in self.documents and value is not None and (value == "null" or "\n" in value or "\r" in value)
            }
            if kept:
                return "{" + line.translate(_BREAKS) + f',"{_STORED}":{json.dumps(kept, ensure_ascii=False)}' + "}"
        return "{" + line + "}"

    def values(self, line: str) -> Values:
        """Return a line's plain values by column; documents as their text."""
        found: Values = {}
        if line[:1] != "{":
            raise ValueError("no JSON object")
        at = 1
        while True:
            if line[at : at + 1] != '"':
                raise ValueError("no member's name")
            name, at = _text(line, at + 1)
            if line[at : at + 1] != ":":
                raise ValueError("no colon")
            value, end = _scan(line, at + 1)
            if name == _STORED:
                found |= value
            else:
                found[name] = line[at + 1 : end] if name in self.documents and value is not None else value
                if name in self.documents and line[at + 1 : end] == "null":
                    found[name] = None
            if line[end:] == "}":
                return found
            if line[end : end + 1] != ",":
                raise ValueError("no comma")
            at = end + 1


class CsvLines(Lines):
    """CSV with a header (RFC 4180): texts in quotes, everything else bare, nothing at all for NULL."""

    def __init__(self, fields: Sequence[pw.Field[Any]]) -> None:
        super().__init__(fields)
        self.head = ",".join(self.columns)
        bare = (
            UUIDField,
            TimestampField,
            DateField,
            BooleanField,
            IntegerField,
            FloatField,
            DecimalField,
        )
        self._read: list[Callable[[str], Any]] = []
        self._quoted = []
        for field in self.fields:
            kind = _kind(field)
            self._quoted.append(not issubclass(kind, bare))
            if issubclass(kind, BooleanField):
                self._read.append({"true": True, "false": False}.__getitem__)
            elif issubclass(kind, IntegerField):
                self._read.append(int)
            elif issubclass(kind, FloatField):
                self._read.append(float)
            else:
                self._read.append(str)

    def text(self, values: Sequence[Any]) -> str:
        """Return the line of plain values."""
        cells = []
        for quoted, value in zip(self._quoted, values, strict=True):
            if value is None:
                cells.append("")
            elif quoted:
                cells.append('"' + value.replace('"', '""') + '"')
            elif isinstance(value, bool):
                cells.append("true" if value else "false")
            else:
                cells.append(repr(value) if isinstance(value, float) else str(value))
        return ",".join(cells)

    def values(self, line: str) -> Values:
        """Return a line's plain values by column."""
        cells: list[Any] = []
        at = 0
        while True:
            match = _CELL.match(line, at)
            if match is None or len(cells) == len(self.columns):
                raise ValueError("no line of this table")
            cell, at = match[1], match.end()
            if cell.startswith('"'):
                cells.append(cell[1:-1].replace('""', '"'))
            else:
                try:
                    cells.append(None if cell == "" else self._read[len(cells)](cell))
                except KeyError:
                    raise ValueError("no boolean") from None
            if not match[2]:
                break
        return dict(zip(self.columns, cells, strict=True))

    def records(self, stream: Iterable[str]) -> Iterator[str]:
        """Yield the rows of a file's text after its header; a text may hold line ends."""
        waiting: list[str] = []
        within = False
        header = True
        for line in stream:
            waiting.append(line)
            within ^= line.count('"') % 2 == 1
            if within:
                continue
            record = "".join(waiting).removesuffix("\n")
            waiting = []
            if header:
                header = False
                if record != self.head:
                    raise ValueError("another header")
                continue
            yield record
        if waiting:
            raise ValueError("the last row does not end")


def lines_of(file_format: str, fields: Sequence[pw.Field[Any]]) -> Lines:
    """Return the lines of a format: ``json``, ``json.gz`` or ``csv``."""
    return CsvLines(fields) if file_format == "csv" else JsonLines(fields)
