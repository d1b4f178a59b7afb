"""``datapkg environment``."""

from __future__ import annotations

import click

from datapkg.cli.completion import environments
from datapkg.cli.options import guarded
from datapkg.cli.render import show
from datapkg.cli.root import Settings, command

__all__ = ["environment"]


@command()
@click.argument("name", required=False, shell_complete=environments)
@guarded("to make a production database something else")
@click.pass_obj
def environment(settings: Settings, *, name: str | None, i_know_this_is: str | None) -> None:
    """Show the database's environment, or set it to NAME; production is guarded.

    \b
    Examples:
      datapkg environment
      datapkg environment production
      datapkg environment staging --i-know-this-is production
    """
    from datapkg.operations import migrations

    with settings.connected():
        if name is not None:
            migrations.set_environment(name, i_know_this_is=i_know_this_is)
        stamped = migrations.environment()
        show(settings, {"environment": stamped}, stamped)
