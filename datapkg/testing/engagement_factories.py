"""Make authors, posts, replies and what belongs to them; reached through :mod:`datapkg.testing.factories`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from uuid import UUID

from datapkg import engagement
from datapkg.testing.numbering import fresh, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        Reply,
        WeightAdjustmentLog,
    )
    from datapkg.engagement.weights import WeightChange

__all__ = [
    "make_ab_assignment",
    "make_ab_experiment",
    "make_author",
    "make_champion",
    "make_competitor",
    "make_decision",
    "make_escalation",
    "make_hold",
    "make_kpi",
    "make_learning_event",
    "make_mention",
    "make_post",
    "make_reply",
    "make_weight_adjustment",
]


def make_author(
    *,
    platform: str = "TWITTER",
    platform_id: str | None = None,
    handle: str | None = None,
    display_name: str | None = None,
    follower_count: int | None = None,
    is_power_user: bool | None = None,
    power_tier: str | None = None,
    archetype_tags: Sequence[str] | None = None,
    seen_at: dt.datetime | None = None,
) -> Author:
    """Make an author; see ``engagement.upsert_author``."""
    return engagement.upsert_author(
        platform,
        platform_id=fresh("account") if platform_id is None else platform_id,
        handle=f"author_{number()}" if handle is None else handle,
        display_name=display_name,
        follower_count=follower_count,
        is_power_user=is_power_user,
        power_tier=power_tier,
        archetype_tags=archetype_tags,
        seen_at=seen_at,
    )


def make_post(
    *,
    author_id: UUID | str | None = None,
    platform: str | None = None,
    platform_post_id: str | None = None,
    content: str | None = None,
    keyword_matches: Sequence[str] = ("insomnia",),
    keyword_categories: Sequence[str] | None = None,
    detected_at: dt.datetime | None = None,
    spam_filtered: bool = False,
    raw_metrics: Mapping[str, float] | None = None,
) -> Post:
    """Make a post, of a new author where none is given; the platform is the author's."""
    author = make_author(platform=platform or "TWITTER") if author_id is None else engagement.get_author(author_id)
    return engagement.record_post(
        platform or author.platform,
        platform_post_id=fresh("post") if platform_post_id is None else platform_post_id,
        author_id=author.id,
        content=f"I cannot sleep, night {number()}." if content is None else content,
        keyword_matches=keyword_matches,
        keyword_categories=keyword_categories,
        detected_at=detected_at,
        spam_filtered=spam_filtered,
        raw_metrics=raw_metrics,
    )


def make_decision(
    *,
    post_id: UUID | str | None = None,
    sss_score: float = 0.8,
    ars_score: float = 0.6,
    evs_score: float = 0.5,
    trs_score: float = 0.9,
    composite_score: float = 0.7,
    mode: str = "HELPFUL",
    archetype: str | None = "CHECKLIST",
    safety_flags: Sequence[str] | None = None,
    signals: Mapping[str, object] | None = None,
    temporal_context: Mapping[str, object] | None = None,
    competitor_detected: str | None = None,
    is_power_user: bool | None = None,
    experiment_id: UUID | str | None = None,
    experiment_variant: str | None = None,
    is_randomized_experiment: bool = False,
    predicted_mode: str | None = None,
) -> Decision:
    """Make a decision, on a new post where none is given; see ``engagement.record_decision``."""
    return engagement.record_decision(
        post_id or make_post().id,
        sss_score=sss_score,
        ars_score=ars_score,
        evs_score=evs_score,
        trs_score=trs_score,
        composite_score=composite_score,
        mode=mode,
        archetype=archetype,
        safety_flags=safety_flags,
        signals=signals,
        temporal_context=temporal_context,
        competitor_detected=competitor_detected,
        is_power_user=is_power_user,
        experiment_id=experiment_id,
        experiment_variant=experiment_variant,
        is_randomized_experiment=is_randomized_experiment,
        predicted_mode=predicted_mode,
    )


def make_reply(
    *,
    decision_id: UUID | str | None = None,
    content: str | None = None,
    utm_code: str | None = None,
    reply_type: str = "COMMENT",
    status: str = "PENDING",
    approved_by: str = "ann@example.com",
    platform_post_id: str | None = None,
) -> Reply:
    """Make a reply, from a new decision where none is given.

    Args:
        decision_id: what it comes from.
        content: what it says; what is made up carries the signature of the rules in force.
        utm_code: what its links are counted by.
        reply_type: one of ``REPLY_TYPES``.
        status: ``PENDING``, ``APPROVED``, ``REJECTED`` or ``POSTED``; brought there through the states on the way.
        approved_by: who approves or rejects it.
        platform_post_id: the platform's key of it, once it is posted.
    """
    if content is None:
        content = f"Try less light in the evening, tip {number()}. {engagement.content_rules().signature}"
    reply = engagement.draft_reply(
        decision_id or make_decision().id,
        content=content,
        utm_code=utm_code,
        reply_type=reply_type,
    )
    if status == "REJECTED":
        return engagement.reject_reply(reply.id, rejected_by=approved_by, reason="It sounds like a form.")
    if status in ("APPROVED", "POSTED"):
        seen = engagement.content_sha256(reply.content)
        reply = engagement.approve_reply(reply.id, approved_by=approved_by, content_sha256=seen)
    if status == "POSTED":
        key = fresh("reply") if platform_post_id is None else platform_post_id
        reply = engagement.mark_posted(reply.id, platform_post_id=key)
    return reply


