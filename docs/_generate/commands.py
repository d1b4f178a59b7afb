"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

__all__ = ["command_page"]

HEAD = """<!-- Written by `python docs/_generate`: change the commands' help instead. -->

# Commands

Each with its options; what they have in common is told in [the command line](../command-line.md), and what their exit
codes mean in [errors and exit codes](../errors.md). Every command takes `--json` and `--help` too.
"""


def command_page() -> str:
    """Return the page: the options of all, then every command."""
    from datapkg.cli import installed
    from datapkg.cli.root import root

    context = click.Context(root, info_name="datapkg")
    own = [name for name in root.list_commands(context) if name not in installed.names()]
    parts = [HEAD, "## Options of all commands\n", *_options(root, context)]
    for name in own:
        command = root.get_command(context, name)
        assert command is not None
        parts += _described(command, click.Context(command, parent=context, info_name=name), level=2)
    return "\n".join(parts)


def _described(command: click.Command, context: click.Context, *, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{context.command_path}`\n"
    if not isinstance(command, click.Group):
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        yield f"```text\n{usage}\n```\n"
    yield from _help(command.help or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _described(inner, click.Context(inner, parent=context, info_name=name), level=level + 1)
        return
    yield from _options(command, context)


def _help(text: str) -> Iterator[str]:
    """Yield a help's paragraphs; those that keep their lines, after a ``\\b``, as a block of code."""
    for paragraph in inspect.cleandoc(text).split("\f")[0].split("\n\n"):
        if not paragraph.strip():
            continue
        first, _, rest = paragraph.partition("\n")
        if first.strip() != "\b":
            yield " ".join(line.strip() for line in paragraph.splitlines()).replace("<", "\\<") + "\n"
            continue
        title, _, lines = rest.partition("\n")
        if title.endswith(":"):
            yield f"{title}\n"
        else:
            lines = rest
        yield f"```text\n{inspect.cleandoc(lines)}\n```\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = []
    for parameter in command.get_params(context):
        if {"--json", "--help"} & set(parameter.opts) and context.parent is not None:
            continue  # those of every command
        record = parameter.get_help_record(context)
        if record and record[1]:
            rows.append([_cell(record[0], code=True), _cell(record[1])])
    if rows:
        yield "| option | |\n|---|---|"
        yield "\n".join(f"| {name} | {about} |" for name, about in rows) + "\n"


def _cell(text: str, *, code: bool = False) -> str:
    flat = re.sub(r"\s+", " ", text).strip().replace("|", "\\|")
    return f"`{flat}`" if code and flat else flat.replace("<", "\\<")
