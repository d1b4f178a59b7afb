"""Recognisers agree with marshmallow: a yes exactly where loading gives back an equal value of the same types."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections import OrderedDict
from typing import Any

import marshmallow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import validate

from datapkg.kit import schemas
from datapkg.kit.documents import Document
from datapkg.kit.errors import UnknownSchemaVersionError, ValidationError
from datapkg.kit.recogniser import recogniser
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

UTC = dt.UTC
KEY = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NOW = dt.datetime(2024, 2, 29, 12, tzinfo=UTC)


def v0_to_v1(content: dict[str, object]) -> dict[str, object]:
    """Name what was always there."""
    return content


class Note(Schema):
    """A small document."""

    text = Text(required=True)


NOTE = Document("note", Note, upcasters=(v0_to_v1,))


def even(value: int) -> bool:
    """Refuse odd numbers by returning False."""
    return value % 2 == 0


def not_odd(value: int) -> None:
    """Refuse odd numbers by raising."""
    if value % 2:
        raise marshmallow.ValidationError("Odd.")


class Dimension(Schema):
    """One dimension."""

    name = Text(1, 6, pattern=r"\A[a-z_][a-z0-9_]*\Z", required=True)
    values = List(Text(1, 3), min=1, max=3, required=True)
    description = Text(allow_none=True)


class Rule(Schema):
    """One rule."""

    kind = Choice(["exact", "fuzzy"], required=True)
    weight = Float(0, 1)
    limit = Integer(validate=validate.Range(min=0, max=10, max_inclusive=False))
    even = Integer(validate=[even, not_odd])
    on = Boolean()
    default = Integer(load_default=3)


class Everything(Schema):
    """Every field type at once."""

    version = Constant(1, required=True)
    flag = Constant(True)
    word = Constant("v")
    title = Text(max=5, required=True)
    code = Text(
        validate=[validate.Length(equal=2), validate.OneOf(("ab", "cd")), validate.And(validate.Regexp(r"\A[a-c]+\Z"))]
    )
    three = Integer(validate=validate.Equal(3), allow_none=True)
    open_range = Float(validate=validate.Range(min=0, min_inclusive=False))
    key = Uuid()
    moment = Timestamp()
    day = Date()
    money = Decimal(4, 2, min=0)
    dimensions = List(Nested(Dimension), max=3)
    rules = List(Nested(Rule))
    by_key = Dict(Integer(), keys=Choice(["a", "b"]), max=1)
    by_name = Dict(List(Nested(Dimension)))
    meta = Json()
    note = Versioned(NOTE)
    renamed_default = Integer(load_default=None)
    hidden = Integer(dump_only=True)


SCHEMA = schemas.instance(Everything)


class TextKind(str):
    """A subclass of str."""

    __slots__ = ()


class Weird:
    """Compares with nothing without an error."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hostile")

    def __hash__(self) -> int:
        return hash("title")


class Colour(enum.StrEnum):
    """Text by another type."""

    AB = "ab"


ODD: list[Any] = [
        None, True, False, 0, 1, 2, 3, -1, 10, 1.0, 1.5, 3.0, -0.0, float("nan"), float("inf"), 10**30, 2**63,
        2**53 + 1,
        "", "1", "ab", "cd", "exact", "v", "x\0", "\ud800", "é", "dim\n", b"ab", [], {}, (1,), ["a"], ("a",),
        {"a": 1}, {1: 1},
        TextKind("ab"), Colour.AB, OrderedDict(a=1), {TextKind("a"): 1}, KEY, str(KEY), NOW, NOW.isoformat(),
        NOW.replace(tzinfo=None), NOW.astimezone(dt.timezone(dt.timedelta(hours=1))),
        NOW.replace(tzinfo=dt.timezone(dt.timedelta(0), "Z")),
        NOW.date(), "2024-02-29", decimal.Decimal("1.50"), decimal.Decimal("1.5"), decimal.Decimal("-0.00"),
        decimal.Decimal("NaN"), decimal.Decimal("100.00"), decimal.Decimal("-1.00"), "1.50",
        {"schema_version": 1, "text": "t"}, {"text": "t"}, {"schema_version": True, "text": "t"}, object,
        marshmallow.missing,
]  # fmt: skip
JUNK = st.sampled_from(ODD)


