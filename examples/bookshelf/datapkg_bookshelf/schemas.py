"""What the bookshelf's functions accept, and its rows in seed files."""

from __future__ import annotations

from datapkg.kit.schemas import Choice, Json, Page, Schema, Text, Timestamp, Uuid

from datapkg_bookshelf.models import EVENTS

__all__ = ["BookFilters", "BookRow", "LoanEventFilters", "LoanEventRow", "NewBook"]

_ISBN = r"\A97[89][0-9]{10}\Z"


class NewBook(Schema):
    """A book's columns as a caller gives them; the details are checked by their document type."""

    isbn = Text(pattern=_ISBN, required=True)
    title = Text(1, 300, required=True)
    original = Uuid(allow_none=True)


class BookFilters(Page):
    """What a list of books can be narrowed by, and where its page starts."""

    title = Text(1, 300)
    lent_to_id = Uuid()


class LoanEventFilters(Page):
    """What a list of loan events can be narrowed by, and where its page starts."""

    book_id = Uuid()


class BookRow(NewBook):
    """A book in a seed file."""

    details = Json(required=True)
    lent_to = Uuid(allow_none=True)


class LoanEventRow(Schema):
    """A loan event in a seed file."""

    book = Uuid(required=True)
    reader = Uuid(required=True)
    event = Choice(EVENTS, required=True)
    created_at = Timestamp()
