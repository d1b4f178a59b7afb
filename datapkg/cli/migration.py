"""``datapkg migration create``, ``check`` and ``lint``."""

from __future__ import annotations

from pathlib import Path

import click

from datapkg.cli.completion import histories
from datapkg.cli.completion import migrations as migration_names
from datapkg.cli.render import progress, show
from datapkg.cli.root import CHECK_FAILED, Settings, group

__all__ = ["migration"]


@group()
def migration() -> None:
    """Write, check and lint migrations.

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
@click.option(
    "--domain",
    metavar="NAME",
    shell_complete=histories,
    help="Whose migration: a registered domain's; the package's own unless given.",
)
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
    """Write the next migration and its rollback.

    It is an empty frame, or with --auto what turns the migrations' tables into the models'. No database is needed.
    What may have been renamed or dropped is not guessed: the error says how to tell.

    \b
    Examples:
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
    """Compare database, migrations and models, whole catalogs.

    Writes nothing; exits with 3 unless they agree. Where they differ it prints the migration that would adopt the
    difference.

    \b
    Example:
      datapkg migration check
    """
    from datapkg.operations import migrations

    settings: Settings = ctx.obj
    with settings.bound(must_exist=True), progress(settings, "comparing"):
        found = migrations.check(from_zero=from_zero)
    text = f"{found}\n\n{found.migration}" if found.migration else str(found)
    show(settings, {"differences": list(found), "migrations": found.files}, text)
    if found:
        ctx.exit(CHECK_FAILED)


@migration.command()
@click.option(
    "--domain",
    metavar="NAME",
    shell_complete=histories,
    help="Whose migrations: a registered domain's, or datapkg; everybody's unless given.",
)
@click.option(
    "--since",
    metavar="MIGRATION",
    shell_complete=migration_names,
    help="Only migrations after this one (its name or number).",
)
@click.pass_context
def lint(ctx: click.Context, *, domain: str | None, since: str | None) -> None:
    """Hold the safety rules against migration files.

    Exits with 3 if one is broken; each finding says the safe way. A line that must break a rule carries a comment:
    `# migration-lint: allow <rule> <reason>`. No database is needed.

    \b
    Example:
      datapkg migration lint --since 010
    """
    from datapkg.operations import migrations

    settings: Settings = ctx.obj
    with progress(settings, "reading"):
        found = migrations.lint(history=domain, since=since)
    show(settings, [each.public() for each in found], "\n".join(map(str, found)) or "Every migration is safe.")
    if found:
        ctx.exit(CHECK_FAILED)
