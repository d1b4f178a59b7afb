"""Versioned documents that are lists: outside a list, in the column an object with a version."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from datapkg.kit.documents import Document
from datapkg.kit.errors import DocumentError, UnknownSchemaVersionError, ValidationError
from datapkg.kit.schemas import (
    Dict,
    Integer,
    List,
    Schema,
)


class Costs(Schema):
    """A list of costs."""

    items = List(Dict(Integer(), min=1), max=3, required=True)


def listed_v0_to_v1(items: list[Any]) -> list[Any]:
    """Plain numbers become objects."""
    return [{"cost": item} if isinstance(item, int) else item for item in items]


COSTS = Document("costs", Costs, upcasters=(listed_v0_to_v1,), listed=True)


def test_a_listed_document_is_a_list_outside_and_an_object_in_the_column() -> None:
    """Callers see a list; the column has room for the version."""
    valid = COSTS.validate([{"a": 1}])
    assert valid == [{"a": 1}]
    text = COSTS.dumps(valid)
    assert text == '{"schema_version":1,"items":[{"a":1}]}'
    assert COSTS.loads(text) == [{"a": 1}]
    assert COSTS.validate({"schema_version": 1, "items": [{"a": 1}]}) == [{"a": 1}]
    assert COSTS.recognises([{"a": 1}]) and not COSTS.recognises(({"a": 1},)) and not COSTS.recognises([5])


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([5, {"a": 1}], [{"cost": 5}, {"a": 1}]),
        ([], []),
        ({"schema_version": 0, "items": [5]}, [{"cost": 5}]),
        ({"schema_version": 1, "items": [5]}, [5]),
    ],
)
def test_a_listed_document_upgrades_from_a_bare_list(stored: object, expected: list[object]) -> None:
    """A bare list is version 0."""
    before = copy.deepcopy(stored)
    assert COSTS.upgrade(stored) == expected and COSTS.loads(json.dumps(stored)) == expected
    assert stored == before
    assert COSTS.validate({"schema_version": 0, "items": [5]}) == [{"cost": 5}]


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"items": []},
        {"schema_version": 1},
        {"schema_version": 1, "items": {}},
        {"schema_version": 1, "items": [], "x": 1},
        {"schema_version": 0},
        5,
        None,
    ],
)
def test_a_listed_document_without_its_list_is_corrupt(stored: object) -> None:
    """Anything but the two forms of a listed document is named as corrupt."""
    with pytest.raises(DocumentError, match="costs"):
        COSTS.upgrade(stored)


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        ([{"a": 1}, {"a": "x"}], {"1.a": ["Not a valid integer."]}),
        ([{}, 5], {"0": ["Shorter than minimum length 1."], "1": ["Not a valid mapping type."]}),
        ([{"a": 1}] * 4, {"_schema": ["Longer than maximum length 3."]}),
        ({"items": []}, {"_schema": ["Not a valid list."]}),
        (5, {"_schema": ["Not a valid list."]}),
    ],
)
def test_wrong_lists_are_refused_with_paths_from_the_list(content: object, errors: dict[str, list[str]]) -> None:
    """Paths begin with the position in the caller's list, not with the object around it."""
    with pytest.raises(ValidationError) as caught:
        COSTS.validate(content)
    assert caught.value.errors == errors
    with pytest.raises(ValidationError) as caught:
        COSTS.validate(content, path="costs")
    assert set(caught.value.errors) == {"costs" if key == "_schema" else f"costs.{key}" for key in errors}


def test_a_newer_list_is_refused() -> None:
    """Lists are versioned like objects."""
    for act in (COSTS.upgrade, COSTS.validate):
        with pytest.raises(UnknownSchemaVersionError):
            act({"schema_version": 2, "items": []})
