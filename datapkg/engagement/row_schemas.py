"""Rows of seed files: each as it is stored, valid by the rules that the domain's functions apply."""

from __future__ import annotations

import hashlib
from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.engagement.ab_schemas import SegmentChange
from datapkg.engagement.rules import Violation, author_violations, post_violations, reply_violations
from datapkg.engagement.schemas import NewCompetitor
from datapkg.engagement.vocabulary import (
    AB_STATUSES,
    ADJUSTMENT_ACTIONS,
    ADJUSTMENT_TYPES,
    ADVOCATE_STATUSES,
    APPROVAL_STATUSES,
    ARCHETYPES,
    CHAMPION_TIERS,
    DM_RESPONSES,
    ESCALATION_PRIORITIES,
    ESCALATION_REASONS,
    ESCALATION_STATUSES,
    KPI_PLATFORMS,
    KPI_TYPES,
    OPERATIONAL_MODES,
    PLATFORMS,
    POWER_TIERS,
    REPLY_TYPES,
    SATISFACTIONS,
    SENTIMENTS,
    VARIANTS,
    WINNERS,
)
from datapkg.kit.schemas import Boolean, Choice, Date, Float, Integer, Json, List, Schema, Text, Timestamp, Uuid

__all__ = [
    "AbAssignmentRow",
    "AbExperimentRow",
    "AuthorRow",
    "ChampionRow",
    "CompetitorRow",
    "DecisionRow",
    "EscalationRow",
    "KpiRow",
    "LearningEventRow",
    "LegalHoldRow",
    "MentionRow",
    "PostRow",
    "RandomizedExperimentRow",
    "ReplyRow",
    "SegmentedWeightRow",
    "WeightAdjustmentRow",
]

_INT = 2**31 - 1
_LONG = 10_000
_POST_TEXTS = ("content", "platform", "platform_post_id", "keyword_matches")


def _refuse(violations: list[Violation]) -> None:
    """Raise for what the content rules refuse."""
    if violations:
        messages: dict[str, list[str]] = {}
        for each in violations:
            if each.message not in messages.setdefault(each.path, []):
                messages[each.path].append(each.message)
        raise ValidationError(messages)


class AuthorRow(Schema):
    """An author in a seed file."""

    # Rules change, and anonymising takes words out: a row that was stored once stays loadable.
    only_when_new = ("_as_the_rules_say",)

    platform = Choice(PLATFORMS, required=True)
    platform_id = Text(1, 100, required=True)
    handle = Text(1, 50, required=True)
    display_name = Text(0, 200, allow_none=True)
    follower_count = Integer(0, _INT)
    is_verified = Boolean()
    is_power_user = Boolean()
    power_tier = Choice(POWER_TIERS, allow_none=True)
    archetype_tags = List(Text(1, 100), max=100)
    relationship_score = Float(0, 1)
    interaction_history = Json()
    first_seen_at = Timestamp()
    last_seen_at = Timestamp()
    anonymised_at = Timestamp(allow_none=True)
    created_at = Timestamp()

    @validates_schema
    def _as_the_rules_say(self, data: dict[str, Any], **kwargs: object) -> None:
        _refuse(author_violations(data["handle"], data["platform"]))


class PostRow(Schema):
    """A post in a seed file; ``id`` where a document of another row names it."""

    # Rules change, and anonymising takes words out: a row that was stored once stays loadable.
    only_when_new = ("_as_the_rules_say",)

    id = Uuid()
    platform = Choice(PLATFORMS, required=True)
    platform_post_id = Text(1, 100, required=True)
    author = Uuid(required=True)
    content = Text(required=True)
    detected_at = Timestamp()
    processed_at = Timestamp(allow_none=True)
    keyword_matches = List(Text(1, 200), required=True)
    keyword_categories = List(Text(1, 100), max=100)
    spam_filtered = Boolean()
    raw_metrics = Json()
    error_count = Integer(0, _INT)
    error_message = Text(0, _LONG, allow_none=True)
    created_at = Timestamp()

    @validates_schema
    def _as_the_rules_say(self, data: dict[str, Any], **kwargs: object) -> None:
        _refuse(post_violations(**{name: data[name] for name in _POST_TEXTS}))


class AbExperimentRow(Schema):
    """An A/B experiment in a seed file; ``id`` decides with a subject which variant that one gets."""

    id = Uuid()
    name = Text(1, 200, required=True)
    description = Text(0, _LONG, allow_none=True)
    variant_a = Text(1, 2000, required=True)
    variant_b = Text(1, 2000, required=True)
    metric = Text(1, 200, required=True)
    traffic_split = Float(0, 1)
    status = Choice(AB_STATUSES)
    start_date = Timestamp(allow_none=True)
    end_date = Timestamp(allow_none=True)
    results_json = Json(allow_none=True)
    winner = Choice(WINNERS, allow_none=True)
    created_at = Timestamp()


class AbAssignmentRow(Schema):
    """An assignment in a seed file."""

    experiment = Uuid(required=True)
    subject = Text(1, 200, required=True)
    variant = Choice(VARIANTS, required=True)
    created_at = Timestamp()


class DecisionRow(Schema):
    """A decision in a seed file; ``id`` where a reply's snapshot names it."""

    id = Uuid()
    post = Uuid(required=True)
    sss_score = Float(0, 1, required=True)
    ars_score = Float(0, 1, required=True)
    evs_score = Float(0, 1, required=True)
    trs_score = Float(0, 1, required=True)
    composite_score = Float(0, 1, required=True)
    mode = Choice(OPERATIONAL_MODES, required=True)
    archetype = Choice(ARCHETYPES, allow_none=True)
    safety_flags = List(Text(1, 200), max=100)
    signals_json = Json()
    temporal_context = Json()
    competitor_detected = Text(1, 200, allow_none=True)
    is_power_user = Boolean()
    experiment = Uuid(allow_none=True)
    experiment_variant = Choice(VARIANTS, allow_none=True)
    is_randomized_experiment = Boolean()
    predicted_mode = Choice(OPERATIONAL_MODES, allow_none=True)
    created_at = Timestamp()


