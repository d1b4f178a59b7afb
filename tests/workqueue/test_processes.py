"""Eight real processes on one queue, some killed, some stalled: every feature once, none early, all stale ones told."""

from __future__ import annotations

import pytest

from datapkg.kit.engines import KitDatabase

from queue_processes import fill, run, verify


@pytest.mark.datapkg_commits
def test_eight_workers_do_every_feature_once(db: KitDatabase, datapkg_url: str, tmp_path) -> None:
    """1,500 features with 3,000 dependencies; the full size is in tests/soak/test_queue.py."""
    assert fill(1500) >= 3000
    run(datapkg_url, tmp_path, lease=1.0, kills=6, stall_every=40, effort=0.02)
    happened = verify(tmp_path, 1500)
    assert happened["lost"] > 0, happened
    assert happened["taken_away"] > happened["lost"], happened  # killed workers are told nothing
