"""The public functions: typed, described, listed, and looked at by a type checker in tests/typing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from uuid import UUID

import pytest

import datapkg
from datapkg import registry
from datapkg.kit.fields import DocumentField, ForeignKey, JSONField
from datapkg.kit.models import Model
from datapkg.operations.bookkeeping import BOOKKEEPING

TYPING = Path(__file__).parents[1] / "typing"
DOMAINS = {name: getattr(datapkg, name) for name in datapkg._DOMAINS}
FACES: dict[str, ModuleType] = {"datapkg": datapkg, "errors": datapkg.errors, "retention": datapkg.retention, **DOMAINS}


def public_functions() -> Iterator[tuple[str, FunctionType]]:
    """Every function that somebody can call by its public name."""
    for face, module in FACES.items():
        for name in dir(module):
            function = getattr(module, name)
            if isinstance(function, FunctionType):
                yield f"{face}.{name}", function


def loosely_typed(annotation: str, function: FunctionType) -> bool:
    """Whether an annotation says ``Any``, itself or by an alias that it names."""
    if re.search(r"\bAny\b", annotation):
        return True
    aliases = (function.__globals__.get(name) for name in re.findall(r"\w+", annotation))
    return any("typing.Any" in repr(alias) for alias in aliases if not isinstance(alias, (type, ModuleType)))


def test_every_public_function_is_typed_and_described() -> None:
    """Each argument and result has a type, none ``Any``, extra keywords are listed, and there is a docstring."""
    problems = []
    for name, function in public_functions():
        if not (function.__doc__ or "").strip():
            problems.append(f"{name}: no docstring")
        signature = inspect.signature(function)
        kinds = {each.name: each.kind for each in signature.parameters.values()}
        given = {each.name: each.annotation for each in signature.parameters.values()}
        annotations = {"return": signature.return_annotation, **given}
        for part, annotation in annotations.items():
            if annotation is inspect.Signature.empty:
                problems.append(f"{name}: {part} has no type")
            elif loosely_typed(str(annotation), function):
                problems.append(f"{name}: {part} is {annotation}")
            elif kinds.get(part) is inspect.Parameter.VAR_KEYWORD and not str(annotation).startswith("Unpack["):
                problems.append(f"{name}: which keywords **{part} takes is not said")
    assert problems == []
    assert len(list(public_functions())) > 250


def test_the_faces_show_their_documented_names_and_no_others() -> None:
    """``dir()``, which tab completion goes by, is ``__all__``."""
    for face, module in FACES.items():
        assert dir(module) == sorted(module.__all__), face


def test_every_public_function_is_seen_by_the_type_checker() -> None:
    """A function that tests/typing does not call could lose its types unnoticed."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in TYPING.glob("*.py")}
    missing = [
        f"{domain}.{name}"
        for domain, module in DOMAINS.items()
        for name in dir(module)
        if isinstance(getattr(module, name), FunctionType) and f"{domain}.{name}(" not in files[domain]
    ]
    assert missing == []


def models() -> list[type[Model]]:
    """Every table, the package's bookkeeping included."""
    return [*registry.models(), *BOOKKEEPING]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_what_peewee_adds_is_annotated(model: type[Model]) -> None:
    """The key beside each reference has its annotation, empty or not as the column says, and nothing else has one."""
    expected = {
        field.object_id_name: "UUID | None" if field.null else "UUID"
        for field in model._meta.sorted_fields
        if isinstance(field, ForeignKey)
    }
    found = {name: each for name, each in model.__annotations__.items() if re.match(r"UUID\b", str(each))}
    assert found == expected
    for field in model._meta.sorted_fields:
        if isinstance(field, ForeignKey):
            assert field.rel_field.name == "id" and isinstance(field.rel_model.id.default(), UUID)
        if isinstance(field, ForeignKey) and field.rel_model is model:
            optional = " | None" if field.null else ""
            assert model.__annotations__[field.name] == f"ForeignKey[{model.__name__}{optional}]"
        if isinstance(field, JSONField) and not isinstance(field, DocumentField):
            assert model.__annotations__[field.name].startswith("JSONField[")
