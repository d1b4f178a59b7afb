"""Columns written through the models: what each accepts and gives back, and what it refuses, alike on both engines."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal, localcontext
from typing import Any

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConfigurationError, ConflictError, ValidationError
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
    total,
)
from datapkg.kit.models import Model

KEY = uuid.UUID("01900000-0000-7000-8000-000000000001")
PLUS_TWO = dt.timezone(dt.timedelta(hours=2))


class Sample(Model):
    """One column of each kind, every one optional."""

    text = TextField(max_length=5, min_length=2, null=True)
    kind = EnumField(choices=("A", "b c", "d'e"), null=True)
    small = IntegerField(min=-3, max=1000, null=True)
    whole = IntegerField(null=True)
    big = BigIntegerField(null=True)
    yes = BooleanField(null=True)
    real = FloatField(null=True)
    share = FloatField(min=0, max=1, null=True)
    money = DecimalField(max_digits=12, scale=2, null=True)
    key = UUIDField(null=True)
    moment = TimestampField(null=True)
    day = DateField(null=True)
    doc = JSONField(null=True)

    class Meta:
        table_name = "kit_samples"


class Child(Model):
    """A row that refers to a sample, and must have a text."""

    sample = ForeignKey(Sample, on_delete="CASCADE", null=True)
    text = TextField(unique=True)

    class Meta:
        table_name = "kit_children"


@pytest.fixture
def tables(db: KitDatabase) -> KitDatabase:
    """The test's database, with both tables."""
    db.create_tables([Sample, Child])
    return db


def moment(text: str) -> dt.datetime:
    """An instant by its ISO text."""
    return dt.datetime.fromisoformat(text)


