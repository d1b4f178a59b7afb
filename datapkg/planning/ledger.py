"""The ledger: what each skill pool has in a scenario, and what initiatives want of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement
from datapkg.kit.upserts import upsert
from datapkg.planning.initiatives import get_initiative
from datapkg.planning.models import TokenDemand, TokenSupply
from datapkg.planning.pools import get_skill_pool
from datapkg.planning.scenarios import get_scenario

__all__ = [
    "delete_demand",
    "delete_supply",
    "find_demand",
    "find_supply",
    "get_demand",
    "get_supply",
    "list_demands",
    "list_supplies",
    "set_demand",
    "set_supply",
]

SUPPLY, DEMAND = "token supply", "token demand"

_supply: Statement[TokenSupply] = Statement(
    lambda _: TokenSupply.select().where(TokenSupply.id == Param("id")), model=TokenSupply
)
_demand: Statement[TokenDemand] = Statement(
    lambda _: TokenDemand.select().where(TokenDemand.id == Param("id")), model=TokenDemand
)


def _parents(dialect: Dialect) -> tuple[str, list[Param]]:
    """Ask in one query for everything that a new ledger row stands on."""
    p = dialect.param
    sql = (
        f"SELECT (SELECT 1 FROM planning_scenarios WHERE id = {p}), (SELECT is_active FROM skill_pools WHERE id = {p}),"
        f" (SELECT 1 FROM initiatives WHERE id = {p}),"
        f" EXISTS (SELECT 1 FROM token_supplies WHERE scenario_id = {p} AND skill_pool_id = {p}),"
        f" EXISTS (SELECT 1 FROM token_demands WHERE scenario_id = {p} AND initiative_id = {p} AND skill_pool_id = {p})"
    )
    names = ("scenario", "pool", "initiative", "scenario", "pool", "scenario", "initiative", "pool")
    return sql, [Param(name) for name in names]


_standing_on: Statement[Any] = Statement(_parents)


def _check_parents(scenario: UUID, pool: UUID, initiative: UUID | None = None) -> None:
    """Raise unless the row's parents are there, and the pool is active where the row would be new."""
    found = _standing_on.tuples(
        scenario=str(scenario), pool=str(pool), initiative=None if initiative is None else str(initiative)
    )[0]
    scenario_there, active, initiative_there, supplied, demanded = found
    if scenario_there is None:
        get_scenario(scenario)
    if initiative is not None and initiative_there is None:
        get_initiative(initiative)
    if active is None:
        get_skill_pool(pool)
    there = supplied if initiative is None else demanded
    if not active and not there:
        raise InvalidTransitionError(
            f"The skill pool {pool} is not active, so plans get no new rows of it.",
            fix="Use another pool, or take this one back: update_skill_pool(…, is_active=True).",
            skill_pool_id=str(pool),
        )


