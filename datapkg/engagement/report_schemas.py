"""What the report of engagement accepts."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.engagement.vocabulary import PLATFORMS
from datapkg.kit.schemas import Choice, Date, Schema

__all__ = ["ReportPeriod"]


class ReportPeriod(Schema):
    """Which days and which platform a report is about."""

    date_from = Date(allow_none=True)
    date_to = Date(allow_none=True)
    platform = Choice(PLATFORMS, allow_none=True)

    @validates_schema
    def _in_order(self, data: dict[str, Any], **kwargs: object) -> None:
        first, last = data.get("date_from"), data.get("date_to")
        if first is not None and last is not None and last < first:
            raise ValidationError(f"Before the first day, {first}.", "date_to")
