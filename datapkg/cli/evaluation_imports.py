"""``datapkg evaluation import``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, command

__all__ = ["import_file"]

_LINES = (".jsonl", ".jsonl.gz")
_LOGS = (".eval", ".json")


@command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", "run_id", metavar="ID", help="The run that the lines of a .jsonl file belong to.")
@click.pass_obj
def import_file(settings: Settings, *, file: Path, run_id: str | None) -> None:
    """Import transcripts: .jsonl and .jsonl.gz into a run, or a log of Inspect AI (.eval, .json) as a run of its own.

    All or nothing; running it again adds what is missing.

    \b
    Example:
      datapkg evaluation import answers.jsonl.gz --run 01a1fca4-af86-72e7-b08b-b033503a7195
      datapkg evaluation import logs/2026-01-01T12-00-00_capitals.eval
    """
    if file.name.endswith(_LINES):
        if run_id is None:
            raise click.UsageError("A .jsonl file needs --run: the run that its transcripts belong to.")
        with settings.connected():
            _import_lines(settings, file, run_id)
    elif file.name.endswith(_LOGS):
        if run_id is not None:
            raise click.UsageError("A log of Inspect AI becomes a run of its own; leave --run out.")
        with settings.connected():
            _import_log(settings, file)
    else:
        raise click.UsageError(f"The name of FILE ends with one of: {', '.join(_LINES + _LOGS)}.")


def _import_lines(settings: Settings, file: Path, run_id: str) -> None:
    from datapkg.evaluation import imports

    with progress(settings, "importing", _shown(lambda: imports.count_lines(file))) as advance:
        report = imports.import_transcripts(file, run_id=run_id, progress=advance)
    text = f"{report.created} transcripts created, {report.kept} were there already, in run {run_id}."
    show(settings, {"run_id": run_id, "created": report.created, "kept": report.kept}, text)


def _import_log(settings: Settings, file: Path) -> None:
    from datapkg.evaluation import inspect_logs

    with progress(settings, "importing", _shown(lambda: inspect_logs.count_samples(file))) as advance:
        report = inspect_logs.import_inspect_log(file, progress=advance)
    failed = f", {report.failed} samples failed" if report.failed else ""
    run = f"run {report.run.id} ({report.run.status})"
    text = f"{report.created} transcripts created, {report.kept} were there already{failed}, in {run}."
    show(settings, report.public(), text)


def _shown(count: Callable[[], int]) -> int:
    """Return how long the progress bar is; where nobody sees one, nothing is counted."""
    return count() if sys.stderr.isatty() else 0
