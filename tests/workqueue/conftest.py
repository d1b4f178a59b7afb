"""What the tests of the work queue share."""

from __future__ import annotations

import datetime as dt

import pytest

T0 = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def at():
    """Return instants by their seconds after a fixed one."""
    return lambda seconds: T0 + dt.timedelta(seconds=seconds)


@pytest.fixture
def statuses():
    """Return what a feature went through, oldest first: ``[(to_status, note), …]``."""
    from datapkg import workqueue

    return lambda feature: [
        (row.to_status, row.note) for row in reversed(workqueue.list_transitions(feature=feature, limit=1000))
    ]
