"""Every function of the flags domain."""

from __future__ import annotations

import hashlib
import logging
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg.flags.models import FeatureFlag
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.models import new_id, now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement

__all__ = ["FlagChanges", "delete_flag", "find_flag", "get_flag", "is_enabled", "list_flags", "set_flag"]

logger = logging.getLogger(__name__)

_BUCKETS = 10_000

_by_key: Statement[FeatureFlag] = Statement(
    lambda _: FeatureFlag.select().where(FeatureFlag.key == Param("key", FeatureFlag.key.db_value)), model=FeatureFlag
)


class FlagChanges(TypedDict, total=False):
    """What ``set_flag`` changes; what is left out stays.

    Attributes:
        enabled: whether it is on at all.
        description: what it does, up to 2,000 characters; None clears it.
        rollout_percentage: 0 to 100, for whom it is on while enabled; None means everybody.
    """

    enabled: bool
    description: str | None
    rollout_percentage: int | None


def is_enabled(key: str, *, subject: UUID | str | None = None) -> bool:
    """Tell whether a flag is on, for everybody or for one subject; a missing flag is off.

    With a rollout percentage each subject falls into one of 10,000 buckets, always the same one for the same flag, so
    raising the percentage only ever adds subjects. Without a subject a flag is on only if it is on for all.

    Args:
        key: the flag's key.
        subject: whom it is asked for, such as a user's key.

    Raises:
        ValidationError: the key is not text.
    """
    flag = _by_key.one(key=_text(key))
    if flag is None or not flag.enabled:
        return False
    percentage = flag.rollout_percentage
    if percentage is None or percentage == 100:
        return True
    return subject is not None and _bucket(key, str(subject)) < percentage * (_BUCKETS // 100)


def _bucket(key: str, subject: str) -> int:
    # The key is part of it, so that one flag's first subjects are not also every other's.
    digest = hashlib.sha256(f"{key}\0{subject}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _BUCKETS


def _text(key: object) -> str:
    if not isinstance(key, str):  # a Param would pass None through
        raise ValidationError({"key": ["Not a valid string."]}, what="flag's key")
    return key


def set_flag(key: str, **changes: Unpack[FlagChanges]) -> FeatureFlag:
    """Create a flag or change what is given of it; a new one is off unless told otherwise.

    Args:
        key: its name, 1 to 100 letters, digits and ``_ . : -``, beginning with a letter or digit.
        changes: see :class:`FlagChanges`.

    Returns:
        The flag as it is now.

    Raises:
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> set_flag("new_page", enabled=True, rollout_percentage=25)  # doctest: +SKIP
    """
    from datapkg.flags import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(schemas.FlagSchema, {**changes, "key": key}, what="flag")
    made = now()
    update = {name: value for name, value in given.items() if name != "key"}

    @run_in_transaction
    def upsert() -> FeatureFlag:
        row = {"enabled": False, **given, "id": new_id(), "created_at": made, "updated_at": made}
        query = FeatureFlag.insert(row)
        if update:
            query.on_conflict(conflict_target=[FeatureFlag.key], update={**update, "updated_at": made}).execute()
        else:
            query.on_conflict(conflict_target=[FeatureFlag.key], action="IGNORE").execute()
        return get_flag(given["key"])

    flag = upsert()
    logger.info("flag set", extra={"flag": flag.key, "enabled": flag.enabled, "percentage": flag.rollout_percentage})
    return flag


def get_flag(key: str) -> FeatureFlag:
    """Return a flag.

    Raises:
        NotFoundError: there is none with this key.
    """
    flag = find_flag(key)
    if flag is None:
        raise NotFoundError("flag", key)
    return flag


def find_flag(key: str) -> FeatureFlag | None:
    """Return a flag, or None.

    Raises:
        ValidationError: the key is not text.
    """
    return _by_key.one(key=_text(key))


def list_flags(*, enabled: bool | None = None, limit: int = 50, after: UUID | str | None = None) -> Rows[FeatureFlag]:
    """Return a page of flags, newest first.

    Args:
        enabled: only those that are on, or off.
        limit: rows at the most, 1 to 1,000.
        after: the id of the last row of the page before.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.flags import schemas

    given = {"enabled": enabled, "limit": limit, "after": after}
    where = {"enabled": FeatureFlag.enabled.__eq__}
    return list_page(FeatureFlag, schemas.FlagFilters, what="list of flags", given=given, where=where)


def delete_flag(key: str) -> None:
    """Delete a flag; from then on it is off.

    Raises:
        NotFoundError: there is none with this key.
    """
    deleted = run_in_transaction(FeatureFlag.delete().where(FeatureFlag.key == _text(key)).execute)()
    if not deleted:
        raise NotFoundError("flag", key)
    logger.info("flag deleted", extra={"flag": key})
