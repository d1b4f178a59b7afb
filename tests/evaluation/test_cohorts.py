"""Cohorts: which transcripts they hold, and how they are stored, on both engines."""

from __future__ import annotations

import pytest

from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.evaluation.cohorts import (
    create_cohort,
    delete_cohort,
    find_cohort,
    get_cohort,
    in_cohort,
    list_cohorts,
)

UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"
FULL = {"models": ["a", "b"], "scenarios": ["s"], "values": {"tone": ["curt", "kind"]}}
IN = {"model": "a", "scenario": "s", "values": {"tone": "curt", "length": "short"}}


@pytest.mark.parametrize(
    ("criteria", "transcript", "expected"),
    [
        ({}, {}, True),
        ({}, {"scenario": None, "values": {}}, True),
        ({"schema_version": 1}, {}, True),
        (FULL, {}, True),
        (FULL, {"model": "b"}, True),
        (FULL, {"model": "c"}, False),
        (FULL, {"model": "A"}, False),
        (FULL, {"scenario": "t"}, False),
        (FULL, {"scenario": None}, False),
        (FULL, {"values": {"tone": "kind"}}, True),
        (FULL, {"values": {"tone": "loud"}}, False),
        (FULL, {"values": {"length": "short"}}, False),
        (FULL, {"values": {}}, False),
        ({"models": ["a"]}, {"scenario": None, "values": {}}, True),
        ({"scenarios": ["s", "t"]}, {"scenario": "t"}, True),
        ({"values": {"tone": ["curt"], "length": ["short"]}}, {}, True),
        ({"values": {"tone": ["curt"], "length": ["long"]}}, {}, False),
        ({"values": {}}, {"values": {}}, True),
    ],
)
def test_every_part_that_is_given_has_to_hold(criteria, transcript, expected):
    """A transcript is in a cohort if model, scenario and every dimension named are among those allowed."""
    assert in_cohort(criteria, **{**IN, **transcript}) is expected


def test_a_cohort_reads_back_as_it_was_created(db):
    """Name and criteria are the same when read, by either form of the key."""
    made = create_cohort("x" * 200, criteria=FULL)
    read = get_cohort(str(made.id).upper())
    assert read.criteria == {"schema_version": 1, **FULL}
    assert find_cohort(made.id) == made
    assert read.public() == made.public()
    assert get_cohort(create_cohort("all", criteria={}).id).criteria == {"schema_version": 1}


def test_a_name_is_taken_once(db):
    """The second cohort of a name is refused; names are told apart letter by letter."""
    create_cohort("fast", criteria={})
    with pytest.raises(ConflictError) as caught:
        create_cohort("fast", criteria=FULL)
    assert caught.value.constraint == "uq_cohorts_name"
    create_cohort("Fast", criteria={})
    assert [each.criteria for each in list_cohorts(name="fast")] == [{"schema_version": 1}]


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Name and criteria are checked together."""
    with pytest.raises(ValidationError) as caught:
        create_cohort("", criteria={"models": [], "scenarios": ["s", "s"], "values": {"tone": []}, "model": "a"})
    assert set(caught.value.errors) == {
        "name",
        "criteria.models",
        "criteria.scenarios",
        "criteria.values.tone",
        "criteria.model",
    }
    assert list_cohorts() == []


@pytest.mark.parametrize("criteria", [None, [], "a"])
def test_criteria_must_be_an_object(db, criteria):
    """Anything but an object is refused."""
    with pytest.raises(ValidationError) as caught:
        create_cohort("x", criteria=criteria)
    assert list(caught.value.errors) == ["criteria"]


def test_lists_are_paged_newest_first(db):
    """A page goes on after the last row."""
    made = [create_cohort(name, criteria={}) for name in "abc"]
    assert [each.id for each in list_cohorts(limit=2)] == [made[2].id, made[1].id]
    assert [each.id for each in list_cohorts(limit=2, after=made[1].id)] == [made[0].id]
    with pytest.raises(ValidationError) as caught:
        list_cohorts(limit=0, after="x")
    assert set(caught.value.errors) == {"limit", "after"}


def test_a_deleted_cohort_is_gone(db):
    """It cannot be found or deleted any more, and its name is free again."""
    made = create_cohort("a", criteria={})
    delete_cohort(made.id)
    assert find_cohort(made.id) is None
    for call in (get_cohort, delete_cohort):
        with pytest.raises(NotFoundError) as missing:
            call(made.id)
        assert missing.value.entity == "cohort"
        with pytest.raises(ValidationError) as caught:
            call("x")
        assert list(caught.value.errors) == ["cohort_id"]
    assert find_cohort(UNKNOWN) is None
    create_cohort("a", criteria=FULL)
