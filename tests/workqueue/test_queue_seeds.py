"""The demo's features: the figures of the original, exactly; what an operator changed survives."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from datapkg import workqueue
from datapkg.errors import SeedError
from datapkg.kit.database import current
from datapkg.operations.seeding import seed
from datapkg.testing.factories import make_feature


def test_features_5_and_6_are_there_with_their_figures(db):
    """As the original lists them."""
    seed(profile="demo")
    shown = [
        (row.label, row.name, row.category, row.priority, row.status) for row in reversed(workqueue.list_features())
    ]
    assert sorted(shown) == [
        ("FEAT-005", "Dashboard Analytics Charts Component", "frontend", "HIGH", "COMPLETED"),
        ("FEAT-006", "User Role Permission Middleware", "backend", "LOW", "COMPLETED"),
    ]
    for number in (5, 6):
        metric, worth = workqueue.get_execution_metric(number), workqueue.get_roi_metric(number)
        assert metric.total_cost_usd == Decimal("1.25")
        assert (metric.duration_seconds, metric.success_rate, metric.ready_for_production) == (145, 98, True)
        assert (metric.prompt_tokens, metric.completion_tokens, metric.cached_tokens) == (4500, 2100, 1000)
        assert metric.agents_used == [
            {"role": "Developer Agent", "cost": 0.8},
            {"role": "Reviewer Agent", "cost": 0.3},
            {"role": "Testing Agent", "cost": 0.15},
        ]
        assert (worth.files_modified, worth.git_branch, worth.tools_called) == (4, "feat/dashboard-analytics", 12)
        assert worth.estimated_human_hours_saved == Decimal("6.5")
    assert (workqueue.stats().total_cost_usd, workqueue.stats().human_hours_saved) == (Decimal("2.5"), Decimal(13))
    assert make_feature().feature_number == 7
    assert make_feature(depends_on_ids=[5, 6]).unmet_dependencies == 0


def seed_rows(folder, table, *rows):
    """Seed rows of one table from a file."""
    path = folder / f"{table}.json"
    path.write_text(json.dumps({"table": table, "rows": rows}))
    return seed(files=path)


def test_what_an_operator_changed_survives(db, tmp_path):
    """Status, priority and result are set once; the name is set back."""
    row = {"feature_number": 3, "name": "n", "category": "c", "test_steps": "t", "priority": "LOW"}
    seed_rows(tmp_path, "feature_queue", row)
    assert workqueue.get_feature(3).priority_rank == 2
    workqueue.update_feature(3, priority="HIGH", name="renamed", max_attempts=7)
    claimed = workqueue.claim_next("w")
    workqueue.complete(3, claim_token=claimed.claim_token, result_data="done")
    report = seed_rows(tmp_path, "feature_queue", row)
    assert [list(change.fields) for change in report.changes] == [["name"]]
    found = workqueue.get_feature(3)
    assert (found.name, found.status, found.priority, found.result_data) == ("n", "COMPLETED", "HIGH", "done")
    assert found.max_attempts == 7
    assert not seed_rows(tmp_path, "feature_queue", row).changed


def test_dependencies_and_metrics_refer_by_number(db, tmp_path):
    """A seeded dependency holds a feature back, though no count was written; verify_counts sets it right."""
    rows = [{"feature_number": n, "name": "n", "category": "c", "test_steps": "t", "priority": "HIGH"} for n in (1, 2)]
    seed_rows(tmp_path, "feature_queue", *rows)
    edge = {"feature": 1, "depends_on": 2, "depends_on_number": 2}
    seed_rows(tmp_path, "feature_dependencies", edge)
    assert workqueue.get_feature(1).depends_on_ids == [2]
    first = workqueue.claim_next("w")
    assert first.feature_number == 2
    assert workqueue.claim_next("w") is None
    workqueue.complete(first, claim_token=first.claim_token)
    assert workqueue.claim_next("w").feature_number == 1
    assert not seed_rows(tmp_path, "feature_dependencies", edge).changed
    assert workqueue.verify_counts() == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"status": "IN_PROGRESS"}, "status"),
        ({"priority": "high"}, "priority"),
        ({"claim_token": None}, "claim_token"),
        ({"name": ""}, "name"),
    ],
    ids=["held", "priority", "token", "name"],
)
def test_a_bad_seed_row_is_refused(db, tmp_path, given, path):
    """With file, row and field; nothing is written."""
    row = {"feature_number": 3, "name": "n", "category": "c", "test_steps": "t", **given}
    with pytest.raises(SeedError) as caught:
        seed_rows(tmp_path, "feature_queue", row)
    assert list(caught.value.meta["problems"]) == [f"feature_queue.json row 1, {path}"]
    assert current().fetch("SELECT count(*) FROM feature_queue", ())[0][0] == 0


def test_metrics_are_history(db, tmp_path):
    """A seed writes them once."""
    seed(profile="demo")
    current().change("UPDATE execution_metrics SET success_rate = 50", ())
    assert not seed(profile="demo").changed
    assert workqueue.get_execution_metric(5).success_rate == 50
