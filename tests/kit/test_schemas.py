"""Schemas: collected errors with paths, unknown keys, partial and bulk validation, threads."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import os
import subprocess
import sys
import threading
import uuid

import marshmallow
import pytest
from marshmallow import EXCLUDE, fields, validates_schema

from datapkg.kit.errors import DatapkgError, ValidationError
from datapkg.kit.schemas import (
    Bulk,
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
    load,
    load_many,
)

UTC = dt.UTC
KEY = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
D = decimal.Decimal


class Dimension(Schema):
    """One dimension."""

    name = Text(1, 5, pattern=r"\A[a-z]+\Z", required=True)
    values = List(Text(1), min=1, required=True)


class Content(Schema):
    """Content with dimensions."""

    preamble = Text(required=True)
    dimensions = List(Nested(Dimension), load_default=list)
    meta = Json()
    weights = Dict(Float(0, 1))
    by_name = Dict(Nested(Dimension))
    low = Integer()
    high = Integer()

    @validates_schema
    def ordered(self, data: dict[str, int], **_: object) -> None:
        """Refuse low above high."""
        if data.get("low", 0) > data.get("high", 0):
            raise marshmallow.ValidationError("low is above high")


class Row(Schema):
    """A row with parts of its own."""

    content = Nested(Content, required=True)


GOOD = {"content": {"preamble": "p", "dimensions": [{"name": "a", "values": ["x"]}]}}


def test_all_errors_are_collected_with_dotted_paths() -> None:
    """One error names every wrong place, at any depth, in lists, dictionaries and free JSON."""
    with pytest.raises(ValidationError) as caught:
        load(
            Row,
            {
                "content": {
                    "dimensions": [
                        {"name": "a", "values": ["x"]},
                        {"values": []},
                        {"name": "TOO LONG", "values": ["", 1]},
                        7,
                    ],
                    "meta": {"a": [math.nan, {"b": {1}}]},
                    "weights": {"ok": 1, "bad": 2, 3: 1},
                    "by_name": {"k": {"name": "a"}},
                    "low": 2,
                    "high": 1,
                    "zz": 1,
                    "aa": 1,
                }
            },
            what="definition",
        )
    assert caught.value.errors == {
        "content.preamble": ["Missing data for required field."],
        "content.dimensions.1.name": ["Missing data for required field."],
        "content.dimensions.1.values": ["Shorter than minimum length 1."],
        "content.dimensions.2.name": ["Length must be between 1 and 5.", "String does not match expected pattern."],
        "content.dimensions.2.values.0": ["Shorter than minimum length 1."],
        "content.dimensions.2.values.1": ["Not a valid string."],
        "content.dimensions.3": ["Invalid input type."],
        "content.meta.a.0": ["Must be a finite number."],
        "content.meta.a.1.b": ["Not a JSON value (set)."],
        "content.weights.bad": ["Must be greater than or equal to 0 and less than or equal to 1."],
        "content.weights.3": ["Key: Not a valid string."],
        "content.by_name.k.values": ["Missing data for required field."],
        "content.aa": ["Unknown field."],
        "content.zz": ["Unknown field."],
    }
    assert "The definition is not valid: content.preamble" in caught.value.why
    assert list(caught.value.errors)[-2:] == ["content.aa", "content.zz"]


def test_errors_of_a_schema_as_a_whole_stand_under_its_own_path() -> None:
    """What a hook says about an object stands under the object's path, at the top under _schema."""
    with pytest.raises(ValidationError) as caught:
        load(Row, {"content": {"preamble": "p", "low": 2, "high": 1}})
    assert caught.value.errors == {"content": ["low is above high"]}
    with pytest.raises(ValidationError) as caught:
        load(Content, {"preamble": "p", "low": 2, "high": 1})
    assert caught.value.errors == {"_schema": ["low is above high"]}
    with pytest.raises(ValidationError) as caught:
        load(Content, {"preamble": "p", "low": 2, "high": 1}, path="rows.4")
    assert caught.value.errors == {"rows.4": ["low is above high"]}


@pytest.mark.parametrize("data", [None, [], "x", 1, [("preamble", "p")]])
def test_input_that_is_no_dictionary_is_refused(data: object) -> None:
    """Only a mapping can be loaded."""
    with pytest.raises(ValidationError) as caught:
        load(Row, data)
    assert caught.value.errors == {"_schema": ["Invalid input type."]}


def test_unknown_keys_are_refused_at_every_depth_even_where_marshmallow_was_told_otherwise() -> None:
    """No option brings unknown keys in."""

    class Inner(Schema):
        a = Integer()

    class Outer(Schema):
        ours = Nested(Inner)
        theirs = fields.Nested(Inner, unknown=EXCLUDE)
        listed = fields.List(fields.Nested(Inner, unknown=EXCLUDE))

    with pytest.raises(ValidationError) as caught:
        load(Outer, {"ours": {"b": 1}, "theirs": {"b": 1}, "listed": [{"b": 1}], "b\0\n": 1, 7: 1})
    assert set(caught.value.errors) == {"ours.b", "theirs.b", "listed.0.b", "b\\x00\\n", "7"}
    with pytest.raises(TypeError, match="unknown keys"):
        Inner(unknown=EXCLUDE)
    with pytest.raises(TypeError, match="unknown keys"):
        type("Lax", (Schema,), {"Meta": type("Meta", (), {"unknown": EXCLUDE})})


