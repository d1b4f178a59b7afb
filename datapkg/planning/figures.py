"""A scenario's ledger as numbers, pool by pool: what balances, simulations and differences are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any
from uuid import UUID

from datapkg.kit.database import snapshot
from datapkg.kit.dialect import Dialect
from datapkg.kit.keys import as_id
from datapkg.kit.statements import Param, Statement
from datapkg.planning.models import PlanningScenario
from datapkg.planning.scenarios import get_scenario

__all__ = ["DemandFigures", "Ledger", "PoolFigures", "margin", "reach", "read_ledger", "total"]

_SLACK = 1e-9  # of a supply: what a sum of rounded numbers may be off by is no difference, 0.1 and 0.2 fit into 0.3


@dataclass(frozen=True, slots=True)
class DemandFigures:
    """What one initiative wants of a pool.

    Attributes:
        initiative_id: which initiative.
        initiative: its name.
        p50: in half of the cases no more.
        p90: in nine of ten cases no more; None where that is unknown.
        notes: where the figures come from.
    """

    initiative_id: UUID
    initiative: str
    p50: float
    p90: float | None
    notes: str | None


@dataclass(slots=True)
class PoolFigures:
    """What a pool has and what is wanted of it.

    Attributes:
        pool: its name.
        is_active: whether new plans may use it.
        supply: its tokens, None where the scenario says nothing about them.
        notes: where the supply's figure comes from.
        demands: those of the scenario, in no order.
    """

    pool: str
    is_active: bool
    supply: float | None = None
    notes: str | None = None
    demands: list[DemandFigures] = field(default_factory=list)

    @property
    def p90_known(self) -> int:
        """How many of the demands have a P90."""
        return sum(demand.p90 is not None for demand in self.demands)

    @property
    def sum_of_p50s(self) -> float:
        """The demands' P50 figures added up."""
        return total([demand.p50 for demand in self.demands])

    @property
    def sum_of_p90s(self) -> float:
        """The demands' P90 figures added up, with the P50, which is no more, for those that are unknown."""
        return total([demand.p50 if demand.p90 is None else demand.p90 for demand in self.demands])


@dataclass(frozen=True, slots=True)
class Ledger:
    """A scenario and its ledger.

    Attributes:
        scenario: the scenario.
        pools: those that have a supply or a demand in it, by name.
    """

    scenario: PlanningScenario
    pools: Sequence[PoolFigures]


def total(figures: Sequence[float]) -> float:
    """Return the exact sum, rounded once, so that it is the same in any order and on any engine."""
    return fsum(figures)


def margin(supply: float | None, wanted: float) -> float:
    """Return how much of a supply is left, negative where it does not suffice; no supply counts as 0."""
    had = supply or 0.0
    left = had - wanted
    return 0.0 if abs(left) <= _SLACK * had else left


def reach(supply: float | None) -> float:
    """Return up to which sum a supply suffices; no supply counts as 0."""
    return (supply or 0.0) * (1 + _SLACK)


def _supplies(dialect: Dialect) -> tuple[str, list[Param]]:
    sql = (
        "SELECT p.name, p.is_active, s.tokens, s.notes FROM token_supplies AS s "
        f"JOIN skill_pools AS p ON p.id = s.skill_pool_id WHERE s.scenario_id = {dialect.param}"
    )
    return sql, [Param("scenario")]


def _demands(dialect: Dialect) -> tuple[str, list[Param]]:
    sql = (
        "SELECT p.name, p.is_active, i.id, i.name, d.tokens_p50, d.tokens_p90, d.notes FROM token_demands AS d "
        "JOIN skill_pools AS p ON p.id = d.skill_pool_id JOIN initiatives AS i ON i.id = d.initiative_id "
        f"WHERE d.scenario_id = {dialect.param}"
    )
    return sql, [Param("scenario")]


_read_supplies: Statement[Any] = Statement(_supplies)
_read_demands: Statement[Any] = Statement(_demands)


def read_ledger(scenario_id: UUID | str) -> Ledger:
    """Read a scenario's whole ledger in three queries that see one state of the database.

    Raises:
        NotFoundError: there is no such scenario.
        ValidationError: the key is not a UUID.
    """
    key = as_id(scenario_id, "scenario_id")
    with snapshot():
        scenario = get_scenario(key)
        supplies = _read_supplies.tuples(scenario=str(key))
        demands = _read_demands.tuples(scenario=str(key))
    pools: dict[str, PoolFigures] = {}
    for name, active, tokens, notes in supplies:
        pools[name] = PoolFigures(name, bool(active), tokens, notes)
    for name, active, initiative_id, initiative, p50, p90, notes in demands:
        pool = pools.get(name)
        if pool is None:
            pool = pools[name] = PoolFigures(name, bool(active))
        pool.demands.append(DemandFigures(UUID(initiative_id), initiative, p50, p90, notes))
    return Ledger(scenario, [pools[name] for name in sorted(pools)])
