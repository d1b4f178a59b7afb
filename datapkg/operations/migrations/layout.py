"""Python source laid out as ruff and black do, for the few kinds of expressions that migrations consist of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Call", "Listed", "Named", "Node", "Quoted", "flat", "layout", "literal_node", "quoted"]

WIDTH = 120


@dataclass(frozen=True)
class Quoted:
    """A text; one that is too long for a line becomes several pieces."""

    text: str


@dataclass(frozen=True)
class Named:
    """A keyword argument, an assignment (``spaced``) or an entry of a dictionary (named by a ``Quoted``)."""

    name: str | Quoted
    value: Node
    spaced: bool = False

    @property
    def head(self) -> str:
        """What stands before the value."""
        if isinstance(self.name, Quoted):
            return f"{quoted(self.name.text)}: "
        return f"{self.name} = " if self.spaced else f"{self.name}="


@dataclass(frozen=True)
class Call:
    """A call of ``head``."""

    head: str
    items: Sequence[Node]


@dataclass(frozen=True)
class Listed:
    """A tuple, list or dictionary, by its brackets."""

    brackets: str
    items: Sequence[Node]


Node = str | Quoted | Named | Call | Listed
"""A piece of source; a plain ``str`` stands as it is."""


def quoted(text: str) -> str:
    """Return a text as a literal, in double quotes unless single ones need fewer escapes.

    >>> print(quoted("a 'b'"), quoted('say "x"'))
    "a 'b'" 'say "x"'
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    # repr() escapes what cannot be seen; which quotes it chose does not matter, as it saw none.
    hidden = text.replace("'", "\ue000").replace('"', "\ue001")
    body = repr(hidden)[1:-1].replace("\\ue000", "\ue000").replace("\\ue001", "\ue001")
    single, double = ("\\'", '"') if quote == "'" else ("'", '\\"')
    return f"{quote}{body.replace(chr(0xE000), single).replace(chr(0xE001), double)}{quote}"


def literal_node(value: object) -> Node:
    """Return the source of a plain value: what JSON knows, and tuples of it."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, str):
        return Quoted(str.__str__(value))
    if isinstance(value, dict):
        return Listed("{}", [Named(Quoted(str(key)), literal_node(each)) for key, each in value.items()])
    if isinstance(value, (list, tuple)):
        return Listed("[]" if isinstance(value, list) else "()", [literal_node(each) for each in value])
    return repr(value)


def flat(node: Node) -> str:
    """Return the source on one line."""
    if isinstance(node, str):
        return node
    if isinstance(node, Quoted):
        return quoted(node.text)
    if isinstance(node, Named):
        return node.head + flat(node.value)
    inside = ", ".join(map(flat, node.items))
    if isinstance(node, Call):
        return f"{node.head}({inside})"
    return f"{node.brackets[0]}{inside}{',' if _lonely(node) else ''}{node.brackets[1]}"


def layout(node: Node, *, indent: int, column: int | None = None, tail: int = 0) -> str:
    """Return the source in lines of at most 120 characters.

    Args:
        node: what to lay out.
        indent: how far the line that it begins in is indented.
        column: where it begins, if not at the indent.
        tail: how many characters follow it on its last line.
    """
    column = indent if column is None else column
    line = flat(node)
    if column + len(line) + tail <= WIDTH or isinstance(node, str):
        return line
    if isinstance(node, Quoted):
        return f"\n{' ' * column}".join(map(quoted, _pieces(node.text, WIDTH - column - tail)))
    if isinstance(node, Named):
        head = node.head
        return head + layout(node.value, indent=indent, column=column + len(head), tail=tail)
    opening, closing = (f"{node.head}(", ")") if isinstance(node, Call) else (node.brackets[0], node.brackets[1])
    if not node.items:
        return opening + closing
    inner, pad, end = indent + 4, " " * (indent + 4), " " * indent
    together = ", ".join(map(flat, node.items))
    if isinstance(node, Call) and inner + len(together) <= WIDTH:
        return f"{opening}\n{pad}{together}\n{end}{closing}"
    # An only item gets no comma, except where the comma makes the tuple.
    comma = "," if len(node.items) > 1 or _lonely(node) else ""
    lines = [layout(each, indent=inner, tail=len(comma)) for each in node.items]
    return f"{opening}\n{pad}" + f",\n{pad}".join(lines) + f"{comma}\n{end}{closing}"


def _lonely(node: Node) -> bool:
    return isinstance(node, Listed) and node.brackets == "()" and len(node.items) == 1


def _pieces(text: str, width: int) -> list[str]:
    """Cut a text after blanks so that each piece, as a literal, fits."""
    pieces, rest = [], text
    while len(quoted(rest)) > width:
        cut = max(
            (place + 1 for place in range(len(rest)) if rest[place] == " " and _fits(rest, place + 1, width)), default=0
        )
        if cut == 0:
            cut = next((place + 1 for place, char in enumerate(rest) if char == " "), len(rest))
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [*pieces, rest] if rest or not pieces else pieces


def _fits(text: str, cut: int, width: int) -> bool:
    return cut < width and len(quoted(text[:cut])) <= width
