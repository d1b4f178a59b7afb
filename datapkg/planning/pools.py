"""Skill pools: people with one skill, whose capacity is counted together."""

from __future__ import annotations

import logging
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert
from datapkg.planning.models import SkillPool, TokenCalibration, TokenDemand, TokenSupply

__all__ = [
    "SkillPoolChanges",
    "create_skill_pool",
    "deactivate_skill_pool",
    "delete_skill_pool",
    "find_skill_pool",
    "find_skill_pool_by_name",
    "get_skill_pool",
    "list_skill_pools",
    "update_skill_pool",
]

logger = logging.getLogger(__name__)

ENTITY = "skill pool"
_HISTORY = (TokenSupply, TokenDemand, TokenCalibration)


def _select(dialect: Dialect, *, locking: bool) -> Any:
    query = SkillPool.select().where(SkillPool.id == Param("id"))
    return query.for_update() if locking and dialect.for_update else query


_by_id: Statement[SkillPool] = Statement(lambda dialect: _select(dialect, locking=False), model=SkillPool)
_locked: Statement[SkillPool] = Statement(lambda dialect: _select(dialect, locking=True), model=SkillPool)
_by_name: Statement[SkillPool] = Statement(
    lambda _: SkillPool.select().where(SkillPool.name == Param("name")), model=SkillPool
)


class SkillPoolChanges(TypedDict, total=False):
    """What ``update_skill_pool`` changes; what is left out stays.

    Attributes:
        name: 1 to 100 characters, unique.
        description: what they do, up to 10,000 characters; None clears it.
        is_active: whether new plans may use it.
    """

    name: str
    description: str | None
    is_active: bool


def create_skill_pool(name: str, *, description: str | None = None, is_active: bool = True) -> SkillPool:
    """Create a skill pool.

    Args:
        name: 1 to 100 characters, unique.
        description: what they do, up to 10,000 characters.
        is_active: whether new plans may use it.

    Raises:
        ConflictError: the name is taken (``uq_skill_pools_name``).
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given = {"name": name, "description": description, "is_active": is_active}
    columns = load(schemas.NewSkillPool, given, what=ENTITY)
    made = now()
    pool = insert(SkillPool, {**columns, "created_at": made, "updated_at": made})
    logger.info("skill pool created", extra={"skill_pool_id": str(pool.id)})
    return pool


def get_skill_pool(pool_id: UUID | str) -> SkillPool:
    """Return a skill pool.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    pool = find_skill_pool(pool_id)
    if pool is None:
        raise NotFoundError(ENTITY, pool_id)
    return pool


def find_skill_pool(pool_id: UUID | str) -> SkillPool | None:
    """Return a skill pool, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(pool_id, "pool_id"))


def find_skill_pool_by_name(name: str) -> SkillPool | None:
    """Return the skill pool with this name, or None.

    Raises:
        ValidationError: the name is not text.
    """
    if not isinstance(name, str):
        raise ValidationError({"name": ["Not a valid string."]}, what="skill pool's name")
    return _by_name.one(name=SkillPool.name.db_value(name))


def list_skill_pools(
    *, is_active: bool | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[SkillPool]:
    """Return a page of skill pools, newest first.

    Args:
        is_active: only those that new plans may use, or may not.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {"is_active": is_active, "limit": limit, "after": after}
    where = {"is_active": SkillPool.is_active.__eq__}
    return list_page(SkillPool, schemas.SkillPoolFilters, what="list of skill pools", given=given, where=where)


def update_skill_pool(pool_id: UUID | str, **changes: Unpack[SkillPoolChanges]) -> SkillPool:
    """Change a skill pool.

    Args:
        pool_id: which.
        changes: see :class:`SkillPoolChanges`; at least one.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: the name is taken (``uq_skill_pools_name``).
        ValidationError: with every complaint, or nothing is given; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    key = as_id(pool_id, "pool_id")
    if not changes:
        raise ValidationError({"_schema": ["Give name, description or is_active."]}, what="change of a skill pool")
    change: dict[str, Any] = load(schemas.SkillPoolChange, dict(changes), what="change of a skill pool")

    @run_in_transaction
    def update() -> SkillPool:
        SkillPool.update(**change).where(SkillPool.id == key).execute()
        return get_skill_pool(key)

    return update()


def deactivate_skill_pool(pool_id: UUID | str) -> SkillPool:
    """Keep a skill pool out of new plans: what it has stays, but it gets no new ledger rows.

    ``update_skill_pool(…, is_active=True)`` takes it back.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    return update_skill_pool(pool_id, is_active=False)


def delete_skill_pool(pool_id: UUID | str, *, cascade: bool = False) -> None:
    """Delete a skill pool that has no history, or, told to, with its history.

    Args:
        pool_id: which.
        cascade: whether its supplies, demands and calibrations in all scenarios go with it.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: it has supplies, demands or calibrations, and ``cascade`` is not True; they are counted in the
            message and in ``meta["in_the_way"]``. Nothing is deleted.
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given: dict[str, Any] = load(
        schemas.PoolDeletion, {"pool_id": pool_id, "cascade": cascade}, what="deletion of a skill pool"
    )
    key: UUID = given["pool_id"]

    @run_in_transaction
    def delete() -> dict[str, int]:
        # The lock also holds off ledger rows that are being written: their reference needs the row.
        pool = _locked.one(id=str(key))
        if pool is None:
            raise NotFoundError(ENTITY, key)
        history = _history(key)
        if history and not given["cascade"]:
            listed = ", ".join(f"{count} in {table}" for table, count in history.items())
            raise ConflictError(
                f"The skill pool {pool.name!r} has a history: {listed}.",
                fix="Deactivate it with deactivate_skill_pool, or delete that too with cascade=True.",
                table=next(iter(history)),
                columns=("skill_pool_id",),
                in_the_way=history,
            )
        delete_row(SkillPool, key, entity=ENTITY)
        return history

    gone = delete()
    logger.info("skill pool deleted", extra={"skill_pool_id": str(key), "with": gone})


def _history(key: UUID) -> dict[str, int]:
    database = current()
    mark = database.dialect.param
    tables = [model._meta.table_name for model in _HISTORY]
    counts = ", ".join(f"(SELECT count(*) FROM {table} WHERE skill_pool_id = {mark})" for table in tables)
    found = database.fetch(f"SELECT {counts}", [str(key)] * len(tables))[0]
    return {table: count for table, count in zip(tables, found, strict=True) if count}
