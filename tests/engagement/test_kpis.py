"""Figures of a day: one row for day, platform, type and name, however often it is written."""

from __future__ import annotations

import datetime as dt
import math
from functools import partial

import pytest
from reply_samples import UNKNOWN, all_at_once

from datapkg import engagement
from datapkg.errors import NotFoundError, ValidationError

DAY = dt.date(2026, 11, 1)
KEY = {"platform": "ALL", "metric_type": "REACH", "metric_name": "replies_posted"}


def test_a_figure_is_replaced(db):
    """The row keeps its key and when it was made; another day, platform, type or name is another row."""
    first = engagement.record_kpi(DAY, **KEY, value=3)
    again = engagement.record_kpi("2026-11-01", **KEY, value=-0.5)
    assert (again.id, again.created_at, again.value) == (first.id, first.created_at, -0.5)
    assert again.updated_at > first.updated_at
    read = engagement.get_kpi(str(first.id))
    assert (read.date, type(read.date), read.value, type(read.value)) == (DAY, dt.date, -0.5, float)
    assert read.public() == again.public()
    others = [
        engagement.record_kpi(DAY + dt.timedelta(days=1), **KEY, value=1),
        *(
            engagement.record_kpi(DAY, **{**KEY, **other}, value=1)
            for other in ({"platform": "REDDIT"}, {"metric_type": "SAFETY"}, {"metric_name": "Replies_posted"})
        ),
    ]
    assert len({each.id for each in [first, *others]}) == 5


@pytest.mark.datapkg_commits
def test_several_write_the_same_figure_at_once(db):
    """There is one row, with one of the figures."""
    results = all_at_once(*(partial(engagement.record_kpi, DAY, **KEY, value=number) for number in range(8)))
    assert len({each.id for each in results}) == 1
    (read,) = engagement.list_kpis()
    assert read.value in range(8)


def test_bad_figures_are_refused(db):
    """All complaints at once; the greatest figure that there is passes, and -0.0 is 0."""
    with pytest.raises(ValidationError) as caught:
        engagement.record_kpi("2026-02-30", platform="all", metric_type="X", metric_name="", value=math.nan)
    assert set(caught.value.errors) == {"date", "platform", "metric_type", "metric_name", "value"}
    for value in (math.inf, "3", None, True):
        with pytest.raises(ValidationError):
            engagement.record_kpi(DAY, **KEY, value=value)
    with pytest.raises(ValidationError):
        engagement.record_kpi(dt.datetime(2026, 11, 1, tzinfo=dt.UTC), **KEY, value=1)
    with pytest.raises(ValidationError):
        engagement.record_kpi(DAY, **{**KEY, "platform": None}, value=1)
    assert engagement.list_kpis() == []
    assert engagement.record_kpi(DAY, **{**KEY, "metric_name": "x" * 100}, value=1.7e308).value == 1.7e308
    assert math.copysign(1, engagement.get_kpi(engagement.record_kpi(DAY, **KEY, value=-0.0).id).value) == 1


def test_lists_are_narrowed_and_paged(db):
    """By platform, type, name and days; ALL is a platform of its own."""
    made = [
        engagement.record_kpi(DAY + dt.timedelta(days=day), platform=platform, **rest, value=1)
        for day, platform, rest in (
            (0, "ALL", {"metric_type": "REACH", "metric_name": "a"}),
            (1, "REDDIT", {"metric_type": "REACH", "metric_name": "b"}),
            (2, "REDDIT", {"metric_type": "QUALITY", "metric_name": "a"}),
        )
    ]

    def listed(**filters):
        return [made.index(each) for each in engagement.list_kpis(**filters)]

    assert listed() == [2, 1, 0]
    assert listed(platform="REDDIT") == [2, 1]
    assert listed(platform="ALL") == [0]
    assert listed(metric_type="REACH") == [1, 0]
    assert listed(metric_name="a") == [2, 0]
    assert listed(date_from=DAY + dt.timedelta(days=1), date_before="2026-11-03") == [1]
    assert listed(limit=1, after=made[2].id) == [1]
    with pytest.raises(ValidationError) as caught:
        engagement.list_kpis(platform="x", metric_type="x", metric_name="", date_from=1, date_before="x", limit=0)
    assert len(caught.value.errors) == 6


def test_a_figure_can_be_deleted(db):
    """It is gone then, and written anew under another key."""
    made = engagement.record_kpi(DAY, **KEY, value=1)
    engagement.delete_kpi(made.id)
    assert engagement.find_kpi(made.id) is None
    for call in (engagement.get_kpi, engagement.delete_kpi):
        with pytest.raises(NotFoundError):
            call(UNKNOWN)
        with pytest.raises(ValidationError):
            call("x")
    assert engagement.record_kpi(DAY, **KEY, value=1).id != made.id
