"""Verification tokens: they prove control of an address, once."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, NamedTuple
from uuid import UUID

from datapkg.accounts.models import VerificationToken
from datapkg.accounts.secret_texts import digest, new_secret
from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.instants import as_instant, later
from datapkg.kit.keys import as_id
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "IssuedToken",
    "consume_verification_token",
    "delete_verification_token",
    "find_verification_token",
    "get_verification_token",
    "issue_verification_token",
    "list_verification_tokens",
    "peek_verification_token",
]

logger = logging.getLogger(__name__)


def _valid(*, of_identifier: bool) -> Any:
    token = VerificationToken
    valid: Any = (token.token_hash == Param("digest")) & (token.expires_at > Param("moment", token.expires_at.db_value))
    return valid & (token.identifier == Param("identifier", token.identifier.db_value)) if of_identifier else valid


def _peek(of_identifier: bool) -> Statement[VerificationToken]:
    return Statement(
        lambda _: VerificationToken.select().where(_valid(of_identifier=of_identifier)), model=VerificationToken
    )


def _consume(of_identifier: bool) -> Statement[VerificationToken]:
    return Statement(
        lambda _: VerificationToken.delete().where(_valid(of_identifier=of_identifier)).returning(VerificationToken)
    )


_by_id: Statement[VerificationToken] = Statement(
    lambda _: VerificationToken.select().where(VerificationToken.id == Param("id")), model=VerificationToken
)
_peeks = {of_identifier: _peek(of_identifier) for of_identifier in (False, True)}
_consumes = {of_identifier: _consume(of_identifier) for of_identifier in (False, True)}


class IssuedToken(NamedTuple):
    """A fresh token, which cannot be had again.

    Attributes:
        row: what is stored of it.
        token: what to send; never in the repr.
    """

    row: VerificationToken
    token: str

    def __repr__(self) -> str:
        return f"IssuedToken(row={self.row!r}, token=<hidden>)"


def issue_verification_token(identifier: str, *, ttl: dt.timedelta, now: dt.datetime | None = None) -> IssuedToken:
    """Make a token for an identifier; every older one of the same identifier ends.

    Args:
        identifier: what it is for, taken as it stands, 1 to 254 characters; usually an email address.
        ttl: how long it is valid, more than nothing.
        now: the present, for tests.

    Raises:
        ValidationError: an argument is not valid; older tokens stay as they are.

    Example:
        >>> row, token = issue_verification_token("ann@example.com", ttl=timedelta(hours=1))  # doctest: +SKIP
    """
    from datapkg.accounts import schemas
    from datapkg.kit.schemas import load

    checked: dict[str, Any] = load(schemas.TokenRequest, {"identifier": identifier}, what="verification token")
    expires_at = later(as_instant(now), ttl, "ttl")
    token = new_secret()

    @run_in_transaction
    def issue() -> VerificationToken:
        # Two at once would otherwise each delete what is there and then both stay.
        lock(f"verification_tokens:{checked['identifier']}")
        VerificationToken.delete().where(VerificationToken.identifier == checked["identifier"]).execute()
        return insert(VerificationToken, {**checked, "token_hash": digest(token), "expires_at": expires_at})

    issued = IssuedToken(issue(), token)
    logger.info("verification token issued", extra={"token_id": str(issued.row.id)})
    return issued


def peek_verification_token(
    token: str, *, identifier: str | None = None, now: dt.datetime | None = None
) -> VerificationToken | None:
    """Return a token that is valid, without using it up, or None.

    Args:
        token: what was sent.
        identifier: only if it was issued for this.
        now: the present, for tests.
    """
    return _peeks[identifier is not None].one(**_question(token, identifier, now))


def consume_verification_token(
    token: str, *, identifier: str | None = None, now: dt.datetime | None = None
) -> VerificationToken | None:
    """Use a valid token up and return what was stored of it, or None; of several at once, one succeeds.

    An expired token, or one for another identifier, stays.

    Args:
        token: what was sent.
        identifier: only if it was issued for this.
        now: the present, for tests.
    """
    rows = _consumes[identifier is not None].returning(**_question(token, identifier, now))
    if not rows:
        return None
    row = instance_builder(VerificationToken, current().dialect)(rows[0])
    logger.info("verification token consumed", extra={"token_id": str(row.id)})
    return row


def _question(token: object, identifier: str | None, now: dt.datetime | None) -> dict[str, object]:
    return {
        "digest": digest(token if isinstance(token, str) else ""),
        "moment": as_instant(now),
        "identifier": identifier,
    }


def get_verification_token(token_id: UUID | str) -> VerificationToken:
    """Return what is stored of a token, valid or not.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    row = find_verification_token(token_id)
    if row is None:
        raise NotFoundError("verification token", token_id)
    return row


def find_verification_token(token_id: UUID | str) -> VerificationToken | None:
    """Return what is stored of a token, or None.

    Raises:
        ValidationError: the id is not a UUID.
    """
    return _by_id.one(id=str(as_id(token_id, "token_id")))


def list_verification_tokens(
    *, identifier: str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[VerificationToken]:
    """Return a page of tokens, newest first, the expired ones too.

    Args:
        identifier: only those for this.
        limit: rows at the most, 1 to 1,000.
        after: the id of the last row of the page before.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.accounts import schemas

    given = {"identifier": identifier, "limit": limit, "after": after}
    where = {"identifier": VerificationToken.identifier.__eq__}
    return list_page(VerificationToken, schemas.TokenFilters, what="list of tokens", given=given, where=where)


def delete_verification_token(token_id: UUID | str) -> None:
    """Delete a token unused.

    Raises:
        NotFoundError: there is none with this id.
        ValidationError: the id is not a UUID.
    """
    delete_row(VerificationToken, as_id(token_id, "token_id"), entity="verification token")
