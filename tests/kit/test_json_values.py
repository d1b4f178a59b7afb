"""JSON values: what counts as plain, how the rest is converted or refused, parsing, canonical text and hash."""

from __future__ import annotations

import enum
import hashlib
import json
import math
import subprocess
import sys
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapkg.kit import json_values
from datapkg.kit.errors import ValidationError
from datapkg.kit.json_values import canonical_json, content_hash, dump_json, is_plain, normalise, parse_json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
).filter(is_plain)


def nested(levels: int) -> object:
    """A list in a list in a list, so many levels deep."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


class Kind(enum.StrEnum):
    """Text by another type."""

    A = "a"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        2**64 - 1,
        -(2**63),
        1.5,
        -0.0,
        1e308,
        "",
        "é😀",
        [],
        {},
        {"": [{}]},
        nested(100),
        "\x7f\x01\u2028",
    ],
    ids=lambda value: repr(value)[:20],
)
def test_plain_values_are_plain_and_come_back_from_normalise_unchanged(value: object) -> None:
    """What JSON has within the limits is plain."""
    assert is_plain(value)
    copy, problems = normalise(value)
    assert (copy, problems) == (value, {}) and type(copy) is type(value)


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        (math.nan, "", "Must be a finite number."),
        ([math.inf], "0", "Must be a finite number."),
        ({"a": {"b": ["x\0"]}}, "a.b.0", "May not contain NUL characters."),
        ({"a": "\ud800"}, "a", "May not contain lone surrogates."),
        ({"k\0": 1}, "k\\x00", "Key: may not contain NUL characters."),
        ({"k\udfff": 1}, "k\\udfff", "Key: may not contain lone surrogates."),
        ({1: 2}, "1", "Keys must be text."),
        ({"a": {1, 2}}, "a", "Not a JSON value (set)."),
        ([b"x"], "0", "Not a JSON value (bytes)."),
        (2**64, "", "Integers beyond 64 bits lose digits; store it as text."),
        (2**64 + 1, "", "Integers beyond 64 bits lose digits; store it as text."),
        (-(2**63) - 1, "", "Integers beyond 64 bits lose digits; store it as text."),
        (10**5000, "", "Integers beyond 64 bits lose digits; store it as text."),
        (nested(101), ".".join(["0"] * 100), "Nested deeper than 100 levels."),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "int",
)
def test_other_values_are_refused_with_the_path_of_the_place(value: object, path: str, why: str) -> None:
    """Each kind of value that an engine could not give back is named, with its path."""
    assert not is_plain(value)
    assert normalise(value)[1] == {path: [why]}


def test_every_problem_is_reported_up_to_a_hundred() -> None:
    """All problems are collected, and a value that is wrong all over does not flood the log."""
    assert list(normalise({"a": math.nan, "b": [1, b""], "c": 1})[1]) == ["a", "b.1"]
    assert len(normalise([math.nan] * 5000)[1]) == 100


def test_cycles_and_shared_lists_end_quickly_and_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that holds itself, or that shares one list 2**60 times, is refused instead of hanging."""
    cycle: list[object] = []
    cycle += [cycle, cycle]
    assert not is_plain(cycle)
    assert "Nested deeper than 100 levels." in next(iter(normalise(cycle)[1].values()))
    shared: list[object] = [1]
    for _ in range(60):
        shared = [shared, shared]
    monkeypatch.setattr(json_values, "MAX_VALUES", 10_000)
    assert not is_plain(shared)
    assert normalise(shared)[1] == {"": ["Holds more than 10,000 values."]}


def test_tuples_mappings_and_subclasses_become_plain() -> None:
    """What has one obvious plain form is converted to it, exactly typed."""
    copy, problems = normalise(OrderedDict(a=(1, Kind.A), b=type("F", (float,), {})(0.5)))
    assert problems == {} and copy == {"a": [1, "a"], "b": 0.5} and is_plain(copy)


@pytest.mark.parametrize("number", [1e19 * 10, 1e23, 1e300, 1.7976931348623157e308, -1e22])
def test_the_integer_that_jsonb_makes_of_a_float_counts_as_that_float(number: float) -> None:
    """A float that jsonb gave back as a long integer can be written again, and hashes the same."""
    from_jsonb = _integer_spelling(number)
    copy, problems = normalise([from_jsonb])
    assert problems == {} and copy == [number]
    assert content_hash([from_jsonb]) == content_hash([number])


