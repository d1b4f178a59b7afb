"""``datapkg scripts backfill``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapkg.cli.render import progress, say, show
from datapkg.cli.root import REFUSED, Settings, command
from datapkg.kit.words import counted

if TYPE_CHECKING:
    from datapkg.scripts.backfilling import BackfillReport

__all__ = ["backfill_command"]

_LISTED = 100


@command(name="backfill")
@click.argument("source_url", metavar="URL")
@click.option("--dry-run", is_flag=True, help="Read and check, and write nothing.")
@click.option(
    "--mapping",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON file with other table and column names.",
)
@click.pass_obj
def backfill_command(settings: Settings, *, source_url: str, dry_run: bool, mapping: Path | None) -> int:
    """Move a legacy database into the script store.

    URL names a SQLite, PostgreSQL, MySQL or MariaDB database. Everything is checked first; if anything is wrong, all of
    it is listed, nothing is written, and the command exits with 1. After an interruption run it again: it goes on where
    it was.

    \b
    Examples:
      datapkg scripts backfill sqlite:///legacy.db --dry-run
      datapkg scripts backfill mysql://reader@db/plays --mapping names.json
    """
    from datapkg.scripts.backfilling import backfill, count_legacy_rows

    with settings.connected():
        with progress(settings, "checking", lambda: count_legacy_rows(source_url, mapping=mapping)) as shown:
            report = backfill(source_url, dry_run=True, mapping=mapping, progress=shown)
        if report.ok and not dry_run:
            with progress(settings, "moving", 2 * (shown.total or 0)) as shown:
                report = backfill(source_url, mapping=mapping, progress=shown)
    show(settings, report.public(), _text(report))
    if report.total_violations > _LISTED:
        say(settings, f"{report.total_violations:,} complaints in all; --json lists up to 10,000.")
    return 0 if report.ok else REFUSED


def _text(report: BackfillReport) -> str:
    from datapkg.kit.results import text_table

    if not report.ok:
        wrong = [(each.place, each.rule, each.message) for each in report.violations[:_LISTED]]
        return text_table(["place", "rule", "what is wrong"], wrong) + "\nNothing was written."
    tables = text_table(["table", "rows read"], list(report.read.items()))
    stages = [(stage, f"{counted(rows, 'row')} written") for stage, rows in report.written.items()]
    stages += [(stage, "was there already") for stage in report.resumed]
    notes = [f"{count:,} {what}" for what, count in report.notes.items()]
    parts = [tables, text_table(["stage", "outcome"], stages) if stages else "Nothing is wrong; nothing was written."]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])
