"""Users, their API keys and sessions, and verification tokens."""

from __future__ import annotations

from typing import Any

from datapkg.kit.fields import EnumField, ForeignKey, TextField, TimestampField
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class User(MutableModel):
        email = TextField(max_length=254, min_length=3, unique=True)
        name = TextField(max_length=200, null=True)
        role = EnumField(choices=("ADMIN", "USER"), default="USER", index=True)
        password_hash = TextField(max_length=255, null=True, secret=True)

        class Meta:
            table_name = "users"

    @migrator.create_model
    class ApiKey(Model):
        user = ForeignKey(User, on_delete="CASCADE")
        name = TextField(max_length=200, min_length=1)
        prefix = TextField(max_length=32, min_length=1, unique=True)
        key_hash = TextField(max_length=128, min_length=1, secret=True)
        expires_at = TimestampField(null=True)
        revoked_at = TimestampField(null=True)
        last_used_at = TimestampField(null=True)

        class Meta:
            table_name = "api_keys"

    @migrator.create_model
    class VerificationToken(Model):
        identifier = TextField(max_length=254, min_length=1)
        token_hash = TextField(max_length=64, min_length=64, unique=True, secret=True)
        expires_at = TimestampField(index=True)

        class Meta:
            table_name = "verification_tokens"
            indexes = ((("identifier", "token_hash"), True),)

    @migrator.create_model
    class Session(Model):
        user = ForeignKey(User, on_delete="CASCADE")
        token_hash = TextField(max_length=64, min_length=64, unique=True, secret=True)
        expires_at = TimestampField(index=True)
        last_seen_at = TimestampField()
        revoked_at = TimestampField(null=True)

        class Meta:
            table_name = "sessions"


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in ("sessions", "verification_tokens", "api_keys", "users"):
        migrator.remove_model(table)
