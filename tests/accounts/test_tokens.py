"""Verification tokens: valid once, for a while, and only the newest of an identifier."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from datapkg import accounts
from datapkg.accounts import VerificationToken
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import NotFoundError, ValidationError

NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)
ANN = "ann@example.com"
AtOnce = Callable[..., list[object]]


def issue(identifier: str = ANN, ttl: dt.timedelta = HOUR, **more: Any) -> accounts.IssuedToken:
    """A token for an hour."""
    return accounts.issue_verification_token(identifier, ttl=ttl, **more)


def test_a_token_is_valid_once(db: KitDatabase) -> None:
    """Consuming gives what it was issued for; a second time there is nothing."""
    row, token = issue()
    used = accounts.consume_verification_token(token)
    assert used == row
    assert used is not None
    assert used.identifier == ANN
    assert accounts.consume_verification_token(token) is None
    assert accounts.list_verification_tokens() == []


def test_peeking_does_not_consume(db: KitDatabase) -> None:
    """However often one looks, the token is still good."""
    row, token = issue()
    for _ in range(3):
        assert accounts.peek_verification_token(token) == row
    assert accounts.consume_verification_token(token) == row
    assert accounts.peek_verification_token(token) is None


def test_only_a_hash_is_stored(db: KitDatabase) -> None:
    """The token has 256 random bits, and the database its SHA-256."""
    row, token = issue()
    assert len(bytes.fromhex(token)) == 32
    assert accounts.get_verification_token(row.id).token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert issue("ben@example.com").token != token


def test_an_identifier_must_fit_where_it_is_given(db: KitDatabase) -> None:
    """A token for one address is worth nothing for another, and is not used up by trying."""
    row, token = issue()
    for other in ("ben@example.com", "ANN@example.com", ""):
        assert accounts.peek_verification_token(token, identifier=other) is None
        assert accounts.consume_verification_token(token, identifier=other) is None
    assert accounts.peek_verification_token(token, identifier=ANN) == row
    assert accounts.consume_verification_token(token, identifier=ANN) == row


def test_an_expired_token_is_not_valid(db: KitDatabase) -> None:
    """Valid up to the last microsecond; from its end on neither peeked nor consumed."""
    row, token = issue(now=NOON)
    assert row.expires_at == NOON + HOUR
    for now in (NOON + HOUR, NOON + HOUR + TICK):
        assert accounts.peek_verification_token(token, now=now) is None
        assert accounts.consume_verification_token(token, now=now) is None
    assert accounts.peek_verification_token(token, now=NOON + HOUR - TICK) == row
    assert accounts.consume_verification_token(token, now=NOON + HOUR - TICK) == row


def test_issuing_ends_the_older_ones_of_the_same_identifier(db: KitDatabase) -> None:
    """Only the newest is good; other identifiers keep theirs."""
    first, other, second = issue(), issue("ben@example.com"), issue()
    assert accounts.peek_verification_token(first.token) is None
    assert accounts.peek_verification_token(second.token) == second.row
    assert accounts.peek_verification_token(other.token) == other.row
    assert len(accounts.list_verification_tokens(identifier=ANN)) == 1


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "a\0", "\ud800", "é" * 9999, None, 7, b"x"])
def test_anything_else_is_no_token(db: KitDatabase, token: Any) -> None:
    """Malformed or no text at all: None, and never an error."""
    issued = issue()
    assert accounts.peek_verification_token(token) is None
    assert accounts.consume_verification_token(token, identifier=ANN) is None
    assert accounts.peek_verification_token(issued.row.token_hash) is None
    assert accounts.peek_verification_token(issued.token) == issued.row


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("identifier", "", "x"),
        ("identifier", "x" * 255, "x" * 254),
        ("identifier", "a\0", "a"),
        ("identifier", None, "None"),
        ("ttl", dt.timedelta(0), TICK),
        ("ttl", -HOUR, HOUR),
        ("ttl", 3600, dt.timedelta(seconds=3600)),
        ("ttl", dt.timedelta.max, dt.timedelta(days=365)),
        ("now", dt.datetime(2030, 1, 1), NOON),
        ("now", "2030-01-01", dt.datetime(2030, 1, 1, tzinfo=dt.timezone(HOUR))),
    ],
)
def test_arguments_are_checked(db: KitDatabase, field: str, refused: object, accepted: object) -> None:
    """A bad argument is named and older tokens stay; its near miss is taken."""
    older = issue()
    with pytest.raises(ValidationError) as caught:
        issue(**{field: refused})  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == {field}
    assert accounts.peek_verification_token(older.token) == older.row
    made = issue(**{field: accepted})  # type: ignore[arg-type]  # these are right
    assert accounts.find_verification_token(made.row.id) == made.row


def test_tokens_are_listed_and_deleted(db: KitDatabase) -> None:
    """Newest first, in pages, by identifier; a deleted one is worth nothing."""
    issued = [issue(f"user{number}@example.com") for number in range(3)]
    page = accounts.list_verification_tokens(limit=2)
    assert page == [issued[2].row, issued[1].row]
    assert accounts.list_verification_tokens(after=str(page[-1].id)) == [issued[0].row]
    accounts.delete_verification_token(issued[0].row.id)
    assert accounts.consume_verification_token(issued[0].token) is None
    for missing in (accounts.get_verification_token, accounts.delete_verification_token):
        with pytest.raises(NotFoundError):
            missing(uuid.uuid4())
        with pytest.raises(ValidationError):
            missing("x")
    for bad in ({"limit": 0}, {"limit": 1001}, {"after": "x"}, {"identifier": ""}):
        with pytest.raises(ValidationError):
            accounts.list_verification_tokens(**bad)  # type: ignore[arg-type]  # on purpose


@pytest.mark.datapkg_commits
def test_of_many_at_once_one_consumes(db: KitDatabase, at_once: AtOnce) -> None:
    """Eight threads with one token: it works for exactly one of them."""
    row, token = issue()
    results = at_once(*[partial(accounts.consume_verification_token, token)] * 8)
    assert [result for result in results if result is not None] == [row]


@pytest.mark.datapkg_commits
def test_of_many_issued_at_once_one_stays(db: KitDatabase, at_once: AtOnce) -> None:
    """Six tokens asked for at the same moment: all come, and one of them is good."""
    results = at_once(*[issue] * 6)
    assert all(isinstance(result, accounts.IssuedToken) for result in results)
    good = [each for each in results if accounts.peek_verification_token(each.token)]  # type: ignore[attr-defined]
    assert len(good) == 1
    assert VerificationToken.select().count() == 1
