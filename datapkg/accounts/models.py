"""The accounts' tables."""

from __future__ import annotations

from uuid import UUID

from datapkg.kit.fields import EnumField, ForeignKey, TextField, TimestampField
from datapkg.kit.models import Model, MutableModel

__all__ = ["ROLES", "ApiKey", "Session", "User", "VerificationToken"]

ROLES = ("ADMIN", "USER")


class User(MutableModel):
    """A person or a service that logs in.

    Attributes:
        email: trimmed and lower-cased, unique.
        name: how to show them.
        role: ``ADMIN`` or ``USER``; changed by ``grant_role`` alone.
        password_hash: Argon2id, or empty for users without a password.
    """

    email = TextField(max_length=254, min_length=3, unique=True)
    name = TextField(max_length=200, null=True)
    role = EnumField(choices=ROLES, default="USER", index=True)
    password_hash = TextField(max_length=255, null=True, secret=True)

    class Meta:
        table_name = "users"


class ApiKey(Model):
    """A key that a program authenticates with; the secret itself is stored nowhere.

    Attributes:
        user: whose it is.
        name: what it is for.
        prefix: the public part of the secret, to look it up by.
        key_hash: SHA-256 of the secret.
        expires_at: when it ends by itself.
        revoked_at: when somebody ended it.
        last_used_at: when it last authenticated.
    """

    user = ForeignKey(User, on_delete="CASCADE")
    user_id: UUID  # the key alone, without reading the user
    name = TextField(max_length=200, min_length=1)
    prefix = TextField(max_length=32, min_length=1, unique=True)
    key_hash = TextField(max_length=128, min_length=1, secret=True)
    expires_at = TimestampField(null=True)
    revoked_at = TimestampField(null=True)
    last_used_at = TimestampField(null=True)

    class Meta:
        table_name = "api_keys"


class VerificationToken(Model):
    """A token that proves control of an address, once.

    Attributes:
        identifier: what it was issued for, usually an email address.
        token_hash: SHA-256 of the token.
        expires_at: when it ends.
    """

    identifier = TextField(max_length=254, min_length=1)
    token_hash = TextField(max_length=64, min_length=64, unique=True, secret=True)
    expires_at = TimestampField(index=True)

    class Meta:
        table_name = "verification_tokens"
        indexes = ((("identifier", "token_hash"), True),)


class Session(Model):
    """A login that lasts until it expires or is ended.

    Attributes:
        user: whose it is.
        token_hash: SHA-256 of the session's token.
        expires_at: when it ends by itself.
        last_seen_at: when it was last used.
        revoked_at: when it was ended.
    """

    user = ForeignKey(User, on_delete="CASCADE")
    user_id: UUID  # the key alone, without reading the user
    token_hash = TextField(max_length=64, min_length=64, unique=True, secret=True)
    expires_at = TimestampField(index=True)
    last_seen_at = TimestampField()
    revoked_at = TimestampField(null=True)

    class Meta:
        table_name = "sessions"
