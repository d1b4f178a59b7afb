"""Pictures of balances and simulations."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import pytest

from datapkg import planning
from datapkg.operations.seeding import seed
from datapkg.testing import factories

matplotlib.use("Agg")

from matplotlib import pyplot  # the backend comes first


@pytest.fixture
def results(db):
    """The demo's balance and simulation; figures are closed afterwards."""
    seed(profile="demo")
    scenario = planning.list_scenarios(name="Website relaunch")[0].id
    yield planning.balance(scenario), planning.simulate(scenario, seed=7, draws=500)
    pyplot.close("all")


def texts(axes):
    """Return every word in a picture."""
    figure = axes.figure
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


def test_a_picture_has_a_bar_a_label_and_a_key_for_everything(results, tmp_path):
    """Pools by name from the top, statuses in words, and both sums told apart in the key."""
    balance, simulation = (result.plot() for result in results)
    assert [label.get_text() for label in balance.get_yticklabels()] == ["backend", "data", "domain", "frontend", "qa"]
    assert {"OK", "AT RISK", "OVER", "supply", "sum of P90 figures (not the P90 of the sum)"} <= texts(balance)
    assert {"P50 of the sum", "P90 of the sum", "sum of P90 figures"} <= texts(simulation)
    over = f"{results[1].rows[0].over:.1%}".replace("%", " %")
    assert f"{over} over" in texts(simulation)
    ends = [bar.get_x() + bar.get_width() for bar in balance.patches[:10]]
    assert ends[:2] == [results[0].rows[0].sum_of_p50s, results[0].rows[0].sum_of_p90s]
    for number, axes in enumerate((balance, simulation)):
        path = tmp_path / f"{number}.png"
        axes.figure.savefig(path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_it_draws_where_it_is_told(results):
    """Several pictures can stand in one figure."""
    figure, places = pyplot.subplots(1, 2)
    for result, axes in zip(results, places, strict=True):
        assert result.plot(axes) is axes
    figure.canvas.draw()


def test_names_are_not_read_as_formulas_and_nothing_can_be_drawn(db, tmp_path):
    """A dollar sign is a dollar sign; a scenario without a ledger is an empty picture."""
    pool = factories.make_skill_pool(name="$x_$ \\frac")
    scenario = factories.make_planning_scenario(name="$\\frac{$")
    factories.make_supply(scenario_id=scenario.id, skill_pool_id=pool.id)
    empty = factories.make_planning_scenario()
    for key in (scenario.id, empty.id):
        planning.balance(key).plot().figure.savefig(tmp_path / "a.png")
        planning.simulate(key).plot().figure.savefig(tmp_path / "a.png")
    pyplot.close("all")


WITHOUT = """
import sys
sys.modules["matplotlib"] = None
import datapkg
from datapkg import planning
from datapkg.errors import ConfigurationError
datapkg.connect("sqlite:///:memory:")
plan = planning.create_scenario("plan")
for result in (planning.balance(plan.id), planning.simulate(plan.id)):
    try:
        result.plot()
    except ConfigurationError as error:
        print(error.fix)
"""


def test_without_matplotlib_the_error_says_what_to_install():
    """Everything else works."""
    result = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["Run: pip install matplotlib."] * 2


def test_matplotlib_is_imported_late():
    """Importing the domain and making a balance does not load it."""
    code = (
        "import sys, datapkg; from datapkg import planning; datapkg.connect('sqlite:///:memory:'); "
        "planning.balance(planning.create_scenario('a').id); print('matplotlib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
