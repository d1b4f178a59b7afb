"""JSON values through both engines: what is plain comes back equal, and its canonical text does not change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datapkg.kit.json_values import canonical_json, dump_json, is_plain, parse_json
from datapkg.testing.server import shared_server_url

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-300, 300).map(lambda exponent: float(f"7e{exponent}"))
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
).filter(is_plain)


def same_types(left: object, right: object) -> bool:
    """Whether two equal values are made of the same types."""
    if isinstance(left, dict) and isinstance(right, dict):
        return all(same_types(left[key], right[key]) for key in right)
    if isinstance(left, list) and isinstance(right, list):
        return all(map(same_types, left, right))
    return type(left) is type(right)


@pytest.fixture(scope="module")
def cursor() -> Iterator[psycopg2.extensions.cursor]:
    """A cursor on the tests' PostgreSQL."""
    connection = psycopg2.connect(shared_server_url())
    with connection, connection.cursor() as cursor:
        yield cursor
    connection.close()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLAIN)
def test_jsonb_gives_back_an_equal_value_with_the_same_canonical_text(
    cursor: psycopg2.extensions.cursor, value: object
) -> None:
    """jsonb reorders keys and spells numbers its own way; hashes and a second write do not notice."""
    cursor.execute("SELECT (%s::jsonb)::text", (dump_json(value),))
    (text,) = cursor.fetchone() or ("",)
    for read in (parse_json(text), json.loads(text)):
        assert canonical_json(read) == canonical_json(value)
        assert read == value and is_plain(read) and same_types(read, value)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLAIN)
def test_sqlite_accepts_the_text_and_gives_it_back_letter_for_letter(value: object) -> None:
    """SQLite keeps JSON as text, which it must hold to be valid."""
    connection = sqlite3.connect(":memory:")
    text = dump_json(value)
    assert connection.execute("SELECT json_valid(?), ?", (text, text)).fetchone() == (1, text)
    connection.close()


def test_a_hundred_levels_pass_both_engines(cursor: psycopg2.extensions.cursor) -> None:
    """The deepest value that is plain is within what both engines parse."""
    text = "[" * 100 + "]" * 100
    assert is_plain(json.loads(text))
    cursor.execute("SELECT (%s::jsonb)::text", (text,))
    assert cursor.fetchone() == (text,)
    connection = sqlite3.connect(":memory:")
    assert connection.execute("SELECT json_valid(?)", (text,)).fetchone() == (1,)
    connection.close()
