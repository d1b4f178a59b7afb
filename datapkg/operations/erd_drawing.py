"""A drawing of tables as SVG text: one panel a domain, with its boxes, columns and arrows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from datapkg.kit.domains import Domain
from datapkg.kit.fields import DecimalField, DocumentField, EnumField, ForeignKey, TextField
from datapkg.kit.models import Model
from datapkg.operations.erd_layout import HEAD, ROW, Layout, Reference, height, lay_out

__all__ = ["MARK", "draw"]

MARK = "<!-- Drawn by datapkg erd. -->"
"""Stands in every drawing, and says that it may be overwritten."""

_LETTER = 7.3  # a monospaced letter of 12 pixels
_PAD, _MARGIN, _TITLE = 24, 20, 40
_BROAD = 2300
"""Width that panels may share."""
_COLOURS = (
    "#3b6ea8",
    "#2e8066",
    "#a05a2c",
    "#7a559e",
    "#a8434f",
    "#5d7a1f",
    "#1f7f92",
    "#96690f",
    "#8f4a86",
    "#566173",
)
_STYLE = """
.datapkg-erd text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1c2530; }
.datapkg-erd .title { font-size: 17px; font-weight: bold; }
.datapkg-erd .name { font-weight: bold; fill: #ffffff; }
.datapkg-erd .type { fill: #5a6675; }
.datapkg-erd .mark { fill: #8a5200; }
.datapkg-erd .note { fill: #5a6675; }
.datapkg-erd .box { fill: #ffffff; stroke-width: 1.2; }
.datapkg-erd .line { fill: none; stroke-width: 1.5; }
.datapkg-erd .line:hover { stroke-width: 3.5; }
"""


@dataclass(frozen=True)
class _Panel:
    domain: Domain
    colour: str
    models: Sequence[type[Model]]  # its own, and those of other domains that it refers to
    layout: Layout
    widths: dict[str, int]

    @property
    def size(self) -> tuple[int, int]:
        title = round(len(self.domain.name) * 11) + 2 * _PAD
        return max(self.layout.width + 2 * _PAD, title), self.layout.height + _TITLE + _PAD


def draw(domains: Sequence[Domain], every: Sequence[Domain]) -> str:
    """Return the drawing of some domains.

    Args:
        domains: which.
        every: all that are registered; a domain has the same colour in every drawing.
    """
    colours = {each.name: _COLOURS[index % len(_COLOURS)] for index, each in enumerate(every)}
    homes = {model: each.name for each in every for model in each.models}
    panels = [_panel(domain, colours[domain.name]) for domain in domains if domain.models]
    parts, x, y, tallest, width = [], _MARGIN, _MARGIN, 0, 0
    for panel in panels:
        if x > _MARGIN and x + panel.size[0] > _BROAD:
            x, y, tallest = _MARGIN, y + tallest + _MARGIN, 0
        parts.append(f'<g transform="translate({x} {y})">\n{_panel_svg(panel, colours, homes)}</g>\n')
        x, tallest = x + panel.size[0] + _MARGIN, max(tallest, panel.size[1])
        width = max(width, x)
    legend = "PK key   FK reference   U unique   u unique together   ? may be empty   secret: kept out of every listing"
    width = max(width, round(len(legend) * _LETTER) + 2 * _MARGIN)
    total = y + tallest + _MARGIN + 2 * ROW
    names = ", ".join(each.name for each in domains)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" viewBox="0 0 {width} {total}" '
        f'class="datapkg-erd" role="img">\n{MARK}\n<title>Tables of {escape(names)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{total}" fill="#ffffff"/>\n{"".join(parts)}'
        f'<text class="note" x="{_MARGIN}" y="{total - ROW}" xml:space="preserve">{escape(legend)}</text>\n</svg>\n'
    )
    return svg.encode("ascii", "xmlcharrefreplace").decode()  # the same in a file and on a terminal of any encoding


def _references(model: type[Model]) -> list[tuple[int, Any]]:
    return [(row, field) for row, field in enumerate(model._meta.sorted_fields) if isinstance(field, ForeignKey)]


def _panel(domain: Domain, colour: str) -> _Panel:
    own = {model._meta.table_name: model for model in domain.models}
    foreign: dict[str, type[Model]] = {}
    references = []
    for name, model in own.items():
        for row, field in _references(model):
            parent = field.rel_model._meta.table_name
            if parent not in own:
                foreign[parent] = field.rel_model
            references.append(Reference(name, row, parent))
    sizes = {name: (_width(name, ()), 0) for name in foreign}
    for name, model in own.items():
        rows = [_row(field) for field in model._meta.sorted_fields]
        sizes[name] = (_width(name, rows), len(rows))
    layout = lay_out(sizes, references, broad=900)
    widths = {name: width for name, (width, _) in sizes.items()}
    return _Panel(domain, colour, [*foreign.values(), *own.values()], layout, widths)


def _row(field: Any) -> tuple[str, str, str]:
    """Return a column's mark, name and type with what is to be said of it."""
    mark = "PK" if field.primary_key else "FK" if isinstance(field, ForeignKey) else ""
    words = [_type(field) + ("?" if field.null else "")]
    if field.unique and not field.primary_key:
        words.append("U")
    elif _unique_with(field):
        words.append("u")
    if getattr(field, "secret", False):
        words.append("secret")
    return mark, field.column_name, " ".join(words)


def _unique_with(field: Any) -> list[str]:
    """Return the columns of an index that allows a column's value only once with each of theirs."""
    for index in field.model._meta.fields_to_index():
        columns = [getattr(each, "column_name", "") for each in index._expressions]
        if index._unique and len(columns) > 1 and field.column_name in columns:
            return columns
    return []


def _type(field: Any) -> str:
    if isinstance(field, ForeignKey):
        return str(_type(field.rel_field))
    if isinstance(field, DocumentField):
        return "document"
    kind = type(field).__name__.removesuffix("Field").lower()
    if isinstance(field, DecimalField):
        return f"{kind} {field.max_digits},{field.scale}"
    if isinstance(field, TextField) and not isinstance(field, EnumField) and field.max_length:
        return f"{kind} {field.max_length}"
    return kind


def _width(name: str, rows: Iterable[tuple[str, str, str]]) -> int:
    widest = max((len(column) + len(words) + 2 for _, column, words in rows), default=0)
    return max(round((len(name) + 2) * _LETTER), round(widest * _LETTER) + 44)


def _about(field: Any) -> str:
    """Return what a pointer over a column tells."""
    said = f"{field.model._meta.table_name}.{field.column_name}"
    if isinstance(field, ForeignKey):
        parent = field.rel_model._meta.table_name
        said += f" → {parent}.{field.rel_field.column_name}, ON DELETE {field.on_delete}"
    elif isinstance(field, EnumField):
        said += f": {', '.join(field.values)}"
    elif isinstance(field, DocumentField):
        said += f": {field.document.name}, version {field.document.version}"
    together = _unique_with(field)
    return f"{said}; unique together: {', '.join(together)}" if together else said


def _panel_svg(panel: _Panel, colours: dict[str, str], homes: dict[type[Model], str]) -> str:
    width, tall = panel.size
    parts = [
        f'<rect width="{width}" height="{tall}" rx="8" fill="{panel.colour}" fill-opacity="0.07" '
        f'stroke="{panel.colour}" stroke-opacity="0.5"/>\n'
        f'<text class="title" x="{_PAD}" y="27">{escape(panel.domain.name)}</text>\n'
        f'<g transform="translate({_PAD} {_TITLE})">\n'
    ]
    own = [model for model in panel.models if model in panel.domain.models]
    fields = [field for model in own for _, field in _references(model)]
    shades = {parent: _COLOURS[index % len(_COLOURS)] for index, parent in enumerate(_parents(fields))}
    for field, line in zip(fields, panel.layout.lines, strict=True):
        parts.append(_arrow(field, line, shades[field.rel_model._meta.table_name]))
    for model in panel.models:
        name = model._meta.table_name
        colour = colours[homes[model]] if model in homes else _COLOURS[-1]
        parts.append(_box(model, model in own, panel.layout.places[name], panel.widths[name], colour))
    return "".join([*parts, "</g>\n"])


def _parents(fields: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(field.rel_model._meta.table_name for field in fields))


def _arrow(field: Any, line: Sequence[tuple[int, int]], colour: str) -> str:
    """Draw a reference: a crow's foot where many rows may refer, a bar where one may, and an arrowhead at the end."""
    (x, y), (end_x, end_y) = line[0], line[-1]
    out = -1 if line[1][0] < x else 1
    foot = f"M{x + 9 * out} {y - 5}v10" if field.unique else f"M{x} {y - 5}l{9 * out} 5l{-9 * out} 5"
    steps = "".join(f"L{point_x} {point_y}" for point_x, point_y in line[1:])
    return (
        f'<g stroke="{colour}"><title>{escape(_about(field))}</title>'
        f'<path class="line" d="M{x} {y}{steps}"/><path class="line" d="{foot}"/>'
        f'<path d="M{end_x} {end_y}l9 -4.5v9z" fill="{colour}"/></g>\n'
    )


def _box(model: type[Model], whole: bool, place: tuple[int, int], width: int, colour: str) -> str:
    meta: Any = model._meta
    name, (x, y) = meta.table_name, place
    fields = meta.sorted_fields if whole else []
    tall = height(len(fields)) - ROW // 2 if whole else HEAD
    about = (model.__doc__ or name).strip().split("\n")[0]
    if meta.append_only or meta.gated:
        about += " (behind a write gate)"
    mark = f" id={quoteattr('table-' + name)}" if whole else ""
    parts = [
        f'<g{mark} transform="translate({x} {y})"><title>{escape(about)}</title>\n'
        f'<rect class="box" width="{width}" height="{tall}" rx="4" stroke="{colour}"/>'
        f'<rect width="{width}" height="{HEAD}" rx="4" fill="{colour}" fill-opacity="{1 if whole else 0.75}"/>'
        f'<text class="name" x="8" y="18">{escape(name)}</text>\n'
    ]
    for row, field in enumerate(fields):
        left, column, words = _row(field)
        baseline = HEAD + row * ROW + 13
        parts.append(
            f'<g><title>{escape(_about(field))}</title><text class="mark" x="8" y="{baseline}">{left}</text>'
            f'<text x="30" y="{baseline}">{escape(column)}</text>'
            f'<text class="type" x="{width - 8}" y="{baseline}" text-anchor="end">{escape(words)}</text></g>\n'
        )
    return "".join([*parts, "</g>\n"])