def rarely_junk(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly the good strategy, now and then an odd value."""
    return st.one_of(*[good] * 12, JUNK)


def record(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A dictionary with required and optional keys."""
    return st.fixed_dictionaries(required, optional=optional)


def spoiled(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Now and then a key too many, or a key that is a subclass of str."""
    extra: st.SearchStrategy[Any] = st.sampled_from([{}, {}, {}, {}, {"zz": 1}, {1: 2}, {"hidden": 1}])
    tweak = st.tuples(strategy, extra).map(lambda pair: {**pair[0], **pair[1]})
    renamed = strategy.map(lambda row: {TextKind(key): value for key, value in row.items()})
    return st.one_of(*[tweak] * 9, renamed)


DIMENSION = spoiled(
    record(
        {"name": rarely_junk(st.sampled_from(["a", "b_2"]))},
        {
            "values": rarely_junk(st.lists(rarely_junk(st.sampled_from(["a", "bc"])), min_size=1, max_size=4)),
            "description": rarely_junk(st.text(max_size=2)),
        },
    )
)
RULE = spoiled(
    record(
        {"kind": rarely_junk(st.sampled_from(["exact", "fuzzy"])), "default": rarely_junk(st.integers(0, 3))},
        {
            "weight": rarely_junk(st.floats(0, 1)),
            "limit": rarely_junk(st.integers(0, 10)),
            "even": rarely_junk(st.sampled_from([0, 2, 3])),
            "on": rarely_junk(st.booleans()),
        },
    )
)
PLAIN_JSON = st.recursive(
    JUNK,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b\0", 1]), inner, max_size=2),
    max_leaves=4,
)
DOCUMENT = spoiled(
    record(
        {
            "version": rarely_junk(st.just(1)),
            "title": rarely_junk(st.sampled_from(["", "abcde", "é"])),
            "renamed_default": rarely_junk(st.none()),
        },
        {
            "flag": rarely_junk(st.just(True)),
            "word": rarely_junk(st.just("v")),
            "code": rarely_junk(st.just("ab")),
            "three": rarely_junk(st.sampled_from([3, None])),
            "open_range": rarely_junk(st.floats(0, 2)),
            "key": rarely_junk(st.just(KEY)),
            "moment": rarely_junk(st.just(NOW)),
            "day": rarely_junk(st.just(NOW.date())),
            "money": rarely_junk(st.decimals(0, 99, places=2)),
            "dimensions": rarely_junk(st.lists(rarely_junk(DIMENSION), max_size=2)),
            "rules": rarely_junk(st.lists(rarely_junk(RULE), max_size=2)),
            "by_key": rarely_junk(
                st.dictionaries(st.sampled_from(["a", "b", "c"]), rarely_junk(st.integers(0, 3)), max_size=1)
            ),
            "by_name": rarely_junk(st.dictionaries(st.text(max_size=1), st.lists(DIMENSION, max_size=1), max_size=1)),
            "meta": PLAIN_JSON,
            "note": rarely_junk(st.just({"schema_version": 1, "text": "t"})),
        },
    )
)


def same(left: Any, right: Any) -> bool:
    """Equal and of the same types, all the way down, keys included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        ordered = sorted(left, key=repr) == sorted(right, key=repr) and all(
            map(same, sorted(left, key=repr), sorted(right, key=repr))
        )
        return ordered and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right) if isinstance(left, (float, decimal.Decimal, dt.datetime)) else bool(left == right)


def check_agreement(data: object, *, partial: bool = False) -> bool:
    """Assert that recogniser and marshmallow agree; return what both say."""
    recognise = recogniser(SCHEMA, partial=partial) if partial else RECOGNISE
    assert recognise is not None
    said = recognise(data)
    try:
        loaded = SCHEMA.load(data, partial=partial)  # type: ignore[arg-type]  # anything at all
    except marshmallow.ValidationError as error:
        assert not said, f"recognised, but refused with {error.messages}"
        return False
    except Exception:
        assert not said
        return False
    identical = same(loaded, data)
    assert said <= identical, f"recognised, but loads as {loaded!r}"
    # Everything it covers it must recognise too, or validation would be slow without anyone noticing.
    assert said == identical
    return said


RECOGNISE = recogniser(SCHEMA)
PARTIAL = recogniser(SCHEMA, partial=True)
GOOD: dict[str, object] = {
    "version": 1, "title": "t", "renamed_default": None, "flag": True, "word": "v", "code": "ab", "three": None,
    "open_range": 0.5,
    "key": KEY, "moment": NOW, "day": NOW.date(), "money": decimal.Decimal("1.50"),
    "dimensions": [{"name": "a", "values": ["x", "y"], "description": None}],
    "rules": [{"kind": "exact", "weight": 0.5, "limit": 9, "even": 2, "on": False, "default": 1}],
    "by_key": {"b": 2}, "by_name": {"é": [{"name": "b", "values": ["x"]}]}, "meta": {"a": [1, None, 2.5]},
    "note": {"schema_version": 1, "text": "t"},
}  # fmt: skip


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(DOCUMENT, DOCUMENT, DOCUMENT, JUNK))
def test_it_never_disagrees_with_marshmallow(data: object) -> None:
    """Recognised exactly when loading gives back an equal value of the same types."""
    check_agreement(data)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_it_never_disagrees_about_one_spoiled_value(key: str) -> None:
    """A valid document with any one value replaced by any odd one is judged as marshmallow judges it."""
    for value in ODD:
        check_agreement({**GOOD, key: value})
        check_agreement({**GOOD, key: [value]})
        check_agreement({**GOOD, key: {"a": value}})


