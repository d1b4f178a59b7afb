"""The queue at its full size: eight processes, 10,000 features, 20,000 dependencies, kill -9 and stalls."""

from __future__ import annotations

import pytest

from datapkg.kit.engines import KitDatabase

from queue_processes import fill, run, verify


@pytest.mark.soak
@pytest.mark.datapkg_commits
def test_eight_workers_do_ten_thousand_features_once(db: KitDatabase, datapkg_url: str, tmp_path) -> None:
    """Every feature exactly once, none before its dependencies, every stale worker told."""
    assert fill(10_000) >= 20_000
    run(datapkg_url, tmp_path, lease=2.0, kills=20, stall_every=100, effort=0.01)
    happened = verify(tmp_path, 10_000)
    assert happened["lost"] >= 5, happened
    assert happened["taken_away"] > happened["lost"], happened
