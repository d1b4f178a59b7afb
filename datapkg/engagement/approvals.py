"""The way of a reply from draft to platform: approved by a person, posted once, with just the content approved."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg import audit
from datapkg.engagement.locking import actor_text, locked, not_before
from datapkg.engagement.models import Reply
from datapkg.engagement.replies import get_reply, refuse_deleted
from datapkg.engagement.rules import Violation, load_checked, post_violations
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import DatapkgError, InvalidTransitionError, StaleWriteError, ValidationError
from datapkg.kit.instants import as_instant

__all__ = ["approve_reply", "content_sha256", "mark_posted", "reject_reply"]

logger = logging.getLogger(__name__)

ENTITY = "reply"

_SKEW = dt.timedelta(minutes=5)
"""How far a platform's clock may be behind ours."""


def content_sha256(content: str) -> str:
    """Return the SHA-256 of a reply's content (of its UTF-8), as 64 hexadecimal digits: what ``approve_reply`` wants.

    Args:
        content: the content that somebody saw, exactly.

    Raises:
        ValidationError: it is no text.

    Example:
        >>> content_sha256("abc")
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    if not isinstance(content, str):
        raise ValidationError({"content": ["Not a valid string."]})
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()


def approve_reply(
    reply_id: UUID | str, *, approved_by: UUID | str, content_sha256: str, now: dt.datetime | None = None
) -> Reply:
    """Approve a reply's content, and record who did it; only this content can then be posted.

    Approving the same again changes nothing. What was rejected has to be edited first.

    Args:
        reply_id: which.
        approved_by: who, 1 to 200 characters: a user's key, or a name.
        content_sha256: the ``content_sha256`` of the content that they saw.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        StaleWriteError: it says something else by now.
        InvalidTransitionError: it was rejected, posted or deleted, or somebody else has approved it.
        ValidationError: with every complaint about the arguments.

    Example:
        >>> seen = get_reply(reply.id)  # doctest: +SKIP
        >>> approve_reply(
        ...     seen.id, approved_by="ann@example.com", content_sha256=content_sha256(seen.content)
        ... )  # doctest: +SKIP
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told = {"reply_id": reply_id, "approved_by": actor_text(approved_by), "content_sha256": content_sha256}
    given: dict[str, Any] = load(reply_schemas.ReplyApproval, told, what="approval of a reply")
    moment = as_instant(now)
    key, who, seen = given["reply_id"], given["approved_by"], given["content_sha256"]

    @run_in_transaction
    def approve() -> Reply:
        reply = locked(Reply, key, entity=ENTITY)
        refuse_deleted(reply)
        if _hash_of(reply) != seen:
            raise _changed(reply, "since it was read", "Read the reply again, and approve what it says now.")
        same = (reply.approved_by, reply.approved_content_sha256) == (who, seen)
        if reply.approval_status == "APPROVED" and same:
            return reply
        _refuse_posted(reply, "approved")
        if reply.approval_status != "PENDING":
            raise _decided(reply, "approved")
        Reply.update(
            approval_status="APPROVED", approved_by=who, approved_at=moment, approved_content_sha256=seen
        ).where(Reply.id == key).execute()
        details = {"content_sha256": seen}
        audit.record(ENTITY, entity_id=key, action="approve_reply", actor=who, details=details)
        return get_reply(key)

    reply = approve()
    logger.info("reply approved", extra={"reply_id": str(key)})
    return reply


