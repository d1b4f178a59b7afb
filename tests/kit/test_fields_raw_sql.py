"""SQL that does not come through the kit: both engines take the same literals, but for the gaps that are named."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from datapkg.kit.dialect import KNOWN_GAPS
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, DatapkgError
from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DateField,
    DecimalField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model
from datapkg.testing.databases import RunDatabases

ACCEPT, REFUSE = "both accept", "both refuse"


class Raw(Model):
    """One column of each kind."""

    text = TextField(max_length=5, min_length=2, null=True)
    must = TextField(default="must")
    kind = EnumField(choices=("A", "B"), null=True)
    whole = IntegerField(null=True)
    small = IntegerField(min=0, max=100, null=True)
    big = BigIntegerField(null=True)
    yes = BooleanField(null=True)
    real = FloatField(null=True)
    money = DecimalField(max_digits=6, scale=2, null=True)
    key = UUIDField(null=True)
    parent = ForeignKey("self", on_delete="RESTRICT", null=True)
    moment = TimestampField(null=True)
    day = DateField(null=True)
    doc = JSONField(null=True)

    class Meta:
        table_name = "kit_raw"


def deep(levels: int) -> str:
    """A JSON literal nested so deep."""
    return "'" + "[" * levels + "]" * levels + "'"


MATRIX: list[tuple[str, str, str]] = [
    ("text", "NULL", ACCEPT),
    ("text", "'ab'", ACCEPT),
    ("text", "'ab   '", ACCEPT),
    ("text", "'😀😀😀😀😀'", ACCEPT),
    ("text", "'a'", REFUSE),
    ("text", "''", REFUSE),
    ("text", "'abcdef'", REFUSE),
    ("text", "'ab    '", REFUSE),
    ("must", "NULL", REFUSE),
    ("must", "''", ACCEPT),
    ("kind", "'A'", ACCEPT),
    ("kind", "'a'", REFUSE),
    ("kind", "'A '", REFUSE),
    ("kind", "''", REFUSE),
    ("whole", "5", ACCEPT),
    ("whole", "'5'", ACCEPT),
    ("whole", "5.0", ACCEPT),
    ("whole", "1e2", ACCEPT),
    ("whole", "2147483647", ACCEPT),
    ("whole", "-2147483648", ACCEPT),
    ("whole", "2147483648", REFUSE),
    ("whole", "-2147483649", REFUSE),
    ("whole", "99999999999999999999", REFUSE),
    ("whole", "'five'", REFUSE),
    ("whole", "''", REFUSE),
    ("whole", "1.5", "integer_rounding"),
    ("whole", "'5.0'", "number_spellings"),
    ("small", "0", ACCEPT),
    ("small", "100", ACCEPT),
    ("small", "-1", REFUSE),
    ("small", "101", REFUSE),
    ("small", "100.4", "integer_rounding"),
    ("big", "9223372036854775807", ACCEPT),
    ("big", "-9223372036854775808", ACCEPT),
    ("big", "9223372036854775808", REFUSE),
    ("big", "1e30", REFUSE),
    ("yes", "TRUE", ACCEPT),
    ("yes", "FALSE", ACCEPT),
    ("yes", "2", REFUSE),
    ("yes", "'2'", REFUSE),
    ("yes", "'maybe'", REFUSE),
    ("yes", "'true'", "boolean_spellings"),
    ("yes", "'off'", "boolean_spellings"),
    ("yes", "1", "boolean_spellings"),
    ("real", "1", ACCEPT),
    ("real", "1.5", ACCEPT),
    ("real", "'1.5'", ACCEPT),
    ("real", "1.7976931348623157e308", ACCEPT),
    ("real", "1e400", REFUSE),
    ("real", "-1e400", REFUSE),
    ("real", "'NaN'", REFUSE),
    ("real", "'Infinity'", REFUSE),
    ("real", "'one'", REFUSE),
    ("real", "1e-400", "number_spellings"),
    ("money", "NULL", ACCEPT),
    ("money", "'ten'", REFUSE),
    ("money", "1000000", REFUSE),
    ("money", "1e30", REFUSE),
    ("money", "'NaN'", REFUSE),
    ("money", "1.005", REFUSE),
    ("money", "1.25", "decimal_scaling"),
    ("money", "99999", "decimal_scaling"),
    ("key", "'01900000-0000-7000-8000-00000000000a'", ACCEPT),
    ("key", "'00000000-0000-0000-0000-000000000000'", ACCEPT),
    ("key", "'01900000-0000-7000-8000-00000000000'", REFUSE),
    ("key", "'01900000-0000-7000-8000-00000000000g'", REFUSE),
    ("key", "''", REFUSE),
    ("key", "'01900000-0000-7000-8000-00000000000A'", "uuid_spellings"),
    ("key", "'019000000000700080000000000000aa'", "uuid_spellings"),
    ("key", "'{01900000-0000-7000-8000-00000000000a}'", "uuid_spellings"),
    ("parent_id", "'01900000-0000-7000-8000-00000000000a'", REFUSE),
    ("moment", "'2024-02-29T23:59:59.999999Z'", ACCEPT),
    ("moment", "'0001-01-01T00:00:00.000000Z'", ACCEPT),
    ("moment", "'9999-12-31T23:59:59.999999Z'", ACCEPT),
    ("moment", "'2024-02-30T00:00:00.000000Z'", REFUSE),
    ("moment", "'2023-02-29T00:00:00.000000Z'", REFUSE),
    ("moment", "'2024-13-01T00:00:00.000000Z'", REFUSE),
    ("moment", "'2024-01-01T25:00:00.000000Z'", REFUSE),
    ("moment", "'0000-01-01T00:00:00.000000Z'", REFUSE),
    ("moment", "'10000-01-01T00:00:00.000000Z'", REFUSE),
    ("moment", "'infinity'", REFUSE),
    ("moment", "'-infinity'", REFUSE),
    ("moment", "'someday'", REFUSE),
    ("moment", "'2024-01-01 00:00:00+02'", "date_spellings"),
    ("moment", "'2024-01-01'", "date_spellings"),
    ("moment", "'2024-01-01T24:00:00.000000Z'", "date_spellings"),
    ("moment", "'2024-01-01T00:00:60.000000Z'", "date_spellings"),
    ("moment", "'now'", "date_spellings"),
    ("day", "'2024-02-29'", ACCEPT),
    ("day", "'0001-01-01'", ACCEPT),
    ("day", "'9999-12-31'", ACCEPT),
    ("day", "'2023-02-29'", REFUSE),
    ("day", "'0000-12-31'", REFUSE),
    ("day", "'10000-01-01'", REFUSE),
    ("day", "'infinity'", REFUSE),
    ("day", "'20240229'", "date_spellings"),
    ("day", "'29 Feb 2024'", "date_spellings"),
    ("doc", "NULL", ACCEPT),
    ("doc", "'null'", ACCEPT),
    ("doc", '\'{"a": [1, 2.5, "ü"]}\'', ACCEPT),
    ("doc", '\'{"a": 1, "a": 2}\'', ACCEPT),
    ("doc", "'1e400'", ACCEPT),
    ("doc", deep(100), ACCEPT),
    ("doc", "''", REFUSE),
    ("doc", "'{a: 1}'", REFUSE),
    ("doc", "'[1,]'", REFUSE),
    ("doc", "'NaN'", REFUSE),
    ("doc", "'01'", REFUSE),
    ("doc", "'\"\t\"'", REFUSE),
    ("doc", "'{} {}'", REFUSE),
    ("doc", "'\"\\u0000\"'", "json_escapes"),
    ("doc", "'\"\\ud800\"'", "json_escapes"),
    ("doc", deep(3000), "json_depth"),
]


@pytest.fixture
def both(datapkg_databases: RunDatabases) -> Iterator[tuple[KitDatabase, KitDatabase]]:
    """A table of every kind on SQLite and on PostgreSQL."""
    with datapkg_databases.in_memory() as lite, datapkg_databases.in_transaction() as postgres:
        for database in (lite, postgres):
            with database.bind_ctx([Raw]):
                database.create_tables([Raw])
        yield lite, postgres


def accepts(database: KitDatabase, column: str, literal: str) -> bool:
    """Whether an engine takes a literal; a refusal has to be a typed error."""
    others = {} if column == "must" else {"must": "'must'"}
    values = {
        "id": "'01900000-0000-7000-8000-000000000001'",
        "created_at": "'2024-01-01T00:00:00.000000Z'",
        **others,
        column: literal,
    }
    try:
        database.execute_sql(f"INSERT INTO kit_raw ({', '.join(values)}) VALUES ({', '.join(values.values())})")
    except DatapkgError:
        return False
    return True


@pytest.mark.parametrize(
    ("column", "literal", "expected"), MATRIX, ids=[f"{column}-{literal[:40]}" for column, literal, _ in MATRIX]
)
def test_literals(both: tuple[KitDatabase, KitDatabase], column: str, literal: str, expected: str) -> None:
    """The same SQL is accepted by both engines or refused by both; where they differ the dialect names the gap."""
    answers = [accepts(database, column, literal) for database in both]
    if expected in KNOWN_GAPS:
        assert answers[0] is not answers[1]
    else:
        assert answers == [expected == ACCEPT] * 2


def test_every_known_gap_is_real(both: tuple[KitDatabase, KitDatabase]) -> None:
    """Each named gap is provoked, above or here; one that closes has to leave the list."""
    lite, postgres = both
    provoked = {expected for _, _, expected in MATRIX} - {ACCEPT, REFUSE}

    # A NaN that is bound, not written as a literal.
    insert = "INSERT INTO kit_raw (id, created_at, must, real) VALUES (%s, %s, '', %s)"
    values = ("01900000-0000-7000-8000-000000000002", "2024-01-01T00:00:00.000000Z", float("nan"))
    lite.execute_sql(insert.replace("%s", "?"), values)
    assert lite.fetch("SELECT real FROM kit_raw", ()) == [(None,)]
    with pytest.raises(ConflictError) as refused:
        postgres.execute_sql(insert, values)
    assert refused.value.constraint == "ck_kit_raw_real"
    provoked.add("nan_null")

    names = []
    for database in both:
        with pytest.raises(ConflictError) as caught:
            database.execute_sql(
                "INSERT INTO kit_raw (id, created_at, must, parent_id) VALUES "
                "('01900000-0000-7000-8000-000000000003', '2024-01-01T00:00:00.000000Z', '', "
                "'01900000-0000-7000-8000-000000000009')"
            )
        names.append(caught.value.constraint)
    assert names == [None, "fk_kit_raw_parent_id"]
    provoked.add("foreign_key_name")

    assert provoked == set(KNOWN_GAPS)


@pytest.mark.parametrize(
    ("engine", "literal", "accepted"),
    [
        ("postgresql", "9999.99", True),
        ("postgresql", "-9999.99", True),
        ("postgresql", "10000", False),
        ("postgresql", "9999.999", False),
        ("sqlite", "999999", True),
        ("sqlite", "-999999", True),
        ("sqlite", "1000000", False),
        ("sqlite", "99.5", False),
    ],
)
def test_decimals_in_their_own_representation(
    both: tuple[KitDatabase, KitDatabase], engine: str, literal: str, accepted: bool
) -> None:
    """Each engine keeps a decimal of 6 digits, 2 after the point, to its bounds; nothing is rounded."""
    assert accepts(both[engine == "postgresql"], "money", literal) is accepted


def test_a_nul_character_is_refused(both: tuple[KitDatabase, KitDatabase]) -> None:
    """Text with a NUL character is refused by both, each by its own way of writing one."""
    assert not accepts(both[0], "must", "'a' || char(0) || 'b'")
    assert not accepts(both[1], "must", "'a' || chr(0) || 'b'")
    assert accepts(both[0], "must", "'a' || char(1) || 'b'")
    assert accepts(both[1], "must", "'a' || chr(1) || 'b'")


def test_a_blob_is_not_text(both: tuple[KitDatabase, KitDatabase]) -> None:
    """STRICT tables keep bytes out of every column."""
    for column in ("text", "must", "key", "moment", "doc", "whole", "real"):
        assert not accepts(both[0], column, "x'6162'")


def test_drivers_own_exceptions_stay_inside(both: tuple[KitDatabase, KitDatabase]) -> None:
    """A refusal of foreign SQL is a typed error with the driver's own as its root cause."""
    with pytest.raises(DatapkgError) as caught:
        both[1].execute_sql("INSERT INTO kit_raw (id) VALUES ('x')")
    cause: BaseException | None = caught.value
    chain = []
    while cause is not None:
        chain.append(type(cause))
        cause = cause.__cause__ or cause.__context__
    assert any(issubclass(kind, psycopg2.Error) for kind in chain)
