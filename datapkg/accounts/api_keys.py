"""API keys: issued once, looked up by their prefix, checked on one path.

A secret reads ``<prefix>_<random part>``; the prefix is everything before the last underscore.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from datapkg.accounts.models import ApiKey, User
from datapkg.accounts.owners import USED_EVERY, insert_owned, list_owned
from datapkg.accounts.secret_texts import NO_DIGEST, digest, is_digest_of, new_secret
from datapkg.accounts.users import find_user
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement

__all__ = [
    "IssuedApiKey",
    "authenticate_api_key",
    "create_api_key",
    "delete_api_key",
    "find_api_key",
    "find_api_key_by_prefix",
    "get_api_key",
    "issue_api_key",
    "list_api_keys_for_user",
    "revoke_api_key",
]

logger = logging.getLogger(__name__)

_by_id: Statement[ApiKey] = Statement(lambda _: ApiKey.select().where(ApiKey.id == Param("id")), model=ApiKey)
_by_prefix: Statement[ApiKey] = Statement(
    lambda _: ApiKey.select().where(ApiKey.prefix == Param("prefix", ApiKey.prefix.db_value)), model=ApiKey
)


class IssuedApiKey(NamedTuple):
    """A fresh key and its secret, which cannot be had again.

    Attributes:
        row: the stored key.
        secret: what the program authenticates with; never in the repr.
    """

    row: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"IssuedApiKey(row={self.row!r}, secret=<hidden>)"


def issue_api_key(user_id: UUID | str, *, name: str, expires_at: dt.datetime | None = None) -> IssuedApiKey:
    """Make a key for a user; the secret is in the answer and nowhere else.

    Args:
        user_id: whose.
        name: what it is for, 1 to 200 characters.
        expires_at: when it ends by itself; None for never.

    Raises:
        NotFoundError: there is no such user.
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> key, secret = issue_api_key(user.id, name="nightly export")  # doctest: +SKIP
    """
    prefix = f"dpk_{secrets.token_hex(8)}"
    secret = f"{prefix}_{new_secret()}"
    given = {"user_id": user_id, "name": name, "expires_at": expires_at, "prefix": prefix, "key_hash": digest(secret)}
    return IssuedApiKey(_insert(given), secret)


def create_api_key(
    user_id: UUID | str, *, name: str, key_hash: str, prefix: str, expires_at: dt.datetime | None = None
) -> ApiKey:
    """Store a key whose secret was made elsewhere.

    Args:
        user_id: whose.
        name: what it is for, 1 to 200 characters.
        key_hash: at most 128 characters; the secret authenticates if this is its SHA-256 in lower-case hexadecimal.
        prefix: the secret up to its last underscore, 1 to 32 letters, digits, ``_`` and ``-``.
        expires_at: when it ends by itself; None for never.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: the prefix is taken (``uq_api_keys_prefix``).
        ValidationError: with every complaint; nothing is written.
    """
    return _insert({"user_id": user_id, "name": name, "expires_at": expires_at, "prefix": prefix, "key_hash": key_hash})


def _insert(given: Mapping[str, object]) -> ApiKey:
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    columns: dict[str, Any] = load(schemas.NewApiKey, given, what="API key")
    columns["user"] = columns.pop("user_id")
    row = insert_owned(ApiKey, columns)
    logger.info("API key created", extra={"api_key_id": str(row.id), "prefix": row.prefix})
    return row


def get_api_key(api_key_id: UUID | str) -> ApiKey:
    """Return a key.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    row = find_api_key(api_key_id)
    if row is None:
        raise NotFoundError("API key", api_key_id)
    return row


def find_api_key(api_key_id: UUID | str) -> ApiKey | None:
    """Return a key, or None.

    Raises:
        ValidationError: the id is not a UUID.
    """
    return _by_id.one(id=str(as_id(api_key_id, "api_key_id")))


def find_api_key_by_prefix(prefix: str) -> ApiKey | None:
    """Return the key with this prefix, or None; finding it proves nothing about who asks.

    Raises:
        ValidationError: it is not text.
    """
    if not isinstance(prefix, str):
        raise ValidationError({"prefix": ["Not a valid string."]}, what="prefix")
    return _by_prefix.one(prefix=prefix)


def list_api_keys_for_user(user_id: UUID | str, *, limit: int = 50, after: UUID | str | None = None) -> Rows[ApiKey]:
    """Return a page of a user's keys, newest first, the ended ones too.

    Args:
        user_id: whose.
        limit: rows at the most, 1 to 1,000.
        after: the id of the last row of the page before.

    Raises:
        ValidationError: an argument is not valid.
    """
    return list_owned(ApiKey, user_id, limit=limit, after=after)


def revoke_api_key(api_key_id: UUID | str, *, now: dt.datetime | None = None) -> ApiKey:
    """End a key at once; one that is revoked already keeps its time.

    Args:
        api_key_id: which.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    key, moment = as_id(api_key_id, "api_key_id"), as_instant(now)
    active = (ApiKey.id == key) & ApiKey.revoked_at.is_null()
    if run_in_transaction(ApiKey.update(revoked_at=moment).where(active).execute)():
        logger.info("API key revoked", extra={"api_key_id": str(key)})
    return get_api_key(key)


def delete_api_key(api_key_id: UUID | str) -> None:
    """Delete a key; revoking it keeps the record that it was there.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    delete_row(ApiKey, as_id(api_key_id, "api_key_id"), entity="API key")


def authenticate_api_key(secret: str, *, now: dt.datetime | None = None) -> User | None:
    """Return the user whose key this is, or None: unknown, wrong, expired, revoked and malformed all look alike.

    Notes the use, to the minute.

    Args:
        secret: what the program sent.
        now: the present, for tests.
    """
    moment = as_instant(now)
    # What is not text cannot be stored or hashed, and must not tell by an error what it is.
    sent = secret if isinstance(secret, str) and secret.isascii() and secret.isprintable() else ""
    row = _by_prefix.one(prefix=sent.rpartition("_")[0])
    # One path for all: the same query, hash and comparison, whether there is a key or not.
    matches = is_digest_of(NO_DIGEST if row is None else row.key_hash, sent)
    if row is None or not matches or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= moment:
        return None
    if row.last_used_at is None or moment - row.last_used_at >= USED_EVERY:
        run_in_transaction(ApiKey.update(last_used_at=moment).where(ApiKey.id == row.id).execute)()
    return find_user(row.user_id)
