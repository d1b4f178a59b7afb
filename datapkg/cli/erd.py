"""``datapkg erd``."""

from __future__ import annotations

from pathlib import Path

import click

from datapkg.cli import completion
from datapkg.cli.render import show
from datapkg.cli.root import Settings, command
from datapkg.cli.streams import echo

__all__ = ["erd"]


@command()
@click.option(
    "--domain",
    "domains",
    metavar="NAME",
    multiple=True,
    shell_complete=completion.domains,
    help="Only this domain's tables; may be repeated.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this file instead of stdout; an older drawing is replaced.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file whatever it is.")
@click.pass_obj
def erd(settings: Settings, *, domains: tuple[str, ...], output: Path | None, overwrite: bool) -> None:
    """Draw the tables as SVG.

    Columns, types, and what refers to what, by domain. It reads the models and needs no database.

    \b
    Examples:
      datapkg erd --output tables.svg
      datapkg erd --domain evaluation --output evaluation.svg
    """
    from datapkg.operations.erd import erd as draw

    drawing = draw(list(domains) or None)
    if output is not None:
        path = drawing.save(output, overwrite=overwrite)
        show(settings, {"file": str(path)}, f"Wrote {path}.")
    elif settings.json:
        show(settings, {"svg": drawing.svg}, "")
    else:
        echo(drawing.svg.removesuffix("\n"))
