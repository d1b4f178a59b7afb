"""The simulation, held against closed forms, and the same for a seed whatever the engine, the order or the keys."""

from __future__ import annotations

import json
import math
import random
from statistics import NormalDist

import pytest

from datapkg import planning
from datapkg.errors import ValidationError
from datapkg.kit.database import override
from datapkg.testing import factories

NORMAL = NormalDist()
Z90 = NORMAL.inv_cdf(0.9)


def make(pools, *, order=None):
    """Make a scenario from ``{pool: (supply, [(p50, p90), …])}``, rows in the order given or shuffled."""
    scenario = factories.make_planning_scenario(name="plan")
    rows = [(name, demand) for name, (_, demands) in pools.items() for demand in demands]
    if order is not None:
        random.Random(order).shuffle(rows)
    for name, (supply, _) in pools.items():
        pool = planning.find_skill_pool_by_name(name) or factories.make_skill_pool(name=name)
        if supply is not None:
            factories.make_supply(scenario_id=scenario.id, skill_pool_id=pool.id, tokens=supply)
    for name, (p50, p90) in rows:
        pool = planning.find_skill_pool_by_name(name)
        factories.make_demand(scenario_id=scenario.id, skill_pool_id=pool.id, tokens_p50=p50, tokens_p90=p90)
    return scenario.id


def one(supply, demands, **options):
    """Simulate one pool."""
    (row,) = planning.simulate(make({"pool": (supply, demands)}), **{"seed": 1, "draws": 40_000, **options}).rows
    return row


def lognormal(p50, p90):
    """Return mean and variance of the lognormal through a P50 and a P90."""
    sigma = math.log(p90 / p50) / Z90
    mean = p50 * math.exp(sigma**2 / 2)
    return mean, mean**2 * (math.exp(sigma**2) - 1)


def near(estimate, exact, error):
    """Whether an estimate is within four and a half standard errors, which one in 100,000 misses."""
    return abs(estimate - exact) < 4.5 * error


@pytest.mark.parametrize(("p50", "p90"), [(100, 150), (1, 30), (1e-6, 2e-6), (1e14, 3e14)])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_one_demand_has_the_exact_quantiles(db, p50, p90, share):
    """P50, P90, mean and the probability of exceeding a supply are those of the lognormal."""
    sigma = math.log(p90 / p50) / Z90
    supply = p50 * math.exp(sigma * NORMAL.inv_cdf(share))
    row = one(supply, [(p50, p90)])
    assert near(row.p50, p50, row.p50_error)
    assert near(row.p90, p90, row.p90_error)
    assert near(row.mean, lognormal(p50, p90)[0], row.mean_error)
    assert near(row.over, 1 - share, row.over_error)
    assert row.over_error == math.sqrt(row.over * (1 - row.over) / 40_000)
    assert row.sum_of_p90s == p90


def test_the_standard_errors_are_of_the_right_size(db):
    """Over a hundred seeds the estimates scatter as much as each says it may be off."""
    scenario = make({"pool": (130, [(100, 150), (10, 30)])})
    rows = [planning.simulate(scenario, seed=seed, draws=500).rows[0] for seed in range(100)]
    for name in ("p50", "p90", "mean", "over"):
        values = [getattr(row, name) for row in rows]
        told = sum(getattr(row, f"{name}_error") for row in rows) / len(rows)
        mean = sum(values) / len(values)
        scatter = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        assert 0.7 < told / scatter < 1.4, name


def test_a_sum_has_the_exact_mean_and_the_exact_variance(db):
    """Means and variances of independent lognormals add up; a constant only shifts the sum."""
    demands = [(100, 150), (50, 60), (10, 40), (80, 81)]
    row = one(300, [*demands, (7, None), (5, 5)])
    mean, variance = (sum(parts) for parts in zip(*(lognormal(*demand) for demand in demands), strict=True))
    assert near(row.mean, mean + 12, row.mean_error)
    assert row.mean_error == pytest.approx(math.sqrt(variance / 40_000), rel=0.1)
    assert (row.demands, row.p90_known) == (6, 5)


def test_a_sum_is_about_what_fenton_and_wilkinson_say(db):
    """Their lognormal of the same mean and variance is an approximation, so this is a range only."""
    demands = [(100, 150)] * 8
    row = one(1000, demands)
    mean, variance = (sum(parts) for parts in zip(*(lognormal(*demand) for demand in demands), strict=True))
    sigma = math.sqrt(math.log(1 + variance / mean**2))
    mu = math.log(mean) - sigma**2 / 2
    assert row.p50 == pytest.approx(math.exp(mu), rel=0.02)
    assert row.p90 == pytest.approx(math.exp(mu + sigma * Z90), rel=0.02)


def test_the_p90_of_the_sum_is_not_the_sum_of_p90s(db):
    """It is far less for many demands, and the sum of P50s is less than the P50 of the sum."""
    row = one(1000, [(100, 200)] * 10)
    assert row.sum_of_p90s == 2000
    assert row.p90 < 1500
    assert row.p50 > 1000


@pytest.mark.parametrize(
    "demands",
    [[(5, None), (6, None)], [(5, 5), (6, 6)], [(0, 0), (11, None)], [(0, None), (5, None), (6, 6)]],
)
def test_constants_are_exact(db, demands):
    """An unknown P90, or one that is the P50, or nought: nothing is drawn and nothing is uncertain."""
    for supply, over in ((11, 0.0), (10.9, 1.0), (None, 1.0)):
        row = one(supply, demands)
        assert (row.p50, row.p90, row.mean, row.over) == (11, 11, 11, over)
        assert (row.p50_error, row.p90_error, row.mean_error, row.over_error) == (0, 0, 0, 0)
        planning.delete_skill_pool(planning.find_skill_pool_by_name("pool").id, cascade=True)


