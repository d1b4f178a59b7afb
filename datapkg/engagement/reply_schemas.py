"""What the functions of replies accept."""

from __future__ import annotations

from datapkg.engagement.vocabulary import APPROVAL_STATUSES, ARCHETYPES, PLATFORMS, REPLY_TYPES
from datapkg.kit.schemas import Boolean, Choice, Integer, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "NewReply",
    "ReplyApproval",
    "ReplyDeletion",
    "ReplyEdit",
    "ReplyFilters",
    "ReplyMetrics",
    "ReplyPosting",
    "ReplyRejection",
]


class NewReply(Schema):
    """A reply as a caller gives it; the rules of content look at content and UTM code too."""

    decision_id = Uuid(required=True)
    content = Text(required=True)
    platform = Choice(PLATFORMS, allow_none=True)
    archetype = Choice(ARCHETYPES, allow_none=True)
    utm_code = Text(allow_none=True)
    reply_type = Choice(REPLY_TYPES, required=True)


class ReplyEdit(Schema):
    """What may change on a reply; the rules of content look at it too."""

    reply_id = Uuid(required=True)
    content = Text(required=True)
    utm_code = Text(allow_none=True)


class ReplyApproval(Schema):
    """That somebody approves what they saw."""

    reply_id = Uuid(required=True)
    approved_by = Text(1, 200, required=True)
    content_sha256 = Text(required=True, pattern=r"\A[0-9a-f]{64}\Z")


class ReplyRejection(Schema):
    """That somebody does not want a reply posted."""

    reply_id = Uuid(required=True)
    rejected_by = Text(1, 200, required=True)
    reason = Text(1, 1000, required=True)


class ReplyPosting(Schema):
    """That a reply stands on its platform; the form of the platform's key is the rules' to check."""

    reply_id = Uuid(required=True)
    platform_post_id = Text(required=True)
    actor = Text(1, 200, required=True)


class ReplyMetrics(Schema):
    """What else is counted about a posted reply; the metrics are checked by their document type."""

    reply_id = Uuid(required=True)
    help_count = Integer(0, 2**31 - 1)


class ReplyDeletion(Schema):
    """That a reply is to be taken as deleted."""

    reply_id = Uuid(required=True)
    reason = Text(1, 1000, required=True)
    actor = Text(1, 200, required=True)


class ReplyFilters(Page):
    """What a list of replies can be narrowed by, and where its page starts."""

    decision_id = Uuid()
    platform = Choice(PLATFORMS)
    approval_status = Choice(APPROVAL_STATUSES)
    posted_from = Timestamp()
    posted_before = Timestamp()
    include_deleted = Boolean()
