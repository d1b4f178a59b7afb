"""Versioned documents: fingerprints and JSON Schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from marshmallow import fields, validate, validates_schema

from datapkg.kit.documents import Document, fingerprint, json_schema
from datapkg.kit.json_schema import describe
from datapkg.kit.schemas import (
    Boolean,
    Choice,
    Constant,
    Date,
    Decimal,
    Dict,
    Float,
    Integer,
    Json,
    List,
    Nested,
    Schema,
    Text,
    Timestamp,
    Uuid,
    Versioned,
)

from document_samples import CONTENT, COSTS, Content, Dimension, free, v0_to_v1

# Shape


def shape(**declared: fields.Field[Any]) -> str:
    """The fingerprint of a document with these fields."""
    return fingerprint(free(type("Shape", (Schema,), declared)))


BASE: Any = lambda: {"a": Text(1, 5, required=True), "b": List(Integer(0, 9)), "c": Nested(Dimension)}  # noqa: E731 - fresh fields each time


@pytest.mark.parametrize(
    "change",
    [
        {"a": Text(1, 6, required=True)},
        {"a": Text(0, 5, required=True)},
        {"a": Text(1, 5)},
        {"a": Text(1, 5, required=True, allow_none=True)},
        {"a": Text(1, 5, required=True, pattern=r"\Aa\Z")},
        {"a": Text(1, 5, load_default="x")},
        {"a": Choice(["x"], required=True)},
        {"a": Text(1, 5, required=True, validate=validate.Email())},
        {"b": List(Integer(0, 8))},
        {"b": List(Float(0, 9))},
        {"b": List(Integer(0, 9), min=1)},
        {"b": List(Integer(0, 9, validate=validate.Range(max=9, max_inclusive=False)))},
        {"b": Dict(Integer(0, 9))},
        {"c": Nested(Content)},
        {"c": Nested(type("Dimension", (Dimension,), {"extra": Json()}))},
        {"d": Boolean()},
        {"d": fields.Raw()},
    ],
)
def test_the_fingerprint_changes_with_the_shape(change: dict[str, Any]) -> None:
    """A change to names, types, bounds or what is required is noticed."""
    assert shape(**{**BASE(), **change}) != shape(**BASE())


def test_the_fingerprint_does_not_change_with_what_does_not_matter() -> None:
    """Class names, descriptions, the order of fields and of choices are not shape."""
    assert shape(**dict(reversed(BASE().items()))) == shape(**BASE())
    assert shape(**{**BASE(), "c": Nested(type("Other", (Dimension,), {}))}) == shape(**BASE())
    assert shape(**{**BASE(), "a": Text(1, 5, required=True, metadata={"description": "hello"})}) == shape(**BASE())
    assert shape(a=Choice(["x", "y"])) == shape(a=Choice(["y", "x"]))


def test_two_choices_are_told_apart_and_so_are_constants_and_checks() -> None:
    """Every parameter of a field takes part."""

    def other(value: object) -> None:
        """Accept."""

    variants = [
        shape(a=Choice(["x", "y"])),
        shape(a=Choice(["x", "z"])),
        shape(a=Constant(1)),
        shape(a=Constant(True)),
        shape(a=Constant("1")),
        shape(a=Decimal(5, 2)),
        shape(a=Decimal(5, 3)),
        shape(a=Decimal(6, 2)),
        shape(a=Uuid()),
        shape(a=Date()),
        shape(a=Timestamp()),
        shape(a=Json()),
        shape(a=Text()),
        shape(a=Text(validate=other)),
        shape(a=Text(validate=validate.Equal("x"))),
        shape(a=Text(load_default=str)),
        shape(a=Dict(Text())),
        shape(a=Dict(Text(), keys=Text(1))),
        shape(a=Versioned(CONTENT)),
        shape(a=Versioned(COSTS)),
        shape(a=Float(0)),
        shape(a=Float(validate=validate.Range(0, min_inclusive=False))),
        shape(),
    ]
    assert len(set(variants)) == len(variants)


def test_hooks_and_combined_validators_take_part_in_the_shape() -> None:
    """Rules across fields, processors and validators within validators are noticed too."""

    class Hooked(Schema):
        a = Text()

        @validates_schema
        def never(self, data: object, **_: object) -> None:
            raise AssertionError

    both = validate.And(validate.Length(equal=3), validate.Regexp(r"\A[a-z]+\Z"), validate.Regexp(r"\Aab.*\Z"))
    variants = [
        fingerprint(free(Hooked)),
        shape(a=Text()),
        shape(a=Text(validate=both)),
        shape(a=Text(validate=validate.And(validate.Length(equal=3), validate.Regexp(r"\A[a-z]+\Z")))),
        shape(a=fields.String(post_load=str.lower)),
        shape(a=fields.String(pre_load=str.lower, post_load=str.lower)),
    ]
    assert len(set(variants)) == len(variants)
    described: Any = json_schema(free(type("Both", (Schema,), {"a": Text(validate=both)})))
    assert described["properties"]["a"]["minLength"] == described["properties"]["a"]["maxLength"] == 3
    assert described["properties"]["a"]["pattern"] == "^(?:[a-z]+)$"


def test_a_schema_that_holds_itself_has_a_reference_to_the_whole() -> None:
    """The root is referred to as such, and the fingerprint ends."""
    described: Any = describe(Branch())
    assert described["title"] == "Branch" and described["properties"] == {"branch": {"$ref": "#"}}
    # A document's root has schema_version besides, so what is below it is not the root again.
    stored: Any = json_schema(free(Branch))
    assert stored["properties"]["branch"] == {"$ref": "#/$defs/Branch"} and len(fingerprint(free(Branch))) == 64


def test_the_fingerprint_is_the_same_in_every_run() -> None:
    """Stored fingerprints are compared by later runs on other machines."""
    code = (
        "from datapkg.kit.documents import Document, fingerprint\n"
        "from datapkg.kit.schemas import *\n"
        "from marshmallow import validate\n"
        "def v0_to_v1(content): return content\n"
        "class In(Schema): n = Integer(0, 9, required=True)\n"
        "class S(Schema):\n"
        "    a = Text(1, 5, required=True, validate=validate.OneOf({'x', 'y', 'z'}))\n"
        "    b = List(Nested(In)); c = Decimal(5, 2, min=0)\n"
        "print(fingerprint(Document('d', S, upcasters=(v0_to_v1,))))"
    )
    run: Any = lambda seed: subprocess.run(  # noqa: E731 - one call, said once
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    ).stdout.strip()
    first = run("1")
    assert first == run("2") == run("77") and len(first) == 64


class Everything(Schema):
    """Every field type at once."""

    text = Text(1, 5, pattern=r"\A[a-z]+\Z", required=True, metadata={"description": "A word."})
    choice = Choice(["a", "b"], allow_none=True)
    number = Integer(0, 9)
    ratio = Float(validate=validate.Range(0, 1, min_inclusive=False))
    yes = Boolean(load_default=True)
    money = Decimal(5, 2)
    anything = Json()
    by_name = Dict(Integer(), min=1)
    dimension = Nested(Dimension)
    dimensions = List(Nested(Dimension), max=3)
    child = Nested(lambda: Branch)


class Branch(Schema):
    """A schema below another that holds itself."""

    branch = Nested(lambda: Branch)


def test_the_json_schema_says_what_the_schema_says() -> None:
    """Editors and other languages get the same rules as JSON Schema."""
    described: Any = json_schema(Document("all", Everything, upcasters=(v0_to_v1,)))
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema" and described["title"] == "all"
    assert described["type"] == "object" and described["additionalProperties"] is False
    assert described["required"] == ["schema_version", "text"]
    properties = described["properties"]
    assert properties["schema_version"] == {"const": 1}
    assert properties["text"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 5,
        "pattern": "^(?:[a-z]+)$",
        "description": "A word.",
    }
    assert properties["choice"] == {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]}
    assert properties["number"] == {"type": "integer", "minimum": 0, "maximum": 9}
    assert properties["ratio"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    assert properties["yes"] == {"type": "boolean", "default": True}
    assert properties["anything"] == {}
    assert (
        properties["by_name"]["minProperties"] == 1
        and properties["by_name"]["additionalProperties"]["type"] == "integer"
    )
    assert properties["dimensions"] == {"type": "array", "items": {"$ref": "#/$defs/Dimension"}, "maxItems": 3}
    assert described["$defs"]["Dimension"]["required"] == ["name", "values"]
    assert described["$defs"]["Branch"]["properties"]["branch"] == {"$ref": "#/$defs/Branch"}
    assert json.loads(json.dumps(described)) == described


def test_the_json_schema_of_a_listed_document_describes_what_is_stored() -> None:
    """The column holds an object with the version and the items."""
    described: Any = json_schema(COSTS)
    assert described["required"] == ["items", "schema_version"] and described["properties"]["items"]["maxItems"] == 3


def test_nested_schemas_of_one_name_are_told_apart_in_the_json_schema() -> None:
    """Two classes called alike get two definitions."""
    first, second = type("Same", (Schema,), {"a": Integer()}), type("Same", (Schema,), {"b": Text()})
    described: Any = json_schema(free(type("Two", (Schema,), {"x": Nested(first), "y": Nested(second)})))
    assert set(described["$defs"]) == {"Same", "Same2"}
    assert described["properties"]["y"] == {"$ref": "#/$defs/Same2"}


def test_many_threads_may_use_a_document_from_the_start() -> None:
    """First use from many threads at once is safe."""
    document = free(lambda: Content)
    barrier, results = threading.Barrier(8), []

    def work() -> None:
        barrier.wait()
        results.append(document.validate({"preamble": "p", "dimensions": []}))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"schema_version": 1, "preamble": "p", "dimensions": []}] * 8
