"""Completing, failing, stopping, retrying, submitting; metrics; changing and deleting."""

from __future__ import annotations

from decimal import Decimal

import pytest

from datapkg import workqueue
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import current
from datapkg.testing.factories import execution_metrics, make_feature


def claimed(**given):
    """Make a feature and claim it."""
    make_feature(**given)
    return workqueue.claim_next("w")


def done(**given):
    """Make a feature, claim it and complete it."""
    row = claimed(**given)
    return workqueue.complete(row, claim_token=row.claim_token)


def test_completing_keeps_result_log_metrics_and_worth(db, at, statuses):
    """Exact to the last digit, and nobody holds it any more."""
    row = claimed()
    roi = {
        "files_modified": 4,
        "git_branch": "feat/x",
        "tools_called": 12,
        "estimated_human_hours_saved": Decimal("6.5"),
    }
    row = workqueue.complete(
        "FEAT-001",
        claim_token=row.claim_token,
        result_data="# Done",
        execution_log="log",
        metrics=execution_metrics(total_cost_usd="0.100001"),
        roi=roi,
        now=at(9),
    )
    assert (row.status, row.result_data, row.execution_log, row.finished_at) == ("COMPLETED", "# Done", "log", at(9))
    assert (row.claim_token, row.claimed_by, row.lease_expires_at) == (None, None, None)
    metric = workqueue.get_execution_metric("FEAT-001")
    assert metric.total_cost_usd == Decimal("0.100001")
    assert metric.agents_used == execution_metrics()["agents_used"]
    assert workqueue.get_roi_metric(row.id).estimated_human_hours_saved == Decimal("6.50")
    assert statuses(row)[-1] == ("COMPLETED", None)
    stats = workqueue.stats()
    assert (stats.total_cost_usd, stats.human_hours_saved, stats.measured) == (Decimal("0.100001"), Decimal("6.5"), 1)


def test_a_worth_of_nothing_known_is_kept_as_nothing(db):
    """Every column of it is optional."""
    row = claimed()
    workqueue.complete(row, claim_token=row.claim_token, roi={})
    found = workqueue.get_roi_metric(1)
    assert (found.files_modified, found.git_branch, found.estimated_human_hours_saved) == (None, None, None)
    assert workqueue.find_execution_metric(1) is None
    with pytest.raises(NotFoundError):
        workqueue.get_execution_metric(1)
    with pytest.raises(NotFoundError):
        workqueue.get_roi_metric(2)


REFUSED = {
    "metrics.total_cost_usd": [1.25, "-0.000001", "x", "NaN", "100000000", "0.0000001", None],
    "metrics.duration_seconds": [-1, 1.5, "1", 2**31],
    "metrics.success_rate": [-1, 101, 98.0],
    "metrics.ready_for_production": [1, None],
    "metrics.prompt_tokens": [-1, 2**63],
    "metrics.agents_used": [None],
    "metrics.agents_used.0.role": [[{"role": "", "cost": 1}]],
    "metrics.agents_used.0.cost": [[{"role": "a", "cost": -1}], [{"role": "a", "cost": "1"}], [{"role": "a"}]],
    "roi.files_modified": [-1],
    "roi.estimated_human_hours_saved": [6.5, "0.001"],
    "roi.git_branch": ["x" * 501],
}
CASES = [(path, value) for path, values in REFUSED.items() for value in values]


@pytest.mark.parametrize(("path", "value"), CASES, ids=[f"{path}={value!s:.30}" for path, value in CASES])
def test_a_bad_measure_is_refused_and_nothing_is_written(db, path, value):
    """The feature stays claimed; the complaint has the path."""
    row = claimed()
    part, name, *_ = path.split(".")
    given = {"metrics": execution_metrics(**{name: value})} if part == "metrics" else {"roi": {name: value}}
    with pytest.raises(ValidationError) as caught:
        workqueue.complete(row, claim_token=row.claim_token, **given)
    assert list(caught.value.errors) == [path]
    assert workqueue.get_feature(row).status == "IN_PROGRESS"


