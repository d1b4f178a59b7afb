"""The reference of the Python names: a page a domain, and those of what the domains stand on."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import peewee as pw
from faces import FACES

__all__ = ["api_pages"]

NOTE = "<!-- Written by `python docs/_generate`: change the docstrings instead. -->\n"
DOMAINS = {
    "accounts": "domains.md",
    "audit": "security.md",
    "engagement": "engagement.md",
    "evaluation": "evaluation.md",
    "flags": "domains.md",
    "planning": "planning.md",
    "scripts": "scripts.md",
    "workqueue": "queue.md",
}


# What a reader has use for where most of a class is the engine room's.
_SHOWN = {
    "datapkg.Model": "public, public_shape, save, select",
    "datapkg.kit.engines.KitDatabase": "execute_sql, fetch, change, open_gate",
}


def api_pages() -> dict[str, str]:
    """Return every page, by its file's name."""
    pages = {f"{name}.md": domain_page(name, guide) for name, guide in DOMAINS.items()}
    for name, (title, introduction, groups) in FACES.items():
        parts = [NOTE, f"# {title}\n", introduction]
        for heading, names in groups.items():
            parts += [f"## {heading}\n", *_documented(names)]
        pages[f"{name}.md"] = "\n".join(parts)
    pages["errors.md"] = errors_page()
    pages["testing.md"] = testing_page()
    return pages


def domain_page(name: str, guide: str) -> str:
    """Return a domain's page: its functions by the module that they are in, its tables, its constants."""
    domain = importlib.import_module(f"datapkg.{name}")
    summary = (inspect.getdoc(domain) or "").split("\n\n")[0].replace("\n", " ")
    parts = [NOTE, f"# datapkg.{name}\n", f"{summary} [The guide](../{guide}) shows it at work.\n"]
    groups: dict[str, list[str]] = {}
    for each in domain.__all__:
        value = getattr(domain, each)
        if _is_table(value):
            heading = "Tables"
        elif inspect.isclass(value) or inspect.isroutine(value):
            heading = _title(value.__module__)
        else:
            heading = "Constants"
        groups.setdefault(heading, []).append(f"datapkg.{name}.{each}")
    for heading in [*sorted(groups.keys() - {"Tables", "Constants"}), "Tables", "Constants"]:
        if heading in groups:
            names = sorted(groups[heading], key=lambda each: (each.rpartition(".")[2][0].isupper(), each))
            parts += [f"## {heading}\n", *_documented(names)]
    return "\n".join(parts)


def errors_page() -> str:
    """Return the page of the errors, with their codes."""
    from datapkg import errors

    parts = [NOTE, "# datapkg.errors\n", "What each stands for is also in [errors and exit codes](../errors.md).\n"]
    parts.append("| error | code |\n|---|---|")
    parts += [f"| `{name}` | `{getattr(errors, name).code}` |" for name in errors.__all__]
    names = sorted(errors.__all__, key=lambda each: (each != "DatapkgError", each))
    return "\n".join([*parts, "", "## The family\n", *_documented(f"datapkg.errors.{name}" for name in names)])


def testing_page() -> str:
    """Return the page of what tests use: fixtures, the server, factories."""
    from datapkg import testing
    from datapkg.testing import factories, plugin

    parts = [NOTE, "# datapkg.testing\n", "[Testing](../testing.md) shows it at work.\n", "## Fixtures\n"]
    for name in sorted(plugin.__all__):
        parts.append(f"`{name}`\n: " + inspect.cleandoc(getattr(plugin, name).__doc__).replace("\n", "\n  ") + "\n")
    parts += ["## The server\n"]
    parts += _documented(f"datapkg.testing.{name}" for name in sorted(testing.__all__) if name != "factories")
    parts += ["## Factories\n", "In `datapkg.testing.factories`.\n"]
    return "\n".join([*parts, *_documented(f"datapkg.testing.factories.{name}" for name in sorted(factories.__all__))])


def _title(module: str) -> str:
    last = module.rpartition(".")[2].replace("_", " ")
    return {"queries": "Functions", "ab experiments": "A/B experiments", "ab assignments": "A/B assignments"}.get(
        last, last.capitalize()
    )


def _is_table(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, pw.Model) and value.__name__ not in ("Model", "MutableModel")


def _documented(names: Iterable[str]) -> Iterator[str]:
    """Yield a block of directives for names that follow each other, and for a table one of its own with its columns."""
    lines: list[str] = []
    for name in names:
        value = pkgutil.resolve_name(name)
        if _is_table(value):
            yield from _table(name, value)
        else:
            lines += _directive(name, value)
    if lines:
        yield "```{eval-rst}\n" + "\n".join(lines) + "\n```\n"


def _directive(name: str, value: Any) -> list[str]:
    if inspect.isclass(value) and issubclass(value, pw.Field):
        # Its methods are the engine room's, and its overloads the type checker's.
        taken = [
            each.replace(annotation=inspect.Parameter.empty) for each in inspect.signature(value).parameters.values()
        ]
        return [f".. autoclass:: {name}{inspect.Signature(taken)}"]
    if inspect.isclass(value):
        if issubclass(value, Exception):
            return [f".. autoexception:: {name}", "   :show-inheritance:"]
        return [f".. autoclass:: {name}", f"   :members: {_SHOWN.get(name, '')}".rstrip()]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}"]
    shown = repr(value)
    lines = [f".. py:data:: {name}"]
    if len(shown) <= 100 and " object at 0x" not in shown:
        lines.append(f"   :value: {shown}")
    about = _constants(name.split(".")[1]).get(name.rpartition(".")[2], "")
    return [*lines, "", *(f"   {line}" for line in about.splitlines()), ""]


@cache
def _constants(package: str) -> dict[str, str]:
    """Return the texts below assignments in a package, by the name that is assigned."""
    found: dict[str, str] = {}
    for module in _modules(importlib.import_module(f"datapkg.{package}")):
        body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
        for before, after in pairwise(body):
            if (
                isinstance(before, ast.Assign | ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                target = before.targets[0] if isinstance(before, ast.Assign) else before.target
                if isinstance(target, ast.Name):
                    found[target.id] = inspect.cleandoc(str(after.value.value))
    return found


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__):
        if not info.ispkg:
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def _table(name: str, model: Any) -> Iterator[str]:
    yield f"### {model.__name__}\n"
    yield f"```{{eval-rst}}\n.. autoclass:: {name}\n```\n"
    yield f"Columns of `{model._meta.table_name}`:\n"
    yield "| column | type | may be empty | |\n|---|---|---|---|"
    for field in model._meta.sorted_fields:
        empty = "yes" if field.null else ""
        yield f"| `{field.column_name}` | {_kind(field)} | {empty} | {_facts(field)} |"
    yield ""


def _kind(field: Any) -> str:
    if isinstance(field, pw.ForeignKeyField):
        return "uuid"
    bound = getattr(field, "max_length", None)
    kind = type(field).__name__.removesuffix("Field").lower()
    return f"{kind}, up to {bound:,}" if bound else kind


def _facts(field: Any) -> str:
    facts = []
    if field.primary_key:
        facts.append("the key")
    if field.unique:
        facts.append("unique")
    if isinstance(field, pw.ForeignKeyField):
        facts.append(f"`{field.rel_model._meta.table_name}`, on delete {field.on_delete}")
    if document := getattr(field, "document", None):
        facts.append(f"document `{document.name}`")
    if values := getattr(field, "values", None):
        facts.append(", ".join(f"`{value}`" for value in values))
    if getattr(field, "secret", False):
        facts.append("secret")
    return "; ".join(facts)
