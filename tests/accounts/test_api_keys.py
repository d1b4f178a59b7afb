"""API keys: the secret is shown once, and one path decides who gets in."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import Any

import pytest

from datapkg import accounts
from datapkg.accounts import User
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError

NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
HASH = "a" * 64


def test_an_issued_key_gets_its_user_in(ann: User, ben: User) -> None:
    """The secret authenticates its own user, and only its hash is stored."""
    row, secret = accounts.issue_api_key(ann.id, name="export")
    assert accounts.authenticate_api_key(secret) == ann
    stored = accounts.get_api_key(row.id)
    assert (stored.name, stored.user_id, stored.expires_at, stored.revoked_at) == ("export", ann.id, None, None)
    assert stored.key_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(stored.prefix + "_")
    assert accounts.authenticate_api_key(accounts.issue_api_key(str(ben.id), name="export").secret) == ben


def test_secrets_hold_enough_chance(ann: User) -> None:
    """The random part has 256 bits, no two secrets or prefixes are alike."""
    issued = [accounts.issue_api_key(ann.id, name="k") for _ in range(20)]
    assert len({key.secret for key in issued}) == len({key.row.prefix for key in issued}) == 20
    random_parts = [key.secret.removeprefix(f"{key.row.prefix}_") for key in issued]
    assert {len(bytes.fromhex(part)) for part in random_parts} == {32}
    assert len(set(random_parts)) == 20


def test_anything_wrong_gets_nobody_in(ann: User) -> None:
    """Wrong, cut, lengthened, empty, malformed or no text at all: None, and never an error."""
    row, secret = accounts.issue_api_key(ann.id, name="k")
    wrong: list[Any] = [
        "",
        "_",
        "x",
        row.prefix,
        f"{row.prefix}_",
        secret[:-1],
        secret + "0",
        f" {secret}",
        secret.upper(),
        f"{row.prefix}_{'0' * 64}",
        f"dpk_{'0' * 16}_{secret.rpartition('_')[2]}",
        f"{row.prefix}_{row.key_hash}",
        "a\0b_c",
        "\ud800_x",
        "é_x",
        "x" * 100_000,
        None,
        7,
        secret.encode(),
    ]
    assert [accounts.authenticate_api_key(each) for each in wrong] == [None] * len(wrong)
    assert accounts.authenticate_api_key(secret) == ann


def test_a_key_ends_at_its_time(ann: User) -> None:
    """Valid until the very instant, and never again."""
    secret = accounts.issue_api_key(ann.id, name="k", expires_at=NOON).secret
    assert accounts.authenticate_api_key(secret, now=NOON - SECOND) == ann
    assert accounts.authenticate_api_key(secret, now=NOON) is None
    assert accounts.authenticate_api_key(secret, now=NOON + SECOND) is None
    past = accounts.issue_api_key(ann.id, name="k", expires_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert accounts.authenticate_api_key(past.secret) is None


def test_a_revoked_key_is_out(ann: User) -> None:
    """At once and for good; revoking again keeps the first time, and other keys go on."""
    (row, secret), other = accounts.issue_api_key(ann.id, name="k"), accounts.issue_api_key(ann.id, name="l")
    assert accounts.revoke_api_key(row.id, now=NOON).revoked_at == NOON
    assert accounts.authenticate_api_key(secret) is None
    assert accounts.authenticate_api_key(secret, now=NOON - SECOND) is None
    assert accounts.revoke_api_key(str(row.id), now=NOON + SECOND).revoked_at == NOON
    assert accounts.authenticate_api_key(other.secret) == ann
    with pytest.raises(NotFoundError):
        accounts.revoke_api_key(uuid.uuid4())


def test_the_last_use_is_noted_to_the_minute(ann: User) -> None:
    """The first use and every use a minute later is written, those between are not, nor a use that failed."""
    row, secret = accounts.issue_api_key(ann.id, name="k")

    def last_use_after(now: dt.datetime, sent: str = secret) -> dt.datetime | None:
        accounts.authenticate_api_key(sent, now=now)
        last: dt.datetime | None = accounts.get_api_key(row.id).last_used_at
        return last

    assert last_use_after(NOON, sent=secret[:-1]) is None
    assert last_use_after(NOON) == NOON
    assert last_use_after(NOON + 59 * SECOND) == NOON
    assert last_use_after(NOON + 60 * SECOND, sent=secret[:-1]) == NOON
    assert last_use_after(NOON + 60 * SECOND) == NOON + 60 * SECOND


def test_a_refusal_costs_the_same_for_every_key(ann: User, db: KitDatabase) -> None:
    """Unknown, wrong, malformed, expired and revoked keys all take one and the same query."""
    row, secret = accounts.issue_api_key(ann.id, name="k")
    revoked = accounts.issue_api_key(ann.id, name="k")
    accounts.revoke_api_key(revoked.row.id)
    expired = accounts.issue_api_key(ann.id, name="k", expires_at=NOON)
    asked: list[str] = []
    db.query_hooks.append(lambda event: asked.append(event.sql))
    try:
        for sent in (f"{row.prefix}_x", "dpk_unknown_x", "", "\0", revoked.secret, expired.secret):
            asked.clear()
            assert accounts.authenticate_api_key(sent, now=NOON) is None
            selects = [sql for sql in asked if sql.startswith("SELECT")]
            assert len(selects) == 1
            assert "api_keys" in selects[0]
            assert not any(sql.startswith("UPDATE") for sql in asked)
    finally:
        db.query_hooks.pop()
    assert accounts.authenticate_api_key(secret) == ann


def test_a_key_made_elsewhere_gets_in(ann: User) -> None:
    """Given prefix and SHA-256, a secret that this package never saw authenticates; any other hash does not."""
    secret = "vr_live_ab12_s3cret"
    made = accounts.create_api_key(
        ann.id, name="old", key_hash=hashlib.sha256(secret.encode()).hexdigest(), prefix="vr_live_ab12"
    )
    assert accounts.find_api_key_by_prefix("vr_live_ab12") == made
    assert accounts.authenticate_api_key(secret) == ann
    accounts.create_api_key(ann.id, name="odd", key_hash="not a hash", prefix="odd")
    assert accounts.authenticate_api_key("odd_not a hash") is None


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("user_id", "x", None),
        ("name", "", "x"),
        ("name", "x" * 201, "x" * 200),
        ("name", "a\0", "a"),
        ("key_hash", "", "x"),
        ("key_hash", "x" * 129, "x" * 128),
        ("prefix", "", "x"),
        ("prefix", "x" * 33, "x" * 32),
        ("prefix", "a b", "a-b"),
        ("prefix", "a\n", "a_b"),
        ("expires_at", dt.datetime(2030, 1, 1), NOON),
        ("expires_at", "soon", "2030-01-01T12:00:00Z"),
    ],
)
def test_arguments_are_checked(ann: User, field: str, refused: object, accepted: object) -> None:
    """A bad argument is named and nothing is written; its near miss is taken."""
    arguments = {"user_id": ann.id, "name": "k", "key_hash": HASH, "prefix": "p"}
    with pytest.raises(ValidationError) as caught:
        accounts.create_api_key(**{**arguments, field: refused})  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == {field}
    assert accounts.list_api_keys_for_user(ann.id) == []
    change = {} if accepted is None else {field: accepted}
    accounts.create_api_key(**{**arguments, **change})  # type: ignore[arg-type]  # these are right
    assert len(accounts.list_api_keys_for_user(ann.id)) == 1


def test_issuing_is_checked_too(ann: User) -> None:
    """Two bad arguments are told at once, and an unknown user is a missing one."""
    with pytest.raises(ValidationError) as caught:
        accounts.issue_api_key(ann.id, name="", expires_at=dt.datetime(2030, 1, 1))
    assert set(caught.value.errors) == {"name", "expires_at"}
    with pytest.raises(NotFoundError) as missing:
        accounts.issue_api_key(uuid.uuid4(), name="k")
    assert missing.value.entity == "user"
    assert accounts.list_api_keys_for_user(ann.id) == []


def test_a_prefix_is_there_once(ann: User, ben: User) -> None:
    """A second key of one prefix is refused, another's too; neither prefix nor hash is in the error."""
    accounts.create_api_key(ann.id, name="k", key_hash=HASH, prefix="pre")
    with pytest.raises(ConflictError) as caught:
        accounts.create_api_key(ben.id, name="l", key_hash=HASH, prefix="pre")
    assert caught.value.constraint == "uq_api_keys_prefix"
    assert HASH not in str(caught.value.as_dict())
    accounts.create_api_key(ben.id, name="l", key_hash=HASH, prefix="Pre")


