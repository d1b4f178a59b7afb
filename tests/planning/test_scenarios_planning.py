"""Planning scenarios: written, read, listed, switched between modes, on both engines."""

from __future__ import annotations

import uuid

import pytest

from datapkg import audit, planning
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import transaction
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")


def test_a_scenario_reads_back_as_it_was_created(db):
    """It plans in LEGACY, revises nothing, and its key is taken as UUID or text."""
    made = planning.create_scenario("2027", needs_reconciliation=True)
    read = planning.get_scenario(str(made.id).upper())
    assert read.public() == made.public()
    assert (read.name, read.planning_mode, read.needs_reconciliation, read.revision_of_id) == (
        "2027",
        "LEGACY",
        True,
        None,
    )
    assert planning.find_scenario(UNKNOWN) is None
    with pytest.raises(NotFoundError, match="planning scenario"):
        planning.get_scenario(UNKNOWN)


@pytest.mark.parametrize("name", ["", "x" * 201, "\0", "\ud800", 3, None])
def test_bad_names_are_refused(db, stored, name):
    """A name is text of 1 to 200 characters; the longest is accepted."""
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.create_scenario(name, needs_reconciliation="no")
    assert set(caught.value.errors) == {"name", "needs_reconciliation"}
    assert stored() == before
    assert planning.create_scenario("é" * 200).name == "é" * 200


def test_scenarios_are_listed_newest_first_and_filtered(db, flag):
    """By name, mode, reconciliation and what they revise; pages continue after the last row."""
    flag()
    one, two, three = (planning.create_scenario(name) for name in ("a", "b", "a"))
    planning.set_planning_mode(two.id, mode="TOKEN", actor="me")
    planning.update_scenario(three.id, needs_reconciliation=True)
    revision = planning.revise_scenario(one.id)
    assert [row.id for row in planning.list_scenarios(limit=3)] == [revision.id, three.id, two.id]
    assert [row.id for row in planning.list_scenarios(after=two.id)] == [one.id]
    assert [row.id for row in planning.list_scenarios(name="a")] == [three.id, one.id]
    assert [row.id for row in planning.list_scenarios(planning_mode="TOKEN")] == [two.id]
    assert [row.id for row in planning.list_scenarios(needs_reconciliation=True)] == [three.id]
    assert [row.id for row in planning.list_scenarios(revision_of=one.id)] == [revision.id]
    for bad in ({"planning_mode": "token"}, {"limit": 0}, {"limit": 1001}, {"after": "x"}):
        with pytest.raises(ValidationError):
            planning.list_scenarios(**bad)


def test_a_scenario_changes_but_not_its_mode(db, stored):
    """Name and reconciliation can be updated; the mode is no column of an update, and nothing given is refused."""
    made = planning.create_scenario("a")
    changed = planning.update_scenario(made.id, name="b", needs_reconciliation=True)
    assert (changed.name, changed.needs_reconciliation, changed.created_at) == ("b", True, made.created_at)
    assert changed.updated_at > made.updated_at
    before = stored()
    for change in ({}, {"planning_mode": "TOKEN"}, {"name": None}, {"name": ""}):
        with pytest.raises(ValidationError):
            planning.update_scenario(made.id, **change)
    with pytest.raises(NotFoundError):
        planning.update_scenario(UNKNOWN, name="c")
    assert stored() == before


def test_deleting_a_scenario_takes_its_ledger_and_leaves_its_revisions(db):
    """Supplies and demands go, pools and initiatives stay, a revision no longer says what it revises."""
    scenario = factories.make_planning_scenario()
    supply = factories.make_supply(scenario_id=scenario.id)
    demand = factories.make_demand(scenario_id=scenario.id, skill_pool_id=supply.skill_pool_id)
    revision = planning.revise_scenario(scenario.id)
    planning.delete_scenario(scenario.id)
    assert planning.find_supply(supply.id) is None
    assert planning.find_demand(demand.id) is None
    assert planning.get_scenario(revision.id).revision_of_id is None
    assert len(planning.list_demands(scenario_id=revision.id)) == 1
    assert planning.get_initiative(demand.initiative_id)
    with pytest.raises(NotFoundError):
        planning.delete_scenario(scenario.id)


# The mode -------------------------------------------------------------------------------------------------------------


def test_token_needs_the_flag(db, stored, flag):
    """Without it, and with it off, a typed error says how to turn it on; nothing is written."""
    scenario = factories.make_planning_scenario()
    before = stored()
    for turn in (lambda: None, lambda: flag(False)):
        turn()
        with pytest.raises(InvalidTransitionError) as caught:
            planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me")
        assert caught.value.meta["flag"] == "token_planning_v1"
        assert "set_flag" in caught.value.fix
        assert stored() == before
    flag()
    assert planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me").planning_mode == "TOKEN"


