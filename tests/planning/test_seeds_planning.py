"""What seeding brings to planning, what it never resets, and migrations of a database that holds scenarios."""

from __future__ import annotations

import json

import pytest

from datapkg import flags, planning
from datapkg.errors import SeedError
from datapkg.kit.database import open_database, override, release
from datapkg.operations import migrations
from datapkg.operations.seeding import seed

POOLS = {
    "backend": "Backend development capacity",
    "frontend": "Frontend development capacity",
    "data": "Data engineering and analytics capacity",
    "qa": "Quality assurance and testing capacity",
    "domain": "Domain expertise and product knowledge",
}
ID = "0192e4a0-0000-7000-8000-{:012d}"
COLUMNS = "id, created_at, updated_at, name, needs_reconciliation, revision_of_id"
AT = "2024-01-01T00:00:00.000000Z"


def test_base_brings_the_pools_and_the_flag(db):
    """Five pools, all active, and token planning turned off."""
    seed(profile="base")
    assert {row.name: row.description for row in planning.list_skill_pools(is_active=True)} == POOLS
    assert flags.get_flag("token_planning_v1").enabled is False
    assert planning.list_scenarios() == []


def test_an_operators_pool_survives_seeding(db, stored):
    """Seeding again changes no pool that an operator deactivated or described in their own words."""
    seed(profile="base")
    data, qa = (planning.find_skill_pool_by_name(name) for name in ("data", "qa"))
    planning.deactivate_skill_pool(data.id)
    planning.update_skill_pool(qa.id, description="ours")
    before = stored()
    assert not seed(profile="base").changed
    assert stored() == before
    planning.delete_skill_pool(qa.id)
    assert [(row.key, row.action) for row in seed(profile="base").changes if row.action != "unchanged"] == [
        ("qa", "insert")
    ]


def test_the_demo_shows_every_status(db):
    """Its balance has pools that are OK, AT_RISK and OVER, one without a supply, and a P90 that is unknown."""
    seed(profile="demo")
    (plan,) = planning.list_scenarios(name="Website relaunch")
    balance = planning.balance(plan.id)
    assert {row.status for row in balance.rows} == {"OK", "AT_RISK", "OVER"}
    assert any(row.supply is None for row in balance.rows)
    assert any(row.p90_known < row.demands for row in balance.rows)
    (smaller,) = planning.list_scenarios(revision_of=plan.id)
    assert not planning.diff_scenarios(plan.id, smaller.id).same
    backend = planning.find_skill_pool_by_name("backend").id
    assert planning.rate_at(backend, on="2026-06-30") < planning.rate_at(backend, on="2026-07-01")
    for initiative in planning.list_initiatives():
        assert planning.list_initiative_statuses(initiative_id=initiative.id)[0].to_status == initiative.status
    assert not seed(profile="demo").changed


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("planning_scenarios", {"key": "a", "name": "a", "planning_mode": "TOKEN"}),
        ("skill_pools", {"name": "a", "is_active": "yes"}),
        ("initiatives", {"key": "a", "name": "a", "status": "DONE"}),
    ],
)
def test_bad_seed_rows(db, stored, tmp_path, table, row):
    """They meet the rules of every write; a seed cannot switch a scenario to TOKEN."""
    path = tmp_path / "seeds.json"
    path.write_text(json.dumps({"table": table, "rows": [row]}))
    before = stored()
    with pytest.raises(SeedError):
        seed(files=[path])
    assert stored() == before


@pytest.mark.parametrize("figures", [{"tokens_p50": 2, "tokens_p90": 1}, {"tokens_p50": -1}, {}])
def test_bad_demands_in_seeds(db, stored, tmp_path, figures):
    """A ledger row of a seed file is checked as set_demand checks it."""
    seed(profile="demo")
    demand = {"scenario": "relaunch", "initiative": "search", "skill_pool": "domain", **figures}
    path = tmp_path / "seeds.json"
    path.write_text(json.dumps({"table": "token_demands", "rows": [demand]}))
    before = stored()
    with pytest.raises(SeedError, match="tokens_p"):
        seed(files=[path])
    assert stored() == before


def test_scenarios_that_are_there_are_migrated(new_url):
    """Migrations 007 and 008 leave every row of 006, in LEGACY; rolled back and applied again, too."""
    database = open_database(new_url())
    with override(database):
        migrations.migrate(to="6")
        for number in (1, 2, 3):
            parent = f"'{ID.format(number - 1)}'" if number > 1 else "NULL"
            odd = f"{bool(number % 2)}".upper()
            database.execute_sql(
                f"INSERT INTO planning_scenarios ({COLUMNS}) "
                f"VALUES ('{ID.format(number)}', '{AT}', '{AT}', 'plan {number}', {odd}, {parent})"
            )
        old = f"SELECT {COLUMNS} FROM planning_scenarios ORDER BY id"
        before = database.fetch(old, ())
        for _ in range(2):
            migrations.migrate(to="8")
            assert database.fetch(old, ()) == before
            assert database.fetch("SELECT DISTINCT planning_mode FROM planning_scenarios", ()) == [("LEGACY",)]
            migrations.rollback(to="6")
            assert database.fetch(old, ()) == before
        migrations.migrate()
        found = planning.list_scenarios()
        assert [(row.name, row.planning_mode, row.needs_reconciliation) for row in found] == [
            ("plan 3", "LEGACY", True),
            ("plan 2", "LEGACY", False),
            ("plan 1", "LEGACY", True),
        ]
        flags.set_flag("token_planning_v1", enabled=True)
        assert planning.set_planning_mode(found[0].id, mode="TOKEN", actor="me").planning_mode == "TOKEN"
        assert planning.revise_scenario(found[1].id).revision_of_id == found[1].id
    release(database)
