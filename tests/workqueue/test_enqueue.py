"""Putting features into the queue: one, many, numbers, dependencies, and every refusal."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import workqueue
from datapkg.errors import ConflictError, ValidationError
from datapkg.testing.factories import make_feature

GOOD = {"name": "n", "category": "backend", "test_steps": "it works"}


def test_a_feature_is_pending_with_defaults_and_shown_as_feat(db):
    """The least that has to be given; the number is the next, and people see FEAT-001."""
    made = workqueue.enqueue("Charts", category="frontend", test_steps="They render.")
    assert (made.status, made.priority, made.max_attempts, made.attempt) == ("PENDING", "MEDIUM", 3, 0)
    assert (made.feature_number, made.label, made.depends_on_ids) == (1, "FEAT-001", [])
    assert made.public()["feature"] == "FEAT-001"
    assert "claim_token" not in made.public()
    assert workqueue.get_feature("FEAT-001").id == made.id
    (row,) = workqueue.list_transitions()
    assert (row.from_status, row.to_status, row.feature_id) == (None, "PENDING", made.id)


def test_a_draft_waits_until_it_is_submitted(db):
    """It is not claimed before."""
    made = make_feature(draft=True)
    assert made.status == "DRAFT"
    assert workqueue.claim_next("w") is None
    assert workqueue.submit(made).status == "PENDING"
    assert workqueue.claim_next("w").id == made.id


def test_numbers_go_on_after_the_highest_there_ever_was(db):
    """Given numbers count, gaps stay, and a deleted feature's number is not used again."""
    assert make_feature().feature_number == 1
    assert make_feature(feature_number=10).feature_number == 10
    last = make_feature()
    assert last.feature_number == 11
    workqueue.delete_feature(last)
    assert make_feature().feature_number == 12
    with pytest.raises(ConflictError) as caught:
        make_feature(feature_number=10)
    assert caught.value.constraint == "uq_feature_queue_feature_number"
    assert make_feature(feature_number=9).feature_number == 9


@pytest.mark.parametrize("name", ["FEAT-007", "feat-7", "7", 7], ids=["label", "short label", "text", "number"])
def test_a_feature_is_found_by_its_number_in_any_spelling(db, name):
    """And by its key, as UUID or text, and by itself."""
    made = make_feature(feature_number=7)
    assert workqueue.get_feature(name) == made
    assert workqueue.get_feature(made.id) == workqueue.get_feature(str(made.id)) == workqueue.get_feature(made)


@pytest.mark.parametrize("name", ["", "FEAT-", "FEAT-0", "-1", 0, -1, True, 1.0, None, 2**31, "FEAT-99999999999", "é"])
def test_what_names_no_feature_is_refused(db, name):
    """With a typed error, not as something that is not there."""
    with pytest.raises(ValidationError) as caught:
        workqueue.find_feature(name)
    assert list(caught.value.errors) == ["feature"]
    assert workqueue.find_feature(5) is None


def test_dependencies_are_given_and_shown_by_number(db):
    """Completed ones count as met at once."""
    first, second = make_feature(), make_feature()
    workqueue.complete(first, claim_token=workqueue.claim_next("w").claim_token)
    third = make_feature(depends_on_ids=(second.feature_number, first.feature_number))
    assert third.depends_on_ids == [1, 2]
    assert third.unmet_dependencies == 1
    assert workqueue.get_feature(third).depends_on_ids == [1, 2]
    assert {row.label: row.depends_on_ids for row in workqueue.list_features()}["FEAT-003"] == [1, 2]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"name": "a\0"}, "name"),
        ({"category": ""}, "category"),
        ({"category": "x" * 101}, "category"),
        ({"test_steps": None}, "test_steps"),
        ({"priority": "high"}, "priority"),
        ({"feature_number": 0}, "feature_number"),
        ({"feature_number": 2**31}, "feature_number"),
        ({"draft": 1}, "draft"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"depends_on_ids": "1"}, "depends_on_ids"),
        ({"depends_on_ids": 1}, "depends_on_ids"),
        ({"depends_on_ids": ["1"]}, "depends_on_ids.0"),
        ({"depends_on_ids": [0]}, "depends_on_ids.0"),
        ({"depends_on_ids": [99]}, "depends_on_ids.0"),
        ({"depends_on_ids": [1, 1]}, "depends_on_ids.1"),
        ({"depends_on_ids": [50], "feature_number": 50}, "depends_on_ids.0"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else value,
)
def test_a_bad_value_is_refused_and_nothing_is_written(db, given, path):
    """The complaint names the argument."""
    make_feature()
    with pytest.raises(ValidationError) as caught:
        workqueue.enqueue(**{**GOOD, **given})
    assert list(caught.value.errors) == [path]
    assert len(workqueue.list_features()) == len(workqueue.list_transitions()) == 1


