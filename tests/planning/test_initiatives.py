"""Initiatives and the log of their status, on both engines."""

from __future__ import annotations

import uuid

import pytest

from datapkg import planning
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")
STATUSES = planning.INITIATIVE_STATUSES


def log(initiative):
    """Return what the log says about an initiative, newest first."""
    return [
        (entry.from_status, entry.to_status, entry.actor, entry.note)
        for entry in planning.list_initiative_statuses(initiative_id=initiative.id)
    ]


def test_an_initiative_is_proposed_and_its_log_begins(db):
    """The first entry comes from nothing; name, status and description read back."""
    made = planning.create_initiative("Search", description="Find it.", actor="ann")
    assert planning.get_initiative(str(made.id)).public() == made.public()
    assert (made.name, made.status, made.description) == ("Search", "PROPOSED", "Find it.")
    assert log(made) == [(None, "PROPOSED", "ann", None)]
    assert planning.create_initiative("At once", status="ACTIVE").status == "ACTIVE"


def test_bad_initiatives_are_refused(db, stored):
    """With every complaint at once; nothing is written, not even to the log."""
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.create_initiative("", description=1, status="DONE", actor="")
    assert set(caught.value.errors) == {"name", "description", "status", "actor"}
    assert stored() == before


@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.parametrize("before", STATUSES)
def test_every_transition(db, before, after):
    """Those that INITIATIVE_TRANSITIONS lists are made and logged; the same status is no change; others are refused."""
    initiative = factories.make_initiative(status=before)
    if after == before:
        assert planning.set_initiative_status(initiative.id, status=after, actor="me").public() == initiative.public()
        assert len(log(initiative)) == 1
    elif after in planning.INITIATIVE_TRANSITIONS[before]:
        changed = planning.set_initiative_status(initiative.id, status=after, actor="me", note="why")
        assert changed.status == planning.get_initiative(initiative.id).status == after
        assert log(initiative)[0] == (before, after, "me", "why")
    else:
        with pytest.raises(InvalidTransitionError) as caught:
            planning.set_initiative_status(initiative.id, status=after, actor="me")
        assert caught.value.meta["allowed"] == list(planning.INITIATIVE_TRANSITIONS[before])
        assert planning.get_initiative(initiative.id).public() == initiative.public()
        assert len(log(initiative)) == 1


def test_no_status_is_a_dead_end_and_each_is_listed():
    """From every status there is a way on, and none leads to something unknown."""
    assert set(planning.INITIATIVE_TRANSITIONS) == set(STATUSES)
    for allowed in planning.INITIATIVE_TRANSITIONS.values():
        assert allowed
        assert set(allowed) <= set(STATUSES)


def test_bad_arguments_of_a_status(db, stored):
    """All are named at once; an unknown initiative is not found."""
    initiative = factories.make_initiative()
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.set_initiative_status("x", status="active", actor="", note="")
    assert set(caught.value.errors) == {"initiative_id", "status", "actor", "note"}
    with pytest.raises(NotFoundError):
        planning.set_initiative_status(UNKNOWN, status="ACTIVE", actor="me")
    with pytest.raises(ValidationError):
        planning.set_initiative_status(initiative.id, status="ACTIVE", actor="me", note="x" * 2001)
    assert stored() == before
    planning.set_initiative_status(initiative.id, status="ACTIVE", actor="me", note="x" * 2000)


def test_lists_are_filtered(db):
    """Initiatives by name and status, the log by initiative, status and actor."""
    one, two = factories.make_initiative(name="a"), factories.make_initiative(name="b", status="ACTIVE")
    planning.set_initiative_status(one.id, status="CANCELLED", actor="ann")
    assert [row.id for row in planning.list_initiatives()] == [two.id, one.id]
    assert [row.id for row in planning.list_initiatives(name="a")] == [one.id]
    assert [row.id for row in planning.list_initiatives(status="ACTIVE")] == [two.id]
    assert [row.initiative_id for row in planning.list_initiative_statuses(actor="ann")] == [one.id]
    assert [row.initiative_id for row in planning.list_initiative_statuses(to_status="ACTIVE")] == [two.id]
    assert len(planning.list_initiative_statuses(limit=2)) == 2


def test_deleting_an_initiative_takes_its_log_and_demands(db):
    """In every scenario; the scenarios and pools stay."""
    demand = factories.make_demand()
    planning.delete_initiative(demand.initiative_id)
    assert planning.find_demand(demand.id) is None
    assert planning.find_initiative(demand.initiative_id) is None
    assert planning.list_initiative_statuses(initiative_id=demand.initiative_id) == []
    assert planning.get_scenario(demand.scenario_id)
    for function in (planning.delete_initiative, planning.get_initiative):
        with pytest.raises(NotFoundError):
            function(demand.initiative_id)


@pytest.mark.datapkg_commits
def test_changes_at_once_are_logged_in_a_chain(db, at_once):
    """Whatever six threads do to one initiative, each logged change begins where the one before ended."""
    initiative = factories.make_initiative(status="ACTIVE")
    wanted = ["ON_HOLD", "COMPLETED", "CANCELLED", "PROPOSED", "ACTIVE", "ON_HOLD"]
    results = at_once(
        *[
            lambda status=status: planning.set_initiative_status(initiative.id, status=status, actor="me")
            for status in wanted
        ]
    )
    assert all(isinstance(each, (planning.Initiative, InvalidTransitionError)) for each in results)
    steps = log(initiative)[::-1]
    assert [step[0] for step in steps[1:]] == [step[1] for step in steps[:-1]]
    assert planning.get_initiative(initiative.id).status == steps[-1][1]
