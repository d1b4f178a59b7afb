"""Versioned documents: validating and writing, lists, and documents within a schema."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import json
import math
import types
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import fields, validates_schema

from datapkg.kit import json_values
from datapkg.kit.errors import UnknownSchemaVersionError, ValidationError
from datapkg.kit.schemas import (
    Date,
    Decimal,
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
    load,
)

from document_samples import CONTENT, COSTS, CURRENT, free

# Writing


def test_validating_stamps_the_current_version_and_leaves_its_input_alone() -> None:
    """Content may omit the version or carry the current one."""
    bare = {key: value for key, value in CURRENT.items() if key != "schema_version"}
    before = copy.deepcopy(bare)
    assert CONTENT.validate(bare) == CURRENT and bare == before
    result = CONTENT.validate(CURRENT)
    assert result == CURRENT and result is not CURRENT
    assert CONTENT.recognises(CURRENT) and not CONTENT.recognises(bare) and not CONTENT.recognises(None)
    assert CONTENT.validate(types.MappingProxyType(CURRENT)) == CURRENT


def test_content_of_an_older_version_is_upgraded_and_then_validated() -> None:
    """A caller may write back what an older program exported."""
    assert CONTENT.validate({"schema_version": 1, "preamble": "p", "dims": ["a"]}) == {
        "schema_version": 2, "preamble": "p", "dimensions": [{"name": "a", "values": ["-"]}],
    }  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        CONTENT.validate({"schema_version": 1, "preamble": "p", "dims": [""]}, path="content")
    assert caught.value.errors == {"content.dimensions.0.name": ["Length must be between 1 and 20."]}
    with pytest.raises(ValidationError) as caught:
        CONTENT.validate({"schema_version": 0, "dims": [5]}, path="content")
    assert list(caught.value.errors) == ["content"]


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        (None, {"_schema": ["Invalid input type."]}),
        ([], {"_schema": ["Invalid input type."]}),
        ({}, {"preamble": ["Missing data for required field."], "dimensions": ["Missing data for required field."]}),
        ({**CURRENT, "zz": 1}, {"zz": ["Unknown field."]}),
        ({**CURRENT, "preamble": "a\0"}, {"preamble": ["May not contain NUL characters."]}),
        ({**CURRENT, "preamble": "\ud800"}, {"preamble": ["May not contain lone surrogates."]}),
        (
            {**CURRENT, "dimensions": [{"name": "a", "values": []}]},
            {"dimensions.0.values": ["Shorter than minimum length 1."]},
        ),
    ],
)
def test_wrong_content_is_refused_with_every_path(content: object, errors: dict[str, list[str]]) -> None:
    """All complaints, with and without a path in front."""
    with pytest.raises(ValidationError) as caught:
        CONTENT.validate(content)
    assert caught.value.errors == errors and "content document" in caught.value.why
    with pytest.raises(ValidationError) as caught:
        CONTENT.validate(content, path="row.content")
    assert caught.value.errors == {
        "row.content" if key == "_schema" else f"row.content.{key}": each for key, each in errors.items()
    }


class Free(Schema):
    """Anything that JSON has."""

    value = Json(required=True)


def nested(levels: int) -> object:
    """A list in a list in a list, so many levels deep."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_hundred_levels_count_for_the_document_as_a_whole() -> None:
    """What a Json field may hold depends on where it stands: 100 levels in all."""
    document = free(Free)
    fits = {"value": nested(99)}
    assert document.validate(fits) == {"schema_version": 1, **fits}
    with pytest.raises(ValidationError) as caught:
        document.validate({"value": nested(100)})
    assert caught.value.errors == {".".join(["value"] + ["0"] * 99): ["Nested deeper than 100 levels."]}
    assert not document.recognises({"schema_version": 1, "value": nested(100)})
    assert document.recognises({"schema_version": 1, "value": nested(99)})
    with pytest.raises(ValidationError):
        document.validate({"value": nested(101)})


class Endless(Schema):
    """A schema that holds itself."""

    child = Nested(lambda: Endless)


def test_a_schema_that_holds_itself_is_bounded_too() -> None:
    """Depth through nested objects counts as depth."""
    document = free(Endless)
    deep: dict[str, object] = {}
    for _ in range(60):
        deep = {"child": deep}
    assert document.validate(deep) == {"schema_version": 1, **deep}
    for _ in range(60):
        deep = {"child": deep}
    with pytest.raises(ValidationError, match="deep"):
        document.validate(deep)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "\0", {"\ud800": 1}, {1: 1}, {1}, b"", 2**70, uuid.uuid4()])
def test_what_json_does_not_have_is_refused_in_free_content(bad: object) -> None:
    """Free JSON is bounded by what both engines keep."""
    with pytest.raises(ValidationError) as caught:
        free(Free).validate({"value": {"a": [bad]}})
    assert [path.startswith("value.a.0") for path in caught.value.errors] == [True]


class Rich(Schema):
    """Values that JSON has no type for."""

    key = Uuid(required=True)
    at = Timestamp(required=True)
    on = Date()
    money = Decimal(5, 2)
    ids = List(Uuid())