def make_competitor(
    *,
    name: str | None = None,
    category: str = "SUPPLEMENT",
    price_point: str | None = None,
    brand_keywords: Sequence[str] | None = None,
) -> Competitor:
    """Make a competitor."""
    return engagement.create_competitor(
        fresh("competitor") if name is None else name,
        category=category,
        price_point=price_point,
        brand_keywords=brand_keywords,
    )


def make_mention(
    *,
    post_id: UUID | str | None = None,
    competitor_id: UUID | str | None = None,
    sentiment: str = "NEGATIVE",
    opportunity_score: float = 0.5,
) -> CompetitiveMention:
    """Let a post mention a competitor, both new where none is given."""
    return engagement.record_mention(
        post_id or make_post().id,
        competitor_id=competitor_id or make_competitor().id,
        sentiment=sentiment,
        opportunity_score=opportunity_score,
    )


def make_champion(
    *, author_id: UUID | str | None = None, tier: str | None = None, actor: UUID | str = "system"
) -> CommunityChampion:
    """Make a champion, of a new author where none is given."""
    return engagement.promote_champion(author_id or make_author().id, tier=tier, actor=actor)


def make_kpi(
    *,
    date: dt.date = dt.date(2026, 3, 2),
    platform: str = "ALL",
    metric_type: str = "ENGAGEMENT",
    metric_name: str | None = None,
    value: float = 1.0,
) -> KpiMetric:
    """Record a figure of a day, under a new name where none is given."""
    return engagement.record_kpi(
        date,
        platform=platform,
        metric_type=metric_type,
        metric_name=fresh("figure") if metric_name is None else metric_name,
        value=value,
    )


def make_escalation(
    *,
    reason: str = "SAFETY",
    post_id: UUID | str | None = None,
    decision_id: UUID | str | None = None,
    reply_id: UUID | str | None = None,
    priority: str = "MEDIUM",
    assigned_to: str | None = None,
    actor: UUID | str = "system",
) -> Escalation:
    """Make an escalation, about a new post where nothing is given."""
    if post_id is decision_id is reply_id is None:
        post_id = make_post().id
    return engagement.escalate(
        reason,
        post_id=post_id,
        decision_id=decision_id,
        reply_id=reply_id,
        priority=priority,
        assigned_to=assigned_to,
        actor=actor,
    )


def make_hold(
    *,
    post_id: UUID | str | None = None,
    author_id: UUID | str | None = None,
    reason: str = "A court asked for it.",
    placed_by: UUID | str = "system",
) -> LegalHold:
    """Place a legal hold, on a new post where nothing is given."""
    if post_id is author_id is None:
        post_id = make_post().id
    return engagement.place_hold(post_id=post_id, author_id=author_id, reason=reason, placed_by=placed_by)


def make_ab_experiment(
    *, name: str | None = None, metric: str = "help_count", traffic_split: float = 0.5, status: str = "DRAFT"
) -> AbExperiment:
    """Make an A/B experiment.

    Args:
        name: what it is called.
        metric: what decides.
        traffic_split: the share that gets A.
        status: one of ``AB_STATUSES``; brought there through the states on the way.
    """
    experiment = engagement.create_ab_experiment(
        fresh("experiment") if name is None else name,
        variant_a="Open with a question.",
        variant_b="Open with a fact.",
        metric=metric,
        traffic_split=traffic_split,
    )
    if status == "CANCELLED":
        return engagement.cancel_ab_experiment(experiment.id)
    if status in ("RUNNING", "COMPLETED"):
        experiment = engagement.start_ab_experiment(experiment.id)
    if status == "COMPLETED":
        experiment = engagement.finish_ab_experiment(experiment.id, results={"difference": 0.0}, winner="NONE")
    return experiment


def make_ab_assignment(*, experiment_id: UUID | str | None = None, subject: str | None = None) -> AbAssignment:
    """Assign a subject to a variant, both the subject and the running experiment new where none is given."""
    return engagement.assign_variant(
        experiment_id or make_ab_experiment(status="RUNNING").id,
        subject=fresh("subject") if subject is None else subject,
    )


def make_weight_adjustment(
    *, segment_type: str = "platform", segment_key: str | None = None, actor: UUID | str = "system"
) -> WeightAdjustmentLog:
    """Give a segment, a new one where none is given, equal weights; returns the entry of the log."""
    change: WeightChange = {
        "segment_type": segment_type,
        "segment_key": fresh("segment") if segment_key is None else segment_key,
        "sss_weight": 0.25,
        "ars_weight": 0.25,
        "evs_weight": 0.25,
        "trs_weight": 0.25,
    }
    return engagement.adjust_weights([change], reason="A fresh start.", actor=actor)


def make_learning_event(
    *,
    adjustment_type: str = "THRESHOLD",
    predicted_improvement: float = 0.02,
    baseline_performance: float = 0.6,
    date: dt.date | None = None,
) -> LearningEvent:
    """Record a change, and what is expected of it."""
    return engagement.record_learning_event(
        adjustment_type,
        adjustment={"name": fresh("threshold"), "from": 0.6, "to": 0.57},
        predicted_improvement=predicted_improvement,
        baseline_performance=baseline_performance,
        date=date,
    )
