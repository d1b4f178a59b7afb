"""``datapkg audit``."""

from __future__ import annotations

import click

from datapkg.cli.colours import paint
from datapkg.cli.render import progress, show
from datapkg.cli.root import CHECK_FAILED, Settings, group
from datapkg.kit.words import counted

__all__ = ["audit"]


@group()
def audit() -> None:
    """Verify the audit log.

    \b
    Example:
      datapkg audit verify
    """


@audit.command()
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Check the whole chain of the audit log.

    Exits with 3 if an entry was changed, is missing, or was added by others.

    \b
    Example:
      datapkg audit verify
    """
    from dataclasses import asdict

    from datapkg.audit import verify_chain

    settings: Settings = ctx.obj
    with settings.connected(), progress(settings, "verifying") as shown:
        report = verify_chain(progress=shown.step)
    found = f"{counted(report.checked, 'entry is as it was', 'entries are as they were')} recorded"
    notes = [f"{report.erased:,} without details" if report.erased else ""]
    notes.append(f"{report.archived:,} before that archived" if report.archived else "")
    text = ", ".join([found, *filter(None, notes)]) + "."
    if report.problem is not None:
        text += f"\n{paint(f'entry {report.problem.sequence}: {report.problem.kind}:', 'bad')} {report.problem.why}"
    show(settings, {**asdict(report), "ok": report.ok}, text)
    if not report.ok:
        ctx.exit(CHECK_FAILED)