ACCEPTED: list[tuple[str, Any, Any]] = [
    *((column, None, None) for column in Sample._meta.columns if column not in ("id", "created_at")),
    ("text", "ab", "ab"),
    ("text", "ab   ", "ab   "),
    ("text", "👩‍🚀ü", "👩‍🚀ü"),
    ("text", "\n\t\\'\"", "\n\t\\'\""),
    ("kind", "b c", "b c"),
    ("kind", "d'e", "d'e"),
    ("small", -3, -3),
    ("small", 1000, 1000),
    ("whole", 2**31 - 1, 2**31 - 1),
    ("whole", -(2**31), -(2**31)),
    ("big", 2**63 - 1, 2**63 - 1),
    ("big", -(2**63), -(2**63)),
    ("yes", True, True),
    ("yes", False, False),
    ("real", 0.1, 0.1),
    ("real", 7, 7.0),
    ("real", 1.7976931348623157e308, 1.7976931348623157e308),
    ("real", 5e-324, 5e-324),
    ("share", 0, 0.0),
    ("share", 1.0, 1.0),
    ("money", Decimal("9999999999.99"), Decimal("9999999999.99")),
    ("money", Decimal("-0.01"), Decimal("-0.01")),
    ("money", Decimal("1E2"), Decimal("100.00")),
    ("money", Decimal("1.500"), Decimal("1.50")),
    ("money", 3, Decimal("3.00")),
    ("money", "2.5", Decimal("2.50")),
    ("key", KEY, KEY),
    ("key", str(KEY), KEY),
    ("key", str(KEY).upper(), KEY),
    ("key", KEY.hex, KEY),
    ("moment", moment("2024-02-29T12:00:00.000001+00:00"), moment("2024-02-29T12:00:00.000001+00:00")),
    ("moment", moment("2024-01-01T01:00:00+02:00"), moment("2023-12-31T23:00:00+00:00")),
    ("moment", moment("0001-01-01T00:00:00+00:00"), moment("0001-01-01T00:00:00+00:00")),
    ("moment", moment("9999-12-31T23:59:59.999999+00:00"), moment("9999-12-31T23:59:59.999999+00:00")),
    ("day", dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
    ("day", dt.date.min, dt.date.min),
    ("day", dt.date.max, dt.date.max),
    ("doc", {"a": [1, 2.5, None, True, "ü", {"b": {}}]}, {"a": [1, 2.5, None, True, "ü", {"b": {}}]}),
    ("doc", "text", "text"),
    ("doc", [], []),
    ("doc", False, False),
    ("doc", 2**63 - 1, 2**63 - 1),
]


@pytest.mark.parametrize(("column", "value", "read"), ACCEPTED, ids=lambda value: repr(value).split(" at 0x")[0])
def test_accepted_values_come_back(tables: KitDatabase, column: str, value: Any, read: Any) -> None:
    """Each value is stored, found again by equality where it can be, and read as it was given, of the right type."""
    made = Sample.create(**{column: value})
    for again in (Sample.get_by_id(made.id), Sample.get(Sample.id == str(made.id)), *Sample.select()):
        stored = getattr(again, column)
        assert (stored, type(stored)) == (read, type(read))
        if isinstance(read, dt.datetime):
            assert stored.tzinfo is dt.UTC
    if value is not None and column != "doc":
        assert Sample.select().where(getattr(Sample, column) == value).count() == 1


REFUSED: list[tuple[str, Any, str]] = [
    ("text", "a\0b", "NUL"),
    ("text", "a\ud800b", "surrogate"),
    ("text", 5, "Not text"),
    ("text", b"abc", "Not text"),
    ("kind", "a", "one of"),
    ("kind", "A ", "one of"),
    ("kind", "", "one of"),
    ("small", -4, "between"),
    ("small", 1001, "between"),
    ("whole", 2**31, "between"),
    ("whole", 1.0, "whole number"),
    ("whole", True, "whole number"),
    ("whole", "5", "whole number"),
    ("big", 2**63, "between"),
    ("big", -(2**63) - 1, "between"),
    ("yes", 1, "boolean"),
    ("yes", "true", "boolean"),
    ("real", float("nan"), "finite"),
    ("real", float("inf"), "finite"),
    ("real", 10**400, "finite"),
    ("real", "1.5", "number"),
    ("real", True, "number"),
    ("share", -0.001, "between"),
    ("share", 1.001, "between"),
    ("money", 1.5, "decimal"),
    ("money", Decimal("1.005"), "decimal"),
    ("money", Decimal("10000000000"), "decimal"),
    ("money", Decimal("NaN"), "decimal"),
    ("money", Decimal("sNaN"), "decimal"),
    ("money", Decimal("Infinity"), "decimal"),
    ("money", "1,5", "decimal"),
    ("money", True, "decimal"),
    ("key", "not a uuid", "UUID"),
    ("key", 5, "UUID"),
    ("moment", moment("2024-01-01T00:00:00"), "Naive"),
    ("moment", dt.date(2024, 1, 1), "datetime"),
    ("moment", "2024-01-01T00:00:00Z", "datetime"),
    ("moment", dt.datetime(1, 1, 1, tzinfo=PLUS_TWO), "years"),
    ("moment", dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(-dt.timedelta(hours=2))), "years"),
    ("day", moment("2024-01-01T00:00:00+00:00"), "date"),
    ("day", "2024-01-01", "date"),
    ("doc", {"a": float("nan")}, "."),
    ("doc", {"a": "b\0"}, "."),
    ("doc", {"a\ud800": 1}, "."),
    ("doc", {1: "a"}, "."),
    ("doc", object(), "."),
    ("doc", 2**70, "64 bits"),
]


@pytest.mark.parametrize(("column", "value", "reason"), REFUSED, ids=lambda value: repr(value).split(" at 0x")[0])
def test_refused_values_name_their_column(tables: KitDatabase, column: str, value: Any, reason: str) -> None:
    """Each raises ValidationError with the column's name and the reason, by create, save, update and where."""
    made = Sample.create()
    setattr(made, column, value)
    for attempt in (
        lambda: Sample.create(**{column: value}),
        made.save,
        lambda: Sample.update({column: value}).execute(),
        lambda: Sample.insert({column: value}).execute(),
    ):
        with pytest.raises(ValidationError, match=reason) as caught:
            attempt()
        assert {path.split(".")[0] for path in caught.value.errors} == {column}
    assert Sample.select().count() == 1


