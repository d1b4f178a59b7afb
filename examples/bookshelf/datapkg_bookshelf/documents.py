"""The bookshelf's document types."""

from __future__ import annotations

from collections.abc import Mapping

from datapkg import Document

__all__ = ["BOOK_DETAILS"]


def _v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 knew one author."""
    rest = dict(stored)
    return {"authors": [rest.pop("author", "unknown")], **rest}


BOOK_DETAILS = Document("book-details", "datapkg_bookshelf.document_schemas:BookDetailsSchema", upcasters=(_v0_to_v1,))
"""What ``books.details`` holds."""
