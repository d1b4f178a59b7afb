"""Users: creating, finding, listing and deleting them."""

from __future__ import annotations

import inspect
import uuid

import pytest

from datapkg import accounts, evaluation
from datapkg.accounts import User
from datapkg.accounts.schemas import NewUser
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.schemas import load


def test_a_new_user_is_a_plain_user(db: KitDatabase) -> None:
    """The role is USER, the address is stored in its one spelling, and the row reads back the same."""
    made = accounts.create_user("  Ann@Example.COM ", name="Ann")
    user = accounts.get_user(str(made.id))
    assert (user.email, user.name, user.role, user.password_hash) == ("ann@example.com", "Ann", "USER", None)
    assert user.created_at.utcoffset() is not None
    assert user.created_at == made.created_at
    assert accounts.find_user(made.id) == user


def test_the_role_is_not_among_what_create_user_takes(db: KitDatabase) -> None:
    """Neither the function nor its schema knows it, so nobody becomes an administrator by input."""
    with pytest.raises(TypeError):
        accounts.create_user("ann@example.com", role="ADMIN")  # type: ignore[call-arg]  # on purpose
    with pytest.raises(ValidationError) as caught:
        load(NewUser, {"email": "ann@example.com", "role": "ADMIN"})
    assert caught.value.errors == {"role": ["Unknown field."]}
    assert "role" not in inspect.signature(accounts.create_user).parameters
    assert accounts.list_users() == []


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("email", "ann", "ann@b"),
        ("email", None, "ann@b"),
        ("email", 7, "7@b"),
        ("email", "ann@b\0.com", "ann@b.com"),
        (
            "email",
            f"{'x' * 60}@{'.'.join(['y' * 60] * 3)}.{'z' * 11}",
            f"{'x' * 60}@{'.'.join(['y' * 60] * 3)}.{'z' * 10}",
        ),
        ("name", "x" * 201, "x" * 200),
        ("name", "a\0", ""),
        ("name", "\udc00", "\U0001f600"),
        ("password", "x" * 7, "x" * 8),
        ("password", "x" * 1025, "x" * 1024),
        ("password", "1234567\0", "1234567\x01"),
        ("password", "1234567\ud800", "1234567é"),
        ("password_hash", "", "x"),
        ("password_hash", "x" * 256, "x" * 255),
    ],
)
def test_arguments_are_checked(db: KitDatabase, field: str, refused: object, accepted: object) -> None:
    """A bad argument is named and nothing is written; its near miss is taken."""
    with pytest.raises(ValidationError) as caught:
        accounts.create_user(**{"email": "ann@example.com", field: refused})  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == {field}
    assert accounts.list_users() == []
    accounts.create_user(**{"email": "ann@example.com", field: accepted})  # type: ignore[arg-type]  # these are right
    assert len(accounts.list_users()) == 1


def test_every_complaint_is_told_at_once(db: KitDatabase) -> None:
    """Three bad arguments, one error."""
    with pytest.raises(ValidationError) as caught:
        accounts.create_user("ann", name="x" * 201, password="short")
    assert set(caught.value.errors) == {"email", "name", "password"}


def test_a_password_and_a_hash_are_one_too_many(db: KitDatabase) -> None:
    """It would not be clear which of them counts."""
    with pytest.raises(ValidationError) as caught:
        accounts.create_user("ann@example.com", password="long enough", password_hash="x")
    assert set(caught.value.errors) == {"password_hash"}
    assert accounts.list_users() == []


@pytest.mark.parametrize("again", ["ann@example.com", "ANN@Example.com", " ann@example.com\t"])
def test_an_address_is_there_once_in_whatever_case(db: KitDatabase, again: str) -> None:
    """A second user of one address is refused by the constraint's name; the first stays, and so does the connection."""
    accounts.create_user("ann@example.com", name="first")
    with pytest.raises(ConflictError) as caught:
        accounts.create_user(again, name="second")
    assert (caught.value.constraint, caught.value.columns) == ("uq_users_email", ("email",))
    assert [user.name for user in accounts.list_users()] == ["first"]
    accounts.create_user("ann@example.org")


