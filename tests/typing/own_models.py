"""A user's own tables and documents, and the factories; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, TypedDict, assert_type
from uuid import UUID

import peewee as pw

from datapkg import Document, Domain, Model, MutableModel, SeedTable
from datapkg.accounts import User
from datapkg.evaluation import Definition, Run
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
    UUIDField,
)
from datapkg.kit.results import Rows
from datapkg.testing import factories


class Details(TypedDict):
    """What a document holds, in a user's own words."""

    authors: list[str]
    pages: int


def v0_to_v1(stored: dict[str, object]) -> dict[str, object]:
    """A step from one version to the next."""
    return stored


DETAILS: Document[Details] = Document("details", "mine.schemas:Details", upcasters=(v0_to_v1,))
LOOSE = Document("loose", "mine.schemas:Loose", upcasters=(v0_to_v1,))


class Slug(TextField[str]):
    """A kind of column of the user's own."""


class Note(MutableModel):
    """A table of the user's own, with every kind of column."""

    slug = Slug(max_length=50, unique=True)
    text = TextField(max_length=1000, index=True)
    comment = TextField(null=True, secret=True)
    kind = EnumField(choices=("a", "b"), default="a")
    kind_or_none = EnumField(choices=("a", "b"), null=True)
    token = UUIDField()
    token_or_none = UUIDField(null=True)
    whole = IntegerField(min=0, max=10)
    whole_or_none = IntegerField(null=True)
    big = BigIntegerField(min=0)
    big_or_none = BigIntegerField(null=True)
    share = FloatField(min=0, max=1)
    share_or_none = FloatField(null=True)
    price = DecimalField(max_digits=10, scale=2)
    price_or_none = DecimalField(null=True)
    done = BooleanField(default=False)
    done_or_none = BooleanField(null=True)
    at = TimestampField()
    at_or_none = TimestampField(null=True)
    day = DateField()
    day_or_none = DateField(null=True)
    details = DocumentField(DETAILS)
    details_or_none = DocumentField(DETAILS, null=True)
    loose = DocumentField(LOOSE)
    anything = JSONField()
    tags: JSONField[list[str]] = JSONField(default=list)
    owner = ForeignKey(User, on_delete="RESTRICT")
    reviewer = ForeignKey(User, on_delete="SET NULL", null=True)
    parent: ForeignKey[Note | None] = ForeignKey("self", on_delete="RESTRICT", null=True)

    owner_id: UUID
    reviewer_id: UUID | None
    parent_id: UUID | None


class Event(Model):
    """A table that is only added to."""

    note = ForeignKey(Note, on_delete="RESTRICT")


def columns(note: Note, event: Event) -> None:
    """What an instance holds."""
    assert_type(note.id, UUID)
    assert_type(note.created_at, dt.datetime)
    assert_type(note.slug, str)
    assert_type(note.text, str)
    assert_type(note.comment, str | None)
    assert_type(note.kind, str)
    assert_type(note.kind_or_none, str | None)
    assert_type(note.token, UUID)
    assert_type(note.token_or_none, UUID | None)
    assert_type(note.whole, int)
    assert_type(note.whole_or_none, int | None)
    assert_type(note.big, int)
    assert_type(note.big_or_none, int | None)
    assert_type(note.share, float)
    assert_type(note.share_or_none, float | None)
    assert_type(note.price, Decimal)
    assert_type(note.price_or_none, Decimal | None)
    assert_type(note.done, bool)
    assert_type(note.done_or_none, bool | None)
    assert_type(note.at, dt.datetime)
    assert_type(note.at_or_none, dt.datetime | None)
    assert_type(note.day, dt.date)
    assert_type(note.day_or_none, dt.date | None)
    assert_type(note.details, Details)
    assert_type(note.details["pages"], int)
    assert_type(note.details_or_none, Details | None)
    assert_type(note.loose, dict[str, Any])
    assert_type(note.tags, list[str])
    assert_type(note.owner, User)
    assert_type(note.owner.email, str)
    assert_type(note.reviewer, User | None)
    assert_type(note.parent, Note | None)
    assert_type(event.note, Note)
    assert_type(event.note.parent_id, UUID | None)
    note.text = "new"
    note.whole_or_none = None
    assert_type(note.save(), int)
    assert_type(note.public(), dict[str, object])


def expressions() -> None:
    """What the class holds: columns, for queries."""
    assert_type(Note.text, TextField[str])
    assert_type(Note.details, DocumentField[Details])
    assert_type(Note.parent, ForeignKey[Note | None])
    query = Note.select().where((Note.whole >= 3) & (Note.kind == "a")).order_by(Note.created_at.desc())
    for note in query:
        assert_type(note, Note)
    rows = Rows(query, of=Note)
    assert_type(rows, Rows[Note])
    assert_type(rows[0].price, Decimal)
    assert_type(Note.get_or_none(Note.slug == "x"), Note | None)
    assert_type(Note.text.is_null(), pw.Expression)


def domains() -> None:
    """A domain of the user's own."""
    Domain(name="mine", models=(Note, Event), seeds=(SeedTable(model=Note, schema="mine.schemas:Note"),))


def made() -> None:
    """Rows for tests."""
    assert_type(factories.make_user(name="Ann"), User)
    assert_type(factories.make_definition(), Definition)
    assert_type(factories.make_run(), Run)
    assert_type(factories.make_definition_tree(depth=2).root, Definition)
