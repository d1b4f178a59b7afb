"""Social engagement: authors, posts, decisions and replies, oversight, experiments and learning."""

from __future__ import annotations

from typing import Any

import peewee as pw

from datapkg.kit.fields import (
    BooleanField,
    DateField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class Author(MutableModel):
        platform = EnumField(choices=("TWITTER", "REDDIT", "THREADS"))
        platform_id = TextField(max_length=100, min_length=1)
        handle = TextField(max_length=50, min_length=1)
        display_name = TextField(max_length=200, null=True)
        follower_count = IntegerField(min=0, default=0)
        is_verified = BooleanField(default=False)
        is_power_user = BooleanField(default=False, index=True)
        power_tier = EnumField(choices=("MICRO", "MACRO", "MEGA"), null=True)
        archetype_tags = JSONField()
        relationship_score = FloatField(min=0, max=1, default=0.5)
        interaction_history = JSONField()
        first_seen_at = TimestampField()
        last_seen_at = TimestampField()
        anonymised_at = TimestampField(null=True)

        class Meta:
            table_name = "authors"
            indexes = ((("platform", "platform_id"), True), (("platform", "handle"), False))

    @migrator.create_model
    class Post(MutableModel):
        platform = EnumField(choices=("TWITTER", "REDDIT", "THREADS"))
        platform_post_id = TextField(max_length=100, min_length=1)
        author = ForeignKey(Author, on_delete="RESTRICT")
        content = TextField(max_length=5000, min_length=1)
        detected_at = TimestampField()
        processed_at = TimestampField(null=True, index=True)
        keyword_matches = JSONField()
        keyword_categories = JSONField()
        spam_filtered = BooleanField(default=False)
        raw_metrics = JSONField()
        error_count = IntegerField(min=0, default=0)
        error_message = TextField(max_length=10000, null=True)

        class Meta:
            table_name = "posts"
            indexes = (
                (("platform", "platform_post_id"), True),
                (("platform", "detected_at"), False),
                (("detected_at", "id"), False),
            )

    @migrator.create_model
    class AbExperiment(MutableModel):
        name = TextField(max_length=200, min_length=1, unique=True)
        description = TextField(max_length=10000, null=True)
        variant_a = TextField(max_length=2000, min_length=1)
        variant_b = TextField(max_length=2000, min_length=1)
        metric = TextField(max_length=200, min_length=1)
        traffic_split = FloatField(min=0, max=1, default=0.5)
        status = EnumField(choices=("DRAFT", "RUNNING", "COMPLETED", "CANCELLED"), default="DRAFT", index=True)
        start_date = TimestampField(null=True)
        end_date = TimestampField(null=True)
        results_json = JSONField(null=True)
        winner = EnumField(choices=("A", "B", "NONE"), null=True)

        class Meta:
            table_name = "ab_experiments"

    @migrator.create_model
    class AbAssignment(Model):
        experiment = ForeignKey(AbExperiment, on_delete="CASCADE", index=False)
        subject = TextField(max_length=200, min_length=1, index=True)
        variant = EnumField(choices=("A", "B"))

        class Meta:
            table_name = "ab_assignments"
            indexes = ((("experiment", "subject"), True),)

    @migrator.create_model
    class Decision(Model):
        post = ForeignKey(Post, on_delete="CASCADE")
        sss_score = FloatField(min=0, max=1)
        ars_score = FloatField(min=0, max=1)
        evs_score = FloatField(min=0, max=1)
        trs_score = FloatField(min=0, max=1)
        composite_score = FloatField(min=0, max=1, index=True)
        mode = EnumField(choices=("HELPFUL", "ENGAGEMENT", "HYBRID", "DISENGAGED"), index=True)
        archetype = EnumField(
            choices=(
                "CHECKLIST",
                "MYTHBUST",
                "COACH",
                "STORYLET",
                "HUMOR_LIGHT",
                "CREDIBILITY_ANCHOR",
                "CONFIDENT_RECOMMENDER",
                "PROBLEM_SOLUTION_DIRECT",
            ),
            null=True,
        )
        safety_flags = JSONField()
        signals_json = JSONField()
        temporal_context = JSONField()
        competitor_detected = TextField(max_length=200, min_length=1, null=True)
        is_power_user = BooleanField(default=False)
        experiment = ForeignKey(AbExperiment, on_delete="SET NULL", null=True)
        experiment_variant = EnumField(choices=("A", "B"), null=True, index=True)
        is_randomized_experiment = BooleanField(default=False, index=True)
        predicted_mode = EnumField(choices=("HELPFUL", "ENGAGEMENT", "HYBRID", "DISENGAGED"), null=True)

        class Meta:
            table_name = "decisions"
            indexes = ((("created_at",), False),)

    @migrator.create_model
    class Reply(MutableModel):
        decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
        decision_snapshot = JSONField()
        content = TextField(max_length=1000, min_length=10)
        archetype = EnumField(
            choices=(
                "CHECKLIST",
                "MYTHBUST",
                "COACH",
                "STORYLET",
                "HUMOR_LIGHT",
                "CREDIBILITY_ANCHOR",
                "CONFIDENT_RECOMMENDER",
                "PROBLEM_SOLUTION_DIRECT",
            ),
            null=True,
        )
        platform = EnumField(choices=("TWITTER", "REDDIT", "THREADS"))
        platform_post_id = TextField(max_length=100, min_length=1, null=True)
        utm_code = TextField(max_length=100, min_length=1, null=True)
        help_count = IntegerField(min=0, default=0)
        approval_status = EnumField(choices=("PENDING", "APPROVED", "REJECTED"), default="PENDING", index=True)
        approved_by = TextField(max_length=200, min_length=1, null=True)
        approved_at = TimestampField(null=True)
        approved_content_sha256 = TextField(max_length=64, min_length=64, null=True)
        posted_at = TimestampField(null=True, index=True)
        metrics_json = JSONField()
        deleted_at = TimestampField(null=True)
        delete_reason = TextField(max_length=1000, min_length=1, null=True)
        reply_type = EnumField(choices=("COMMENT", "FOLLOW_UP", "DIRECT_MESSAGE"), default="COMMENT")

        class Meta:
            table_name = "replies"
            immutable = ("decision_snapshot",)
            indexes = ((("platform", "posted_at"), False), (("platform", "platform_post_id"), True))
            constraints = [
                pw.Check(
                    "approval_status <> 'APPROVED' OR "
                    "(approved_by IS NOT NULL AND approved_at IS NOT NULL AND approved_content_sha256 IS NOT NULL)",
                    "ck_replies_approval_names_who_and_what",
                ),
                pw.Check(
                    "posted_at IS NULL OR (approval_status = 'APPROVED' AND platform_post_id IS NOT NULL)",
                    "ck_replies_posted_was_approved",
                ),
                pw.Check("(deleted_at IS NULL) = (delete_reason IS NULL)", "ck_replies_deleted_for_a_reason"),
            ]

    @migrator.create_model
    class Competitor(MutableModel):
        name = TextField(max_length=200, min_length=1, unique=True)
        category = EnumField(choices=("SUPPLEMENT", "DEVICE", "APP", "SERVICE", "OTHER"))
        primary_mechanism = TextField(max_length=1000, null=True)
        price_point = EnumField(choices=("BUDGET", "MID", "PREMIUM"), null=True)
        brand_keywords = JSONField()

        class Meta:
            table_name = "competitors"

    @migrator.create_model
    class CompetitiveMention(Model):
        post = ForeignKey(Post, on_delete="CASCADE", index=False)
        competitor = ForeignKey(Competitor, on_delete="RESTRICT")
        sentiment = EnumField(choices=("POSITIVE", "NEUTRAL", "NEGATIVE", "MIXED"))
        satisfaction = EnumField(choices=("SATISFIED", "NEUTRAL", "DISSATISFIED", "UNKNOWN"), null=True)
        opportunity_score = FloatField(min=0, max=1)
        replied = BooleanField(default=False)

        class Meta:
            table_name = "competitive_mentions"
            indexes = ((("post", "competitor"), True),)

    @migrator.create_model
    class CommunityChampion(MutableModel):
        author = ForeignKey(Author, on_delete="CASCADE", unique=True)
        tier = EnumField(choices=("SUPPORTER", "ADVOCATE", "AMBASSADOR"), default="SUPPORTER")
        engagement_count = IntegerField(min=0, default=0)
        dm_sent_at = TimestampField(null=True)
        dm_response = EnumField(choices=("NO_RESPONSE", "POSITIVE", "NEGATIVE"), null=True)
        sample_sent = BooleanField(default=False)
        converted = BooleanField(default=False)
        advocate_status = EnumField(choices=("CANDIDATE", "ACTIVE", "PAUSED", "FORMER"), default="CANDIDATE")

        class Meta:
            table_name = "community_champions"

    @migrator.create_model
    class KpiMetric(MutableModel):
        date = DateField()
        platform = EnumField(choices=("TWITTER", "REDDIT", "THREADS", "ALL"))
        metric_type = EnumField(choices=("REACH", "ENGAGEMENT", "CONVERSION", "QUALITY", "SAFETY"))
        metric_name = TextField(max_length=100, min_length=1)
        value = FloatField()

        class Meta:
            table_name = "kpi_metrics"
            indexes = ((("date", "platform", "metric_type", "metric_name"), True),)

    @migrator.create_model
    class Escalation(MutableModel):
        post = ForeignKey(Post, on_delete="SET NULL", null=True)
        decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
        reply = ForeignKey(Reply, on_delete="SET NULL", null=True)
        reason = EnumField(
            choices=("SAFETY", "MEDICAL", "LEGAL", "HARASSMENT", "LOW_CONFIDENCE", "POWER_USER", "OTHER")
        )
        priority = EnumField(choices=("LOW", "MEDIUM", "HIGH", "CRITICAL"), default="MEDIUM")
        status = EnumField(choices=("OPEN", "IN_PROGRESS", "RESOLVED", "DISMISSED"), default="OPEN")
        assigned_to = TextField(max_length=200, min_length=1, null=True, index=True)
        resolved_by = TextField(max_length=200, min_length=1, null=True)
        resolution_notes = TextField(max_length=10000, null=True)
        resolved_at = TimestampField(null=True)

        class Meta:
            table_name = "escalations"
            indexes = ((("status", "priority"), False), (("created_at",), False))
            constraints = [
                pw.Check(
                    "(status IN ('RESOLVED', 'DISMISSED')) = (resolved_at IS NOT NULL AND resolved_by IS NOT NULL)",
                    "ck_escalations_closed_by_somebody",
                )
            ]

    @migrator.create_model
    class RandomizedExperiment(MutableModel):
        decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
        predicted_mode = EnumField(choices=("HELPFUL", "ENGAGEMENT", "HYBRID", "DISENGAGED"))
        actual_mode = EnumField(choices=("HELPFUL", "ENGAGEMENT", "HYBRID", "DISENGAGED"))
        predicted_outcome = FloatField(null=True)
        actual_outcome = FloatField(null=True)

        class Meta:
            table_name = "randomized_experiments"

    @migrator.create_model
    class SegmentedWeight(MutableModel):
        segment_type = TextField(max_length=50, min_length=1)
        segment_key = TextField(max_length=100, min_length=1)
        sss_weight = FloatField(min=0, max=1)
        ars_weight = FloatField(min=0, max=1)
        evs_weight = FloatField(min=0, max=1)
        trs_weight = FloatField(min=0, max=1)
        sample_size = IntegerField(min=0, default=0)
        performance = FloatField(null=True)

        class Meta:
            table_name = "segmented_weights"
            indexes = ((("segment_type", "segment_key"), True),)
            constraints = [
                pw.Check(
                    "abs(sss_weight + ars_weight + evs_weight + trs_weight - 1) <= 0.000001",
                    "ck_segmented_weights_sum_to_1",
                )
            ]

    @migrator.create_model
    class WeightAdjustmentLog(Model):
        date = DateField(index=True)
        action = EnumField(choices=("ADJUST", "SKIP", "ROLLBACK"))
        reason = TextField(max_length=2000, min_length=1)
        valid_segments = IntegerField(min=0)
        total_segments = IntegerField(min=0)
        sample_sizes = JSONField()
        old_weights = JSONField()
        new_weights = JSONField()
        predicted_improvement = FloatField(null=True)

        class Meta:
            table_name = "weight_adjustment_logs"
            append_only = True
            constraints = [pw.Check("valid_segments <= total_segments", "ck_weight_adjustment_logs_valid_within_total")]

    @migrator.create_model
    class LearningEvent(MutableModel):
        date = DateField(index=True)
        adjustment_type = EnumField(choices=("WEIGHTS", "THRESHOLD", "ARCHETYPE", "TIMING"))
        adjustment = JSONField()
        predicted_improvement = FloatField()
        baseline_performance = FloatField()
        actual_improvement = FloatField(null=True)
        accuracy = FloatField(min=0, max=1, null=True)
        evaluated_at = TimestampField(null=True)

        class Meta:
            table_name = "learning_events"
            constraints = [
                pw.Check(
                    "(evaluated_at IS NULL) = (actual_improvement IS NULL) "
                    "AND (evaluated_at IS NULL) = (accuracy IS NULL)",
                    "ck_learning_events_evaluated_as_a_whole",
                )
            ]

    @migrator.create_model
    class LegalHold(MutableModel):
        post = ForeignKey(Post, on_delete="RESTRICT", null=True)
        author = ForeignKey(Author, on_delete="RESTRICT", null=True)
        reason = TextField(max_length=1000, min_length=1)
        placed_by = TextField(max_length=200, min_length=1)
        released_by = TextField(max_length=200, min_length=1, null=True)
        released_at = TimestampField(null=True)

        class Meta:
            table_name = "legal_holds"
            constraints = [
                pw.Check("(post_id IS NULL) <> (author_id IS NULL)", "ck_legal_holds_on_one_thing"),
                pw.Check("(released_at IS NULL) = (released_by IS NULL)", "ck_legal_holds_released_by_somebody"),
            ]


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in (
        "legal_holds",
        "learning_events",
        "weight_adjustment_logs",
        "segmented_weights",
        "randomized_experiments",
        "escalations",
        "kpi_metrics",
        "community_champions",
        "competitive_mentions",
        "competitors",
        "replies",
        "decisions",
        "ab_assignments",
        "ab_experiments",
        "posts",
        "authors",
    ):
        migrator.remove_model(table)