def test_the_widest_measures_are_accepted(db):
    """Near misses of the refusals."""
    row = claimed()
    workqueue.complete(
        row,
        claim_token=row.claim_token,
        metrics=execution_metrics(
            total_cost_usd=Decimal("99999999.999999"), success_rate=100, prompt_tokens=2**63 - 1, agents_used=[]
        ),
        roi={"estimated_human_hours_saved": "-9999999999.99", "git_branch": "x" * 500},
    )
    assert workqueue.get_execution_metric(row).total_cost_usd == Decimal("99999999.999999")


def test_every_complaint_comes_at_once(db):
    """About all arguments."""
    row = claimed()
    with pytest.raises(ValidationError) as caught:
        workqueue.complete(
            row,
            claim_token="x",
            result_data="\0",
            metrics={"success_rate": 200},
            roi={"other": 1},
        )
    paths = set(caught.value.errors)
    assert {"claim_token", "result_data", "metrics.success_rate", "metrics.total_cost_usd", "roi.other"} <= paths
    for bad in ("x", [1]):
        with pytest.raises(ValidationError):
            workqueue.complete(row, claim_token=row.claim_token, metrics=bad, roi=bad)


def test_a_failure_is_failed_unless_it_may_be_tried_again(db, at, statuses):
    """With retry, while attempts are left; the kind and the note are kept."""
    row = claimed(max_attempts=2)
    again = workqueue.fail(row, claim_token=row.claim_token, note="flaky", retry=True, execution_log="1", now=at(1))
    assert (again.status, again.failure_kind, again.finished_at, again.execution_log) == ("PENDING", None, None, "1")
    row = workqueue.claim_next("w")
    assert row.attempt == 2
    last = workqueue.fail(row, claim_token=row.claim_token, kind="TIMEOUT", note="slow", retry=True, now=at(2))
    assert (last.status, last.failure_kind, last.finished_at) == ("FAILED", "TIMEOUT", at(2))
    assert [each for each in statuses(row) if each[1]] == [("PENDING", "flaky"), ("FAILED", "slow")]
    once = claimed()
    assert workqueue.fail(once, claim_token=once.claim_token).failure_kind == "ERROR"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"kind": "STOPPED"}, "kind"),
        ({"kind": "error"}, "kind"),
        ({"note": "x" * 2001}, "note"),
        ({"retry": 1}, "retry"),
    ],
    ids=["kind of the queue's own", "spelling", "note", "retry"],
)
def test_a_bad_failure_is_refused(db, given, path):
    """And the feature stays claimed."""
    row = claimed()
    with pytest.raises(ValidationError) as caught:
        workqueue.fail(row, claim_token=row.claim_token, **given)
    assert list(caught.value.errors) == [path]
    assert workqueue.get_feature(row).status == "IN_PROGRESS"


def test_stop_retry_and_submit_by_hand(db, at):
    """What each does, and what the history says."""
    waiting = make_feature()
    row = workqueue.stop(waiting, actor="ann", note="not now", now=at(5))
    assert (row.status, row.failure_kind, row.finished_at) == ("FAILED", "STOPPED", at(5))
    newest = workqueue.list_transitions(actor="ann")[0]
    assert (newest.from_status, newest.to_status, newest.note) == ("PENDING", "FAILED", "not now")
    row = workqueue.retry(waiting)
    assert (row.status, row.failure_kind, row.finished_at, row.attempt) == ("PENDING", None, None, 0)


def test_retry_gives_all_attempts_anew(db, at):
    """Also after they were used up."""
    make_feature(max_attempts=1)
    import datetime as dt

    workqueue.claim_next("w", lease=dt.timedelta(seconds=1), now=at(0))
    assert workqueue.claim_next("w", now=at(1)) is None
    workqueue.retry(1)
    assert workqueue.claim_next("w", now=at(1)).attempt == 1


ALLOWED = {
    "submit": {"DRAFT"},
    "stop": {"PENDING", "IN_PROGRESS"},
    "retry": {"FAILED"},
    "update_feature": {"DRAFT", "PENDING", "FAILED"},
    "delete_feature": {"DRAFT", "PENDING", "FAILED", "COMPLETED"},
    "add_dependency": {"DRAFT", "PENDING", "FAILED"},
    "remove_dependency": {"DRAFT", "PENDING", "FAILED"},
}


