"""Field types of schemas: refused values and accepted near misses, and what is lax in marshmallow made strict."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import math
import uuid
from typing import Any

import marshmallow
import pytest
from marshmallow import fields, validate

from datapkg.kit.errors import ValidationError
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
    Schema,
    Text,
    Timestamp,
    Uuid,
    load,
)

UTC = dt.UTC
KEY = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
D = decimal.Decimal


class Colour(enum.StrEnum):
    """Text by another type."""

    RED = "red"


class OldColour(str, enum.Enum):  # noqa: UP042 - what it must not be mistaken for
    """Text whose str() is not its value."""

    RED = "red"


class OwnKey(uuid.UUID):
    """A UUID as some drivers give it."""


class OwnMoment(dt.datetime):
    """A moment as pandas gives it."""


class Level(enum.IntEnum):
    """A number by another type."""

    LOW = 1


def one(field: fields.Field[Any]) -> type[Schema]:
    """A schema with one required field, ``x``."""
    field.required = True
    return type("One", (Schema,), {"x": field})


def check(field: fields.Field[Any], value: object) -> object:
    """The value of a field after loading it."""
    return load(one(field), {"x": value})["x"]


def refused(field: fields.Field[Any], value: object) -> dict[str, list[str]]:
    """The errors of a value that a field refuses."""
    with pytest.raises(ValidationError) as caught:
        load(one(field), {"x": value})
    return caught.value.errors


ACCEPTED = [
    (Text(), "", ""),
    (Text(), "é😀\x01\n", "é😀\x01\n"),
    (Text(), Colour.RED, "red"),
    (Text(), OldColour.RED, "red"),
    (Text(1, 3), "abc", "abc"),
    (Text(1, 3), "a", "a"),
    (Text(pattern=r"\A[a-z]+\Z"), "abc", "abc"),
    (Text(pattern=r"\Aa|b\Z"), "b", "b"),
    (Text(allow_none=True), None, None),
    (Integer(), 0, 0),
    (Integer(), -(2**63), -(2**63)),
    (Integer(), 2**63 - 1, 2**63 - 1),
    (Integer(), Level.LOW, 1),
    (Integer(1, 5), 1, 1),
    (Integer(1, 5), 5, 5),
    (Float(), 1.5, 1.5),
    (Float(), 3, 3.0),
    (Float(), 2**53, 2.0**53),
    (Float(), 23892022425339570, 2.389202242533957e16),
    (Float(), 10**23, 1e23),
    (Float(0, 1), 0, 0.0),
    (Float(0, 1), 1.0, 1.0),
    (Boolean(), True, True),
    (Boolean(), False, False),
    (Choice(["a", "b"]), "b", "b"),
    (Choice(["red"]), Colour.RED, "red"),
    (Constant(2), 2, 2),
    (Constant("v"), "v", "v"),
    (Constant(False), False, False),
    (Uuid(), KEY, KEY),
    (Uuid(), str(KEY), KEY),
    (Uuid(), str(KEY).upper(), KEY),
    (Uuid(), KEY.hex, KEY),
    (Timestamp(), dt.datetime(2024, 2, 29, 1, tzinfo=UTC), dt.datetime(2024, 2, 29, 1, tzinfo=UTC)),
    (
        Timestamp(),
        dt.datetime(2024, 3, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        dt.datetime(2024, 2, 29, 23, tzinfo=UTC),
    ),
    (Timestamp(), "2024-02-29T12:00:00Z", dt.datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (Timestamp(), "2024-02-29 12:00:00.000001+05:30", dt.datetime(2024, 2, 29, 6, 30, 0, 1, tzinfo=UTC)),
    (Timestamp(), "2024-02-29T12:00+0000", dt.datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (Uuid(), OwnKey(int=KEY.int), KEY),
    (Timestamp(), OwnMoment(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC), dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)),
    (Date(), dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
    (Date(), "2024-02-29", dt.date(2024, 2, 29)),
    (Decimal(5, 2), D("1.50"), D("1.50")),
    (Decimal(5, 2), "1.5", D("1.50")),
    (Decimal(5, 2), "999.99", D("999.99")),
    (Decimal(5, 2), "-.5", D("-0.50")),
    (Decimal(5, 2), "1.5000", D("1.50")),
    (Decimal(5, 2), "1E2", D("100.00")),
    (Decimal(5, 2), 7, D("7.00")),
    (Decimal(5, 2), D("-0"), D("0.00")),
    (Decimal(2, 2), "0.99", D("0.99")),
    (Decimal(3, 0), "999", D("999")),
    (Decimal(5, 2, min=0), "0", D("0.00")),
    (Json(), {"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
    (Json(), ({"a": (1,)},), [{"a": [1]}]),
    (Json(allow_none=True), None, None),
    (List(Integer()), [], []),
    (List(Integer()), (1, 2), [1, 2]),
    (List(Integer(), 1, 2), [1, 2], [1, 2]),
    (Dict(Integer()), {"a": 1}, {"a": 1}),
    (Dict(Integer(), keys=Choice(["a"])), {"a": 1}, {"a": 1}),
    (Dict(Integer(), min=1, max=1), {"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    ACCEPTED,
    ids=lambda each: repr(each).split(" at 0x")[0][:30] if not isinstance(each, fields.Field) else type(each).__name__,
)
def test_a_field_accepts_and_converts(field: fields.Field[Any], value: object, expected: object) -> None:
    """Each field type takes what it should, at its bounds, and gives the plain type."""
    result = check(field, value)
    assert result == expected and type(result) is type(expected) and repr(result) == repr(expected)


REFUSED: list[tuple[fields.Field[Any], object, str]] = [
    (Text(), b"x", "Not a valid string."),
    (Text(), 1, "Not a valid string."),
    (Text(), None, "Field may not be null."),
    (Text(), "a\0", "May not contain NUL characters."),
    (Text(), "é\ud800", "May not contain lone surrogates."),
    (Text(1, 3), "", "Length must be between 1 and 3."),
    (Text(1, 3), "abcd", "Length must be between 1 and 3."),
    (Text(max=3), "abcd", "Longer than maximum length 3."),
    (Text(pattern=r"\A[a-z]+\Z"), "abc\n", "String does not match expected pattern."),
    (Text(pattern=r"\A[a-z]+\Z"), "1abc", "String does not match expected pattern."),
    (Text(pattern=r"\Aa|b\Z"), "ax", "String does not match expected pattern."),
    (Text(pattern=r"\Aa|b\Z"), "xb", "String does not match expected pattern."),
    (Integer(), 1.7, "Not a valid integer."),
    (Integer(), 1.0, "Not a valid integer."),
    (Integer(), "1", "Not a valid integer."),
    (Integer(), True, "Not a valid integer."),
    (Integer(), D(1), "Not a valid integer."),
    (Integer(), 2**63, "Number too large."),
    (Integer(), -(2**63) - 1, "Number too large."),
    (Integer(1, 5), 0, "Must be greater than or equal to 1 and less than or equal to 5."),
    (Integer(1, 5), 6, "Must be greater than or equal to 1 and less than or equal to 5."),
    (Float(), "1.5", "Not a valid number."),
    (Float(), True, "Not a valid number."),
    (Float(), D("1.5"), "Not a valid number."),
    (Float(), math.nan, "Special numeric values (nan or infinity) are not permitted."),
    (Float(), -math.inf, "Special numeric values (nan or infinity) are not permitted."),
    (Float(), 10**400, "Number too large."),
    (Float(), 2**53 + 1, "Not exactly representable as a float."),
    (Float(), fractions.Fraction(1, 3), "Not exactly representable as a float."),
    (Float(0, 1), 1.0000001, "Must be greater than or equal to 0 and less than or equal to 1."),
    (Boolean(), 1, "Not a valid boolean."),
    (Boolean(), 0.0, "Not a valid boolean."),
    (Boolean(), "true", "Not a valid boolean."),
    (Choice(["a", "b"]), "c", "Must be one of: a, b."),
    (Choice(["a", "b"]), "A", "Must be one of: a, b."),
    (Choice(["a", "b"]), "a\n", "Must be one of: a, b."),
    (Choice(["a", "b"]), ["a"], "Not a valid string."),
    (Choice(["a", "b"]), b"a", "Not a valid string."),
    (Constant(2), 99, "Must be 2."),
    (Constant(2), 2.0, "Must be 2."),
    (Constant(1), True, "Must be 1."),
    (Constant("v"), "V", "Must be 'v'."),
    (Uuid(), "nope", "Not a valid UUID."),
    (Uuid(), str(KEY) + "\n", "Not a valid UUID."),
    (Uuid(), "{" + str(KEY) + "}", "Not a valid UUID."),
    (Uuid(), "urn:uuid:" + str(KEY), "Not a valid UUID."),
    (Uuid(), "0-1890a5dac96774bbcceb302099a8057", "Not a valid UUID."),
    (Uuid(), "\uff11" * 32, "Not a valid UUID."),
    (Uuid(), KEY.bytes, "Not a valid UUID."),
    (Uuid(), KEY.int, "Not a valid UUID."),
    (Timestamp(), dt.datetime(2024, 2, 29), "Must have a time zone, for example 2024-02-29T12:00:00Z."),
    (Timestamp(), "2024-02-29T12:00:00", "Must have a time zone, for example 2024-02-29T12:00:00Z."),
    (Timestamp(), dt.date(2024, 2, 29), "Not a valid datetime."),
    (Timestamp(), "2024-02-29", "Not a valid datetime."),
    (Timestamp(), "2023-02-29T12:00:00Z", "Not a valid datetime."),
    (Timestamp(), "2024-02-29T12:00:00.1234567Z", "Not a valid datetime."),
    (Timestamp(), "2024-02-29T12:00:00Z\n", "Not a valid datetime."),
    (Timestamp(), "0001-01-01T00:00:00+01:00", "Not a valid datetime."),
    (Timestamp(), 1_700_000_000, "Not a valid datetime."),
    (Date(), dt.datetime(2024, 2, 29, tzinfo=UTC), "Not a valid date."),
    (Date(), "2024-02-30", "Not a valid date."),
    (Date(), "20240229", "Not a valid date."),
    (Date(), "2024-W09-4", "Not a valid date."),
    (Date(), "2024-02-29T00:00:00Z", "Not a valid date."),
    (Date(), 20240229, "Not a valid date."),
    (Decimal(5, 2), 1.5, "Not a valid decimal number."),
    (Decimal(5, 2), True, "Not a valid decimal number."),
    (Decimal(5, 2), "1_0", "Not a valid decimal number."),
    (Decimal(5, 2), " 1", "Not a valid decimal number."),
    (Decimal(5, 2), "\uff11", "Not a valid decimal number."),
    (Decimal(5, 2), "NaN", "Not a valid decimal number."),
    (Decimal(5, 2), D("NaN"), "Special numeric values (nan or infinity) are not permitted."),
    (Decimal(5, 2), D("Infinity"), "Special numeric values (nan or infinity) are not permitted."),
    (Decimal(5, 2), "1.005", "At most 2 decimal places."),
    (Decimal(5, 2), "1E-9999", "At most 2 decimal places."),
    (Decimal(5, 2), "1000", "At most 3 digits before the decimal point."),
    (Decimal(5, 2), "1E9999", "At most 3 digits before the decimal point."),
    (Decimal(5, 2), D("1E999999999"), "At most 3 digits before the decimal point."),
    (Decimal(2, 2), 1, "At most 0 digits before the decimal point."),
    (Decimal(5, 2, min=0), "-0.01", "Must be greater than or equal to 0."),
    (Json(), object(), "Not a JSON value (object)."),
    (Json(), math.nan, "Must be a finite number."),
    (List(Integer()), {1}, "Not a valid list."),
    (List(Integer()), {1: 1}, "Not a valid list."),
    (List(Integer()), "12", "Not a valid list."),
    (List(Integer()), iter([1]), "Not a valid list."),
    (List(Integer(), 1, 2), [], "Length must be between 1 and 2."),
    (List(Integer(), 1, 2), [1, 2, 3], "Length must be between 1 and 2."),
    (Dict(Integer()), [("a", 1)], "Not a valid mapping type."),
    (Dict(Integer(), min=1), {}, "Shorter than minimum length 1."),
]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    REFUSED,
    ids=lambda each: repr(each).split(" at 0x")[0][:30] if not isinstance(each, fields.Field) else type(each).__name__,
)
def test_a_field_refuses_near_misses(field: fields.Field[Any], value: object, message: str) -> None:
    """Each field type refuses what it must, just beyond its bounds, with a message that says why."""
    assert refused(field, value) == {"x": [message]}


@pytest.mark.parametrize("pattern", ["^a$", "a", r"\Aa", r"a\Z", r"\Aa$", r"\Aa\\Z", "", r"(?i)\Aa\Z"])
def test_a_pattern_that_is_not_anchored_is_refused_where_it_is_written(pattern: str) -> None:
    r"""``^…$`` would accept a trailing newline, so patterns need \A and \Z."""
    with pytest.raises(ValueError, match="must begin with"):
        Text(pattern=pattern)
    with pytest.raises(ValueError, match="must begin with"):
        one(Text(validate=validate.Regexp(pattern)))()


@pytest.mark.parametrize("values", [[], ["a", "a"], [""], ["a\0"], [1], "ab"])
def test_choices_must_be_distinct_texts(values: Any) -> None:
    """A Choice that could never be right is refused where it is written."""
    with pytest.raises(ValueError, match="distinct"):
        Choice(values)


@pytest.mark.parametrize(("digits", "scale"), [(0, 0), (2, 3), (2, -1)])
def test_a_decimal_needs_a_possible_scale(digits: int, scale: int) -> None:
    """A Decimal field that no number fits is refused where it is written."""
    with pytest.raises(ValueError, match="No decimal"):
        Decimal(digits, scale)


def test_validators_that_return_false_refuse() -> None:
    """marshmallow ignores a validator's result; here False means no, and other results mean yes."""
    field = Integer(validate=lambda value: value % 2 == 0)
    assert check(field, 2) == 2
    assert refused(field, 3) == {"x": ["Invalid value."]}
    assert check(Integer(validate=lambda value: None), 3) == 3
    inner = List(Integer(validate=[lambda value: value > 0]))
    assert refused(inner, [1, 0]) == {"x.1": ["Invalid value."]}
    both = Integer(validate=validate.And(validate.Range(min=5), lambda value: value % 2 == 0))
    assert refused(both, 3) == {"x": ["Must be greater than or equal to 5.", "Invalid value."]}
    assert check(Boolean(validate=validate.Equal(False)), False) is False
    assert check(Dict(Boolean(validate=validate.OneOf([False]))), {"a": False}) == {"a": False}


