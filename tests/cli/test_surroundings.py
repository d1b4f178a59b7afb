"""The command line in odd surroundings: streams, encodings, no terminal, an interrupt, a damaged database."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

NARROW = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def start(shell, *args, **options):
    """Start a command and do not wait for it."""
    command = [sys.executable, "-m", "datapkg", *args]
    return subprocess.Popen(command, cwd=shell.folder, env=shell.environment, text=True, **options)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_tables_and_json_fit_any_encoding(shell, encoding):
    """Lines are drawn with what the stream can take; JSON stays JSON, and gives back what it was given."""
    (shell.folder / "flags.json").write_text(
        json.dumps({"table": "feature_flags", "rows": [{"key": "k", "description": "Ω 😀 é"}]})
    )
    shell("seed", "--file", "flags.json")
    surroundings = {**NARROW, "PYTHONIOENCODING": encoding}
    shown = shell("status", **surroundings).stdout
    assert ("───" if encoding == "utf-8" else "---") in shown
    (shell.folder / "flags.json").write_text(json.dumps({"table": "feature_flags", "rows": [{"key": "Ω😀"}]}))
    refusal = shell.refusal("seed", "--file", "flags.json", **surroundings)
    assert refusal["code"] == "seed"
    (shell.folder / "users.json").write_text(
        json.dumps({"table": "users", "rows": [{"email": "a@b.example", "name": "Ω😀"}]})
    )
    plain = shell("seed", "--file", "users.json", "--json", **surroundings).stdout
    assert json.loads(plain)["changed"] is True


def test_output_that_nobody_reads_or_that_does_not_fit_is_no_traceback(shell):
    """A closed pipe ends it quietly; a full disk is told."""
    shell("migrate")
    process = start(shell, "status", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait()
    with open("/dev/full", "w") as full:
        process = start(shell, "status", "--json", stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert json.loads(errors)["code"] == "system"


def test_an_interrupted_seeding_writes_nothing_and_says_so(shell):
    """Ctrl-C in the middle: exit code 130, no traceback, no row."""
    # Wide rows, so that SQLite's cache is full, and the log grows, after few of them.
    rows = [{"key": f"flag{number}", "description": "wide " * 300} for number in range(6_000)]
    (shell.folder / "many.json").write_text(json.dumps({"table": "feature_flags", "rows": rows}))
    shell("migrate")
    process = start(shell, "seed", "--file", "many.json", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # In the middle of it as soon as the write-ahead log has grown.
    log = shell.folder / "datapkg.db-wal"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate()
    assert (process.returncode, printed.strip()) == (130, "")
    assert json.loads(errors)["code"] == "aborted"
    assert shell.json("seed", "--file", "many.json", "--diff")["tables"][0]["inserted"] == 6_000


def test_the_admins_password_needs_a_terminal_or_the_environment(shell):
    """Without either the command is used wrongly, and says what to set."""
    shell("migrate")
    assert "DATAPKG_ADMIN_PASSWORD" in shell("user", "bootstrap-admin", "me@example.com", expect=2).stderr
    assert json.loads(shell("user", "bootstrap-admin", "me@example.com", "--json", expect=2).stderr)["code"] == "usage"


def test_the_admins_password_is_asked_for_twice_on_a_terminal(shell):
    """It is not shown, and what is printed as JSON holds nothing else."""
    shell("migrate")
    ours, theirs = pty.openpty()
    process = start(
        shell,
        "user",
        "bootstrap-admin",
        "me@example.com",
        "--json",
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    asked = ""
    for prompt in ("Password: ", "confirmation: "):  # what is typed before the question is thrown away
        while not asked.endswith(prompt):
            read = process.stderr.read(1)
            assert read, asked
            asked += read
        os.write(ours, b"correct horse battery\n")
    printed, rest = process.communicate(timeout=60)
    os.close(ours)
    assert json.loads(printed)["role"] == "ADMIN"
    assert "horse" not in asked + rest + printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("--database", "", "seed"),
        ("rollback", "--to", "001", "--count", "2"),
        ("migrate", "--resolve-applied", "001", "--plan"),
        ("migrate", "--lock-timeout", "-1"),
    ],
)
def test_options_that_contradict_are_wrong_usage(shell, arguments):
    """None of them is silently left out, and nothing is made."""
    shell(*arguments, expect=2)
    assert list(shell.folder.iterdir()) == []


def test_a_plan_stops_where_it_is_told(shell):
    """--plan takes --to as migrate itself does."""
    shown = shell("migrate", "--plan", "--to", "002").stdout
    assert "-- 002_flags" in shown
    assert "003" not in shown


def test_json_is_taken_by_a_group_too(shell):
    """Between the group and its command."""
    shell("seed")
    assert json.loads(shell("documents", "--json", "status").stdout) == shell.json("documents", "status")


def test_a_damaged_file_is_told_and_left(shell):
    """Something else than a database: unhealthy, refused, and not written to."""
    (shell.folder / "datapkg.db").write_text("not a database, but long enough to be read as one " * 50)
    before = (shell.folder / "datapkg.db").read_bytes()
    health = shell("health", expect=3).stdout
    assert "not a database" in health  # the whole sentence, not a cell's forty characters
    for command in ("status", "seed", "migrate"):
        assert shell.refusal(command)["code"] == "storage"
    assert (shell.folder / "datapkg.db").read_bytes() == before


def test_a_document_type_is_described_without_a_database(shell):
    """Neither the URL nor a server matters."""
    shown = shell.json("documents", "schema", "definition-content", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert shown["title"] == "definition-content"


def test_a_diff_shows_each_value_that_changes(shell):
    """A row for each, with its place in the document, what is there, and what would be."""
    content = {"schema_version": 1, "preamble": "before", "template": "", "dimensions": []}
    row = {"key": "k", "name": "n", "content": content}
    path = shell.folder / "definitions.json"
    path.write_text(json.dumps({"table": "definitions", "rows": [row]}))
    shell("seed", "--file", "definitions.json")
    row["content"] = {**content, "preamble": "after"}
    path.write_text(json.dumps({"table": "definitions", "rows": [row]}))
    line = next(line for line in shell("seed", "--file", path, "--diff").stdout.splitlines() if "preamble" in line)
    assert line.split() == ["definitions", "k", "update", "content.preamble", "before", "after"]
