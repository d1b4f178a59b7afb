"""``datapkg evaluation …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datapkg.cli.evaluation_imports import import_file
from datapkg.cli.render import show, show_rows
from datapkg.cli.root import Settings, group

if TYPE_CHECKING:
    from datapkg.evaluation import Run

__all__ = ["evaluation"]

# As in datapkg.evaluation.models, which is slow to import for --help alone; a test compares them.
_STATUSES = ["PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]


@group()
def evaluation() -> None:
    """Look at definitions, runs and comparisons; import transcripts."""


@evaluation.command("tree")
@click.argument("definition_id", metavar="ID")
@click.pass_obj
def tree(settings: Settings, *, definition_id: str) -> None:
    """Draw a definition with all that was forked from it.

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
@click.option("--definition", "definition_id", metavar="ID", help="Only runs of this definition.")
@click.option("--tree", "root_id", metavar="ID", help="Only runs of this definition and of all forked from it.")
@click.option("--experiment", "experiment_id", metavar="ID", help="Only runs of this experiment.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only runs in this state.")
@click.option("--limit", type=int, default=50, show_default=True, help="Rows at the most.")
@click.option("--after", metavar="ID", help="Go on after this run, the last of the page before.")
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
        show_rows(settings, [_row(run) for run in found], empty="(no runs)")


def _row(run: Run) -> dict[str, Any]:
    shown = run.public()
    columns = ("status", "models", "completed", "failed", "total", "started_at", "finished_at")
    return {"id": run.id, "definition": run.definition.name, **{name: shown[name] for name in columns}}


@evaluation.command("compare")
@click.argument("baseline_id", metavar="A")
@click.argument("comparison_id", metavar="B")
@click.option("--metric", required=True, help="Which of the transcripts' metrics.")
@click.pass_obj
def compare(settings: Settings, *, baseline_id: str, comparison_id: str, metric: str) -> None:
    """Compare run B with run A on a metric, pair by pair, and store the comparison.

    \b
    Example:
      datapkg evaluation compare RUN_A RUN_B --metric accuracy
    """
    from datapkg import evaluation as domain
    from datapkg.kit.results import text_table

    with settings.connected():
        made = domain.compare_runs(baseline_id, comparison_id, metric=metric)
        delta = {name: value for name, value in made.delta.items() if name != "schema_version"}
        facts = [(name.replace("_", " "), _number(value)) for name, value in delta.items()]
        data = {"id": made.id, "baseline_run_id": made.baseline_run_id, "comparison_run_id": made.comparison_run_id}
        show(settings, {**data, **delta}, text_table(["", "comparison"], facts))


def _number(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else "unknown" if value is None else value


evaluation.add_command(import_file)