def test_keys_are_found_listed_and_deleted(ann: User, ben: User) -> None:
    """By id, by prefix, and newest first in pages of one user's; a deleted key is out."""
    keys = [accounts.issue_api_key(ann.id, name=f"k{number}") for number in range(3)]
    accounts.issue_api_key(ben.id, name="other")
    first = accounts.list_api_keys_for_user(str(ann.id), limit=2)
    assert [row.name for row in first] == ["k2", "k1"]
    assert [row.name for row in accounts.list_api_keys_for_user(ann.id, after=first[-1].id)] == ["k0"]
    assert accounts.find_api_key_by_prefix(keys[0].row.prefix) == keys[0].row
    assert accounts.find_api_key_by_prefix("nothing") is None
    accounts.delete_api_key(keys[0].row.id)
    assert accounts.authenticate_api_key(keys[0].secret) is None
    assert accounts.find_api_key(keys[0].row.id) is None
    for missing in (accounts.get_api_key, accounts.delete_api_key, accounts.revoke_api_key):
        with pytest.raises(NotFoundError):
            missing(keys[0].row.id)
        with pytest.raises(ValidationError):
            missing("x")


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1001}, {"after": "x"}, {"user_id": "x"}])
def test_bad_pages_are_refused(ann: User, bad: dict[str, object]) -> None:
    """A limit out of range or a malformed key is a validation error, for keys and sessions alike."""
    for listing in (accounts.list_api_keys_for_user, accounts.list_sessions_for_user):
        with pytest.raises(ValidationError) as caught:
            listing(**{"user_id": ann.id, **bad})  # type: ignore[arg-type]  # on purpose
        assert set(caught.value.errors) == set(bad)
        assert listing(ann.id, limit=1) == listing(ann.id, limit=1000) == []


def test_a_prefix_that_is_no_text_is_refused(db: KitDatabase) -> None:
    """Looking it up is the caller's mistake."""
    for prefix in (None, 7, "a\0"):
        with pytest.raises(ValidationError):
            accounts.find_api_key_by_prefix(prefix)  # type: ignore[arg-type]  # on purpose


def test_a_naive_clock_is_refused(ann: User) -> None:
    """The injected present needs a time zone like every other instant."""
    row, secret = accounts.issue_api_key(ann.id, name="k")
    naive = dt.datetime(2030, 1, 1)
    for use in (
        lambda: accounts.authenticate_api_key(secret, now=naive),
        lambda: accounts.revoke_api_key(row.id, now=naive),
    ):
        with pytest.raises(ValidationError) as caught:
            use()
        assert set(caught.value.errors) == {"now"}
