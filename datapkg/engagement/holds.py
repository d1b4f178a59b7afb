"""Legal holds: what must be neither archived nor erased for as long as somebody says so."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from datapkg import audit
from datapkg.engagement.held import locked_post
from datapkg.engagement.locking import actor_text, locked, not_before
from datapkg.engagement.models import Author
from datapkg.engagement.oversight_models import LegalHold
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["find_hold", "get_hold", "list_holds", "place_hold", "release_hold"]

logger = logging.getLogger(__name__)

ENTITY = "legal hold"
AUDITED = "legal_hold"

_by_id: Statement[LegalHold] = Statement(
    lambda _: LegalHold.select().where(LegalHold.id == Param("id")), model=LegalHold
)


def place_hold(
    *,
    post_id: UUID | str | None = None,
    author_id: UUID | str | None = None,
    reason: str,
    placed_by: UUID | str,
) -> LegalHold:
    """Keep a post, or an author with everything of theirs, from being archived or erased, and record who said so.

    One thing may be held several times; it is free when every hold has been released.

    Args:
        post_id: the post; or
        author_id: the author.
        reason: why, 1 to 1,000 characters.
        placed_by: who says so, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is no such post or author.
        ValidationError: with every complaint; both or none of the two are given.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {"post_id": post_id, "author_id": author_id, "reason": reason, "placed_by": actor_text(placed_by)}
    given: dict[str, Any] = load(oversight_schemas.NewHold, told, what=ENTITY)

    @run_in_transaction
    def place() -> LegalHold:
        # Whoever erases a person locks the author's row first: either they see this hold, or this waits for them.
        if given["author_id"] is None:
            locked_post(given["post_id"], refuse=False)
        else:
            locked(Author, given["author_id"], entity="author")
        made = clock()
        row = {
            "post": given["post_id"],
            "author": given["author_id"],
            "reason": given["reason"],
            "placed_by": given["placed_by"],
            "created_at": made,
            "updated_at": made,
        }
        hold = insert(LegalHold, row)
        details = _about(hold)
        audit.record(AUDITED, entity_id=hold.id, action="place_hold", actor=given["placed_by"], details=details)
        return hold

    hold = place()
    logger.info("legal hold placed", extra={"hold_id": str(hold.id)})
    return hold


def _about(hold: LegalHold) -> dict[str, object]:
    # Not the reason, which may name people: it stands in the row.
    keys = {"post_id": hold.post_id, "author_id": hold.author_id}
    return {name: str(key) for name, key in keys.items() if key is not None}


def release_hold(hold_id: UUID | str, *, released_by: UUID | str, now: dt.datetime | None = None) -> LegalHold:
    """End a hold, once, and record who did it; the row stays.

    Args:
        hold_id: which.
        released_by: who says so, 1 to 200 characters: a user's key, or a name.
        now: the present, for tests; a hold never ends before it was placed, whatever the clock says.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it was released already.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {"hold_id": hold_id, "released_by": actor_text(released_by)}
    given: dict[str, Any] = load(oversight_schemas.HoldRelease, told, what="release of a legal hold")
    moment = as_instant(now)
    key, who = given["hold_id"], given["released_by"]

    @run_in_transaction
    def release() -> LegalHold:
        hold = locked(LegalHold, key, entity=ENTITY)
        if hold.released_at is not None:
            raise InvalidTransitionError(
                f"The legal hold {key} was released by {hold.released_by} already.",
                fix="Place another one if it is needed again.",
                hold_id=str(key),
            )
        ended = not_before(moment, hold.created_at)
        LegalHold.update(released_at=ended, released_by=who).where(LegalHold.id == key).execute()
        audit.record(AUDITED, entity_id=key, action="release_hold", actor=who, details=_about(hold))
        return get_hold(key)

    hold = release()
    logger.info("legal hold released", extra={"hold_id": str(key)})
    return hold


def get_hold(hold_id: UUID | str) -> LegalHold:
    """Return a hold, released or not.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    hold = find_hold(hold_id)
    if hold is None:
        raise NotFoundError(ENTITY, hold_id)
    return hold


def find_hold(hold_id: UUID | str) -> LegalHold | None:
    """Return a hold, released or not, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(hold_id, "hold_id"))


def list_holds(
    *,
    active: bool | None = None,
    post_id: UUID | str | None = None,
    author_id: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[LegalHold]:
    """Return a page of holds, newest first.

    Args:
        active: only those that hold, or only those that were released.
        post_id: only on this post itself.
        author_id: only on this author.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import oversight_schemas

    given = {"active": active, "post_id": post_id, "author_id": author_id, "limit": limit, "after": after}
    where = {
        "active": LegalHold.released_at.is_null,
        "post_id": LegalHold.post.__eq__,
        "author_id": LegalHold.author.__eq__,
    }
    return list_page(LegalHold, oversight_schemas.HoldFilters, what="list of legal holds", given=given, where=where)
