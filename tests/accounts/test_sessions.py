"""Sessions: they last until they expire or are ended."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import Any

import pytest

from datapkg import accounts
from datapkg.accounts import User
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import NotFoundError, ValidationError

NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)


def test_a_session_knows_its_user(ann: User, ben: User) -> None:
    """The token authenticates its own user; only its hash is stored."""
    row, token = accounts.start_session(ann.id)
    other = accounts.start_session(str(ben.id))
    assert accounts.authenticate_session(token) == ann
    assert accounts.authenticate_session(other.token) == ben
    assert len(bytes.fromhex(token)) == 32
    assert accounts.get_session(row.id).token_hash == hashlib.sha256(token.encode()).hexdigest()


def test_a_session_lasts_as_long_as_said(ann: User) -> None:
    """Two weeks by default, else its own span; valid up to the last microsecond."""
    row, token = accounts.start_session(ann.id, ttl=HOUR, now=NOON)
    assert (row.expires_at, row.last_seen_at) == (NOON + HOUR, NOON)
    assert accounts.authenticate_session(token, now=NOON + HOUR - TICK) == ann
    assert accounts.authenticate_session(token, now=NOON + HOUR) is None
    assert accounts.start_session(ann.id, now=NOON).row.expires_at == NOON + dt.timedelta(days=14)


def test_a_session_is_ended_by_token_or_id(ann: User) -> None:
    """It is out at once, others go on, and ending again keeps the first time."""
    first, second, third = (accounts.start_session(ann.id) for _ in range(3))
    assert accounts.end_session(first.token, now=NOON).revoked_at == NOON
    assert accounts.end_session(second.row.id, now=NOON).revoked_at == NOON
    assert accounts.end_session(str(first.row.id), now=NOON + HOUR).revoked_at == NOON
    assert accounts.authenticate_session(first.token) is accounts.authenticate_session(second.token) is None
    assert accounts.authenticate_session(third.token) == ann


def test_ending_what_is_not_there_is_told_without_the_token(ann: User) -> None:
    """An unknown token or id is an error that does not repeat the token."""
    unknown = "ab" * 32
    with pytest.raises(NotFoundError) as caught:
        accounts.end_session(unknown)
    assert unknown not in str(caught.value.as_dict())
    with pytest.raises(NotFoundError):
        accounts.end_session(uuid.uuid4())
    with pytest.raises(ValidationError):
        accounts.end_session("x")


def test_everywhere_at_once(ann: User, ben: User) -> None:
    """All of a user's sessions end, those of others go on; those ended already do not count."""
    sessions = [accounts.start_session(ann.id) for _ in range(3)]
    other = accounts.start_session(ben.id)
    accounts.end_session(sessions[0].token)
    assert accounts.end_sessions_for_user(ann.id) == 2
    assert accounts.end_sessions_for_user(ann.id) == 0
    assert [accounts.authenticate_session(each.token) for each in sessions] == [None] * 3
    assert accounts.authenticate_session(other.token) == ben


def test_the_last_use_is_noted_to_the_minute(ann: User) -> None:
    """A use within the minute is not written, one after it is, one of an ended session is not."""
    row, token = accounts.start_session(ann.id, now=NOON)

    def seen_after(now: dt.datetime) -> dt.datetime:
        accounts.authenticate_session(token, now=now)
        seen: dt.datetime = accounts.get_session(row.id).last_seen_at
        return seen

    assert seen_after(NOON + dt.timedelta(seconds=59)) == NOON
    assert seen_after(NOON + dt.timedelta(seconds=60)) == NOON + dt.timedelta(seconds=60)
    accounts.end_session(token)
    assert seen_after(NOON + HOUR) == NOON + dt.timedelta(seconds=60)


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "a\0", "\ud800", "é" * 9999, None, 7, b"x"])
def test_anything_else_is_no_session(ann: User, token: Any) -> None:
    """Malformed or no text at all: None, and never an error; the stored hash is no token either."""
    row, _ = accounts.start_session(ann.id)
    assert accounts.authenticate_session(token) is None
    assert accounts.authenticate_session(row.token_hash) is None


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("ttl", dt.timedelta(0), TICK),
        ("ttl", 3600, HOUR),
        ("ttl", dt.timedelta.max, HOUR),
        ("now", dt.datetime(2030, 1, 1), NOON),
        ("now", dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(-HOUR)), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_arguments_are_checked(ann: User, field: str, refused: Any, accepted: Any) -> None:
    """A bad argument is named and no session starts; its near miss is taken."""
    with pytest.raises(ValidationError) as caught:
        accounts.start_session(ann.id, **{field: refused})
    assert set(caught.value.errors) == {field}
    assert accounts.list_sessions_for_user(ann.id) == []
    accounts.start_session(ann.id, **{field: accepted})
    assert len(accounts.list_sessions_for_user(ann.id)) == 1


def test_nobody_cannot_start_one(db: KitDatabase) -> None:
    """An unknown user is a missing one, a malformed key a validation error."""
    with pytest.raises(NotFoundError) as caught:
        accounts.start_session(uuid.uuid4())
    assert caught.value.entity == "user"
    with pytest.raises(ValidationError):
        accounts.start_session("x")
    with pytest.raises(ValidationError):
        accounts.end_sessions_for_user("x")


def test_sessions_are_listed_and_deleted(ann: User, ben: User) -> None:
    """Newest first in pages of one user's; a deleted one is out."""
    started = [accounts.start_session(ann.id) for _ in range(3)]
    accounts.start_session(ben.id)
    page = accounts.list_sessions_for_user(ann.id, limit=2)
    assert page == [started[2].row, started[1].row]
    assert accounts.list_sessions_for_user(ann.id, after=page[-1].id) == [started[0].row]
    accounts.delete_session(started[0].row.id)
    assert accounts.authenticate_session(started[0].token) is None
    assert accounts.find_session(started[0].row.id) is None
    for missing in (accounts.get_session, accounts.delete_session):
        with pytest.raises(NotFoundError):
            missing(started[0].row.id)
        with pytest.raises(ValidationError):
            missing("x")