def set_supply(
    scenario_id: UUID | str, *, skill_pool_id: UUID | str, tokens: float, notes: str | None = None
) -> TokenSupply:
    """Say how many tokens a skill pool has in a scenario; the figure that is there already is replaced.

    Args:
        scenario_id: in which scenario.
        skill_pool_id: which pool; an inactive one can only have its figure changed, not get its first one.
        tokens: 0 to ``MAX_TOKENS``.
        notes: where the figure comes from, up to 10,000 characters; left out, notes that are there are cleared.

    Raises:
        NotFoundError: there is no such scenario or pool.
        InvalidTransitionError: the pool is not active.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {"scenario_id": scenario_id, "skill_pool_id": skill_pool_id, "tokens": tokens, "notes": notes}
    given: dict[str, Any] = load(schemas.NewSupply, told, what="supply")
    scenario, pool = given["scenario_id"], given["skill_pool_id"]
    row = {"scenario": scenario, "skill_pool": pool, "tokens": given["tokens"] + 0.0, "notes": given["notes"]}

    @run_in_transaction
    def write() -> TokenSupply:
        _check_parents(scenario, pool)
        return upsert(TokenSupply, row, key=("scenario", "skill_pool"))

    return write()


def set_demand(
    scenario_id: UUID | str,
    *,
    initiative_id: UUID | str,
    skill_pool_id: UUID | str,
    tokens_p50: float,
    tokens_p90: float | None = None,
    notes: str | None = None,
) -> TokenDemand:
    """Say how many tokens an initiative wants of a skill pool in a scenario; figures that are there are replaced.

    Args:
        scenario_id: in which scenario.
        initiative_id: which initiative.
        skill_pool_id: of which pool; an inactive one can only have its figures changed, not get its first ones.
        tokens_p50: half of the time it takes no more; 0 to ``MAX_TOKENS``.
        tokens_p90: nine times in ten it takes no more; at least ``tokens_p50``. Left out, it is unknown.
        notes: where the figures come from, up to 10,000 characters; left out, notes that are there are cleared.

    Raises:
        NotFoundError: there is no such scenario, initiative or pool.
        InvalidTransitionError: the pool is not active.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {
        "scenario_id": scenario_id,
        "initiative_id": initiative_id,
        "skill_pool_id": skill_pool_id,
        "tokens_p50": tokens_p50,
        "tokens_p90": tokens_p90,
        "notes": notes,
    }
    given: dict[str, Any] = load(schemas.NewDemand, told, what="demand")
    scenario, initiative, pool = given["scenario_id"], given["initiative_id"], given["skill_pool_id"]
    p90 = given["tokens_p90"]
    row = {
        "scenario": scenario,
        "initiative": initiative,
        "skill_pool": pool,
        "tokens_p50": given["tokens_p50"] + 0.0,  # PostgreSQL would keep -0.0, and SQLite would not
        "tokens_p90": None if p90 is None else p90 + 0.0,
        "notes": given["notes"],
    }

    @run_in_transaction
    def write() -> TokenDemand:
        _check_parents(scenario, pool, initiative)
        return upsert(TokenDemand, row, key=("scenario", "initiative", "skill_pool"))

    return write()


def get_supply(supply_id: UUID | str) -> TokenSupply:
    """Return a supply.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    supply = find_supply(supply_id)
    if supply is None:
        raise NotFoundError(SUPPLY, supply_id)
    return supply


def find_supply(supply_id: UUID | str) -> TokenSupply | None:
    """Return a supply, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _supply.one(id=as_id_text(supply_id, "supply_id"))


def list_supplies(
    *,
    scenario_id: UUID | str | None = None,
    skill_pool_id: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[TokenSupply]:
    """Return a page of supplies, newest first.

    Args:
        scenario_id: only in this scenario.
        skill_pool_id: only of this pool.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {"scenario_id": scenario_id, "skill_pool_id": skill_pool_id, "limit": limit, "after": after}
    where = {"scenario_id": TokenSupply.scenario.__eq__, "skill_pool_id": TokenSupply.skill_pool.__eq__}
    return list_page(TokenSupply, schemas.SupplyFilters, what="list of supplies", given=given, where=where)


def delete_supply(supply_id: UUID | str) -> None:
    """Delete a supply; the pool's demands stay, and are then without one.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(TokenSupply, as_id(supply_id, "supply_id"), entity=SUPPLY)


def get_demand(demand_id: UUID | str) -> TokenDemand:
    """Return a demand.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    demand = find_demand(demand_id)
    if demand is None:
        raise NotFoundError(DEMAND, demand_id)
    return demand


def find_demand(demand_id: UUID | str) -> TokenDemand | None:
    """Return a demand, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _demand.one(id=as_id_text(demand_id, "demand_id"))


def list_demands(
    *,
    scenario_id: UUID | str | None = None,
    initiative_id: UUID | str | None = None,
    skill_pool_id: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[TokenDemand]:
    """Return a page of demands, newest first.

    Args:
        scenario_id: only in this scenario.
        initiative_id: only of this initiative.
        skill_pool_id: only of this pool.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {
        "scenario_id": scenario_id,
        "initiative_id": initiative_id,
        "skill_pool_id": skill_pool_id,
        "limit": limit,
        "after": after,
    }
    where = {
        "scenario_id": TokenDemand.scenario.__eq__,
        "initiative_id": TokenDemand.initiative.__eq__,
        "skill_pool_id": TokenDemand.skill_pool.__eq__,
    }
    return list_page(TokenDemand, schemas.DemandFilters, what="list of demands", given=given, where=where)


def delete_demand(demand_id: UUID | str) -> None:
    """Delete a demand.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(TokenDemand, as_id(demand_id, "demand_id"), entity=DEMAND)
