"""Claiming: the order, leases, fencing tokens, attempts."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from datapkg import workqueue
from datapkg.errors import LeaseLostError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.testing.factories import make_feature

MINUTE = dt.timedelta(minutes=1)


def claim(**given):
    """Claim as worker w, for a minute."""
    return workqueue.claim_next(given.pop("worker", "w"), **{"lease": MINUTE, **given})


def test_priority_then_age_then_key(db):
    """HIGH before MEDIUM before LOW; within one the oldest."""
    for priority in ("LOW", "MEDIUM", "HIGH", "LOW", "HIGH", "MEDIUM"):
        make_feature(priority=priority)
    assert [row.feature_number for row in workqueue.ready()] == [3, 5, 2, 6, 1, 4]
    assert [claim().feature_number for _ in range(6)] == [3, 5, 2, 6, 1, 4]
    assert claim() is None


def test_a_batch_of_one_instant_is_claimed_in_the_order_of_its_keys(db):
    """They were made in the same moment."""
    rows = [{"name": "n", "category": "c", "test_steps": ""} for _ in range(20)]
    made = workqueue.enqueue_many(rows)
    assert [claim().id for _ in range(20)] == [row.id for row in made]


def test_a_claim_says_who_until_when_and_which_attempt(db, at):
    """And the history says it too."""
    make_feature()
    row = claim(worker="worker-1", now=at(0))
    assert (row.status, row.claimed_by, row.attempt) == ("IN_PROGRESS", "worker-1", 1)
    assert row.lease_expires_at == at(60)
    assert row.claim_token.version == 7
    assert workqueue.get_feature(row) == row
    newest = workqueue.list_transitions()[0]
    assert (newest.from_status, newest.to_status, newest.actor, newest.attempt) == (
        "PENDING",
        "IN_PROGRESS",
        "worker-1",
        1,
    )


def test_only_one_category(db):
    """What is of another is left alone, however urgent."""
    make_feature(category="frontend", priority="HIGH")
    wanted = make_feature(category="backend", priority="LOW")
    assert claim(category="backend").id == wanted.id
    assert claim(category="backend") is None
    assert claim(category="docs") is None


def test_dependencies_come_first(db):
    """A feature becomes ready with the last of them."""
    first, second = make_feature(priority="LOW"), make_feature(priority="LOW")
    third = make_feature(priority="HIGH", depends_on_ids=[1, 2])
    a, b = claim(), claim()
    assert (a.id, b.id) == (first.id, second.id)
    assert claim() is None
    workqueue.complete(a, claim_token=a.claim_token)
    assert claim() is None
    workqueue.complete(b, claim_token=b.claim_token)
    assert claim().id == third.id


def test_a_count_that_is_wrong_never_lets_a_feature_run_early(db):
    """Foreign code sets it to nothing: the claim looks at the dependencies themselves; verify_counts finds it."""
    make_feature(priority="LOW")
    make_feature(priority="HIGH", depends_on_ids=[1])
    current().change("UPDATE feature_queue SET unmet_dependencies = 0 WHERE feature_number = 2", ())
    assert [row.feature_number for row in workqueue.ready()] == [1]
    assert workqueue.verify_counts() == [{"feature": "FEAT-002", "stored": 0, "actual": 1}]
    row = claim()
    assert row.feature_number == 1
    assert claim() is None
    assert workqueue.verify_counts(repair=True) == [{"feature": "FEAT-002", "stored": 0, "actual": 1}]
    assert workqueue.verify_counts() == []
    workqueue.complete(row, claim_token=row.claim_token)
    assert claim().feature_number == 2


def test_a_count_too_high_is_found_and_repaired(db):
    """It would wait for ever."""
    make_feature()
    current().change("UPDATE feature_queue SET unmet_dependencies = 3", ())
    assert claim() is None
    workqueue.verify_counts(repair=True)
    assert claim().feature_number == 1


def test_an_expired_lease_counts_an_attempt_and_the_same_call_claims_again(db, at, statuses):
    """At its very end; not a moment before."""
    make_feature()
    first = claim(now=at(0))
    assert claim(now=at(59.999999)) is None
    second = claim(worker="other", now=at(60))
    assert (second.id, second.attempt, second.claimed_by) == (first.id, 2, "other")
    assert second.claim_token != first.claim_token
    assert statuses(first) == [
        ("PENDING", None),
        ("IN_PROGRESS", None),
        ("PENDING", "the lease ran out"),
        ("IN_PROGRESS", None),
    ]


def test_an_expired_one_is_claimed_in_its_place(db, at):
    """A HIGH one whose lease ran out comes before MEDIUM ones that are waiting, a LOW one after them."""
    high, low = make_feature(priority="HIGH"), make_feature(priority="LOW")
    claim(now=at(0)), claim(now=at(0))
    medium = make_feature()
    assert [claim(now=at(60)).id for _ in range(3)] == [high.id, medium.id, low.id]


def test_used_up_attempts_end_in_failed_exhausted(db, at):
    """The last attempt's lease runs out: nobody claims it any more."""
    made = make_feature(max_attempts=2)
    assert claim(now=at(0)).attempt == 1
    assert claim(now=at(60)).attempt == 2
    assert claim(now=at(120)) is None
    row = workqueue.get_feature(made)
    assert (row.status, row.failure_kind, row.finished_at) == ("FAILED", "EXHAUSTED", at(120))
    assert (row.claim_token, row.claimed_by, row.lease_expires_at) == (None, None, None)


