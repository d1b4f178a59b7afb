"""Replies: drafted from a decision, edited until they are posted, measured afterwards, never really deleted."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from datapkg import audit
from datapkg.engagement.locking import actor_text, locked
from datapkg.engagement.models import Author, Decision, Post, Reply
from datapkg.engagement.naming import naming
from datapkg.engagement.rules import check_reply, check_texts, load_checked
from datapkg.kit.columns import load_columns
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "ReplyChanges",
    "delete_reply",
    "draft_reply",
    "edit_reply",
    "find_reply",
    "get_reply",
    "list_replies",
    "record_reply_metrics",
    "refuse_deleted",
]

logger = logging.getLogger(__name__)

ENTITY = "reply"

_UNAPPROVED: dict[str, Any] = {
    "approval_status": "PENDING",
    "approved_by": None,
    "approved_at": None,
    "approved_content_sha256": None,
}
_COPIED = (
    *("sss_score", "ars_score", "evs_score", "trs_score", "composite_score", "mode", "archetype", "safety_flags"),
    *("competitor_detected", "is_power_user", "experiment_variant", "is_randomized_experiment", "predicted_mode"),
)

_by_id: Statement[Reply] = Statement(lambda _: Reply.select().where(Reply.id == Param("id")), model=Reply)


class ReplyChanges(TypedDict, total=False):
    """What ``edit_reply`` changes.

    Attributes:
        content: what it says now.
        utm_code: what its links are counted by; left out, it stays; None takes it away.
    """

    content: Required[str]
    utm_code: str | None


def draft_reply(
    decision_id: UUID | str,
    *,
    content: str,
    platform: str | None = None,
    archetype: str | None = None,
    utm_code: str | None = None,
    reply_type: str = "COMMENT",
) -> Reply:
    """Draft a reply, which waits for approval; it keeps a copy of the decision that it comes from, for good.

    The copy never changes and stays when the decision is archived. It has no signals, which may name people, and no
    flags that name the post's author.

    Args:
        decision_id: what it comes from.
        content: what it says, by the rules of ``content_rules()``.
        platform: where it goes, by default where the post is.
        archetype: by default the decision's.
        utm_code: what its links are counted by.
        reply_type: one of ``REPLY_TYPES``.

    Raises:
        NotFoundError: there is no such decision.
        ValidationError: with every complaint; where the rules of content refused it, ``meta`` says by which.

    Example:
        >>> draft_reply(decision.id, content="Try less light late at night. —Antone (Vita)")  # doctest: +SKIP
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told: dict[str, Any] = {
        "decision_id": decision_id,
        "content": content,
        "platform": platform,
        "archetype": archetype,
        "utm_code": utm_code,
        "reply_type": reply_type,
    }
    given = load_checked(lambda: load(reply_schemas.NewReply, told), told, check_texts, what=ENTITY)
    key = given.pop("decision_id")

    @run_in_transaction
    def draft() -> Reply:
        decision = locked(Decision, key, entity="decision")  # so that it is not deleted meanwhile
        post = Post.get_by_id(decision.post_id)
        to = given["platform"] or post.platform
        # What only the platform limits; the rest was looked at together with the other arguments.
        check_reply(given["content"], platform=to, utm_code=given["utm_code"])
        made = clock()
        row = {
            **given,
            "platform": to,
            "archetype": given["archetype"] or decision.archetype,
            "decision": key,
            "decision_snapshot": _snapshot(decision, naming(Author.get_by_id(post.author_id))),
            "created_at": made,
            "updated_at": made,
        }
        return insert(Reply, row)

    reply = draft()
    logger.info("reply drafted", extra={"reply_id": str(reply.id), "decision_id": str(key)})
    return reply


def _snapshot(decision: Decision, names_them: Callable[[str], bool]) -> dict[str, object]:
    # It can never be changed, also when the author is anonymised, so it must not name them.
    competitor = decision.competitor_detected
    return {
        **{name: getattr(decision, name) for name in _COPIED},
        "safety_flags": [each for each in decision.safety_flags if not names_them(str(each))],
        "competitor_detected": None if competitor is None or names_them(competitor) else competitor,
        "decision_id": str(decision.id),
        "post_id": str(decision.post_id),
        "decided_at": decision.created_at.isoformat(),
        "experiment_id": None if decision.experiment_id is None else str(decision.experiment_id),
    }


