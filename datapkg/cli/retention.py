"""``datapkg retention``."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapkg.cli.render import progress, show
from datapkg.cli.root import Settings, group

if TYPE_CHECKING:
    from datapkg.operations.retention import ApplyReport, Plan, RestoreReport

__all__ = ["retention"]

_SPAN = re.compile(r"(?P<name>[^=]+)=(?P<count>[0-9]{1,6})(?P<unit>[hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@group()
def retention() -> None:
    """Archive rows that are old enough to plain files, and put archives back."""


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
        click.option("--policy", "policies", multiple=True, metavar="NAME", help="Only this policy."),
    ):
        function = option(function)
    return function


@retention.command("plan")
@_choice
@click.pass_obj
def plan_command(settings: Settings, *, keep: dict[str, dt.timedelta], policies: tuple[str, ...]) -> None:
    """Count the rows that `apply` would archive, and those that are exempt; nothing is written.

    \b
    Example:
      datapkg retention plan --keep posts=30d
    """
    from datapkg.operations import retention as operation

    with settings.connected():
        found = operation.plan(keep=keep, policies=policies or None)
    show(settings, found.public(), _plan_text(found))


def _plan_text(found: Plan) -> str:
    from datapkg.kit.results import text_table

    columns = ["policy", "period", "due", "exempt", "keep_days"]
    table = text_table(columns, [[row[name] for name in columns] for row in found.rows]) if found.rows else ""
    last = [f"{found.due:,} rows are due." if found.due else "Nothing is due."]
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
    """Archive the rows that are due into FOLDER, and delete them once their archive is checked and recorded.

    It can be interrupted at any time; the next one finishes what was begun.

    \b
    Example:
      datapkg retention plan
      datapkg retention apply archives
    """
    from datapkg.operations import retention as operation

    chosen = policies or None
    with settings.connected():
        # Written, read back and deleted. Nobody sees a bar in a pipe, so nothing is counted there.
        total = 3 * operation.plan(keep=keep, policies=chosen).due if sys.stderr.isatty() else 0
        with progress(settings, "archiving", total) as advance:
            report = operation.apply(folder, keep=keep, policies=chosen, progress=advance)
    show(settings, report.public(), _apply_text(report))


def _apply_text(report: ApplyReport) -> str:
    from datapkg.kit.results import text_table

    if not report.archives:
        return "Nothing is due; nothing was archived."
    parts = []
    for each in report.archives:
        rows = [(name, f"{count:,} archived") for name, count in each.deleted.items() if "." not in name]
        rows += [(name, f"{count:,} references cut") for name, count in each.deleted.items() if "." in name]
        rows += [(each.policy, f"{count:,} stayed: {why}") for why, count in each.kept.items()]
        begun = " (begun by an interrupted run)" if each.resumed else ""
        parts.append(f"{each.folder}{begun}\n{text_table(['table', 'outcome'], rows)}")
    return "\n\n".join(parts)


@retention.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def restore_command(settings: Settings, *, folder: Path) -> None:
    """Put the rows of the archive in FOLDER back, all of them or none.

    \b
    Example:
      datapkg retention restore archives/posts-2026-08-01-01a1fe16-ba19-70b6-aefa-7fcfef1b12f8
    """
    from datapkg.operations import retention as operation

    with settings.connected():
        total = 3 * _archived_rows(folder) if sys.stderr.isatty() else 0
        with progress(settings, "restoring", total) as advance:
            report = operation.restore(folder, progress=advance)
    show(settings, report.public(), _restore_text(report))


def _archived_rows(folder: Path) -> int:
    from datapkg.operations.retention.archives import load_archive

    manifest = load_archive(folder).manifest
    rows: int = manifest["rows"][manifest["policy"]["table"]]
    return rows


def _restore_text(report: RestoreReport) -> str:
    from datapkg.kit.results import text_table

    rows = [(name, f"{count:,} rows back") for name, count in report.restored.items() if "." not in name]
    rows += [(name, f"{count:,} references set again") for name, count in report.restored.items() if "." in name]
    table = text_table(["table", "outcome"], rows)
    notes = [
        f"{report.present:,} rows were there already." if report.present else "",
        f"{report.withheld:,} rows do not come back." if report.withheld else "",
        f"{report.kept:,} rows had never left." if report.kept else "",
    ]
    return "\n".join(filter(None, [table, " ".join(filter(None, notes))]))
