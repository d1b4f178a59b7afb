"""What the script store accepts."""

from __future__ import annotations

from datapkg.kit.schemas import Integer, List, Nested, Schema, Text

__all__ = ["ElementSchema", "PayloadSchema", "SnapshotSchema"]


class ElementSchema(Schema):
    """One element: its key, kind, text and speaker."""

    element_id = Text(36, 36, required=True)
    kind = Text(1, 20, required=True)
    text = Text(0, 10_000_000, required=True)
    persona = Text(1, 200, allow_none=True)


class PayloadSchema(Schema):
    """Version 1 of ``script-command``; each command type needs some of these and takes no others."""

    title = Text(1, 500)
    element_id = Text(36, 36)
    kind = Text(1, 20)
    text = Text(0, 10_000_000)
    persona = Text(1, 200, allow_none=True)
    position = Integer(0, 2**31 - 1)
    elements = List(Nested(ElementSchema), max=1_000_000)
    to_sequence = Integer(0, 2**31 - 1)


class SnapshotSchema(Schema):
    """Version 1 of ``script-snapshot``."""

    title = Text(1, 500, required=True)
    elements = List(Nested(ElementSchema), required=True, max=1_000_000)
