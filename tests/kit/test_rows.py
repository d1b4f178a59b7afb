"""Rows become instances: documents decoded late, and the generated builder indistinguishable from Peewee's own way."""

from __future__ import annotations

import copy
import datetime as dt
import gc
import json
import pickle
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import peewee as pw
import pytest
from playhouse.shortcuts import model_to_dict

from datapkg.kit.documents import Document
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import UnknownSchemaVersionError
from datapkg.kit.fields import (
    BigIntegerField,
    BooleanField,
    DateField,
    DecimalField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel, new_id
from datapkg.kit.rows import LazyData, instance_builder, paused_collection
from datapkg.kit.schemas import Integer, Schema, Text


class NoteSchema(Schema):
    """Version 1."""

    title = Text(0, 100, required=True)
    stars = Integer(min=0, max=5, required=True)


def v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 had a title alone."""
    return {"title": stored.get("title", ""), "stars": 0}


NOTE = Document("kit-note", NoteSchema, upcasters=(v0_to_v1,))


class Shelf(Model):
    """A parent."""

    name = TextField()

    class Meta:
        table_name = "kit_shelves"


class Book(MutableModel):
    """One column of each kind, and two documents."""

    shelf = ForeignKey(Shelf, on_delete="CASCADE", null=True)
    name = TextField(default="")
    kind = EnumField(choices=("A", "B"), default="A")
    pages = IntegerField(null=True)
    bytes = BigIntegerField(null=True)
    lent = BooleanField(default=False)
    weight = FloatField(null=True)
    price = DecimalField(max_digits=8, scale=2, null=True)
    printed = DateField(null=True)
    read_at = TimestampField(null=True)
    note = DocumentField(NOTE, null=True)
    extra = JSONField(null=True)

    class Meta:
        table_name = "kit_books"


FULL: dict[str, Any] = {
    "name": "full",
    "kind": "B",
    "pages": -7,
    "bytes": 2**60,
    "lent": True,
    "weight": 0.1,
    "price": Decimal("12.30"),
    "printed": dt.date(2024, 2, 29),
    "read_at": dt.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=dt.UTC),
    "note": {"title": "ü", "stars": 5},
    "extra": [1, {"a": None}],
}


@pytest.fixture
def books(db: KitDatabase) -> KitDatabase:
    """The test's database, with both tables."""
    db.create_tables([Shelf, Book])
    return db


def store(database: KitDatabase, **columns: object) -> str:
    """Write a row as foreign SQL would, documents as given; return its key."""
    row = Book.create(name="raw")
    for column, value in columns.items():
        text = json.dumps(value) if column in ("note", "extra") else value
        mark = database.dialect.param
        database.execute_sql(f"UPDATE kit_books SET {column} = {mark} WHERE id = {mark}", (text, str(row.id)))
    return str(row.id)


def stored(database: KitDatabase, key: str) -> Any:
    """The stored note of a row, parsed but not upgraded."""
    mark = database.dialect.param
    return json.loads(database.fetch(f"SELECT note FROM kit_books WHERE id = {mark}", (key,))[0][0])


# Late decoding --------------------------------------------------------------------------------------------------------

OLD = {"title": "old"}
NEW = {"title": "old", "stars": 0}


def test_an_untouched_document_goes_back_as_it_came(books: KitDatabase) -> None:
    """Saving another column of a row neither encodes the document twice nor brings it up to date."""
    key = store(books, note=OLD, extra={"b": 1, "a": [1.0, "ü"]})
    text = books.fetch("SELECT extra FROM kit_books", ())
    for _ in range(3):
        row = Book.get_by_id(key)
        row.pages = (row.pages or 0) + 1
        row.save()
    assert stored(books, key) == OLD
    assert books.fetch("SELECT extra FROM kit_books", ()) == text
    assert Book.get_by_id(key).pages == 3


def test_reading_upgrades_in_memory_and_writes_nothing(books: KitDatabase) -> None:
    """The attribute shows the current version; the row keeps the old one until it is saved with the document read."""
    key = store(books, note=OLD)
    row = Book.get_by_id(key)
    assert row.note == {"schema_version": 1, **NEW}
    assert stored(books, key) == OLD
    row.save()
    assert stored(books, key) == {**NEW, "schema_version": 1}
    assert Book.get_by_id(key).note == row.note


def test_a_changed_document_is_saved(books: KitDatabase) -> None:
    """Replacing a document, or changing what was read in place, is what the next reader sees."""
    key = store(books, note=OLD)
    row = Book.get_by_id(key)
    row.note["stars"] = 4
    row.save()
    assert Book.get_by_id(key).note["stars"] == 4
    row.note = {"title": "new", "stars": 1}
    row.save()
    assert Book.get_by_id(key).note["title"] == "new"


def test_a_newer_document_is_refused_when_it_is_looked_at(books: KitDatabase) -> None:
    """A document of a version this code does not know hides nothing else of the row, and goes back untouched."""
    newer = {"schema_version": 9, "title": "from the future"}
    key = store(books, note=newer)
    row = Book.get_by_id(key)
    assert row.name == "raw"
    row.name = "renamed"
    row.save()
    with pytest.raises(UnknownSchemaVersionError, match=f"column note, row {key}") as caught:
        _ = row.note
    assert (caught.value.meta["column"], caught.value.meta["row"]) == ("note", str(key))
    assert stored(books, key) == newer
    assert Book.get_by_id(key).name == "renamed"


def emptied(data: Any) -> dict[str, Any]:
    """Take every item out of a dictionary, one by one."""
    return dict(data.popitem() for _ in range(len(data)))


def test_every_way_out_shows_decoded_content(books: KitDatabase) -> None:
    """dicts(), tuples(), model_to_dict, public(), pickle, copy and plain dict calls never leak the stored text."""
    key = store(books, note=OLD, extra=[1])

    def fresh() -> Any:
        return Book.get_by_id(key)

    notes = [
        fresh().note,
        fresh().public()["note"],
        model_to_dict(fresh())["note"],
        fresh().__data__["note"],
        fresh().__data__.get("note"),
        dict(fresh().__data__)["note"],
        {**fresh().__data__}["note"],
        dict(fresh().__data__.items())["note"],
        fresh().__data__.pop("note"),
        fresh().__data__.setdefault("note", None),
        (fresh().__data__ | {})["note"],
        emptied(fresh().__data__)["note"],
        copy.copy(fresh()).note,
        copy.deepcopy(fresh()).note,
        pickle.loads(pickle.dumps(fresh())).note,
        pickle.loads(pickle.dumps(fresh().__data__))["note"],
        next(iter(Book.select().dicts()))["note"],
        Book.select(Book.note).tuples()[0][0],
        Book.select(Book.note).scalar(),
        next(iter(Book.select().namedtuples())).note,
        Book.select(Book.id, Book.note)[0].note,
    ]
    expected = notes[0]
    assert expected["title"] == "old" and expected["stars"] == 0
    assert notes == [expected] * len(notes)
    assert any(value == expected for value in fresh().__data__.values())
    assert fresh().__data__ == fresh().__data__
    looked_at = fresh()
    assert looked_at.note and looked_at.extra
    assert not (looked_at.__data__ != fresh().__data__)  # noqa: SIM202  # it is != that is tested
    assert "stars" in repr(model_to_dict(fresh()))


def test_a_copy_is_a_row_of_its_own(books: KitDatabase) -> None:
    """Changing a deep copy's document leaves the original alone; both save as updates of the same row."""
    key = store(books, note=OLD)
    row = Book.get_by_id(key)
    other = copy.deepcopy(row)
    other.note["stars"] = 3
    assert row.note["stars"] == 0
    assert other.save() == 1
    assert Book.select().count() == 1
    assert Book.get_by_id(key).note["stars"] == 3


# The builder ----------------------------------------------------------------------------------------------------------


def peewees_way(query: Any) -> list[Any]:
    """The same rows by the field accessors alone, without the generated builder."""
    return [tuple(row) for row in query.tuples()]


def by_columns(rows: Any) -> list[Any]:
    """The rows as tuples of their attributes, foreign keys as keys."""
    return [tuple(row.__data__[field.name] for field in Book._meta.sorted_fields) for row in rows]


def test_the_builder_agrees_with_peewee(books: KitDatabase) -> None:
    """For full and empty rows, values and their types are those of Peewee's own way."""
    shelf = Shelf.create(name="s")
    Book.create(**FULL, shelf=shelf)
    Book.create()
    query = Book.select().order_by(Book.name)
    built, slow = by_columns(query), peewees_way(query)
    assert built == slow
    assert [[type(value) for value in row] for row in built] == [[type(value) for value in row] for row in slow]
    full = Book.get(Book.name == "full")
    assert {name: getattr(full, name) for name in FULL if name != "note"} == {
        name: value for name, value in FULL.items() if name != "note"
    }
    assert (full.shelf, full.shelf_id, full.shelf.name) == (shelf, shelf.id, "s")
    assert full.dirty_fields == [] and not Book.get(Book.name == "").dirty_fields


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("some columns", lambda: Book.select(Book.name, Book.note)),
        ("columns and more", lambda: Book.select(Book, pw.fn.LENGTH(Book.name).alias("size"))),
        ("extended", lambda: Book.select().select_extend(pw.fn.LENGTH(Book.name).alias("size"))),
        ("join", lambda: Book.select(Book, Shelf).join(Shelf)),
        ("join without its columns", lambda: Book.select().join(Shelf)),
        ("alias", lambda: Book.alias("b").select()),
        ("from a subquery", lambda: Book.select().from_(Book.select().alias("t1"))),
        ("union", lambda: Book.select() | Book.select().where(Book.pages == 0)),
        ("distinct", lambda: Book.select().distinct()),
        ("dicts", lambda: Book.select().dicts()),
        ("objects", lambda: Book.select().objects()),
        ("iterator", lambda: Book.select().iterator()),
        ("raw", lambda: Book.raw("SELECT * FROM kit_books")),
        ("returning", lambda: Book.update(pages=-7).returning(Book)),
    ],
)
def test_other_queries_fall_back(books: KitDatabase, name: str, query: Any) -> None:
    """What the builder does not cover gives the same values as ever, documents decoded."""
    Book.create(**FULL, shelf=Shelf.create(name="s"))
    rows = list(query())
    assert len(rows) == 1
    row = rows[0]
    read = row if isinstance(row, dict) else {"name": row.name, "note": row.note}
    assert read["name"] == "full"
    assert read["note"]["stars"] == 5
    if name in ("columns and more", "extended"):
        assert row.size == 4
    if name == "join":
        assert row.shelf.name == "s"


