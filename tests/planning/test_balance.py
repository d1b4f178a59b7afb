"""The balance: exact sums, three statuses, unknown P90s told apart, and words for all of it."""

from __future__ import annotations

import json
import random

import pytest

from datapkg import planning
from datapkg.errors import NotFoundError, ValidationError
from datapkg.testing import factories


@pytest.fixture
def plan(db):
    """Make a scenario from ``{pool: (supply, [(p50, p90), …])}``."""

    def make(pools, *, shuffle=None):
        scenario = factories.make_planning_scenario(name="plan")
        rows = [(pool, supply, None) for pool, (supply, _) in pools.items() if supply is not None]
        rows += [(pool, None, demand) for pool, (_, demands) in pools.items() for demand in demands]
        if shuffle is not None:
            random.Random(shuffle).shuffle(rows)
        for name, supply, demand in rows:
            pool = planning.find_skill_pool_by_name(name) or factories.make_skill_pool(name=name)
            if demand is None:
                factories.make_supply(scenario_id=scenario.id, skill_pool_id=pool.id, tokens=supply)
            else:
                factories.make_demand(
                    scenario_id=scenario.id, skill_pool_id=pool.id, tokens_p50=demand[0], tokens_p90=demand[1]
                )
        return scenario

    return make


CASES = {
    "fits": (10, [(3, 5), (4, 5)], "OK", 7, 10, 3, 0),
    "at risk": (10, [(3, 6), (4, 5)], "AT_RISK", 7, 11, 3, -1),
    "over": (10, [(6, 8), (5, 5)], "OVER", 11, 13, -1, -3),
    "just fits": (10, [(10, 10)], "OK", 10, 10, 0, 0),
    "no supply": (None, [(3, 4)], "OVER", 3, 4, -3, -4),
    "no supply and nothing wanted": (None, [(0, 0)], "OK", 0, 0, 0, 0),
    "no supply and perhaps something": (None, [(0, 1)], "AT_RISK", 0, 1, 0, -1),
    "an empty supply": (0, [(3, None)], "OVER", 3, 3, -3, -3),
    "nothing wanted": (5, [], "OK", 0, 0, 5, 5),
    "an unknown P90": (10, [(3, None), (4, 6)], "OK", 7, 9, 3, 1),
    "nothing but unknown P90s": (10, [(3, None), (4, None)], "OK", 7, 7, 3, 3),
    "sums of rounded numbers": (0.3, [(0.1, 0.1), (0.2, 0.2)], "OK", 0.1 + 0.2, 0.1 + 0.2, 0, 0),
    "really a little over": (1, [(1.00001, None)], "OVER", 1.00001, 1.00001, 1 - 1.00001, 1 - 1.00001),
    "the largest figures": (1e15, [(1e15, 1e15)] * 2, "OVER", 2e15, 2e15, -1e15, -1e15),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pools_balance(plan, case):
    """Supply, both sums, headroom, status and coverage are as reckoned by hand."""
    supply, demands, status, p50, p90, headroom, headroom_p90 = CASES[case]
    (row,) = planning.balance(plan({case: (supply, demands)}).id).rows
    assert (row.pool, row.supply, row.status) == (case, supply, status)
    assert (row.sum_of_p50s, row.sum_of_p90s, row.headroom, row.headroom_p90) == (p50, p90, headroom, headroom_p90)
    assert (row.demands, row.p90_known) == (len(demands), sum(each[1] is not None for each in demands))


def test_every_pool_of_the_ledger_is_there_and_no_other(plan):
    """Those with a supply alone, with demands alone, and inactive ones; by name; not those of other scenarios."""
    plan({"elsewhere": (1, [(1, 1)])})
    scenario = plan({"b": (1, []), "a": (None, [(1, 2)]), "é": (1, [(1, 1)]), "B": (1, [])})
    planning.deactivate_skill_pool(planning.find_skill_pool_by_name("b").id)
    found = planning.balance(str(scenario.id))
    assert [(row.pool, row.is_active) for row in found.rows] == [("B", True), ("a", True), ("b", False), ("é", True)]
    assert found.status == "OVER"
    assert planning.balance(factories.make_planning_scenario().id).status == "OK"


def test_sums_do_not_depend_on_the_order_of_rows(plan):
    """Figures whose naive sum changes with the order give the same row in any order."""
    demands = [(figure, figure * 3) for figure in (3e14, 0.1, 0.7, 1e-9, 3.3, 1e14, 0.2)]
    rows = {str(planning.balance(plan({"p": (5, demands)}, shuffle=order).id).rows[0]) for order in range(6)}
    assert len(rows) == 1


@pytest.mark.parametrize("read", [planning.balance, planning.simulate])
def test_the_number_of_queries_is_constant(plan, db, read):
    """Three for one pool and one demand, and for many."""
    counts = set()
    for size in (1, 12):
        scenario = plan({f"{size}-{number}": (1, [(1, 2)] * size) for number in range(size)})
        queries = []
        db.query_hooks.append(queries.append)
        try:
            read(scenario.id)
        finally:
            db.query_hooks.clear()
        counts.add(sum("SELECT" in str(query.sql) for query in queries))
    assert counts == {3}


@pytest.mark.parametrize("read", [planning.balance, planning.simulate])
def test_unknown_scenarios(db, read):
    """Not found, or no key at all."""
    with pytest.raises(NotFoundError):
        read("01a1fca4-af86-72e7-b08b-b033503a7195")
    with pytest.raises(ValidationError):
        read("x")


def test_a_balance_says_what_it_means(plan):
    """Terminal, notebook and JSON carry the figures and the words; what is foreign is escaped."""
    scenario = plan({"<b>": (10_000.5, [(1, None)]), "two": (1, [(4, 5)])})
    planning.update_scenario(scenario.id, name="a\x1b[31m <i>")
    found = planning.balance(scenario.id)
    assert "not the P90 of the sum" in " ".join(found.legend.split())
    assert "not the P90 of the sum" in " ".join(repr(found).split())
    assert "10,000.5" in repr(found)
    assert "0 of 1" in repr(found)
    assert "\x1b" not in repr(found)
    html = found._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "not the P90 of the sum" in html
    assert json.loads(json.dumps(found.public()))["pools"][1]["status"] == "OVER"
    assert "no supplies and no demands" in repr(planning.balance(factories.make_planning_scenario().id))


def test_a_balance_is_a_data_frame(plan):
    """A column for each figure, and a row for each pool."""
    frame = planning.balance(plan({"a": (3, [(1, 2)]), "b": (None, [(1, 2)])}).id).df()
    assert list(frame["pool"]) == ["a", "b"]
    assert list(frame["sum_of_p90s"]) == [2.0, 2.0]
    assert {"headroom", "status", "p90_known", "demands"} <= set(frame.columns)
