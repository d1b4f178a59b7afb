"""``datapkg backup`` and ``datapkg restore``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from datapkg.cli.render import show
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

    with settings.bound(must_exist=True), _bar(settings, "backup") as progress:
        report = backups.backup(file, overwrite=overwrite, progress=progress)
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--i-know-this-is", metavar="ENVIRONMENT", help="Needed in a production database.")
@click.option("--no-owners", is_flag=True, help="PostgreSQL: the connected user owns all, and nothing is granted.")
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait for others that use the tables.",
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

    with settings.bound(), _bar(settings, "restore") as progress:
        report = backups.restore(
            file, i_know_this_is=i_know_this_is, owners=not no_owners, lock_timeout=lock_timeout, progress=progress
        )
    show(settings, report.as_dict(), str(report))


@contextmanager
def _bar(settings: Settings, label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how far it is on a terminal, and nothing in a pipe; how much there is in all turns out only on the way."""
    if settings.quiet or settings.json or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield tell
