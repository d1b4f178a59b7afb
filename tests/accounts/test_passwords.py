"""Passwords: who gets in, what a hash costs, and that nobody learns from a refusal."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

import argon2
import pytest

from datapkg import accounts
from datapkg.accounts import User, passwords
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConfigurationError, NotFoundError, ValidationError

GOOD = "correct horse"


@pytest.fixture
def cam(db: KitDatabase) -> User:
    """A user with a password."""
    return accounts.create_user("cam@example.com", password=GOOD)


def stored(user: User) -> str:
    """The hash in the database."""
    return str(accounts.get_user(user.id).password_hash)


def test_the_right_password_gets_in(cam: User) -> None:
    """By key, by the key's text, and by address in whatever case."""
    for who in (cam.id, str(cam.id), "cam@example.com", " CAM@Example.com "):
        assert accounts.verify_password(who, password=GOOD) is True
        assert accounts.verify_password(who, password="wrong horse") is False


@pytest.mark.parametrize(
    "wrong", ["", "correct hors", "correct horse ", "Correct horse", "x" * 1025, "\x01", GOOD * 200]
)
def test_no_other_password_does(cam: User, wrong: str) -> None:
    """Neither a part nor more of it, nor one too long to be anybody's."""
    assert accounts.verify_password(cam.id, password=wrong) is False


def test_nobody_gets_in_as_nobody(cam: User, ann: User) -> None:
    """Unknown users and users without a password are refused like a wrong password, without an error."""
    for who in (uuid.uuid4(), "nobody@example.com", "not@an@address", ann.id, ann.email):
        for password in ("", GOOD):
            assert accounts.verify_password(who, password=password) is False


def test_what_cannot_be_a_login_is_told(cam: User) -> None:
    """A key that is neither a UUID nor an address, or a password that is no text, is the caller's mistake."""
    for who in ("cam", "", None, 7):
        with pytest.raises(ValidationError) as caught:
            accounts.verify_password(who, password=GOOD)  # type: ignore[arg-type]  # on purpose
        assert set(caught.value.errors) == {"user_id"}
    for password in (None, 7, b"correct horse", "a\0", "\ud800"):
        with pytest.raises(ValidationError) as caught:
            accounts.verify_password(cam.id, password=password)  # type: ignore[arg-type]  # on purpose
        assert set(caught.value.errors) == {"password"}


def test_an_accent_is_the_same_from_every_keyboard(db: KitDatabase) -> None:
    """One letter with an accent, or a letter and an accent: one password."""
    user = accounts.create_user("jo@example.com", password="cafe\u0301 au lait")
    assert accounts.verify_password(user.id, password="caf\u00e9 au lait")
    assert not accounts.verify_password(user.id, password="cafe au lait")


def test_a_new_password_takes_the_old_ones_place(cam: User, ann: User) -> None:
    """After set_password only the new one gets in; a user without one gets one."""
    accounts.set_password(cam.id, password="battery staple")
    assert accounts.verify_password(cam.id, password="battery staple")
    assert not accounts.verify_password(cam.id, password=GOOD)
    accounts.set_password(str(ann.id), password=GOOD)
    assert accounts.verify_password(ann.id, password=GOOD)


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [
        ("x" * 7, "x" * 8),
        ("x" * 1025, "x" * 1024),
        ("1234567\0", "12345678"),
        (None, "None none"),
        (12345678, "12345678"),
    ],
)
def test_new_passwords_are_checked(cam: User, refused: object, accepted: str) -> None:
    """One too short, too long or no text is refused and the old one stays; its near miss is taken."""
    with pytest.raises(ValidationError) as caught:
        accounts.set_password(cam.id, password=refused)  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == {"password"}
    assert accounts.verify_password(cam.id, password=GOOD)
    accounts.set_password(cam.id, password=accepted)
    assert accounts.verify_password(cam.id, password=accepted)


def test_setting_nobodys_password_is_told(db: KitDatabase) -> None:
    """A user who is not there is an error, and so is a malformed key."""
    with pytest.raises(NotFoundError):
        accounts.set_password(uuid.uuid4(), password=GOOD)
    with pytest.raises(ValidationError):
        accounts.set_password("x", password=GOOD)


