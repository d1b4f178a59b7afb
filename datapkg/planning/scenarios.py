"""Planning scenarios: made, read, changed, deleted, and switched between the two ways of planning."""

from __future__ import annotations

import logging
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg import audit, flags
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert
from datapkg.planning.models import PLANNING_MODES, PlanningScenario

__all__ = [
    "TOKEN_PLANNING_FLAG",
    "ScenarioChanges",
    "create_scenario",
    "delete_scenario",
    "find_scenario",
    "get_scenario",
    "list_scenarios",
    "set_planning_mode",
    "update_scenario",
]

logger = logging.getLogger(__name__)

TOKEN_PLANNING_FLAG = "token_planning_v1"
"""The flag that ``TOKEN`` needs, asked with the scenario's id as the subject."""

ENTITY = "planning scenario"

_by_id: Statement[PlanningScenario] = Statement(
    lambda _: PlanningScenario.select().where(PlanningScenario.id == Param("id")), model=PlanningScenario
)
_switch: Statement[PlanningScenario] = Statement(
    lambda _: PlanningScenario.update(
        planning_mode=Param("mode"), updated_at=Param("made", PlanningScenario.updated_at.db_value)
    ).where((PlanningScenario.id == Param("id")) & (PlanningScenario.planning_mode == Param("before")))
)


class ScenarioChanges(TypedDict, total=False):
    """What ``update_scenario`` changes; what is left out stays.

    Attributes:
        name: 1 to 200 characters.
        needs_reconciliation: whether figures elsewhere have to be looked at again.
    """

    name: str
    needs_reconciliation: bool


def create_scenario(name: str, *, needs_reconciliation: bool = False) -> PlanningScenario:
    """Create a scenario with an empty ledger; it plans in ``LEGACY`` until ``set_planning_mode`` says otherwise.

    Args:
        name: 1 to 200 characters; need not be unique.
        needs_reconciliation: whether figures elsewhere have to be looked at again.

    Raises:
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> create_scenario("2027, first half")  # doctest: +SKIP
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    given = {"name": name, "needs_reconciliation": needs_reconciliation}
    made = now()
    columns = load(schemas.NewScenario, given, what=ENTITY)
    scenario = insert(PlanningScenario, {**columns, "created_at": made, "updated_at": made})
    logger.info("planning scenario created", extra={"scenario_id": str(scenario.id)})
    return scenario


def get_scenario(scenario_id: UUID | str) -> PlanningScenario:
    """Return a scenario.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    scenario = find_scenario(scenario_id)
    if scenario is None:
        raise NotFoundError(ENTITY, scenario_id)
    return scenario


def find_scenario(scenario_id: UUID | str) -> PlanningScenario | None:
    """Return a scenario, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(scenario_id, "scenario_id"))


def list_scenarios(
    *,
    name: str | None = None,
    planning_mode: str | None = None,
    needs_reconciliation: bool | None = None,
    revision_of: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[PlanningScenario]:
    """Return a page of scenarios, newest first.

    Args:
        name: only with exactly this name.
        planning_mode: only those that plan in this mode.
        needs_reconciliation: only those that do, or do not.
        revision_of: only direct revisions of this scenario.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.planning import schemas

    given = {
        "name": name,
        "planning_mode": planning_mode,
        "needs_reconciliation": needs_reconciliation,
        "revision_of": revision_of,
        "limit": limit,
        "after": after,
    }
    where = {
        "name": PlanningScenario.name.__eq__,
        "planning_mode": PlanningScenario.planning_mode.__eq__,
        "needs_reconciliation": PlanningScenario.needs_reconciliation.__eq__,
        "revision_of": PlanningScenario.revision_of.__eq__,
    }
    return list_page(
        PlanningScenario, schemas.ScenarioFilters, what="list of planning scenarios", given=given, where=where
    )


def update_scenario(scenario_id: UUID | str, **changes: Unpack[ScenarioChanges]) -> PlanningScenario:
    """Change a scenario's name, or whether it needs reconciliation.

    Args:
        scenario_id: which.
        changes: see :class:`ScenarioChanges`; at least one.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: with every complaint, or nothing is given; nothing is written.
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    key = as_id(scenario_id, "scenario_id")
    what = f"change of a {ENTITY}"
    if not changes:
        raise ValidationError({"_schema": ["Give name or needs_reconciliation."]}, what=what)
    change: dict[str, Any] = load(schemas.ScenarioChange, dict(changes), what=what)

    @run_in_transaction
    def update() -> PlanningScenario:
        PlanningScenario.update(**change).where(PlanningScenario.id == key).execute()
        return get_scenario(key)

    return update()


def delete_scenario(scenario_id: UUID | str) -> None:
    """Delete a scenario with its ledger; its revisions stay, and no longer say what they revise.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    key = as_id(scenario_id, "scenario_id")
    delete_row(PlanningScenario, key, entity=ENTITY)
    logger.info("planning scenario deleted", extra={"scenario_id": str(key)})


def set_planning_mode(scenario_id: UUID | str, *, mode: str, actor: UUID | str) -> PlanningScenario:
    """Let a scenario plan in another mode, and record who did it, in one transaction; no ledger row is touched.

    ``TOKEN`` needs the flag ``token_planning_v1`` to be on for the scenario's id; ``LEGACY`` is always open. The mode
    that the scenario has already is no change, needs no flag and is not recorded.

    Args:
        scenario_id: which.
        mode: ``LEGACY`` or ``TOKEN``.
        actor: who says so, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is no such scenario.
        InvalidTransitionError: the flag is off for this scenario; nothing is written.
        ValidationError: with every complaint about the arguments; nothing is written.

    Example:
        >>> set_planning_mode(scenario.id, mode="TOKEN", actor="ann@example.com")  # doctest: +SKIP
    """
    from datapkg.kit.schemas import load
    from datapkg.planning import schemas

    told = {"scenario_id": scenario_id, "mode": mode, "actor": str(actor) if isinstance(actor, UUID) else actor}
    given: dict[str, Any] = load(schemas.ModeChange, told, what="planning mode")
    key, wanted = str(given["scenario_id"]), given["mode"]
    before = next(each for each in PLANNING_MODES if each != wanted)

    @run_in_transaction
    def switch() -> tuple[PlanningScenario, bool]:
        if wanted == "TOKEN" and not flags.is_enabled(TOKEN_PLANNING_FLAG, subject=key):
            scenario = get_scenario(key)
            if scenario.planning_mode == wanted:
                return scenario, False
            raise InvalidTransitionError(
                f"The planning scenario {key} cannot plan in TOKEN: the flag {TOKEN_PLANNING_FLAG} is off for it.",
                fix=f"Turn the flag on: datapkg.flags.set_flag({TOKEN_PLANNING_FLAG!r}, enabled=True).",
                flag=TOKEN_PLANNING_FLAG,
                scenario_id=key,
            )
        # Of several that switch at once, one finds the mode as it was, and only that one is recorded.
        changed = _switch.run(id=key, mode=wanted, before=before, made=now())
        scenario = get_scenario(key)
        if changed:
            change = {"from": before, "to": wanted}
            audit.record(
                "planning_scenario", entity_id=key, action="set_planning_mode", actor=given["actor"], details=change
            )
        return scenario, bool(changed)

    scenario, changed = switch()
    if changed:
        logger.info("planning mode set", extra={"scenario_id": key, "mode": wanted})
    return scenario
