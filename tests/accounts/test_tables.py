"""The accounts' tables themselves: what the database refuses, and that secrets show nowhere."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Any

import pytest
from peewee import Value

from datapkg import accounts
from datapkg.accounts import ApiKey, Session, User, VerificationToken
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError
from datapkg.kit.models import Model

HASH, OTHER = "a" * 64, "b" * 64
THEN = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def valid(model: type[Model], user: User) -> dict[str, Any]:
    """A row that the table takes."""
    rows: dict[type[Model], dict[str, Any]] = {
        User: {"email": "new@example.com"},
        ApiKey: {"user": user.id, "name": "k", "prefix": "p", "key_hash": HASH},
        VerificationToken: {"identifier": "i", "token_hash": HASH, "expires_at": THEN},
        Session: {"user": user.id, "token_hash": HASH, "expires_at": THEN, "last_seen_at": THEN},
    }
    return rows[model]


@pytest.mark.parametrize(
    ("model", "column", "refused", "accepted"),
    [
        (User, "email", "ab", "abc"),
        (User, "email", "x" * 255, "x" * 254),
        (User, "name", "x" * 201, "x" * 200),
        (User, "role", "OWNER", "ADMIN"),
        (User, "role", "user", "USER"),
        (User, "password_hash", "x" * 256, "x" * 255),
        (ApiKey, "name", "", "x"),
        (ApiKey, "name", "x" * 201, "x" * 200),
        (ApiKey, "prefix", "", "x"),
        (ApiKey, "prefix", "x" * 33, "x" * 32),
        (ApiKey, "key_hash", "", "x"),
        (ApiKey, "key_hash", "x" * 129, "x" * 128),
        (VerificationToken, "identifier", "", "x"),
        (VerificationToken, "identifier", "x" * 255, "x" * 254),
        (VerificationToken, "token_hash", "x" * 63, "x" * 64),
        (VerificationToken, "token_hash", "x" * 65, "x" * 64),
        (Session, "token_hash", "x" * 63, "x" * 64),
        (Session, "token_hash", "x" * 65, "x" * 64),
    ],
)
def test_columns_are_checked(ann: User, model: type[Model], column: str, refused: str, accepted: str) -> None:
    """The database itself refuses a value that does not fit, and takes its near miss."""
    row = valid(model, ann)
    with pytest.raises(ConflictError) as caught:
        model.insert({**row, column: Value(refused, converter=False)}).execute()
    assert caught.value.constraint == f"ck_{model._meta.table_name}_{column}"
    model.insert({**row, column: Value(accepted, converter=False)}).execute()


@pytest.mark.parametrize(
    ("model", "column", "other"),
    [
        (User, "email", "NEW@example.com"),
        (ApiKey, "prefix", "P"),
        (VerificationToken, "token_hash", OTHER),
        (Session, "token_hash", OTHER),
    ],
)
def test_unique_columns_are(ann: User, model: type[Model], column: str, other: str) -> None:
    """A second row with one value is refused, another value is taken."""
    row = valid(model, ann)
    model.insert(row).execute()
    with pytest.raises(ConflictError) as caught:
        model.insert(row).execute()
    # Both constraints of verification_tokens cover its hash; each engine names the one it looks at first.
    names = {f"uq_{model._meta.table_name}_{column}", "uq_verification_tokens_identifier_token_hash"}
    assert caught.value.constraint in names
    model.insert({**row, column: other}).execute()


def test_identifier_and_token_are_unique_together(db: KitDatabase) -> None:
    """Without the hash's own constraint the pair alone refuses a second row, and takes another identifier."""
    db.execute_sql('DROP INDEX "uq_verification_tokens_token_hash"')
    row = {"identifier": "i", "token_hash": HASH, "expires_at": THEN}
    VerificationToken.insert(row).execute()
    with pytest.raises(ConflictError) as caught:
        VerificationToken.insert(row).execute()
    assert caught.value.constraint == "uq_verification_tokens_identifier_token_hash"
    VerificationToken.insert({**row, "identifier": "j"}).execute()


@pytest.mark.parametrize("model", [ApiKey, Session])
def test_owners_must_be_there(ann: User, model: type[Model]) -> None:
    """A row of nobody is refused, one of somebody goes with them."""
    row = valid(model, ann)
    with pytest.raises(ConflictError):
        model.insert({**row, "user": uuid.uuid4()}).execute()
    model.insert(row).execute()
    User.delete().where(User.id == ann.id).execute()
    assert model.select().count() == 0


@pytest.mark.parametrize(
    ("model", "column"),
    [
        (User, "email"),
        (User, "role"),
        (ApiKey, "user"),
        (ApiKey, "name"),
        (ApiKey, "prefix"),
        (ApiKey, "key_hash"),
        (VerificationToken, "identifier"),
        (VerificationToken, "token_hash"),
        (VerificationToken, "expires_at"),
        (Session, "user"),
        (Session, "token_hash"),
        (Session, "expires_at"),
        (Session, "last_seen_at"),
    ],
)
def test_needed_columns_are_not_empty(ann: User, model: type[Model], column: str) -> None:
    """NULL is refused where something must stand; without it the row is taken."""
    row = valid(model, ann)
    with pytest.raises(ConflictError) as caught:
        model.insert({**row, column: Value(None, converter=False)}).execute()
    assert caught.value.columns == (model._meta.fields[column].column_name,)
    model.insert(row).execute()


def test_secrets_show_nowhere(db: KitDatabase, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, a table, a row's public columns, the package's log, or an error."""
    caplog.set_level(logging.DEBUG, logger="datapkg")
    password = "correct horse battery"
    user = accounts.create_user("ann@example.com", password=password)
    assert accounts.verify_password(user.id, password=password)
    key, started = accounts.issue_api_key(user.id, name="k"), accounts.start_session(user.id)
    issued = accounts.issue_verification_token("ann@example.com", ttl=dt.timedelta(hours=1))
    accounts.authenticate_api_key(key.secret)
    rows = [accounts.get_user(user.id), key.row, started.row, issued.row]
    pages = [
        accounts.list_users(),
        accounts.list_api_keys_for_user(user.id),
        accounts.list_sessions_for_user(user.id),
        accounts.list_verification_tokens(),
    ]
    errors = []
    for model, row in ((ApiKey, key.row), (Session, started.row), (VerificationToken, issued.row)):
        with pytest.raises(ConflictError) as caught:
            model.insert(dict(row.__data__) | {"id": uuid.uuid4()}).execute()
        errors.append(caught.value)
    shown = [repr(each) for each in (*rows, *pages, key, started, issued, *errors)]
    shown += [str(each) for each in (*rows, key, started, issued, *errors)]
    shown += [f"{row.public()} {row._repr_html_()}" for row in rows] + [page._repr_html_() for page in pages]
    shown += [str(error.as_dict()) for error in errors]
    shown += [
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("datapkg")
    ]
    assert any("user created" in text for text in shown)
    stored = accounts.get_user(user.id).password_hash
    secrets = [password, stored, key.secret, key.row.key_hash, started.token, started.row.token_hash]
    secrets += [issued.token, issued.row.token_hash]
    assert [secret for secret in secrets if any(secret in text for text in shown)] == []
