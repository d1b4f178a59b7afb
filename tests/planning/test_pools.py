"""Skill pools: written, taken out of new plans, and deleted only when that loses nothing unasked."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from datapkg import planning
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")


def test_a_pool_reads_back_by_key_and_by_name(db):
    """And lists, active ones alone if wanted."""
    made = planning.create_skill_pool("backend", description="Backend development capacity")
    idle = planning.create_skill_pool("idle", is_active=False)
    assert planning.get_skill_pool(made.id).public() == made.public()
    assert planning.find_skill_pool_by_name("backend") == made
    assert planning.find_skill_pool_by_name("Backend") is None
    assert [row.name for row in planning.list_skill_pools()] == ["idle", "backend"]
    assert [row.id for row in planning.list_skill_pools(is_active=False)] == [idle.id]
    with pytest.raises(ValidationError):
        planning.find_skill_pool_by_name(None)


def test_bad_pools_are_refused(db, stored):
    """A name is unique and has 1 to 100 characters."""
    planning.create_skill_pool("a" * 100)
    before = stored()
    with pytest.raises(ConflictError) as caught:
        planning.create_skill_pool("a" * 100)
    assert caught.value.constraint == "uq_skill_pools_name"
    with pytest.raises(ValidationError) as refused:
        planning.create_skill_pool("a" * 101, description=1, is_active=None)
    assert set(refused.value.errors) == {"name", "description", "is_active"}
    assert stored() == before


def test_a_pool_changes(db, stored):
    """What is given changes, None clears the description, and the rest stays."""
    pool, other = factories.make_skill_pool(description="old"), factories.make_skill_pool()
    changed = planning.update_skill_pool(pool.id, name="new")
    assert (changed.name, changed.description, changed.is_active) == ("new", "old", True)
    assert planning.update_skill_pool(pool.id, description=None).description is None
    assert planning.deactivate_skill_pool(pool.id).is_active is False
    assert planning.update_skill_pool(pool.id, is_active=True).is_active is True
    before = stored()
    for change in ({}, {"name": None}, {"colour": "red"}, {"is_active": 1}):
        with pytest.raises(ValidationError):
            planning.update_skill_pool(pool.id, **change)
    with pytest.raises(ConflictError):
        planning.update_skill_pool(pool.id, name=other.name)
    for call in (
        lambda: planning.update_skill_pool(UNKNOWN, name="x"),
        lambda: planning.deactivate_skill_pool(UNKNOWN),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert stored() == before


def test_an_inactive_pool_gets_no_new_rows_but_keeps_its_own(db, stored):
    """Figures that are there can be changed; a first one is refused, also of another initiative."""
    supply = factories.make_supply()
    demand = factories.make_demand(scenario_id=supply.scenario_id, skill_pool_id=supply.skill_pool_id)
    scenario, pool = supply.scenario_id, supply.skill_pool_id
    other, initiative = factories.make_planning_scenario(), factories.make_initiative()
    planning.deactivate_skill_pool(pool)
    assert planning.set_supply(scenario, skill_pool_id=pool, tokens=7).id == supply.id
    changed = planning.set_demand(
        scenario, initiative_id=demand.initiative_id, skill_pool_id=pool, tokens_p50=1, tokens_p90=2
    )
    assert changed.id == demand.id
    before = stored()
    with pytest.raises(InvalidTransitionError, match="not active"):
        planning.set_supply(other.id, skill_pool_id=pool, tokens=7)
    with pytest.raises(InvalidTransitionError):
        planning.set_demand(scenario, initiative_id=initiative.id, skill_pool_id=pool, tokens_p50=1)
    assert stored() == before
    planning.update_skill_pool(pool, is_active=True)
    planning.set_supply(other.id, skill_pool_id=pool, tokens=7)


def test_a_pool_with_a_history_is_not_deleted_unasked(db, stored):
    """Each kind of row stands in the way and is counted; cascade=True takes them along, and only them."""
    pool, kept = factories.make_skill_pool(name="busy"), factories.make_demand()
    factories.make_supply(skill_pool_id=pool.id)
    for _ in range(2):
        factories.make_demand(skill_pool_id=pool.id)
    for month in (1, 2, 3):
        factories.make_calibration(skill_pool_id=pool.id, effective_date=dt.date(2026, month, 1))
    before = stored()
    with pytest.raises(ConflictError) as caught:
        planning.delete_skill_pool(pool.id)
    assert caught.value.meta["in_the_way"] == {"token_supplies": 1, "token_demands": 2, "token_calibrations": 3}
    assert "2 in token_demands" in caught.value.why
    assert "deactivate_skill_pool" in caught.value.fix
    assert stored() == before
    planning.delete_skill_pool(pool.id, cascade=True)
    assert planning.find_skill_pool(pool.id) is None
    after = stored()
    assert [len(after[name]) for name in ("token_supplies", "token_demands", "token_calibrations")] == [0, 1, 0]
    assert planning.get_demand(kept.id)


@pytest.mark.parametrize("history", [factories.make_supply, factories.make_demand, factories.make_calibration])
def test_one_row_of_any_kind_is_a_history(db, history):
    """And once it is gone the pool can be deleted."""
    row = history()
    with pytest.raises(ConflictError):
        planning.delete_skill_pool(row.skill_pool_id)
    for each in (planning.TokenSupply, planning.TokenDemand, planning.TokenCalibration):
        each.delete().execute()
    planning.delete_skill_pool(row.skill_pool_id)
    with pytest.raises(NotFoundError):
        planning.delete_skill_pool(row.skill_pool_id)


@pytest.mark.parametrize("cascade", ["no", 1, None])
def test_cascade_is_true_or_false(db, stored, cascade):
    """Nothing else is taken for yes."""
    pool = factories.make_skill_pool()
    before = stored()
    with pytest.raises(ValidationError):
        planning.delete_skill_pool(pool.id, cascade=cascade)
    assert stored() == before


@pytest.mark.datapkg_commits
def test_no_row_written_meanwhile_is_lost_to_a_deletion(db, at_once):
    """A supply that was set while the pool was being deleted keeps the pool, or finds it gone."""
    for _ in range(5):
        pool = factories.make_skill_pool()
        scenarios = [factories.make_planning_scenario() for _ in range(5)]
        results = at_once(
            lambda pool=pool: planning.delete_skill_pool(pool.id),
            *[
                lambda pool=pool, scenario=scenario: planning.set_supply(scenario.id, skill_pool_id=pool.id, tokens=1)
                for scenario in scenarios
            ],
        )
        written = [each for each in results[1:] if isinstance(each, planning.TokenSupply)]
        there = planning.list_supplies(skill_pool_id=pool.id)
        assert {row.id for row in there} == {row.id for row in written}
        if written:
            assert isinstance(results[0], ConflictError)
            assert planning.get_skill_pool(pool.id)
        else:
            assert results[0] is None
        refused = [each for each in results[1:] if not isinstance(each, planning.TokenSupply)]
        assert all(isinstance(each, (NotFoundError, ConflictError)) for each in refused)