def reject_reply(
    reply_id: UUID | str, *, rejected_by: UUID | str, reason: str, now: dt.datetime | None = None
) -> Reply:
    """Reject a reply that is not posted, also one that was approved, and record who did it and why.

    The reply's ``approved_by`` and ``approved_at`` say who rejected it and when. Rejecting it again changes nothing
    for the same person; editing it opens it again.

    Args:
        reply_id: which.
        rejected_by: who, 1 to 200 characters: a user's key, or a name.
        reason: why, 1 to 1,000 characters; kept in the audit log.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it was posted or deleted, or somebody else has rejected it.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told = {"reply_id": reply_id, "rejected_by": actor_text(rejected_by), "reason": reason}
    given: dict[str, Any] = load(reply_schemas.ReplyRejection, told, what="rejection of a reply")
    moment = as_instant(now)
    key, who = given["reply_id"], given["rejected_by"]

    @run_in_transaction
    def reject() -> Reply:
        reply = locked(Reply, key, entity=ENTITY)
        refuse_deleted(reply)
        if (reply.approval_status, reply.approved_by) == ("REJECTED", who):
            return reply
        _refuse_posted(reply, "rejected")
        if reply.approval_status == "REJECTED":
            raise _decided(reply, "rejected")
        Reply.update(
            approval_status="REJECTED", approved_by=who, approved_at=moment, approved_content_sha256=None
        ).where(Reply.id == key).execute()
        details = {"reason": given["reason"], "from": reply.approval_status, "content_sha256": _hash_of(reply)}
        audit.record(ENTITY, entity_id=key, action="reject_reply", actor=who, details=details)
        return get_reply(key)

    reply = reject()
    logger.info("reply rejected", extra={"reply_id": str(key)})
    return reply


def mark_posted(
    reply_id: UUID | str,
    *,
    platform_post_id: str,
    posted_at: dt.datetime | None = None,
    actor: UUID | str = "system",
    now: dt.datetime | None = None,
) -> Reply:
    """Say that a reply stands on its platform, and record it: once only, approved, and just the content approved.

    The same platform key again changes nothing; of several at once, one writes.

    Args:
        reply_id: which.
        platform_post_id: the platform's key of it: 1 to 100 letters, digits, ``_`` and ``-``.
        posted_at: when it was posted by the platform's clock, which may be 5 minutes behind ours; by default now,
            or the time of approval if the clock was set back behind that.
        actor: who or what posted it, 1 to 200 characters.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is not approved, or deleted, or was posted under another key.
        StaleWriteError: its content is not what was approved.
        ConflictError: another reply has this platform key (``uq_replies_platform_platform_post_id``).
        ValidationError: with every complaint about the arguments; ``posted_at`` is before the approval.
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told = {"reply_id": reply_id, "platform_post_id": platform_post_id, "actor": actor_text(actor)}
    given = load_checked(
        lambda: load(reply_schemas.ReplyPosting, told), told, _key_violations, what="posting of a reply"
    )
    moment = as_instant(now)
    stated = None if posted_at is None else as_instant(posted_at, "posted_at")
    key, platform_key = given["reply_id"], given["platform_post_id"]

    @run_in_transaction
    def post() -> Reply:
        reply = locked(Reply, key, entity=ENTITY)
        if reply.posted_at is not None and reply.platform_post_id == platform_key:
            return reply
        _refuse_posted(reply, f"posted as {platform_key!r}")
        content = reply.content
        postable = (
            (Reply.id == key)
            & (Reply.approval_status == "APPROVED")
            & (Reply.content == content)
            & (Reply.approved_content_sha256 == _hash_of(reply))
            & Reply.posted_at.is_null()
            & Reply.deleted_at.is_null()
        )
        at = _posting_time(reply, stated, moment)
        if not Reply.update(posted_at=at, platform_post_id=platform_key).where(postable).execute():
            raise _unpostable(reply)
        details = {"platform_post_id": platform_key, "content_sha256": reply.approved_content_sha256}
        audit.record(ENTITY, entity_id=key, action="mark_posted", actor=given["actor"], details=details)
        return get_reply(key)

    reply = post()
    logger.info("reply posted", extra={"reply_id": str(key), "platform_post_id": platform_key})
    return reply


def _key_violations(given: Mapping[str, Any]) -> list[Violation]:
    return post_violations(platform_post_id=given.get("platform_post_id"))


def _posting_time(reply: Reply, stated: dt.datetime | None, moment: dt.datetime) -> dt.datetime:
    if reply.approved_at is None:
        return stated or moment  # and the reply is refused
    if stated is None:
        return not_before(moment, reply.approved_at)
    if stated < reply.approved_at - _SKEW:
        approved = reply.approved_at.isoformat()
        raise ValidationError({"posted_at": [f"Before the approval at {approved}."]}, what="posting of a reply")
    return stated


def _unpostable(reply: Reply) -> DatapkgError:
    refuse_deleted(reply)
    if reply.approval_status != "APPROVED":
        return InvalidTransitionError(
            f"The reply {reply.id} is {reply.approval_status} and must not be posted.",
            fix="Let a person approve it first, with approve_reply.",
            reply_id=str(reply.id),
            status=reply.approval_status,
        )
    return _changed(reply, "since it was approved", "Open it again with edit_reply, and let a person approve it.")


def _changed(reply: Reply, since: str, fix: str) -> StaleWriteError:
    return StaleWriteError(
        f"The content of the reply {reply.id} has changed {since}.",
        fix=fix,
        reply_id=str(reply.id),
        content_sha256=_hash_of(reply),
    )


def _refuse_posted(reply: Reply, becoming: str) -> None:
    if reply.posted_at is not None:
        raise InvalidTransitionError(
            f"The reply {reply.id} was posted as {reply.platform_post_id!r} and cannot be {becoming}.",
            fix="Leave it; what is to be taken back is deleted on the platform and with delete_reply.",
            reply_id=str(reply.id),
            platform_post_id=reply.platform_post_id,
        )


def _decided(reply: Reply, becoming: str) -> InvalidTransitionError:
    return InvalidTransitionError(
        f"The reply {reply.id} was {reply.approval_status.lower()} by {reply.approved_by} already"
        f" and cannot be {becoming}.",
        fix="Edit it first, which opens it again.",
        reply_id=str(reply.id),
        status=reply.approval_status,
    )


def _hash_of(reply: Reply) -> str:
    return content_sha256(reply.content)
