"""Copies of scenarios: whole or not at all, into an empty ledger only; and what differs between two."""

from __future__ import annotations

import os
import signal
import uuid

import nursery
import pytest

from datapkg import planning
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.testing import factories

UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")


@pytest.fixture
def source(db):
    """A scenario with two supplies and three demands, and another one that must stay as it is."""
    factories.make_demand(scenario_id=factories.make_supply().scenario_id)
    scenario = planning.create_scenario("plan", needs_reconciliation=True)
    backend, data = factories.make_skill_pool(name="backend"), factories.make_skill_pool(name="data")
    search, reports = factories.make_initiative(name="Search"), factories.make_initiative(name="Reports")
    planning.set_supply(scenario.id, skill_pool_id=backend.id, tokens=10, notes="two people")
    planning.set_supply(scenario.id, skill_pool_id=data.id, tokens=5)
    for initiative, pool, p50, p90 in ((search, backend, 3, 4), (search, data, 1, None), (reports, data, 2, 9)):
        planning.set_demand(
            scenario.id, initiative_id=initiative.id, skill_pool_id=pool.id, tokens_p50=p50, tokens_p90=p90, notes="n"
        )
    return scenario


def ledger(scenario):
    """Return the ledger's figures without keys and times."""
    hidden = ("id", "scenario_id", "created_at", "updated_at")
    rows = [*planning.list_supplies(scenario_id=scenario), *planning.list_demands(scenario_id=scenario)]
    return sorted(str({name: value for name, value in row.public().items() if name not in hidden}) for row in rows)


def test_a_revision_is_a_copy_that_says_what_it_revises(db, source, stored, flag):
    """Its ledger is the source's with keys of its own, the source stays as it is, and it begins in LEGACY."""
    flag()
    planning.set_planning_mode(source.id, mode="TOKEN", actor="me")
    before = [planning.get_scenario(source.id).public(), ledger(source.id)]
    rows = {row.id for row in planning.list_demands()}
    revision = planning.revise_scenario(str(source.id), name="plan B")
    assert (revision.name, revision.revision_of_id, revision.planning_mode, revision.needs_reconciliation) == (
        "plan B",
        source.id,
        "LEGACY",
        True,
    )
    assert planning.get_scenario(revision.id).public() == revision.public()
    assert ledger(revision.id) == ledger(source.id)
    assert not rows & {row.id for row in planning.list_demands(scenario_id=revision.id)}
    assert [planning.get_scenario(source.id).public(), ledger(source.id)] == before
    assert len(stored("audit_logs")["audit_logs"]) == 1  # the source's switch


def test_a_revision_gets_a_name_of_its_own(db, source):
    """Counted for each source, and cut where it would be too long."""
    first = planning.revise_scenario(source.id)
    assert first.name == "plan (revision 1)"
    assert planning.revise_scenario(source.id).name == "plan (revision 2)"
    assert planning.revise_scenario(first.id).name == "plan (revision 1) (revision 1)"
    long = factories.make_planning_scenario(name="é" * 200)
    assert planning.revise_scenario(long.id).name == "é" * 187 + " (revision 1)"


def test_bad_revisions_are_refused(db, source, stored):
    """An unknown scenario, a bad name: nothing is written."""
    before = stored()
    with pytest.raises(NotFoundError):
        planning.revise_scenario(UNKNOWN)
    with pytest.raises(ValidationError) as caught:
        planning.revise_scenario("x", name="")
    assert set(caught.value.errors) == {"scenario_id", "name"}
    assert stored() == before


def test_a_ledger_is_cloned_into_an_empty_one(db, source):
    """Rows of inactive pools too; the answer is how many."""
    planning.deactivate_skill_pool(planning.find_skill_pool_by_name("data").id)
    target = factories.make_planning_scenario()
    assert planning.clone_ledger(source.id, target_id=target.id) == 5
    assert ledger(target.id) == ledger(source.id)
    assert (
        planning.clone_ledger(factories.make_planning_scenario().id, target_id=factories.make_planning_scenario().id)
        == 0
    )


@pytest.mark.parametrize("row", [factories.make_supply, factories.make_demand])
def test_a_ledger_that_is_not_empty_is_not_cloned_into(db, source, stored, row):
    """One supply or one demand is enough; it is counted, and nothing is written."""
    target = row().scenario_id
    before = stored()
    with pytest.raises(ConflictError, match="not empty: 1 in") as caught:
        planning.clone_ledger(source.id, target_id=target)
    assert list(caught.value.meta["in_the_way"].values()) == [1]
    assert stored() == before


def test_bad_clones_are_refused(db, source, stored):
    """Unknown scenarios, and a scenario into itself."""
    target = factories.make_planning_scenario()
    before = stored()
    for given in ((UNKNOWN, target.id), (source.id, UNKNOWN)):
        with pytest.raises(NotFoundError):
            planning.clone_ledger(given[0], target_id=given[1])
    for given in ((source.id, source.id), (target.id, str(target.id)), ("x", None)):
        with pytest.raises(ValidationError):
            planning.clone_ledger(given[0], target_id=given[1])
    assert stored() == before


