"""Make rows for tests: valid, different from each other, and written by the domains' own public functions.

Every argument can be given; what is left out gets a value no other row has. Each function works on the database in
force, and returns what the domain's function returns.

>>> from datapkg.testing import factories
>>> author = factories.make_user(name="Ann")  # doctest: +SKIP
>>> leaf = factories.make_definition_tree(depth=4, width=1).leaves[0]  # doctest: +SKIP
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from datapkg import accounts, audit, flags, planning, scripts, workqueue
from datapkg.testing.engagement_factories import (
    make_ab_assignment,
    make_ab_experiment,
    make_author,
    make_champion,
    make_competitor,
    make_decision,
    make_escalation,
    make_hold,
    make_kpi,
    make_learning_event,
    make_mention,
    make_post,
    make_reply,
    make_weight_adjustment,
)
from datapkg.testing.evaluation_factories import (
    MadeTree,
    definition_content,
    make_definition,
    make_definition_tree,
    make_experiment,
    make_run,
    make_scenario,
    make_transcript,
)
from datapkg.testing.numbering import fresh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datapkg.accounts import IssuedApiKey, IssuedToken, StartedSession, User
    from datapkg.audit import AuditLog
    from datapkg.flags import FeatureFlag
    from datapkg.flags.queries import FlagChanges
    from datapkg.planning import Initiative, PlanningScenario, SkillPool, TokenCalibration, TokenDemand, TokenSupply
    from datapkg.scripts import ChatMessage, Script
    from datapkg.workqueue import Feature

__all__ = [
    "PASSWORD",
    "MadeTree",
    "definition_content",
    "execution_metrics",
    "make_ab_assignment",
    "make_ab_experiment",
    "make_admin",
    "make_api_key",
    "make_audit_entry",
    "make_author",
    "make_calibration",
    "make_champion",
    "make_competitor",
    "make_decision",
    "make_definition",
    "make_definition_tree",
    "make_demand",
    "make_escalation",
    "make_experiment",
    "make_feature",
    "make_flag",
    "make_hold",
    "make_initiative",
    "make_kpi",
    "make_learning_event",
    "make_mention",
    "make_message",
    "make_planning_scenario",
    "make_post",
    "make_reply",
    "make_run",
    "make_scenario",
    "make_script",
    "make_session",
    "make_skill_pool",
    "make_supply",
    "make_transcript",
    "make_user",
    "make_verification_token",
    "make_weight_adjustment",
]

PASSWORD = "correct horse battery staple"
"""The password of an administrator for whom none was given."""


# accounts -------------------------------------------------------------------------------------------------------------


def make_user(
    *, email: str | None = None, name: str | None = None, password: str | None = None, password_hash: str | None = None
) -> User:
    """Make a user with the role ``USER``, by default without a password; see ``accounts.create_user``."""
    made = fresh("user")
    return accounts.create_user(
        email or f"{made}@example.com", name=name or made, password=password, password_hash=password_hash
    )


def make_admin(*, email: str | None = None, name: str | None = None, password: str | None = None) -> User:
    """Make a user with the role ``ADMIN``, the first one or one more."""
    made = fresh("admin")
    email, name, password = email or f"{made}@example.com", name or made, password or PASSWORD
    first = accounts.list_users(role="ADMIN", limit=1)
    if not first:
        return accounts.bootstrap_admin(email, password=password, name=name)
    user = accounts.create_user(email, name=name, password=password)
    return accounts.grant_role(user.id, role="ADMIN", actor_id=first[0].id)


def make_api_key(
    *, user_id: UUID | str | None = None, name: str | None = None, expires_at: dt.datetime | None = None
) -> IssuedApiKey:
    """Issue an API key, to a new user where none is given; returns the row and its secret."""
    return accounts.issue_api_key(user_id or make_user().id, name=name or fresh("key"), expires_at=expires_at)


def make_session(*, user_id: UUID | str | None = None, ttl: dt.timedelta = dt.timedelta(hours=1)) -> StartedSession:
    """Start a session, of a new user where none is given; returns the row and its token."""
    return accounts.start_session(user_id or make_user().id, ttl=ttl)


def make_verification_token(*, identifier: str | None = None, ttl: dt.timedelta = dt.timedelta(hours=1)) -> IssuedToken:
    """Issue a verification token; returns the row and the token."""
    return accounts.issue_verification_token(identifier or f"{fresh('token')}@example.com", ttl=ttl)


# audit and flags ------------------------------------------------------------------------------------------------------


def make_audit_entry(
    *,
    entity_type: str = "report",
    entity_id: UUID | str | None = None,
    action: str = "publish",
    actor: UUID | str = "system",
    details: Mapping[str, object] | None = None,
) -> AuditLog:
    """Append an entry to the audit log."""
    return audit.record(
        entity_type, entity_id=entity_id or fresh("report"), action=action, actor=actor, details=details
    )


def make_flag(key: str | None = None, **changes: Unpack[FlagChanges]) -> FeatureFlag:
    """Make a flag, off unless ``enabled=True``; see ``flags.set_flag``."""
    return flags.set_flag(key or fresh("flag"), **changes)


# planning -------------------------------------------------------------------------------------------------------------


def make_planning_scenario(*, name: str | None = None, needs_reconciliation: bool = False) -> PlanningScenario:
    """Make a planning scenario with an empty ledger."""
    return planning.create_scenario(name or fresh("plan"), needs_reconciliation=needs_reconciliation)


def make_initiative(
    *, name: str | None = None, description: str | None = None, status: str = "PROPOSED", actor: str = "system"
) -> Initiative:
    """Make an initiative."""
    return planning.create_initiative(name or fresh("initiative"), description=description, status=status, actor=actor)


def make_skill_pool(*, name: str | None = None, description: str | None = None, is_active: bool = True) -> SkillPool:
    """Make a skill pool."""
    return planning.create_skill_pool(name or fresh("pool"), description=description, is_active=is_active)


def make_supply(
    *, scenario_id: UUID | str | None = None, skill_pool_id: UUID | str | None = None, tokens: float = 100.0
) -> TokenSupply:
    """Give a pool tokens in a scenario, both new where none is given."""
    return planning.set_supply(
        scenario_id or make_planning_scenario().id, skill_pool_id=skill_pool_id or make_skill_pool().id, tokens=tokens
    )


def make_demand(
    *,
    scenario_id: UUID | str | None = None,
    initiative_id: UUID | str | None = None,
    skill_pool_id: UUID | str | None = None,
    tokens_p50: float = 50.0,
    tokens_p90: float | None = None,
) -> TokenDemand:
    """Let an initiative want tokens of a pool in a scenario, each new where none is given."""
    return planning.set_demand(
        scenario_id or make_planning_scenario().id,
        initiative_id=initiative_id or make_initiative().id,
        skill_pool_id=skill_pool_id or make_skill_pool().id,
        tokens_p50=tokens_p50,
        tokens_p90=tokens_p90,
    )


def make_calibration(
    *,
    skill_pool_id: UUID | str | None = None,
    token_per_hour: float = 1.0,
    effective_date: dt.date = dt.date(2026, 1, 1),
) -> TokenCalibration:
    """Say what an hour of a pool is worth from a day on; the pool is new where none is given."""
    return planning.set_calibration(
        skill_pool_id or make_skill_pool().id, token_per_hour=token_per_hour, effective_date=effective_date
    )


# workqueue ------------------------------------------------------------------------------------------------------------


def make_feature(
    *,
    name: str | None = None,
    category: str = "backend",
    test_steps: str = "It works.",
    priority: str = "MEDIUM",
    depends_on_ids: Iterable[int] = (),
    feature_number: int | None = None,
    draft: bool = False,
    max_attempts: int = 3,
) -> Feature:
    """Put a feature into the queue; see ``workqueue.enqueue``."""
    return workqueue.enqueue(
        name or fresh("feature"),
        category=category,
        test_steps=test_steps,
        priority=priority,
        depends_on_ids=depends_on_ids,
        feature_number=feature_number,
        draft=draft,
        max_attempts=max_attempts,
    )


def execution_metrics(**overrides: object) -> dict[str, object]:
    """Return valid ``metrics`` for ``workqueue.complete``.

    Args:
        overrides: its keys.
    """
    return {
        "total_cost_usd": "1.25",
        "duration_seconds": 145,
        "success_rate": 98,
        "ready_for_production": True,
        "prompt_tokens": 4500,
        "completion_tokens": 2100,
        "cached_tokens": 1000,
        "agents_used": [{"role": "Developer Agent", "cost": 0.8}, {"role": "Reviewer Agent", "cost": 0.45}],
        **overrides,
    }


# scripts --------------------------------------------------------------------------------------------------------------


def make_script(
    *, owner_id: UUID | str | None = None, title: str | None = None, text: str | None = None, commands: int = 0
) -> Script:
    """Make a script, of a new user where none is given.

    Args:
        owner_id: whose it is.
        title: its title.
        text: what it starts with; left out, it has no elements.
        commands: how many lines of dialogue to append, each by a command.
    """
    script = scripts.create_script(owner_id or make_user().id, title=title or fresh("script"), text=text)
    if not commands:
        return script
    start = len(scripts.at(script.id).elements)
    lines: list[Mapping[str, object]] = [
        {"command_type": "INSERT_ELEMENT", "position": start + place, "kind": "DIALOGUE", "text": fresh("line")}
        for place in range(commands)
    ]
    scripts.append(script.id, commands=lines, expected_sequence=1, actor_type="USER")
    return scripts.get_script(script.id)


def make_message(
    *, user_id: UUID | str | None = None, script_id: UUID | str | None = None, content: str | None = None
) -> ChatMessage:
    """Record a chat message of a new user where none is given."""
    return scripts.record_message(
        user_id or make_user().id, role="USER", content=content or fresh("message"), script_id=script_id
    )
