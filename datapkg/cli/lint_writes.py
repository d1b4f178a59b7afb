"""``datapkg lint-writes``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapkg.cli.render import progress, show
from datapkg.cli.root import CHECK_FAILED, Settings, command

if TYPE_CHECKING:
    from datapkg.operations.linting import Touchpoint

__all__ = ["lint_writes"]


@command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path))
@click.option("--inventory", is_flag=True, help="List every read and write of the database instead.")
@click.pass_context
def lint_writes(ctx: click.Context, *, paths: tuple[Path, ...], inventory: bool) -> None:
    """Find direct writes to gated tables in Python source.

    Exits with 3 if there are any.

    A line that must write carries a comment: `# datapkg: allow-write <reason>`. No database is needed.

    \b
    Examples:
      datapkg lint-writes src
      datapkg lint-writes src --inventory
    """
    from datapkg.operations import linting

    settings: Settings = ctx.obj
    if inventory:
        with progress(settings, "reading"):
            touchpoints = linting.list_touchpoints(paths)
        show(settings, [dataclasses.asdict(each) for each in touchpoints], _inventory(touchpoints))
        return
    with progress(settings, "reading"):
        found = linting.lint_writes(paths)
    lines = [f"{each.path}:{each.line}:{each.column}: {each.what}; {each.instead}." for each in found]
    text = "\n".join(lines) or "No direct writes to gated tables."
    show(settings, [dataclasses.asdict(each) for each in found], text)
    if found:
        ctx.exit(CHECK_FAILED)


def _inventory(touchpoints: Sequence[Touchpoint]) -> str:
    """Domains and tables as headings, places below them."""
    lines: list[str] = []
    before: tuple[str, str] | None = None
    for each in touchpoints:
        if (each.domain, each.table) != before:
            before = each.domain, each.table
            heading = f"{each.table or 'not read'} ({each.domain or 'of no domain'}{', gated' if each.gated else ''})"
            lines += ([""] if lines else []) + [heading]
        lines.append(f"  {each.access:<6}  {each.path}:{each.line}:{each.column}  {each.how}")
    return "\n".join(lines) or "Nothing touches the database."