def test_count_and_exists_and_aggregates(books: KitDatabase) -> None:
    """Queries that return no rows of the model work on the builder's select."""
    Book.create(**FULL)
    assert Book.select().count() == 1
    assert Book.select().exists()
    assert Book.select(pw.fn.MAX(Book.pages)).scalar() == -7
    assert Book.get_or_none(Book.name == "nothing") is None
    assert Book.select().where(Book.id.in_(Book.select(Book.id))).count() == 1


def test_a_model_that_gains_a_column_gets_a_new_builder(books: KitDatabase) -> None:
    """As migrations add fields to a model, the builder follows."""

    class Growing(Model):
        name = TextField()

        class Meta:
            table_name = "kit_growing"

    key = new_id()
    first = instance_builder(Growing, books.dialect)
    Growing._meta.add_field("size", IntegerField())
    second = instance_builder(Growing, books.dialect)
    moment = "2024-01-01T00:00:00.000000Z" if books.dialect.name == "sqlite" else dt.datetime.now(dt.UTC)
    assert first is not second is instance_builder(Growing, books.dialect)
    made = second((str(key), moment, "n", 3))
    assert (made.id, made.name, made.size) == (key, "n", 3)


def test_lazy_data_is_a_dictionary() -> None:
    """Without documents it behaves as any other dict."""
    data = LazyData({"a": 1})
    data["b"] = 2
    assert (len(data), "a" in data, data.get("c", 3), data.pop("c", 4), data.pop("b")) == (2, True, 3, 4, 2)
    assert data == {"a": 1}
    with pytest.raises(KeyError):
        data["none"]
    with pytest.raises(KeyError):
        data.pop("none")
    with pytest.raises(KeyError):
        LazyData().popitem()
    assert data.raw_text("a") is None


def test_collection_is_paused_and_resumed() -> None:
    """Inside the block the cyclic collector rests; afterwards, also after an error and nested, it is as it was."""
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), paused_collection():
        with paused_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
    gc.disable()
    try:
        with paused_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
