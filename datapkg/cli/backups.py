"""``datapkg backup`` and ``datapkg restore``."""

from __future__ import annotations

from pathlib import Path

import click

from datapkg.cli.options import guarded
from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, command

__all__ = ["backup", "restore"]


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.pass_obj
def backup(settings: Settings, *, file: Path, overwrite: bool) -> None:
    """Write the whole database into FILE while others go on using it.

    \b
    Example:
      datapkg backup monday.backup
    """
    from datapkg.operations import backups

    with settings.bound(must_exist=True), progress(settings, "backing up") as shown:
        report = backups.backup(file, overwrite=overwrite, progress=shown.step)
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("file", type=click.Path(path_type=Path))
@guarded("in a production database")
@click.option("--no-owners", is_flag=True, help="PostgreSQL: the connected user owns all, and nothing is granted.")
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="How long to wait for others that use the tables.",
)
@click.pass_obj
def restore(
    settings: Settings, *, file: Path, i_know_this_is: str | None, no_owners: bool, lock_timeout: float
) -> None:
    """Replace the whole content of the database by FILE's, all or nothing.

    \b
    Example:
      datapkg restore monday.backup
    """
    from datapkg.operations import backups

    with settings.bound(), progress(settings, "restoring") as shown:
        report = backups.restore(
            file,
            i_know_this_is=i_know_this_is,
            owners=not no_owners,
            lock_timeout=lock_timeout,
            progress=shown.step,
        )
    show(settings, report.as_dict(), str(report))
