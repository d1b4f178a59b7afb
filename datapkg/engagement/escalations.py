"""Escalations: what a person has to look at, who does, and how it ended."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from datapkg import audit
from datapkg.engagement.documents import DECISION_SNAPSHOT
from datapkg.engagement.locking import actor_text, locked, not_before
from datapkg.engagement.models import Decision, Post, Reply
from datapkg.engagement.oversight_models import Escalation
from datapkg.kit.columns import sound
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "assign_escalation",
    "escalate",
    "find_escalation",
    "get_escalation",
    "list_escalations",
    "resolve_escalation",
]

logger = logging.getLogger(__name__)

ENTITY = "escalation"

_CHAIN: dict[str, Any] = {"post_id": Post, "decision_id": Decision, "reply_id": Reply}

_by_id: Statement[Escalation] = Statement(
    lambda _: Escalation.select().where(Escalation.id == Param("id")), model=Escalation
)


def escalate(
    reason: str,
    *,
    post_id: UUID | str | None = None,
    decision_id: UUID | str | None = None,
    reply_id: UUID | str | None = None,
    priority: str = "MEDIUM",
    assigned_to: str | None = None,
    actor: UUID | str,
) -> Escalation:
    """Ask a person to look at a post, a decision or a reply, and record who asked.

    What a reply comes from, and a decision is about, is filled in as far as it is still there. It is ``OPEN``, or
    ``IN_PROGRESS`` if it is assigned at once.

    Args:
        reason: one of ``ESCALATION_REASONS``.
        post_id: the post it is about; or
        decision_id: the decision; or
        reply_id: the reply.
        priority: one of ``ESCALATION_PRIORITIES``.
        assigned_to: who is to look at it, 1 to 200 characters.
        actor: who asks, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is no such post, decision or reply.
        ValidationError: with every complaint: none of the three is given, or they do not belong together.

    Example:
        >>> escalate("MEDICAL", reply_id=reply.id, priority="HIGH", actor="system")  # doctest: +SKIP
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {
        "reason": reason,
        "post_id": post_id,
        "decision_id": decision_id,
        "reply_id": reply_id,
        "priority": priority,
        "assigned_to": assigned_to,
        "actor": actor_text(actor),
    }
    given: dict[str, Any] = load(oversight_schemas.NewEscalation, told, what=ENTITY)

    @run_in_transaction
    def make() -> Escalation:
        chain = _chain(given)
        made = clock()
        row = {
            **{name.removesuffix("_id"): key for name, key in chain.items()},
            "reason": given["reason"],
            "priority": given["priority"],
            "status": _status(given["assigned_to"]),
            "assigned_to": given["assigned_to"],
            "created_at": made,
            "updated_at": made,
        }
        escalation = insert(Escalation, row)
        details = {name: str(key) for name, key in chain.items() if key is not None}
        details |= {"reason": given["reason"], "priority": given["priority"]}
        audit.record(ENTITY, entity_id=escalation.id, action="escalate", actor=given["actor"], details=details)
        return escalation

    escalation = make()
    logger.info("escalated", extra={"escalation_id": str(escalation.id), "reason": given["reason"]})
    return escalation


def _status(assigned_to: str | None) -> str:
    return "OPEN" if assigned_to is None else "IN_PROGRESS"


def _chain(given: dict[str, Any]) -> dict[str, UUID | None]:
    """Return the keys of post, decision and reply, filled in from the end of the chain, locked against deletion."""
    chain = {name: given[name] for name in _CHAIN}
    problems: dict[str, list[str]] = {}
    for name, before in (("reply_id", "decision_id"), ("decision_id", "post_id")):
        row: Any = None if chain[name] is None else _CHAIN[name].select().where(_CHAIN[name].id == chain[name]).first()
        if row is None:
            continue  # the lock below says so, if it matters
        if chain[before] is None:
            chain[before] = getattr(row, before)
        elif chain[before] != getattr(row, before):
            thing, other = name.removesuffix("_id"), before.removesuffix("_id")
            problems[before] = [f"The {thing} {row.id} belongs to another {other}, or to none."]
        if name == "reply_id" and row.decision_id is None and chain["decision_id"] is None:
            _from_snapshot(row, chain, problems)
    # In the order in which deleting a post reaches them, so that neither waits for the other.
    for name, model in _CHAIN.items():
        if chain[name] is not None and not _is_locked(model, chain[name]):
            if given[name] is not None:
                raise NotFoundError(name.removesuffix("_id"), chain[name])
            chain[name] = None  # archived since it was looked up
    if problems:
        raise ValidationError(problems, what=ENTITY)
    return chain


def _from_snapshot(reply: Reply, chain: dict[str, UUID | None], problems: dict[str, list[str]]) -> None:
    """Fill in the post of a reply whose decision is gone, from what the reply keeps of it."""
    post = as_id(sound(DECISION_SNAPSHOT, reply.decision_snapshot)["post_id"], "post_id")
    if chain["post_id"] is None:
        chain["post_id"] = post
    elif chain["post_id"] != post:
        problems["post_id"] = [f"The reply {reply.id} belongs to another post."]