def test_marshmallows_own_fields_are_made_strict() -> None:
    """A schema may use marshmallow's fields; what is lax in them is closed."""
    assert refused(fields.Integer(), 1.7) == {"x": ["Not a valid integer."]}
    assert refused(fields.List(fields.Integer()), [1.7]) == {"x.0": ["Not a valid integer."]}
    assert refused(fields.String(validate=validate.Regexp(r"\Aa|b\Z")), "ax") == {
        "x": ["String does not match expected pattern."]
    }
    with pytest.raises(TypeError, match="kit's Constant"):
        one(fields.List(fields.Constant(2)))()


def test_marshmallows_marker_for_nothing_is_not_an_item() -> None:
    """The marker would otherwise pass through a list or dictionary of any type."""
    missing = marshmallow.missing
    assert refused(List(Integer()), [1, missing]) == {"x.1": ["Missing data for required field."]}
    assert refused(Dict(Integer()), {"a": missing}) == {"x.a": ["Missing data for required field."]}
    assert refused(Dict(Integer()), {missing: 1}) == {
        "x.<marshmallow.missing>": ["Key: Missing data for required field."]
    }


def test_a_crashing_validator_is_not_hidden() -> None:
    """A programming error in a validator surfaces as it is."""

    def broken(value: int) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        check(Integer(validate=broken), 1)


def test_colliding_keys_of_a_dictionary_are_refused() -> None:
    """Two spellings of one key do not silently become one entry."""
    assert refused(Dict(Integer(), keys=Uuid()), {KEY: 1, str(KEY): 2}) == {f"x.{KEY}": ["Key: Key given twice."]}
