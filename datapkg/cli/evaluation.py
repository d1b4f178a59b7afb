"""``datapkg evaluation …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datapkg.cli.commands import Choice
from datapkg.cli.completion import DEFINITIONS, RUNS
from datapkg.cli.evaluation_imports import import_file
from datapkg.cli.options import following, paged
from datapkg.cli.render import progress, show, show_rows
from datapkg.cli.root import Settings, group

if TYPE_CHECKING:
    from datapkg.evaluation import Run

__all__ = ["evaluation"]

# As in datapkg.evaluation.models, which is slow to import for --help alone; a test compares them.
_STATUSES = ["PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]


@group()
def evaluation() -> None:
    """Look at definitions and runs, compare, import.

    \b
    Example:
      datapkg evaluation runs --status COMPLETED
    """


@evaluation.command("tree")
@click.argument("definition_id", metavar="ID", shell_complete=DEFINITIONS)
@click.pass_obj
def tree(settings: Settings, *, definition_id: str) -> None:
    """Draw the definition ID with all that was forked from it.

    \b
    Example:
      datapkg evaluation tree 01a1fca4-af86-72e7-b08b-b033503a7195
    """
    from datapkg import evaluation as domain

    with settings.connected():
        root = domain.get_definition_tree(definition_id, content=False)
        # Flat, because JSON nested as deep as a tree may be is more than most readers take.
        flat = [
            {
                "depth": node.definition.depth,
                "id": node.definition.id,
                "parent_id": node.definition.parent_id,
                "name": node.definition.name,
            }
            for node in root.walk()
        ]
        show(settings, flat, "" if settings.json else repr(root))


@evaluation.command("runs")
@click.option("--definition", "definition_id", metavar="ID", shell_complete=DEFINITIONS, help="Only runs of this one.")
@click.option(
    "--tree", "root_id", metavar="ID", shell_complete=DEFINITIONS, help="Only runs of this one and of all its forks."
)
@click.option("--experiment", "experiment_id", metavar="ID", help="Only runs of this experiment.")
@click.option("--status", type=Choice(_STATUSES), metavar="STATUS", help=f"Only runs that are {', '.join(_STATUSES)}.")
@paged
@following("run", RUNS)
@click.pass_obj
def runs(
    settings: Settings,
    *,
    definition_id: str | None,
    root_id: str | None,
    experiment_id: str | None,
    status: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List runs, newest first.

    \b
    Example:
      datapkg evaluation runs --status COMPLETED
    """
    from datapkg import evaluation as domain

    if root_id and (definition_id or experiment_id):
        raise click.UsageError("--tree goes with neither --definition nor --experiment.")
    with settings.connected():
        if root_id is not None:
            found = domain.get_runs_for_definition_tree(root_id, status=status, limit=limit, after=after)
        else:
            found = domain.list_runs(
                definition_id=definition_id, experiment_id=experiment_id, status=status, limit=limit, after=after
            )
        show_rows(settings, [_row(run) for run in found], empty="No runs.")


def _row(run: Run) -> dict[str, Any]:
    shown = run.public()
    columns = ("status", "models", "completed", "failed", "total", "started_at", "finished_at")
    return {"id": run.id, "definition": run.definition.name, **{name: shown[name] for name in columns}}


@evaluation.command("compare")
@click.argument("baseline_id", metavar="A", shell_complete=RUNS)
@click.argument("comparison_id", metavar="B", shell_complete=RUNS)
@click.option("--metric", metavar="NAME", required=True, help="Which of the transcripts' metrics.")
@click.pass_obj
def compare(settings: Settings, *, baseline_id: str, comparison_id: str, metric: str) -> None:
    """Compare run B with run A on a metric; store the comparison.

    Transcripts are compared pair by pair.

    \b
    Example:
      datapkg evaluation compare RUN_A RUN_B --metric accuracy
    """
    from datapkg import evaluation as domain
    from datapkg.kit.results import facts_table

    with settings.connected():
        with progress(settings, "comparing"):
            made = domain.compare_runs(baseline_id, comparison_id, metric=metric)
        delta = {name: value for name, value in made.delta.items() if name != "schema_version"}
        facts = [(name.replace("_", " "), _number(value)) for name, value in delta.items()]
        data = {"id": made.id, "baseline_run_id": made.baseline_run_id, "comparison_run_id": made.comparison_run_id}
        show(settings, {**data, **delta}, facts_table(facts))


def _number(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else "unknown" if value is None else value


evaluation.add_command(import_file)
