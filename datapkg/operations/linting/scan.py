"""Walks through one file and notes every place where it touches the database."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from datapkg.operations.linting.names import Index, ModelRef, import_bindings, model_of
from datapkg.operations.linting.notes import Notes
from datapkg.operations.linting.sources import Source
from datapkg.operations.linting.sql import Access
from datapkg.operations.linting.touches import (
    JOINS,
    MODEL_READS,
    MODEL_SCHEMA,
    MODEL_WRITES,
    ROW_WRITES,
    WRITERS,
    Touch,
    arguments,
    defaults,
    shows,
)
from datapkg.operations.linting.values import Dotted, Instance, Query, Scope, Value, Values, got

__all__ = ["scan"]

_ROUNDS = 200


def scan(source: Source, index: Index) -> list[Touch]:
    """Return every touch of a file, by line.

    Args:
        source: the file.
        index: the names of the code base that it belongs to.

    Raises:
        RecursionError: the file is nested too deeply.
    """
    walk = _Walk(source, index)
    walk.run()
    return sorted(set(walk.found), key=lambda touch: (touch.line, touch.column, touch.how, touch.table or ""))


class _Walk(Notes):
    def __init__(self, source: Source, index: Index) -> None:
        super().__init__(source)
        self.values = Values(index)
        self.scope = Scope()
        self.waiting: list[Callable[[], None]] = []
        self.called: set[int] = set()  # methods that are called, by ``id``
        self.rounds = 1  # how often the loops around are gone through, once for each model

    def run(self) -> None:
        self.body(self.source.tree.body)
        # Functions are called after the module around them has run, and see what it bound last.
        while self.waiting:
            self.waiting.pop(0)()

    def body(self, lines: list[ast.stmt]) -> None:
        for line in lines:
            self.visit(line)

    def quiet(self, node: ast.AST) -> None:
        """Pass by the texts of something that is shown or compared, and not run."""
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            self.values.text(node, self.scope)
        self.visit(node)

    # Expressions ------------------------------------------------------------------------------------------------

    def _text(self, node: ast.expr) -> None:
        if id(node) not in self.values.used and (text := self.values.text(node, self.scope)) is not None:
            self.note_text(node, text, known=self.values.named)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (str, bytes)):
            self._text(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._text(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if id(node) not in self.values.used and (text := self.values.text(node, self.scope)) is not None:
            self.note_text(node, text, known=self.values.named)
        inner: ast.expr = node
        while isinstance(inner, ast.BinOp):  # as deep as the sum is long
            self.visit(inner.right)
            inner = inner.left
            if isinstance(inner, ast.BinOp) and id(inner) not in self.values.used:
                break
        self.visit(inner)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, (ast.Constant, ast.JoinedStr)):
            self.quiet(node.value)  # a docstring, or a text that nobody uses
        else:
            self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for each in (node.left, *node.comparators):
            self.quiet(each)

    def visit_Raise(self, node: ast.Raise) -> None:
        for given in (node.exc, node.cause):
            if isinstance(given, ast.Call):
                self.visit(given.func)
                for each in (*given.args, *(keyword.value for keyword in given.keywords)):
                    self.quiet(each)
            elif given is not None:
                self.visit(given)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)
        if node.msg is not None:
            self.quiet(node.msg)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.scope.bind(node.target.id, self.values.of(node.value, self.scope))

    def visit_Call(self, node: ast.Call) -> None:
        if shows(node.func):
            for given in (*node.args, *(keyword.value for keyword in node.keywords)):
                self.quiet(given)
            return
        if id(node) not in self.values.used and (text := self.values.text(node, self.scope)) is not None:
            self.note_text(node, text, known=self.values.named)
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
            self.called.add(id(node.func))
        elif (method := got(node)) is not None:
            self.visit_Attribute(method)
        called = self.values.of(node.func, self.scope)
        if isinstance(called, Dotted) and WRITERS.match(called.name) and node.args:
            model = self.values.model(node.args[0], self.scope)
            if model is not None and model.table:
                self.note(node, "write", model.table, called.name.rpartition(".")[2])
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A method that is called is looked at with its call; any other is kept, and called some time."""
        if id(node) not in self.called and node.attr in MODEL_WRITES | ROW_WRITES:
            value = self.values.of(node.value, self.scope)
            model = value.model if isinstance(value, Instance) else self.values.model(node.value, self.scope)
            writes = ROW_WRITES if isinstance(value, Instance) else MODEL_WRITES
            if model is not None and model.table and node.attr in writes:
                self.note(node, "write", model.table, f"{ast.unparse(node)[-60:]}")
        self.generic_visit(node)

    def _method(self, node: ast.Call, func: ast.Attribute) -> None:
        name = func.attr
        if name in ("open_gate", "insert_rows") and node.args:
            table = self.values.text(node.args[0], self.scope)
            access: Access = "gate" if name == "open_gate" else "write"
            self.note(node, access, table.lower() if table else None, name)
            return
        if name in ("create_function", "register_function"):  # the gate of SQLite is one
            if any(self.values.text(each, self.scope) == "datapkg_gate" for each in node.args):
                self.note(node, "gate", None, name)
            return
        if name == "copy_from" and len(node.args) > 1:
            if (copied := self.values.text(node.args[1], self.scope)) is not None:
                self.note(node, "write", copied.lower(), name)
            return
        value = self.values.of(func.value, self.scope)
        if isinstance(value, Instance):
            if name in ROW_WRITES and value.model.table:
                self.note(node, "write", value.model.table, f"{ast.unparse(func)[-60:]}")
            return
        if name in JOINS and node.args:
            joined = self.values.model(node.args[-1] if name == "join_from" else node.args[0], self.scope)
            if joined is not None and joined.table:
                self.note(node.args[0], "read", joined.table, name)
        model = value if isinstance(value, ModelRef) else self.values.model(func.value, self.scope)
        if model is None or not model.table:
            return
        how = f"{ast.unparse(func)[-60:]}"
        if name in MODEL_WRITES:
            self.note(node, "write", model.table, how)
        elif name in MODEL_READS:
            self.note(node, "read", model.table, how)
        elif name in MODEL_SCHEMA:
            self.note(node, "schema", model.table, how)

    # Names ------------------------------------------------------------------------------------------------------

    def _imported(self, node: ast.Import | ast.ImportFrom) -> None:
        package = self.source.path.endswith("__init__.py")
        for name, target in import_bindings(node, module=self.source.module, package=package).items():
            if name == "*":
                self.values.stars.append(target)
            else:
                self.scope.bind(name, Dotted(target))

    visit_Import = _imported
    visit_ImportFrom = _imported

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        value = self.values.of(node.value, self.scope)
        for target in node.targets:
            self._bind(target, value, node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._item(target)
            self.visit(target)

    def _item(self, target: ast.expr) -> None:
        """Note what ``Model[key] = …`` and ``del Model[key]`` do."""
        if isinstance(target, ast.Subscript):
            model = self.values.model(target.value, self.scope)
            if model is not None and model.table:
                self.note(target, "write", model.table, f"{ast.unparse(target.value)[-60:]}[\u2026]")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        value = self.values.annotated(node.annotation, self.scope)
        if node.value is not None:
            self.visit(node.value)
            value = self.values.of(node.value, self.scope) or value
        self._bind(node.target, value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        added = self.values.text(node.value, self.scope)
        before = self.scope.find(node.target.id) if isinstance(node.target, ast.Name) else None
        if isinstance(node.op, ast.Add) and isinstance(before, str) and isinstance(node.target, ast.Name):
            whole = ast.BinOp(ast.Name(node.target.id, ast.Load()), ast.Add(), node.value)
            text = self.values.text(ast.copy_location(whole, node), self.scope)
            if text is not None:
                self.note_text(node.value, text, known=[before])
            self._bind(node.target, text)
        elif isinstance(node.target, ast.Name):
            self.note_text(node.value, added or "", known=[])
            self._bind(node.target, None)
        self.visit(node.value)

    def _bind(self, target: ast.expr, value: Value, given: ast.expr | None = None) -> None:
        if isinstance(target, ast.Name):
            self.scope.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(given, (ast.Tuple, ast.List)) and len(given.elts) == len(parts):
                parts = [None if isinstance(each, ast.Starred) else each for each in given.elts]
            values = [None if part is None else self.values.of(part, self.scope) for part in parts]
            for each, part, known in zip(target.elts, parts, values, strict=True):
                self._bind(each, known, part)
        elif isinstance(target, ast.Starred):
            self._bind(target.value, None)
        else:
            self._item(target)
            self.visit(target)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        for value in self._each(node.iter):
            self._bind(node.target, value)
            self.body(node.body)
        self.body(node.orelse)

    visit_For = _for
    visit_AsyncFor = _for

    def _each(self, node: ast.expr) -> Iterator[Value]:
        """Yield what the variable of a loop stands for: each of several models, or once what is known of all."""
        value = self.values.of(node, self.scope)
        models = [each for each in value if isinstance(each, ModelRef)] if isinstance(value, tuple) else []
        if models and self.rounds * len(models) <= _ROUNDS:
            self.rounds *= len(models)
            yield from models
            self.rounds //= len(models)
            return
        if isinstance(value, Dotted):
            value = self.values.model(node, self.scope)
        if isinstance(value, ModelRef):
            yield Instance(value)
        else:
            yield Instance(value.model) if isinstance(value, Query) else None

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        outer, self.scope = self.scope, Scope(self.scope)
        self._generators(node.generators, (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,))
        self.scope = outer

    def _generators(self, generators: list[ast.comprehension], parts: tuple[ast.expr, ...]) -> None:
        if not generators:
            for part in parts:
                self.visit(part)
            return
        first, *others = generators
        self.visit(first.iter)
        for value in self._each(first.iter):
            self._bind(first.target, value)
            for test in first.ifs:
                self.visit(test)
            self._generators(others, parts)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        opened = []
        for item in node.items:
            self.visit(item.context_expr)
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "open_gate":
                table = self.values.text(call.args[0], self.scope) if call.args else None
                opened += [table.lower()] if table else []
            if item.optional_vars is not None:
                self._bind(item.optional_vars, None)
        self.gates += opened
        self.body(node.body)
        del self.gates[len(self.gates) - len(opened) :]

    visit_With = _with
    visit_AsyncWith = _with

    # Functions and classes --------------------------------------------------------------------------------------

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool = False, owner: ModelRef | None = None
    ) -> None:
        for each in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(each)
        if not method:
            self.scope.bind(node.name, None)
        inner = self._parameters(node.args, self.scope)
        arguments = [*node.args.posonlyargs, *node.args.args]
        if owner is not None and arguments:
            marks = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
            if "staticmethod" not in marks:
                inner.bind(arguments[0].arg, owner if "classmethod" in marks else Instance(owner))

        def later() -> None:
            self.scope, self.gates = inner, []
            self.body(node.body)

        self.waiting.append(later)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _parameters(self, given: ast.arguments, scope: Scope) -> Scope:
        inner, known = Scope(scope), defaults(given)
        for each in arguments(given):
            model = self.values.model(known[each.arg], scope) if each.arg in known else None
            inner.bind(each.arg, model or self.values.annotated(each.annotation, scope))
        return inner

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for each in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(each)
        outer, self.scope = self.scope, self._parameters(node.args, self.scope)
        self.visit(node.body)
        self.scope = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(each)
        base = next((found for each in node.bases if (found := self.values.model(each, self.scope))), None)
        model = Dotted(f"{self.source.module}.{node.name}") if self.scope.parent is None else None
        made: Value = model_of(node, base) if base is not None else model
        self.scope.bind(node.name, made)
        outer, self.scope = self.scope, Scope(self.scope)
        for line in node.body:
            if isinstance(line, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside, self.scope = self.scope, outer  # a method does not see the names of its class
                self._function(line, method=True, owner=made if isinstance(made, ModelRef) else None)
                self.scope = inside
            else:
                self.visit(line)
        self.scope = outer