def test_the_result_is_a_new_dictionary_and_the_input_is_left_alone() -> None:
    """Changing the outermost result never changes what the caller passed."""

    class Plain(Schema):
        a = Integer()
        b = Integer(load_default=5)

    recognised, converted = {"a": 1, "b": 2}, {"a": 1}
    load(Plain, recognised)["a"] = 9
    load(Plain, converted)["a"] = 9
    assert recognised == {"a": 1, "b": 2} and converted == {"a": 1}
    assert load(Plain, {}) == {"b": 5}


def test_partial_input_may_miss_required_keys_and_gets_no_defaults() -> None:
    """An update names only what changes, and is otherwise validated as strictly."""

    class User(Schema):
        name = Text(1, required=True)
        role = Text(load_default="USER")
        inner = Nested(Dimension)

    assert load(User, {}, partial=True) == {}
    assert load(User, {"inner": {"name": "a"}}, partial=True) == {"inner": {"name": "a"}}
    for bad in ({"name": ""}, {"zz": 1}, {"name": None}):
        with pytest.raises(ValidationError):
            load(User, bad, partial=True)
    with pytest.raises(ValidationError):
        load(User, {})


def test_bulk_validation_raises_once_for_all_rows_with_row_numbers() -> None:
    """All or nothing: one error names every wrong row by its 0-based position."""
    rows = [GOOD, {"content": {}}, 5, GOOD, {"zz": 1}]
    with pytest.raises(ValidationError) as caught:
        load_many(Row, iter(rows), what="transcripts")
    assert caught.value.errors == {
        "1.content.preamble": ["Missing data for required field."],
        "2": ["Invalid input type."],
        "4.content": ["Missing data for required field."],
        "4.zz": ["Unknown field."],
    }
    assert "transcripts" in caught.value.why


def test_bulk_validation_collects_valid_rows_and_complaints() -> None:
    """With collect, the valid rows keep their numbers and the complaints stand beside them."""
    bulk = load_many(Dimension, [{"name": "a", "values": ["x"]}, {"name": "B", "values": ["x"]}, 5], on_error="collect")
    assert bulk == Bulk(
        rows=[(0, {"name": "a", "values": ["x"]})],
        errors={1: {"name": ["String does not match expected pattern."]}, 2: {"_schema": ["Invalid input type."]}},
    )
    assert bulk.values == [{"name": "a", "values": ["x"]}]
    assert load_many(Row, []) == Bulk() and load_many(Row, [GOOD, GOOD]).errors == {}
    with pytest.raises(ValueError, match="collect"):
        load_many(Row, [], on_error="ignore")  # type: ignore[arg-type]  # a caller's mistake


class Endless(Schema):
    """A schema that holds itself."""

    child = Nested(lambda: Endless)


def test_input_nested_without_end_is_a_validation_error() -> None:
    """Deep or cyclic input for a schema that holds itself is refused, not a crash."""
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"child": deep}
    cycle: dict[str, object] = {}
    cycle["child"] = cycle
    for value in (deep, cycle):
        with pytest.raises(ValidationError) as caught:
            load(Endless, value)
        assert "Nested too deeply." in str(caught.value)
    assert load(Endless, {"child": {"child": {}}}) == {"child": {"child": {}}}


def test_values_are_written_as_json_by_dump() -> None:
    """Dumping gives text for what JSON has no type for."""

    class All(Schema):
        u = Uuid()
        t = Timestamp()
        d = Date()
        n = Decimal(5, 2)
        m = Dict(Uuid())

    row = {
        "u": KEY,
        "t": dt.datetime(2024, 1, 2, tzinfo=UTC),
        "d": dt.date(2024, 1, 2),
        "n": D("1.50"),
        "m": {"k": KEY},
    }
    assert All().dump(row) == {
        "u": str(KEY),
        "t": "2024-01-02T00:00:00+00:00",
        "d": "2024-01-02",
        "n": "1.50",
        "m": {"k": str(KEY)},
    }
    assert All().dump(dict.fromkeys(row)) == dict.fromkeys(row)
    assert load(All, All().dump(row)) == row


def test_a_validation_error_is_one_of_ours() -> None:
    """Callers need to know a single error family."""
    with pytest.raises(DatapkgError) as caught:
        load(Row, {})
    assert caught.value.code == "validation" and caught.value.fix


def test_many_threads_may_load_with_one_schema_from_the_start() -> None:
    """The first use, from many threads at once, is safe."""

    class Fresh(Schema):
        content = Nested(Content, required=True)

    results: list[object] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            try:
                results.append(load(Fresh, GOOD) == GOOD)
                load(Fresh, {"content": {"preamble": 1}})
            except ValidationError as error:
                results.append(error.errors == {"content.preamble": ["Not a valid string."]})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 800 and all(results)


def test_error_messages_do_not_depend_on_the_hash_seed() -> None:
    """The order of unknown keys is the same in every run."""
    code = (
        "from datapkg.kit.schemas import Schema, load\n"
        "try: load(Schema, dict.fromkeys('zyxabc'))\n"
        "except Exception as error: print(list(error.errors))"
    )

    def run(seed: str) -> str:
        return str(
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
            ).stdout
        )

    assert run("1") == run("2") == "['a', 'b', 'c', 'x', 'y', 'z']\n"


def test_a_hostile_key_cannot_flood_the_message() -> None:
    """A key of a megabyte is cut in the path."""
    with pytest.raises(ValidationError) as caught:
        load(Row, {**GOOD, "k" * 1_000_000: 1})
    assert max(map(len, caught.value.errors)) <= 80
