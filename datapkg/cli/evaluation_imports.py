"""``datapkg evaluation import``."""

from __future__ import annotations

from pathlib import Path

import click

from datapkg.cli.completion import RUNS
from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, command
from datapkg.kit.words import counted

__all__ = ["import_file"]

_LINES = (".jsonl", ".jsonl.gz")
_LOGS = (".eval", ".json")


@command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--run", "run_id", metavar="ID", shell_complete=RUNS, help="The run that the lines of a .jsonl file belong to."
)
@click.pass_obj
def import_file(settings: Settings, *, file: Path, run_id: str | None) -> None:
    """Import transcripts from FILE, all or none.

    A .jsonl or .jsonl.gz file goes into a run; a log of Inspect AI (.eval, .json) becomes a run of its own. Importing
    a file again adds what is missing.

    \b
    Examples:
      datapkg evaluation import answers.jsonl.gz --run RUN_ID
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

    with progress(settings, "importing", lambda: imports.count_lines(file)) as advance:
        report = imports.import_transcripts(file, run_id=run_id, progress=advance)
    text = f"{counted(report.created, 'transcript')} created{_kept(report.kept)}, in run {run_id}."
    show(settings, {"run_id": run_id, "created": report.created, "kept": report.kept}, text)


def _import_log(settings: Settings, file: Path) -> None:
    from datapkg.evaluation import inspect_logs

    with progress(settings, "importing", lambda: inspect_logs.count_samples(file)) as advance:
        report = inspect_logs.import_inspect_log(file, progress=advance)
    failed = f", {counted(report.failed, 'sample')} failed" if report.failed else ""
    run = f"run {report.run.id} ({report.run.status})"
    text = f"{counted(report.created, 'transcript')} created{_kept(report.kept)}{failed}, in {run}."
    show(settings, report.public(), text)


def _kept(count: int) -> str:
    return f", {count:,} {'was' if count == 1 else 'were'} there already"
