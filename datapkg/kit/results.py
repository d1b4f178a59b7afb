"""Lists that a person can read: a table in a terminal, a table in a notebook, a DataFrame on request."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from datapkg.kit.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas

__all__ = ["Rows", "cell", "html_table", "text_table"]

T = TypeVar("T")
_SHOWN = 20
_WIDTH = 40


def cell(value: object, *, width: int = _WIDTH) -> str:
    """Return a value as one short line: times without fractions, long text cut with an ellipsis."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"  # records() and df() have all digits
    text = " ".join(str(value).split())
    text = "".join(char if char.isprintable() else "�" for char in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as an aligned text table, numbers to the right."""
    lines = [[cell(value) for value in row] for row in rows]
    numeric = [bool(lines) and all(_is_number(line[i]) for line in lines) for i in range(len(columns))]
    widths = [max([len(column), *(len(line[i]) for line in lines)]) for i, column in enumerate(columns)]

    def draw(line: Sequence[str]) -> str:
        parts = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        return "  ".join(parts).rstrip()

    return "\n".join([draw(list(columns)), "  ".join("─" * width for width in widths), *map(draw, lines)])


def _is_number(text: str) -> bool:
    return text == "" or text.replace(".", "", 1).replace(",", "").lstrip("-").isdigit()


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return rows as an HTML table with every value escaped."""
    head = "".join(f"<th style='text-align:left'>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{html.escape(cell(value, width=80))}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    title = f"<caption style='text-align:left'>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Rows(list[T]):
    """A list of models or mappings that renders as a table and gives a DataFrame.

    It is a list in every other way. Secret columns are never shown.
    """

    __slots__ = ()

    def columns(self) -> list[str]:
        """The names of the columns that are shown."""
        if not self:
            return []
        first = self[0]
        return list(first) if isinstance(first, Mapping) else list(_public(first))

    def records(self, *, limit: int | None = None) -> list[dict[str, object]]:
        """Return the rows as dictionaries of their public columns."""
        rows = self if limit is None else self[:limit]
        return [dict(row) if isinstance(row, Mapping) else _public(row) for row in rows]

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame: one column for each public column, times as aware UTC datetimes.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ConfigurationError(
                "DataFrames need pandas, which is not installed.", fix="Run: pip install 'datapkg[pandas]'."
            ) from None
        records: list[dict[Any, Any]] = [dict(record) for record in self.records()]
        return pandas.DataFrame.from_records(records, columns=self.columns())

    def _table(self) -> tuple[list[str], list[list[object]]]:
        columns = self.columns()
        return columns, [[record.get(column) for column in columns] for record in self.records(limit=_SHOWN)]

    def __repr__(self) -> str:
        if not self:
            return "(no rows)"
        columns, rows = self._table()
        more = f"\n… and {len(self) - _SHOWN} more" if len(self) > _SHOWN else ""
        return text_table(columns, rows) + more

    def _repr_html_(self) -> str:
        if not self:
            return "<p>(no rows)</p>"
        columns, rows = self._table()
        return html_table(
            columns, rows, caption=f"{len(self)} rows" + (f", {_SHOWN} shown" if len(self) > _SHOWN else "")
        )


def _public(row: object) -> dict[str, object]:
    public = getattr(row, "public", None)
    if callable(public):
        values: dict[str, object] = public()
        return values
    return dict(vars(row))