def test_values_json_has_no_type_for_are_stored_as_text_and_read_back_valid() -> None:
    """UUIDs, moments, days and decimals in a document are text, before storing and after."""
    key = uuid.uuid4()
    document = free(Rich)
    valid = document.validate(
        {
            "key": key,
            "at": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
            "on": dt.date(2024, 1, 2),
            "money": decimal.Decimal("1.5"),
            "ids": [key],
        }
    )
    assert valid == {
        "schema_version": 1,
        "key": str(key),
        "at": "2024-01-02T00:00:00+00:00",
        "on": "2024-01-02",
        "money": "1.50",
        "ids": [str(key)],
    }
    again = document.loads(document.dumps(valid))
    assert again == valid and document.validate(again) == valid
    assert not document.recognises(valid)


def test_marshmallows_own_fields_cannot_bring_in_what_json_does_not_have() -> None:
    """Whatever the schema lets through is looked through once more."""
    document = free(type("Foreign", (Schema,), {"a": fields.Raw()}))
    assert document.validate({"a": (1, "x")}) == {"schema_version": 1, "a": [1, "x"]}
    for bad in (math.nan, "x\0", {1: 1}, object()):
        with pytest.raises(ValidationError) as caught:
            document.validate({"a": [bad]})
        assert next(iter(caught.value.errors)).startswith("a.0")


def test_hooks_of_a_schema_hold_for_documents() -> None:
    """A schema with rules across fields is obeyed."""

    class Ordered(Schema):
        low = Integer(required=True)
        high = Integer(required=True)

        @validates_schema
        def ordered(self, data: dict[str, int], **_: object) -> None:
            """Refuse low above high."""
            from marshmallow import ValidationError as Refused

            if data["low"] > data["high"]:
                raise Refused("low is above high", "low")

    document = free(Ordered)
    assert document.validate({"low": 1, "high": 2}) == {"schema_version": 1, "low": 1, "high": 2}
    with pytest.raises(ValidationError) as caught:
        document.validate({"low": 3, "high": 2})
    assert caught.value.errors == {"low": ["low is above high"]}


# Text


def test_the_text_is_compact_and_reads_back() -> None:
    """Storing and reading a valid document gives it back, letters beyond ASCII included."""
    valid = CONTENT.validate({**CURRENT, "preamble": 'é "😀"\n\u2028'})
    text = CONTENT.dumps(valid)
    assert text.startswith('{"schema_version":2,"preamble":"é \\"😀\\"\\n\u2028",')
    assert CONTENT.loads(text) == valid


@pytest.mark.parametrize(
    "content", [{}, {"preamble": "p"}, {**CURRENT, "schema_version": 1}, {**CURRENT, "schema_version": 3}, [], None]
)
def test_only_stamped_content_is_written(content: object) -> None:
    """What did not go through validate does not become text."""
    with pytest.raises(ValidationError, match="validate the content"):
        CONTENT.dumps(content)


def test_a_number_that_is_not_finite_is_never_written() -> None:
    """Even content that was not validated cannot put NaN into a column."""
    for document in (free(Free), free(type("Number", (Schema,), {"value": Float()}))):
        with pytest.raises(ValueError):
            document.dumps({"schema_version": 1, "value": math.nan})


LETTERS = st.text(max_size=8).filter(lambda text: json_values.text_problem(text) is None)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    LETTERS,
    st.lists(
        st.fixed_dictionaries(
            {"name": LETTERS.filter(bool), "values": st.lists(LETTERS.filter(bool), min_size=1, max_size=2)}
        ),
        max_size=2,
    ),
)
def test_the_text_does_not_depend_on_orjson(preamble: str, dimensions: list[object]) -> None:
    """With and without orjson, the same bytes are stored."""
    valid = CONTENT.validate({"preamble": preamble, "dimensions": dimensions})
    text = CONTENT.dumps(valid)
    assert text == json.dumps(valid, ensure_ascii=False, separators=(",", ":"))
    assert CONTENT.loads(text) == valid


def test_floats_are_spelled_so_that_they_stay_floats() -> None:
    """jsonb would read 1e+16 as an integer; stored text does not depend on what is installed either."""
    text = free(Free).dumps({"schema_version": 1, "value": [1e16, 1e-7]})
    assert text == '{"schema_version":1,"value":[10000000000000000.0,1e-07]}'


# A document within a schema


class Row(Schema):
    """A row with parts of its own."""

    name = Text(1, required=True)
    content = Versioned(CONTENT, required=True)
    costs = Versioned(COSTS)


def test_a_versioned_field_validates_and_stamps_and_collects_all_errors() -> None:
    """One error holds what is wrong with the row and with its documents."""
    assert load(Row, {"name": "n", "content": {"preamble": "p", "dimensions": []}, "costs": [{"a": 1}]}) == {
        "name": "n", "content": {"schema_version": 2, "preamble": "p", "dimensions": []}, "costs": [{"a": 1}],
    }  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        load(
            Row,
            {
                "name": "",
                "content": {"preamble": 1, "dimensions": [{"name": "a", "values": [""]}]},
                "costs": [{"a": "x"}],
            },
        )
    assert caught.value.errors == {
        "name": ["Shorter than minimum length 1."],
        "content.preamble": ["Not a valid string."],
        "content.dimensions.0.values.0": ["Shorter than minimum length 1."],
        "costs.0.a": ["Not a valid integer."],
    }
    with pytest.raises(ValidationError) as caught:
        load(Row, {"name": "n", "content": 5, "costs": {}})
    assert caught.value.errors == {"content": ["Invalid input type."], "costs": ["Not a valid list."]}
    with pytest.raises(UnknownSchemaVersionError):
        load(Row, {"name": "n", "content": {"schema_version": 3}})
