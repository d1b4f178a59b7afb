"""``datapkg migrate``, ``rollback`` and ``status``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datapkg.cli.render import show
from datapkg.cli.root import CHECK_FAILED, Settings, command

if TYPE_CHECKING:
    from datapkg.operations.migrations.steps import Step

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["migrate", "rollback", "status"]


def _backup_options(function: F) -> F:
    folder = click.option(
        "--backup-folder",
        metavar="FOLDER",
        help="Where a backup of production goes; else DATAPKG_BACKUP_FOLDER, else backups/ beside the SQLite file, "
        "for a server in the working directory.",
    )
    without = click.option(
        "--no-backup", is_flag=True, help="Take no backup of production; needs --i-know-this-is production."
    )
    return folder(without(function))


@command()
@click.option("--to", metavar="NAME", help="Stop after this migration (its name or number).")
@click.option("--plan", is_flag=True, help="Show the SQL that would run, and write nothing.")
@click.option("--rehearse", is_flag=True, help="Run everything pending on a clone, data steps too, and report.")
@click.option("--resolve-applied", metavar="NAME", help="Mark a migration as applied without running it.")
@click.option(
    "--history", metavar="NAME", help="Whose migrations: a registered domain's name; every history's unless given."
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait for another migration.",
)
@_backup_options
@click.option("--i-know-this-is", metavar="ENVIRONMENT", help="Needed in production for destructive steps.")
@click.pass_obj
def migrate(
    settings: Settings,
    *,
    to: str | None,
    plan: bool,
    rehearse: bool,
    resolve_applied: str | None,
    history: str | None,
    lock_timeout: float,
    backup_folder: str | None,
    no_backup: bool,
    i_know_this_is: str | None,
) -> None:
    """Bring the database up to date, one transaction a migration, under a lock.

    \b
    Example:
      datapkg migrate --plan
      datapkg migrate --rehearse
      datapkg --database postgresql://me@host/app migrate
    """
    from datapkg.operations import migrations

    if resolve_applied is not None and (to is not None or plan or rehearse):
        raise click.UsageError("--resolve-applied runs nothing; give it alone.")
    if plan and rehearse:
        raise click.UsageError("Give --plan or --rehearse, not both; a rehearsal shows the plan too.")
    with settings.bound(must_exist=plan or rehearse) as database:
        if rehearse:
            report = migrations.rehearse(to=to, history=history)
            show(settings, report.public(), str(report))
            return
        if plan:
            _show_plan(settings, migrations.plan(to=to, history=history))
            return
        done = migrations.migrate(
            to=to,
            resolve_applied=resolve_applied,
            history=history,
            lock_timeout=lock_timeout,
            backup=not no_backup,
            backup_folder=backup_folder,
            i_know_this_is=i_know_this_is,
        )
        data = {
            "applied": done.applied,
            "marked": done.marked,
            "seconds": done.seconds,
            "backup": str(done.backup) if done.backup else None,
        }
        show(settings, data, str(done) if done.seconds else f"{database.url}: nothing to migrate.")


def _show_plan(settings: Settings, steps: Sequence[Step]) -> None:
    lines: list[str] = []
    heading = None
    for step in steps:
        if (step.history, step.migration) != heading:
            heading = (step.history, step.migration)
            lines.append(
                f"-- {step.migration}" if step.history == "datapkg" else f"-- {step.history}: {step.migration}"
            )
        lines.append(f"{step.sql};  -- {step.tag}")
    show(settings, [asdict(step) for step in steps], "\n".join(lines) or "Nothing to migrate.")


@command()
@click.option("--to", metavar="NAME", help="Undo everything after this migration.")
@click.option("--count", type=click.IntRange(min=1), help="How many to undo; one unless given.")
@click.option(
    "--history", metavar="NAME", help="Whose migrations: a registered domain's name; the built-in ones unless given."
)
@click.option("--i-know-this-is", metavar="ENVIRONMENT", help="Needed in a production database.")
@_backup_options
@click.pass_obj
def rollback(
    settings: Settings,
    *,
    to: str | None,
    count: int | None,
    history: str | None,
    i_know_this_is: str | None,
    backup_folder: str | None,
    no_backup: bool,
) -> None:
    """Undo the newest migrations; tables they made are dropped with their rows.

    \b
    Example:
      datapkg rollback --count 2
    """
    from datapkg.operations import migrations
    from datapkg.operations.migrations.files import BUILT_IN

    if to is not None and count is not None:
        raise click.UsageError("Give --to or --count, not both.")
    with settings.bound(must_exist=True):
        report = migrations.rollback(
            to=to,
            count=count or 1,
            history=history or BUILT_IN,
            i_know_this_is=i_know_this_is,
            backup=not no_backup,
            backup_folder=backup_folder,
        )
        data = {
            "rolled_back": report.rolled_back,
            "seconds": report.seconds,
            "backup": str(report.backup) if report.backup else None,
        }
        show(settings, data, str(report) if report.seconds else "There is nothing to roll back.")


@command()
@click.option("--check", is_flag=True, help="Exit 3 unless the database is up to date.")
@click.pass_context
def status(ctx: click.Context, *, check: bool) -> None:
    """Show which migrations are applied and which are pending; creates and changes nothing.

    \b
    Example:
      datapkg status --check
    """
    from datapkg.operations import migrations

    settings: Settings = ctx.obj
    with settings.bound(must_exist=True):
        found = migrations.status()
    show(settings, found.as_dict(), str(found))
    if check and found.state != "current":
        ctx.exit(CHECK_FAILED)
