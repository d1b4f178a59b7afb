"""What the functions of authors, posts, decisions, competitors and mentions accept."""

from __future__ import annotations

from datapkg.engagement.vocabulary import (
    ARCHETYPES,
    COMPETITOR_CATEGORIES,
    OPERATIONAL_MODES,
    PLATFORMS,
    POWER_TIERS,
    PRICE_POINTS,
    SATISFACTIONS,
    SENTIMENTS,
    VARIANTS,
)
from datapkg.kit.schemas import Boolean, Choice, Float, Integer, List, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "AccountKey",
    "Anonymisation",
    "AuthorFilters",
    "AuthorTexts",
    "CompetitorChange",
    "CompetitorFilters",
    "DecisionFilters",
    "MentionFilters",
    "NewCompetitor",
    "NewDecision",
    "NewMention",
    "NewPost",
    "PostFilters",
    "PostKey",
    "PostTexts",
    "Processing",
    "ReplyTexts",
    "SeenAuthor",
]

MAX_INTEGER = 2**31 - 1


def _tags() -> List:
    return List(Text(1, 100), max=100)


# What the content rules look at: whether it is text at all, and nothing that they say themselves. -----------------


class AuthorTexts(Schema):
    """What an author's rules look at."""

    platform = Choice(PLATFORMS, required=True)
    handle = Text(required=True)


class PostTexts(Schema):
    """What a post's rules look at."""

    platform = Choice(PLATFORMS, required=True)
    platform_post_id = Text(required=True)
    content = Text(required=True)
    keyword_matches = List(Text(1, 200), required=True)
    author_handle = Text(allow_none=True)


class ReplyTexts(Schema):
    """What a reply's rules look at."""

    platform = Choice(PLATFORMS, required=True)
    content = Text(required=True)
    utm_code = Text(allow_none=True)


# Authors ----------------------------------------------------------------------------------------------------------


class AccountKey(Schema):
    """A platform, and its own key of an account."""

    platform = Choice(PLATFORMS, required=True)
    platform_id = Text(1, 100, required=True)


class SeenAuthor(AuthorTexts):
    """An author as a caller saw them; the handle's form is the rules' to check."""

    platform_id = Text(1, 100, required=True)
    display_name = Text(0, 200)
    follower_count = Integer(0, MAX_INTEGER)
    is_verified = Boolean()
    is_power_user = Boolean()
    power_tier = Choice(POWER_TIERS)
    archetype_tags = _tags()
    relationship_score = Float(0, 1)
    seen_at = Timestamp()


class AuthorFilters(Page):
    """What a list of authors can be narrowed by, and where its page starts."""

    platform = Choice(PLATFORMS)
    handle = Text(1, 50)
    is_power_user = Boolean()


class Anonymisation(Schema):
    """Whose traces go, who says so, and why."""

    author_id = Uuid(required=True)
    actor = Text(1, 200, required=True)
    reason = Text(1, 1000, required=True)


# Posts ------------------------------------------------------------------------------------------------------------


class NewPost(Schema):
    """A post as a caller found it; its texts' form is the rules' to check."""

    platform = Choice(PLATFORMS, required=True)
    platform_post_id = Text(required=True)
    author_id = Uuid(required=True)
    content = Text(required=True)
    keyword_matches = List(Text(1, 200), required=True)
    keyword_categories = _tags()
    detected_at = Timestamp()
    spam_filtered = Boolean(required=True)


class PostKey(Schema):
    """A platform, and its own key of a post."""

    platform = Choice(PLATFORMS, required=True)
    platform_post_id = Text(1, 100, required=True)


class Processing(Schema):
    """Which post was dealt with, and how that failed."""

    post_id = Uuid(required=True)
    error = Text(1, 10_000)


class PostFilters(Page):
    """What a list of posts can be narrowed by, and where its page starts."""

    platform = Choice(PLATFORMS)
    author_id = Uuid()
    processed = Boolean()
    detected_from = Timestamp()
    detected_before = Timestamp()


# Decisions --------------------------------------------------------------------------------------------------------


class NewDecision(Schema):
    """A decision as a caller made it."""

    post_id = Uuid(required=True)
    sss_score = Float(0, 1, required=True)
    ars_score = Float(0, 1, required=True)
    evs_score = Float(0, 1, required=True)
    trs_score = Float(0, 1, required=True)
    composite_score = Float(0, 1, required=True)
    mode = Choice(OPERATIONAL_MODES, required=True)
    archetype = Choice(ARCHETYPES)
    safety_flags = List(Text(1, 200), max=100)
    competitor_detected = Text(1, 200)
    is_power_user = Boolean()
    experiment_id = Uuid()
    experiment_variant = Choice(VARIANTS)
    is_randomized_experiment = Boolean(required=True)
    predicted_mode = Choice(OPERATIONAL_MODES)


class DecisionFilters(Page):
    """What a list of decisions can be narrowed by, and where its page starts."""

    post_id = Uuid()
    mode = Choice(OPERATIONAL_MODES)
    experiment_variant = Choice(VARIANTS)
    is_randomized_experiment = Boolean()
    min_composite_score = Float(0, 1)
    created_from = Timestamp()
    created_before = Timestamp()


# Competitors and mentions -----------------------------------------------------------------------------------------


class CompetitorChange(Schema):
    """What may change on a competitor."""

    name = Text(1, 200)
    category = Choice(COMPETITOR_CATEGORIES)
    primary_mechanism = Text(0, 1000, allow_none=True)
    price_point = Choice(PRICE_POINTS, allow_none=True)
    brand_keywords = List(Text(1, 200), max=1000)


class NewCompetitor(CompetitorChange):
    """A competitor as a caller gives it."""

    name = Text(1, 200, required=True)
    category = Choice(COMPETITOR_CATEGORIES, required=True)


class CompetitorFilters(Page):
    """What a list of competitors can be narrowed by, and where its page starts."""

    category = Choice(COMPETITOR_CATEGORIES)
    price_point = Choice(PRICE_POINTS)


class NewMention(Schema):
    """That a post talks about a competitor, as a caller gives it."""

    post_id = Uuid(required=True)
    competitor_id = Uuid(required=True)
    sentiment = Choice(SENTIMENTS, required=True)
    satisfaction = Choice(SATISFACTIONS, allow_none=True)
    opportunity_score = Float(0, 1, required=True)
    replied = Boolean(required=True)


class MentionFilters(Page):
    """What a list of mentions can be narrowed by, and where its page starts."""

    post_id = Uuid()
    competitor_id = Uuid()
    sentiment = Choice(SENTIMENTS)
