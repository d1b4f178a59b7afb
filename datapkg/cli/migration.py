"""``datapkg migration create``, ``check`` and ``lint``."""

from __future__ import annotations

from pathlib import Path

import click

from datapkg.cli.render import show
from datapkg.cli.root import CHECK_FAILED, Settings, group

__all__ = ["migration"]


@group()
def migration() -> None:
    """Write migrations, and check them, the models and the database against each other.

    \b
    Example:
      datapkg migration check
    """


@migration.command()
@click.argument("name")
@click.option("--auto", is_flag=True, help="Write what turns the migrations' tables into the models'.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD:NEW",
    help="A table, or TABLE.FIELD, by its new name; repeatable.",
)
@click.option(
    "--drop", "drops", multiple=True, metavar="TABLE[.FIELD]", help="Really gone, though something new looks like it."
)
@click.option("--domain", metavar="NAME", help="Whose migration: a registered domain's; built-in unless given.")
@click.option(
    "--folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Where, instead of its own."
)
@click.pass_obj
def create(
    settings: Settings,
    *,
    name: str,
    auto: bool,
    renames: tuple[str, ...],
    drops: tuple[str, ...],
    domain: str | None,
    folder: Path | None,
) -> None:
    """Write the next migration: an empty frame, or with --auto what the models lack, and its rollback.

    No database is needed. What may have been renamed or dropped is not guessed: the error says how to tell.

    \b
    Example:
      datapkg migration create add_colour --auto --domain notes
      datapkg migration create kind_to_sort --auto --rename notes.kind:notes.sort
    """
    from datapkg.operations import migrations

    path = migrations.create_migration(name, auto=auto, renames=renames, drops=drops, domain=domain, folder=folder)
    show(settings, {"path": str(path)}, f"Wrote {path}. Read it, then `datapkg migrate --plan`.")


@migration.command()
@click.option("--from-zero", is_flag=True, help="Look at migrations and models only, not at the tables that are there.")
@click.pass_context
def check(ctx: click.Context, *, from_zero: bool) -> None:
    """Compare database, migrations and models, whole catalogs; exits 3 unless they agree. Writes nothing.

    Where they differ it prints the migration that would adopt the difference.

    \b
    Example:
      datapkg migration check
    """
    from datapkg.operations import migrations

    settings: Settings = ctx.obj
    with settings.bound(must_exist=True):
        found = migrations.check(from_zero=from_zero)
    text = f"{found}\n\n{found.migration}" if found.migration else str(found)
    show(settings, {"differences": list(found), "migrations": found.files}, text)
    if found:
        ctx.exit(CHECK_FAILED)


@migration.command()
@click.option("--history", metavar="NAME", help="Whose migrations: a registered domain's; everybody's unless given.")
@click.option("--since", metavar="NAME", help="Only migrations after this one (its name or number).")
@click.pass_context
def lint(ctx: click.Context, *, history: str | None, since: str | None) -> None:
    """Hold the safety rules against migration files; exits 3 if one is broken. No database is needed.

    Each finding says the safe way. A line that must break a rule carries: # migration-lint: allow <rule> <reason>.

    \b
    Example:
      datapkg migration lint --since 010
    """
    from datapkg.operations import migrations

    settings: Settings = ctx.obj
    found = migrations.lint(history=history, since=since)
    show(settings, [each.public() for each in found], "\n".join(map(str, found)) or "Every migration is safe.")
    if found:
        ctx.exit(CHECK_FAILED)
