"""``datapkg seed``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapkg.cli import completion
from datapkg.cli.options import guarded
from datapkg.cli.render import progress, say, show, show_rows
from datapkg.cli.root import Settings, command

if TYPE_CHECKING:
    from datapkg.operations.seeding import SeedReport

__all__ = ["seed"]


@command()
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=completion.profiles,
    help="Which profile: base, demo, or one of a registered domain. Default: demo on SQLite, base on a server.",
)
@click.option("--domain", metavar="NAME", shell_complete=completion.domains, help="Only this domain's tables.")
@click.option(
    "--file",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A seed file of your own; may be repeated.",
)
@click.option("--diff", is_flag=True, help="Show what would change and write nothing.")
@guarded("for demo data in a production database")
@click.pass_obj
def seed(
    settings: Settings,
    *,
    profile: str | None,
    domain: str | None,
    files: tuple[Path, ...],
    diff: bool,
    i_know_this_is: str | None,
) -> None:
    """Load seed data; running it again changes nothing that is as the files say.

    \b
    Examples:
      datapkg seed
      datapkg --database postgresql://me@host/app seed --profile base
    """
    from datapkg.operations import seeding

    with settings.connected() as database:
        with progress(settings, "seeding") as shown:
            report = seeding.seed(
                profile=profile,
                domain=domain,
                files=files or None,
                diff=diff,
                i_know_this_is=i_know_this_is,
                progress=shown.step,
            )
        data = {
            "profile": report.profile,
            "applied": report.applied,
            "changed": report.changed,
            "tables": list(report.summary),
            "changes": [change.public() for change in report.changes if change.action != "unchanged"],
        }
        if settings.json:
            show(settings, data, "")
        elif not report.changed:
            say(
                settings,
                f"Nothing to change: {_all(len(report.changes), report.profile)} in {database.url} already.",
            )
        elif diff:
            show_rows(settings, list(_differences(report)), empty="")
            say(settings, "Nothing was written.")
        else:
            show_rows(settings, report.summary, empty="")
            say(settings, f"Seeded {database.url} with the profile {report.profile}.")


def _all(count: int, profile: str) -> str:
    return f"the one row of {profile} is" if count == 1 else f"all {count:,} rows of {profile} are"


def _differences(report: SeedReport) -> Iterator[dict[str, object]]:
    """Yield a row for each inserted row and for each value that changes."""
    for change in report.changes:
        row = {"table": change.table, "key": change.key, "action": change.action}
        if change.action == "insert":
            yield {**row, "field": None, "before": None, "after": None}
        for path, before, after in change.differences():
            yield {**row, "field": path, "before": before, "after": after}
