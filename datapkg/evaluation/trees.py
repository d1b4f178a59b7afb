"""Ancestors, descendants and whole trees of definitions, by recursive queries that end even on corrupted data."""

from __future__ import annotations

import html
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from uuid import UUID

from datapkg.evaluation.models import Definition
from datapkg.kit.database import current
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import CorruptTreeError, NotFoundError
from datapkg.kit.keys import as_id_text
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder, paused_collection
from datapkg.kit.statements import Param, Statement

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
_ONE = "SELECT {columns} FROM definitions AS d WHERE d.id = {p}"
_LEVEL = "SELECT {columns} FROM json_each({p}) AS above CROSS JOIN definitions AS d WHERE d.parent_id = above.value"


def _statement(template: str, param: str = "id") -> Statement[Definition]:
    def build(dialect: Dialect) -> tuple[str, list[Param]]:
        columns = ", ".join(f'd."{column.column_name}"' for column in Definition._meta.sorted_fields)
        return template.format(p=dialect.param, columns=columns), [Param(param)]

    return Statement(build, model=Definition)


_up, _down, _one, _level = _statement(_UP), _statement(_DOWN), _statement(_ONE), _statement(_LEVEL, "ids")

# The driver's rows are put in order by their text, because hashing and comparing a UUID runs Python code.
_COLUMNS = [column.column_name for column in Definition._meta.sorted_fields]
_ID, _PARENT = _COLUMNS.index("id"), _COLUMNS.index("parent_id")


def _builder() -> Callable[[Sequence[Any]], Definition]:
    return instance_builder(Definition, current().dialect)


def _rows_below(key: str) -> list[Any]:
    """Return the rows of a definition and of all below it, in any order."""
    database = current()
    if not database.dialect.tree_by_level:
        return _down.tuples(id=key)
    # All levels from one state of the database; a reader needs no write lock for that.
    with database.atomic() if database.in_transaction() else database.atomic("DEFERRED"):
        rows = level = _one.tuples(id=key)
        while level:
            below = _level.tuples(ids=json.dumps([row[_ID] for row in level]))
            # A node has one parent, so the only cycle that can be reached from the root goes through the root.
            level = [row for row in below if row[_ID] != key]
            if len(level) < len(below):
                raise CorruptTreeError("definitions", UUID(key))
            rows = rows + level
    return rows


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
        found = {row[_ID]: row for row in _up.tuples(id=key)}
        if key not in found:
            raise NotFoundError("definition", UUID(key))
        build = _builder()
        chain: list[Definition] = []
        place: str | None = key
        while place is not None:
            row = found.pop(place, None)
            if row is None:
                raise CorruptTreeError("definitions", UUID(key))
            definition = build(row)
            definition.depth = len(chain)
            chain.append(definition)
            place = row[_PARENT]
    return Rows(chain if include_self else chain[1:])


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
    return Rows(found if include_self else found[1:])


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

    def _repr_html_(self) -> str:
        return f"<pre style='line-height:1.3'>{html.escape(repr(self))}</pre>"


def get_definition_tree(root_id: UUID | str) -> TreeNode:
    """Return a definition with all that was forked from it, nested; siblings oldest first.

    Raises:
        NotFoundError: there is no such definition.
        CorruptTreeError: the definition descends from itself.
    """
    key = as_id_text(root_id, "root_id")
    with paused_collection():
        rows = _rows_below(key)
        build = _builder()
        nodes = {row[_ID]: TreeNode(build(row), []) for row in rows}
        root = nodes.get(key)
        if root is None:
            raise NotFoundError("definition", UUID(key))
        rows.sort(key=itemgetter(_ID))
        for row in rows:
            if row[_ID] != key:
                nodes[row[_PARENT]].children.append(nodes[row[_ID]])
            elif row[_PARENT] in nodes:
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