def test_users_are_found_by_address(ann: User) -> None:
    """In whatever case and with blanks around it; an unknown address gives None, what is no text an error."""
    assert accounts.find_user_by_email(" ANN@example.com ") == ann
    assert accounts.find_user_by_email("bob@example.com") is None
    assert accounts.find_user_by_email("no address at all") is None
    for no_text in (None, 7, "a\0@b"):
        with pytest.raises(ValidationError) as caught:
            accounts.find_user_by_email(no_text)  # type: ignore[arg-type]  # on purpose
        assert set(caught.value.errors) == {"email"}


@pytest.mark.parametrize("function", [accounts.get_user, accounts.find_user, accounts.delete_user])
@pytest.mark.parametrize("key", ["", "x", None, 7, "00000000-0000-0000-0000-00000000000g"])
def test_malformed_keys_are_refused(db: KitDatabase, function: object, key: object) -> None:
    """A key that is no UUID is a validation error, not a missing user."""
    with pytest.raises(ValidationError) as caught:
        function(key)  # type: ignore[operator]  # each of them takes a key
    assert set(caught.value.errors) == {"user_id"}


def test_missing_users_are_told(db: KitDatabase) -> None:
    """get and delete raise, find returns None."""
    nobody = uuid.uuid4()
    assert accounts.find_user(nobody) is None
    for function in (accounts.get_user, accounts.delete_user):
        with pytest.raises(NotFoundError) as caught:
            function(str(nobody))
        assert (caught.value.entity, str(caught.value.key)) == ("user", str(nobody))


def test_lists_are_newest_first_and_paged(db: KitDatabase) -> None:
    """Pages walk through all users, newest first, each once; the role narrows them."""
    accounts.bootstrap_admin("root@example.com", password="long enough")
    for number in range(4):
        accounts.create_user(f"user{number}@example.com")
    seen: list[str] = []
    after = None
    while page := accounts.list_users(limit=2, after=after):
        seen += [user.email.split("@")[0] for user in page]
        after = page[-1].id
    assert seen == ["user3", "user2", "user1", "user0", "root"]
    assert [user.email for user in accounts.list_users(role="ADMIN")] == ["root@example.com"]


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1001}, {"limit": "5"}, {"after": "x"}, {"role": "admin"}])
def test_bad_pages_are_refused(db: KitDatabase, bad: dict[str, object]) -> None:
    """A limit out of range, a malformed key or an unknown role is a validation error."""
    with pytest.raises(ValidationError) as caught:
        accounts.list_users(**bad)  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == set(bad)
    assert accounts.list_users(limit=1) == accounts.list_users(limit=1000) == []


def test_a_user_goes_with_keys_and_sessions(ann: User, ben: User) -> None:
    """What belongs to a user is deleted with them, what belongs to others stays."""
    for user in (ann, ben):
        accounts.issue_api_key(user.id, name="key")
        accounts.start_session(user.id)
    accounts.delete_user(ann.id)
    assert accounts.list_users() == [ben]
    assert accounts.list_api_keys_for_user(ann.id) == accounts.list_sessions_for_user(ann.id) == []
    assert len(accounts.list_api_keys_for_user(ben.id)) == len(accounts.list_sessions_for_user(ben.id)) == 1


def test_a_user_that_something_refers_to_stays(ann: User, ben: User) -> None:
    """The error says what stands in the way and how many; without it the user can be deleted."""
    content = {"preamble": "", "template": "", "dimensions": []}
    made = [evaluation.create_definition(f"d{number}", content=content, created_by=ann.id) for number in range(2)]
    evaluation.create_definition("other", content=content, created_by=ben.id)
    accounts.start_session(ann.id)
    with pytest.raises(ConflictError) as caught:
        accounts.delete_user(ann.id)
    assert "2 in definitions.created_by" in caught.value.why
    assert caught.value.constraint == "fk_definitions_created_by"
    assert caught.value.meta["in_the_way"] == {"definitions.created_by": 2}
    assert len(accounts.list_sessions_for_user(ann.id)) == 1
    for definition in made:
        evaluation.delete_definition(definition.id)
    accounts.delete_user(ann.id)
    assert accounts.list_users() == [ben]
