"""Statements compiled once: the same answers as Peewee's own queries, on each engine and in turn on both."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConfigurationError, ConflictError, NotConnectedError, StatementError, ValidationError
from datapkg.kit.fields import (
    BooleanField,
    DateField,
    DecimalField,
    FloatField,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, new_id
from datapkg.kit.statements import Param, Statement, insert, insert_many
from datapkg.testing.databases import RunDatabases


class Item(Model):
    """One column of each kind."""

    name = TextField(unique=True)
    size = IntegerField(default=1)
    tags = JSONField(default=lambda: ["new"])
    ok = BooleanField(null=True)
    weight = FloatField(null=True)
    price = DecimalField(max_digits=8, scale=2, null=True)
    other = UUIDField(null=True)
    at = TimestampField(null=True)
    day = DateField(null=True)

    class Meta:
        table_name = "kit_items"


by_name: Statement[Item] = Statement(
    lambda _: Item.select().where(Item.name == Param("name", Item.name.db_value)), model=Item
)
larger: Statement[Item] = Statement(
    lambda _: Item.select().where(Item.size > Param("size")).order_by(Item.size.desc()).limit(Param("limit")),
    model=Item,
)
grow: Statement[Item] = Statement(
    lambda _: Item.update(size=Item.size + Param("by")).where(Item.name == Param("name")).returning(Item.size)
)
remove: Statement[Item] = Statement(
    lambda dialect: (f"DELETE FROM kit_items WHERE name = {dialect.param}", (Param("name"),))
)

FULL: dict[str, Any] = {
    "name": "full",
    "size": 5,
    "tags": {"a": [1, None]},
    "ok": True,
    "weight": 0.1,
    "price": Decimal("1.20"),
    "other": new_id(),
    "at": dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    "day": dt.date(2024, 2, 29),
}


@pytest.fixture
def items(db: KitDatabase) -> KitDatabase:
    """The test's database, with the table."""
    db.create_tables([Item])
    return db


def test_insert_returns_what_a_read_returns(items: KitDatabase) -> None:
    """The instance that insert gives equals the row read back, type by type, defaults and documents included."""
    for values in (FULL, {"name": "defaults"}):
        made = insert(Item, values)
        read = Item.get_by_id(made.id)
        assert made.public() == read.public()
        assert {name: type(value) for name, value in made.public().items()} == {
            name: type(value) for name, value in read.public().items()
        }
        made.size += 1
        assert made.save() == 1
    assert (read.size, read.tags, read.ok) == (1, ["new"], None)


def test_a_refused_insert_writes_nothing(items: KitDatabase) -> None:
    """A value that does not fit, or a clash, raises its typed error before or instead of writing."""
    insert(Item, {"name": "one"})
    with pytest.raises(ConflictError) as caught:
        insert(Item, {"name": "one"})
    assert caught.value.constraint == "uq_kit_items_name"
    with pytest.raises(ValidationError):
        insert(Item, {"name": "two", "size": "3"})
    assert Item.select().count() == 1


def test_statements_answer_like_queries(items: KitDatabase) -> None:
    """one, all, tuples, run and returning, with values that differ from call to call."""
    for number in range(5):
        insert(Item, {"name": str(number), "size": number})
    found = by_name.one(name="3")
    assert found is not None and (found.size, found.tags) == (3, ["new"])
    assert by_name.one(name="nobody") is None
    assert [item.name for item in larger.all(size=1, limit=10)] == ["4", "3", "2"]
    assert [item.name for item in larger.all(size=0, limit=1)] == ["4"]
    assert len(larger.tuples(size=2, limit=10)) == 2
    assert grow.returning(name="4", by=10) == [(14,)]
    assert grow.returning(name="nobody", by=10) == []
    assert grow.run(name="4", by=1) == 1
    assert [remove.run(name=name) for name in ("4", "4")] == [1, 0]
    assert sorted(item.name for item in Item.select()) == ["0", "1", "2", "3"]


def test_values_are_bound_not_pasted(items: KitDatabase) -> None:
    """Quotes, percent signs and placeholders in a value are only a value."""
    for text in ("'; DROP TABLE kit_items; --", "100%", "%s", "?", "%(name)s", 'a"b'):
        made = insert(Item, {"name": text})
        found = by_name.one(name=text)
        assert found is not None and (found.id, found.name) == (made.id, text)


