"""The columns of the engagement domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import Any, assert_type
from uuid import UUID

from datapkg.engagement import (
    AbAssignment,
    AbExperiment,
    Author,
    CommunityChampion,
    CompetitiveMention,
    Competitor,
    Decision,
    Escalation,
    KpiMetric,
    LearningEvent,
    LegalHold,
    Post,
    RandomizedExperiment,
    Reply,
    SegmentedWeight,
    WeightAdjustmentLog,
)


def ab_assignment_columns(row: AbAssignment) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.experiment, AbExperiment)
    assert_type(row.experiment_id, UUID)
    assert_type(row.subject, str)
    assert_type(row.variant, str)


def ab_experiment_columns(row: AbExperiment) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.name, str)
    assert_type(row.description, str | None)
    assert_type(row.variant_a, str)
    assert_type(row.variant_b, str)
    assert_type(row.metric, str)
    assert_type(row.traffic_split, float)
    assert_type(row.status, str)
    assert_type(row.start_date, dt.datetime | None)
    assert_type(row.end_date, dt.datetime | None)
    assert_type(row.results_json, dict[str, Any] | None)
    assert_type(row.winner, str | None)


def author_columns(row: Author) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.platform, str)
    assert_type(row.platform_id, str)
    assert_type(row.handle, str)
    assert_type(row.display_name, str | None)
    assert_type(row.follower_count, int)
    assert_type(row.is_verified, bool)
    assert_type(row.is_power_user, bool)
    assert_type(row.power_tier, str | None)
    assert_type(row.archetype_tags, list[str])
    assert_type(row.relationship_score, float)
    assert_type(row.interaction_history, list[dict[str, Any]])
    assert_type(row.first_seen_at, dt.datetime)
    assert_type(row.last_seen_at, dt.datetime)
    assert_type(row.anonymised_at, dt.datetime | None)


def community_champion_columns(row: CommunityChampion) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.author, Author)
    assert_type(row.author_id, UUID)
    assert_type(row.tier, str)
    assert_type(row.engagement_count, int)
    assert_type(row.dm_sent_at, dt.datetime | None)
    assert_type(row.dm_response, str | None)
    assert_type(row.sample_sent, bool)
    assert_type(row.converted, bool)
    assert_type(row.advocate_status, str)


def competitive_mention_columns(row: CompetitiveMention) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.post, Post)
    assert_type(row.post_id, UUID)
    assert_type(row.competitor, Competitor)
    assert_type(row.competitor_id, UUID)
    assert_type(row.sentiment, str)
    assert_type(row.satisfaction, str | None)
    assert_type(row.opportunity_score, float)
    assert_type(row.replied, bool)


def competitor_columns(row: Competitor) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.name, str)
    assert_type(row.category, str)
    assert_type(row.primary_mechanism, str | None)
    assert_type(row.price_point, str | None)
    assert_type(row.brand_keywords, list[str])


def decision_columns(row: Decision) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.post, Post)
    assert_type(row.post_id, UUID)
    assert_type(row.sss_score, float)
    assert_type(row.ars_score, float)
    assert_type(row.evs_score, float)
    assert_type(row.trs_score, float)
    assert_type(row.composite_score, float)
    assert_type(row.mode, str)
    assert_type(row.archetype, str | None)
    assert_type(row.safety_flags, list[str])
    assert_type(row.signals_json, dict[str, Any])
    assert_type(row.temporal_context, dict[str, Any])
    assert_type(row.competitor_detected, str | None)
    assert_type(row.is_power_user, bool)
    assert_type(row.experiment, AbExperiment | None)
    assert_type(row.experiment_id, UUID | None)
    assert_type(row.experiment_variant, str | None)
    assert_type(row.is_randomized_experiment, bool)
    assert_type(row.predicted_mode, str | None)


def escalation_columns(row: Escalation) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.post, Post | None)
    assert_type(row.post_id, UUID | None)
    assert_type(row.decision, Decision | None)
    assert_type(row.decision_id, UUID | None)
    assert_type(row.reply, Reply | None)
    assert_type(row.reply_id, UUID | None)
    assert_type(row.reason, str)
    assert_type(row.priority, str)
    assert_type(row.status, str)
    assert_type(row.assigned_to, str | None)
    assert_type(row.resolved_by, str | None)
    assert_type(row.resolution_notes, str | None)
    assert_type(row.resolved_at, dt.datetime | None)


def kpi_metric_columns(row: KpiMetric) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.date, dt.date)
    assert_type(row.platform, str)
    assert_type(row.metric_type, str)
    assert_type(row.metric_name, str)
    assert_type(row.value, float)


def learning_event_columns(row: LearningEvent) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.date, dt.date)
    assert_type(row.adjustment_type, str)
    assert_type(row.adjustment, dict[str, Any])
    assert_type(row.predicted_improvement, float)
    assert_type(row.baseline_performance, float)
    assert_type(row.actual_improvement, float | None)
    assert_type(row.accuracy, float | None)
    assert_type(row.evaluated_at, dt.datetime | None)


def legal_hold_columns(row: LegalHold) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.post, Post | None)
    assert_type(row.post_id, UUID | None)
    assert_type(row.author, Author | None)
    assert_type(row.author_id, UUID | None)
    assert_type(row.reason, str)
    assert_type(row.placed_by, str)
    assert_type(row.released_by, str | None)
    assert_type(row.released_at, dt.datetime | None)


def post_columns(row: Post) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.platform, str)
    assert_type(row.platform_post_id, str)
    assert_type(row.author, Author)
    assert_type(row.author_id, UUID)
    assert_type(row.content, str)
    assert_type(row.detected_at, dt.datetime)
    assert_type(row.processed_at, dt.datetime | None)
    assert_type(row.keyword_matches, list[str])
    assert_type(row.keyword_categories, list[str])
    assert_type(row.spam_filtered, bool)
    assert_type(row.raw_metrics, dict[str, Any])
    assert_type(row.error_count, int)
    assert_type(row.error_message, str | None)


def randomized_experiment_columns(row: RandomizedExperiment) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.decision, Decision | None)
    assert_type(row.decision_id, UUID | None)
    assert_type(row.predicted_mode, str)
    assert_type(row.actual_mode, str)
    assert_type(row.predicted_outcome, float | None)
    assert_type(row.actual_outcome, float | None)


def reply_columns(row: Reply) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.decision, Decision | None)
    assert_type(row.decision_id, UUID | None)
    assert_type(row.decision_snapshot, dict[str, Any])
    assert_type(row.content, str)
    assert_type(row.archetype, str | None)
    assert_type(row.platform, str)
    assert_type(row.platform_post_id, str | None)
    assert_type(row.utm_code, str | None)
    assert_type(row.help_count, int)
    assert_type(row.approval_status, str)
    assert_type(row.approved_by, str | None)
    assert_type(row.approved_at, dt.datetime | None)
    assert_type(row.approved_content_sha256, str | None)
    assert_type(row.posted_at, dt.datetime | None)
    assert_type(row.metrics_json, dict[str, Any])
    assert_type(row.deleted_at, dt.datetime | None)
    assert_type(row.delete_reason, str | None)
    assert_type(row.reply_type, str)


def segmented_weight_columns(row: SegmentedWeight) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.segment_type, str)
    assert_type(row.segment_key, str)
    assert_type(row.sss_weight, float)
    assert_type(row.ars_weight, float)
    assert_type(row.evs_weight, float)
    assert_type(row.trs_weight, float)
    assert_type(row.sample_size, int)
    assert_type(row.performance, float | None)


def weight_adjustment_log_columns(row: WeightAdjustmentLog) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.date, dt.date)
    assert_type(row.action, str)
    assert_type(row.reason, str)
    assert_type(row.valid_segments, int)
    assert_type(row.total_segments, int)
    assert_type(row.sample_sizes, dict[str, Any])
    assert_type(row.old_weights, list[dict[str, Any]])
    assert_type(row.new_weights, list[dict[str, Any]])
    assert_type(row.predicted_improvement, float | None)
