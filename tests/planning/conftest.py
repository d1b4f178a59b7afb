"""What the planning tests share: raw counts, the flag, and many threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import flags
from datapkg.kit.database import current

TABLES = (
    "planning_scenarios",
    "initiatives",
    "initiative_status_log",
    "skill_pools",
    "token_supplies",
    "token_demands",
    "token_calibrations",
    "audit_logs",
)


@pytest.fixture
def stored(db):
    """Return everything that the domain and the audit log hold, to see that nothing was written."""

    def read(*tables):
        return {table: current().fetch(f"SELECT * FROM {table} ORDER BY id", ()) for table in tables or TABLES}

    return read


@pytest.fixture
def flag(db):
    """Turn token planning on, for everybody or for a percentage; or off."""

    def turn(enabled=True, **options):
        return flags.set_flag("token_planning_v1", enabled=enabled, **options)

    return turn


@pytest.fixture
def at_once():
    """Call functions in threads of their own at the same moment; return each one's result or exception."""

    def run(*functions):
        barrier = threading.Barrier(len(functions))

        def call(function):
            current().connect(reuse_if_open=True)
            barrier.wait(timeout=30)
            try:
                return function()
            except Exception as error:
                return error
            finally:
                current().close()

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(call, functions))

    return run
