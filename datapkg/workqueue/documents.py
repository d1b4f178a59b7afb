"""The work queue's document type."""

from __future__ import annotations

from typing import Any

from datapkg.kit.documents import Document

__all__ = ["AGENTS_USED"]


def _v0_to_v1(stored: list[object]) -> list[object]:
    """Version 0 was the bare list."""
    return stored


AGENTS_USED: Document[list[dict[str, Any]]] = Document(
    "agents-used", "datapkg.workqueue.schemas:AgentsUsedSchema", upcasters=(_v0_to_v1,), listed=True
)
"""Which agents worked on a feature, and what each cost: a list of ``{role, cost}``, in US dollars."""
