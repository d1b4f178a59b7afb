"""Calibrations: the latest rate on or before a day, and a typed error before the first."""

from __future__ import annotations

import datetime as dt
import math
import uuid

import pytest

from datapkg import planning
from datapkg.errors import NotFoundError, ValidationError
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")
DAY = dt.date(2026, 7, 1)


@pytest.fixture
def pool(db):
    """A pool with two rates, written in the other order."""
    pool = factories.make_skill_pool(name="backend")
    planning.set_calibration(pool.id, token_per_hour=1.5, effective_date=DAY)
    planning.set_calibration(pool.id, token_per_hour=1.2, effective_date=dt.date(2026, 1, 1), notes="guess")
    factories.make_calibration(token_per_hour=9, effective_date=dt.date(2020, 1, 1))  # of another pool
    return pool


@pytest.mark.parametrize(
    ("on", "rate"),
    [
        (dt.date(2026, 1, 1), 1.2),
        (dt.date(2026, 6, 30), 1.2),
        (DAY, 1.5),
        ("2026-07-01", 1.5),
        (dt.date(9999, 12, 31), 1.5),
    ],
)
def test_the_latest_rate_counts(pool, on, rate):
    """A rate holds from its first day until the next one begins."""
    assert planning.rate_at(pool.id, on=on) == rate
    assert planning.hours_to_tokens(pool.id, hours=10, on=on) == 10 * rate


def test_before_the_first_rate_there_is_none(pool):
    """The error says which day the first begins; nothing is taken for 1.0."""
    for call in (
        lambda: planning.rate_at(pool.id, on=dt.date(2025, 12, 31)),
        lambda: planning.hours_to_tokens(pool.id, hours=0, on=dt.date(2025, 12, 31)),
    ):
        with pytest.raises(NotFoundError, match=r"backend.*2026-01-01") as caught:
            call()
        assert "set_calibration" in caught.value.fix


def test_without_any_rate_and_without_a_pool(db):
    """Both are typed errors that differ."""
    with pytest.raises(NotFoundError, match="none at all"):
        planning.rate_at(factories.make_skill_pool().id, on=DAY)
    with pytest.raises(NotFoundError) as caught:
        planning.rate_at(UNKNOWN, on=DAY)
    assert caught.value.entity == "skill pool"
    with pytest.raises(NotFoundError):
        planning.set_calibration(UNKNOWN, token_per_hour=1, effective_date=DAY)


def test_a_rate_of_the_same_day_is_replaced(pool):
    """One row for pool and day; other days stay."""
    first = planning.set_calibration(pool.id, token_per_hour=2, effective_date=DAY, notes="measured")
    again = planning.set_calibration(pool.id, token_per_hour=3, effective_date="2026-07-01")
    assert (again.id, again.token_per_hour, again.notes) == (first.id, 3.0, None)
    assert planning.get_calibration(again.id).effective_date == DAY
    assert type(planning.get_calibration(again.id).effective_date) is dt.date
    assert len(planning.list_calibrations(skill_pool_id=pool.id)) == 2


def test_a_deleted_rate_gives_way_to_the_one_before(pool):
    """And a deleted row is gone."""
    newest = planning.list_calibrations(skill_pool_id=pool.id, limit=2)[1]
    assert newest.effective_date == DAY
    planning.delete_calibration(newest.id)
    assert planning.rate_at(pool.id, on=DAY) == 1.2
    assert planning.find_calibration(newest.id) is None
    for function in (planning.delete_calibration, planning.get_calibration):
        with pytest.raises(NotFoundError):
            function(newest.id)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"token_per_hour": 0}, "token_per_hour"),
        ({"token_per_hour": -1}, "token_per_hour"),
        ({"token_per_hour": math.nan}, "token_per_hour"),
        ({"token_per_hour": math.inf}, "token_per_hour"),
        ({"token_per_hour": None}, "token_per_hour"),
        ({"effective_date": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, "effective_date"),
        ({"effective_date": "2026-02-30"}, "effective_date"),
        ({"effective_date": None}, "effective_date"),
        ({"notes": "\0"}, "notes"),
    ],
)
def test_bad_calibrations_are_refused(pool, stored, change, path):
    """Each is named, and nothing is written; the smallest rate there is passes."""
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.set_calibration(pool.id, **{"token_per_hour": 1, "effective_date": DAY, **change})
    assert list(caught.value.errors) == [path]
    assert stored() == before
    planning.set_calibration(pool.id, token_per_hour=1e-300, effective_date=dt.date(1, 1, 1))


@pytest.mark.parametrize("hours", [-1, math.nan, math.inf, "8", None])
def test_bad_hours_are_refused(pool, hours):
    """Hours are a finite number, 0 or more."""
    with pytest.raises(ValidationError) as caught:
        planning.hours_to_tokens(pool.id, hours=hours, on="yesterday")
    assert set(caught.value.errors) == {"hours", "on"}
    assert planning.hours_to_tokens(pool.id, hours=0, on=DAY) == 0
