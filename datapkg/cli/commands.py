"""Commands and groups that all behave alike: they take --json, and say what a mistyped word may have meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from datapkg.cli.settings import Settings
from datapkg.kit.words import did_you_mean

if TYPE_CHECKING:
    _Type = click.ParamType[str]
else:
    _Type = click.ParamType

__all__ = ["Choice", "Command", "Group", "Naming", "command", "group"]


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


class _Parsing(click.Command):
    """A command that helps with options that it does not have."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(f"No such option '{error.option_name}'.{self._hint(ctx, error)}", ctx) from None

    def _hint(self, ctx: click.Context, error: click.NoSuchOption) -> str:
        root = ctx.find_root()
        mine = [name for each in self.get_params(ctx) for name in each.opts if isinstance(each, click.Option)]
        everywhere = {name: each for each in root.command.params for name in each.opts}
        meant = everywhere.get(error.option_name)
        if meant is not None and ctx is not root:
            value = "" if isinstance(meant, click.Option) and meant.is_flag else f" {meant.make_metavar(ctx)}"
            rest = ctx.command_path.partition(" ")[2]
            return f" It stands before the command: {root.info_name} {error.option_name}{value} {rest}."
        return did_you_mean(error.option_name, [*mine, *everywhere])


class Command(_Parsing):
    """A command that also takes --json."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class Naming(_Parsing, click.Group):
    """A group that helps with names of commands that it does not have."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command that is called."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class Group(Naming):
    """A group that also takes --json, for all of its commands."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class Choice(_Type):
    """One of some words, in capitals or not; of a mistyped one it says which was meant.

    Args:
        words: the words, as they are stored.
    """

    name = "choice"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = {word.casefold(): word for word in words}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word as it is stored."""
        if (word := self.words.get(str(value).casefold())) is not None:
            return word
        known = self.words.values()
        self.fail(f"{value!r} is not one of {', '.join(known)}.{did_you_mean(str(value), known)}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the words, whatever their case."""
        return [CompletionItem(word) for key, word in self.words.items() if key.startswith(incomplete.casefold())]


def command(**options: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function; it takes --json as every command does."""
    return click.command(cls=Command, **options)


def group(**options: Any) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a group of a function; its commands take --json as every command does."""
    return click.group(cls=Group, **options)
