"""``datapkg migrate``, ``rollback`` and ``status``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datapkg.cli.colours import paint_tags
from datapkg.cli.completion import histories
from datapkg.cli.completion import migrations as names
from datapkg.cli.options import guarded
from datapkg.cli.render import progress, show
from datapkg.cli.root import CHECK_FAILED, Settings, command

if TYPE_CHECKING:
    from datapkg.operations.migrations.steps import Step

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["migrate", "rollback", "status"]


def _backup_options(function: F) -> F:
    folder = click.option(
        "--backup-folder",
        metavar="FOLDER",
        type=click.Path(file_okay=False),
        help="Where a backup of production goes; else DATAPKG_BACKUP_FOLDER, else backups/ beside the SQLite file, "
        "for a server in the working directory.",
    )
    without = click.option("--no-backup", is_flag=True, help="Take no backup of production, if that is really meant.")
    return folder(without(function))


@command()
@click.option("--to", metavar="MIGRATION", shell_complete=names, help="Stop after this migration (its name or number).")
@click.option("--plan", is_flag=True, help="Show the SQL that would run, and write nothing.")
@click.option("--rehearse", is_flag=True, help="Run everything pending on a clone, data steps too, and report.")
@click.option(
    "--resolve-applied",
    metavar="MIGRATION",
    shell_complete=names,
    help="Mark a migration as applied without running it.",
)
@click.option(
    "--domain",
    metavar="NAME",
    shell_complete=histories,
    help="Whose migrations: a registered domain's, or datapkg; everybody's unless given.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="How long to wait for another process that migrates.",
)
@_backup_options
@guarded("in production for destructive steps")
@click.pass_obj
def migrate(
    settings: Settings,
    *,
    to: str | None,
    plan: bool,
    rehearse: bool,
    resolve_applied: str | None,
    domain: str | None,
    lock_timeout: float,
    backup_folder: str | None,
    no_backup: bool,
    i_know_this_is: str | None,
) -> None:
    """Bring the database up to date.

    Each migration runs in a transaction of its own, under a lock.

    \b
    Examples:
      datapkg migrate --plan
      datapkg migrate --rehearse
      datapkg --database postgresql://me@host/app migrate
    """
    from datapkg.operations import migrations

    if resolve_applied is not None and (to is not None or plan or rehearse):
        raise click.UsageError("--resolve-applied runs nothing; give it alone.")
    if plan and rehearse:
        raise click.UsageError("Give --plan or --rehearse, not both; a rehearsal shows the plan too.")
    with settings.bound(must_exist=plan or rehearse):
        if rehearse:
            with progress(settings, "rehearsing"):
                report = migrations.rehearse(to=to, history=domain)
            show(settings, report.public(), paint_tags(str(report)))
            return
        if plan:
            _show_plan(settings, migrations.plan(to=to, history=domain))
            return
        with progress(settings, "migrating"):
            done = migrations.migrate(
                to=to,
                resolve_applied=resolve_applied,
                history=domain,
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
        show(settings, data, str(done) if done.seconds else "Nothing to migrate.")


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
    show(settings, [asdict(step) for step in steps], paint_tags("\n".join(lines)) or "Nothing to migrate.")


@command()
@click.option("--to", metavar="MIGRATION", shell_complete=names, help="Undo everything after this migration, or zero.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="How many to undo; one unless given.")
@click.option(
    "--domain",
    metavar="NAME",
    shell_complete=histories,
    help="Whose migrations: a registered domain's; the package's own unless given.",
)
@guarded("in a production database")
@_backup_options
@click.pass_obj
def rollback(
    settings: Settings,
    *,
    to: str | None,
    count: int | None,
    domain: str | None,
    i_know_this_is: str | None,
    backup_folder: str | None,
    no_backup: bool,
) -> None:
    """Undo the newest migrations.

    Tables that they made are dropped with their rows.

    \b
    Examples:
      datapkg rollback --count 2
      datapkg rollback --domain notes --to zero
    """
    from datapkg.operations import migrations
    from datapkg.operations.migrations.files import BUILT_IN

    if to is not None and count is not None:
        raise click.UsageError("Give --to or --count, not both.")
    with settings.bound(must_exist=True):
        with progress(settings, "rolling back"):
            report = migrations.rollback(
                to=to,
                count=count or 1,
                history=domain or BUILT_IN,
                i_know_this_is=i_know_this_is,
                backup=not no_backup,
                backup_folder=backup_folder,
            )
        data = {
            "rolled_back": report.rolled_back,
            "seconds": report.seconds,
            "backup": str(report.backup) if report.backup else None,
        }
        show(settings, data, str(report) if report.seconds else "Nothing to roll back.")


@command()
@click.option("--check", is_flag=True, help="Exit with 3 unless the database is up to date.")
@click.pass_context
def status(ctx: click.Context, *, check: bool) -> None:
    """Show which migrations are applied and which are pending.

    It creates and changes nothing.

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
