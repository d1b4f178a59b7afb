"""What the accounts domain accepts."""

from __future__ import annotations

import unicodedata
from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.accounts.emails import email_problem, normalise_email
from datapkg.accounts.models import ROLES
from datapkg.kit.schemas import Choice, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "BootstrapAdmin",
    "Email",
    "NewApiKey",
    "NewUser",
    "OwnedFilters",
    "Password",
    "PasswordChange",
    "PasswordText",
    "RoleGrant",
    "TokenFilters",
    "TokenRequest",
    "UserFilters",
    "UserRow",
]


class Email(Text):
    """An email address; gives its stored spelling."""

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> str:
        email = normalise_email(super()._deserialize(value, attr, data, **kwargs))
        if why := email_problem(email):
            raise ValidationError(why)
        return email


class Password(Text):
    """A password; gives it in Unicode's form C, so that it is the same from every keyboard."""

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class PasswordText(Schema):
    """Any text that somebody offers as a password."""

    password = Password(required=True)


class PasswordChange(Schema):
    """A password that somebody chooses."""

    password = Password(8, 1024, required=True)


class NewUser(Schema):
    """A user as a caller gives it; the role is not among it."""

    email = Email(3, 254, required=True)
    name = Text(0, 200, allow_none=True)
    password = Password(8, 1024)
    password_hash = Text(1, 255)

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **kwargs: object) -> None:
        if "password" in data and "password_hash" in data:
            raise ValidationError("Give either a password or its hash.", "password_hash")


class BootstrapAdmin(Schema):
    """The first administrator."""

    email = Email(3, 254, required=True)
    name = Text(0, 200, allow_none=True)
    password = Password(8, 1024, required=True)


class RoleGrant(Schema):
    """A role for a user, and who gives it."""

    user_id = Uuid(required=True)
    role = Choice(ROLES, required=True)
    actor_id = Uuid(required=True)


class NewApiKey(Schema):
    """An API key; prefix and hash are there only where the caller made the secret."""

    user_id = Uuid(required=True)
    name = Text(1, 200, required=True)
    expires_at = Timestamp(allow_none=True)
    prefix = Text(1, 32, pattern=r"\A[A-Za-z0-9_-]+\Z")
    key_hash = Text(1, 128)


class TokenRequest(Schema):
    """What a verification token is issued for."""

    identifier = Text(1, 254, required=True)


class OwnedFilters(Page):
    """Whose rows a list shows, and where its page starts."""

    user_id = Uuid(required=True)


class TokenFilters(Page):
    """What a list of verification tokens can be narrowed by, and where its page starts."""

    identifier = Text(1, 254)


class UserFilters(Page):
    """What a list of users can be narrowed by, and where its page starts."""

    role = Choice(ROLES)


class UserRow(Schema):
    """A user in a seed file; without a password nobody can log in as them."""

    email = Email(3, 254, required=True)
    name = Text(0, 200, allow_none=True)
    created_at = Timestamp()
