"""``datapkg scripts …``."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from datapkg.cli.colours import paint_diff
from datapkg.cli.commands import Choice
from datapkg.cli.completion import SCRIPTS
from datapkg.cli.options import following, paged
from datapkg.cli.render import progress, show, show_rows
from datapkg.cli.root import CHECK_FAILED, Settings, group
from datapkg.cli.scripts_backfill import backfill_command
from datapkg.kit.words import counted

if TYPE_CHECKING:
    from datapkg.scripts import ScriptCommand

__all__ = ["scripts"]


@group()
def scripts() -> None:
    """Look at scripts and verify them.

    \b
    Example:
      datapkg scripts list
    """


scripts.add_command(backfill_command)


@scripts.command("list")
@click.option("--owner", "owner_id", metavar="ID", help="Only scripts of this user.")
@paged
@following("script", SCRIPTS)
@click.pass_obj
def list_(settings: Settings, *, owner_id: str | None, limit: int, after: str | None) -> None:
    """List scripts, newest first.

    \b
    Example:
      datapkg scripts list
    """
    from datapkg import scripts as domain

    with settings.connected():
        found = domain.list_scripts(owner_id=owner_id, limit=limit, after=after)
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "sequence": each.current_sequence,
                "version": each.current_version,
                "updated_at": each.updated_at,
            }
            for each in found
        ]
        show_rows(settings, rows, empty="No scripts.")


@scripts.command("log")
@click.argument("script_id", metavar="ID", shell_complete=SCRIPTS)
@paged
@following("command", None)
@click.pass_obj
def log(settings: Settings, *, script_id: str, limit: int, after: str | None) -> None:
    """List a script's commands, newest first.

    \b
    Example:
      datapkg scripts log 01a1fca4-af86-72e7-b08b-b033503a7195
    """
    from datapkg import scripts as domain

    with settings.connected():
        rows = [_row(each) for each in domain.list_commands(script_id, limit=limit, after=after)]
        show_rows(settings, rows, empty="No commands.")


def _row(command: ScriptCommand) -> dict[str, Any]:
    payload = {name: value for name, value in command.payload.items() if name != "schema_version"}
    return {
        "id": command.id,
        "sequence": command.sequence,
        "command_type": command.command_type,
        "payload": payload,
        "actor_type": command.actor_type,
        "actor_id": command.actor_id,
        "model": command.model,
        "created_at": command.created_at,
    }


@scripts.command("show")
@click.argument("script_id", metavar="ID", shell_complete=SCRIPTS)
@click.option("--at", "version", type=int, metavar="VERSION", help="As it was in this version.")
@click.option("--sequence", type=int, metavar="N", help="As it was right after this command.")
@click.option("--time", metavar="TIME", help="As it was at this instant, such as 2026-03-02T09:00:00Z.")
@click.option("--text", is_flag=True, help="Print the text alone, letter for letter.")
@click.pass_obj
def show_(
    settings: Settings, *, script_id: str, version: int | None, sequence: int | None, time: str | None, text: bool
) -> None:
    """Show a script, now or at an earlier moment.

    That is its title, pages and elements.

    \b
    Example:
      datapkg scripts show 01a1fca4-af86-72e7-b08b-b033503a7195 --at 1
    """
    from datapkg import scripts as domain

    moment = None if time is None else _instant(time)
    with settings.connected():
        state = domain.at(script_id, version=version, sequence=sequence, time=moment)
        if text and not settings.json:
            click.echo(state.text.encode("utf-8"), nl=False)
            return
        show(settings, {**state.public(), "text": state.text}, "" if settings.json else repr(state))


def _instant(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no instant; write it as 2026-03-02T09:00:00Z.") from None
    if moment.utcoffset() is None:
        raise click.UsageError(f"{text!r} lacks a time zone; write it as 2026-03-02T09:00:00Z.")
    return moment


@scripts.command("diff")
@click.argument("script_id", metavar="ID", shell_complete=SCRIPTS)
@click.argument("a", type=int, metavar="A")
@click.argument("b", type=int, metavar="B")
@click.option(
    "--by",
    type=Choice(["version", "sequence"]),
    metavar="WHAT",
    default="version",
    show_default=True,
    help="What A and B count: version or sequence.",
)
@click.pass_obj
def diff(settings: Settings, *, script_id: str, a: int, b: int, by: str) -> None:
    """Show what changed in a script from version A to version B.

    \b
    Example:
      datapkg scripts diff 01a1fca4-af86-72e7-b08b-b033503a7195 1 2
    """
    from datapkg import scripts as domain

    with settings.connected():
        found = domain.diff(script_id, a, b, by=by)
        show(settings, found.public(), "" if settings.json else paint_diff(repr(found).rstrip("\n")))


@scripts.command("verify")
@click.argument("script_id", metavar="[ID]", required=False, shell_complete=SCRIPTS)
@click.pass_obj
def verify(settings: Settings, *, script_id: str | None) -> int:
    """Replay a script's commands, or all scripts', and compare.

    What was derived from them is compared; exits with 3 if something differs.

    \b
    Example:
      datapkg scripts verify
    """
    from datapkg import scripts as domain

    with settings.connected(), progress(settings, "verifying") as shown:
        report = domain.verify(script_id, progress=shown.step)
    data = {
        "scripts": report.scripts,
        "commands": report.commands,
        "versions": report.versions,
        "elements": report.elements,
        "pages": report.pages,
        "findings": [finding.public() for finding in report.findings],
    }
    counts = (("script", report.scripts), ("command", report.commands), ("version", report.versions))
    well = f"All is well: {', '.join(counted(count, noun) for noun, count in counts)}."
    show(settings, data, well if report.ok else repr(report.findings))
    return 0 if report.ok else CHECK_FAILED
