"""``datapkg dump``, ``datapkg load`` and ``datapkg copy``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from datapkg.cli import completion
from datapkg.cli.options import guarded
from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, command

__all__ = ["copy", "dump", "load"]


_only = click.option(
    "--domain",
    "domains",
    metavar="NAME",
    multiple=True,
    shell_complete=completion.domains,
    help="Only this domain, and what it refers to; may be repeated.",
)


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_only
@click.option("--with-secrets", is_flag=True, help="Credentials too: password hashes, hashes of API keys and tokens.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.pass_obj
def dump(settings: Settings, *, file: Path, domains: tuple[str, ...], with_secrets: bool, overwrite: bool) -> None:
    """Write every row into one archive.

    The same rows make the same FILE on either engine.

    \b
    Examples:
      datapkg dump everything.zip
      datapkg dump --domain evaluation evaluation.zip
    """
    from datapkg.operations import dumps

    with settings.connected(), progress(settings, "dumping") as shown:
        report = dumps.dump(
            file, domains=domains or None, with_secrets=with_secrets, overwrite=overwrite, progress=shown.step
        )
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_only
@click.option("--replace", is_flag=True, help="Remove the rows that are there first.")
@guarded("to replace rows in a production database")
@click.pass_obj
def load(
    settings: Settings, *, file: Path, domains: tuple[str, ...], replace: bool, i_know_this_is: str | None
) -> None:
    """Load an archive into an empty database.

    All of FILE is loaded, or nothing; an older archive is brought up to date.

    \b
    Examples:
      datapkg --database sqlite:///new.db load everything.zip
      datapkg load evaluation.zip --domain evaluation --replace
    """
    from datapkg.operations import dumps

    # Bound and not connected: an empty database is migrated once the archive is known to be good.
    with settings.bound(), progress(settings, "loading") as shown:
        report = dumps.load(
            file, replace=replace, domains=domains or None, i_know_this_is=i_know_this_is, progress=shown.step
        )
    show(settings, report.as_dict(), str(report))


@command()
@click.argument("source_url", metavar="SOURCE")
@click.argument("target_url", metavar="TARGET")
@click.option(
    "--batch-size",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=2000,
    show_default=True,
    help="Rows in one transaction, at the most.",
)
@guarded("where the target is a production database")
@click.pass_obj
def copy(settings: Settings, *, source_url: str, target_url: str, batch_size: int, i_know_this_is: str | None) -> None:
    """Copy a database into an empty one.

    SOURCE and TARGET are URLs, of the same engine or of two, or env:NAME for the URL in the environment variable NAME:
    others on the machine can read a command's words, and with them a password. An interrupted copy goes on when it is
    run again.

    \b
    Examples:
      datapkg copy sqlite:///notebook.db postgresql://me@host/app
      datapkg copy sqlite:///notebook.db env:DATABASE_URL
    """
    from datapkg.operations import copying

    source_url, target_url = _url(source_url), _url(target_url)
    with progress(settings, "copying") as shown:
        report = copying.copy(
            source_url, target_url, batch_size=batch_size, i_know_this_is=i_know_this_is, progress=shown.step
        )
    show(settings, report.as_dict(), str(report))


def _url(given: str) -> str:
    if not given.startswith("env:"):
        return given
    name = given.removeprefix("env:")
    if not (url := os.environ.get(name)):
        # Who writes env: before a URL by mistake is not shown the password in it.
        shown = repr(name) if name.isidentifier() else "that env: names"
        raise click.UsageError(f"The environment variable {shown} is not set.")
    return url
