"""The accounts domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import assert_type
from uuid import UUID

from datapkg import accounts
from datapkg.accounts import ApiKey, IssuedApiKey, IssuedToken, Session, StartedSession, User, VerificationToken
from datapkg.kit.results import Rows


def api_key_columns(row: ApiKey) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.user, User)
    assert_type(row.user_id, UUID)
    assert_type(row.name, str)
    assert_type(row.prefix, str)
    assert_type(row.key_hash, str)
    assert_type(row.expires_at, dt.datetime | None)
    assert_type(row.revoked_at, dt.datetime | None)
    assert_type(row.last_used_at, dt.datetime | None)


def session_columns(row: Session) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.user, User)
    assert_type(row.user_id, UUID)
    assert_type(row.token_hash, str)
    assert_type(row.expires_at, dt.datetime)
    assert_type(row.last_seen_at, dt.datetime)
    assert_type(row.revoked_at, dt.datetime | None)


def user_columns(row: User) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.email, str)
    assert_type(row.name, str | None)
    assert_type(row.role, str)
    assert_type(row.password_hash, str | None)


def verification_token_columns(row: VerificationToken) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.identifier, str)
    assert_type(row.token_hash, str)
    assert_type(row.expires_at, dt.datetime)


def functions(key: UUID, text: str, span: dt.timedelta) -> None:
    """What each function gives."""
    assert_type(accounts.authenticate_api_key(text), User | None)
    assert_type(accounts.authenticate_session(text), User | None)
    assert_type(accounts.bootstrap_admin(text, password=text), User)
    assert_type(accounts.consume_verification_token(text), VerificationToken | None)
    assert_type(accounts.create_api_key(key, name=text, key_hash=text, prefix=text), ApiKey)
    assert_type(accounts.create_user(text), User)
    accounts.delete_api_key(key)
    accounts.delete_session(key)
    accounts.delete_user(key)
    accounts.delete_verification_token(key)
    assert_type(accounts.end_session(key), Session)
    assert_type(accounts.end_sessions_for_user(key), int)
    assert_type(accounts.find_api_key(key), ApiKey | None)
    assert_type(accounts.find_api_key_by_prefix(text), ApiKey | None)
    assert_type(accounts.find_session(key), Session | None)
    assert_type(accounts.find_user(key), User | None)
    assert_type(accounts.find_user_by_email(text), User | None)
    assert_type(accounts.find_verification_token(key), VerificationToken | None)
    assert_type(accounts.get_api_key(key), ApiKey)
    assert_type(accounts.get_session(key), Session)
    assert_type(accounts.get_user(key), User)
    assert_type(accounts.get_verification_token(key), VerificationToken)
    assert_type(accounts.grant_role(key, role=text, actor_id=key), User)
    assert_type(accounts.issue_api_key(key, name=text), IssuedApiKey)
    assert_type(accounts.issue_verification_token(text, ttl=span), IssuedToken)
    assert_type(accounts.list_api_keys_for_user(key), Rows[ApiKey])
    assert_type(accounts.list_sessions_for_user(key), Rows[Session])
    assert_type(accounts.list_users(), Rows[User])
    assert_type(accounts.list_verification_tokens(), Rows[VerificationToken])
    assert_type(accounts.peek_verification_token(text), VerificationToken | None)
    assert_type(accounts.revoke_api_key(key), ApiKey)
    assert_type(accounts.set_password(key, password=text), User)
    assert_type(accounts.start_session(key), StartedSession)
    assert_type(accounts.verify_password(key, password=text), bool)
