"""``datapkg bookshelf``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from datapkg.cli import Settings, group, show, show_rows

if TYPE_CHECKING:
    from datapkg_bookshelf.models import Book

__all__ = ["bookshelf"]


@group()
def bookshelf() -> None:
    """Look at the bookshelf, lend books and take them back."""


@bookshelf.command("list")
@click.option("--title", help="Only with exactly this title.")
@click.option("--limit", type=int, default=50, show_default=True)
@click.pass_obj
def list_(settings: Settings, *, title: str | None, limit: int) -> None:
    """List books, newest first.

    \b
    Example:
      datapkg bookshelf list --limit 10
    """
    from datapkg_bookshelf import list_books

    with settings.connected():
        rows = [
            {
                "isbn": book.isbn,
                "title": book.title,
                "authors": ", ".join(book.details["authors"]),
                "lent": book.lent_to_id is not None,
            }
            for book in list_books(title=title, limit=limit)
        ]
    show_rows(settings, rows, empty="No books.")


@bookshelf.command("lend")
@click.argument("isbn")
@click.argument("email")
@click.pass_obj
def lend(settings: Settings, *, isbn: str, email: str) -> None:
    """Lend a book to a user.

    \b
    Example:
      datapkg bookshelf lend 9780141182704 dev@example.com
    """
    from datapkg_bookshelf import lend_book

    _move(settings, lend_book, isbn, email, "lent to")


@bookshelf.command("return")
@click.argument("isbn")
@click.argument("email")
@click.pass_obj
def return_(settings: Settings, *, isbn: str, email: str) -> None:
    """Take a book back from a user.

    \b
    Example:
      datapkg bookshelf return 9780141182704 dev@example.com
    """
    from datapkg_bookshelf import return_book

    _move(settings, return_book, isbn, email, "returned by")


def _move(settings: Settings, function: Callable[..., Book], isbn: str, email: str, said: str) -> None:
    from datapkg import accounts
    from datapkg.errors import NotFoundError

    from datapkg_bookshelf import find_book_by_isbn

    with settings.connected():
        book, reader = find_book_by_isbn(isbn), accounts.find_user_by_email(email)
        if book is None:
            raise NotFoundError("book", isbn)
        if reader is None:
            raise NotFoundError("user", email)
        moved = function(book.id, reader_id=reader.id)
        show(settings, moved, f"{moved.title!r} is {said} {reader.email}.")
