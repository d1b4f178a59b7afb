"""Calibrations: what an hour of a skill pool is worth, and from which day on."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement
from datapkg.kit.upserts import upsert
from datapkg.planning.models import TokenCalibration
from datapkg.planning.pools import get_skill_pool

__all__ = [
    "delete_calibration",
    "find_calibration",
    "get_calibration",
    "hours_to_tokens",
    "list_calibrations",
    "rate_at",
    "set_calibration",
]

ENTITY = "token calibration"

_by_id: Statement[TokenCalibration] = Statement(
    lambda _: TokenCalibration.select().where(TokenCalibration.id == Param("id")), model=TokenCalibration
)
_latest: Statement[TokenCalibration] = Statement(
    lambda _: (
        TokenCalibration.select(TokenCalibration.token_per_hour)
        .where(
            (TokenCalibration.skill_pool == Param("pool"))
            & (TokenCalibration.effective_date <= Param("on", TokenCalibration.effective_date.db_value))
        )
        .order_by(TokenCalibration.effective_date.desc())
        .limit(1)
    )
)
_first: Statement[TokenCalibration] = Statement(
    lambda _: (
        TokenCalibration.select()
        .where(TokenCalibration.skill_pool == Param("pool"))
        .order_by(TokenCalibration.effective_date)
        .limit(1)
    ),
    model=TokenCalibration,
)


def set_calibration(
    skill_pool_id: UUID | str, *, token_per_hour: float, effective_date: dt.date, notes: str | None = None
) -> TokenCalibration:
    """Say what an hour of a skill pool is worth from a day on; a rate that begins on the same day is replaced.

    Args:
        skill_pool_id: which pool.
        token_per_hour: tokens, more than 0.
        effective_date: the first day on which it holds.
        notes: where the figure comes from, up to 10,000 characters; left out, notes that are there are cleared.

    Raises:
        NotFoundError: there is no such pool.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {
        "skill_pool_id": skill_pool_id,
        "token_per_hour": token_per_hour,
        "effective_date": effective_date,
        "notes": notes,
    }
    given: dict[str, Any] = load(schemas.NewCalibration, told, what="calibration")
    pool = given.pop("skill_pool_id")

    @run_in_transaction
    def write() -> TokenCalibration:
        get_skill_pool(pool)
        return upsert(TokenCalibration, {**given, "skill_pool": pool}, key=("skill_pool", "effective_date"))

    return write()


def get_calibration(calibration_id: UUID | str) -> TokenCalibration:
    """Return a calibration.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    calibration = find_calibration(calibration_id)
    if calibration is None:
        raise NotFoundError(ENTITY, calibration_id)
    return calibration


def find_calibration(calibration_id: UUID | str) -> TokenCalibration | None:
    """Return a calibration, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(calibration_id, "calibration_id"))


def list_calibrations(
    *, skill_pool_id: UUID | str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[TokenCalibration]:
    """Return a page of calibrations, the last one written first.

    Args:
        skill_pool_id: only of this pool.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {"skill_pool_id": skill_pool_id, "limit": limit, "after": after}
    where = {"skill_pool_id": TokenCalibration.skill_pool.__eq__}
    return list_page(
        TokenCalibration, schemas.CalibrationFilters, what="list of calibrations", given=given, where=where
    )


def delete_calibration(calibration_id: UUID | str) -> None:
    """Delete a calibration; from then on the one before it holds.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(TokenCalibration, as_id(calibration_id, "calibration_id"), entity=ENTITY)


def rate_at(skill_pool_id: UUID | str, *, on: dt.date) -> float:
    """Return what an hour of a skill pool is worth on a day: the latest rate that began on it or before.

    Args:
        skill_pool_id: which pool.
        on: the day.

    Raises:
        NotFoundError: there is no such pool, or no rate of it had begun; the error says when the first one did.
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given: dict[str, Any] = load(schemas.RateOn, {"skill_pool_id": skill_pool_id, "on": on}, what="rate")
    return _rate(given["skill_pool_id"], given["on"])


def _rate(key: UUID, on: dt.date) -> float:
    found = _latest.tuples(pool=str(key), on=on)
    if found:
        return float(found[0][0])
    pool = get_skill_pool(key)
    first = _first.one(pool=str(key))
    begins = f"its first one begins on {first.effective_date.isoformat()}" if first else "it has none at all"
    raise NotFoundError(
        ENTITY,
        f"of the skill pool {pool.name!r} for {on.isoformat()}: {begins}",
        fix="Give it a rate that begins on that day or before, with set_calibration.",
    )


def hours_to_tokens(skill_pool_id: UUID | str, *, hours: float, on: dt.date) -> float:
    """Return how many tokens the hours of a skill pool are worth on a day.

    Args:
        skill_pool_id: which pool.
        hours: 0 or more.
        on: the day whose rate counts; see ``rate_at``.

    Raises:
        NotFoundError: there is no such pool, or no rate of it had begun.
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {"skill_pool_id": skill_pool_id, "hours": hours, "on": on}
    given: dict[str, Any] = load(schemas.Conversion, told, what="conversion of hours")
    return float(given["hours"]) * _rate(given["skill_pool_id"], given["on"]) + 0.0  # never -0.0
