"""Make definitions, scenarios, runs and what belongs to them; reached through :mod:`datapkg.testing.factories`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from datapkg import evaluation
from datapkg.testing.numbering import fresh, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datapkg.evaluation import Definition, Experiment, Run, Scenario, Transcript

__all__ = [
    "MadeTree",
    "definition_content",
    "make_definition",
    "make_definition_tree",
    "make_experiment",
    "make_run",
    "make_scenario",
    "make_transcript",
]


def definition_content(**overrides: object) -> dict[str, object]:
    """Return a valid ``definition-content`` with two dimensions, different each time.

    Args:
        overrides: its top-level keys: ``preamble``, ``template``, ``dimensions``, ``matching_rules``.
    """
    return {
        "preamble": f"You are judge {number()}.",
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
    name, content = name or fresh("definition"), definition_content() if content is None else content
    if parent_id is None:
        return evaluation.create_definition(name, content=content, created_by=created_by)
    return evaluation.fork_definition(parent_id, name=name, content=content, created_by=created_by)


def make_scenario(
    *, definition_id: UUID | str | None = None, name: str | None = None, content: object = None
) -> Scenario:
    """Make a scenario by hand, of a new definition where none is given."""
    made = fresh("scenario")
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
        content = [{"role": "user", "content": fresh("question")}, {"role": "assistant", "content": fresh("answer")}]
    return evaluation.create_transcript(
        run_id, scenario_id=scenario_id, model=model, sample_index=sample_index, content=content, metrics=metrics
    )


def make_experiment(*, name: str | None = None, hypothesis: str | None = None) -> Experiment:
    """Make an experiment with a plan."""
    return evaluation.create_experiment(
        name or fresh("experiment"), analysis_plan={"test": "paired t", "alpha": 0.05}, hypothesis=hypothesis
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
