"""The first stages of a backfill: users, sessions, chat messages."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from datapkg.accounts.models import Session, User
from datapkg.kit.errors import StaleWriteError
from datapkg.kit.models import Model
from datapkg.kit.statements import insert_many
from datapkg.scripts.legacy.keys import Keys
from datapkg.scripts.legacy.staging import Staging
from datapkg.scripts.models import ChatMessage

__all__ = ["expect_rows", "resolve_users", "write_messages", "write_sessions", "write_users"]

_Progress = Callable[[int], None]


def write_users(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Insert the users whose addresses are new; return how many. Those who are there stay as they are."""
    written = 0
    sql = "SELECT u.id, k.key, u.email, u.name, u.at FROM users AS u JOIN users_keys AS k ON k.id = u.id ORDER BY k.key"
    for batch in staging.batches(sql):
        rows = [
            {
                "id": UUID(key),
                "email": email,
                "name": name,
                "created_at": keys.moment(at),
                "updated_at": keys.moment(at),
            }
            for _, key, email, name, at in batch
        ]
        written += insert_many(User, rows, unless=("email",))
        progress(len(rows))
    resolve_users(staging)
    return written


def resolve_users(staging: Staging) -> None:
    """Note in ``users_keys`` under which keys the users are really there.

    Raises:
        StaleWriteError: one of them is not there any more.
    """
    sql = "SELECT u.email, u.id FROM users AS u JOIN users_keys AS k ON k.id = u.id"
    for batch in staging.batches(sql):
        legacy: dict[str, str] = dict(batch)
        found = {row.email: row.id for row in User.select().where(User.email.in_(list(legacy)))}
        for email, key in legacy.items():
            if email not in found:
                raise StaleWriteError(
                    f"The user of the legacy key {key} was written, and is not there any more.",
                    fix="Create a user with the same email address, then run the backfill again.",
                )
        changes = [(str(found[email]), key) for email, key in legacy.items()]
        staging.database.executemany("UPDATE users_keys SET key = ? WHERE id = ?", changes)


def write_sessions(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Insert the sessions, all of them ended: their tokens are not taken over, so nobody can go on with them."""
    written = 0
    sql = (
        "SELECT k.key, u.key, s.at, s.expires_at, s.seen_at FROM sessions AS s JOIN sessions_keys AS k ON k.id = s.id "
        "JOIN users_keys AS u ON u.id = s.user_id ORDER BY k.key"
    )
    for batch in staging.batches(sql):
        rows: list[dict[str, Any]] = []
        for key, user, at, expires, seen in batch:
            made = keys.moment(at)
            rows.append(
                {
                    "id": UUID(key),
                    "user": UUID(user),
                    # Not the hash of any token: nobody can know one that has it.
                    "token_hash": secrets.token_hex(32),
                    "expires_at": min(keys.moment(expires), keys.began) if expires else made,
                    "last_seen_at": keys.moment(seen) if seen else made,
                    "revoked_at": keys.began,
                    "created_at": made,
                }
            )
        written += insert_many(Session, rows)
        expect_rows(Session, {row["id"]: row for row in rows})
        progress(len(rows))
    return written


def write_messages(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Insert the chat messages, whose scripts are linked once those are there."""
    written = 0
    sql = (
        "SELECT k.key, sk.key, u.key, m.role, m.content, m.at FROM messages AS m "
        "JOIN messages_keys AS k ON k.id = m.id LEFT JOIN sessions AS s ON s.id = m.session_id "
        "LEFT JOIN sessions_keys AS sk ON sk.id = m.session_id "
        "JOIN users_keys AS u ON u.id = coalesce(m.user_id, s.user_id) ORDER BY k.key"
    )
    for batch in staging.batches(sql):
        rows = [
            {
                "id": UUID(key),
                "session": UUID(session) if session else None,
                "user": UUID(user),
                "script": None,
                "role": role,
                "content": content,
                "created_at": keys.moment(at),
            }
            for key, session, user, role, content, at in batch
        ]
        written += insert_many(ChatMessage, rows)
        expect_rows(ChatMessage, {row["id"]: row for row in rows})
        progress(len(rows))
    return written


def expect_rows(model: type[Model], expected: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Read rows back and compare them with what was written.

    Raises:
        StaleWriteError: a row is missing or reads otherwise.
    """
    found = {row.id: row.__data__ for row in model.select().where(model.id.in_(list(expected)))}
    for key, values in expected.items():
        row = found.get(key)
        if row is None or any(row[name] != value for name, value in values.items()):
            raise StaleWriteError(
                f"The row {key} of {model._meta.table_name} reads otherwise than it was written; nothing of the stage "
                "is kept.",
                fix="Look for triggers or another program that writes the table, then run the backfill again.",
            )
