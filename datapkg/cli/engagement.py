"""``datapkg engagement``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datapkg.cli.commands import Choice
from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, group

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["engagement"]

# As in datapkg.engagement.vocabulary, which is slow to import for --help alone; a test compares them.
_PLATFORMS = ["TWITTER", "REDDIT", "THREADS"]
_DAY = click.DateTime(["%Y-%m-%d"])


@group()
def engagement() -> None:
    """Look at social engagement.

    \b
    Example:
      datapkg engagement report
    """


@engagement.command("report")
@click.option("--from", "date_from", type=_DAY, metavar="DATE", help="The first day, such as 2026-03-01, in UTC.")
@click.option("--to", "date_to", type=_DAY, metavar="DATE", help="The last day, the whole of it.")
@click.option(
    "--platform",
    type=Choice(_PLATFORMS),
    metavar="NAME",
    help=f"Only {', '.join(_PLATFORMS[:-1])} or {_PLATFORMS[-1]}.",
)
@click.pass_obj
def report(
    settings: Settings, *, date_from: dt.datetime | None, date_to: dt.datetime | None, platform: str | None
) -> None:
    """Show KPIs, decisions, replies and open escalations.

    Decisions are by mode, replies by approval status, both with what became of them.

    \b
    Example:
      datapkg engagement report --from 2026-03-01 --platform REDDIT
    """
    from datapkg import engagement as domain

    with settings.connected(), progress(settings, "counting"):
        found = domain.report(
            date_from=None if date_from is None else date_from.date(),
            date_to=None if date_to is None else date_to.date(),
            platform=platform,
        )
    show(settings, found.public(), str(found))
