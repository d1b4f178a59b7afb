"""What the names in source stand for: the tables of models, through imports, aliases and subclasses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import peewee as pw

from datapkg.kit.models import Model
from datapkg.operations.linting.sources import Source

__all__ = ["Index", "ModelRef", "dotted", "import_bindings", "meta_of"]

_KIT = frozenset(("Model", "MutableModel"))


@dataclass(frozen=True)
class ModelRef:
    """A Peewee model.

    Attributes:
        table: its table in lower case; None for a base without one.
        legacy: whether Peewee's old way of naming tables holds for its subclasses.
    """

    table: str | None
    legacy: bool = False


@dataclass
class _Class:
    bases: list[str]
    node: ast.ClassDef


@dataclass
class _Module:
    names: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    classes: dict[str, _Class] = field(default_factory=dict)


def dotted(node: ast.expr) -> str | None:
    """Return ``a.b.c`` for such an expression, and None for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def import_bindings(node: ast.Import | ast.ImportFrom, *, module: str, package: bool) -> dict[str, str]:
    """Return what an import binds, as dotted names by local name; ``*`` stands for a star import.

    Args:
        node: the statement.
        module: the dotted name of the file that it stands in.
        package: whether that file is an ``__init__.py``.
    """
    if isinstance(node, ast.Import):
        return {
            each.asname or each.name.partition(".")[0]: each.name if each.asname else each.name.partition(".")[0]
            for each in node.names
        }
    source = node.module or ""
    if node.level:
        parents = module.split(".")
        keep = len(parents) - node.level + (1 if package else 0)
        source = ".".join([*parents[: max(keep, 0)], *([source] if source else [])])
    return {each.asname or each.name: source if each.name == "*" else f"{source}.{each.name}" for each in node.names}


def meta_of(node: ast.ClassDef) -> dict[str, object]:
    """Return the constants of a class's ``Meta``."""
    for each in node.body:
        if isinstance(each, ast.ClassDef) and each.name == "Meta":
            return {
                target.id: line.value.value
                for line in each.body
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
                for target in line.targets
                if isinstance(target, ast.Name)
            }
    return {}


def model_of(node: ast.ClassDef, base: ModelRef) -> ModelRef:
    """Return the model that a class makes of its base."""
    meta = meta_of(node)
    legacy = bool(meta.get("legacy_table_names", base.legacy))
    named = meta.get("table_name") or meta.get("db_table")
    if isinstance(named, str):
        return ModelRef(named.lower(), legacy)
    name = re.sub(r"\W+", "_", node.name).lower() if legacy else str(pw.make_snake_case(node.name))  # type: ignore[attr-defined]  # not in Peewee's stubs
    return ModelRef(name, legacy)


class Index:
    """What the modules of a code base define and import.

    Args:
        models: those of every domain; they count however they are imported.
    """

    def __init__(self, models: Iterable[type[Model]]) -> None:
        self._modules: dict[str, _Module] = {}
        self._models: dict[str, ModelRef] = {}
        self._by_package: dict[tuple[str, str], ModelRef] = {}
        for model in models:
            ref = ModelRef(model._meta.table_name.lower())
            self._models[f"{model.__module__}.{model.__name__}"] = ref
            self._by_package[model.__module__.partition(".")[0], model.__name__] = ref

    def add(self, source: Source) -> None:
        """Take in what a file defines at its top level."""
        module = self._modules[source.module] = _Module()
        package = source.path.endswith("__init__.py")
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name, target in import_bindings(node, module=source.module, package=package).items():
                    if name == "*":
                        module.stars.append(target)
                    else:
                        module.names.setdefault(name, target)
        for line in source.tree.body:
            if isinstance(line, ast.ClassDef):
                module.classes[line.name] = _Class(list(filter(None, map(dotted, line.bases))), line)
            elif isinstance(line, ast.Assign) and (value := dotted(line.value)):
                for each in line.targets:
                    if isinstance(each, ast.Name) and each.id != value.partition(".")[0]:
                        module.names[each.id] = f"{source.module}.{value}"

    def model(self, name: str, _seen: frozenset[str] = frozenset()) -> ModelRef | None:
        """Return the model that a dotted name stands for, or None.

        Args:
            name: with its module, such as ``datapkg.audit.models.AuditLog``.
        """
        if name in self._models:
            return self._models[name]
        if name in _seen or len(_seen) > 40:
            return None
        seen = _seen | {name}
        module, rest = self._split(name)
        if module is not None and rest:
            first, _, more = rest.partition(".")
            found = self._modules[module]
            if first in found.classes and not more:
                return self._class(module, found.classes[first], seen)
            if first in found.names:
                target = found.names[first] + (f".{more}" if more else "")
                return self.model(target, seen)
            for star in found.stars:
                if star != module and (model := self.model(f"{star}.{rest}", seen)) is not None:
                    return model
        package, _, _ = name.partition(".")
        last = name.rpartition(".")[2]
        if package == "datapkg" and last in _KIT:
            return ModelRef(None)
        if package in ("peewee", "playhouse") and last == "Model":
            return ModelRef(None, legacy=True)
        return self._by_package.get((package, last)) if module is None or "." in name else None

    def _class(self, module: str, found: _Class, seen: frozenset[str]) -> ModelRef | None:
        for base in found.bases:
            if (model := self.model(f"{module}.{base}", seen)) is not None:
                return model_of(found.node, model)
        return None

    def _split(self, name: str) -> tuple[str | None, str]:
        module = name
        while module:
            if module in self._modules:
                return module, name[len(module) + 1 :]
            module = module.rpartition(".")[0]
        return None, name
