"""What the functions of escalations, champions, figures and legal holds accept."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.engagement.vocabulary import (
    ADVOCATE_STATUSES,
    CHAMPION_TIERS,
    DM_RESPONSES,
    ESCALATION_PRIORITIES,
    ESCALATION_REASONS,
    ESCALATION_STATUSES,
    KPI_PLATFORMS,
    KPI_TYPES,
)
from datapkg.kit.schemas import Boolean, Choice, Date, Float, Integer, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "Assignment",
    "ChampionChange",
    "ChampionFilters",
    "Demotion",
    "EscalationFilters",
    "HoldFilters",
    "HoldRelease",
    "KpiFilters",
    "NewEscalation",
    "NewHold",
    "NewKpi",
    "Promotion",
    "Resolution",
]

_PERSON = (1, 200)


class NewEscalation(Schema):
    """What a person has to look at, and why."""

    reason = Choice(ESCALATION_REASONS, required=True)
    post_id = Uuid(allow_none=True)
    decision_id = Uuid(allow_none=True)
    reply_id = Uuid(allow_none=True)
    priority = Choice(ESCALATION_PRIORITIES, required=True)
    assigned_to = Text(*_PERSON, allow_none=True)
    actor = Text(*_PERSON, required=True)

    @validates_schema(skip_on_field_errors=False)
    def _about_something(self, data: dict[str, Any], **_: Any) -> None:
        if all(data.get(name) is None for name in ("post_id", "decision_id", "reply_id")):
            raise ValidationError("Give post_id, decision_id or reply_id.")


class Assignment(Schema):
    """Who is to look at an escalation."""

    escalation_id = Uuid(required=True)
    assigned_to = Text(*_PERSON, required=True, allow_none=True)
    actor = Text(*_PERSON, required=True)


class Resolution(Schema):
    """That somebody has looked at an escalation."""

    escalation_id = Uuid(required=True)
    resolved_by = Text(*_PERSON, required=True)
    notes = Text(0, 10_000, allow_none=True)
    dismissed = Boolean(required=True)


class EscalationFilters(Page):
    """What a list of escalations can be narrowed by, and where its page starts."""

    status = Choice(ESCALATION_STATUSES)
    priority = Choice(ESCALATION_PRIORITIES)
    assigned_to = Text(*_PERSON)
    created_from = Timestamp()
    created_before = Timestamp()


class Promotion(Schema):
    """Whom to make a champion, or a higher one."""

    author_id = Uuid(required=True)
    tier = Choice(CHAMPION_TIERS, allow_none=True)
    actor = Text(*_PERSON, required=True)


class Demotion(Schema):
    """Which champion to lower, and how far."""

    author_id = Uuid(required=True)
    tier = Choice(CHAMPION_TIERS, required=True)
    actor = Text(*_PERSON, required=True)


class ChampionChange(Schema):
    """What may change on a champion besides the tier."""

    dm_sent_at = Timestamp(allow_none=True)
    dm_response = Choice(DM_RESPONSES, allow_none=True)
    sample_sent = Boolean()
    converted = Boolean()
    advocate_status = Choice(ADVOCATE_STATUSES)
    engagements = Integer(0, 1_000_000)


class ChampionFilters(Page):
    """What a list of champions can be narrowed by, and where its page starts."""

    tier = Choice(CHAMPION_TIERS)
    advocate_status = Choice(ADVOCATE_STATUSES)
    converted = Boolean()


class NewKpi(Schema):
    """A figure of a day."""

    date = Date(required=True)
    platform = Choice(KPI_PLATFORMS, required=True)
    metric_type = Choice(KPI_TYPES, required=True)
    metric_name = Text(1, 100, required=True)
    value = Float(required=True)


class KpiFilters(Page):
    """What a list of figures can be narrowed by, and where its page starts."""

    platform = Choice(KPI_PLATFORMS)
    metric_type = Choice(KPI_TYPES)
    metric_name = Text(1, 100)
    date_from = Date()
    date_before = Date()


class NewHold(Schema):
    """What must be kept, and why."""

    post_id = Uuid(allow_none=True)
    author_id = Uuid(allow_none=True)
    reason = Text(1, 1000, required=True)
    placed_by = Text(*_PERSON, required=True)

    @validates_schema(skip_on_field_errors=False)
    def _on_one_thing(self, data: dict[str, Any], **_: Any) -> None:
        if (data.get("post_id") is None) == (data.get("author_id") is None):
            raise ValidationError("Give either post_id or author_id.")


class HoldRelease(Schema):
    """That a hold ends."""

    hold_id = Uuid(required=True)
    released_by = Text(*_PERSON, required=True)


class HoldFilters(Page):
    """What a list of holds can be narrowed by, and where its page starts."""

    active = Boolean()
    post_id = Uuid()
    author_id = Uuid()