def test_release_expired_does_it_without_claiming(db, at):
    """It tells which; running leases stay."""
    for _ in range(3):
        make_feature(max_attempts=1)
    make_feature(feature_number=10, priority="HIGH", max_attempts=2)
    for second in (0, 0, 30):
        claim(now=at(second))
    released = workqueue.release_expired(now=at(60))
    assert {row.label: row.status for row in released} == {"FEAT-010": "PENDING", "FEAT-001": "FAILED"}
    assert workqueue.release_expired(now=at(60)) == []
    assert workqueue.stats(now=at(60)).by_status["IN_PROGRESS"] == 1
    assert workqueue.stats(now=at(90)).expired == 1


def test_many_expired_leases_at_once(db, at):
    """More than one statement takes."""
    rows = [{"name": "n", "category": "c", "test_steps": "", "max_attempts": 1 + number % 2} for number in range(1100)]
    workqueue.enqueue_many(rows)
    with transaction():
        for _ in rows:
            claim(now=at(0))
    assert claim(now=at(60)).attempt == 2
    counts = workqueue.stats().by_status
    assert (counts["FAILED"], counts["PENDING"], counts["IN_PROGRESS"]) == (550, 549, 1)


def test_a_heartbeat_prolongs_the_lease_from_now(db, at):
    """And is no change of status."""
    make_feature()
    row = claim(now=at(0))
    assert workqueue.heartbeat(row, claim_token=row.claim_token, lease=MINUTE, now=at(50)).lease_expires_at == at(110)
    assert claim(now=at(100)) is None
    assert len(workqueue.list_transitions()) == 2