def in_status(status):
    """Make a feature that has come to a status; another one, completed, is what it waits for."""
    other = done(priority="HIGH")
    given = {"depends_on_ids": [other.feature_number]}
    if status in ("DRAFT", "PENDING"):
        return make_feature(draft=status == "DRAFT", **given)
    row = claimed(**given)
    if status == "COMPLETED":
        return workqueue.complete(row, claim_token=row.claim_token)
    return workqueue.fail(row, claim_token=row.claim_token) if status == "FAILED" else row


@pytest.mark.parametrize("status", workqueue.FEATURE_STATUSES)
@pytest.mark.parametrize("what", ALLOWED)
def test_what_may_be_done_in_which_status(db, what, status):
    """Everything else is refused with the status, and changes nothing."""
    row = in_status(status)
    extra = {
        "update_feature": {"name": "new"},
        "add_dependency": {"depends_on": make_feature(draft=True)},
        "remove_dependency": {"depends_on": 1},
    }.get(what, {})
    before = len(workqueue.list_transitions())
    if status in ALLOWED[what]:
        getattr(workqueue, what)(row, **extra)
        assert workqueue.verify_counts() == []
        return
    with pytest.raises(InvalidTransitionError) as caught:
        getattr(workqueue, what)(row, **extra)
    assert caught.value.meta["status"] == status
    assert caught.value.fix
    assert workqueue.get_feature(row).public() == row.public()
    assert len(workqueue.list_transitions()) == before


@pytest.mark.parametrize("what", ALLOWED)
def test_nothing_can_be_done_with_what_is_not_there(db, what):
    """NotFoundError with its label."""
    extra = {"update_feature": {"name": "n"}}.get(what, {"depends_on": 8} if "dependency" in what else {})
    if extra.get("depends_on"):
        make_feature(feature_number=8)
    with pytest.raises(NotFoundError) as caught:
        getattr(workqueue, what)("FEAT-007", **extra)
    assert "FEAT-007" in caught.value.why


def test_a_feature_can_be_changed_while_nobody_works_on_it(db):
    """A new priority moves it in the line."""
    make_feature(), make_feature()
    row = workqueue.update_feature(2, name="new", priority="HIGH", category="c", test_steps="t", max_attempts=9)
    assert (row.name, row.priority, row.priority_rank, row.max_attempts) == ("new", "HIGH", 0, 9)
    assert workqueue.claim_next("w").feature_number == 2
    for bad in ({}, {"status": "COMPLETED"}, {"name": ""}, {"priority": None}):
        with pytest.raises(ValidationError):
            workqueue.update_feature(1, **bad)


def test_deleting_keeps_the_history_and_takes_the_metrics(db):
    """By number and by key."""
    row = claimed()
    workqueue.complete(row, claim_token=row.claim_token, metrics=execution_metrics(), roi={})
    workqueue.delete_feature(row)
    assert workqueue.find_feature(1) is None
    for table in ("execution_metrics", "roi_metrics"):
        assert current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] == 0
    assert [each.to_status for each in workqueue.list_transitions(feature=1)] == [
        "COMPLETED",
        "IN_PROGRESS",
        "PENDING",
    ]
    assert len(workqueue.list_transitions(feature=row.id)) == 3
    assert len(workqueue.list_transitions(to_status="COMPLETED")) == 1
    page = workqueue.list_transitions(limit=2)
    assert [each.to_status for each in workqueue.list_transitions(limit=2, after=page[-1].id)] == ["PENDING"]


def test_lists_are_narrowed_and_paged(db):
    """By status, category and priority, newest first."""
    make_feature(), make_feature(priority="HIGH", category="docs"), make_feature(draft=True)
    assert [row.feature_number for row in workqueue.list_features()] == [3, 2, 1]
    assert [row.feature_number for row in workqueue.list_features(status="DRAFT")] == [3]
    assert [row.feature_number for row in workqueue.list_features(category="docs", priority="HIGH")] == [2]
    first = workqueue.list_features(limit=1)
    assert [row.feature_number for row in workqueue.list_features(limit=1, after=first[0].id)] == [2]
    for bad in ({"status": "x"}, {"category": ""}, {"limit": 0}, {"after": "x"}, {"priority": "URGENT"}):
        with pytest.raises(ValidationError):
            workqueue.list_features(**bad)