def test_the_flag_is_asked_for_the_scenario(db, flag):
    """With a rollout percentage, some scenarios may switch and others not: those the flag is on for."""
    flag(rollout_percentage=50)
    switched = set()
    for scenario in [factories.make_planning_scenario() for _ in range(40)]:
        try:
            planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me")
            switched.add(True)
        except InvalidTransitionError:
            switched.add(False)
    assert switched == {True, False}


def test_switching_is_audited_and_reversible(db, flag):
    """Each switch is one entry with actor, from and to; the flag is not needed for the way back."""
    flag()
    scenario = factories.make_planning_scenario()
    planning.set_planning_mode(scenario.id, mode="TOKEN", actor=UNKNOWN)
    flag(False)
    assert planning.set_planning_mode(scenario.id, mode="LEGACY", actor="ann").planning_mode == "LEGACY"
    entries = audit.list_entries(entity_type="planning_scenario", entity_id=scenario.id)
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("set_planning_mode", "ann"),
        ("set_planning_mode", str(UNKNOWN)),
    ]
    assert [audit.get_entry(entry.id).details["data"] for entry in entries] == [
        {"from": "TOKEN", "to": "LEGACY"},
        {"from": "LEGACY", "to": "TOKEN"},
    ]
    assert audit.verify_chain().ok


def test_the_mode_it_has_is_no_change(db, stored, flag):
    """No audit entry, no later updated_at; also TOKEN while the flag is off by now."""
    scenario = factories.make_planning_scenario()
    before = stored()
    assert planning.set_planning_mode(scenario.id, mode="LEGACY", actor="me").planning_mode == "LEGACY"
    assert stored() == before
    flag()
    planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me")
    before = stored()
    for enabled in (True, False):
        flag(enabled)
        assert planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me").planning_mode == "TOKEN"
        assert stored() == before


def test_ledger_rows_are_never_touched(db, stored, flag):
    """Whatever the mode becomes, every row of the ledger stays as it is, times included."""
    flag()
    scenario = factories.make_planning_scenario()
    factories.make_supply(scenario_id=scenario.id)
    factories.make_demand(scenario_id=scenario.id)
    tables = ("token_supplies", "token_demands", "token_calibrations", "skill_pools", "initiatives")
    before = stored(*tables)
    for mode in ("TOKEN", "LEGACY", "TOKEN"):
        planning.set_planning_mode(scenario.id, mode=mode, actor="me")
        assert stored(*tables) == before


def test_a_switch_stands_or_falls_with_the_callers_transaction(db, stored, flag):
    """Mode and audit entry are undone together."""
    flag()
    scenario = factories.make_planning_scenario()
    before = stored()

    class Undo(Exception):
        pass

    with pytest.raises(Undo), transaction():
        planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me")
        raise Undo
    assert stored() == before
    assert audit.verify_chain().ok


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"mode": "token"}, "mode"),
        ({"mode": None}, "mode"),
        ({"actor": ""}, "actor"),
        ({"actor": "x" * 201}, "actor"),
        ({"scenario_id": "x"}, "scenario_id"),
    ],
)
def test_bad_arguments_of_a_switch(db, stored, flag, change, path):
    """Each is named, and nothing is written."""
    flag()
    given = {"scenario_id": factories.make_planning_scenario().id, "mode": "TOKEN", "actor": "me", **change}
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.set_planning_mode(given.pop("scenario_id"), **given)
    assert list(caught.value.errors) == [path]
    assert stored() == before


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("mode", ["TOKEN", "LEGACY"])
def test_an_unknown_scenario_has_no_mode(db, stored, flag, enabled, mode):
    """It is not found, whatever the flag says; nothing is recorded."""
    flag(enabled)
    before = stored()
    with pytest.raises(NotFoundError):
        planning.set_planning_mode(UNKNOWN, mode=mode, actor="me")
    assert stored() == before


@pytest.mark.datapkg_commits
def test_of_many_that_switch_at_once_one_is_recorded(db, flag, at_once):
    """Eight threads want TOKEN: all see it afterwards, and the log has one entry."""
    flag()
    scenario = factories.make_planning_scenario()
    results = at_once(*[lambda: planning.set_planning_mode(scenario.id, mode="TOKEN", actor="me")] * 8)
    assert [getattr(result, "planning_mode", result) for result in results] == ["TOKEN"] * 8
    assert len(audit.list_entries(entity_type="planning_scenario")) == 1
    assert audit.verify_chain().ok
