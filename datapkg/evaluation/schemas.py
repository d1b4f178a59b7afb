"""What the evaluation domain accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError

from datapkg.kit.schemas import Boolean, Json, List, Nested, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "DefinitionChange",
    "DefinitionContentSchema",
    "DefinitionFilters",
    "DefinitionRow",
    "DimensionSchema",
    "NewDefinition",
]


def _different(values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Values must differ from each other.")


def _different_names(dimensions: Sequence[dict[str, Any]]) -> None:
    names = [dimension["name"] for dimension in dimensions]
    if len(set(names)) != len(names):
        raise ValidationError("Dimensions must have different names.")


class DimensionSchema(Schema):
    """One thing that varies between scenarios, and its values."""

    name = Text(1, 100, required=True)
    values = List(Text(1, 1000), required=True, min=1, max=1000, validate=_different)
    description = Text(0, 2000, allow_none=True)


class DefinitionContentSchema(Schema):
    """Version 1 of ``definition-content``."""

    preamble = Text(0, 100_000, required=True)
    template = Text(0, 100_000, required=True)
    dimensions = List(Nested(DimensionSchema), required=True, max=100, validate=_different_names)
    matching_rules = Text(0, 100_000, allow_none=True)


class NewDefinition(Schema):
    """A definition's columns as a caller gives them; the content is checked by its document type."""

    name = Text(1, 200, required=True)
    parent_id = Uuid(allow_none=True)
    created_by = Uuid(allow_none=True)


class DefinitionChange(Schema):
    """What may change on a definition."""

    name = Text(1, 200)
    unchanged_since = Timestamp()


class DefinitionFilters(Page):
    """What a list of definitions can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    parent_id = Uuid()
    roots = Boolean()
    created_by = Uuid()
    created_from = Timestamp()
    created_before = Timestamp()


class DefinitionRow(Schema):
    """A definition in a seed file."""

    parent = Uuid(allow_none=True)
    name = Text(1, 200, required=True)
    content = Json(required=True)
    created_by = Uuid(allow_none=True)
    created_at = Timestamp()
