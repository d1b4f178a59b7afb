"""Supplies and demands: one row for each key, whoever writes at the same time; bad figures are refused."""

from __future__ import annotations

import math
import uuid

import pytest

from datapkg import planning
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")
NAN, INFINITY = math.nan, math.inf


@pytest.fixture
def place(db):
    """A scenario, an initiative and a pool to write about."""
    scenario, initiative, pool = (
        factories.make_planning_scenario(),
        factories.make_initiative(),
        factories.make_skill_pool(),
    )
    return scenario.id, initiative.id, pool.id


def demand(place, **figures):
    """Set a demand at a place."""
    scenario, initiative, pool = place
    return planning.set_demand(scenario, initiative_id=initiative, skill_pool_id=pool, **figures)


def test_a_supply_is_set_and_set_again(place):
    """The second call changes the same row: figures, notes and updated_at, and neither key nor created_at."""
    scenario, _, pool = place
    first = planning.set_supply(scenario, skill_pool_id=str(pool), tokens=10, notes="guess")
    assert planning.get_supply(first.id).public() == first.public()
    assert (first.tokens, first.notes, type(first.tokens)) == (10.0, "guess", float)
    again = planning.set_supply(scenario, skill_pool_id=pool, tokens=12.5)
    assert (again.id, again.created_at, again.tokens, again.notes) == (first.id, first.created_at, 12.5, None)
    assert again.updated_at > first.updated_at
    assert [row.public() for row in planning.list_supplies()] == [again.public()]


def test_a_demand_is_set_and_set_again(place):
    """A P90 that is left out is unknown, also when there was one."""
    first = demand(place, tokens_p50=10, tokens_p90=20, notes="x")
    assert planning.get_demand(first.id).public() == first.public()
    again = demand(place, tokens_p50=11)
    assert (again.id, again.tokens_p50, again.tokens_p90, again.notes) == (first.id, 11.0, None, None)
    assert len(planning.list_demands()) == 1


@pytest.mark.parametrize("tokens", [-1, -5e-324, NAN, INFINITY, -INFINITY, 1e15 + 1, 10**400, "5", None, True])
def test_bad_supplies_are_refused(place, stored, tokens):
    """Negative, not finite, too large, or no number: a typed error, and nothing is written."""
    before = stored()
    with pytest.raises(ValidationError) as caught:
        planning.set_supply(place[0], skill_pool_id=place[2], tokens=tokens)
    assert list(caught.value.errors) == ["tokens"]
    assert stored() == before


@pytest.mark.parametrize("tokens", [0, -0.0, 5e-324, 1e15, 0.1])
def test_near_misses_of_supplies_are_accepted(place, tokens):
    """The edges read back exactly; nought has no sign."""
    row = planning.get_supply(planning.set_supply(place[0], skill_pool_id=place[2], tokens=tokens).id)
    assert row.tokens == tokens
    assert math.copysign(1, row.tokens) == 1


@pytest.mark.parametrize(
    ("figures", "paths"),
    [
        ({"tokens_p50": 10, "tokens_p90": 9.999}, ["tokens_p90"]),
        ({"tokens_p50": -1}, ["tokens_p50"]),
        ({"tokens_p50": NAN}, ["tokens_p50"]),
        ({"tokens_p50": 1, "tokens_p90": NAN}, ["tokens_p90"]),
        ({"tokens_p50": 1, "tokens_p90": INFINITY}, ["tokens_p90"]),
        ({"tokens_p50": None, "tokens_p90": 1}, ["tokens_p50"]),
        ({"tokens_p50": "1", "tokens_p90": -1, "notes": 3}, ["notes", "tokens_p50", "tokens_p90"]),
        ({"tokens_p50": 1e15, "tokens_p90": 2e15}, ["tokens_p90"]),
    ],
)
def test_bad_demands_are_refused(place, stored, figures, paths):
    """P90 below P50, NaN and the rest: every complaint at once, and nothing is written."""
    before = stored()
    with pytest.raises(ValidationError) as caught:
        demand(place, **figures)
    assert sorted(caught.value.errors) == paths
    assert stored() == before


@pytest.mark.parametrize("figures", [(0, 0), (0, None), (0, 5), (10, 10), (1e15, 1e15)])
def test_near_misses_of_demands_are_accepted(place, figures):
    """P90 may be P50, and P50 may be 0."""
    row = demand(place, tokens_p50=figures[0], tokens_p90=figures[1])
    assert (row.tokens_p50, row.tokens_p90) == figures


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_unknown_keys_are_not_found(place, stored, wrong):
    """Scenario, initiative and pool are named in the error; nothing is written."""
    keys = list(place)
    keys[wrong] = UNKNOWN
    before = stored()
    with pytest.raises(NotFoundError) as caught:
        demand(keys, tokens_p50=1)
    assert caught.value.entity == ("planning scenario", "initiative", "skill pool")[wrong]
    if wrong != 1:
        with pytest.raises(NotFoundError):
            planning.set_supply(keys[0], skill_pool_id=keys[2], tokens=1)
    assert stored() == before


