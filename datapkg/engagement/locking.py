"""Reading a row that is about to change, and instants that never run backwards."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar
from uuid import UUID

from datapkg.kit.database import current
from datapkg.kit.errors import NotFoundError
from datapkg.kit.models import Model

__all__ = ["actor_text", "locked", "not_before"]

M = TypeVar("M", bound=Model)


def locked(model: type[M], key: UUID, *, entity: str) -> M:
    """Return a row, locked until the caller's transaction ends; whoever else wants to change it waits.

    Args:
        model: its table.
        key: its key.
        entity: what the error calls it.

    Raises:
        NotFoundError: there is none with this key.
    """
    table: Any = model
    query = table.select().where(table.id == key)
    row: M | None = (query.for_update() if current().dialect.for_update else query).first()
    if row is None:
        raise NotFoundError(entity, key)
    return row


def not_before(moment: dt.datetime, earliest: dt.datetime) -> dt.datetime:
    """Return the moment, or the earliest one that it can be: a clock may have been set back meanwhile."""
    return max(moment, earliest)


def actor_text(actor: object) -> object:
    """Return who acts as text where it is a user's key; anything else is left to the schema."""
    return str(actor) if isinstance(actor, UUID) else actor
