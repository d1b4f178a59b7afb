"""What a mapping file may say."""

from __future__ import annotations

from datapkg.kit.schemas import Choice, Dict, Nested, Schema, Text
from datapkg.scripts.models import CHAT_ROLES, ELEMENT_KINDS

__all__ = ["MappingSchema"]


class TableSchema(Schema):
    """Another table's name, and other columns' names; a column that is null is not read."""

    table = Text(1, 200)
    columns = Dict(Text(1, 200, allow_none=True))


class MappingSchema(Schema):
    """Names and words that differ from the layout; a table that is null is not read."""

    tables = Dict(Nested(TableSchema, allow_none=True))
    roles = Dict(Choice(CHAT_ROLES))
    kinds = Dict(Choice(ELEMENT_KINDS))
