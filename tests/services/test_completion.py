"""Completion in the real shells, as somebody has it who follows `datapkg completion --help`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import Terminal

pytestmark = pytest.mark.services


@pytest.fixture
def surroundings(tmp_path):
    """A folder with the demo, its environment, and `datapkg` on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"HOME": str(tmp_path), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    (tmp_path / "everything.zip").touch()
    subprocess.run(["datapkg", "--quiet", "seed"], cwd=tmp_path, env=environment, check=True)
    return {"cwd": tmp_path, "env": environment}


# What is typed before the tabulator, and the words that the line has after it.
LINES = [
    ("datapkg environm", ["datapkg", "environment"]),
    ("datapkg evaluation runs --sta", ["datapkg", "evaluation", "runs", "--status"]),
    ("datapkg evaluation runs --status compl", ["datapkg", "evaluation", "runs", "--status", "COMPLETED"]),
    ("datapkg dump --domain evalu", ["datapkg", "dump", "--domain", "evaluation"]),
    ("datapkg migrate --to 003", ["datapkg", "migrate", "--to", "003_accounts"]),
    ("datapkg queue explain FEAT-005", ["datapkg", "queue", "explain", "FEAT-005"]),
    ("datapkg planning balance Website\\ relaunch,", ["datapkg", "planning", "balance", "Website relaunch, smaller"]),
    ("datapkg load everyth", ["datapkg", "load", "everything.zip"]),
]


def press_tab(terminal, start):
    """Press the tabulator behind each line, and have the shell itself show the words that it then has."""
    terminal.type(f"{start}; show() {{ printf '<%s>' \"$@\"; }}; echo ready$((1+1))\n")
    assert "ready2" in terminal.read(until="ready2")
    for typed, expected in LINES:
        terminal.type(f"{typed}\t\x01show \x05\n")  # back to the beginning of the line, and to its end
        words = "".join(f"<{word}>" for word in expected)
        assert words in terminal.read(until=words), (typed, terminal.shown[-500:])
    terminal.type("exit\n")
    terminal.close()


def test_bash(surroundings):
    """Commands, options, words of a list, names of the package and of the database, files; blanks in quotes."""
    press_tab(Terminal(["bash", "--norc", "--noprofile", "-i"], **surroundings), 'eval "$(datapkg completion bash)"')


def test_zsh(surroundings):
    """The same, after compinit."""
    start = 'autoload -Uz compinit; compinit -u -D; eval "$(datapkg completion zsh)"'
    press_tab(Terminal(["zsh", "-f", "-i"], **surroundings), start)


def test_fish(surroundings):
    """The same, as fish says what it would complete."""
    for typed, expected in LINES:
        program = f"datapkg completion fish | source; complete --do-complete '{typed}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", program], capture_output=True, text=True, check=True, **surroundings
        )
        assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [expected[-1]], (typed, done)