@pytest.mark.datapkg_commits
def test_of_many_clones_at_once_one_is_made(db, source, at_once):
    """Six threads copy into one ledger: it holds one copy, and the others are told that it is not empty."""
    target = factories.make_planning_scenario()
    results = at_once(*[lambda: planning.clone_ledger(source.id, target_id=target.id)] * 6)
    assert sorted(each for each in results if isinstance(each, int)) == [5]
    assert all(isinstance(each, (int, ConflictError)) for each in results)
    assert ledger(target.id) == ledger(source.id)


@pytest.mark.datapkg_commits
@pytest.mark.parametrize("time", [1, 2])
def test_a_revision_that_is_killed_leaves_nothing(db, datapkg_url, source, stored, time):
    """Killed after the supplies or after the demands were copied, the database is as before; then it works."""
    before = stored()
    code = f"import sys, datapkg; datapkg.connect(sys.argv[1]); datapkg.planning.revise_scenario({str(source.id)!r})"
    environment = {**os.environ, "DATAPKG_FAILPOINT": f"planning.ledger_half_copied:{time}"}
    assert nursery.run_python(code, datapkg_url, env=environment).returncode == -signal.SIGKILL
    assert stored() == before
    assert nursery.run_python(code, datapkg_url).returncode == 0
    (revision,) = planning.list_scenarios(revision_of=source.id)
    assert ledger(revision.id) == ledger(source.id)


# Differences ----------------------------------------------------------------------------------------------------------


def changes(diff):
    """Return the differences as tuples."""
    return [tuple(row.values()) for row in diff.changes]


def test_a_copy_differs_by_its_name_alone(db, source):
    """And a scenario by nothing from itself."""
    revision = planning.revise_scenario(source.id)
    diff = planning.diff_scenarios(source.id, str(revision.id))
    assert (diff.a, diff.b, diff.same) == (source.id, revision.id, False)
    assert changes(diff) == [("name", "changed", "plan", "plan (revision 1)")]
    same = planning.diff_scenarios(source.id, source.id)
    assert same.same
    assert repr(same) == "(no differences)"
    assert same._repr_html_() == "<p>(no differences)</p>"


def test_every_kind_of_difference(db, source, flag):
    """Mode, supplies and demands: changed, added and removed, figure by figure."""
    flag()
    revision = planning.revise_scenario(source.id, name="plan").id
    pools = {row.name: row.id for row in planning.list_skill_pools()}
    initiatives = {row.name: row.id for row in planning.list_initiatives()}
    qa = factories.make_skill_pool(name="qa").id
    planning.set_planning_mode(revision, mode="TOKEN", actor="me")
    planning.set_supply(revision, skill_pool_id=pools["backend"], tokens=12, notes="two people")
    planning.set_supply(revision, skill_pool_id=qa, tokens=1)
    planning.delete_supply(planning.list_supplies(scenario_id=revision, skill_pool_id=pools["data"])[0].id)
    planning.set_demand(
        revision, initiative_id=initiatives["Search"], skill_pool_id=pools["data"], tokens_p50=1, tokens_p90=2
    )
    planning.delete_demand(planning.list_demands(scenario_id=revision, initiative_id=initiatives["Reports"])[0].id)
    diff = planning.diff_scenarios(source.id, revision)
    assert changes(diff) == [
        ("demands.Reports.data.notes", "removed", "n", None),
        ("demands.Reports.data.tokens_p50", "removed", 2.0, None),
        ("demands.Reports.data.tokens_p90", "removed", 9.0, None),
        ("demands.Search.data.notes", "changed", "n", None),
        ("demands.Search.data.tokens_p90", "changed", None, 2.0),
        ("planning_mode", "changed", "LEGACY", "TOKEN"),
        ("supplies.backend.tokens", "changed", 10.0, 12.0),
        ("supplies.data.tokens", "removed", 5.0, None),
        ("supplies.qa.tokens", "added", None, 1.0),
    ]
    back = {"added": "removed", "removed": "added", "changed": "changed"}
    assert changes(planning.diff_scenarios(revision, source.id)) == [
        (path, back[change], after, before) for path, change, before, after in changes(diff)
    ]
    assert "supplies.backend.tokens" in repr(diff)
    assert "<table" in diff._repr_html_()


def test_initiatives_of_one_name_are_told_apart(db, source):
    """By their keys, so that neither hides the other."""
    scenario = planning.revise_scenario(source.id, name="plan").id
    twin = factories.make_initiative(name="Search")
    pool = planning.find_skill_pool_by_name("backend").id
    planning.set_demand(scenario, initiative_id=twin.id, skill_pool_id=pool, tokens_p50=1)
    assert changes(planning.diff_scenarios(source.id, scenario)) == [
        (f"demands.Search ({twin.id}).backend.tokens_p50", "added", None, 1.0)
    ]


def test_bad_differences(db, source):
    """Unknown scenarios are not found."""
    with pytest.raises(NotFoundError):
        planning.diff_scenarios(source.id, UNKNOWN)
    with pytest.raises(ValidationError):
        planning.diff_scenarios("x", source.id)
