"""The social engagement tables: authors, posts, decisions, replies, and what people oversee about them."""

from __future__ import annotations

from uuid import UUID

import peewee as pw

from datapkg.engagement.documents import (
    DECISION_SIGNALS,
    DECISION_SNAPSHOT,
    INTERACTION_HISTORY,
    POST_METRICS,
    REPLY_METRICS,
    TEMPORAL_CONTEXT,
)
from datapkg.engagement.experiment_models import AbExperiment
from datapkg.engagement.vocabulary import (
    APPROVAL_STATUSES,
    ARCHETYPES,
    OPERATIONAL_MODES,
    PLATFORMS,
    POWER_TIERS,
    REPLY_TYPES,
    VARIANTS,
)
from datapkg.kit.fields import (
    BooleanField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel, now

__all__ = [
    "Author",
    "Decision",
    "Post",
    "Reply",
]


class Author(MutableModel):
    """Somebody who writes on a platform; kept for ever, until anonymised.

    Attributes:
        platform: one of ``PLATFORMS``.
        platform_id: the platform's own key of the account.
        handle: what the account is called there.
        display_name: what it shows.
        follower_count: followers when last seen.
        is_verified: whether the platform verified it.
        is_power_user: whether many people listen.
        power_tier: how many, one of ``POWER_TIERS``.
        archetype_tags: what kinds of answers suit, a list of texts.
        relationship_score: 0 to 1.
        interaction_history: its ``interaction-history`` document, a list.
        first_seen_at: when it was first seen.
        last_seen_at: when it was last seen.
        anonymised_at: when everything that names the person was taken out.
    """

    platform = EnumField(choices=PLATFORMS)
    platform_id = TextField(max_length=100, min_length=1)
    handle = TextField(max_length=50, min_length=1)
    display_name = TextField(max_length=200, null=True)
    follower_count = IntegerField(min=0, default=0)
    is_verified = BooleanField(default=False)
    is_power_user = BooleanField(default=False, index=True)
    power_tier = EnumField(choices=POWER_TIERS, null=True)
    archetype_tags: JSONField[list[str]] = JSONField(default=list)
    relationship_score = FloatField(min=0, max=1, default=0.5)
    interaction_history = DocumentField(INTERACTION_HISTORY, default=list)
    first_seen_at = TimestampField(default=now)
    last_seen_at = TimestampField(default=now)
    anonymised_at = TimestampField(null=True)

    class Meta:
        table_name = "authors"
        indexes = ((("platform", "platform_id"), True), (("platform", "handle"), False))


class Post(MutableModel):
    """Something that an author wrote on a platform.

    Attributes:
        platform: one of ``PLATFORMS``.
        platform_post_id: the platform's own key of the post.
        author: who wrote it.
        content: what it says, 1 to 5,000 characters.
        detected_at: when it was found; retention counts from here.
        processed_at: when it was dealt with.
        keyword_matches: the keywords it was found by, a list of texts.
        keyword_categories: their categories, a list of texts.
        spam_filtered: whether it was taken for spam.
        raw_metrics: its ``post-metrics`` document.
        error_count: how often dealing with it failed.
        error_message: how it failed last.
    """

    platform = EnumField(choices=PLATFORMS)
    platform_post_id = TextField(max_length=100, min_length=1)
    author = ForeignKey(Author, on_delete="RESTRICT")
    content = TextField(max_length=5000, min_length=1)
    detected_at = TimestampField(default=now)
    processed_at = TimestampField(null=True, index=True)
    keyword_matches: JSONField[list[str]] = JSONField(default=list)
    keyword_categories: JSONField[list[str]] = JSONField(default=list)
    spam_filtered = BooleanField(default=False)
    raw_metrics = DocumentField(POST_METRICS, default=lambda: {"values": {}})
    error_count = IntegerField(min=0, default=0)
    error_message = TextField(max_length=10_000, null=True)

    author_id: UUID

    class Meta:
        table_name = "posts"
        # Retention walks along detected_at alone.
        indexes = (
            (("platform", "platform_post_id"), True),
            (("platform", "detected_at"), False),
            (("detected_at", "id"), False),
        )


class Decision(Model):
    """How a post was judged, and what to do about it; archived with its post.

    Attributes:
        post: the post.
        sss_score: 0 to 1, like every score.
        ars_score: the same.
        evs_score: the same.
        trs_score: the same.
        composite_score: the four together.
        mode: one of ``OPERATIONAL_MODES``.
        archetype: what kind of answer, one of ``ARCHETYPES``.
        safety_flags: a list of texts.
        signals_json: its ``decision-signals`` document.
        temporal_context: its ``temporal-context`` document.
        competitor_detected: the name of a competitor in the post.
        is_power_user: whether the author was one then.
        experiment: the A/B experiment it took part in.
        experiment_variant: its variant there.
        is_randomized_experiment: whether the mode was drawn at random.
        predicted_mode: what the mode would have been otherwise.
    """

    post = ForeignKey(Post, on_delete="CASCADE")
    sss_score = FloatField(min=0, max=1)
    ars_score = FloatField(min=0, max=1)
    evs_score = FloatField(min=0, max=1)
    trs_score = FloatField(min=0, max=1)
    composite_score = FloatField(min=0, max=1, index=True)
    mode = EnumField(choices=OPERATIONAL_MODES, index=True)
    archetype = EnumField(choices=ARCHETYPES, null=True)
    safety_flags: JSONField[list[str]] = JSONField(default=list)
    signals_json = DocumentField(DECISION_SIGNALS, default=lambda: {"data": {}})
    temporal_context = DocumentField(TEMPORAL_CONTEXT, default=lambda: {"data": {}})
    competitor_detected = TextField(max_length=200, min_length=1, null=True)
    is_power_user = BooleanField(default=False)
    experiment = ForeignKey(AbExperiment, on_delete="SET NULL", null=True)
    experiment_variant = EnumField(choices=VARIANTS, null=True, index=True)
    is_randomized_experiment = BooleanField(default=False, index=True)
    predicted_mode = EnumField(choices=OPERATIONAL_MODES, null=True)

    post_id: UUID
    experiment_id: UUID | None

    class Meta:
        table_name = "decisions"
        indexes = ((("created_at",), False),)


class Reply(MutableModel):
    """An answer: drafted, approved by a person, posted once; kept for ever.

    Attributes:
        decision: what it came from; empty once that was archived.
        decision_snapshot: the decision as it was, its ``decision-snapshot`` document; never changes.
        content: what it says.
        archetype: one of ``ARCHETYPES``.
        platform: where it goes, one of ``PLATFORMS``.
        platform_post_id: the platform's key of the posted reply.
        utm_code: what its links are counted by.
        help_count: how often it was found helpful.
        approval_status: one of ``APPROVAL_STATUSES``.
        approved_by: who approved or rejected it.
        approved_at: when.
        approved_content_sha256: the SHA-256 of what was approved; other content needs another approval.
        posted_at: when it was posted.
        metrics_json: its ``reply-metrics`` document.
        deleted_at: when it was deleted; the row stays.
        delete_reason: why.
        reply_type: one of ``REPLY_TYPES``.
    """

    decision = ForeignKey(Decision, on_delete="SET NULL", null=True)
    decision_snapshot = DocumentField(DECISION_SNAPSHOT)
    content = TextField(max_length=1000, min_length=10)
    archetype = EnumField(choices=ARCHETYPES, null=True)
    platform = EnumField(choices=PLATFORMS)
    platform_post_id = TextField(max_length=100, min_length=1, null=True)
    utm_code = TextField(max_length=100, min_length=1, null=True)
    help_count = IntegerField(min=0, default=0)
    approval_status = EnumField(choices=APPROVAL_STATUSES, default="PENDING", index=True)
    approved_by = TextField(max_length=200, min_length=1, null=True)
    approved_at = TimestampField(null=True)
    approved_content_sha256 = TextField(max_length=64, min_length=64, null=True)
    posted_at = TimestampField(null=True, index=True)
    metrics_json = DocumentField(REPLY_METRICS, default=lambda: {"values": {}})
    deleted_at = TimestampField(null=True)
    delete_reason = TextField(max_length=1000, min_length=1, null=True)
    reply_type = EnumField(choices=REPLY_TYPES, default="COMMENT")

    decision_id: UUID | None

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
