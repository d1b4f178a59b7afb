"""What expressions stand for without running them: SQL text with holes in it, models, and rows of models."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datapkg.operations.linting.names import Index, ModelRef
from datapkg.operations.linting.tokens import HOLE

__all__ = ["Dotted", "Instance", "Query", "Scope", "Value", "Values", "got"]

_LONGEST = 100_000  # characters of a composed text
_PERCENT = re.compile(r"%(?:\((\w+)\))?[-+ #0-9.*]*([a-zA-Z%])")
_SAME = frozenset(("strip", "lstrip", "rstrip", "lower", "upper", "encode", "decode", "casefold"))
# Functions that give back their first argument, as far as SQL is concerned.
_WRAPPERS = re.compile(r"(?:^|[._])(?:quote\w*|SQL|Identifier|Composed|text|dedent|cleandoc|cast|ident)$")
_ROW = frozenset(("get", "get_by_id", "get_or_none", "create", "first", "peek"))
_QUERIES = {
    *("select", "where", "filter", "order_by", "limit", "offset", "group_by", "having", "distinct", "join", "from_"),
    *("left_outer_join", "switch", "objects", "iterator", "execute", "for_update", "raw"),
}


@dataclass(frozen=True)
class Dotted:
    """A module, or something in one, by its dotted name."""

    name: str


@dataclass(frozen=True)
class Instance:
    """A row of a model."""

    model: ModelRef


@dataclass(frozen=True)
class Query:
    """Rows of a model."""

    model: ModelRef


Value = str | tuple["str | ModelRef | None", ...] | Dotted | ModelRef | Instance | Query | None


class Scope:
    """The names of a function, class or module; an inner one sees the outer ones.

    Args:
        parent: the scope around it; a class's is passed over by its methods.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        self.parent = parent
        self._values: dict[str, Value] = {}

    def bind(self, name: str, value: Value) -> None:
        """Let a name stand for a value; None says that it is unknown, and hides an outer one."""
        self._values[name] = value

    def find(self, name: str, *, unbound: Value = None) -> Value:
        """Return what a name stands for, as far as that is known, or ``unbound`` where nothing binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope._values:
                return scope._values[name]
            scope = scope.parent
        return unbound


class Values:
    """Finds out what expressions of one file stand for.

    Args:
        index: the code base's names.

    Attributes:
        used: the expressions that became part of a text, by ``id``.
        named: the texts of names that became part of the last text.
        stars: the modules whose names are imported all at once.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.used: set[int] = set()
        self.named: list[str] = []
        self.stars: list[str] = []

    def text(self, node: ast.expr, scope: Scope) -> str | None:
        """Return the text that an expression makes, or None; ``used`` and ``named`` then tell of what."""
        self.named = []
        value = self.of(node, scope)
        return value if isinstance(value, str) else None

    def model(self, node: ast.expr, scope: Scope) -> ModelRef | None:
        """Return the model that an expression stands for, or None."""
        return self._model(self.of(node, scope))

    def _model(self, value: Value) -> ModelRef | None:
        if isinstance(value, Dotted):
            return self.index.model(value.name)
        return value if isinstance(value, ModelRef) else None

    def annotated(self, annotation: ast.expr | None, scope: Scope) -> Value:
        """Return what a name with this annotation holds: a row, or None."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
        if isinstance(annotation, ast.BinOp):  # Row | None
            return self.annotated(annotation.left, scope) or self.annotated(annotation.right, scope)
        if not isinstance(annotation, (ast.Name, ast.Attribute)):
            return None
        model = self.model(annotation, scope)
        return Instance(model) if model is not None else None

    def of(self, node: ast.expr, scope: Scope) -> Value:
        """Return what an expression stands for, or None."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        value: Value = method(node, scope) if method else None
        if isinstance(value, str) and not isinstance(node, (ast.Name, ast.Attribute)):
            self.used.add(id(node))
        return value

    def _constant(self, node: ast.Constant, scope: Scope) -> Value:
        if isinstance(node.value, bytes):
            return node.value.decode("utf-8", "replace")
        return node.value.replace(HOLE, " ") if isinstance(node.value, str) else None

    def _name(self, node: ast.Name, scope: Scope) -> Value:
        starred = (self.index.model(f"{star}.{node.id}") for star in self.stars)
        value = scope.find(node.id, unbound=next(filter(None, starred), None))
        if isinstance(value, str):
            self.named.append(value)
        return value

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Value:
        return self.of(node.value, scope)

    def _await(self, node: ast.Await, scope: Scope) -> Value:
        return self.of(node.value, scope)

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Value:
        value = self.of(node.body, scope)
        return value if value is not None else self.of(node.orelse, scope)

    def _tuple(self, node: ast.Tuple | ast.List | ast.Set, scope: Scope) -> Value:
        if len(node.elts) > 200:
            return None
        values = [self.of(each, scope) for each in node.elts]
        # A list of whole statements is looked at statement by statement; only a join makes one text of it.
        self.used.difference_update(map(id, node.elts))
        known = tuple(value if isinstance(value, str) else self._model(value) for value in values)
        return known if any(known) else None

    _list = _set = _tuple

    def _piece(self, node: ast.expr, scope: Scope) -> str:
        value = self.of(node, scope)
        return value if isinstance(value, str) else HOLE

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Value:
        pieces = []
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                pieces.append(self._piece(each.value, scope))
            else:
                pieces.append(self._piece(each, scope))
        return "".join(pieces)[:_LONGEST]

    def _binop(self, node: ast.BinOp, scope: Scope) -> Value:
        if isinstance(node.op, ast.Mod):
            left = self.of(node.left, scope)
            return self._percent(left, node.right, scope) if isinstance(left, str) else None
        if not isinstance(node.op, ast.Add):
            return None
        # A long sum nests to the left as deep as it is long.
        chain: list[ast.expr] = []
        inner: ast.expr = node
        while isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add):
            chain.append(inner.right)
            self.used.add(id(inner))
            inner = inner.left
        values = [self.of(each, scope) for each in [inner, *reversed(chain)]]
        if not any(isinstance(value, str) for value in values):
            return None
        return "".join(value if isinstance(value, str) else HOLE for value in values)[:_LONGEST]

    def _percent(self, text: str, given: ast.expr, scope: Scope) -> str:
        values: list[str] = []
        keyed: dict[str, str] = {}
        if isinstance(given, ast.Tuple):
            values = [self._piece(each, scope) for each in given.elts]
        elif isinstance(given, ast.Dict):
            keyed = {
                str(key.value): self._piece(value, scope)
                for key, value in zip(given.keys, given.values, strict=True)
                if isinstance(key, ast.Constant)
            }
        else:
            values = [self._piece(given, scope)]
        waiting = iter(values)

        def put(match: re.Match[str]) -> str:
            if match[2] == "%":
                return "%"
            return keyed.get(match[1], HOLE) if match[1] else next(waiting, HOLE)

        return _PERCENT.sub(put, text)[:_LONGEST]

    def _format(self, text: str, args: Sequence[str], keywords: Mapping[str, str]) -> str:
        pieces: list[str] = []
        position = 0
        try:
            for literal, name, _, _ in string.Formatter().parse(text):
                pieces.append(literal)
                if name is None:
                    continue
                if name == "":
                    name, position = str(position), position + 1
                if name.isdecimal():
                    number = int(name[:6])
                    pieces.append(args[number] if number < len(args) else HOLE)
                else:
                    pieces.append(keywords.get(name, HOLE))
        except ValueError:  # a brace that stands alone
            return text
        return "".join(pieces)[:_LONGEST]

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Value:
        if (
            node.attr in ("table_name", "table")
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "_meta"
        ):
            owner = self.of(node.value.value, scope)
            model = owner.model if isinstance(owner, Instance) else self._model(owner)
            return model.table if model is not None else None
        value = self.of(node.value, scope)
        return Dotted(f"{value.name}.{node.attr}") if isinstance(value, Dotted) else None

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        # peewee-migrate's models, by their table: migrator.orm["users"].
        if isinstance(node.value, ast.Attribute) and node.value.attr == "orm" and isinstance(node.slice, ast.Constant):
            if isinstance(node.slice.value, str):
                self.used.add(id(node.slice))
                return ModelRef(node.slice.value.lower())
            return None
        value = self.of(node.value, scope)
        if (model := self._model(value)) is not None:
            return Instance(model)
        return Instance(value.model) if isinstance(value, Query) and not isinstance(node.slice, ast.Slice) else value

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        called: Value
        if (method := got(node)) is not None:
            return self.of(method, scope)
        if isinstance(node.func, ast.Attribute):
            owner = self.of(node.func.value, scope)
            if (value := self._method(node, node.func, owner, scope)) is not None:
                return value
            called = Dotted(f"{owner.name}.{node.func.attr}") if isinstance(owner, Dotted) else None
        else:
            called = self.of(node.func, scope)
        if (model := self._model(called)) is not None:
            return Instance(model)
        name = called.name if isinstance(called, Dotted) else _last(node.func)
        if name in ("peewee.Table", "playhouse.Table") and node.args and isinstance(node.args[0], ast.Constant):
            return ModelRef(str(node.args[0].value).lower())
        if name and node.args and _WRAPPERS.search(name):
            found = self.of(node.args[-1] if name.endswith(".cast") or name == "cast" else node.args[0], scope)
            return found
        return None

    def _method(self, node: ast.Call, func: ast.Attribute, value: Value, scope: Scope) -> Value:
        if func.attr == "join" and len(node.args) == 1 and isinstance(value, str):
            parts = self.of(node.args[0], scope)
            if isinstance(parts, tuple) and isinstance(node.args[0], (ast.List, ast.Tuple)):
                self.used.update(map(id, node.args[0].elts))
            known = [part if isinstance(part, str) else HOLE for part in parts] if isinstance(parts, tuple) else [HOLE]
            return value.join(known)[:_LONGEST]
        if isinstance(value, str):
            if func.attr == "format":
                keywords = {each.arg: self._piece(each.value, scope) for each in node.keywords if each.arg}
                return self._format(value, [self._piece(each, scope) for each in node.args], keywords)
            return value if func.attr in _SAME else None
        model = value.model if isinstance(value, Query) else self._model(value)
        if model is None:
            return None
        if func.attr in _ROW:
            return Instance(model)
        if func.attr == "alias":
            return model
        return Query(model) if func.attr in _QUERIES else None


def got(node: ast.Call) -> ast.Attribute | None:
    """Return ``a.b`` for ``getattr(a, "b")``, and None for any other call."""
    if not isinstance(node.func, ast.Name) or node.func.id != "getattr" or len(node.args) not in (2, 3):
        return None
    owner, name = node.args[:2]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    return ast.copy_location(ast.Attribute(owner, name.value, ast.Load()), node)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
