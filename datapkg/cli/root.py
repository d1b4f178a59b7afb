"""The root command: global options, lazy loading of commands, errors as people and programs read them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from datapkg.cli import completion  # noqa: F401  # what it does to bash's completion
from datapkg.cli.colours import paint, paint_cell
from datapkg.cli.commands import Choice, Naming, command, group
from datapkg.cli.settings import Settings, url_from_surroundings
from datapkg.cli.streams import echo, echo_json, width_of_stdout
from datapkg.kit.display import terminal

__all__ = ["CHECK_FAILED", "REFUSED", "USAGE", "Settings", "command", "group", "main"]

REFUSED, USAGE, CHECK_FAILED, INTERRUPTED = 1, 2, 3, 130

# Name to (module, attribute, one line for --help): a command's module is imported when it is called or its help is
# asked for, so that `datapkg --help` stays quick.
_COMMANDS = {
    "audit": ("audit", "audit", "Verify the audit log."),
    "backup": ("backups", "backup", "Write the whole database into one file."),
    "completion": ("completion", "completion", "Print the script that completes commands in a shell."),
    "copy": ("moving", "copy", "Copy a database into another one."),
    "documents": ("documents", "documents", "Count, upgrade and describe stored documents."),
    "dump": ("moving", "dump", "Write every row into one archive."),
    "engagement": ("engagement", "engagement", "Look at social engagement."),
    "environment": ("environment", "environment", "Show or set the database's environment."),
    "erd": ("erd", "erd", "Draw the tables as SVG."),
    "evaluation": ("evaluation", "evaluation", "Look at definitions and runs, compare, import."),
    "health": ("health", "health", "Tell whether the database is well."),
    "lint-writes": ("lint_writes", "lint_writes", "Find direct writes to gated tables in Python source."),
    "load": ("moving", "load", "Load an archive."),
    "migrate": ("migrations", "migrate", "Bring the database up to date."),
    "migration": ("migration", "migration", "Write, check and lint migrations."),
    "planning": ("planning", "planning", "Show, simulate and switch token planning scenarios."),
    "queue": ("queue", "queue", "Fill the work queue, work on it, and look at it."),
    "restore": ("backups", "restore", "Put a backup back."),
    "retention": ("retention", "retention", "Archive old rows to files, and put them back."),
    "rollback": ("migrations", "rollback", "Undo the newest migrations."),
    "scripts": ("scripts", "scripts", "Look at scripts and verify them."),
    "seed": ("seeds", "seed", "Load seed data."),
    "status": ("migrations", "status", "Show which migrations are applied."),
    "studio": ("studio", "studio", "Look at rows, and edit them, in a browser."),
    "user": ("users", "user", "Manage users."),
}


class _Root(Naming):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from datapkg.cli import installed

        return sorted({*_COMMANDS, *installed.names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # The built-in ones first: no package that is installed by chance may take the place of one.
        if cmd_name not in _COMMANDS:
            from datapkg.cli import installed

            return installed.load(cmd_name) if cmd_name in installed.names() else None
        module, attribute, _ = _COMMANDS[cmd_name]
        found: click.Command = getattr(importlib.import_module(f"datapkg.cli.{module}"), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from datapkg.cli import installed

        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, _COMMANDS[name][2] if name in _COMMANDS else installed.described(name))
                    for name in self.list_commands(ctx)
                ]
            )


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--database", metavar="URL", help="The database; else DATABASE_URL, else sqlite:///datapkg.db.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too (on stderr).")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--log-level",
    type=Choice(["debug", "info", "warning", "error"]),
    metavar="LEVEL",
    default="warning",
    show_default=True,
    help="What to log, on stderr: debug, info, warning or error.",
)
@click.option(
    "--log-format",
    type=Choice(["text", "json"]),
    metavar="FORMAT",
    default="text",
    show_default=True,
    help="How to log: as text, or as json with an object a line.",
)
@click.version_option(package_name="datapkg", prog_name="datapkg")
@click.pass_context
def root(
    ctx: click.Context, *, database: str | None, as_json: bool, quiet: bool, log_level: str, log_format: str
) -> None:
    """Validated, versioned data domains on SQLite and PostgreSQL.

    Start with `datapkg seed`: it creates sqlite:///datapkg.db and fills it with something to look at.

    \b
    Examples:
      datapkg seed
      datapkg --database postgresql://me@host/app status
      datapkg COMMAND --help
    """
    from datapkg.cli.logs import set_up

    set_up(level=log_level, form=log_format)
    if database == "":  # an unset variable in a script, and not the file that it would otherwise work on
        raise click.UsageError("--database is empty.", ctx)
    ctx.obj = Settings(url=database or url_from_surroundings(), json=as_json or bool(ctx.meta.get("json")), quiet=quiet)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 when it is done, 1 when it was refused or failed, 2 after wrong usage, 3 when a check found
    something, and 130 after Ctrl-C.

    Args:
        args: the words after ``datapkg``; those of the process unless given.
    """
    given = list(sys.argv[1:] if args is None else args)
    # What follows a "--" is another program's.
    as_json = "--json" in given[: given.index("--") if "--" in given else None]
    from_click: Any
    try:
        with terminal(width_of_stdout(), paint_cell):
            from_click = root.main(given, prog_name="datapkg", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _complain({"code": "aborted", "why": "Interrupted.", "fix": "Run it again.", "meta": {}}, as_json)
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(USAGE)
    except click.UsageError as error:
        _complain_about_usage(error, as_json)
        sys.exit(USAGE)
    except Exception as error:
        _complain(_envelope(error), as_json)
        if isinstance(error, OSError):
            _give_up_stdout()
        sys.exit(REFUSED)
    sys.exit(from_click if isinstance(from_click, int) else 0)


def _envelope(error: Exception) -> dict[str, Any]:
    """Return code, why, fix and meta for whatever was raised."""
    from datapkg.kit.errors import DatapkgError

    if isinstance(error, DatapkgError):
        return error.as_dict()
    if isinstance(error, click.ClickException):
        return {"code": "failed", "why": error.format_message(), "fix": "", "meta": {}}
    if isinstance(error, OSError):
        fix = "Check the file or device that it reads from or writes to, then run it again."
        return {"code": "system", "why": f"{error}.", "fix": fix, "meta": {}}
    import logging

    logging.getLogger("datapkg.cli").debug("unexpected", exc_info=error)
    first = str(error).partition("\n")[0]
    fix = "Run it again with --log-level debug before the command to see where, and report it."
    return {"code": "unexpected", "why": f"{type(error).__name__}: {first}", "fix": fix, "meta": {}}


def _give_up_stdout() -> None:
    """Drop what could not be written: the interpreter would try again at its end, and exit with 120."""
    import os

    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain_about_usage(error: click.UsageError, as_json: bool) -> None:
    path = error.ctx.command_path if error.ctx is not None else "datapkg"
    if error.ctx is not None and not as_json:
        echo(error.ctx.get_usage(), err=True)
    envelope = {"code": "usage", "why": error.format_message(), "fix": f"See `{path} --help`.", "meta": {}}
    _complain(envelope, as_json)


def _complain(envelope: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(envelope, err=True)
        return
    echo(f"{paint('error:', 'bad')} {envelope['why']}", err=True)
    if envelope["fix"]:
        echo(f"  {paint('fix:', 'good')} {envelope['fix']}", err=True)
    echo(paint(f"  code: {envelope['code']}", "faint"), err=True)
