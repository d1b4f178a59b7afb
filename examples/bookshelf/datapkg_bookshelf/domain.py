"""The bookshelf, as datapkg's registry lists it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from datapkg import Domain, Exemption, RetentionPolicy, SeedTable

from datapkg_bookshelf.documents import BOOK_DETAILS
from datapkg_bookshelf.models import Book, LoanEvent

__all__ = ["DOMAIN"]

_HERE = Path(__file__).parent
_SCHEMAS = "datapkg_bookshelf.schemas"

DOMAIN = Domain(
    name="bookshelf",
    models=(Book, LoanEvent),
    documents={"books.details": BOOK_DETAILS},
    seeds=(
        # Who has a book is the readers' to say, so seeding a shelf again takes nothing away from anybody.
        SeedTable(model=Book, schema=f"{_SCHEMAS}:BookRow", natural_key=("isbn",), insert_only=("lent_to",)),
        # What happened is history: a seed writes it once. Without a natural key its rows carry a ``key``.
        SeedTable(
            model=LoanEvent,
            schema=f"{_SCHEMAS}:LoanEventRow",
            insert_only=("book", "reader", "event", "created_at"),
        ),
    ),
    migrations=_HERE / "migrations",
    fixtures=_HERE / "fixtures",
    retention=(
        RetentionPolicy(
            name="loan_events",
            model=LoanEvent,
            by="created_at",
            keep=dt.timedelta(days=5 * 365),
            period="year",
            exempt=(
                Exemption(
                    why="lent book",
                    condition="EXISTS (SELECT 1 FROM books WHERE books.id = this.book_id AND lent_to_id IS NOT NULL)",
                    locks=("book",),
                ),
            ),
        ),
    ),
)
"""What migrate, seed, dump, copy, retention and the test fixtures know of this domain."""
