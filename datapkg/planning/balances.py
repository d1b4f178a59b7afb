"""The balance of a scenario: what each skill pool has against what is wanted of it."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from datapkg.kit.markup import DARK, TINTS, badge, bar, html_table
from datapkg.kit.results import Rows, cell, text_table
from datapkg.planning.figures import PoolFigures, margin, read_ledger
from datapkg.planning.models import PlanningScenario
from datapkg.planning.plots import STATUSES, Bar, figure, plot_bars

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["BALANCE_STATUSES", "Balance", "PoolBalance", "balance"]

BALANCE_STATUSES = STATUSES
"""What a pool's balance can be."""

_LEGEND = (
    "Tokens. sum_of_p50s and sum_of_p90s add up the demands' figures: the sum of P90 figures is not the P90 of the "
    "sum, nor the sum of P50 figures the P50 of the sum; simulate() estimates those. A demand whose P90 is unknown "
    "counts in sum_of_p90s with its P50, as it is at least that; p90_known says how many of the demands have one. "
    "headroom is supply less sum_of_p50s, headroom_p90 supply less sum_of_p90s; an empty supply counts as 0. "
    "OVER: sum_of_p50s does not fit into the supply. AT_RISK: it does, but sum_of_p90s does not. OK: both fit."
)


@dataclass(frozen=True, slots=True)
class PoolBalance:
    """One skill pool in a scenario.

    Attributes:
        pool: its name.
        status: ``OK``, ``AT_RISK`` or ``OVER``.
        supply: its tokens; None where the scenario does not say.
        sum_of_p50s: the demands' P50 figures added up.
        sum_of_p90s: the demands' P90 figures added up, the P50 standing in for an unknown P90; not the P90 of the sum.
        headroom: supply less ``sum_of_p50s``.
        headroom_p90: supply less ``sum_of_p90s``.
        demands: how many demands there are.
        p90_known: how many of them have a P90.
        is_active: whether new plans may use the pool.
    """

    pool: str
    status: Literal["OK", "AT_RISK", "OVER"]
    supply: float | None
    sum_of_p50s: float
    sum_of_p90s: float
    headroom: float
    headroom_p90: float
    demands: int
    p90_known: int
    is_active: bool

    def public(self) -> dict[str, object]:
        """Return the columns that a table shows."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of every skill pool that a scenario has a supply or a demand of.

    Attributes:
        scenario: the scenario.
        rows: one for each pool, by name.
    """

    scenario: PlanningScenario
    rows: Rows[PoolBalance]

    @property
    def legend(self) -> str:
        """What the figures mean, in words."""
        return _LEGEND

    @property
    def status(self) -> str:
        """The worst status of any pool; OK where there is none."""
        return max((row.status for row in self.rows), key=BALANCE_STATUSES.index, default="OK")

    def df(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame, a column for each figure.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.rows.df()

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw a bar for each pool: the sum of P50s, on to the sum of P90 figures, and the supply as a mark.

        Args:
            axes: where to draw; left out, in a figure of its own.

        Returns:
            The axes; ``.figure.savefig("balance.png")`` writes the picture.

        Raises:
            ConfigurationError: matplotlib is not installed.
        """
        bars = [
            Bar(row.pool, row.status.replace("_", " "), row.status, row.sum_of_p50s, row.sum_of_p90s, row.supply)
            for row in self.rows
        ]
        return plot_bars(
            bars,
            axes=axes,
            title=self.title,
            inner="sum of P50 figures",
            outer="sum of P90 figures (not the P90 of the sum)",
        )

    def public(self) -> dict[str, Any]:
        """Return the balance as one JSON-ready object."""
        return {
            "scenario_id": str(self.scenario.id),
            "scenario": self.scenario.name,
            "status": self.status,
            "pools": self.rows.records(),
            "legend": self.legend,
        }

    @property
    def title(self) -> str:
        """What stands above the table."""
        return f"Balance of {cell(self.scenario.name)} ({self.scenario.planning_mode}): {self.status}"

    @property
    def table(self) -> str:
        """The figures as a text table, without what they mean."""
        return text_table(*_shown(self.rows)) if self.rows else "(no supplies and no demands)"

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.table}\n\n{textwrap.fill(self.legend, 100)}"

    def _repr_html_(self) -> str:
        columns, table = _shown(self.rows)
        end = max((max(row.sum_of_p90s, row.supply or 0) for row in self.rows), default=0)
        tones = dict(zip(BALANCE_STATUSES, ("good", "doubtful", "bad"), strict=True))
        for row, cells in zip(self.rows, table, strict=True):
            dark, light = DARK[tones[row.status]], TINTS[tones[row.status]]
            cells[1] = badge(row.status, tones[row.status])
            cells.insert(2, bar([(row.sum_of_p50s, dark), (row.sum_of_p90s, light)], mark=row.supply, end=end))
        columns.insert(2, "p50s, p90s | supply")
        return html_table(columns, table, caption=f"{self.title}. {self.legend}")


def _shown(rows: Rows[PoolBalance]) -> tuple[list[str], list[list[object]]]:
    columns = ["pool", "status", "supply", "sum_of_p50s", "sum_of_p90s", "headroom", "headroom_p90", "p90_known"]
    table: list[list[object]] = []
    for row in rows:
        figures = (row.supply, row.sum_of_p50s, row.sum_of_p90s, row.headroom, row.headroom_p90)
        table.append([row.pool, row.status, *map(figure, figures), f"{row.p90_known} of {row.demands}"])
    return columns, table


def balance(scenario_id: UUID | str) -> Balance:
    """Return what each skill pool has in a scenario, what is wanted of it, and whether that fits.

    A pool that is wanted and has no supply is there too. Always three queries.

    Args:
        scenario_id: which scenario, in either mode.

    Raises:
        NotFoundError: there is no such scenario.
        ValidationError: the key is not a UUID.
    """
    ledger = read_ledger(scenario_id)
    return Balance(ledger.scenario, Rows((_balance_of(pool) for pool in ledger.pools), of=PoolBalance))


def _balance_of(pool: PoolFigures) -> PoolBalance:
    p50, p90 = pool.sum_of_p50s, pool.sum_of_p90s
    headroom, headroom_p90 = margin(pool.supply, p50), margin(pool.supply, p90)
    return PoolBalance(
        pool=pool.pool,
        status="OVER" if headroom < 0 else "AT_RISK" if headroom_p90 < 0 else "OK",
        supply=pool.supply,
        sum_of_p50s=p50,
        sum_of_p90s=p90,
        headroom=headroom,
        headroom_p90=headroom_p90,
        demands=len(pool.demands),
        p90_known=pool.p90_known,
        is_active=pool.is_active,
    )
