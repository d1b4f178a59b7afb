"""HTML for notebooks: every value escaped, nothing loaded from elsewhere, legible on light and on dark paper."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from datapkg.kit.results import cell

__all__ = ["DARK", "TINTS", "Markup", "badge", "bar", "changes_table", "html_lines", "html_table", "listed"]

_MOST = 200  # rows of any HTML table
_WIDE, _NARROW = 80, 40  # characters of a cell
_LINES, _LINE = 400, 400  # lines of a text, and characters of each
_LEFT = "style='text-align:left'"

TINTS = {
    "good": "rgba(42,157,143,.3)",
    "doubtful": "rgba(233,180,76,.4)",
    "bad": "rgba(214,69,58,.3)",
    "plain": "rgba(128,128,128,.2)",
}
"""Colours to lay under text: they let light and dark paper shine through."""

DARK = {tone: f"{colour.rpartition(',')[0]},.85)" for tone, colour in TINTS.items()}
"""The same for bars, which nothing is written on."""


def html_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return rows as an HTML table with every value escaped, except :class:`Markup`; long tables are cut.

    It sets no colours for text or paper, so that it can be read on light and on dark paper.

    Args:
        columns: the heads.
        rows: the cells.
        caption: what stands above.
    """
    head = "".join(f"<th {_LEFT}>{html.escape(column)}</th>" for column in columns)
    rows = list(rows)
    body = "".join("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in rows[:_MOST])
    if len(rows) > _MOST:
        body += f"<tr><td {_LEFT} colspan='{len(columns)}'>… and {len(rows) - _MOST:,} more</td></tr>"
    title = f"<caption {_LEFT}>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(value: object) -> str:
    if isinstance(value, Markup):
        return f"<td {_LEFT}>{value}</td>"
    text = cell(value, width=_WIDE)
    # Keys and times stay in one line, and long texts keep some width, however many columns there are.
    style = "min-width:16em" if len(text) > _NARROW else "white-space:nowrap"
    return f"<td style='text-align:left;{style}'>{html.escape(text)}</td>"


def listed(column: str, value: object) -> object:
    """Return a value as a list shows it, where many stand side by side: references and documents are cut short."""
    if isinstance(value, UUID) and column != "id":
        return Markup(f"<span title='{value}' style='white-space:nowrap'>…{str(value)[-12:]}</span>")
    return cell(value, width=_NARROW) if isinstance(value, (dict, list)) else value


class Markup(str):
    """HTML that a table takes as it is."""

    __slots__ = ()


def badge(text: str, tone: str) -> Markup:
    """Return a text on a patch of colour that lets light and dark paper shine through.

    Args:
        text: what it says; the colour only repeats it.
        tone: ``good``, ``doubtful``, ``bad`` or ``plain``.
    """
    return Markup(
        f"<span style='background:{TINTS[tone]};padding:0 .4em;border-radius:.3em;display:inline-block'>"
        f"{html.escape(cell(text, width=_WIDE))}</span>"
    )


def bar(parts: Sequence[tuple[float, str]], *, mark: float | None, end: float) -> Markup:
    """Return a bar of parts that follow each other, with a mark.

    Args:
        parts: where each part ends, and its colour, in rising order.
        mark: where the mark stands; None for no mark.
        end: what the bar's whole width stands for.
    """
    scale = 100 / end if end > 0 else 0.0
    drawn, start = "", 0.0
    for stop, colour in parts:
        width = max(stop - start, 0.0) * scale
        drawn += f"<span style='display:inline-block;height:100%;width:{width:.1f}%;background:{colour}'></span>"
        start = max(start, stop)
    if mark is not None:
        drawn += (
            f"<span style='position:absolute;left:{mark * scale:.1f}%;top:-2px;bottom:-2px;"
            "border-left:2px solid currentColor'></span>"
        )
    return Markup(
        "<span style='display:inline-block;position:relative;width:12em;height:.8em;line-height:0;"
        f"background:rgba(128,128,128,.15);vertical-align:middle;white-space:nowrap'>{drawn}</span>"
    )


def html_lines(text: str, *, tones: Mapping[str, str] | None = None) -> str:
    """Return a text as it is, line by line; a long one is cut.

    Args:
        text: the text.
        tones: by first character of a line, the tone of its patch of colour.
    """
    lines = text.splitlines()
    drawn = []
    for line in lines[:_LINES]:
        tone = (tones or {}).get(line[:1])
        style = f" style='background:{TINTS[tone]}'" if tone else ""
        drawn.append(f"<div{style}>{html.escape(line[:_LINE]) or ' '}</div>")
    if len(lines) > _LINES:
        drawn.append(f"<div>… and {len(lines) - _LINES:,} more lines</div>")
    return f"<pre style='line-height:1.3'>{''.join(drawn)}</pre>"


_CHANGED = {"added": "good", "removed": "bad"}


def changes_table(changes: Iterable[Mapping[str, object]], *, caption: str) -> str:
    """Return differences side by side: what was, and what is.

    Args:
        changes: rows of ``path``, ``change``, ``before`` and ``after``.
        caption: what stands above.
    """
    rows = []
    for each in changes:
        change = str(each["change"])
        before = "" if change == "added" else badge(cell(each["before"], width=_WIDE), "bad")
        after = "" if change == "removed" else badge(cell(each["after"], width=_WIDE), "good")
        rows.append((each["path"], badge(change, _CHANGED.get(change, "plain")), before, after))
    return html_table(("path", "change", "before", "after"), rows, caption=caption)
