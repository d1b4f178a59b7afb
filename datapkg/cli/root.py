"""The root command: global options, lazy loading of commands, errors as people and programs read them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import click

from datapkg.cli.streams import echo, echo_json

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase, Options

__all__ = ["CHECK_FAILED", "REFUSED", "USAGE", "Settings", "command", "group", "main"]

REFUSED, USAGE, CHECK_FAILED = 1, 2, 3

# Name to (module, attribute, one line for --help): a command's module is imported when it is called or its help is
# asked for, so that `datapkg --help` stays quick.
_COMMANDS = {
    "audit": ("audit", "audit", "Verify the audit log."),
    "backup": ("backups", "backup", "Write the whole database into one file."),
    "copy": ("moving", "copy", "Copy a database into another one."),
    "documents": ("documents", "documents", "Count, upgrade and describe stored documents."),
    "dump": ("moving", "dump", "Write every row into one archive."),
    "engagement": ("engagement", "engagement", "Look at social engagement."),
    "environment": ("environment", "environment", "Show or set the database's environment."),
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
    "user": ("users", "user", "Manage users."),
}


@dataclass
class Settings:
    """The global options, as every command sees them.

    Attributes:
        url: the database URL.
        json: whether to print JSON.
        quiet: whether to print nothing but errors.
    """

    url: str
    json: bool = False
    quiet: bool = False

    @contextmanager
    def connected(self, *, migrate: bool = False) -> Iterator[KitDatabase]:
        """Connect for one command, as ``datapkg.connect`` does."""
        from datapkg import connection

        database = connection.connect(self.url, migrate=migrate)
        try:
            yield database
        finally:
            connection.disconnect()

    @contextmanager
    def bound(self, **options: Unpack[Options]) -> Iterator[KitDatabase]:
        """Bind without migrating and without looking at the migrations.

        Args:
            options: as for ``datapkg.connect``; ``must_exist=True`` never creates a SQLite file.
        """
        from datapkg.kit import database as kit

        database = kit.bind(self.url, **options)
        try:
            yield database
        finally:
            kit.unbind()


def _set_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        root = ctx.find_root()
        root.meta["json"] = True
        if isinstance(root.obj, Settings):
            root.obj.json = True


def _json_option() -> click.Option:
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, is_eager=True, callback=_set_json, help="Print JSON."
    )


class _Command(click.Command):
    """A command that also takes --json."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class _Group(click.Group):
    """A group that also takes --json, for all of its commands."""

    command_class = _Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


def command(**options: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function; it takes --json as every command does."""
    return click.command(cls=_Command, **options)


def group(**options: Any) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a group of a function; its commands take --json as every command does."""
    return click.group(cls=_Group, **options)


class _Root(click.Group):
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

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        name = args[0] if args else ""
        known = _COMMANDS if name in _COMMANDS else self.list_commands(ctx)
        if name and not name.startswith("-") and name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--database", metavar="URL", help="The database; else DATABASE_URL, else sqlite:///datapkg.db.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too (on stderr).")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What to log, on stderr.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.version_option(package_name="datapkg", prog_name="datapkg")
@click.pass_context
def root(
    ctx: click.Context, *, database: str | None, as_json: bool, quiet: bool, log_level: str, log_format: str
) -> None:
    """Validated, versioned data domains on SQLite and PostgreSQL.

    Start with `datapkg seed`: it creates sqlite:///datapkg.db and fills it with something to look at.
    """
    from datapkg.cli.logs import set_up

    set_up(level=log_level, form=log_format)
    if database == "":  # an unset variable in a script, and not the file that it would otherwise work on
        raise click.UsageError("--database is empty.", ctx)
    ctx.obj = Settings(
        url=database or _url_from_surroundings(), json=as_json or bool(ctx.meta.get("json")), quiet=quiet
    )


def _url_from_surroundings() -> str:
    import os

    from datapkg.kit.urls import DEFAULT_URL

    if url := os.environ.get("DATABASE_URL"):
        return url
    try:
        from dotenv import dotenv_values
    except ImportError:
        return DEFAULT_URL
    return dotenv_values(".env").get("DATABASE_URL") or DEFAULT_URL


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused or failed, 2 wrong usage, 3 a check found something."""
    given = list(sys.argv[1:] if args is None else args)
    # What follows a "--" is another program's.
    as_json = "--json" in given[: given.index("--") if "--" in given else None]
    from_click: Any
    try:
        from_click = root.main(given, prog_name="datapkg", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        _complain({"code": "aborted", "why": "Interrupted.", "fix": "Run it again.", "meta": {}}, as_json)
        sys.exit(REFUSED)
    except click.UsageError as error:
        if not as_json:
            error.show()
        else:
            fix = f"See `{error.ctx.command_path if error.ctx else 'datapkg'} --help`."
            _complain({"code": "usage", "why": error.format_message(), "fix": fix, "meta": {}}, as_json)
        sys.exit(USAGE)
    except click.ClickException as error:
        _complain({"code": "failed", "why": error.format_message(), "fix": "", "meta": {}}, as_json)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(REFUSED)
    except Exception as error:
        from datapkg.kit.errors import DatapkgError

        if isinstance(error, DatapkgError):
            _complain(error.as_dict(), as_json)
        elif isinstance(error, OSError):
            fix = "Check the file or device that it reads from or writes to, then run it again."
            _complain({"code": "system", "why": f"{error}.", "fix": fix, "meta": {}}, as_json)
            _give_up_stdout()
        elif as_json:
            fix = "Run it again without --json to see where, and report it."
            _complain({"code": "unexpected", "why": f"{type(error).__name__}: {error}", "fix": fix, "meta": {}}, True)
        else:
            raise
        sys.exit(REFUSED)
    sys.exit(from_click if isinstance(from_click, int) else 0)


def _give_up_stdout() -> None:
    """Drop what could not be written: the interpreter would try again at its end, and exit with 120."""
    import os

    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(envelope: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(envelope, err=True)
        return
    echo(click.style(f"error: {envelope['why']}", fg="red"), err=True)
    if envelope["fix"]:
        echo(f"  fix: {envelope['fix']}", err=True)
    echo(click.style(f"  code: {envelope['code']}", dim=True), err=True)