@pytest.mark.parametrize("group", ["dimensions", "rules"])
def test_it_never_disagrees_about_one_spoiled_value_further_down(group: str) -> None:
    """The same for each value of an object in a list."""
    good = GOOD[group][0]  # type: ignore[index]  # it is a list
    for key in good:
        for value in ODD:
            check_agreement({**GOOD, group: [good, {**good, key: value}]})
            check_agreement({**GOOD, group: [{**good, key: [value]}]})


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENT)
def test_it_never_disagrees_about_partial_input(data: dict[str, object]) -> None:
    """For updates, too, recognised means that loading changes nothing."""
    assert PARTIAL is not None
    said = PARTIAL(data)
    try:
        loaded = SCHEMA.load(data, partial=True)
    except (marshmallow.ValidationError, UnknownSchemaVersionError):
        assert not said
    else:
        assert said == same(loaded, data)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENT)
def test_messages_are_marshmallows_word_for_word(data: dict[str, object]) -> None:
    """Whether or not there is a recogniser, a refusal says exactly what marshmallow says."""
    try:
        SCHEMA.load(data)
    except UnknownSchemaVersionError:
        with pytest.raises(UnknownSchemaVersionError):
            schemas.load(Everything, data)
    except marshmallow.ValidationError as error:
        expected = sorted(_leaves(error.messages))
        with pytest.raises(ValidationError) as caught:
            schemas.load(Everything, data)
        assert sorted(message for messages in caught.value.errors.values() for message in messages) == expected
    else:
        assert schemas.load(Everything, data) == SCHEMA.load(data)


def _leaves(messages: Any) -> list[str]:
    if isinstance(messages, dict):
        return [leaf for each in messages.values() for leaf in _leaves(each)]
    if isinstance(messages, list):
        return [leaf for each in messages for leaf in _leaves(each)]
    return [messages]


def test_a_full_valid_document_is_recognised() -> None:
    """The quick way is really taken for input that is as it should be."""
    assert check_agreement(GOOD)
    assert PARTIAL is not None and PARTIAL({"title": "x"}) and PARTIAL({})
    assert not check_agreement({"title": "x"})


@pytest.mark.parametrize(
    "value", [None, [], "x", 5, OrderedDict(GOOD), Weird(), {Weird(): 1}, {**GOOD, "title": Weird()}]
)
def test_hostile_input_is_not_recognised_and_does_not_crash(value: object) -> None:
    """Odd objects get a plain False."""
    assert RECOGNISE is not None and RECOGNISE(value) is False


def test_deep_and_cyclic_input_is_not_recognised_and_does_not_crash() -> None:
    """Neither depth nor a cycle exhausts the stack."""
    deep: object = 1
    for _ in range(200_000):
        deep = [deep]
    cycle: dict[str, object] = {}
    cycle["a"] = cycle
    assert RECOGNISE is not None
    assert not RECOGNISE({**GOOD, "meta": deep}) and not RECOGNISE({**GOOD, "meta": cycle})
    while isinstance(deep, list):  # taken apart by hand: freeing it at once would recurse
        deep = deep[0]


def test_near_the_end_of_the_stack_it_says_no_instead_of_raising() -> None:
    """Called from deep within a program it leaves the error to whoever raises it."""

    def descend() -> bool:
        try:
            return descend()
        except RecursionError:
            return RECOGNISE is not None and RECOGNISE(GOOD) in (True, False)

    assert descend()
