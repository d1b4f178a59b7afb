"""How every command behaves: help, exit codes, errors, JSON, logging."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from datapkg.cli.root import root


def test_the_root_help_lists_every_command(shell):
    """And so does calling it without one."""
    text = shell("--help").stdout
    for name in root.list_commands(click.Context(root)):
        assert name in text
    assert "--database" in text


def test_help_loads_no_engine(shell):
    """--help answers without importing Peewee, marshmallow or a domain."""
    code = (
        "import sys\n"
        "from datapkg.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('peewee', 'marshmallow', 'psycopg2', 'datapkg.accounts') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["seed", "--nosuch"],
        ["seed", "--profile"],
        ["migrate", "x"],
        ["rollback", "--count", "0"],
        ["--log-level", "x", "seed"],
    ],
)
def test_wrong_usage_exits_with_2(shell, arguments):
    """And says so, as text and as JSON."""
    assert shell(*arguments, expect=2).stderr
    assert json.loads(shell("--json", *arguments, expect=2).stderr)["code"] == "usage"


def test_a_mistyped_command_gets_a_suggestion(shell):
    """The nearest name is offered."""
    assert "'seed'" in shell("sede", expect=2).stderr


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "configuration"),
        ("sqlite://file.db", "configuration"),
        ("postgresql://me:hunter2@127.0.0.1:1/x", "database_unavailable"),
        ("sqlite:////no/such/folder/x.db", "database_unavailable"),
    ],
)
def test_refusals_exit_with_1_and_say_code_why_and_fix(shell, url, code):
    """One JSON object on stderr, or three lines; never a traceback, never a password."""
    refusal = shell.refusal("--database", url, "seed")
    assert refusal["code"] == code
    assert refusal["why"]
    assert refusal["fix"]
    text = shell("--database", url, "seed", expect=1).stderr
    assert refusal["why"] in text
    assert refusal["fix"] in text
    assert "hunter2" not in text + json.dumps(refusal)


def test_json_is_taken_on_either_side_of_the_command(shell):
    """datapkg --json status and datapkg status --json print the same."""
    shell("migrate")
    assert json.loads(shell("--json", "status").stdout) == json.loads(shell("status", "--json").stdout)


def test_quiet_prints_nothing_but_errors(shell):
    """Success is silent; a refusal is not."""
    result = shell("--quiet", "seed")
    assert result.stdout + result.stderr == ""
    assert shell("--quiet", "seed", "--profile", "nosuch", expect=1).stderr


def test_logs_go_to_stderr_as_text_or_json(shell):
    """Each line of the JSON format is an object with its facts."""
    result = shell("--log-level", "info", "--log-format", "json", "seed")
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert any(event["logger"].startswith("datapkg.operations.seeding") for event in events)
    assert all({"time", "level", "message"} <= set(event) for event in events)
    assert "INFO datapkg" in shell("--log-level", "info", "seed").stderr


def test_the_url_comes_from_a_dotenv_file_last(shell):
    """The option wins over the environment, the environment over .env."""
    (shell.folder / ".env").write_text("DATABASE_URL=sqlite:///dotenv.db\n")
    shell("migrate")
    assert (shell.folder / "dotenv.db").exists()
    shell("migrate", DATABASE_URL="sqlite:///environment.db")
    assert (shell.folder / "environment.db").exists()
    shell("--database", "sqlite:///option.db", "migrate", DATABASE_URL="sqlite:///ignored.db")
    assert (shell.folder / "option.db").exists()
    assert not (shell.folder / "ignored.db").exists()


def test_tables_are_plain_in_a_pipe(shell):
    """No colour codes and no progress bar where nobody looks."""
    shell("seed")
    result = shell("documents", "upgrade")
    assert "\x1b" not in result.stdout + result.stderr