# Hashes ---------------------------------------------------------------------------------------------------------------


def test_the_standard_profile_is_owasps(db: KitDatabase) -> None:
    """Without a word from anybody, a hash is Argon2id with 19 MiB, two passes and one lane."""
    passwords.use_profile("standard")
    user = accounts.create_user("real@example.com", password=GOOD)
    assert stored(user).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert accounts.verify_password(user.id, password=GOOD)


def test_one_password_gives_different_hashes(cam: User) -> None:
    """The salt is random, so equal passwords cannot be told from their hashes."""
    assert stored(accounts.create_user("dan@example.com", password=GOOD)) != stored(cam)


def test_profiles_are_chosen_by_name_alone() -> None:
    """An unknown name is refused, and the one before comes back to be put back."""
    with pytest.raises(ConfigurationError):
        passwords.use_profile("cheapest")
    assert passwords.use_profile("standard") == "cheap"
    assert passwords.use_profile("cheap") == "standard"


def test_a_hash_is_renewed_when_the_parameters_change(cam: User) -> None:
    """The next login with the right password renews it; a wrong one does not, nor does a login after that."""
    old = stored(cam)
    passwords.use_profile("standard")
    assert not accounts.verify_password(cam.id, password="wrong horse")
    assert stored(cam) == old
    assert accounts.verify_password(cam.id, password=GOOD)
    renewed = stored(cam)
    assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert accounts.verify_password(cam.id, password=GOOD)
    assert stored(cam) == renewed


def test_a_hash_made_elsewhere_gets_in_and_is_renewed(db: KitDatabase) -> None:
    """Another kind of Argon2 with other parameters is checked by its own, then replaced by ours."""
    foreign = argon2.PasswordHasher(time_cost=1, memory_cost=16, parallelism=2, type=argon2.Type.I).hash(GOOD)
    user = accounts.create_user("eve@example.com", password_hash=foreign)
    assert stored(user) == foreign
    assert accounts.verify_password(user.id, password=GOOD)
    assert stored(user).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert accounts.verify_password(user.id, password=GOOD)


@pytest.mark.parametrize("junk", ["x", GOOD, "$2b$12$abc", "$argon2id$v=19$m=8,t=1,p=1$", "$argon2id$", "é"])
def test_a_hash_that_is_none_lets_nobody_in(db: KitDatabase, junk: str) -> None:
    """Not even who offers the stored text itself; and it is no error."""
    user = accounts.create_user("fay@example.com", password_hash=junk)
    for password in (junk, GOOD, ""):
        assert accounts.verify_password(user.id, password=password) is False
    assert stored(user) == junk


def test_a_refusal_costs_the_same_for_everybody(cam: User, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known or unknown, with a password or without: one real check with the same parameters."""
    checked: list[argon2.Parameters] = []
    real = argon2.PasswordHasher.verify

    def watched(self: argon2.PasswordHasher, hash: str, password: str) -> bool:
        checked.append(argon2.extract_parameters(hash))
        return real(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    for who in (cam.id, ann.id, uuid.uuid4(), "cam@example.com", "nobody@example.com"):
        assert not accounts.verify_password(who, password="wrong horse")
    assert not accounts.verify_password(cam.id, password="x" * 5000)
    assert len(checked) == 6
    assert len(set(map(repr, checked))) == 1


@pytest.mark.datapkg_commits
def test_a_renewed_hash_never_undoes_a_new_password(cam: User, at_once: Callable[..., list[object]]) -> None:
    """A login that renews the hash while the password is changed must not bring the old one back."""
    for number in range(5):
        old, new = stored(cam), f"new password {number}"
        password = GOOD if number == 0 else f"new password {number - 1}"
        accounts.set_password(cam.id, password=password)
        passwords.use_profile("standard" if number % 2 == 0 else "cheap")
        results = at_once(
            partial(accounts.verify_password, cam.id, password=password),
            partial(accounts.set_password, cam.id, password=new),
        )
        assert [result for result in results if isinstance(result, Exception)] == []
        assert stored(cam) != old
        assert accounts.verify_password(cam.id, password=new)
        assert not accounts.verify_password(cam.id, password=password)