def edit_reply(reply_id: UUID | str, **changes: Unpack[ReplyChanges]) -> Reply:
    """Give a reply that is not posted other content; whatever was said about the old, it waits for approval again.

    Args:
        reply_id: which.
        changes: see :class:`ReplyChanges`.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it was posted, or deleted.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told: dict[str, Any] = {"reply_id": reply_id, **changes}
    what = "change of a reply"
    change = load_checked(lambda: load(reply_schemas.ReplyEdit, told), told, check_texts, what=what)
    key = change.pop("reply_id")

    @run_in_transaction
    def edit() -> Reply:
        reply = locked(Reply, key, entity=ENTITY)
        refuse_deleted(reply)
        if reply.posted_at is not None:
            raise InvalidTransitionError(
                f"The reply {key} was posted and can no longer be edited.",
                fix="Edit it on its platform, or draft another reply.",
                reply_id=str(key),
            )
        check_reply(change["content"], platform=reply.platform, utm_code=change.get("utm_code", reply.utm_code))
        Reply.update(**change, **_UNAPPROVED).where(Reply.id == key).execute()
        return get_reply(key)

    reply = edit()
    logger.info("reply edited", extra={"reply_id": str(key)})
    return reply


def refuse_deleted(reply: Reply) -> None:
    """Raise if a reply was deleted.

    Raises:
        InvalidTransitionError: it was.
    """
    if reply.deleted_at is not None:
        raise InvalidTransitionError(
            f"The reply {reply.id} was deleted.", fix="Draft another reply.", reply_id=str(reply.id)
        )


def record_reply_metrics(reply_id: UUID | str, *, metrics: Mapping[str, float], help_count: int | None = None) -> Reply:
    """Keep a posted reply's latest figures in place of those before; the last call wins.

    Args:
        reply_id: which.
        metrics: figures by name, such as ``{"likes": 3}``.
        help_count: how often it was found helpful; left out, it stays.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is not posted.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import reply_schemas

    told = {"reply_id": reply_id} if help_count is None else {"reply_id": reply_id, "help_count": help_count}
    documents = {"metrics_json": {"values": metrics}}
    what = "metrics of a reply"
    try:
        change = load_columns(Reply, reply_schemas.ReplyMetrics, given=told, documents=documents, what=what)
    except ValidationError as error:
        # By the argument's name, not the column's.
        named = {path.replace("metrics_json.values", "metrics", 1): each for path, each in error.errors.items()}
        raise ValidationError(named, what=what) from None
    key = change.pop("reply_id")

    @run_in_transaction
    def update() -> Reply:
        if not Reply.update(**change).where((Reply.id == key) & Reply.posted_at.is_null(False)).execute():
            get_reply(key)
            raise InvalidTransitionError(
                f"The reply {key} is not posted, so it has no figures.",
                fix="Record them after mark_posted.",
                reply_id=str(key),
            )
        return get_reply(key)

    return update()


def delete_reply(reply_id: UUID | str, *, reason: str, actor: UUID | str) -> Reply:
    """Take a reply as deleted, posted or not, and record who did it and why; the row stays.

    Deleting it again for the same reason changes nothing.

    Args:
        reply_id: which.
        reason: why, 1 to 1,000 characters.
        actor: who, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it was deleted for another reason.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import reply_schemas
    from datapkg.kit.schemas import load

    told = {"reply_id": reply_id, "reason": reason, "actor": actor_text(actor)}
    given: dict[str, Any] = load(reply_schemas.ReplyDeletion, told, what="deletion of a reply")
    key = given["reply_id"]

    @run_in_transaction
    def delete() -> Reply:
        reply = locked(Reply, key, entity=ENTITY)
        if reply.deleted_at is not None and reply.delete_reason == given["reason"]:
            return reply
        refuse_deleted(reply)
        Reply.update(deleted_at=clock(), delete_reason=given["reason"]).where(Reply.id == key).execute()
        details = {"reason": given["reason"], "posted": reply.posted_at is not None}
        audit.record(ENTITY, entity_id=key, action="delete_reply", actor=given["actor"], details=details)
        return get_reply(key)

    reply = delete()
    logger.info("reply deleted", extra={"reply_id": str(key)})
    return reply


def get_reply(reply_id: UUID | str) -> Reply:
    """Return a reply, deleted or not.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    reply = find_reply(reply_id)
    if reply is None:
        raise NotFoundError(ENTITY, reply_id)
    return reply


def find_reply(reply_id: UUID | str) -> Reply | None:
    """Return a reply, deleted or not, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(reply_id, "reply_id"))


def list_replies(
    *,
    decision_id: UUID | str | None = None,
    platform: str | None = None,
    approval_status: str | None = None,
    posted_from: dt.datetime | None = None,
    posted_before: dt.datetime | None = None,
    include_deleted: bool = False,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Reply]:
    """Return a page of replies, newest first.

    Args:
        decision_id: only from this decision.
        platform: only on this platform.
        approval_status: only with this status, one of ``APPROVAL_STATUSES``.
        posted_from: only posted at this instant or later.
        posted_before: only posted before this instant.
        include_deleted: whether deleted ones count too.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import reply_schemas

    given = {
        "decision_id": decision_id,
        "platform": platform,
        "approval_status": approval_status,
        "posted_from": posted_from,
        "posted_before": posted_before,
        "include_deleted": include_deleted,
        "limit": limit,
        "after": after,
    }
    where: dict[str, Any] = {
        "decision_id": Reply.decision.__eq__,
        "platform": Reply.platform.__eq__,
        "approval_status": Reply.approval_status.__eq__,
        "posted_from": Reply.posted_at.__ge__,
        "posted_before": Reply.posted_at.__lt__,
    }
    if include_deleted is not True:
        where["include_deleted"] = lambda _: Reply.deleted_at.is_null()
    return list_page(Reply, reply_schemas.ReplyFilters, what="list of replies", given=given, where=where)