def test_ids_that_are_none_are_refused_together(db):
    """All the arguments' complaints come at once."""
    with pytest.raises(ValidationError) as caught:
        planning.set_demand("x", initiative_id=None, skill_pool_id=7, tokens_p50="")
    assert set(caught.value.errors) == {"scenario_id", "initiative_id", "skill_pool_id", "tokens_p50"}


def test_lists_are_filtered_and_rows_deleted(db):
    """By scenario, initiative and pool; a deleted row is gone and only that."""
    one, two = factories.make_demand(), factories.make_demand()
    supply = factories.make_supply(scenario_id=one.scenario_id, skill_pool_id=two.skill_pool_id)
    assert [row.id for row in planning.list_demands()] == [two.id, one.id]
    assert [row.id for row in planning.list_demands(scenario_id=one.scenario_id)] == [one.id]
    assert [row.id for row in planning.list_demands(initiative_id=two.initiative_id)] == [two.id]
    assert [row.id for row in planning.list_demands(skill_pool_id=two.skill_pool_id, after=two.id)] == []
    assert [row.id for row in planning.list_supplies(scenario_id=one.scenario_id)] == [supply.id]
    assert planning.list_supplies(skill_pool_id=one.skill_pool_id) == []
    planning.delete_demand(one.id)
    planning.delete_supply(supply.id)
    assert [row.id for row in planning.list_demands()] == [two.id]
    for function in (planning.delete_demand, planning.get_demand, planning.delete_supply, planning.get_supply):
        with pytest.raises(NotFoundError):
            function(one.id)
        with pytest.raises(ValidationError):
            function("x")


@pytest.mark.datapkg_commits
def test_eight_at_once_make_one_row(db, place, at_once):
    """Supply, demand and calibration alike: every writer succeeds, one row stays, with one writer's figures."""
    scenario, _, pool = place

    def writers(write):
        results = at_once(*[lambda number=number: write(number) for number in range(8)])
        assert len({row.id for row in results}) == 1
        return results[0].id

    key = writers(lambda number: planning.set_supply(scenario, skill_pool_id=pool, tokens=number, notes=str(number)))
    row = planning.get_supply(key)
    assert row.notes == str(int(row.tokens))
    key = writers(lambda number: demand(place, tokens_p50=number, tokens_p90=number + 1))
    row = planning.get_demand(key)
    assert row.tokens_p90 == row.tokens_p50 + 1
    writers(lambda number: planning.set_calibration(pool, token_per_hour=number + 1, effective_date="2026-01-01"))
    assert [len(rows()) for rows in (planning.list_supplies, planning.list_demands, planning.list_calibrations)] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE token_demands SET tokens_p90 = tokens_p50 - 1",
        "UPDATE token_demands SET tokens_p50 = -1",
        "UPDATE token_demands SET tokens_p50 = 2e15",
        "UPDATE token_demands SET scenario_id = '01a1fca4-af86-72e7-b08b-b033503a7195'",
    ],
)
def test_the_database_refuses_too(place, sql):
    """What goes around the functions meets the same rules."""
    demand(place, tokens_p50=10, tokens_p90=20)
    with pytest.raises(ConflictError), transaction():
        current().change(sql, ())


# Orphans --------------------------------------------------------------------------------------------------------------


def test_there_are_no_orphans(place):
    """Also not after parents were deleted."""
    demand(place, tokens_p50=1)
    factories.make_supply(scenario_id=place[0])
    factories.make_calibration()
    planning.revise_scenario(place[0])
    assert planning.check_orphans() == []
    planning.delete_initiative(place[1])
    planning.delete_skill_pool(place[2], cascade=True)
    planning.delete_scenario(place[0])
    assert planning.check_orphans() == []


@pytest.mark.datapkg_commits
def test_orphans_that_foreign_sql_made_are_found(place, db):
    """With the foreign keys turned off rows lose their parents; each reference is told, by table, row and column."""
    row = demand(place, tokens_p50=1)
    revision = planning.revise_scenario(place[0])
    sqlite = db.dialect.name == "sqlite"
    db.execute_sql("PRAGMA foreign_keys = OFF" if sqlite else "SET session_replication_role = replica")
    for table, key in zip(("planning_scenarios", "initiatives", "skill_pools"), place, strict=True):
        db.execute_sql(f"DELETE FROM {table} WHERE id = '{key}'")
    db.execute_sql("PRAGMA foreign_keys = ON" if sqlite else "SET session_replication_role = DEFAULT")
    found = planning.check_orphans()
    log = db.fetch("SELECT id FROM initiative_status_log", ())[0][0]
    of_revision = planning.list_demands(scenario_id=revision.id)[0].id
    scenario, initiative, pool = map(str, place)
    assert [tuple(each.values()) for each in found] == sorted(
        [
            ("initiative_status_log", log, "initiative_id", initiative),
            ("planning_scenarios", str(revision.id), "revision_of_id", scenario),
            ("token_demands", str(row.id), "initiative_id", initiative),
            ("token_demands", str(of_revision), "initiative_id", initiative),
            ("token_demands", str(row.id), "scenario_id", scenario),
            ("token_demands", str(row.id), "skill_pool_id", pool),
            ("token_demands", str(of_revision), "skill_pool_id", pool),
        ],
        key=lambda each: (each[0], each[2], each[1]),
    )
    assert list(found[0]) == ["table", "id", "column", "missing"]