def test_values_just_inside_are_accepted(db):
    """The near misses of the refusals above."""
    made = workqueue.enqueue(
        "x" * 500, category="x" * 100, test_steps="", priority="LOW", feature_number=2**31 - 1, max_attempts=1
    )
    assert made.label == "FEAT-2147483647"
    with pytest.raises(ValidationError) as caught:
        make_feature()
    assert list(caught.value.errors) == ["feature_number"]
    assert make_feature(feature_number=1, depends_on_ids={2**31 - 1}).depends_on_ids == [2**31 - 1]


def test_many_at_once_may_depend_on_each_other_in_any_order(db):
    """Later rows and stored features alike; the answer is in the order of the rows."""
    stored = make_feature()
    made = workqueue.enqueue_many(
        [
            {**GOOD, "name": "c", "feature_number": 12, "depends_on_ids": [11, 10, stored.feature_number]},
            {**GOOD, "name": "free"},
            {**GOOD, "name": "b", "feature_number": 11, "depends_on_ids": [10], "priority": "HIGH"},
            {**GOOD, "name": "a", "feature_number": 10, "draft": True},
        ]
    )
    assert [(row.name, row.feature_number) for row in made] == [("c", 12), ("free", 13), ("b", 11), ("a", 10)]
    assert made[0].depends_on_ids == [1, 10, 11]
    assert [row.unmet_dependencies for row in made] == [3, 0, 1, 0]
    assert [row.status for row in made] == ["PENDING", "PENDING", "PENDING", "DRAFT"]
    assert not workqueue.verify_counts()
    assert len(workqueue.list_transitions()) == 5
    assert workqueue.enqueue_many([]) == []


def test_every_complaint_about_many_rows_comes_at_once_with_its_row(db):
    """Bad values, unknown and doubled dependencies, doubled numbers and cycles, all in one error."""
    with pytest.raises(ValidationError) as caught:
        workqueue.enqueue_many(
            [
                {**GOOD, "feature_number": 1, "depends_on_ids": [3]},
                {**GOOD, "feature_number": 2, "depends_on_ids": [1, 77, 1]},
                {**GOOD, "feature_number": 3, "depends_on_ids": [2]},
                {**GOOD, "name": "", "feature_number": 8},
                {**GOOD, "feature_number": 3},
                "no row",
                {**GOOD, "feature_number": []},
                {**GOOD, "feature_number": 6, "depends_on_ids": [8, 6]},
            ]
        )
    errors = caught.value.errors
    assert list(errors) == [
        "0.depends_on_ids",
        "1.depends_on_ids.1",
        "1.depends_on_ids.2",
        "3.name",
        "4.feature_number",
        "5",
        "6.feature_number",
        "7.depends_on_ids.1",
    ]
    assert "FEAT-001 -> FEAT-003 -> FEAT-002 -> FEAT-001" in errors["0.depends_on_ids"][0]
    assert "FEAT-077" in errors["1.depends_on_ids.1"][0]
    assert workqueue.list_features() == []


def test_two_separate_cycles_are_both_named(db):
    """Each at one of its rows."""
    rows = [{**GOOD, "feature_number": number} for number in (1, 2, 3, 4)]
    for row, other in zip(rows, (2, 1, 4, 3), strict=True):
        row["depends_on_ids"] = [other]
    with pytest.raises(ValidationError) as caught:
        workqueue.enqueue_many(rows)
    text = str(caught.value.errors)
    assert "FEAT-001 -> FEAT-002 -> FEAT-001" in text
    assert "FEAT-003 -> FEAT-004 -> FEAT-003" in text


def test_ten_thousand_features_and_a_long_chain(db):
    """Twenty thousand dependencies, one chain through all of them, all in one go."""
    rows = [
        {**GOOD, "feature_number": number, "depends_on_ids": [each for each in (number - 1, number - 2) if each > 0]}
        for number in range(10_000, 0, -1)
    ]
    assert len(workqueue.enqueue_many(rows)) == 10_000
    assert len(workqueue.plan().critical_path) == 10_000
    assert not workqueue.verify_counts()
    assert [row.feature_number for row in workqueue.ready()] == [1]


@pytest.mark.datapkg_commits
def test_features_enqueued_at_once_get_different_numbers(db):
    """Six threads, no gap and no clash."""
    barrier = threading.Barrier(6)

    def add(_: int) -> list[int]:
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return [make_feature().feature_number for _ in range(5)]
        finally:
            db.close()

    with ThreadPoolExecutor(6) as pool:
        numbers = [number for made in pool.map(add, range(6)) for number in made]
    assert sorted(numbers) == list(range(1, 31))


def test_a_refusal_inside_a_callers_transaction_leaves_the_rest(db):
    """The caller's transaction goes on."""
    from datapkg.kit.database import transaction

    with transaction():
        make_feature()
        with pytest.raises(ConflictError):
            make_feature(feature_number=1)
        make_feature()
    assert [row.feature_number for row in workqueue.list_features()] == [2, 1]


@pytest.mark.parametrize("rows", [5, None])
def test_what_is_no_list_of_features_is_refused(db, rows):
    """By name."""
    with pytest.raises(ValidationError) as caught:
        workqueue.enqueue_many(rows)
    assert list(caught.value.errors) == ["rows"]