def test_a_p50_of_nought_with_a_p90(db):
    """Half of the time nothing, otherwise the upper half of a normal: both figures hold, and so does its mean."""
    row = one(0, [(0, 100)])
    assert row.p50 == pytest.approx(0, abs=2)
    assert near(row.p90, 100, row.p90_error)
    assert near(row.mean, 100 / Z90 / math.sqrt(math.tau), row.mean_error)
    assert near(row.over, 0.5, row.over_error)


def test_a_supply_that_none_or_all_of_the_draws_exceed(db):
    """The estimate is 0 or 1, but not certain."""
    scenario = make({"much": (1e9, [(1, 2)]), "none": (None, [(1, 2)])})
    much, none = planning.simulate(scenario, seed=1, draws=1000).rows
    assert (much.over, much.over_error) == (0, 0.001)
    assert (none.over, none.over_error, none.supply) == (1, 0.001, None)


PLAN = {
    "backend": (300, [(100, 150), (50.5, 60), (10, 40), (7, None), (0, 9)]),
    "data": (None, [(1, 2), (1, 2), (1, 3)]),
    "qa": (5, []),
}


def figures(simulation):
    """Return everything but keys."""
    return simulation.draws, simulation.seed, [row.public() for row in simulation.rows]


def test_a_seed_gives_the_same_figures_in_any_order_of_rows(db):
    """Rows written in another order, with other keys, or in a copy of the scenario: not a bit differs."""
    first = planning.simulate(make(PLAN), seed=7, draws=1001)
    for order in range(4):
        assert figures(planning.simulate(make(PLAN, order=order), seed=7, draws=1001)) == figures(first)
    copy = planning.revise_scenario(first.scenario.id)
    assert figures(planning.simulate(copy.id, seed=7, draws=1001)) == figures(first)
    assert figures(planning.simulate(copy.id, seed=8, draws=1001))[2] != figures(first)[2]


@pytest.mark.datapkg_engines("sqlite")
def test_a_seed_gives_the_same_figures_on_both_engines(datapkg_databases, db):
    """To the last bit; and they are those of every run, on every day."""
    seen = []
    for fresh in (datapkg_databases.in_memory(), datapkg_databases.in_transaction()):
        with fresh as database, override(database):
            seen.append(figures(planning.simulate(make(PLAN), seed=7, draws=1000)))
    assert seen[0] == seen[1]
    assert seen[0][2][0]["p50"] == pytest.approx(PINNED, rel=1e-12)


PINNED = 177.70562387583686


def test_a_pool_does_not_depend_on_another(db):
    """What is wanted of one pool leaves the figures of the others as they are."""
    before = planning.simulate(make(PLAN), seed=7, draws=500)
    changed = {**PLAN, "data": (1, [(5, 6)])}
    after = planning.simulate(make(changed), seed=7, draws=500)
    assert before.rows[0] == after.rows[0]
    assert before.rows[1] != after.rows[1]


def test_a_seed_that_was_not_given_is_told(db):
    """It is drawn anew each time, and gives the same figures again."""
    scenario = make(PLAN)
    drawn = planning.simulate(scenario, draws=200)
    assert figures(planning.simulate(scenario, draws=200, seed=drawn.seed)) == figures(drawn)
    assert len({planning.simulate(scenario, draws=100).seed for _ in range(5)}) > 1


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"draws": 99}, "draws"),
        ({"draws": 1_000_001}, "draws"),
        ({"draws": 10**12}, "draws"),
        ({"draws": 1e3}, "draws"),
        ({"draws": None}, "draws"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53 + 1}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"seed": True}, "seed"),
    ],
)
def test_bad_options_are_refused(db, options, path):
    """Before anything is read or drawn; the edges pass."""
    scenario = make({"pool": (1, [(1, None)])})
    with pytest.raises(ValidationError) as caught:
        planning.simulate(scenario, **options)
    assert list(caught.value.errors) == [path]
    assert planning.simulate(scenario, draws=100, seed=2**53).draws == 100
    assert planning.simulate(scenario, draws=1_000_000, seed=0).rows[0].p90 == 1


def test_a_demand_that_is_too_wide_is_named(db):
    """A P90 of more than 80 million million times the P50 has no mean worth the name; a little less is simulated."""
    scenario = make({"pool": (1, [(1e-290, 1)])})
    with pytest.raises(ValidationError) as caught:
        planning.simulate(scenario)
    (path,) = caught.value.errors
    assert path.startswith("demands.initiative-")
    assert path.endswith(".pool.tokens_p90")
    row = planning.simulate(make({"wide": (1, [(1, 8e13)])}), seed=1, draws=1000).rows[0]
    assert all(math.isfinite(value) for value in row.public().values() if isinstance(value, float))


def test_a_simulation_says_what_it_means(db):
    """Both P90s are shown and labelled, draws and seed are told, and JSON has all of it."""
    found = planning.simulate(make(PLAN), seed=7, draws=1000)
    text = " ".join(repr(found).split())
    assert "sum_of_p90s is the sum of P90 figures, which is not the P90 of the sum" in text
    assert "1,000 draws with the seed 7" in text
    assert "4 of 5" in text
    assert "not the P90 of the sum" in found._repr_html_()
    assert json.loads(json.dumps(found.public(), allow_nan=False))["seed"] == 7
    assert list(found.df()["pool"]) == ["backend", "data", "qa"]
    assert "no supplies and no demands" in repr(planning.simulate(factories.make_planning_scenario().id))
