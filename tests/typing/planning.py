"""The planning domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import assert_type
from uuid import UUID

from datapkg import planning
from datapkg.kit.results import Rows
from datapkg.planning import (
    Balance,
    Initiative,
    InitiativeStatus,
    PlanningScenario,
    ScenarioDiff,
    Simulation,
    SkillPool,
    TokenCalibration,
    TokenDemand,
    TokenSupply,
)


def initiative_columns(row: Initiative) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.name, str)
    assert_type(row.status, str)
    assert_type(row.description, str | None)


def initiative_status_columns(row: InitiativeStatus) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.initiative, Initiative)
    assert_type(row.initiative_id, UUID)
    assert_type(row.from_status, str | None)
    assert_type(row.to_status, str)
    assert_type(row.actor, str)
    assert_type(row.note, str | None)


def planning_scenario_columns(row: PlanningScenario) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.name, str)
    assert_type(row.needs_reconciliation, bool)
    assert_type(row.revision_of, PlanningScenario | None)
    assert_type(row.revision_of_id, UUID | None)
    assert_type(row.planning_mode, str)


def skill_pool_columns(row: SkillPool) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.name, str)
    assert_type(row.description, str | None)
    assert_type(row.is_active, bool)


def token_calibration_columns(row: TokenCalibration) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.skill_pool, SkillPool)
    assert_type(row.skill_pool_id, UUID)
    assert_type(row.token_per_hour, float)
    assert_type(row.effective_date, dt.date)
    assert_type(row.notes, str | None)


def token_demand_columns(row: TokenDemand) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.scenario, PlanningScenario)
    assert_type(row.scenario_id, UUID)
    assert_type(row.initiative, Initiative)
    assert_type(row.initiative_id, UUID)
    assert_type(row.skill_pool, SkillPool)
    assert_type(row.skill_pool_id, UUID)
    assert_type(row.tokens_p50, float)
    assert_type(row.tokens_p90, float | None)
    assert_type(row.notes, str | None)


def token_supply_columns(row: TokenSupply) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.scenario, PlanningScenario)
    assert_type(row.scenario_id, UUID)
    assert_type(row.skill_pool, SkillPool)
    assert_type(row.skill_pool_id, UUID)
    assert_type(row.tokens, float)
    assert_type(row.notes, str | None)


def functions(key: UUID, text: str, day: dt.date) -> None:
    """What each function gives."""
    assert_type(planning.balance(key), Balance)
    assert_type(planning.check_orphans(), Rows[dict[str, object]])
    assert_type(planning.clone_ledger(key, target_id=key), int)
    assert_type(planning.create_initiative(text), Initiative)
    assert_type(planning.create_scenario(text), PlanningScenario)
    assert_type(planning.create_skill_pool(text), SkillPool)
    assert_type(planning.deactivate_skill_pool(key), SkillPool)
    planning.delete_calibration(key)
    planning.delete_demand(key)
    planning.delete_initiative(key)
    planning.delete_scenario(key)
    planning.delete_skill_pool(key)
    planning.delete_supply(key)
    assert_type(planning.diff_scenarios(key, key), ScenarioDiff)
    assert_type(planning.find_calibration(key), TokenCalibration | None)
    assert_type(planning.find_demand(key), TokenDemand | None)
    assert_type(planning.find_initiative(key), Initiative | None)
    assert_type(planning.find_scenario(key), PlanningScenario | None)
    assert_type(planning.find_skill_pool(key), SkillPool | None)
    assert_type(planning.find_skill_pool_by_name(text), SkillPool | None)
    assert_type(planning.find_supply(key), TokenSupply | None)
    assert_type(planning.get_calibration(key), TokenCalibration)
    assert_type(planning.get_demand(key), TokenDemand)
    assert_type(planning.get_initiative(key), Initiative)
    assert_type(planning.get_scenario(key), PlanningScenario)
    assert_type(planning.get_skill_pool(key), SkillPool)
    assert_type(planning.get_supply(key), TokenSupply)
    assert_type(planning.hours_to_tokens(key, hours=1.5, on=day), float)
    assert_type(planning.list_calibrations(), Rows[TokenCalibration])
    assert_type(planning.list_demands(), Rows[TokenDemand])
    assert_type(planning.list_initiative_statuses(), Rows[InitiativeStatus])
    assert_type(planning.list_initiatives(), Rows[Initiative])
    assert_type(planning.list_scenarios(), Rows[PlanningScenario])
    assert_type(planning.list_skill_pools(), Rows[SkillPool])
    assert_type(planning.list_supplies(), Rows[TokenSupply])
    assert_type(planning.rate_at(key, on=day), float)
    assert_type(planning.revise_scenario(key), PlanningScenario)
    assert_type(planning.set_calibration(key, token_per_hour=1.5, effective_date=day), TokenCalibration)
    assert_type(planning.set_demand(key, initiative_id=key, skill_pool_id=key, tokens_p50=1.5), TokenDemand)
    assert_type(planning.set_initiative_status(key, status=text, actor=key), Initiative)
    assert_type(planning.set_planning_mode(key, mode=text, actor=key), PlanningScenario)
    assert_type(planning.set_supply(key, skill_pool_id=key, tokens=1.5), TokenSupply)
    assert_type(planning.simulate(key), Simulation)
    assert_type(planning.update_scenario(key), PlanningScenario)
    assert_type(planning.update_skill_pool(key), SkillPool)
