"""Copies of scenarios, and what differs between two."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction, snapshot
from datapkg.kit.differences import ABSENT, CHANGE, Diff, differences, row_of
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.models import Model, new_id, now
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert, insert_many
from datapkg.planning.figures import Ledger, read_ledger
from datapkg.planning.models import PlanningScenario, TokenDemand, TokenSupply
from datapkg.planning.scenarios import ENTITY

__all__ = ["ScenarioDiff", "clone_ledger", "diff_scenarios", "revise_scenario"]

logger = logging.getLogger(__name__)

_LONGEST_NAME = 200
_OWN = ("id", "scenario", "created_at", "updated_at")


def clone_ledger(source_id: UUID | str, *, target_id: UUID | str) -> int:
    """Copy every supply and demand of a scenario into one that has none, in one transaction.

    Rows of inactive pools are copied too.

    Args:
        source_id: whose ledger; it stays as it is.
        target_id: into which scenario.

    Returns:
        How many rows were copied.

    Raises:
        NotFoundError: one of them does not exist.
        ConflictError: the target has ledger rows already; nothing is written.
        ValidationError: an argument is not valid, or both are the same.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given: dict[str, Any] = load(
        schemas.LedgerCopy, {"source_id": source_id, "target_id": target_id}, what="copy of a ledger"
    )
    source, target = given["source_id"], given["target_id"]

    @run_in_transaction
    def clone() -> int:
        _lock(source, target)
        there = {
            model._meta.table_name: count
            for model in (TokenSupply, TokenDemand)
            if (count := model.select().where(model.scenario == target).count())
        }
        if there:
            listed = ", ".join(f"{count} in {table}" for table, count in there.items())
            raise ConflictError(
                f"The ledger of the planning scenario {target} is not empty: {listed}.",
                fix="Copy into a new scenario, or make a revision with revise_scenario.",
                table=next(iter(there)),
                columns=("scenario_id",),
                in_the_way=there,
            )
        return _copy_rows(source, target)

    copied = clone()
    logger.info("ledger cloned", extra={"source_id": str(source), "target_id": str(target), "rows": copied})
    return copied


def _lock(*keys: UUID) -> list[PlanningScenario]:
    """Lock scenarios, whose ledgers get no new rows meanwhile, and return them in the order of their keys."""
    # In the order of their keys, so that two transactions never wait for each other.
    query = PlanningScenario.select().where(PlanningScenario.id.in_(keys)).order_by(PlanningScenario.id)
    found = list(query.for_update() if current().dialect.for_update else query)
    for key in keys:
        if key not in {scenario.id for scenario in found}:
            raise NotFoundError(ENTITY, key)
    return found


def _copy_rows(source: UUID, target: UUID) -> int:
    copied = 0
    made = now()
    models: tuple[type[Model], ...] = (TokenSupply, TokenDemand)
    for model in models:
        scenario: Any = model._meta.fields["scenario"]
        rows = model.select().where(scenario == source).order_by(model.id)
        names = [field.name for field in model._meta.sorted_fields if field.name not in _OWN]
        new = (
            {
                **{name: row.__data__[name] for name in names},
                "id": new_id(),
                "scenario": target,
                "created_at": made,
                "updated_at": made,
            }
            for row in rows
        )
        copied += insert_many(model, list(new))
        failpoints.reach("planning.ledger_half_copied")
    return copied


def revise_scenario(scenario_id: UUID | str, *, name: str | None = None) -> PlanningScenario:
    """Make a copy of a scenario, ledger included, that says what it revises; one transaction.

    The copy plans in ``LEGACY`` as every new scenario does: ``TOKEN`` is for ``set_planning_mode`` to allow and record.

    Args:
        scenario_id: what to revise; it stays as it is.
        name: what the copy is called; left out, the same name with "(revision 1)" and so on after it.

    Raises:
        NotFoundError: there is no such scenario.
        ValidationError: an argument is not valid; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given: dict[str, Any] = load(schemas.NewRevision, {"scenario_id": scenario_id, "name": name}, what="revision")
    key: UUID = given["scenario_id"]

    @run_in_transaction
    def revise() -> PlanningScenario:
        source = _lock(key)[0]
        called = given["name"]
        if called is None:
            number = PlanningScenario.select().where(PlanningScenario.revision_of == key).count() + 1
            suffix = f" (revision {number})"
            called = source.name[: _LONGEST_NAME - len(suffix)] + suffix
        made = now()
        revision = insert(
            PlanningScenario,
            {
                "name": called,
                "needs_reconciliation": source.needs_reconciliation,
                "revision_of": key,
                "created_at": made,
                "updated_at": made,
            },
        )
        _copy_rows(key, revision.id)
        return revision

    revision = revise()
    logger.info("planning scenario revised", extra={"scenario_id": str(key), "revision_id": str(revision.id)})
    return revision


class ScenarioDiff(Diff):
    """The differences from scenario ``a`` to scenario ``b``."""

    __slots__ = ()


def diff_scenarios(a: UUID | str, b: UUID | str) -> ScenarioDiff:
    """Compare two scenarios: name, mode, what is to be reconciled, and every row of their ledgers.

    Supplies are matched by their pool, demands by initiative and pool: ``supplies.backend.tokens``,
    ``demands.Search.backend.tokens_p90``. Initiatives of the same name are told apart by their keys.

    Raises:
        NotFoundError: one of them does not exist.
        ValidationError: a key is not a UUID.
    """
    with snapshot():
        first, second = read_ledger(a), read_ledger(b)
    names = _initiative_names(first, second)
    changes: Rows[dict[str, Any]] = Rows(of=CHANGE)
    for path, before, after in differences(_comparable(first, names), _comparable(second, names)):
        changes.extend(_rows_of(path, before, after))
    return ScenarioDiff(first.scenario.id, second.scenario.id, changes)


def _rows_of(path: str, before: object, after: object) -> Iterator[dict[str, Any]]:
    """Yield a row for each figure, also where a whole row of the ledger is on one side only."""
    whole = after if before is ABSENT else before
    if isinstance(whole, Mapping):
        for key in sorted(whole):
            sides = (ABSENT, whole[key]) if before is ABSENT else (whole[key], ABSENT)
            yield from _rows_of(f"{path}.{key}", *sides)
        return
    if whole is None and (before is ABSENT or after is ABSENT):
        return  # a note or a P90 that was not there
    yield row_of(path, before, after)


def _initiative_names(*ledgers: Ledger) -> dict[UUID, str]:
    names = {
        demand.initiative_id: demand.initiative
        for ledger in ledgers
        for pool in ledger.pools
        for demand in pool.demands
    }
    times = Counter(names.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in names.items()}


def _comparable(ledger: Ledger, names: Mapping[UUID, str]) -> dict[str, Any]:
    scenario = ledger.scenario
    supplies: dict[str, Any] = {}
    demands: dict[str, dict[str, Any]] = {}
    for pool in ledger.pools:
        if pool.supply is not None:
            supplies[pool.pool] = {"tokens": pool.supply, "notes": pool.notes}
        for demand in pool.demands:
            figures = {"tokens_p50": demand.p50, "tokens_p90": demand.p90, "notes": demand.notes}
            demands.setdefault(names[demand.initiative_id], {})[pool.pool] = figures
    return {
        "name": scenario.name,
        "planning_mode": scenario.planning_mode,
        "needs_reconciliation": scenario.needs_reconciliation,
        "supplies": supplies,
        "demands": demands,
    }
