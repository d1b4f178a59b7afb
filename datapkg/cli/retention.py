"""``datapkg retention``."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapkg.cli import completion
from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, group
from datapkg.kit.words import counted

if TYPE_CHECKING:
    from datapkg.operations.retention import ApplyReport, Plan, RestoreReport

__all__ = ["retention"]

_SPAN = re.compile(r"(?P<name>[^=]+)=(?P<count>[0-9]{1,6})(?P<unit>[hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@group()
def retention() -> None:
    """Archive old rows to files, and put them back.

    \b
    Example:
      datapkg retention plan
    """


def _spans(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, dt.timedelta]:
    spans = {}
    for each in given:
        match = _SPAN.fullmatch(each)
        if match is None:
            raise click.BadParameter(f"{each!r} is not a policy and a span, such as posts=30d (h, d or w).", ctx, param)
        spans[match["name"]] = dt.timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
    return spans


def _choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose policies and spans."""
    for option in (
        click.option(
            "--keep",
            multiple=True,
            metavar="POLICY=SPAN",
            callback=_spans,
            help="Another span than the policy's own, such as posts=30d; h, d or w.",
        ),
        click.option(
            "--policy",
            "policies",
            multiple=True,
            metavar="NAME",
            shell_complete=completion.policies,
            help="Only this policy; may be repeated.",
        ),
    ):
        function = option(function)
    return function


@retention.command("plan")
@_choice
@click.pass_obj
def plan_command(settings: Settings, *, keep: dict[str, dt.timedelta], policies: tuple[str, ...]) -> None:
    """Count the rows that `apply` would archive.

    And those that are exempt. Nothing is written.

    \b
    Example:
      datapkg retention plan --keep posts=30d
    """
    from datapkg.operations import retention as operation

    with settings.connected(), progress(settings, "counting"):
        found = operation.plan(keep=keep, policies=policies or None)
    show(settings, found.public(), _plan_text(found))


def _plan_text(found: Plan) -> str:
    from datapkg.kit.results import text_table

    columns = ["policy", "period", "due", "exempt", "keep_days"]
    table = text_table(columns, [[row[name] for name in columns] for row in found.rows]) if found.rows else ""
    last = [f"{counted(found.due, 'row is', 'rows are')} due." if found.due else "Nothing is due."]
    if found.unfinished:
        last.append(f"The next apply first finishes {', '.join(found.unfinished)}.")
    return "\n\n".join(filter(None, [table, " ".join(last)]))


@retention.command("apply")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_choice
@click.pass_obj
def apply_command(
    settings: Settings, *, folder: Path, keep: dict[str, dt.timedelta], policies: tuple[str, ...]
) -> None:
    """Archive the rows that are due into FOLDER, and delete them.

    They are deleted once their archive is checked and recorded. It can be interrupted at any time; the next one
    finishes what was begun.

    \b
    Examples:
      datapkg retention apply archives
      datapkg retention apply archives --policy posts --keep posts=30d
    """
    from datapkg.operations import retention as operation

    chosen = policies or None

    def steps() -> int:  # each row is written, read back and deleted
        return 3 * operation.plan(keep=keep, policies=chosen).due

    with settings.connected(), progress(settings, "archiving", steps) as shown:
        report = operation.apply(folder, keep=keep, policies=chosen, progress=shown)
    show(settings, report.public(), _apply_text(report))


def _apply_text(report: ApplyReport) -> str:
    from datapkg.kit.results import text_table

    if not report.archives:
        return "Nothing is due; nothing was archived."
    parts = []
    for each in report.archives:
        rows = [(name, f"{count:,} archived") for name, count in each.deleted.items() if "." not in name]
        rows += [(name, f"{counted(count, 'reference')} cut") for name, count in each.deleted.items() if "." in name]
        rows += [(each.policy, f"{count:,} stayed: {why}") for why, count in each.kept.items()]
        begun = " (begun by an interrupted run)" if each.resumed else ""
        parts.append(f"{each.folder}{begun}\n{text_table(['table', 'outcome'], rows)}")
    return "\n\n".join(parts)


@retention.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def restore_command(settings: Settings, *, folder: Path) -> None:
    """Put the rows of the archive in FOLDER back, all or none.

    \b
    Example:
      datapkg retention restore archives/posts-2026-08-01-ARCHIVE_ID
    """
    from datapkg.operations import retention as operation

    with settings.connected(), progress(settings, "restoring", lambda: 3 * _archived_rows(folder)) as shown:
        report = operation.restore(folder, progress=shown)
    show(settings, report.public(), _restore_text(report))


def _archived_rows(folder: Path) -> int:
    from datapkg.operations.retention.archives import load_archive

    manifest = load_archive(folder).manifest
    rows: int = manifest["rows"][manifest["policy"]["table"]]
    return rows


def _restore_text(report: RestoreReport) -> str:
    from datapkg.kit.results import text_table

    rows = [(name, f"{counted(count, 'row')} back") for name, count in report.restored.items() if "." not in name]
    rows += [
        (name, f"{counted(count, 'reference')} set again") for name, count in report.restored.items() if "." in name
    ]
    table = text_table(["table", "outcome"], rows)
    notes = [
        f"{counted(report.present, 'row was', 'rows were')} there already." if report.present else "",
        f"{counted(report.withheld, 'row does', 'rows do')} not come back." if report.withheld else "",
        f"{counted(report.kept, 'row')} had never left." if report.kept else "",
    ]
    return "\n".join(filter(None, [table, " ".join(filter(None, notes))]))