class ReplyRow(Schema):
    """A reply in a seed file."""

    # Rules change, and anonymising takes words out: a row that was stored once stays loadable.
    only_when_new = ("_as_the_rules_say",)

    decision = Uuid(allow_none=True)
    decision_snapshot = Json(required=True)
    content = Text(required=True)
    archetype = Choice(ARCHETYPES, allow_none=True)
    platform = Choice(PLATFORMS, required=True)
    platform_post_id = Text(1, 100, allow_none=True)
    utm_code = Text(1, 100, allow_none=True)
    help_count = Integer(0, _INT)
    approval_status = Choice(APPROVAL_STATUSES)
    approved_by = Text(1, 200, allow_none=True)
    approved_at = Timestamp(allow_none=True)
    approved_content_sha256 = Text(64, 64, pattern=r"\A[0-9a-f]{64}\Z", allow_none=True)
    posted_at = Timestamp(allow_none=True)
    metrics_json = Json()
    deleted_at = Timestamp(allow_none=True)
    delete_reason = Text(1, 1000, allow_none=True)
    reply_type = Choice(REPLY_TYPES)
    created_at = Timestamp()

    @validates_schema
    def _as_the_rules_say(self, data: dict[str, Any], **kwargs: object) -> None:
        _refuse(reply_violations(data["content"], data["platform"], data.get("utm_code")))

    @validates_schema
    def _approved_as_it_is(self, data: dict[str, Any], **kwargs: object) -> None:
        approved = data.get("approved_content_sha256")
        if approved is not None and approved != hashlib.sha256(data["content"].encode()).hexdigest():
            raise ValidationError("Not the SHA-256 of the content.", "approved_content_sha256")


class CompetitorRow(NewCompetitor):
    """A competitor in a seed file."""


class MentionRow(Schema):
    """A mention of a competitor in a seed file."""

    post = Uuid(required=True)
    competitor = Uuid(required=True)
    sentiment = Choice(SENTIMENTS, required=True)
    satisfaction = Choice(SATISFACTIONS, allow_none=True)
    opportunity_score = Float(0, 1, required=True)
    replied = Boolean()
    created_at = Timestamp()


class ChampionRow(Schema):
    """A community champion in a seed file."""

    author = Uuid(required=True)
    tier = Choice(CHAMPION_TIERS)
    engagement_count = Integer(0, _INT)
    dm_sent_at = Timestamp(allow_none=True)
    dm_response = Choice(DM_RESPONSES, allow_none=True)
    sample_sent = Boolean()
    converted = Boolean()
    advocate_status = Choice(ADVOCATE_STATUSES)
    created_at = Timestamp()


class KpiRow(Schema):
    """A figure of a day in a seed file."""

    date = Date(required=True)
    platform = Choice(KPI_PLATFORMS, required=True)
    metric_type = Choice(KPI_TYPES, required=True)
    metric_name = Text(1, 100, required=True)
    value = Float(required=True)


class EscalationRow(Schema):
    """An escalation in a seed file."""

    post = Uuid(allow_none=True)
    decision = Uuid(allow_none=True)
    reply = Uuid(allow_none=True)
    reason = Choice(ESCALATION_REASONS, required=True)
    priority = Choice(ESCALATION_PRIORITIES)
    status = Choice(ESCALATION_STATUSES)
    assigned_to = Text(1, 200, allow_none=True)
    resolved_by = Text(1, 200, allow_none=True)
    resolution_notes = Text(0, _LONG, allow_none=True)
    resolved_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class RandomizedExperimentRow(Schema):
    """A decision whose mode was drawn, in a seed file."""

    decision = Uuid(allow_none=True)
    predicted_mode = Choice(OPERATIONAL_MODES, required=True)
    actual_mode = Choice(OPERATIONAL_MODES, required=True)
    predicted_outcome = Float(allow_none=True)
    actual_outcome = Float(allow_none=True)
    created_at = Timestamp()


class SegmentedWeightRow(SegmentChange):
    """A segment's weights in a seed file."""


class WeightAdjustmentRow(Schema):
    """An entry of the log of weights in a seed file."""

    date = Date(required=True)
    action = Choice(ADJUSTMENT_ACTIONS, required=True)
    reason = Text(1, 2000, required=True)
    valid_segments = Integer(0, _INT, required=True)
    total_segments = Integer(0, _INT, required=True)
    sample_sizes = Json(required=True)
    old_weights = Json(required=True)
    new_weights = Json(required=True)
    predicted_improvement = Float(allow_none=True)
    created_at = Timestamp()


class LearningEventRow(Schema):
    """A learning event in a seed file."""

    date = Date(required=True)
    adjustment_type = Choice(ADJUSTMENT_TYPES, required=True)
    adjustment = Json(required=True)
    predicted_improvement = Float(required=True)
    baseline_performance = Float(required=True)
    actual_improvement = Float(allow_none=True)
    accuracy = Float(0, 1, allow_none=True)
    evaluated_at = Timestamp(allow_none=True)
    created_at = Timestamp()


class LegalHoldRow(Schema):
    """A legal hold in a seed file."""

    post = Uuid(allow_none=True)
    author = Uuid(allow_none=True)
    reason = Text(1, 1000, required=True)
    placed_by = Text(1, 200, required=True)
    released_by = Text(1, 200, allow_none=True)
    released_at = Timestamp(allow_none=True)
    created_at = Timestamp()
