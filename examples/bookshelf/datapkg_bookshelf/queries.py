"""Putting books on the shelf, lending them, and looking at both."""

from __future__ import annotations

import logging
from uuid import UUID

from datapkg import run_in_transaction
from datapkg.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.columns import load_columns
from datapkg.kit.keys import as_id
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert

from datapkg_bookshelf.models import Book, LoanEvent

__all__ = [
    "add_book",
    "find_book",
    "find_book_by_isbn",
    "get_book",
    "lend_book",
    "list_books",
    "list_loan_events",
    "return_book",
]

logger = logging.getLogger(__name__)


def add_book(isbn: str, *, title: str, details: object, original_id: UUID | str | None = None) -> Book:
    """Put a book on the shelf.

    Args:
        isbn: thirteen digits, which begin with 978 or 979.
        title: 1 to 300 characters.
        details: a ``book-details`` document: ``authors``, and ``pages`` if they are known.
        original_id: the book that it is a translation of.

    Raises:
        ValidationError: with every complaint about all of them; nothing is written.
        ConflictError: the book is on the shelf already (``uq_books_isbn``), or there is no such original.
    """
    from datapkg_bookshelf import schemas

    columns = load_columns(
        Book,
        schemas.NewBook,
        given={"isbn": isbn, "title": title, "original": original_id},
        documents={"details": details},
        what="book",
    )
    made = now()
    book = insert(Book, {**columns, "created_at": made, "updated_at": made})
    logger.info("book added", extra={"book_id": str(book.id)})
    return book


def get_book(book_id: UUID | str) -> Book:
    """Return a book.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    book = find_book(book_id)
    if book is None:
        raise NotFoundError("book", book_id)
    return book


def find_book(book_id: UUID | str) -> Book | None:
    """Return a book, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    found: Book | None = Book.get_or_none(Book.id == as_id(book_id, "book_id"))
    return found


def find_book_by_isbn(isbn: str) -> Book | None:
    """Return the book with this number, or None."""
    found: Book | None = Book.get_or_none(Book.isbn == isbn)
    return found


def list_books(
    *,
    title: str | None = None,
    lent_to_id: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Book]:
    """Return a page of books, newest first.

    Args:
        title: only with exactly this title.
        lent_to_id: only those that this user has.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg_bookshelf import schemas

    given = {"title": title, "lent_to_id": lent_to_id, "limit": limit, "after": after}
    where = {"title": Book.title.__eq__, "lent_to_id": Book.lent_to.__eq__}
    return list_page(Book, schemas.BookFilters, what="list of books", given=given, where=where)


def list_loan_events(
    *, book_id: UUID | str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[LoanEvent]:
    """Return a page of what happened, newest first.

    Args:
        book_id: only to this book.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg_bookshelf import schemas

    given = {"book_id": book_id, "limit": limit, "after": after}
    where = {"book_id": LoanEvent.book.__eq__}
    return list_page(LoanEvent, schemas.LoanEventFilters, what="list of loan events", given=given, where=where)


def lend_book(book_id: UUID | str, *, reader_id: UUID | str) -> Book:
    """Lend a book; of several readers at once, one gets it.

    Raises:
        NotFoundError: there is no such book.
        InvalidTransitionError: somebody has it.
        ConflictError: the reader is no user.
        ValidationError: a key is not a UUID.
    """
    key, reader = as_id(book_id, "book_id"), as_id(reader_id, "reader_id")

    @run_in_transaction
    def lend() -> None:
        # One statement decides and writes: what was read before could be out of date by now.
        if not Book.update(lent_to=reader).where((Book.id == key) & Book.lent_to.is_null()).execute():
            raise InvalidTransitionError(
                f"{get_book(key).title!r} is lent already.", fix="Wait until it is returned.", book_id=str(key)
            )
        insert(LoanEvent, {"book": key, "reader": reader, "event": "LENT"})  # datapkg: allow-write with the loan

    lend()
    return get_book(key)


def return_book(book_id: UUID | str, *, reader_id: UUID | str) -> Book:
    """Take a book back from who has it.

    Raises:
        NotFoundError: there is no such book.
        InvalidTransitionError: this reader does not have it.
        ValidationError: a key is not a UUID.
    """
    key, reader = as_id(book_id, "book_id"), as_id(reader_id, "reader_id")

    @run_in_transaction
    def take_back() -> None:
        if not Book.update(lent_to=None).where((Book.id == key) & (Book.lent_to == reader)).execute():
            raise InvalidTransitionError(
                f"{get_book(key).title!r} is not lent to this reader.",
                fix="See who has it: list_loan_events(book_id=…).",
                book_id=str(key),
            )
        insert(LoanEvent, {"book": key, "reader": reader, "event": "RETURNED"})  # datapkg: allow-write with the return

    take_back()
    return get_book(key)
