"""``datapkg user``."""

from __future__ import annotations

import click

from datapkg.cli.render import show
from datapkg.cli.root import Settings, group

__all__ = ["user"]


@group()
def user() -> None:
    """Manage users."""


@user.command("bootstrap-admin")
@click.argument("email")
@click.option("--name", help="How to show them.")
@click.option(
    "--password",
    envvar="DATAPKG_ADMIN_PASSWORD",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    help="Asked for if left out; or set DATAPKG_ADMIN_PASSWORD.",
)
@click.pass_obj
def bootstrap_admin(settings: Settings, *, email: str, name: str | None, password: str) -> None:
    """Create the first ADMIN; works only while there is none.

    \b
    Example:
      datapkg user bootstrap-admin me@example.com
    """
    from datapkg import accounts

    with settings.connected():
        made = accounts.bootstrap_admin(email, password=password, name=name)
        show(settings, made.public(), f"{made.email} is the first ADMIN.")
