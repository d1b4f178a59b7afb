"""What API keys and sessions share: they belong to a user."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from datapkg.accounts.users import find_user
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.models import Model
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert

__all__ = ["USED_EVERY", "insert_owned", "list_owned"]

M = TypeVar("M", bound=Model)

USED_EVERY = dt.timedelta(minutes=1)
"""How exact the time of the last use is: a busy key is written once in this span, not at every request."""


def insert_owned(model: type[M], columns: Mapping[str, Any]) -> M:
    """Insert a row that belongs to ``columns["user"]``.

    Raises:
        NotFoundError: there is no such user.
        ConflictError: a unique column is taken.
    """
    try:
        return insert(model, columns)
    except ConflictError as error:
        if find_user(columns["user"]) is None:
            raise NotFoundError("user", columns["user"]) from error
        raise


def list_owned(model: type[M], user_id: UUID | str, *, limit: int, after: UUID | str | None) -> Rows[M]:
    """Return a page of a user's rows, newest first.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.accounts import schemas

    table: Any = model
    given = {"user_id": user_id, "limit": limit, "after": after}
    return list_page(model, schemas.OwnedFilters, what="list", given=given, where={"user_id": table.user.__eq__})
