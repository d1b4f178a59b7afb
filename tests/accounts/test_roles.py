"""Roles: who becomes an administrator, that it is recorded, and that somebody always is one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

import pytest

from datapkg import accounts, audit
from datapkg.accounts import User
from datapkg.kit.database import transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError

AtOnce = Callable[..., list[object]]


@pytest.fixture
def root(db: KitDatabase) -> User:
    """The first administrator."""
    return accounts.bootstrap_admin("root@example.com", password="long enough")


def admins() -> list[User]:
    """Everybody who is an administrator now."""
    return accounts.list_users(role="ADMIN")


def test_the_first_administrator_can_log_in_and_is_recorded(root: User) -> None:
    """Bootstrapping makes one ADMIN with a password, and the log says so."""
    assert (root.role, root.email) == ("ADMIN", "root@example.com")
    assert accounts.verify_password(root.id, password="long enough")
    (entry,) = audit.list_entries()
    assert (entry.entity_type, entry.entity_id, entry.action) == ("user", str(root.id), "bootstrap_admin")
    assert (entry.actor, entry.details["data"]) == ("system", {"from": None, "to": "ADMIN"})


def test_bootstrapping_works_only_while_there_is_none(root: User) -> None:
    """A second attempt is refused, and writes neither user nor entry."""
    with pytest.raises(InvalidTransitionError):
        accounts.bootstrap_admin("eve@example.com", password="long enough")
    assert accounts.list_users() == [root]
    assert len(audit.list_entries()) == 1


def test_plain_users_do_not_stand_in_the_way(ann: User) -> None:
    """With users but no administrator it works, though not with an address that is taken."""
    with pytest.raises(ConflictError) as caught:
        accounts.bootstrap_admin("ANN@example.com", password="long enough")
    assert caught.value.constraint == "uq_users_email"
    assert admins() == audit.list_entries() == []
    root = accounts.bootstrap_admin("root@example.com", password="long enough")
    assert admins() == [root]


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("email", "root", "root@b"),
        ("password", "x" * 7, "x" * 8),
        ("password", None, "x" * 1024),
        ("name", "x" * 201, "x" * 200),
    ],
)
def test_the_first_administrator_is_checked(db: KitDatabase, field: str, refused: object, accepted: object) -> None:
    """A bad argument is named and nobody is made."""
    arguments = {"email": "root@example.com", "password": "long enough"}
    with pytest.raises(ValidationError) as caught:
        accounts.bootstrap_admin(**{**arguments, field: refused})  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == {field}
    assert accounts.list_users() == []
    accounts.bootstrap_admin(**{**arguments, field: accepted})  # type: ignore[arg-type]  # these are right


def test_granting_a_role_is_recorded(root: User, ann: User) -> None:
    """The user has it, and the log says who gave it, to whom, and what it was before."""
    assert accounts.grant_role(str(ann.id), role="ADMIN", actor_id=str(root.id)).role == "ADMIN"
    assert accounts.get_user(ann.id).role == "ADMIN"
    entry = audit.list_entries(action="grant_role")[0]
    assert (entry.entity_id, entry.actor) == (str(ann.id), str(root.id))
    assert entry.details["data"] == {"from": "USER", "to": "ADMIN"}
    accounts.grant_role(root.id, role="USER", actor_id=ann.id)
    assert admins() == [ann]
    assert audit.list_entries(limit=1)[0].details["data"] == {"from": "ADMIN", "to": "USER"}
    assert audit.verify_chain().ok


def test_the_same_role_again_is_no_change(root: User, ann: User) -> None:
    """Nothing happens, so nothing is recorded, not even for the last administrator."""
    before = accounts.get_user(ann.id).updated_at
    assert accounts.grant_role(ann.id, role="USER", actor_id=root.id).role == "USER"
    assert accounts.grant_role(root.id, role="ADMIN", actor_id=root.id).role == "ADMIN"
    assert accounts.get_user(ann.id).updated_at == before
    assert audit.list_entries(action="grant_role") == []


def test_role_and_entry_stand_or_fall_together(root: User, ann: User) -> None:
    """An undone transaction leaves neither the role nor the entry."""
    with pytest.raises(RuntimeError), transaction():
        accounts.grant_role(ann.id, role="ADMIN", actor_id=root.id)
        raise RuntimeError("undone")
    assert admins() == [root]
    assert audit.list_entries(action="grant_role") == []


def test_grants_are_checked(root: User, ann: User) -> None:
    """Unknown roles, malformed keys and users who are not there change nothing."""
    for bad in ({"role": "OWNER"}, {"role": "admin"}, {"role": None}, {"actor_id": "x"}, {"actor_id": None}):
        arguments = {"role": "ADMIN", "actor_id": root.id, **bad}
        with pytest.raises(ValidationError) as caught:
            accounts.grant_role(ann.id, **arguments)  # type: ignore[arg-type]  # on purpose
        assert set(caught.value.errors) == set(bad)
    with pytest.raises(ValidationError) as caught:
        accounts.grant_role("x", role="nobody", actor_id="y")
    assert set(caught.value.errors) == {"user_id", "role", "actor_id"}
    for role in ("ADMIN", "USER"):
        with pytest.raises(NotFoundError):
            accounts.grant_role(uuid.uuid4(), role=role, actor_id=root.id)
        with pytest.raises(NotFoundError):
            accounts.grant_role(ann.id, role=role, actor_id=uuid.uuid4())
    assert admins() == [root]
    assert audit.list_entries(action="grant_role") == []


def test_the_last_administrator_stays(root: User, ann: User) -> None:
    """Neither demoted nor deleted while alone; both once there is another."""
    with pytest.raises(InvalidTransitionError):
        accounts.grant_role(root.id, role="USER", actor_id=ann.id)
    with pytest.raises(InvalidTransitionError) as caught:
        accounts.delete_user(root.id)
    assert caught.value.meta["user_id"] == str(root.id)
    assert admins() == [root]
    accounts.grant_role(ann.id, role="ADMIN", actor_id=root.id)
    accounts.delete_user(root.id)
    assert accounts.list_users() == [ann]
    with pytest.raises(InvalidTransitionError):
        accounts.delete_user(ann.id)


def test_without_any_administrator_users_can_go(ann: User) -> None:
    """The rule keeps the last one; it does not ask for a first."""
    accounts.delete_user(ann.id)
    assert accounts.list_users() == []


# Many at once ---------------------------------------------------------------------------------------------------------


@pytest.mark.datapkg_commits
def test_two_administrators_cannot_leave_at_once(root: User, ann: User, at_once: AtOnce) -> None:
    """Each demoted by the other at the same moment: one succeeds, one is refused, in every one of ten rounds."""
    for _ in range(10):
        for user in (root, ann):
            accounts.grant_role(user.id, role="ADMIN", actor_id=root.id)
        results = at_once(
            partial(accounts.grant_role, root.id, role="USER", actor_id=ann.id),
            partial(accounts.grant_role, ann.id, role="USER", actor_id=root.id),
        )
        assert sorted(type(result).__name__ for result in results) == ["InvalidTransitionError", "User"]
        assert len(admins()) == 1
    assert audit.verify_chain().ok


@pytest.mark.datapkg_commits
def test_one_cannot_be_deleted_while_the_other_is_demoted(root: User, db: KitDatabase, at_once: AtOnce) -> None:
    """Leaving by deletion counts as leaving."""
    for number in range(5):
        (keeper,) = admins()
        other = accounts.create_user(f"other{number}@example.com")
        accounts.grant_role(other.id, role="ADMIN", actor_id=keeper.id)
        results = at_once(
            partial(accounts.delete_user, other.id),
            partial(accounts.grant_role, keeper.id, role="USER", actor_id=keeper.id),
        )
        assert [isinstance(result, InvalidTransitionError) for result in results].count(True) == 1
        assert len(admins()) == 1


@pytest.mark.datapkg_commits
def test_of_many_first_administrators_one_is_made(db: KitDatabase, at_once: AtOnce) -> None:
    """Six attempts at once with six addresses make one administrator and one entry."""
    calls = [partial(accounts.bootstrap_admin, f"root{n}@example.com", password="long enough") for n in range(6)]
    results = at_once(*calls)
    assert sorted(type(result).__name__ for result in results) == ["InvalidTransitionError"] * 5 + ["User"]
    assert len(accounts.list_users()) == len(audit.list_entries()) == 1
