"""``datapkg health``."""

from __future__ import annotations

import click

from datapkg.cli.render import show
from datapkg.cli.root import CHECK_FAILED, Settings, command

__all__ = ["health"]

CONNECT_TIMEOUT = 3
"""Seconds: whoever asks for the health of a server that does not answer wants to know soon."""


@command()
@click.pass_context
def health(ctx: click.Context) -> None:
    """Tell whether the database can be reached, is up to date and can be written; exits 3 if not.

    \b
    Example:
      datapkg health --json
    """
    from datapkg.kit.results import text_table
    from datapkg.operations.health import health as check

    settings: Settings = ctx.obj
    with settings.bound(must_exist=True, connect_timeout=CONNECT_TIMEOUT):
        result = check()
    facts = result.as_dict()
    detail = facts.pop("detail")  # a sentence or two, too long for a cell
    table = text_table(["", "health"], facts.items())
    show(settings, result.as_dict(), f"{table}\n\n{detail}" if detail else table)
    if not result.ok:
        ctx.exit(CHECK_FAILED)
