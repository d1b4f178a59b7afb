"""Who is an administrator, and that somebody always is."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.accounts import passwords
from datapkg.accounts.models import User
from datapkg.accounts.users import get_user
from datapkg.audit import record
from datapkg.kit.database import lock, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["bootstrap_admin", "delete_user", "grant_role"]

logger = logging.getLogger(__name__)

_FIRST = "accounts.first_admin"

# In the order of their keys, so that two transactions never wait for each other.
_locked_admins: Statement[User] = Statement(
    lambda dialect: _locking(User.select(User.id).where(User.role == "ADMIN").order_by(User.id), dialect)
)
_locked_user: Statement[User] = Statement(
    lambda dialect: _locking(User.select().where(User.id == Param("id")), dialect), model=User
)
_any_admin: Statement[User] = Statement(lambda _: User.select(User.id).where(User.role == "ADMIN").limit(1))


def _locking(query: Any, dialect: Any) -> Any:
    return query.for_update() if dialect.for_update else query


def grant_role(user_id: UUID | str, *, role: str, actor_id: UUID | str) -> User:
    """Give a user another role, and record who did it, in one transaction.

    Whether the actor may do so is the caller's to decide. The role the user has already is no change, and is not
    recorded.

    Args:
        user_id: to whom.
        role: ``ADMIN`` or ``USER``.
        actor_id: the user who gives it.

    Raises:
        NotFoundError: there is no such user, or no such actor.
        InvalidTransitionError: the user is the last administrator.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.RoleGrant, {"user_id": user_id, "role": role, "actor_id": actor_id}, what="grant of a role"
    )
    key: UUID = given["user_id"]

    @run_in_transaction
    def grant() -> bool:
        get_user(given["actor_id"])
        if given["role"] == "ADMIN":
            lock(_FIRST)
        else:
            _keep_an_admin(key)
        user = _locked_user.one(id=str(key))
        if user is None:
            raise NotFoundError("user", key)
        if user.role == given["role"]:
            return False
        User.update(role=given["role"]).where(User.id == key).execute()
        change = {"from": user.role, "to": given["role"]}
        record("user", entity_id=key, action="grant_role", actor=given["actor_id"], details=change)
        return True

    if grant():
        logger.info("role granted", extra={"user_id": str(key), "role": given["role"]})
    return get_user(key)


def _keep_an_admin(leaving: UUID) -> None:
    """Lock the administrators, so that two cannot leave at once each counting on the other."""
    admins = [row[0] for row in _locked_admins.tuples()]
    if admins == [str(leaving)]:
        raise InvalidTransitionError(
            f"The user {leaving} is the last administrator.",
            fix="Give another user the role ADMIN first.",
            user_id=str(leaving),
        )


def bootstrap_admin(email: str, *, password: str, name: str | None = None) -> User:
    """Create the first administrator; it works only while there is none, and is recorded.

    Args:
        email: their address.
        password: 8 to 1,024 characters.
        name: how to show them.

    Raises:
        InvalidTransitionError: there is an administrator already.
        ConflictError: the address belongs to a user who is none (``uq_users_email``).
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.BootstrapAdmin, {"email": email, "name": name, "password": password}, what="administrator"
    )
    columns = {"email": given["email"], "name": given["name"], "role": "ADMIN"}
    _refuse_second()  # before the slow hash, and again under the lock
    columns["password_hash"] = passwords.hash_password(given["password"])

    @run_in_transaction
    def bootstrap() -> User:
        # There is no administrator's row to lock yet.
        lock(_FIRST)
        _refuse_second()
        user = insert(User, columns)
        change = {"from": None, "to": "ADMIN"}
        record("user", entity_id=user.id, action="bootstrap_admin", actor="system", details=change)
        return user

    user = bootstrap()
    logger.info("first administrator created", extra={"user_id": str(user.id)})
    return user


def _refuse_second() -> None:
    if _any_admin.tuples():
        raise InvalidTransitionError(
            "There is an administrator already.", fix="Let an administrator give the role, with grant_role."
        )


def delete_user(user_id: UUID | str) -> None:
    """Delete a user with their API keys and sessions.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is the last administrator.
        ConflictError: something the user made refers to them; what, and how many, is in the message.
        ValidationError: the key is not a UUID.
    """
    key = as_id(user_id, "user_id")

    @run_in_transaction
    def delete() -> None:
        _keep_an_admin(key)
        delete_row(User, key, entity="user")

    delete()
    logger.info("user deleted", extra={"user_id": str(key)})