def test_a_missing_or_wrong_value_is_an_error(items: KitDatabase) -> None:
    """A forgotten parameter, or one its column refuses, raises; nothing is run."""
    with pytest.raises(KeyError):
        by_name.one()
    with pytest.raises(ValidationError):
        by_name.one(name=5)


def test_one_statement_serves_both_engines_in_turn(datapkg_databases: RunDatabases) -> None:
    """What was compiled for one engine is not used on the other."""
    with datapkg_databases.in_memory() as lite, datapkg_databases.in_transaction() as postgres:
        for database in (lite, postgres) * 2:
            with kit.override(database):
                database.create_tables([Item])
                name = f"{database.dialect.name} {Item.select().count()}"
                insert(Item, {"name": name})
                found = by_name.one(name=name)
                assert found is not None and found.name == name


def test_insert_many_is_the_callers_transaction(items: KitDatabase) -> None:
    """All rows are written with their defaults; a refused one undoes the batch with the caller's transaction."""
    with kit.transaction():
        assert insert_many(Item, [{"name": str(number), "size": number} for number in range(500)]) == 500
        assert insert_many(Item, []) == 0
    assert Item.select().count() == 500
    assert Item.get(Item.name == "7").tags == ["new"]
    assert len({item.id for item in Item.select()}) == 500
    with pytest.raises(ConflictError), kit.transaction():
        insert_many(Item, [{"name": "new"}, {"name": "7"}])
    with pytest.raises(ValidationError), kit.transaction():
        insert_many(Item, [{"name": "new"}, {"name": 7}])
    assert Item.select().count() == 500


def test_insert_many_writes_what_insert_would(items: KitDatabase) -> None:
    """Every kind of value, and every character that a bulk format could trip over, arrives as it was given."""
    texts = ["", "\\N", "\\", "\t", "a\nb", "\r\n", "\\.", "\\t", "é😀", "null", "\x01\x7f", "'\"", "{}"]
    with kit.transaction():
        insert_many(Item, [{**FULL, "name": text, "tags": [text]} for text in texts])
    for text in texts:
        many = by_name.one(name=text)
        assert many is not None
        one = insert(Item, {**FULL, "name": f"{text}-", "tags": [text]})
        hidden = {"id", "name", "created_at", "updated_at"}
        assert {key: value for key, value in many.public().items() if key not in hidden} == {
            key: value for key, value in one.public().items() if key not in hidden
        }


@pytest.mark.datapkg_commits
@pytest.mark.parametrize("slow_query_ms", [None, 60_000.0], ids=["straight", "watched"])
def test_statements_on_a_committed_database(db: KitDatabase, datapkg_url: str, slow_query_ms: float | None) -> None:
    """A SQLite file and a pooled PostgreSQL answer and refuse alike, whether or not somebody listens to the queries."""
    with kit.override(kit.open_database(datapkg_url, slow_query_ms=slow_query_ms)) as database:
        database.create_tables([Item])
        insert(Item, FULL)
        with pytest.raises(ConflictError) as caught:
            insert(Item, {"name": "full"})
        assert caught.value.constraint == "uq_kit_items_name"
        with pytest.raises(ConfigurationError, match="transaction"):
            insert_many(Item, [{"name": "alone"}])
        with kit.transaction():
            assert insert_many(Item, [{"name": str(number)} for number in range(3)]) == 3
        with pytest.raises(ConflictError), kit.transaction():
            insert_many(Item, [{"name": "new"}, {"name": "1"}])
        with kit.transaction():
            assert insert_many(Item, [{"name": "1"}, {"name": "9"}, {"name": "9"}], unless=["name"]) == 1
            Item.delete().where(Item.name == "9").execute()
        with pytest.raises(StatementError):
            database.fetch("SELECT nonsense FROM nowhere", ())
        assert sorted(item.name for item in larger.all(size=0, limit=10)) == ["0", "1", "2", "full"]
        kit.release(database)


def test_without_a_database_statements_say_so() -> None:
    """Before connect a statement raises NotConnectedError."""
    for attempt in (
        lambda: by_name.one(name="a"),
        lambda: insert(Item, {"name": "a"}),
        lambda: grow.run(name="a", by=1),
    ):
        with pytest.raises(NotConnectedError):
            attempt()