LATE_WRITES = {
    "heartbeat": lambda row, token: workqueue.heartbeat(row, claim_token=token),
    "complete": lambda row, token: workqueue.complete(row, claim_token=token, result_data="late", roi={}),
    "fail": lambda row, token: workqueue.fail(row, claim_token=token, note="late"),
    "release": lambda row, token: workqueue.release(row, claim_token=token),
}


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
def test_a_stale_token_changes_nothing(db, at, write):
    """Taken over, released, stopped, completed, never claimed, or simply another token: LeaseLostError."""
    row = make_feature()
    with pytest.raises(LeaseLostError):
        write(row, uuid.uuid4())
    stale = claim(now=at(0))
    held = claim(worker="other", now=at(60))
    before = workqueue.get_feature(row), len(workqueue.list_transitions())
    with pytest.raises(LeaseLostError) as caught:
        write(row, stale.claim_token)
    assert caught.value.meta == {"feature": "FEAT-001", "status": "IN_PROGRESS", "claimed_by": "other"}
    now = workqueue.get_feature(row)
    assert (now.public(), now.claim_token, len(workqueue.list_transitions())) == (
        before[0].public(),
        held.claim_token,
        before[1],
    )
    workqueue.stop(row)
    with pytest.raises(LeaseLostError):
        write(row, held.claim_token)
    workqueue.retry(row)
    with pytest.raises(LeaseLostError):
        write(row, held.claim_token)
    last = claim()
    workqueue.complete(row, claim_token=last.claim_token)
    with pytest.raises(LeaseLostError):
        write(row, last.claim_token)
    workqueue.delete_feature(row)
    with pytest.raises(NotFoundError):
        write(row, last.claim_token)


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
def test_a_late_worker_may_finish_while_nobody_took_the_claim_away(db, write):
    """The token decides, not the clock."""
    make_feature()
    row = claim(now=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    write(row, row.claim_token)


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES)
@pytest.mark.parametrize("token", ["", "x", None, 7])
def test_a_token_that_is_none_is_refused(db, write, token):
    """Before anything is looked up."""
    row = make_feature()
    with pytest.raises(ValidationError) as caught:
        write(row, token)
    assert "claim_token" in caught.value.errors


def test_a_token_may_be_text(db):
    """As it comes out of JSON."""
    make_feature()
    row = claim()
    assert workqueue.complete(str(row.id), claim_token=str(row.claim_token)).status == "COMPLETED"


def test_giving_back_does_not_count_as_an_attempt(db, statuses):
    """The next claim is the same attempt again."""
    made = make_feature(max_attempts=1)
    row = claim()
    back = workqueue.release(made, claim_token=row.claim_token, note="shutting down")
    assert (back.status, back.attempt, back.claim_token, back.lease_expires_at) == ("PENDING", 0, None, None)
    assert statuses(made)[-1] == ("PENDING", "shutting down")
    assert claim().attempt == 1


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"worker": ""}, "worker"),
        ({"worker": "x" * 201}, "worker"),
        ({"worker": None}, "worker"),
        ({"category": ""}, "category"),
        ({"lease": dt.timedelta(0)}, "lease"),
        ({"lease": dt.timedelta(seconds=-1)}, "lease"),
        ({"lease": dt.timedelta.max}, "lease"),
        ({"lease": 60}, "lease"),
        ({"now": dt.datetime(2026, 1, 1)}, "now"),
        ({"now": "2026-01-01"}, "now"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else value,
)
def test_bad_arguments_are_refused_and_nothing_is_claimed(db, given, path):
    """Typed, and the feature is still there to be claimed."""
    make_feature()
    with pytest.raises(ValidationError) as caught:
        claim(**given)
    assert list(caught.value.errors) == [path]
    assert claim(worker="x" * 200, lease=dt.timedelta(microseconds=1)).attempt == 1


def test_a_bad_lease_or_note_writes_nothing(db, at):
    """In heartbeats and releases too."""
    make_feature()
    row = claim(now=at(0))
    for lease in (dt.timedelta(0), 3, None):
        with pytest.raises(ValidationError):
            workqueue.heartbeat(row, claim_token=row.claim_token, lease=lease)
    with pytest.raises(ValidationError):
        workqueue.release(row, claim_token=row.claim_token, note="x" * 2001)
    assert workqueue.get_feature(row).lease_expires_at == at(60)


def test_a_claim_inside_a_callers_transaction_is_undone_with_it(db):
    """Nothing is left of it."""
    make_feature()

    class Undone(Exception):
        pass

    with pytest.raises(Undone), transaction():
        assert claim() is not None
        raise Undone
    assert len(workqueue.list_transitions()) == 1
    assert claim().attempt == 1
