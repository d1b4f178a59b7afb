"""``datapkg dump``, ``datapkg load`` and ``datapkg copy``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, command

__all__ = ["copy", "dump", "load"]


@contextmanager
def _steps(settings: Settings, label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar once the total is known; yields what takes the rows done and the rows to do."""
    bars: list[Any] = []
    made: list[Any] = []
    last = 0

    def step(done: int, total: int) -> None:
        nonlocal last
        if not bars:
            made.append(progress(settings, label, total))
            bars.append(made[0].__enter__())
        bars[0](done - last)
        last = done

    try:
        yield step
    finally:
        if made:
            made[0].__exit__(None, None, None)


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--domain", "domains", multiple=True, help="Only this domain, and what it refers to; may be repeated.")
@click.option("--with-secrets", is_flag=True, help="Credentials too: password hashes, hashes of API keys and tokens.")
@click.pass_obj
def dump(settings: Settings, *, file: Path, domains: tuple[str, ...], with_secrets: bool) -> None:
    """Write every row into one archive, the same file for the same rows on either engine.

    \b
    Example:
      datapkg dump everything.zip
      datapkg dump --domain evaluation evaluation.zip
    """
    from datapkg.operations import dumps

    with settings.connected(), _steps(settings, "dumping") as step:
        report = dumps.dump(file, domains=domains or None, with_secrets=with_secrets, progress=step)
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--domain", "domains", multiple=True, help="Only this domain, and what it refers to; may be repeated.")
@click.option("--replace", is_flag=True, help="Remove the rows that are there first.")
@click.option("--i-know-this-is", metavar="ENVIRONMENT", help="Needed to replace rows in a production database.")
@click.pass_obj
def load(
    settings: Settings, *, file: Path, domains: tuple[str, ...], replace: bool, i_know_this_is: str | None
) -> None:
    """Load an archive into an empty database, all of it or nothing; an older archive is brought up to date.

    \b
    Example:
      datapkg --database sqlite:///new.db load everything.zip
    """
    from datapkg.operations import dumps

    # Bound and not connected: an empty database is migrated once the archive is known to be good.
    with settings.bound(), _steps(settings, "loading") as step:
        report = dumps.load(
            file, replace=replace, domains=domains or None, i_know_this_is=i_know_this_is, progress=step
        )
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("source_url")
@click.argument("target_url")
@click.option(
    "--batch-size", type=click.IntRange(1, 100_000), default=2000, show_default=True, help="Rows in one transaction."
)
@click.option("--i-know-this-is", metavar="ENVIRONMENT", help="Needed where the target is a production database.")
@click.pass_obj
def copy(settings: Settings, *, source_url: str, target_url: str, batch_size: int, i_know_this_is: str | None) -> None:
    """Copy a database into an empty one, of the same engine or the other; run it again if it was interrupted.

    \b
    Example:
      datapkg copy sqlite:///notebook.db postgresql://me@host/app
    """
    from datapkg.operations import copying

    with _steps(settings, "copying") as step:
        report = copying.copy(
            source_url, target_url, batch_size=batch_size, i_know_this_is=i_know_this_is, progress=step
        )
    show(settings, report.as_dict(), str(report))
