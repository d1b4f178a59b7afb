"""The help of every command and group: short, with examples that its own parser takes, within 80 columns."""

from __future__ import annotations

import shlex

import click
import pytest

from datapkg.cli.root import root

WIDTH = 80


def walk(command, path, above):
    """Yield the path and the context of a command and of all below it."""
    context = click.Context(command, parent=above, info_name=path[-1], terminal_width=WIDTH, **command.context_settings)
    yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), [*path, name], context)


EVERY = list(walk(root, ["datapkg"], None))


def examples(text):
    """Return the commands of a help text's example block; one that goes on in the next line ends with a backslash."""
    heading = "Examples:\n" if "Examples:\n" in text else "Example:\n"
    block = text.split(heading, 1)[1].split("\n\n", 1)[0]
    return [line.strip() for line in block.replace("\\\n", "").splitlines()]


def parse(words):
    """Take words as the command line would, without running anything; raises what the parser complains of."""
    context = root.make_context("datapkg", words)
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context.command


@pytest.mark.parametrize(("path", "context"), EVERY, ids=lambda value: "-".join(value) if type(value) is list else "")
def test_help_is_short_and_its_examples_work(path, context, tmp_path, monkeypatch):
    """A line in its group's list that is not cut; every example is one of this command; all fits in the width."""
    command, text = context.command, context.get_help()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\n  Example" in text and "--json" in text and "-h, --help" in text
    assert command.get_short_help_str(limit=200).endswith(".")
    assert not any(line.endswith("...") for line in text.splitlines()[1:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///none.db")
    (tmp_path / "src").mkdir()  # what lint-writes looks at
    found = examples(text)
    assert ("Examples:" in text) == (len(found) > 1)
    for example in found:
        words = shlex.split(example.split(" | ")[0].split(" > ")[0])
        assert words[0] == "datapkg"
        if words[1:] != ["COMMAND", "--help"]:
            meant = parse(words[1:])
            assert isinstance(command, click.Group) or meant is command
    assert [each.name for each in tmp_path.iterdir()] == ["src"]


@pytest.mark.parametrize(("path", "context"), EVERY, ids=lambda value: "-".join(value) if type(value) is list else "")
def test_what_an_option_takes_is_named_alike(path, context):
    """One word in capitals, never a type of Python or a list of words; every option says what it is for."""
    for option in context.command.get_params(context):
        if isinstance(option, click.Option):
            assert option.help
            assert option.is_flag or (option.metavar is not None and option.metavar.isupper()), option.name
