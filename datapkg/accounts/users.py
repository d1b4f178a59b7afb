"""Creating users, finding them, and their passwords."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.accounts import passwords
from datapkg.accounts.emails import normalise_email
from datapkg.accounts.models import User
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.keys import as_id
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "create_user",
    "find_user",
    "find_user_by_email",
    "get_user",
    "list_users",
    "set_password",
    "verify_password",
]

logger = logging.getLogger(__name__)

_by_id: Statement[User] = Statement(lambda _: User.select().where(User.id == Param("id")), model=User)
_by_email: Statement[User] = Statement(
    lambda _: User.select().where(User.email == Param("email", User.email.db_value)), model=User
)


def create_user(
    email: str, *, name: str | None = None, password: str | None = None, password_hash: str | None = None
) -> User:
    """Create a user with the role ``USER``; roles are given by ``grant_role`` alone.

    Args:
        email: an address, stored trimmed and lower-cased; at most 254 characters.
        name: how to show them, at most 200 characters.
        password: 8 to 1,024 characters; stored as an Argon2id hash.
        password_hash: instead of a password, its hash made elsewhere; only Argon2 hashes can be logged in with.

    Raises:
        ValidationError: with every complaint; nothing is written.
        ConflictError: the address is taken, in whatever case (``uq_users_email``).

    Example:
        >>> create_user("ann@example.com", name="Ann", password="correct horse")  # doctest: +SKIP
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    given = {"email": email, "name": name, "password": password, "password_hash": password_hash}
    columns: dict[str, Any] = load(
        schemas.NewUser,
        {key: value for key, value in given.items() if value is not None or key == "email"},
        what="user",
    )
    chosen = columns.pop("password", None)
    if chosen is not None:
        columns["password_hash"] = passwords.hash_password(chosen)
    user = insert(User, columns)
    logger.info("user created", extra={"user_id": str(user.id)})
    return user


def get_user(user_id: UUID | str) -> User:
    """Return a user.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    user = find_user(user_id)
    if user is None:
        raise NotFoundError("user", user_id)
    return user


def find_user(user_id: UUID | str) -> User | None:
    """Return a user, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=str(as_id(user_id, "user_id")))


def find_user_by_email(email: str) -> User | None:
    """Return the user with this address, in whatever case and with blanks around it, or None.

    Raises:
        ValidationError: it is not text.
    """
    if not isinstance(email, str):
        raise ValidationError({"email": ["Not a valid string."]}, what="email address")
    return _by_email.one(email=normalise_email(email))


def list_users(*, role: str | None = None, limit: int = 50, after: UUID | str | None = None) -> Rows[User]:
    """Return a page of users, newest first.

    Args:
        role: only those with this role, ``ADMIN`` or ``USER``.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.accounts import schemas

    given = {"role": role, "limit": limit, "after": after}
    return list_page(User, schemas.UserFilters, what="list of users", given=given, where={"role": User.role.__eq__})


def set_password(user_id: UUID | str, *, password: str) -> User:
    """Give a user a new password. Their sessions go on; see ``end_sessions_for_user``.

    Args:
        user_id: whose.
        password: 8 to 1,024 characters.

    Raises:
        NotFoundError: there is no such user.
        ValidationError: the password is too short or too long, or the key is not a UUID.
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    key = as_id(user_id, "user_id")
    chosen: dict[str, Any] = load(schemas.PasswordChange, {"password": password}, what="password")
    get_user(key)  # hashing is slow, so not for nobody
    hashed = passwords.hash_password(chosen["password"])
    if not run_in_transaction(User.update(password_hash=hashed).where(User.id == key).execute)():
        raise NotFoundError("user", key)
    logger.info("password set", extra={"user_id": str(key)})
    return get_user(key)


def verify_password(user_id: UUID | str, *, password: str) -> bool:
    """Tell whether a password is a user's; it takes as long for a user who does not exist or has none.

    A hash made with other parameters than today's is replaced on success.

    Args:
        user_id: the user's key, or their email address.
        password: what they typed.

    Raises:
        ValidationError: the key is neither a UUID nor an address, or the password is not text.

    Example:
        >>> verify_password("ann@example.com", password="correct horse")  # doctest: +SKIP
        True
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    by_email = isinstance(user_id, str) and "@" in user_id
    typed: dict[str, Any] = load(schemas.PasswordText, {"password": password}, what="password")
    user = find_user_by_email(str(user_id)) if by_email else find_user(user_id)
    stored = None if user is None else user.password_hash
    offered = typed["password"]
    if len(offered) > 1024:
        stored, offered = None, ""  # nobody has a longer one, and it must not cost more than others
    if not passwords.check_password(stored, offered) or user is None or stored is None:
        return False
    if passwords.needs_rehash(stored):
        fresh = passwords.hash_password(offered)
        # Only over the hash that was checked: the password may have been changed meanwhile.
        unchanged = (User.id == user.id) & (User.password_hash == stored)
        run_in_transaction(User.update(password_hash=fresh).where(unchanged).execute)()
        logger.info("password hash renewed", extra={"user_id": str(user.id)})
    return True
