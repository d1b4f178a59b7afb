"""``datapkg environment``."""

from __future__ import annotations

import click

from datapkg.cli.render import show
from datapkg.cli.root import Settings, command

__all__ = ["environment"]


@command()
@click.argument("name", required=False)
@click.pass_obj
def environment(settings: Settings, *, name: str | None) -> None:
    """Show the database's environment, or set it; production is guarded.

    \b
    Example:
      datapkg environment production
    """
    from datapkg.operations import migrations

    with settings.connected():
        if name is not None:
            migrations.set_environment(name)
        stamped = migrations.environment()
        show(settings, {"environment": stamped}, stamped)