def _is_locked(model: Any, key: UUID) -> bool:
    try:
        locked(model, key, entity="row")
    except NotFoundError:
        return False
    return True


def assign_escalation(escalation_id: UUID | str, *, assigned_to: str | None, actor: UUID | str) -> Escalation:
    """Say who is to look at an escalation, and record who said so; it is then ``IN_PROGRESS``.

    The same person again is no change, and is not recorded.

    Args:
        escalation_id: which.
        assigned_to: who, 1 to 200 characters; None gives it back to everybody, and it is ``OPEN``.
        actor: who says so, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is closed.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {"escalation_id": escalation_id, "assigned_to": assigned_to, "actor": actor_text(actor)}
    given: dict[str, Any] = load(oversight_schemas.Assignment, told, what="assignment of an escalation")
    key, who = given["escalation_id"], given["assigned_to"]

    @run_in_transaction
    def assign() -> Escalation:
        escalation = locked(Escalation, key, entity=ENTITY)
        _refuse_closed(escalation)
        if (escalation.status, escalation.assigned_to) == (_status(who), who):
            return escalation
        Escalation.update(assigned_to=who, status=_status(who)).where(Escalation.id == key).execute()
        details = {"from": escalation.assigned_to, "to": who}
        audit.record(ENTITY, entity_id=key, action="assign_escalation", actor=given["actor"], details=details)
        return get_escalation(key)

    return assign()


def resolve_escalation(
    escalation_id: UUID | str,
    *,
    resolved_by: UUID | str,
    notes: str | None = None,
    dismissed: bool = False,
    now: dt.datetime | None = None,
) -> Escalation:
    """Close an escalation, once, and record who did it.

    Args:
        escalation_id: which.
        resolved_by: who looked at it, 1 to 200 characters: a user's key, or a name.
        notes: how it ended, up to 10,000 characters; kept in the row alone.
        dismissed: whether there was nothing in it: ``DISMISSED`` rather than ``RESOLVED``.
        now: the present, for tests; nothing is closed before it was made, whatever the clock says.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is closed already.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {
        "escalation_id": escalation_id,
        "resolved_by": actor_text(resolved_by),
        "notes": notes,
        "dismissed": dismissed,
    }
    given: dict[str, Any] = load(oversight_schemas.Resolution, told, what="resolution of an escalation")
    moment = as_instant(now)
    key, who = given["escalation_id"], given["resolved_by"]
    status = "DISMISSED" if given["dismissed"] else "RESOLVED"

    @run_in_transaction
    def resolve() -> Escalation:
        escalation = locked(Escalation, key, entity=ENTITY)
        _refuse_closed(escalation)
        Escalation.update(
            status=status,
            resolved_by=who,
            resolution_notes=given["notes"],
            resolved_at=not_before(moment, escalation.created_at),
        ).where(Escalation.id == key).execute()
        audit.record(ENTITY, entity_id=key, action="resolve_escalation", actor=who, details={"status": status})
        return get_escalation(key)

    escalation = resolve()
    logger.info("escalation closed", extra={"escalation_id": str(key), "status": status})
    return escalation


def _refuse_closed(escalation: Escalation) -> None:
    if escalation.resolved_at is not None:
        raise InvalidTransitionError(
            f"The escalation {escalation.id} was {escalation.status.lower()} by {escalation.resolved_by} already.",
            fix="Escalate again if there is more to look at.",
            escalation_id=str(escalation.id),
            status=escalation.status,
        )


def get_escalation(escalation_id: UUID | str) -> Escalation:
    """Return an escalation.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    escalation = find_escalation(escalation_id)
    if escalation is None:
        raise NotFoundError(ENTITY, escalation_id)
    return escalation


def find_escalation(escalation_id: UUID | str) -> Escalation | None:
    """Return an escalation, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(escalation_id, "escalation_id"))


def list_escalations(
    *,
    status: str | None = None,
    priority: str | None = None,
    assigned_to: str | None = None,
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Escalation]:
    """Return a page of escalations, newest first.

    Args:
        status: only with this status, one of ``ESCALATION_STATUSES``.
        priority: only with this priority, one of ``ESCALATION_PRIORITIES``.
        assigned_to: only those that this person is to look at.
        created_from: only made at or after this instant.
        created_before: only made before this instant.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import oversight_schemas

    given = {
        "status": status,
        "priority": priority,
        "assigned_to": assigned_to,
        "created_from": created_from,
        "created_before": created_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "status": Escalation.status.__eq__,
        "priority": Escalation.priority.__eq__,
        "assigned_to": Escalation.assigned_to.__eq__,
        "created_from": Escalation.created_at.__ge__,
        "created_before": Escalation.created_at.__lt__,
    }
    schema = oversight_schemas.EscalationFilters
    return list_page(Escalation, schema, what="list of escalations", given=given, where=where)
