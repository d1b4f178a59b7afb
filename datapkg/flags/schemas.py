"""What the flags domain accepts."""

from __future__ import annotations

from datapkg.kit.schemas import Boolean, Integer, Page, Schema, Text

__all__ = ["FlagFilters", "FlagSchema"]


class FlagSchema(Schema):
    """A flag, as ``set_flag`` and seed files give it; what is left out stays as it is."""

    key = Text(1, 100, pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.:-]*\Z", required=True)
    enabled = Boolean()
    description = Text(0, 2000, allow_none=True)
    rollout_percentage = Integer(0, 100, allow_none=True)


class FlagFilters(Page):
    """What a list of flags can be narrowed by, and where its page starts."""

    enabled = Boolean()