@pytest.mark.parametrize(("column", "value"), [("text", "a"), ("text", "abcdef"), ("text", "😀" * 6)])
def test_the_database_bounds_text(tables: KitDatabase, column: str, value: str) -> None:
    """Text that is too short or too long, counted in characters, is refused by the column's named CHECK."""
    with pytest.raises(ConflictError) as caught:
        Sample.create(**{column: value})
    assert caught.value.constraint == f"ck_kit_samples_{column}"


def test_a_missing_value_is_refused_by_name(tables: KitDatabase) -> None:
    """A column that must not be empty says which it is."""
    with pytest.raises(ConflictError) as caught:
        Child.create(text=None)
    assert (caught.value.constraint, caught.value.columns) == ("nn_kit_children_text", ("text",))


def test_a_clash_is_refused_by_name(tables: KitDatabase) -> None:
    """A unique column names constraint, table and columns; the values stay out of the message."""
    Child.create(text="hunter2")
    with pytest.raises(ConflictError) as caught:
        Child.create(text="hunter2")
    error = caught.value
    assert (error.constraint, error.table, error.columns) == ("uq_kit_children_text", "kit_children", ("text",))
    assert "hunter2" not in str(error)
    with pytest.raises(ConflictError) as caught:
        Child.insert(id=Child.get().id, text="other").execute()
    assert caught.value.constraint == "pk_kit_children"


def test_a_reference_to_nothing_is_refused(tables: KitDatabase) -> None:
    """A foreign key must point at a row; deleting the parent does what its rule says."""
    with pytest.raises(ConflictError) as caught:
        Child.create(sample=KEY, text="a")
    named = {"postgresql": "fk_kit_children_sample_id", "sqlite": None}  # the known gap "foreign_key_name"
    assert caught.value.constraint == named[tables.dialect.name]
    parent = Sample.create()
    Child.create(sample=str(parent.id), text="b")
    assert Child.get().sample == parent and Child.get().sample_id == parent.id
    Sample.delete().execute()
    assert Child.select().count() == 0


def test_decimals_sort_compare_and_sum_exactly(tables: KitDatabase) -> None:
    """Decimals are numbers to the database, not text, and no digit is lost in a sum."""
    amounts = [Decimal(text) for text in ("10.10", "9.20", "-3.30", "100.00", "0.01")]
    for amount in amounts:
        Sample.create(money=amount)
    assert [row.money for row in Sample.select().order_by(Sample.money)] == sorted(amounts)
    assert Sample.select().where(Sample.money > Decimal("9.2")).count() == 2
    assert Sample.select().where(Sample.money.between(Decimal(-4), 0)).count() == 1
    assert Sample.select(total(Sample.money)).scalar() == Decimal("116.01")
    assert Sample.select(total(Sample.money)).where(Sample.text == "none").scalar() is None


def test_decimals_do_not_depend_on_the_programs_context(tables: KitDatabase) -> None:
    """A program that calculates with few digits stores, reads and sums decimals with all of theirs."""
    amount = Decimal("9876543210.12")
    with localcontext(prec=4):
        key = Sample.create(money=amount).id
        read, sum_of_all = Sample.get_by_id(key).money, Sample.select(total(Sample.money)).scalar()
    assert (read, sum_of_all) == (amount, amount)


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_the_first_and_the_last_instant_in_any_session_zone(tables: KitDatabase, datapkg_url: str, zone: str) -> None:
    """A server or URL that sets another time zone does not push an instant out of Python's years."""
    ends = [dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)]
    option = f"{'&' if '?' in datapkg_url else '?'}options=-c%20timezone%3D{zone}"
    with kit.override(kit.open_database(datapkg_url + option)) as database:
        for end in ends:
            Sample.create(moment=end)
        assert [row.moment for row in Sample.select().order_by(Sample.moment)] == ends
        kit.release(database)


