"""Ancestors, descendants and whole trees of definitions, by recursive queries that end even on corrupted data."""

from __future__ import annotations

import html
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from datapkg.evaluation.models import Definition
from datapkg.kit.database import current
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import CorruptTreeError, NotFoundError
from datapkg.kit.frames import data_frame
from datapkg.kit.keys import as_id_text
from datapkg.kit.results import Rows, cell
from datapkg.kit.rows import instance_builder, paused_collection
from datapkg.kit.statements import Param, Statement

if TYPE_CHECKING:
    import pandas

__all__ = [
    "TreeNode",
    "common_ancestor",
    "get_ancestors",
    "get_definition_tree",
    "get_descendants",
]

# Only keys go through the recursion, and UNION drops those seen before, so a cycle ends it. CROSS JOIN keeps SQLite
# from scanning the whole table to look the keys up; PostgreSQL plans both spellings alike.
_UP = """
WITH RECURSIVE up (id) AS (
  SELECT id FROM definitions WHERE id = {p}
  UNION
  SELECT d.parent_id FROM up CROSS JOIN definitions AS d WHERE d.id = up.id AND d.parent_id IS NOT NULL
) SELECT {columns} FROM up CROSS JOIN definitions AS d WHERE d.id = up.id"""
_DOWN = """
WITH RECURSIVE down (id) AS (
  SELECT id FROM definitions WHERE id = {p}
  UNION
  SELECT d.id FROM down CROSS JOIN definitions AS d WHERE d.parent_id = down.id
) SELECT {columns} FROM down CROSS JOIN definitions AS d WHERE d.id = down.id"""
# In SQLite's own process a query costs microseconds, and a level at a time takes two thirds of the recursion's time.
_ONE = "SELECT {columns} FROM definitions AS d WHERE d.id = {p}"
_LEVEL = "SELECT {columns} FROM json_each({p}) AS above CROSS JOIN definitions AS d WHERE d.parent_id = above.value"

_COLUMNS = tuple(column.column_name for column in Definition._meta.sorted_fields)
_SHORT = tuple(column for column in _COLUMNS if column != "content")
_FIELDS = {field.column_name: field.name for field in Definition._meta.sorted_fields if field.name != "content"}
_PATH = 50  # names: a path of thousands would fill the memory
_DRAWN = 200


def _statement(template: str, columns: Sequence[str] = _COLUMNS) -> Statement[Definition]:
    def build(dialect: Dialect) -> tuple[str, list[Param]]:
        selected = ", ".join(f'd."{column}"' for column in columns)
        return template.format(p=dialect.param, columns=selected), [Param("id")]

    return Statement(build, model=Definition)


_up = _statement(_UP)


class _Reader:
    """Reads the rows of a tree, with or without their contents.

    The driver's rows are put in order by their text, because hashing and comparing a UUID runs Python code.
    """

    def __init__(self, columns: tuple[str, ...], unread: tuple[str, ...]) -> None:
        self.down, self.one, self.level = (_statement(template, columns) for template in (_DOWN, _ONE, _LEVEL))
        self.id, self.parent = columns.index("id"), columns.index("parent_id")
        self.unread = unread

    def builder(self) -> Callable[[Sequence[Any]], Definition]:
        return instance_builder(Definition, current().dialect, unread=self.unread)

    def below(self, key: str) -> list[Any]:
        """Return the rows of a definition and of all below it, in any order."""
        database = current()
        if not database.dialect.tree_by_level:
            return self.down.tuples(id=key)
        # All levels from one state of the database; a reader needs no write lock for that.
        with database.atomic() if database.in_transaction() else database.atomic("DEFERRED"):
            level = self.one.tuples(id=key)
            rows = list(level)
            while level:
                below = self.level.tuples(id=json.dumps([row[self.id] for row in level]))
                # A node has one parent, so the only cycle that can be reached from the root goes through the root.
                level = [row for row in below if row[self.id] != key]
                if len(level) < len(below):
                    raise CorruptTreeError("definitions", UUID(key))
                rows += level
        return rows


_whole, _short = _Reader(_COLUMNS, ()), _Reader(_SHORT, ("content",))


def get_ancestors(definition_id: UUID | str, *, include_self: bool = False) -> Rows[Definition]:
    """Return what a definition was forked from, nearest first, at any depth.

    Args:
        definition_id: where to start.
        include_self: whether to begin with the definition itself, at depth 0.

    Returns:
        Definitions with ``depth``: 1 for the parent, 2 for its parent, and so on.

    Raises:
        NotFoundError: there is no such definition.
        CorruptTreeError: the parents form a cycle.
    """
    key = as_id_text(definition_id, "definition_id")
    with paused_collection():
        found = {row[_whole.id]: row for row in _up.tuples(id=key)}
        if key not in found:
            raise NotFoundError("definition", UUID(key))
        build = _whole.builder()
        chain: list[Definition] = []
        place: str | None = key
        while place is not None:
            row = found.pop(place, None)
            if row is None:
                raise CorruptTreeError("definitions", UUID(key))
            definition = build(row)
            definition.depth = len(chain)
            chain.append(definition)
            place = row[_whole.parent]
    return Rows(chain if include_self else chain[1:], of=Definition.tree_shape())


