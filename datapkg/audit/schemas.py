"""What the audit log accepts."""

from __future__ import annotations

from datapkg.kit.schemas import Dict, Json, Page, Schema, Text

__all__ = ["DetailsSchema", "EntitySchema", "EntryFilters", "NewEntry"]


class DetailsSchema(Schema):
    """Version 1 of ``audit-details``: any JSON object under ``data``."""

    data = Dict(Json(allow_none=True), required=True)


class EntitySchema(Schema):
    """A thing that was acted on, and who acts on it now."""

    entity_type = Text(1, 100, required=True)
    entity_id = Text(1, 200, required=True)
    actor = Text(1, 200, required=True)


class NewEntry(EntitySchema):
    """An entry as a caller gives it."""

    action = Text(1, 100, required=True)
    details = Dict(Json(allow_none=True), required=True)


class EntryFilters(Page):
    """What a list of entries can be narrowed by, and where its page starts."""

    entity_type = Text(1, 100)
    entity_id = Text(1, 200)
    action = Text(1, 100)
    actor = Text(1, 200)
