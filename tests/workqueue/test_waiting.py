"""What is ready, blocked, planned and counted, and how it is explained."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import workqueue
from datapkg.errors import NotFoundError, ValidationError
from datapkg.kit.database import current
from datapkg.testing.factories import make_feature


def claim_and(what, **given):
    """Claim the next feature and finish it."""
    row = workqueue.claim_next("w")
    return getattr(workqueue, what)(row, claim_token=row.claim_token, **given)


def shown(rows):
    """Return what blocked() says, short."""
    return {row.feature: (row.reason, row.because_of, row.waits_for) for row in rows}


def test_ready_is_what_is_claimed_next(db):
    """Narrowed by category, and no longer than asked for."""
    make_feature(), make_feature(priority="HIGH", category="docs"), make_feature(draft=True)
    make_feature(depends_on_ids=[1], priority="HIGH")
    assert [row.feature_number for row in workqueue.ready()] == [2, 1]
    assert [row.feature_number for row in workqueue.ready(category="docs")] == [2]
    assert [row.feature_number for row in workqueue.ready(limit=1)] == [2]
    for bad in ({"limit": 0}, {"limit": 1001}, {"category": ""}):
        with pytest.raises(ValidationError):
            workqueue.ready(**bad)


def test_blocked_tells_the_worst_reason_near_or_far(db):
    """A failed, deleted or draft one anywhere below, or nothing wrong at all."""
    make_feature(feature_number=1, priority="HIGH"), claim_and("fail", note="boom")
    make_feature(feature_number=2, draft=True)
    make_feature(feature_number=3, draft=True)
    make_feature(feature_number=4)
    for number, others in ((10, [1]), (11, [2]), (12, [3]), (13, [4]), (20, [10, 11]), (21, [11, 13]), (22, [12, 20])):
        make_feature(feature_number=number, depends_on_ids=others)
    make_feature(feature_number=30, draft=True, depends_on_ids=[1])
    workqueue.delete_feature(3)
    assert shown(workqueue.blocked()) == {
        "FEAT-010": ("FAILED", ("FEAT-001",), ("FEAT-001",)),
        "FEAT-011": ("DRAFT", ("FEAT-002",), ("FEAT-002",)),
        "FEAT-012": ("DELETED", ("FEAT-003",), ("FEAT-003",)),
        "FEAT-013": ("WAITING", ("FEAT-004",), ("FEAT-004",)),
        "FEAT-020": ("FAILED", ("FEAT-001",), ("FEAT-010", "FEAT-011")),
        "FEAT-021": ("DRAFT", ("FEAT-002",), ("FEAT-011", "FEAT-013")),
        "FEAT-022": ("DELETED", ("FEAT-003",), ("FEAT-012", "FEAT-020")),
    }
    assert "FEAT-001" in repr(workqueue.blocked())


def test_a_cycle_that_foreign_code_made_is_told_and_hangs_nothing(db):
    """Everything that reads the graph ends."""
    make_feature(), make_feature(depends_on_ids=[1]), make_feature(depends_on_ids=[2]), make_feature()
    first, second = (workqueue.get_feature(number).id for number in (1, 2))
    mark = db.dialect.param
    db.change(
        "INSERT INTO feature_dependencies (id, created_at, feature_id, depends_on_id, depends_on_number) "
        f"SELECT {mark}, created_at, {mark}, {mark}, 2 FROM feature_dependencies WHERE depends_on_number = 1",
        ("01a1fca4-af86-72e7-b08b-b033503a7195", str(first), str(second)),
    )
    assert {row.feature: row.reason for row in workqueue.blocked()} == dict.fromkeys(
        ("FEAT-001", "FEAT-002", "FEAT-003"), "CYCLE"
    )
    plan = workqueue.plan()
    assert [each.feature_number for each in plan.order] == [4]
    assert "cycle" in workqueue.explain(3).sentence
    with pytest.raises(ValidationError):
        workqueue.add_dependency(1, depends_on=3)
    workqueue.add_dependency(3, depends_on=4)
    assert workqueue.claim_next("w").feature_number == 4
    assert workqueue.claim_next("w") is None


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("draft", "submit"),
        ("ready", "ready, 1 to be claimed before it"),
        ("waiting", "waits for FEAT-002 (PENDING); they take their course"),
        ("behind a draft", "FEAT-002 is a draft: submit it"),
        ("behind a failed", "FEAT-002 failed: retry it"),
        ("behind a deleted", "FEAT-002 was deleted: remove the dependency"),
        ("in progress", "w works on it, attempt 1 of 3; its lease ends at 2026-01-02 03:09:05 UTC"),
        ("expired", "has run out"),
        ("failed", "ERROR: boom"),
        ("stopped", "STOPPED"),
        ("completed", "It is completed"),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_explain_says_what_is_in_the_way(db, at, state, says):
    """In a sentence, with the history below it."""
    make_feature()
    if state.startswith(("behind", "waiting")):
        make_feature(draft=state != "waiting", priority="HIGH")
        made = make_feature(depends_on_ids=[2])
        if state == "behind a deleted":
            workqueue.delete_feature(2)
        if state == "behind a failed":
            workqueue.submit(2)
            claim_and("fail")
    else:
        ready = state == "ready"
        made = make_feature(draft=state == "draft", priority="LOW" if ready else "HIGH")
        if state in ("in progress", "expired"):
            workqueue.claim_next("w", now=at(0))
        elif state == "failed":
            claim_and("fail", note="boom")
        elif state == "completed":
            claim_and("complete")
        elif state == "stopped":
            workqueue.stop(made)
    found = workqueue.explain(made, now=at(400) if state == "expired" else at(1))
    assert says in found.sentence
    assert found.history[0].from_status is None
    assert found.public()["history"][0]["feature"] == made.label
    assert (found.ahead == 1) == (state == "ready")
    with pytest.raises(NotFoundError):
        workqueue.explain(99)


def test_the_plan_is_an_order_that_the_queue_keeps(db):
    """Worked off one by one, the features come exactly in the order of the plan."""
    for number, priority, others in (
        (2, "LOW", []),
        (4, "MEDIUM", []),
        (1, "HIGH", [4]),
        (3, "HIGH", [2]),
        (5, "LOW", [1, 3]),
        (6, "MEDIUM", []),
    ):
        make_feature(feature_number=number, depends_on_ids=others, priority=priority)
    plan = workqueue.plan()
    assert [(each.feature_number, each.step) for each in plan.order] == [(4, 1), (1, 2), (6, 1), (2, 1), (3, 2), (5, 3)]
    assert plan.critical_path in ((4, 1, 5), (2, 3, 5))
    assert {each.feature_number for each in plan.order if each.critical} == set(plan.critical_path)
    assert [each.place for each in plan.order] == list(range(1, 7))
    done = [claim_and("complete").feature_number for _ in plan.order]
    assert done == [each.feature_number for each in plan.order]
    assert workqueue.plan().order == []
    assert workqueue.plan().critical_path == ()


def test_what_cannot_run_is_not_in_the_plan(db):
    """It is listed beside it; what is being worked on comes first."""
    make_feature(draft=True), make_feature(depends_on_ids=[1]), make_feature(), make_feature(priority="HIGH")
    workqueue.claim_next("w")
    plan = workqueue.plan()
    assert [(each.feature_number, each.status) for each in plan.order] == [(4, "IN_PROGRESS"), (3, "PENDING")]
    assert [each.feature for each in plan.blocked] == ["FEAT-002"]
    assert json.loads(json.dumps(plan.public()))["blocked"][0]["reason"] == "DRAFT"
    assert "FEAT-003" in plan._repr_html_()


def test_the_plan_as_a_graph(db):
    """Names with quotes and line breaks are escaped; arrows lead to what waits."""
    make_feature(name='say "hi"\nback\\slash'), make_feature(depends_on_ids=[1]), make_feature(draft=True)
    make_feature(depends_on_ids=[3])
    lines = workqueue.plan().dot().splitlines()
    assert lines[0] == "digraph plan {" and lines[-1] == "}"
    assert '  f1 [label="FEAT-001\\nsay \\"hi\\"\\nback\\\\slash", penwidth=3];' in lines
    assert "  f1 -> f2 [penwidth=3];" in lines
    assert any("DRAFT: FEAT-003" in line and "dashed" in line for line in lines)


def test_stats_count_everything(db, at):
    """Of one moment; the oldest ready one by its age."""
    empty = workqueue.stats()
    assert (empty.ready, empty.oldest_ready_seconds, empty.total_cost_usd, empty.measured) == (0, None, 0, 0)
    oldest = make_feature(category="docs"), make_feature(depends_on_ids=[1]), make_feature(draft=True)
    make_feature(priority="HIGH"), claim_and("fail")
    make_feature(priority="HIGH"), claim_and("complete")
    make_feature(priority="HIGH"), workqueue.claim_next("w", now=at(0))
    found = workqueue.stats(now=oldest[0].created_at + dt.timedelta(seconds=90))
    assert found.by_status == {"DRAFT": 1, "PENDING": 2, "IN_PROGRESS": 1, "COMPLETED": 1, "FAILED": 1}
    assert (found.ready, found.waiting, found.expired) == (1, 1, 1)
    assert found.failures == {"ERROR": 1}
    assert found.by_category == {"backend": 4, "docs": 1}
    assert found.oldest_ready_seconds == 90
    assert found.public()["ready"] == 1


def test_reading_writes_nothing(db):
    """Not a row changes by looking."""
    make_feature(), make_feature(depends_on_ids=[1])
    before = current().fetch("SELECT id, updated_at FROM feature_queue ORDER BY id", ())
    workqueue.ready(), workqueue.blocked(), workqueue.plan(), workqueue.stats(), workqueue.explain(2)
    workqueue.verify_counts()
    assert current().fetch("SELECT id, updated_at FROM feature_queue ORDER BY id", ()) == before


@pytest.mark.datapkg_commits
def test_explaining_what_is_completed_meanwhile(db):
    """It is explained as it was before or as it is after."""
    workqueue.enqueue_many([{"name": "n", "category": "c", "test_steps": ""}] * 60)

    def complete_all():
        db.connect(reuse_if_open=True)
        try:
            while (row := workqueue.claim_next("w")) is not None:
                workqueue.complete(row, claim_token=row.claim_token)
        finally:
            db.close()

    with ThreadPoolExecutor(1) as pool:
        completing = pool.submit(complete_all)
        seen = {workqueue.explain(number).status for number in range(1, 61) for _ in range(5)}
        completing.result(timeout=60)
    assert seen <= {"PENDING", "IN_PROGRESS", "COMPLETED"}
    assert workqueue.explain(60).status == "COMPLETED"
