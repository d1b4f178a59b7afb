"""Simulating a scenario: how the demands of each skill pool may add up, drawn many times."""

from __future__ import annotations

import math
import secrets
import textwrap
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING, Any
from uuid import UUID

from datapkg.kit.errors import ValidationError
from datapkg.kit.keys import as_id
from datapkg.kit.markup import DARK, TINTS, badge, bar, html_table
from datapkg.kit.results import Rows, cell, text_table
from datapkg.planning.figures import DemandFigures, PoolFigures, margin, reach, read_ledger, total
from datapkg.planning.models import PlanningScenario
from datapkg.planning.plots import Bar, figure, plot_bars

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["PoolSimulation", "Simulation", "simulate"]

_STANDARD = NormalDist()
_SMALLEST = 2.0**-54  # in the place of a random number of exactly 0, whose normal would be infinite

Z90 = _STANDARD.inv_cdf(0.9)
"""How many standard deviations the P90 of a normal distribution lies above its P50."""

_WIDEST_SIGMA = 25.0  # exp(8.6 * 25) is finite, and so are the squares of sums of it
_SEED_BITS = 32

_LEGEND = (
    "Tokens. p50, p90 and mean are of the sum of a pool's demands, in {draws:,} draws with the seed {seed}; "
    "sum_of_p90s is the sum of P90 figures, which is not the P90 of the sum. Demands are independent; each is a "
    "lognormal through its P50 and P90. One whose P90 is unknown, or is its P50, is always its P50. One whose P50 is "
    "0 is 0 half of the time and otherwise the upper half of a normal through its P90. over is how likely the sum "
    "exceeds the supply (an empty one is 0). Each ..._error is a Monte-Carlo standard error: how far the estimate "
    "beside it may be off because draws are random, not because figures are wrong."
)


@dataclass(frozen=True, slots=True)
class PoolSimulation:
    """One skill pool in a simulated scenario.

    Attributes:
        pool: its name.
        supply: its tokens; None where the scenario does not say.
        p50: the P50 of the sum of its demands.
        p90: the P90 of the sum of its demands.
        mean: the mean of the sum of its demands.
        sum_of_p90s: the demands' P90 figures added up, the P50 standing in for an unknown P90; not ``p90``.
        over: the probability that the sum exceeds the supply, 0 to 1.
        over_error, p50_error, p90_error, mean_error: the Monte-Carlo standard error of each estimate; 0 where
            nothing was drawn because every demand is a constant.
        demands: how many demands there are.
        p90_known: how many of them have a P90.
    """

    pool: str
    supply: float | None
    p50: float
    p90: float
    mean: float
    sum_of_p90s: float
    over: float
    over_error: float
    p50_error: float
    p90_error: float
    mean_error: float
    demands: int
    p90_known: int

    def public(self) -> dict[str, object]:
        """Return the columns that a table shows."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Simulation:
    """How the demands of each skill pool of a scenario may add up.

    Attributes:
        scenario: the scenario.
        draws: how often each demand was drawn.
        seed: where the random numbers began; the same seed gives the same figures.
        rows: one for each pool, by name.
    """

    scenario: PlanningScenario
    draws: int
    seed: int
    rows: Rows[PoolSimulation]

    @property
    def legend(self) -> str:
        """What the figures mean, in words."""
        return _LEGEND.format(draws=self.draws, seed=self.seed)

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame, a column for each figure.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.rows.df()

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw a bar for each pool: to the P50 of the sum, on to its P90, and the supply as a mark.

        A cross shows the sum of P90 figures. A pool is drawn as OVER where it exceeds its supply more often than not,
        as AT_RISK where it does so more often than once in ten.

        Args:
            axes: where to draw; left out, in a figure of its own.

        Returns:
            The axes; ``.figure.savefig("simulation.png")`` writes the picture.

        Raises:
            ConfigurationError: matplotlib is not installed.
        """
        bars = []
        for row in self.rows:
            label = f"{_percent(row.over)} over"
            bars.append(Bar(row.pool, label, _status(row), row.p50, row.p90, row.supply, row.sum_of_p90s))
        return plot_bars(
            bars,
            axes=axes,
            title=self.title,
            inner="P50 of the sum",
            outer="P90 of the sum",
            point="sum of P90 figures",
        )

    def public(self) -> dict[str, Any]:
        """Return the simulation as one JSON-ready object."""
        return {
            "scenario_id": str(self.scenario.id),
            "scenario": self.scenario.name,
            "draws": self.draws,
            "seed": self.seed,
            "pools": self.rows.records(),
            "legend": self.legend,
        }

    @property
    def title(self) -> str:
        """What stands above the table."""
        return f"Simulation of {cell(self.scenario.name)}: {self.draws:,} draws, seed {self.seed}"

    @property
    def table(self) -> str:
        """The figures as a text table, without what they mean."""
        return text_table(*_shown(self.rows)) if self.rows else "(no supplies and no demands)"

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.table}\n\n{textwrap.fill(self.legend, 100)}"

    def _repr_html_(self) -> str:
        columns, table = _shown(self.rows)
        end = max((max(row.p90, row.supply or 0) for row in self.rows), default=0)
        for row, cells in zip(self.rows, table, strict=True):
            tone = _TONES[_status(row)]
            cells[6] = badge(str(cells[6]), tone)
            cells.insert(1, bar([(row.p50, DARK[tone]), (row.p90, TINTS[tone])], mark=row.supply, end=end))
        columns.insert(1, "p50, p90 | supply")
        return html_table(columns, table, caption=f"{self.title}. {self.legend}")


