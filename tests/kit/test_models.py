"""The base of every table: keys, times, saving, and what a person gets to see of a row."""

from __future__ import annotations

import datetime as dt
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConfigurationError, ConflictError, DatapkgError, WriteGateError
from datapkg.kit.fields import JSONField, TextField
from datapkg.kit.models import Model, MutableModel, new_id, now


class Person(MutableModel):
    """A row that changes and has a secret."""

    name = TextField(max_length=50)
    pin = TextField(null=True, secret=True)
    notes = JSONField(null=True)

    class Meta:
        table_name = "kit_people"
        indexes = ((("name", "pin"), True),)


class Event(Model):
    """An append-only row."""

    name = TextField(unique=True)

    class Meta:
        table_name = "kit_events"
        append_only = True


class Stamp(Model):
    """An append-only row without SQLite's hidden key."""

    name = TextField(unique=True)

    class Meta:
        table_name = "kit_stamps"
        append_only = True
        without_rowid = True


class Key(Model):
    """A row whose telling column is a secret."""

    key = TextField(secret=True)

    class Meta:
        table_name = "kit_keys"


@pytest.fixture
def tables(db: KitDatabase) -> KitDatabase:
    """The test's database, with the tables."""
    db.create_tables([Person, Event, Key])
    return db


# Keys and times -------------------------------------------------------------------------------------------------------


def test_keys_are_uuid7_and_sort_by_creation() -> None:
    """Keys are UUIDs of version 7, each greater than the one before, with the time of making in them."""
    before = time.time_ns() // 1_000_000
    keys = [new_id() for _ in range(5_000)]
    after = time.time_ns() // 1_000_000
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert {(type(key), key.version, key.variant) for key in keys} == {(uuid.UUID, 7, uuid.RFC_4122)}
    assert before <= keys[0].int >> 80 <= keys[-1].int >> 80 <= after


def test_keys_of_many_threads_differ() -> None:
    """Threads making keys at once never make the same one."""
    start = threading.Barrier(8)

    def make(_: int) -> list[uuid.UUID]:
        start.wait(10)
        return [new_id() for _ in range(2_000)]

    with ThreadPoolExecutor(8) as pool:
        keys = [key for made in pool.map(make, range(8)) for key in made]
    assert len(set(keys)) == 16_000


def test_now_is_aware_utc() -> None:
    """The present has the time zone UTC."""
    assert now().tzinfo is dt.UTC


# Saving ---------------------------------------------------------------------------------------------------------------


def test_save_inserts_a_fresh_instance_and_updates_any_other(tables: KitDatabase) -> None:
    """The first save inserts, also with a key of one's own; the next ones update the same row."""
    ann, bob = Person(name="Ann"), Person(id=new_id(), name="Bob")
    assert (ann.save(), bob.save(), Person.select().count()) == (1, 1, 2)
    ann.name = "Anne"
    assert (ann.save(), Person.get_by_id(ann.id).name, Person.select().count()) == (1, "Anne", 2)
    read = Person.get(Person.name == "Bob")
    read.name = "Rob"
    assert (read.save(), Person.get_by_id(bob.id).name, Person.select().count()) == (1, "Rob", 2)


def test_a_refused_insert_can_be_corrected_and_saved(tables: KitDatabase) -> None:
    """An instance whose insert was refused is still fresh."""
    Person.create(name="Ann", pin="1")
    again = Person(name="Ann", pin="1")
    with pytest.raises(ConflictError) as caught:
        again.save()
    assert caught.value.constraint == "uq_kit_people_name_pin"
    again.pin = "2"
    assert again.save() == 1
    assert Person.select().count() == 2


def test_saving_a_deleted_row_writes_nothing(tables: KitDatabase) -> None:
    """Save of a row that is gone says that nothing was written and does not bring it back."""
    ann = Person.create(name="Ann")
    Person.delete().execute()
    assert (ann.save(), Person.select().count()) == (0, 0)


def test_updated_at_moves_with_every_update(tables: KitDatabase) -> None:
    """Save, a partial save and an update statement each set it; one given explicitly stays; created_at never moves."""
    ann = Person.create(name="Ann")
    created, seen = Person.get_by_id(ann.id).created_at, [Person.get_by_id(ann.id).updated_at]

    def moved() -> bool:
        seen.append(Person.get_by_id(ann.id).updated_at)
        return seen[-1] > seen[-2]

    ann.name = "Anne"
    ann.save()
    assert moved()
    ann.name = "Anna"
    ann.save(only=[Person.name])
    assert moved()
    Person.update(name="Annie").where(Person.id == ann.id).execute()
    assert moved()
    Person.update({Person.name: "Nan"}).execute()
    assert moved()
    fixed = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    Person.update({Person.updated_at: fixed}).execute()
    assert Person.get_by_id(ann.id).updated_at == fixed
    assert Person.get_by_id(ann.id).created_at == created == ann.created_at


def test_peewees_own_ways_of_creating_work(tables: KitDatabase) -> None:
    """get_or_create, insert_many and bulk_create fill in keys and times like create does."""
    assert [Person.get_or_create(name="Ann", pin="1")[1] for _ in range(2)] == [True, False]
    Person.insert_many([{"name": "Bob"}, {"name": "Cid"}]).execute()
    Person.bulk_create([Person(name="Dan"), Person(name="Eve")])
    rows = list(Person.select().order_by(Person.name))
    assert [row.name for row in rows] == ["Ann", "Bob", "Cid", "Dan", "Eve"]
    assert len({row.id for row in rows}) == 5
    assert all(row.created_at.tzinfo is dt.UTC for row in rows)


# Append-only ----------------------------------------------------------------------------------------------------------