def test_instants_sort_and_compare_whatever_their_zone(tables: KitDatabase) -> None:
    """Instants given in different zones are compared as instants."""
    early, late = moment("2024-01-01T01:00:00+02:00"), moment("2024-01-01T00:00:00+00:00")
    for each in (late, early):
        Sample.create(moment=each)
    assert [row.moment for row in Sample.select().order_by(Sample.moment)] == [early, late]
    assert Sample.select().where(Sample.moment < late).count() == 1


def test_json_is_queried_alike(tables: KitDatabase) -> None:
    """Paths, membership and null are asked the same way of both engines."""
    Sample.create(text="one", doc={"a": {"b": [1, 2]}, "n": None})
    Sample.create(text="two", doc={"a": {"b": [3]}})
    names = {
        "path": Sample.doc["a"]["b"][0] == 3,
        "key": Sample.doc.has_key("n"),
        "whole": Sample.doc == {"a": {"b": [1, 2]}, "n": None},
    }
    found = {name: [row.text for row in Sample.select().where(asked)] for name, asked in names.items()}
    assert found == {"path": ["two"], "key": ["one"], "whole": ["one"]}


def test_bulk_update_writes_every_kind(tables: KitDatabase) -> None:
    """Peewee's bulk_update stores documents, decimals, instants and empty values as a save would."""
    rows = [Sample.create(text="one", doc={"a": 1}), Sample.create(text="two")]
    rows[0].doc, rows[0].money, rows[0].moment = None, Decimal("1.50"), moment("2024-01-01T01:00:00+02:00")
    rows[1].doc, rows[1].day, rows[1].yes = {"b": [True]}, dt.date(2024, 2, 29), True
    rows[1].key = KEY
    fields = [field for name, field in Sample._meta.fields.items() if name not in ("id", "created_at")]
    assert Sample.bulk_update(rows, fields=fields) == 2
    one, two = Sample.select().order_by(Sample.text)
    assert (one.doc, one.money, one.moment) == (None, Decimal("1.50"), moment("2023-12-31T23:00:00+00:00"))
    assert (two.doc, two.money, two.day, two.yes) == ({"b": [True]}, None, dt.date(2024, 2, 29), True)
    assert (two.key, two.text, two.whole) == (KEY, "two", None)
    child = Child.create(text="c")
    child.sample = two
    Child.bulk_update([child], fields=[Child.sample])
    assert Child.get().sample_id == two.id


def test_wrong_declarations_are_refused() -> None:
    """A decimal wider than 18 digits, or with more digits after the point than in all, cannot be declared."""
    for digits, scale in ((19, 2), (2, 3), (5, -1)):
        with pytest.raises(ConfigurationError):
            DecimalField(max_digits=digits, scale=scale)


def test_values_are_the_same_through_another_connection(new_url: Any) -> None:
    """What was written is committed as such: a second database object on the same data reads the same."""
    url = new_url()
    values = {column: value for column, value, _ in ACCEPTED if column != "doc"}
    with kit.override(kit.open_database(url)) as database:
        database.create_tables([Sample])
        made = Sample.create(**values, doc={"z": 1, "a": [2]})
        kit.release(database)
    with kit.override(kit.open_database(url)) as database:
        assert Sample.get_by_id(made.id).public() == Sample.get(Sample.id == made.id).public()
        read = Sample.get_by_id(made.id)
        expected = {column: read_as for column, _, read_as in ACCEPTED if column != "doc"}
        assert {name: getattr(read, name) for name in expected} == expected
        assert read.doc == {"a": [2], "z": 1}
        kit.release(database)
