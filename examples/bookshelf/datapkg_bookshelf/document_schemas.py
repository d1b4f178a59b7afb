"""The current shapes of the bookshelf's documents."""

from __future__ import annotations

from datapkg.kit.schemas import Integer, List, Schema, Text

__all__ = ["BookDetailsSchema"]


class BookDetailsSchema(Schema):
    """What is printed in a book's first pages."""

    authors = List(Text(1, 200), min=1, max=50, required=True)
    pages = Integer(1, 100_000, allow_none=True)
