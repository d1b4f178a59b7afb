"""What the work queue accepts, and its rows in seed files."""

from __future__ import annotations

from datapkg.kit.schemas import Float, List, Nested, Schema, Text

__all__ = ["AgentSchema", "AgentsUsedSchema"]


class AgentSchema(Schema):
    """An agent's share of the work; the cost in US dollars."""

    role = Text(1, 200, required=True)
    cost = Float(0, required=True)


class AgentsUsedSchema(Schema):
    """Version 1 of ``agents-used``."""

    items = List(Nested(AgentSchema), required=True, max=1000)
