"""The evaluation domain's document types."""

from __future__ import annotations

from collections.abc import Mapping

from datapkg.kit.documents import Document

__all__ = ["DEFINITION_CONTENT"]


def _content_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 had no version and might lack template and dimensions."""
    return {"preamble": "", "template": "", "dimensions": [], **stored}


DEFINITION_CONTENT = Document(
    "definition-content", "datapkg.evaluation.schemas:DefinitionContentSchema", upcasters=(_content_v0_to_v1,)
)
"""A definition's content: preamble, template, dimensions, and optional matching rules."""
