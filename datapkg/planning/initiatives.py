"""Initiatives, and the log of their status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert
from datapkg.planning.models import Initiative, InitiativeStatus

__all__ = [
    "INITIATIVE_TRANSITIONS",
    "create_initiative",
    "delete_initiative",
    "find_initiative",
    "get_initiative",
    "list_initiative_statuses",
    "list_initiatives",
    "set_initiative_status",
]

logger = logging.getLogger(__name__)

INITIATIVE_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "PROPOSED": ("ACTIVE", "ON_HOLD", "CANCELLED"),
    "ACTIVE": ("ON_HOLD", "COMPLETED", "CANCELLED"),
    "ON_HOLD": ("PROPOSED", "ACTIVE", "CANCELLED"),
    "COMPLETED": ("ACTIVE",),
    "CANCELLED": ("PROPOSED",),
}
"""What each status may become; finished work is reopened as ``ACTIVE``, cancelled work is proposed anew."""

ENTITY = "initiative"


def _select(dialect: Dialect, *, locking: bool) -> Any:
    query = Initiative.select().where(Initiative.id == Param("id"))
    return query.for_update() if locking and dialect.for_update else query


_by_id: Statement[Initiative] = Statement(lambda dialect: _select(dialect, locking=False), model=Initiative)
_locked: Statement[Initiative] = Statement(lambda dialect: _select(dialect, locking=True), model=Initiative)


def create_initiative(
    name: str, *, description: str | None = None, status: str = "PROPOSED", actor: UUID | str = "system"
) -> Initiative:
    """Create an initiative, and the first entry of its log.

    Args:
        name: 1 to 200 characters; need not be unique.
        description: what it is about, up to 10,000 characters.
        status: one of ``INITIATIVE_STATUSES``.
        actor: who creates it, 1 to 200 characters.

    Raises:
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given = {"name": name, "description": description, "status": status, "actor": _text(actor)}
    columns = load(schemas.NewInitiative, given, what=ENTITY)
    by = columns.pop("actor")

    @run_in_transaction
    def create() -> Initiative:
        made = now()
        initiative = insert(Initiative, {**columns, "created_at": made, "updated_at": made})
        entry = {"initiative": initiative.id, "from_status": None, "to_status": initiative.status, "actor": by}
        insert(InitiativeStatus, {**entry, "created_at": made})
        return initiative

    initiative = create()
    logger.info("initiative created", extra={"initiative_id": str(initiative.id)})
    return initiative


def _text(actor: object) -> object:
    return str(actor) if isinstance(actor, UUID) else actor


def get_initiative(initiative_id: UUID | str) -> Initiative:
    """Return an initiative.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    initiative = find_initiative(initiative_id)
    if initiative is None:
        raise NotFoundError(ENTITY, initiative_id)
    return initiative


def find_initiative(initiative_id: UUID | str) -> Initiative | None:
    """Return an initiative, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(initiative_id, "initiative_id"))


def list_initiatives(
    *, name: str | None = None, status: str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[Initiative]:
    """Return a page of initiatives, newest first.

    Args:
        name: only with exactly this name.
        status: only with this status.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {"name": name, "status": status, "limit": limit, "after": after}
    where = {"name": Initiative.name.__eq__, "status": Initiative.status.__eq__}
    return list_page(Initiative, schemas.InitiativeFilters, what="list of initiatives", given=given, where=where)


def delete_initiative(initiative_id: UUID | str) -> None:
    """Delete an initiative with its log and its demands in every scenario.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    key = as_id(initiative_id, "initiative_id")
    delete_row(Initiative, key, entity=ENTITY)
    logger.info("initiative deleted", extra={"initiative_id": str(key)})


def set_initiative_status(
    initiative_id: UUID | str, *, status: str, actor: UUID | str, note: str | None = None
) -> Initiative:
    """Change an initiative's status and log it, in one transaction.

    The status that it has already is no change and is not logged.

    Args:
        initiative_id: which.
        status: one that ``INITIATIVE_TRANSITIONS`` allows next.
        actor: who changes it, 1 to 200 characters.
        note: why, up to 2,000 characters.

    Raises:
        NotFoundError: there is no such initiative.
        InvalidTransitionError: the status cannot follow the present one; nothing is written.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {"initiative_id": initiative_id, "status": status, "actor": _text(actor), "note": note}
    given: dict[str, Any] = load(schemas.StatusChange, told, what="status of an initiative")
    key, wanted = str(given["initiative_id"]), given["status"]

    @run_in_transaction
    def change() -> tuple[Initiative, bool]:
        initiative = _locked.one(id=key)
        if initiative is None:
            raise NotFoundError(ENTITY, key)
        before = initiative.status
        if before == wanted:
            return initiative, False
        allowed = INITIATIVE_TRANSITIONS[before]
        if wanted not in allowed:
            raise InvalidTransitionError(
                f"The initiative {key} is {before}, which {wanted} cannot follow.",
                fix=f"From {before} it can become {', '.join(allowed)}.",
                initiative_id=key,
                status=before,
                allowed=list(allowed),
            )
        Initiative.update(status=wanted).where(Initiative.id == key).execute()
        entry = {"initiative": key, "from_status": before, "to_status": wanted, "actor": given["actor"]}
        insert(InitiativeStatus, {**entry, "note": given["note"]})
        return get_initiative(key), True

    initiative, changed = change()
    if changed:
        logger.info("initiative status set", extra={"initiative_id": key, "status": wanted})
    return initiative


def list_initiative_statuses(
    *,
    initiative_id: UUID | str | None = None,
    to_status: str | None = None,
    actor: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[InitiativeStatus]:
    """Return a page of the log of statuses, newest first.

    Args:
        initiative_id: only of this initiative.
        to_status: only changes to this status.
        actor: only by this actor.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {
        "initiative_id": initiative_id,
        "to_status": to_status,
        "actor": _text(actor),
        "limit": limit,
        "after": after,
    }
    where = {
        "initiative_id": InitiativeStatus.initiative.__eq__,
        "to_status": InitiativeStatus.to_status.__eq__,
        "actor": InitiativeStatus.actor.__eq__,
    }
    return list_page(InitiativeStatus, schemas.StatusFilters, what="log of statuses", given=given, where=where)
