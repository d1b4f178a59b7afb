"""``datapkg completion``, and the values that are completed: quickly, and without a database that is not there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    get_completion_class,
)

from datapkg.cli.commands import Choice, command
from datapkg.cli.settings import url_from_surroundings

__all__ = [
    "DEFINITIONS",
    "FEATURES",
    "PLANNING_SCENARIOS",
    "RUNS",
    "SCRIPTS",
    "completion",
    "documents",
    "domains",
    "environments",
    "histories",
    "migrations",
    "policies",
    "profiles",
]

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

# As the domains have them, which are slow to import where a word is completed; a test compares them.
DOMAINS = ("audit", "flags", "accounts", "evaluation", "workqueue", "planning", "scripts", "engagement")
POLICIES = ("audit_logs", "posts", "kpi_metrics")
_ENVIRONMENTS = ("development", "staging", "production")
_MOST = 50


@command()
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the script that completes commands, options and values in SHELL: bash, zsh or fish.

    \b
    Once for every shell, in the file that it starts with:
      ~/.bashrc                   eval "$(datapkg completion bash)"
      ~/.zshrc, after compinit    eval "$(datapkg completion zsh)"
      ~/.config/fish/config.fish  datapkg completion fish | source

    \b
    Examples:
      datapkg completion bash
      datapkg completion zsh > ~/.zfunc/_datapkg
      datapkg completion fish > ~/.config/fish/completions/datapkg.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # these three are click's own
    root = ctx.find_root()
    source = made(root.command, {}, "datapkg", "_DATAPKG_COMPLETE").source()
    click.echo(source.encode("utf-8"), nl=False)


class _Bash(BashComplete):
    """Click's own, and names with blanks in them come in quotes."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        words = os.environ["COMP_WORDS"].split("\n")
        at = int(os.environ["COMP_CWORD"])
        begun = at < len(words) and words[at][:1] in ("'", '"')  # then bash quotes the rest itself
        value = item.value if begun or item.type != "plain" else shlex.quote(item.value)
        return f"{item.type},{value}"


class _Fish(FishComplete):
    """Click's own, and what has a comma in it stays whole."""

    source_template = FishComplete.source_template.replace("string split ", "string split --max 1 ")


add_completion_class(_Bash)
add_completion_class(_Fish)


def _among(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def _of(known: Callable[[], Iterable[str]]) -> Complete:
    return lambda ctx, param, incomplete: _among(known(), incomplete)


def _installed(group: str) -> list[str]:
    from importlib.metadata import entry_points

    return [point.name for point in entry_points(group=group)]


def _files(package: str, pattern: str) -> list[Path]:
    """Return what lies in a folder of the package's data, without importing anything."""
    from importlib.util import find_spec

    spec = find_spec(package)
    places = (spec.submodule_search_locations or []) if spec is not None else []
    return sorted(path for place in places for path in Path(place).glob(pattern))


def _stored(sql: str) -> Complete:
    """Complete what a query finds in the SQLite file of the command; nothing on a server, or where there is no file.

    Args:
        sql: gives values that are LIKE ``:word``, and what is said beside each.
    """
    return lambda ctx, param, incomplete: [
        CompletionItem(value, help=" ".join(beside.split()))
        for value, beside in _found(ctx, sql, incomplete)
        if value.isprintable()
    ]


def _found(ctx: click.Context, sql: str, incomplete: str) -> list[tuple[str, str]]:
    import sqlite3

    url = ctx.find_root().params.get("database") or url_from_surroundings()
    path = Path(unquote(url.removeprefix("sqlite:///")))
    if not url.startswith("sqlite:///") or not path.is_file():
        return []
    try:
        # Immutable: not even the files that go with a write-ahead log are made.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            return database.execute(f"{sql} LIMIT {_MOST}", {"word": f"{incomplete}%"}).fetchall()
    except sqlite3.Error:  # behind, or no database at all; the command itself will say so
        return []


domains = _of(lambda: [*DOMAINS, *_installed("datapkg.domains")])
histories = _of(lambda: ["datapkg", *_installed("datapkg.domains")])
migrations = _of(lambda: [path.stem for path in _files("datapkg._migrations", "[0-9][0-9][0-9]_*.py")])
profiles = _of(lambda: [path.parent.name for path in _files("datapkg._fixtures", "*/profile.json")])
documents = _of(lambda: [path.name for path in _files("datapkg._fixtures", "documents/*-*")])
policies = _of(lambda: POLICIES)
environments = _of(lambda: _ENVIRONMENTS)

DEFINITIONS = _stored("SELECT id, name FROM definitions WHERE id LIKE :word ORDER BY 1 DESC")
RUNS = _stored(
    "SELECT r.id, r.status || ' ' || d.name FROM runs r JOIN definitions d ON d.id = r.definition_id "
    "WHERE r.id LIKE :word ORDER BY 1 DESC"
)
SCRIPTS = _stored("SELECT id, title FROM scripts WHERE id LIKE :word ORDER BY 1 DESC")
PLANNING_SCENARIOS = _stored("SELECT name, id FROM planning_scenarios WHERE name LIKE :word ORDER BY 1")
FEATURES = _stored(
    "SELECT printf('FEAT-%03d', feature_number), name FROM feature_queue "
    "WHERE printf('FEAT-%03d', feature_number) LIKE :word ORDER BY 1"
)
