"""Make rows for tests: valid, different from each other, and written by the domains' own public functions.

Every argument can be given; what is left out gets a value no other row has. Each function works on the database in
force, and returns what the domain's function returns.

>>> from datapkg.testing import factories
>>> author = factories.make_user(name="Ann")  # doctest: +SKIP
>>> leaf = factories.make_definition_tree(depth=4, width=1).leaves[0]  # doctest: +SKIP
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from datapkg import accounts, audit, evaluation, flags, scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datapkg.accounts import IssuedApiKey, IssuedToken, StartedSession, User
    from datapkg.audit import AuditLog
    from datapkg.evaluation import Definition, Experiment, Run, Scenario, Transcript
    from datapkg.flags import FeatureFlag
    from datapkg.flags.queries import FlagChanges
    from datapkg.scripts import ChatMessage, Script

__all__ = [
    "PASSWORD",
    "MadeTree",
    "definition_content",
    "make_admin",
    "make_api_key",
    "make_audit_entry",
    "make_definition",
    "make_definition_tree",
    "make_experiment",
    "make_flag",
    "make_message",
    "make_run",
    "make_scenario",
    "make_script",
    "make_session",
    "make_transcript",
    "make_user",
    "make_verification_token",
]

PASSWORD = "correct horse battery staple"
"""The password of an administrator for whom none was given."""

_numbers = itertools.count(1)


def _new(kind: str) -> str:
    return f"{kind}-{next(_numbers)}"


# accounts -------------------------------------------------------------------------------------------------------------


def make_user(
    *, email: str | None = None, name: str | None = None, password: str | None = None, password_hash: str | None = None
) -> User:
    """Make a user with the role ``USER``, by default without a password; see ``accounts.create_user``."""
    made = _new("user")
    return accounts.create_user(
        email or f"{made}@example.com", name=name or made, password=password, password_hash=password_hash
    )


def make_admin(*, email: str | None = None, name: str | None = None, password: str | None = None) -> User:
    """Make a user with the role ``ADMIN``, the first one or one more."""
    made = _new("admin")
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
    return accounts.issue_api_key(user_id or make_user().id, name=name or _new("key"), expires_at=expires_at)


def make_session(*, user_id: UUID | str | None = None, ttl: dt.timedelta = dt.timedelta(hours=1)) -> StartedSession:
    """Start a session, of a new user where none is given; returns the row and its token."""
    return accounts.start_session(user_id or make_user().id, ttl=ttl)


def make_verification_token(*, identifier: str | None = None, ttl: dt.timedelta = dt.timedelta(hours=1)) -> IssuedToken:
    """Issue a verification token; returns the row and the token."""
    return accounts.issue_verification_token(identifier or f"{_new('token')}@example.com", ttl=ttl)


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
    return audit.record(entity_type, entity_id=entity_id or _new("report"), action=action, actor=actor, details=details)


def make_flag(key: str | None = None, **changes: Unpack[FlagChanges]) -> FeatureFlag:
    """Make a flag, off unless ``enabled=True``; see ``flags.set_flag``."""
    return flags.set_flag(key or _new("flag"), **changes)


# evaluation -----------------------------------------------------------------------------------------------------------


def definition_content(**overrides: object) -> dict[str, object]:
    """Return a valid ``definition-content`` with two dimensions, different each time.

    Args:
        overrides: its top-level keys: ``preamble``, ``template``, ``dimensions``, ``matching_rules``.
    """
    return {
        "preamble": f"You are judge {next(_numbers)}.",
        "template": "Answer in a {tone} tone, at {length} length.",
        "dimensions": [
            {"name": "tone", "values": ["kind", "curt"]},
            {"name": "length", "values": ["short", "long"], "description": "How much to write."},
        ],
        **overrides,
    }


def make_definition(
    *,
    name: str | None = None,
    content: object = None,
    parent_id: UUID | str | None = None,
    created_by: UUID | str | None = None,
) -> Definition:
    """Make a definition, a root or (with ``parent_id``) a fork."""
    name, content = name or _new("definition"), definition_content() if content is None else content
    if parent_id is None:
        return evaluation.create_definition(name, content=content, created_by=created_by)
    return evaluation.fork_definition(parent_id, name=name, content=content, created_by=created_by)


def make_scenario(
    *, definition_id: UUID | str | None = None, name: str | None = None, content: object = None
) -> Scenario:
    """Make a scenario by hand, of a new definition where none is given."""
    made = _new("scenario")
    if content is None:
        content = {"preamble": "You answer.", "prompt": f"What is {made}?", "values": {}}
    return evaluation.create_scenario(definition_id or make_definition().id, name=name or made, content=content)


def make_run(
    *,
    definition_id: UUID | str | None = None,
    config: object = None,
    experiment_id: UUID | str | None = None,
    status: str = "PENDING",
) -> Run:
    """Make a run with one model, of a new definition with four scenarios where none is given.

    Args:
        definition_id: what to run.
        config: a ``run-config`` document.
        experiment_id: what it belongs to.
        status: brought there through the states on the way.
    """
    if definition_id is None:
        definition_id = make_definition().id
        evaluation.generate_scenarios(definition_id)
    config = {"models": ["model-a"]} if config is None else config
    run = evaluation.create_run(definition_id, config=config, experiment_id=experiment_id)
    path = {"PENDING": (), "CANCELLED": ("CANCELLED",), "RUNNING": ("RUNNING",)}.get(status, ("RUNNING", status))
    for step in path:
        run = evaluation.update_run_status(run.id, status=step)
    return run


def make_transcript(
    *,
    run_id: UUID | str | None = None,
    scenario_id: UUID | str | None = None,
    model: str = "model-a",
    sample_index: int = 0,
    content: object = None,
    metrics: Mapping[str, object] | None = None,
) -> Transcript:
    """Make a transcript of two turns; without a scenario, of the first of the run's sample that the model lacks."""
    run_id = run_id or make_run().id
    if scenario_id is None:
        scenario_id = evaluation.missing_transcripts(run_id, samples_per_scenario=sample_index + 1)[0]["scenario_id"]
    if content is None:
        content = [{"role": "user", "content": _new("question")}, {"role": "assistant", "content": _new("answer")}]
    return evaluation.create_transcript(
        run_id, scenario_id=scenario_id, model=model, sample_index=sample_index, content=content, metrics=metrics
    )


