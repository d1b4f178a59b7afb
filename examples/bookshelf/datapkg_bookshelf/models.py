"""The bookshelf's tables."""

from __future__ import annotations

from uuid import UUID

from datapkg import Model, MutableModel
from datapkg.accounts import User
from datapkg.kit.fields import DocumentField, EnumField, ForeignKey, TextField

from datapkg_bookshelf.documents import BOOK_DETAILS

__all__ = ["EVENTS", "Book", "LoanEvent"]

EVENTS = ("LENT", "RETURNED")


class Book(MutableModel):
    """A book on the shelf.

    Attributes:
        isbn: its number, thirteen digits.
        title: what it is called.
        details: its ``book-details`` document.
        original: the book that it is a translation of.
        lent_to: who has it now.
    """

    isbn = TextField(max_length=13, min_length=13, unique=True)
    title = TextField(max_length=300, min_length=1)
    details = DocumentField(BOOK_DETAILS)
    original: ForeignKey[Book | None] = ForeignKey("self", on_delete="RESTRICT", null=True)
    lent_to = ForeignKey(User, on_delete="RESTRICT", null=True)

    original_id: UUID | None  # Peewee sets these beside the references
    lent_to_id: UUID | None

    class Meta:
        table_name = "books"


class LoanEvent(Model):
    """Somebody took a book or brought it back; never changed.

    Attributes:
        book: which book.
        reader: who did it.
        event: one of ``EVENTS``.
    """

    book = ForeignKey(Book, on_delete="RESTRICT")
    reader = ForeignKey(User, on_delete="RESTRICT")
    event = EnumField(choices=EVENTS)

    book_id: UUID
    reader_id: UUID

    class Meta:
        table_name = "loan_events"
        append_only = True
        written_by = "datapkg_bookshelf.lend_book or return_book"
