"""Lists that a person can read: a table in a terminal, a table in a notebook, a DataFrame on request."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from datapkg.kit.display import display
from datapkg.kit.frames import Shape, data_frame, shape_of

if TYPE_CHECKING:
    import pandas

__all__ = ["Rows", "cell", "facts_table", "text_table"]

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
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(each, (str, int)) for each in value):
        value = ", ".join(map(str, value))
    elif isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(str(value).split())
    text = "".join(char if char.isprintable() else "�" for char in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as an aligned text table, numbers to the right.

    Where the terminal is too narrow, columns without any value are left out, and then each row is a block of its own.
    """
    width, paint = display()
    values = [list(row) for row in rows]
    lines = [[cell(value) for value in row] for row in values]
    numeric = [bool(lines) and all(_is_number(line[i]) for line in lines) for i in range(len(columns))]
    widths = [max([len(column), *(len(line[i]) for line in lines)]) for i, column in enumerate(columns)]
    if lines and width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        filled = [i for i in range(len(columns)) if any(line[i] for line in lines)]
        if len(filled) < len(columns):
            return text_table([columns[i] for i in filled], [[row[i] for i in filled] for row in values])
        rule = "\n" + "─" * min(width, 20) + "\n"
        return rule.join(facts_table(zip(columns, row, strict=True)) for row in values)

    def draw(line: Sequence[str], painted: Sequence[str]) -> str:
        parts = (
            " " * (width - len(text)) + shown if right else shown + " " * (width - len(text))
            for text, shown, width, right in zip(line, painted, widths, numeric, strict=True)
        )
        return "  ".join(parts).rstrip()

    body = [draw(line, [paint(*each) for each in zip(columns, line, strict=True)]) for line in lines]
    return "\n".join([draw(columns, columns), "  ".join("─" * width for width in widths), *body])


def facts_table(facts: Iterable[tuple[str, object]]) -> str:
    """Return facts as two aligned columns, the names to the left."""
    width, paint = display()
    named = [(name, value) for name, value in facts]
    indent = max((len(name) for name, _ in named), default=0) + 2
    room = _WIDTH if width is None else max(width - indent, _WIDTH)
    return "\n".join(f"{name.ljust(indent)}{paint(name, cell(value, width=room))}".rstrip() for name, value in named)


def _is_number(text: str) -> bool:
    return text == "" or text.replace(".", "", 1).replace(",", "").lstrip("-").isdigit()


class Rows(list[T]):
    """A list of models or mappings that renders as a table and gives a DataFrame.

    It is a list in every other way. Secret columns are never shown.

    Args:
        rows: what is in it.
        of: what its rows are, so that an empty list has their columns too: a model or dataclass, or by column the
            type; left out, what the first row is.
    """

    __slots__ = ("of",)

    def __init__(self, rows: Iterable[T] = (), *, of: object = None) -> None:
        super().__init__(rows)
        self.of = of

    def shape(self) -> Shape:
        """Return what the columns hold: by column a kit field, or a type such as ``float | None``."""
        of = self.of
        if of is None and self and not isinstance(self[0], dict):
            of = type(self[0])
        return {} if of is None else shape_of(of)

    def columns(self) -> list[str]:
        """The names of the columns that are shown."""
        if not self:
            return list(self.shape())
        first = self[0]
        return list(first) if isinstance(first, Mapping) else list(_public(first))

    def records(self, *, limit: int | None = None) -> list[dict[str, object]]:
        """Return the rows as dictionaries of their public columns."""
        rows = self if limit is None else self[:limit]
        return [dict(row) if isinstance(row, Mapping) else _public(row) for row in rows]

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame: a column for each public column, typed as its model says.

        Keys are text, instants aware UTC, enumerations categories, decimals exact objects, and integers and booleans
        that may be empty ``Int64`` and ``boolean``. No rows give the same columns with the same types.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return data_frame(self.records(), columns=self.columns(), shape=self.shape())

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
        from datapkg.kit.markup import html_table, listed  # it stands on this module

        if not self:
            return "<p>(no rows)</p>"
        columns, rows = self._table()
        rows = [list(map(listed, columns, row)) for row in rows]
        return html_table(
            columns, rows, caption=f"{len(self)} rows" + (f", {_SHOWN} shown" if len(self) > _SHOWN else "")
        )


def _public(row: object) -> dict[str, object]:
    public = getattr(row, "public", None)
    if callable(public):
        values: dict[str, object] = public()
        return values
    return dict(vars(row))
