"""The engagement tables of competitors, champions, figures, and what people oversee."""

from __future__ import annotations

from uuid import UUID

import peewee as pw

from datapkg.engagement.models import Author, Decision, Post, Reply
from datapkg.engagement.vocabulary import (
    ADVOCATE_STATUSES,
    CHAMPION_TIERS,
    COMPETITOR_CATEGORIES,
    DM_RESPONSES,
    ESCALATION_PRIORITIES,
    ESCALATION_REASONS,
    ESCALATION_STATUSES,
    KPI_PLATFORMS,
    KPI_TYPES,
    OPERATIONAL_MODES,
    PRICE_POINTS,
    SATISFACTIONS,
    SENTIMENTS,
)
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

__all__ = [
    "CommunityChampion",
    "CompetitiveMention",
    "Competitor",
    "Escalation",
    "KpiMetric",
    "LegalHold",
    "RandomizedExperiment",
]


class Competitor(MutableModel):
    """Another product that posts talk about.

    Attributes:
        name: unique.
        category: one of ``COMPETITOR_CATEGORIES``.
        primary_mechanism: how it works.
        price_point: one of ``PRICE_POINTS``.
        brand_keywords: the words it is known by, a list of texts.
    """

    name = TextField(max_length=200, min_length=1, unique=True)
    category = EnumField(choices=COMPETITOR_CATEGORIES)
    primary_mechanism = TextField(max_length=1000, null=True)
    price_point = EnumField(choices=PRICE_POINTS, null=True)
    brand_keywords: JSONField[list[str]] = JSONField(default=list)

    class Meta:
        table_name = "competitors"


class CompetitiveMention(Model):
    """That a post talks about a competitor; archived with its post.

    Attributes:
        post: the post.
        competitor: the competitor.
        sentiment: one of ``SENTIMENTS``.
        satisfaction: one of ``SATISFACTIONS``.
        opportunity_score: 0 to 1.
        replied: whether it was answered.
    """

    post = ForeignKey(Post, on_delete="CASCADE", index=False)
    competitor = ForeignKey(Competitor, on_delete="RESTRICT")
    sentiment = EnumField(choices=SENTIMENTS)
    satisfaction = EnumField(choices=SATISFACTIONS, null=True)
    opportunity_score = FloatField(min=0, max=1)
    replied = BooleanField(default=False)

    post_id: UUID
    competitor_id: UUID

    class Meta:
        table_name = "competitive_mentions"
        indexes = ((("post", "competitor"), True),)


class CommunityChampion(MutableModel):
    """An author who speaks for the product; one row an author at the most.

    Attributes:
        author: who.
        tier: one of ``CHAMPION_TIERS``.
        engagement_count: how often they engaged.
        dm_sent_at: when they were written to.
        dm_response: what came back, one of ``DM_RESPONSES``.
        sample_sent: whether they were sent a sample.
        converted: whether they became a customer.
        advocate_status: one of ``ADVOCATE_STATUSES``.
    """

    author = ForeignKey(Author, on_delete="CASCADE", unique=True)
    tier = EnumField(choices=CHAMPION_TIERS, default="SUPPORTER")
    engagement_count = IntegerField(min=0, default=0)
    dm_sent_at = TimestampField(null=True)
    dm_response = EnumField(choices=DM_RESPONSES, null=True)
    sample_sent = BooleanField(default=False)
    converted = BooleanField(default=False)
    advocate_status = EnumField(choices=ADVOCATE_STATUSES, default="CANDIDATE")

    author_id: UUID

    class Meta:
        table_name = "community_champions"


class KpiMetric(MutableModel):
    """A figure of a day.

    Attributes:
        date: the day.
        platform: one of ``PLATFORMS``, or ``ALL`` (an empty one would not be unique).
        metric_type: one of ``KPI_TYPES``.
        metric_name: such as ``replies_posted``.
        value: the figure.
    """

    date = DateField()
    platform = EnumField(choices=KPI_PLATFORMS)
    metric_type = EnumField(choices=KPI_TYPES)
    metric_name = TextField(max_length=100, min_length=1)
    value = FloatField()

    class Meta:
        table_name = "kpi_metrics"
        indexes = ((("date", "platform", "metric_type", "metric_name"), True),)


class Escalation(MutableModel):
    """Something that a person has to look at.

    Attributes:
        post: the post it is about; empty once that was archived.
        decision: the decision it is about.
        reply: the reply it is about.
        reason: one of ``ESCALATION_REASONS``.
        priority: one of ``ESCALATION_PRIORITIES``.
        status: one of ``ESCALATION_STATUSES``.
        assigned_to: who looks at it.
        resolved_by: who closed it.
        resolution_notes: how.
        resolved_at: when.
    """

    post = ForeignKey(Post, on_delete="SET NULL", null=True)
    decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
    reply = ForeignKey(Reply, on_delete="SET NULL", null=True)
    reason = EnumField(choices=ESCALATION_REASONS)
    priority = EnumField(choices=ESCALATION_PRIORITIES, default="MEDIUM")
    status = EnumField(choices=ESCALATION_STATUSES, default="OPEN")
    assigned_to = TextField(max_length=200, min_length=1, null=True, index=True)
    resolved_by = TextField(max_length=200, min_length=1, null=True)
    resolution_notes = TextField(max_length=10_000, null=True)
    resolved_at = TimestampField(null=True)

    post_id: UUID | None
    decision_id: UUID | None
    reply_id: UUID | None

    class Meta:
        table_name = "escalations"
        indexes = ((("status", "priority"), False), (("created_at",), False))
        constraints = [
            pw.Check(
                "(status IN ('RESOLVED', 'DISMISSED')) = (resolved_at IS NOT NULL AND resolved_by IS NOT NULL)",
                "ck_escalations_closed_by_somebody",
            )
        ]


class RandomizedExperiment(MutableModel):
    """A decision whose mode was drawn, and how that turned out.

    Attributes:
        decision: the decision; empty once that was archived.
        predicted_mode: the mode without the draw, one of ``OPERATIONAL_MODES``.
        actual_mode: the mode that was drawn.
        predicted_outcome: what was expected.
        actual_outcome: what came.
    """

    decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
    predicted_mode = EnumField(choices=OPERATIONAL_MODES)
    actual_mode = EnumField(choices=OPERATIONAL_MODES)
    predicted_outcome = FloatField(null=True)
    actual_outcome = FloatField(null=True)

    decision_id: UUID | None

    class Meta:
        table_name = "randomized_experiments"


class LegalHold(MutableModel):
    """That a post, or everything of an author, must not be archived or erased.

    Attributes:
        post: the post; or
        author: the author.
        reason: why.
        placed_by: who said so.
        released_by: who ended it.
        released_at: when.
    """

    post = ForeignKey(Post, on_delete="RESTRICT", null=True)
    author = ForeignKey(Author, on_delete="RESTRICT", null=True)
    reason = TextField(max_length=1000, min_length=1)
    placed_by = TextField(max_length=200, min_length=1)
    released_by = TextField(max_length=200, min_length=1, null=True)
    released_at = TimestampField(null=True)

    post_id: UUID | None
    author_id: UUID | None

    class Meta:
        table_name = "legal_holds"
        constraints = [
            pw.Check("(post_id IS NULL) <> (author_id IS NULL)", "ck_legal_holds_on_one_thing"),
            pw.Check("(released_at IS NULL) = (released_by IS NULL)", "ck_legal_holds_released_by_somebody"),
        ]
