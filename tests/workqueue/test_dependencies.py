"""Dependencies: adding, removing, cycles, deletions, and two processes at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import workqueue
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.testing.factories import make_feature


def finish(number):
    """Claim features until this one is held, and complete it alone."""
    row = workqueue.claim_next("w")
    assert row.feature_number == number
    return workqueue.complete(row, claim_token=row.claim_token)


def test_adding_and_removing_change_what_is_ready(db):
    """At once, and the counts are right."""
    make_feature(), make_feature()
    made = workqueue.add_dependency(1, depends_on="FEAT-002")
    assert made.depends_on_number == 2
    assert [row.depends_on_number for row in workqueue.list_dependencies(1)] == [2]
    assert [row.feature_number for row in workqueue.ready()] == [2]
    workqueue.remove_dependency(1, depends_on=2)
    assert [row.feature_number for row in workqueue.ready()] == [1, 2]
    assert workqueue.verify_counts() == []


def test_a_completed_dependency_is_met_at_once(db):
    """Nothing to wait for."""
    make_feature(priority="HIGH"), make_feature()
    finish(1)
    workqueue.add_dependency(2, depends_on=1)
    assert workqueue.get_feature(2).unmet_dependencies == 0
    assert finish(2).status == "COMPLETED"


def test_refusals(db):
    """Itself, twice, unknown ones: typed, and nothing changes."""
    make_feature(), make_feature()
    workqueue.add_dependency(2, depends_on=1)
    with pytest.raises(ValidationError, match="FEAT-001 cannot wait for itself"):
        workqueue.add_dependency(1, depends_on=1)
    with pytest.raises(ConflictError, match="FEAT-002 waits for FEAT-001 already") as caught:
        workqueue.add_dependency(2, depends_on=1)
    assert caught.value.constraint == "uq_feature_dependencies_feature_id_depends_on_number"
    with pytest.raises(NotFoundError, match="FEAT-009"):
        workqueue.add_dependency(1, depends_on=9)
    with pytest.raises(NotFoundError, match="of FEAT-001 on FEAT-002"):
        workqueue.remove_dependency(1, depends_on=2)
    with pytest.raises(NotFoundError):
        workqueue.list_dependencies(9)
    with pytest.raises(ValidationError) as caught:
        workqueue.add_dependency(1, depends_on="x")
    assert list(caught.value.errors) == ["depends_on"]
    assert [row.depends_on_ids for row in workqueue.list_features()] == [[1], []]


def test_a_cycle_is_refused_and_named(db):
    """The shortest one, from the feature that would wait back to it."""
    for _ in range(5):
        make_feature()
    for feature, other in ((1, 2), (2, 3), (3, 4), (1, 3), (3, 5)):
        workqueue.add_dependency(feature, depends_on=other)
    with pytest.raises(ValidationError, match="FEAT-004 -> FEAT-001 -> FEAT-003 -> FEAT-004"):
        workqueue.add_dependency(4, depends_on=1)
    with pytest.raises(ValidationError, match="FEAT-002 -> FEAT-001 -> FEAT-002"):
        workqueue.add_dependency(2, depends_on=1)
    workqueue.add_dependency(1, depends_on=4)
    workqueue.add_dependency(5, depends_on=4)


def test_what_was_deleted_stays_unmet_until_it_is_removed(db):
    """The edge keeps its number; a new feature with that number is another one."""
    make_feature(draft=True), make_feature(depends_on_ids=[1])
    key = workqueue.get_feature(1).id
    workqueue.delete_feature(1)
    assert workqueue.claim_next("w") is None
    (edge,) = workqueue.list_dependencies(2)
    assert (edge.depends_on_id, edge.depends_on_number) == (None, 1)
    (row,) = workqueue.blocked()
    assert (row.feature, row.reason, row.because_of) == ("FEAT-002", "DELETED", ("FEAT-001",))
    with pytest.raises(NotFoundError):
        workqueue.remove_dependency(2, depends_on=key)
    make_feature(feature_number=1, draft=True)
    assert workqueue.blocked()[0].reason == "DELETED"
    workqueue.add_dependency(2, depends_on=1)
    assert workqueue.blocked()[0].reason == "DRAFT"
    workqueue.delete_feature(1)
    workqueue.remove_dependency(2, depends_on=1)
    assert workqueue.verify_counts() == []
    assert workqueue.claim_next("w").feature_number == 2


def test_deleting_what_is_completed_blocks_nobody(db):
    """What waited for it had it done."""
    make_feature(priority="HIGH"), make_feature(), make_feature(depends_on_ids=[1, 2])
    finish(1)
    workqueue.delete_feature(1)
    assert workqueue.get_feature(3).depends_on_ids == [2]
    finish(2)
    assert finish(3).status == "COMPLETED"
    assert workqueue.verify_counts() == []


def test_a_failed_dependency_blocks_until_it_is_retried_and_completed(db):
    """Its failing changes no count."""
    make_feature(), make_feature(depends_on_ids=[1])
    workqueue.stop(1)
    assert workqueue.claim_next("w") is None
    workqueue.retry(1)
    finish(1)
    finish(2)


@pytest.mark.datapkg_commits
def test_two_that_together_would_make_a_cycle(db):
    """At once, from two threads, again and again: exactly one of each pair is refused."""
    for _ in range(20):
        make_feature()
    barrier = threading.Barrier(2)

    def link(pairs):
        db.connect(reuse_if_open=True)
        refused = 0
        try:
            for feature, other in pairs:
                barrier.wait(timeout=30)
                try:
                    workqueue.add_dependency(feature, depends_on=other)
                except ValidationError:
                    refused += 1
        finally:
            db.close()
        return refused

    pairs = [(number, number + 1) for number in range(1, 20, 2)]
    with ThreadPoolExecutor(2) as pool:
        refused = list(pool.map(link, [pairs, [(other, feature) for feature, other in pairs]]))
    assert sum(refused) == len(pairs)
    assert len(workqueue.plan().order) == 20


@pytest.mark.datapkg_commits
def test_completing_while_dependencies_are_added_keeps_the_counts(db):
    """A dependency that is completed in that very moment is either met at once or counted off."""
    rows = [{"name": "n", "category": "c", "test_steps": "", "feature_number": 1 + each} for each in range(60)]
    workqueue.enqueue_many([*rows, {**rows[0], "feature_number": 100, "draft": True}])
    barrier = threading.Barrier(2)

    def complete():
        db.connect(reuse_if_open=True)
        try:
            for _ in rows:
                row = workqueue.claim_next("w")
                barrier.wait(timeout=30)
                workqueue.complete(row, claim_token=row.claim_token)
        finally:
            db.close()

    def add():
        db.connect(reuse_if_open=True)
        try:
            for row in rows:
                barrier.wait(timeout=30)
                workqueue.add_dependency(100, depends_on=row["feature_number"])
                if row["feature_number"] % 7 == 0:
                    make_feature(draft=True, depends_on_ids=[row["feature_number"]])
        finally:
            db.close()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(complete), pool.submit(add)]:
            each.result(timeout=120)
    assert workqueue.verify_counts() == []
    assert workqueue.get_feature(100).unmet_dependencies == 0
    assert current().fetch("SELECT count(*) FROM feature_queue WHERE unmet_dependencies > 0", ())[0][0] == 0


@pytest.mark.datapkg_commits
def test_completing_while_the_dependency_is_removed_keeps_the_count(db):
    """A completion that waits for the removal takes nothing off what was counted without it."""
    make_feature(), make_feature(draft=True), make_feature(depends_on_ids=[1, 2])
    row = workqueue.claim_next("w")
    removed = threading.Event()

    def remove():
        db.connect(reuse_if_open=True)
        try:
            with transaction():
                workqueue.remove_dependency(3, depends_on=1)
                removed.set()
                time.sleep(0.3)  # for the completion to come upon the lock
        finally:
            db.close()

    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(remove)
        assert removed.wait(timeout=30)
        workqueue.complete(row, claim_token=row.claim_token)
        removing.result(timeout=30)
    assert workqueue.verify_counts() == []
    assert workqueue.get_feature(3).unmet_dependencies == 1