def make_experiment(*, name: str | None = None, hypothesis: str | None = None) -> Experiment:
    """Make an experiment with a plan."""
    return evaluation.create_experiment(
        name or _new("experiment"), analysis_plan={"test": "paired t", "alpha": 0.05}, hypothesis=hypothesis
    )


@dataclass(frozen=True)
class MadeTree:
    """A tree of definitions, level by level.

    Attributes:
        levels: the definitions of each level, the root's first.
    """

    levels: tuple[tuple[Definition, ...], ...]

    @property
    def root(self) -> Definition:
        """The one without a parent."""
        return self.levels[0][0]

    @property
    def leaves(self) -> tuple[Definition, ...]:
        """Those without children."""
        return self.levels[-1]

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """All of them, parents before children."""
        return tuple(definition for level in self.levels for definition in level)


def make_definition_tree(*, depth: int = 4, width: int = 2, created_by: UUID | str | None = None) -> MadeTree:
    """Make a tree of definitions in one transaction.

    Args:
        depth: its levels, the root's included, at least 1.
        width: the children of each definition above the last level.
        created_by: the user who makes all of them.
    """
    from datapkg.kit.database import run_in_transaction

    @run_in_transaction
    def make() -> MadeTree:
        levels: list[tuple[Definition, ...]] = [(make_definition(created_by=created_by),)]
        for _ in range(depth - 1):
            levels.append(
                tuple(
                    make_definition(parent_id=parent.id, created_by=created_by)
                    for parent in levels[-1]
                    for _ in range(width)
                )
            )
        return MadeTree(tuple(levels))

    return make()


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
    script = scripts.create_script(owner_id or make_user().id, title=title or _new("script"), text=text)
    if not commands:
        return script
    start = len(scripts.at(script.id).elements)
    lines: list[Mapping[str, object]] = [
        {"command_type": "INSERT_ELEMENT", "position": start + place, "kind": "DIALOGUE", "text": _new("line")}
        for place in range(commands)
    ]
    scripts.append(script.id, commands=lines, expected_sequence=1, actor_type="USER")
    return scripts.get_script(script.id)


def make_message(
    *, user_id: UUID | str | None = None, script_id: UUID | str | None = None, content: str | None = None
) -> ChatMessage:
    """Record a chat message of a new user where none is given."""
    return scripts.record_message(
        user_id or make_user().id, role="USER", content=content or _new("message"), script_id=script_id
    )
