"""``datapkg user``."""

from __future__ import annotations

import sys

import click

from datapkg.cli.render import show
from datapkg.cli.root import Settings, group

__all__ = ["user"]


@group()
def user() -> None:
    """Manage users.

    \b
    Example:
      datapkg user bootstrap-admin me@example.com
    """


@user.command("bootstrap-admin")
@click.argument("email")
@click.option("--name", metavar="TEXT", help="How to show them.")
@click.option(
    "--password",
    metavar="TEXT",
    envvar="DATAPKG_ADMIN_PASSWORD",
    help="Asked for if left out; or set DATAPKG_ADMIN_PASSWORD.",
)
@click.pass_obj
def bootstrap_admin(settings: Settings, *, email: str, name: str | None, password: str | None) -> None:
    """Create the first ADMIN, EMAIL.

    It works only while there is none.

    \b
    Example:
      datapkg user bootstrap-admin me@example.com
    """
    from datapkg import accounts

    if password is None:
        password = _ask()
    with settings.connected():
        made = accounts.bootstrap_admin(email, password=password, name=name)
        show(settings, made.public(), f"{made.email} is the first ADMIN.")


def _ask() -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password on; set DATAPKG_ADMIN_PASSWORD.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
