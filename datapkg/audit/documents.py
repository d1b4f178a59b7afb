"""The audit log's document type."""

from __future__ import annotations

from collections.abc import Mapping

from datapkg.kit.documents import Document

__all__ = ["DETAILS"]


def _v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was a bare object; version 1 keeps it under ``data``, apart from the version."""
    return {"data": dict(stored)}


DETAILS = Document("audit-details", "datapkg.audit.schemas:DetailsSchema", upcasters=(_v0_to_v1,))
"""What an audit entry says beyond its columns: ``{"schema_version": 1, "data": {…}}``."""
