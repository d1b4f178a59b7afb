"""Sessions: logins that last until they expire or are ended."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, NamedTuple
from uuid import UUID

from datapkg.accounts.models import Session, User
from datapkg.accounts.owners import USED_EVERY, insert_owned, list_owned
from datapkg.accounts.secret_texts import digest, new_secret
from datapkg.accounts.users import find_user
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.instants import as_instant, later
from datapkg.kit.keys import as_id
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement

__all__ = [
    "StartedSession",
    "authenticate_session",
    "delete_session",
    "end_session",
    "end_sessions_for_user",
    "find_session",
    "get_session",
    "list_sessions_for_user",
    "start_session",
]

logger = logging.getLogger(__name__)

_TTL = dt.timedelta(days=14)

_by_id: Statement[Session] = Statement(lambda _: Session.select().where(Session.id == Param("id")), model=Session)
_by_digest: Statement[Session] = Statement(
    lambda _: Session.select().where(Session.token_hash == Param("digest")), model=Session
)


class StartedSession(NamedTuple):
    """A fresh session and its token, which cannot be had again.

    Attributes:
        row: the stored session.
        token: what the browser or program sends with each request; never in the repr.
    """

    row: Session
    token: str

    def __repr__(self) -> str:
        return f"StartedSession(row={self.row!r}, token=<hidden>)"


def start_session(user_id: UUID | str, *, ttl: dt.timedelta = _TTL, now: dt.datetime | None = None) -> StartedSession:
    """Log a user in; whether they may is the caller's to have checked.

    Args:
        user_id: whom.
        ttl: how long the session lasts at the most, by default 14 days.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such user.
        ValidationError: the key is not a UUID, or the span is not positive.

    Example:
        >>> session, token = start_session(user.id)  # doctest: +SKIP
    """
    moment = as_instant(now)
    token = new_secret()
    row = insert_owned(
        Session,
        {
            "user": as_id(user_id, "user_id"),
            "token_hash": digest(token),
            "expires_at": later(moment, ttl, "ttl"),
            "last_seen_at": moment,
        },
    )
    logger.info("session started", extra={"session_id": str(row.id)})
    return StartedSession(row, token)


def authenticate_session(token: str, *, now: dt.datetime | None = None) -> User | None:
    """Return the user whose session this is, or None: unknown, expired, ended and malformed all look alike.

    Notes the use, to the minute.

    Args:
        token: what was sent.
        now: the present, for tests.
    """
    moment = as_instant(now)
    # Looked up by its hash, so the time a comparison takes says nothing about the token.
    row = _by_digest.one(digest=digest(token if isinstance(token, str) else ""))
    if row is None or row.revoked_at is not None or row.expires_at <= moment:
        return None
    if moment - row.last_seen_at >= USED_EVERY:
        run_in_transaction(Session.update(last_seen_at=moment).where(Session.id == row.id).execute)()
    return find_user(row.user_id)


def end_session(session: UUID | str, *, now: dt.datetime | None = None) -> Session:
    """Log out; a session that was ended already keeps its time.

    Args:
        session: the session's token, or its id.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such session.
    """
    moment = as_instant(now)
    row = _by_digest.one(digest=digest(str(session))) if _is_token(session) else find_session(session)
    if row is None:
        # The token stays out of the message.
        raise NotFoundError("session", "with this token" if _is_token(session) else session)
    _end(Session.id == row.id, moment)
    return get_session(row.id)


def _is_token(session: UUID | str) -> bool:
    return isinstance(session, str) and len(session) == 64


def end_sessions_for_user(user_id: UUID | str, *, now: dt.datetime | None = None) -> int:
    """Log a user out everywhere, as after a stolen password; return how many sessions ended.

    Args:
        user_id: whom.
        now: the present, for tests.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _end(Session.user == as_id(user_id, "user_id"), as_instant(now))


def _end(which: Any, moment: dt.datetime) -> int:
    going_on = which & Session.revoked_at.is_null()
    ended: int = run_in_transaction(Session.update(revoked_at=moment).where(going_on).execute)()
    logger.info("sessions ended", extra={"sessions": ended})
    return ended


def get_session(session_id: UUID | str) -> Session:
    """Return a session, going on or not.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    row = find_session(session_id)
    if row is None:
        raise NotFoundError("session", session_id)
    return row


def find_session(session_id: UUID | str) -> Session | None:
    """Return a session, or None.

    Raises:
        ValidationError: the id is not a UUID.
    """
    return _by_id.one(id=str(as_id(session_id, "session_id")))


def list_sessions_for_user(user_id: UUID | str, *, limit: int = 50, after: UUID | str | None = None) -> Rows[Session]:
    """Return a page of a user's sessions, newest first, the ended ones too.

    Args:
        user_id: whose.
        limit: rows at the most, 1 to 1,000.
        after: the id of the last row of the page before.

    Raises:
        ValidationError: an argument is not valid.
    """
    return list_owned(Session, user_id, limit=limit, after=after)


def delete_session(session_id: UUID | str) -> None:
    """Delete a session; ending it keeps the record that it was there.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    delete_row(Session, as_id(session_id, "session_id"), entity="session")