_TONES = {"OK": "good", "AT_RISK": "doubtful", "OVER": "bad"}


def _status(row: PoolSimulation) -> str:
    return "OVER" if row.over > 0.5 else "AT_RISK" if row.over > 0.1 else "OK"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _shown(rows: Rows[PoolSimulation]) -> tuple[list[str], list[list[object]]]:
    columns = ["pool", "supply", "p50", "p90", "mean", "sum_of_p90s", "over", "over_error", "p90_known"]
    table: list[list[object]] = []
    for row in rows:
        figures = map(figure, (row.supply, row.p50, row.p90, row.mean, row.sum_of_p90s))
        chances = (_percent(row.over), f"± {row.over_error:.2%}".replace("%", " %"))
        table.append([row.pool, *figures, *chances, f"{row.p90_known} of {row.demands}"])
    return columns, table


def simulate(scenario_id: UUID | str, *, draws: int = 10_000, seed: int | None = None) -> Simulation:
    """Draw every demand of a scenario many times, and see how the sums of each pool come out.

    Demands are independent of each other. Each is a lognormal through its P50 and P90; one whose P90 is unknown or
    equal to its P50 is a constant; one whose P50 is 0 and P90 is not, through which no lognormal goes, is 0 half of the
    time and otherwise the upper half of a normal through its P90.

    The result depends on the seed, the draws and the figures alone: not on the engine, nor on the order or the keys of
    rows, nor for one pool on what is wanted of another. Always three queries.

    Args:
        scenario_id: which scenario, in either mode.
        draws: how often each demand is drawn, 100 to 1,000,000.
        seed: where the random numbers begin, 0 to 2**53; left out, one is drawn, and stands in the result.

    Raises:
        NotFoundError: there is no such scenario.
        ValidationError: an argument is not valid, or the P90 of a demand is too many times its P50 to be simulated.

    Example:
        >>> simulate(scenario.id, seed=7).rows[0].over  # doctest: +SKIP
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    key = as_id(scenario_id, "scenario_id")
    told = {"draws": draws, "seed": secrets.randbits(_SEED_BITS) if seed is None else seed}
    given: dict[str, Any] = load(schemas.SimulationOptions, told, what="simulation")
    ledger = read_ledger(key)
    for pool in ledger.pools:
        for demand in pool.demands:
            _refuse_too_wide(pool, demand)
    rows = Rows((_simulated(pool, **given) for pool in ledger.pools), of=PoolSimulation)
    return Simulation(ledger.scenario, given["draws"], given["seed"], rows)


def _refuse_too_wide(pool: PoolFigures, demand: DemandFigures) -> None:
    if demand.p90 is not None and demand.p50 > 0 and _sigma(demand.p50, demand.p90) > _WIDEST_SIGMA:
        times = f"{math.exp(_WIDEST_SIGMA * Z90):.0e}"
        raise ValidationError(
            {
                f"demands.{demand.initiative}.{pool.pool}.tokens_p90": [
                    f"{demand.p90:g} is more than {times} times the P50 {demand.p50:g}."
                ]
            },
            what="simulation",
            fix="Correct the demand's P50 or P90 with set_demand; a P50 of 0 is possible.",
        )


def _sigma(p50: float, p90: float) -> float:
    return (math.log(p90) - math.log(p50)) / Z90


def _simulated(pool: PoolFigures, *, draws: int, seed: int) -> PoolSimulation:
    constants = [each.p50 for each in pool.demands if each.p90 is None or each.p90 == each.p50]
    # In the order of the figures, as sums of floats depend on theirs and rows have none.
    spread = sorted((each.p50, each.p90) for each in pool.demands if each.p90 is not None and each.p90 > each.p50)
    fixed = total(constants)
    if spread:
        estimates = _estimates(_drawn(fixed, spread, Random(f"{seed}/{pool.pool}"), draws), pool.supply)
    else:
        over = float(margin(pool.supply, fixed) < 0)
        estimates = {"p50": fixed, "p90": fixed, "mean": fixed, "over": over}
        estimates |= {f"{name}_error": 0.0 for name in estimates}
    return PoolSimulation(
        pool=pool.pool,
        supply=pool.supply,
        sum_of_p90s=pool.sum_of_p90s,
        demands=len(pool.demands),
        p90_known=pool.p90_known,
        **estimates,
    )


def _drawn(fixed: float, spread: Sequence[tuple[float, float]], random: Random, draws: int) -> list[float]:
    """Return the sum of the demands in each draw, sorted."""
    sums = [fixed] * draws
    exp, normal, uniform = math.exp, _STANDARD.inv_cdf, random.random  # a third of the time of random.gauss
    for p50, p90 in spread:
        if p50 == 0:
            scale = p90 / Z90
            sums = [sofar + scale * max(normal(uniform() or _SMALLEST), 0.0) for sofar in sums]
        else:
            mu, sigma = math.log(p50), _sigma(p50, p90)
            sums = [sofar + exp(mu + sigma * normal(uniform() or _SMALLEST)) for sofar in sums]
    sums.sort()
    return sums


def _estimates(sums: Sequence[float], supply: float | None) -> dict[str, float]:
    """Return the estimates and their standard errors; the sums are sorted."""
    draws = len(sums)
    mean = total(sums) / draws
    deviation = math.sqrt(total([(each - mean) ** 2 for each in sums]) / (draws - 1))
    p50, p50_error = _quantile(sums, 0.5)
    p90, p90_error = _quantile(sums, 0.9)
    over = (draws - bisect_right(sums, reach(supply))) / draws
    # None or all of the draws does not make it certain; less than one more draw in as many would not show.
    over_error = math.sqrt(over * (1 - over) / draws) or 1 / draws
    return {
        "p50": p50,
        "p50_error": p50_error,
        "p90": p90,
        "p90_error": p90_error,
        "mean": mean,
        "mean_error": deviation / math.sqrt(draws),
        "over": over,
        "over_error": over_error,
    }


def _quantile(sums: Sequence[float], share: float) -> tuple[float, float]:
    """Return a quantile, and its standard error from the draws around it, whatever their distribution."""
    draws = len(sums)
    spread = math.sqrt(draws * share * (1 - share))

    def at(place: float) -> float:
        place = min(max(place, 0.0), draws - 1.0)
        below = int(place)
        above = min(below + 1, draws - 1)
        return sums[below] + (sums[above] - sums[below]) * (place - below)

    place = share * (draws - 1)
    return at(place), (at(place + spread) - at(place - spread)) / 2