def test_a_refused_secret_is_in_no_traceback(tables: KitDatabase) -> None:
    """PostgreSQL's driver tells the refused row's values; what is printed of the chain of errors must not."""
    pin = "-".join(("4711", "0815"))
    key = Person.create(name="a", pin=pin).id
    with pytest.raises(ConflictError) as caught, tables.atomic():
        Person.insert(id=key, name=None, pin=pin).execute()
    assert pin not in "".join(traceback.format_exception(caught.value))


def test_append_only_rows_can_only_be_added(tables: KitDatabase) -> None:
    """Update, delete and replace are refused by the database, raw SQL included; nothing changes."""
    event = Event.create(name="one")
    event.name = "changed"
    attempts: list[Any] = [
        event.save,
        event.delete_instance,
        lambda: Event.update(name="changed").execute(),
        lambda: Event.delete().execute(),
        lambda: tables.execute_sql("DELETE FROM kit_events"),
        lambda: tables.execute_sql("UPDATE kit_events SET name = 'x'"),
    ]
    if tables.dialect.name == "sqlite":
        attempts.append(lambda: Event.replace(id=event.id, name="changed").execute())
    else:
        attempts.append(lambda: tables.execute_sql("TRUNCATE kit_events"))
    for attempt in attempts:
        with pytest.raises(WriteGateError):
            attempt()
    assert [each.name for each in Event.select()] == ["one"]


@pytest.mark.datapkg_engines("sqlite")
def test_an_append_only_table_may_be_without_rowid(tables: KitDatabase) -> None:
    """The triggers work on a table that has no hidden key, from a client that lets REPLACE delete silently too."""
    tables.create_tables([Stamp])
    stamp = Stamp.create(name="one")
    tables.execute_sql("PRAGMA recursive_triggers = 0")
    with pytest.raises(WriteGateError):
        Stamp.replace(id=stamp.id, name="changed").execute()
    Stamp.create(name="two")
    assert sorted(each.name for each in Stamp.select()) == ["one", "two"]


@pytest.mark.datapkg_engines("sqlite")
def test_a_table_of_a_pragmas_name_opens_no_append_only_table(tables: KitDatabase) -> None:
    """A client that makes one says nothing by it of how it replaces rows; it is refused all the same."""
    event = Event.create(name="one")
    tables.execute_sql("CREATE TABLE pragma_recursive_triggers (recursive_triggers)")
    tables.execute_sql("INSERT INTO pragma_recursive_triggers VALUES (1)")
    tables.execute_sql("PRAGMA recursive_triggers = 0")
    with pytest.raises(DatapkgError):
        Event.replace(id=event.id, name="changed").execute()
    assert [each.name for each in Event.select()] == ["one"]


def test_an_open_gate_closes_with_its_block(tables: KitDatabase) -> None:
    """Behind the gate a domain may change its rows; after the block, also after an error, it is closed again."""
    Event.create(name="one")
    with tables.atomic():
        with tables.open_gate("kit_events"):
            Event.update(name="two").execute()
        with pytest.raises(WriteGateError), tables.atomic():
            Event.update(name="three").execute()
    with pytest.raises(ZeroDivisionError), tables.atomic(), tables.open_gate("kit_events"):
        Event.delete().execute()
        raise ZeroDivisionError
    with pytest.raises(WriteGateError):
        Event.delete().execute()
    with tables.atomic(), tables.open_gate("kit_people"), pytest.raises(WriteGateError), tables.atomic():
        Event.delete().execute()
    with pytest.raises(WriteGateError, match="inside a transaction"), tables.open_gate("kit_events"):
        Event.delete().execute()
    assert [each.name for each in Event.select()] == ["two"]


# What is shown --------------------------------------------------------------------------------------------------------


def test_secrets_are_not_shown(tables: KitDatabase) -> None:
    """Neither repr, str, the notebook's table nor the public dictionary has a secret column's value."""
    for row in (Person.create(name="Ann", pin="hunter2"), Person(name="Ann", pin="hunter2"), Key(key="hunter2")):
        shown = f"{row!r} {row} {row._repr_html_()} {row.public()}"
        assert "hunter2" not in shown
        assert str(row.id) in repr(row)
    assert "Ann" in repr(Person(name="Ann"))
    assert set(Person(name="Ann").public()) == {"id", "created_at", "updated_at", "name", "notes"}


def test_html_is_escaped(tables: KitDatabase) -> None:
    """Markup in a value, or in a document, is text in a notebook."""
    markup = "<script>alert('x')</script>"
    shown = Person.create(name=markup, notes={markup: markup})._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in shown


# Definitions ----------------------------------------------------------------------------------------------------------


def test_names_in_the_database(tables: KitDatabase) -> None:
    """Indexes are called uq_ or ix_, the table, the columns, on both engines."""
    names = {index.name for index in tables.get_indexes("kit_people")} | {
        index.name for index in tables.get_indexes("kit_events")
    }
    assert {"uq_kit_people_name_pin", "uq_kit_events_name"} <= names


def test_a_name_that_postgresql_would_cut_is_refused(tables: KitDatabase) -> None:
    """An index name longer than 63 characters cannot be created, on either engine."""

    class Wide(Model):
        a_rather_long_column_name_for_a_test = TextField(index=True)

        class Meta:
            table_name = "kit_a_rather_long_table_name_for_a_test"

    with pytest.raises(ConfigurationError, match="63"):
        tables.create_tables([Wide])


def test_creating_twice_is_safe(tables: KitDatabase) -> None:
    """Creating tables that are there already, triggers included, changes nothing."""
    Event.create(name="one")
    tables.create_tables([Person, Event, Key])
    assert Event.select().count() == 1
