"""Document types that the tests of documents share."""

from __future__ import annotations

from typing import Any

from datapkg.kit.documents import Document
from datapkg.kit.schemas import Dict, Integer, List, Nested, Schema, Text


class Dimension(Schema):
    """One dimension."""

    name = Text(1, 20, required=True)
    values = List(Text(1), min=1, required=True)


class Content(Schema):
    """Content with dimensions."""

    preamble = Text(required=True)
    dimensions = List(Nested(Dimension), required=True)


def v0_to_v1(content: dict[str, Any]) -> dict[str, Any]:
    """Name what was always there."""
    return {"preamble": content.get("preamble", ""), "dims": [name.strip() for name in content.get("dims", [])]}


def content_v1_to_v2(content: dict[str, Any]) -> dict[str, Any]:
    """Turn names into objects, in place."""
    content["dimensions"] = [{"name": name, "values": ["-"]} for name in content.pop("dims")]
    return content


CONTENT = Document("content", Content, upcasters=(v0_to_v1, content_v1_to_v2))
CURRENT: dict[str, Any] = {"schema_version": 2, "preamble": "p", "dimensions": [{"name": "a", "values": ["x"]}]}


class Costs(Schema):
    """A list of costs."""

    items = List(Dict(Integer(), min=1), max=3, required=True)


def listed_v0_to_v1(items: list[Any]) -> list[Any]:
    """Plain numbers become objects."""
    return [{"cost": item} if isinstance(item, int) else item for item in items]


COSTS = Document("costs", Costs, upcasters=(listed_v0_to_v1,), listed=True)


def step(name: str, function: Any = None) -> Any:
    """A step called ``name``; by default it changes nothing."""
    made = function or (lambda content: content)
    made.__name__ = name
    return made


def free(schema: Any, name: str = "free") -> Document:
    """A document at version 1 whose only step changes nothing."""
    return Document(name, schema, upcasters=(step("v0_to_v1"),))