def _integer_spelling(number: float) -> int:
    digits, exponent = repr(number).replace(".", "").split("e")
    places = len(repr(number).split("e")[0].split(".")[1]) if "." in repr(number) else 0
    return int(digits) * int(10 ** (int(exponent) - places))


@given(PLAIN)
@settings(max_examples=300, deadline=None)
def test_is_plain_and_normalise_agree_and_json_gives_plain_values_back(value: object) -> None:
    """Plain values survive the text unchanged."""
    assert normalise(value) == (value, {})
    assert parse_json(dump_json(value)) == value


@given(PLAIN)
@settings(max_examples=300, deadline=None)
def test_the_canonical_text_is_valid_sorted_and_the_same_after_a_round_trip(value: object) -> None:
    """The hash does not change by storing, parsing or reordering."""
    text = canonical_json(value)
    assert canonical_json(parse_json(text)) == text
    assert canonical_json(json.loads(json.dumps(value))) == text
    assert content_hash(value) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        (1.0, "1"),
        (-0.0, "0"),
        (100.0, "100"),
        (1.5, "1.5"),
        (1e-7, "1e-07"),
        (1e23, "1" + "0" * 23),
        (True, "true"),
        ("é\n\u2028", '"é\\n\u2028"'),
        ((1, 2), "[1,2]"),
    ],
)
def test_the_canonical_text_of_some_values_letter_for_letter(value: object, text: str) -> None:
    """The canonical text is a contract: stored hashes depend on it."""
    assert canonical_json(value) == text


def test_different_values_have_different_canonical_texts() -> None:
    """Numbers, booleans, text and null that look alike are told apart."""
    values: list[object] = [1, "1", True, None, "null", 1.1, [1], {"1": 1}, 0, False, "", [], {}]
    assert len({content_hash(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [math.nan, {"a": math.inf}, {1: 1}, "\0", ["\ud800"], nested(101), 2**70, object()])
def test_what_is_not_plain_has_no_canonical_text(value: object) -> None:
    """A value that could not be stored is not hashed either."""
    with pytest.raises(ValidationError):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "Infinity", "[1e400]", "[-1e400]", '"\\ud800"', '"\ud800"', "1" * 400, "[" * 100_000, b'"\xff"'],
)
def test_text_that_is_not_strict_json_is_refused_with_and_without_orjson(
    text: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both parsers refuse the same text."""
    with pytest.raises(ValueError):
        parse_json(text)
    monkeypatch.setattr(json_values, "orjson", None)
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "1" + "0" * 30,
        "1e5",
        "-0",
        "-0.0",
        '"\\ud83d\\ude00"',
        '"\\u0000"',
        ' {"a":1,"a":2} ',
        "1234567890123456789",
        '"\\\\ud800"',
    ],
)
def test_both_parsers_give_the_same_value_of_the_same_type(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing orjson changes nothing about what is read."""
    quick = parse_json(text)
    monkeypatch.setattr(json_values, "orjson", None)
    slow = parse_json(text.encode())
    assert quick == slow and type(quick) is type(slow) and repr(quick) == repr(slow)


@given(PLAIN.filter(lambda value: "." not in repr(value) and "e" not in repr(value)) | st.text())
@settings(max_examples=300, deadline=None)
def test_both_writers_give_the_same_text_where_there_are_no_floats(value: object) -> None:
    """Installing orjson changes nothing about what is stored."""
    if is_plain(value):
        assert dump_json(value, floats=False) == dump_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "10000000000000000.0"),
        (-2.389202242533957e16, "-23892022425339570.0"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e-7, "1e-07"),
        ("1e+16", '"1e+16"'),
        ({"e+": [1e22, None, True, 'e+"']}, '{"e+":[10000000000000000000000.0,null,true,"e+\\""]}'),
    ],
)
def test_large_floats_are_written_with_all_digits_and_stay_floats(value: object, text: str) -> None:
    """jsonb would make an integer of 1e+16, and another one than the float is."""
    assert dump_json(value) == text
    assert json.loads(text) == value and repr(json.loads(text)) == repr(value)


def test_everything_works_without_orjson_installed() -> None:
    """orjson is an extra: without it the module loads and does the same."""
    code = (
        "import sys; sys.modules['orjson'] = None\n"
        "from datapkg.kit.json_values import dump_json, parse_json\n"
        'print(dump_json(parse_json(\'{"a": [1, 2.5, "é"]}\'), floats=False))'
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == '{"a":[1,2.5,"é"]}'
