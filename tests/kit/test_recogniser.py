"""Recognisers: which schemas have one, and how the generated code is kept safe."""

from __future__ import annotations

from typing import Any

import marshmallow
import pytest
from marshmallow import fields, post_load, validates_schema

from datapkg.kit import schemas
from datapkg.kit.errors import ValidationError
from datapkg.kit.recogniser import recogniser, recogniser_source
from datapkg.kit.schemas import (
    Choice,
    Constant,
    Dict,
    Integer,
    List,
    Nested,
    Schema,
    Text,
)


class Dimension(Schema):
    """One dimension."""

    name = Text(1, 6, pattern=r"\A[a-z_][a-z0-9_]*\Z", required=True)
    values = List(Text(1, 3), min=1, max=3, required=True)
    description = Text(allow_none=True)


class _Own(Text):
    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> str:
        return str(value).upper()


def _hooked() -> type[Schema]:
    class Hooked(Schema):
        a = Integer()

        @post_load
        def double(self, data: dict[str, int], **_: object) -> dict[str, int]:
            return {"a": data["a"] * 2}

    return Hooked


def _checked() -> type[Schema]:
    class Checked(Schema):
        a = Integer()

        @validates_schema
        def never(self, data: object, **_: object) -> None:
            raise marshmallow.ValidationError("no")

    return Checked


def _loading() -> type[Schema]:
    class Loading(Schema):
        a = Integer()

        def load(self, data: Any, **options: Any) -> Any:
            return {"a": 0}

    return Loading


class Endless(Schema):
    """A schema that holds itself."""

    child = Nested(lambda: Endless)


@pytest.mark.parametrize(
    "schema",
    [
        type("Foreign", (Schema,), {"a": fields.String()}),
        type("ForeignInside", (Schema,), {"a": List(fields.Raw())}),
        type("Subclass", (Schema,), {"a": _Own()}),
        type("Renamed", (Schema,), {"a": Integer(data_key="b")}),
        type("Processed", (Schema,), {"a": fields.Integer(post_load=lambda value: value + 1)}),
        type("Within", (Schema,), {"a": Nested(_hooked())}),
        Schema.from_dict({"a.b": Integer()}),
        _hooked(),
        _checked(),
        _loading(),
        Endless,
    ],
    ids=lambda schema: schema.__name__,
)
def test_a_schema_with_anything_not_covered_has_no_recogniser(schema: type[Schema]) -> None:
    """What the generator does not know is left to marshmallow altogether."""
    assert recogniser(schema()) is None and recogniser_source(schema()) is None


def test_schemas_without_a_recogniser_load_all_the_same() -> None:
    """Falling back changes speed only."""
    assert schemas.load(_hooked(), {"a": 2}) == {"a": 4}
    assert schemas.load(type("Renamed", (Schema,), {"a": Integer(data_key="b")}), {"b": 1}) == {"a": 1}
    with pytest.raises(ValidationError, match="no"):
        schemas.load(_checked(), {"a": 1})


def test_a_plain_marshmallow_schema_with_another_treatment_of_unknown_keys_is_not_covered() -> None:
    """A recogniser stands for refusing unknown keys, so others have none."""
    lax = marshmallow.Schema.from_dict({"a": Integer()})(unknown=marshmallow.EXCLUDE)
    assert recogniser(lax) is None
    many = marshmallow.Schema.from_dict({"a": Integer()})(many=True)
    assert recogniser(many) is None


def test_a_schema_used_twice_is_covered() -> None:
    """Only a schema that holds itself is left out, not one that stands in two places."""
    twice = type("Twice", (Schema,), {"a": Nested(Dimension), "b": Dict(Nested(Dimension))})
    recognise = recogniser(twice())
    one: dict[str, object] = {"name": "a", "values": ["x"]}
    assert recognise is not None and recognise({"a": one, "b": {"k": one}})
    assert not recognise({"a": one, "b": {"k": {**one, "zz": 1}}})


def test_names_and_values_in_the_schema_cannot_break_out_of_the_generated_code() -> None:
    """Keys and choices with quotes and newlines are data, not code."""
    nasty = "a'\"\n\\: raise SystemExit #"
    schema = Schema.from_dict({nasty: Choice([nasty, "b"], required=True), "c": Constant(nasty)})
    recognise = recogniser(schema())
    assert recognise is not None and recognise({nasty: nasty, "c": nasty})
    assert not recognise({nasty: "c"})


def test_the_source_can_be_looked_at() -> None:
    """For debugging, the generated function can be printed."""
    source = recogniser_source(Dimension())
    assert source is not None and "def recognise(d):" in source