def get_descendants(definition_id: UUID | str, *, include_self: bool = False) -> Rows[Definition]:
    """Return everything forked from a definition, nearest first, siblings oldest first.

    Args:
        definition_id: where to start.
        include_self: whether to begin with the definition itself, at depth 0.

    Returns:
        Definitions with ``depth``: 1 for children, 2 for theirs, and so on.

    Raises:
        NotFoundError: there is no such definition.
        CorruptTreeError: the definition descends from itself.
    """
    root = get_definition_tree(definition_id)
    found: list[Definition] = []
    waiting = deque([root])
    while waiting:
        node = waiting.popleft()
        found.append(node.definition)
        waiting.extend(node.children)
    return Rows(found if include_self else found[1:], of=Definition.tree_shape())


@dataclass(slots=True)
class TreeNode:
    """A definition and what was forked from it.

    Attributes:
        definition: the definition, with ``depth`` counted from the root of this tree.
        children: the nodes below, oldest first.
    """

    definition: Definition
    children: list[TreeNode] = field(default_factory=list)

    def walk(self) -> Iterator[TreeNode]:
        """Yield this node and all below it, each before its children."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the tree drawn with lines, one definition a line."""
        waiting: list[tuple[TreeNode, str, str]] = [(self, "", "")]
        while waiting:
            node, lead, below = waiting.pop()
            yield f"{lead}{node.definition.name}  {node.definition.id}"
            last = len(node.children) - 1
            for place in range(last, -1, -1):
                corner, rail = ("└── ", "    ") if place == last else ("├── ", "│   ")
                waiting.append((node.children[place], below + corner, below + rail))

    def df(self) -> pandas.DataFrame:
        """Return a row for each node, each before its children: ``depth``, ``path`` and the definition without content.

        ``path`` holds the names from this node down, with `` / `` between them; of a node that lies deeper than 50, the
        last 50 names.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        records: list[dict[str, object]] = []
        waiting: list[tuple[TreeNode, tuple[str, ...]]] = [(self, ())]
        while waiting:
            node, above = waiting.pop()
            path = (*above, node.definition.name)[-_PATH:]
            found = node.definition
            record = {column: found.__data__.get(field) for column, field in _FIELDS.items()}
            records.append({"depth": found.depth, "path": " / ".join(path), **record})
            waiting.extend((child, path) for child in reversed(node.children))
        return data_frame(records, columns=["depth", "path", *_FIELDS], shape={"path": str, **Definition.tree_shape()})

    def _repr_html_(self) -> str:
        nodes = list(itertools.islice(self.walk(), _DRAWN + 1))
        drawn, first = [], nodes[0].definition.depth or 0
        depth = first - 1
        for node in nodes[:_DRAWN]:
            found = node.definition
            deeper = (found.depth or 0) - depth
            drawn.append("<ul style='margin:0'>" * deeper or "</li>" + "</ul></li>" * -deeper)
            depth += deeper
            name = html.escape(cell(found.name, width=80))
            drawn.append(f"<li><b>{name}</b> <code style='opacity:.6;font-size:.8em'>{found.id}</code>")
        drawn.append("</li></ul>" * (depth - first + 1))
        more = f"<p>… and more than {_DRAWN} are not drawn</p>" if len(nodes) > _DRAWN else ""
        return f"<div>{''.join(drawn)}{more}</div>"


def get_definition_tree(root_id: UUID | str, *, content: bool = True) -> TreeNode:
    """Return a definition with all that was forked from it, nested; siblings oldest first.

    Args:
        root_id: the definition to start from.
        content: whether to read the contents along. Without, a tree for its names and structure is there in half the
            time, and a content that is looked at nevertheless is read then, one by one.

    Raises:
        NotFoundError: there is no such definition.
        CorruptTreeError: the definition descends from itself.
    """
    key = as_id_text(root_id, "root_id")
    reader = _whole if content else _short
    at, up = reader.id, reader.parent
    with paused_collection():
        rows = reader.below(key)
        build = reader.builder()
        nodes = {row[at]: TreeNode(build(row), []) for row in rows}
        root = nodes.get(key)
        if root is None:
            raise NotFoundError("definition", UUID(key))
        rows.sort(key=itemgetter(at))
        for row in rows:
            if row[at] != key:
                nodes[row[up]].children.append(nodes[row[at]])
            elif row[up] in nodes:
                raise CorruptTreeError("definitions", UUID(key))
    level, depth = [root], 0
    while level:
        below: list[TreeNode] = []
        for node in level:
            node.definition.depth = depth
            below += node.children
        level, depth = below, depth + 1
    return root


def common_ancestor(a: UUID | str, b: UUID | str) -> Definition | None:
    """Return the nearest definition that both descend from, one of the two included, or None.

    Raises:
        NotFoundError: one of them does not exist.
        CorruptTreeError: the parents form a cycle.
    """
    with current().atomic():  # both chains from one state of the database
        above_a = get_ancestors(a, include_self=True)
        above_b = {definition.id for definition in get_ancestors(b, include_self=True)}
    return next((definition for definition in above_a if definition.id in above_b), None)
