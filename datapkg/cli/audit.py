"""``datapkg audit``."""

from __future__ import annotations

import click

from datapkg.cli.render import show
from datapkg.cli.root import CHECK_FAILED, Settings, group

__all__ = ["audit"]


@group()
def audit() -> None:
    """Look at the audit log."""


@audit.command()
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Check the whole chain of the audit log; exits 3 if an entry was changed, is missing, or was added by others.

    \b
    Example:
      datapkg audit verify
    """
    from dataclasses import asdict

    from datapkg.audit import verify_chain

    settings: Settings = ctx.obj
    with settings.connected():
        report = verify_chain()
    found = f"{report.checked:,} entries are as they were recorded"
    notes = [f"{report.erased:,} without their details" if report.erased else ""]
    notes.append(f"{report.archived:,} before them are archived" if report.archived else "")
    text = ", ".join([found, *filter(None, notes)]) + "."
    if report.problem is not None:
        text += f"\nentry {report.problem.sequence}: {report.problem.kind}: {report.problem.why}"
    show(settings, {**asdict(report), "ok": report.ok}, text)
    if not report.ok:
        ctx.exit(CHECK_FAILED)
