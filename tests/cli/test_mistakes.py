"""What was mistyped, and what goes wrong unexpectedly: which name was meant, where it belongs, and no traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["evalution"], 2, "No such command 'evalution'. Did you mean 'evaluation'?"),
        (["queue", "lst"], 2, "No such command 'lst'. Did you mean 'list'?"),
        (["xyzzy"], 2, "No such command 'xyzzy'."),
        (["status", "--chek"], 2, "No such option '--chek'. Did you mean '--check'?"),
        (["status", "--xyzzy"], 2, "No such option '--xyzzy'."),
        (["--log-levl", "debug", "status"], 2, "Did you mean '--log-level'?"),
        (["status", "--database", "x"], 2, "It stands before the command: datapkg --database URL status."),
        (["queue", "list", "--quiet"], 2, "It stands before the command: datapkg --quiet queue list."),
        (["queue", "list", "--status", "pendng"], 2, "Did you mean 'PENDING'?"),
        (["planning", "set-mode", "x", "TOKN", "--actor", "me"], 2, "Did you mean 'TOKEN'?"),
        (["seed", "--domain", "planing"], 1, "Did you mean 'planning'?"),
        (["seed", "--profile", "bsae"], 1, "Did you mean 'base'?"),
        (["dump", "--domain", "evalution", "x.zip"], 1, "Did you mean 'evaluation'?"),
        (["migrate", "--to", "003_acounts"], 1, "Did you mean '003_accounts'?"),
        (["migrate", "--domain", "datpkg"], 1, "Did you mean 'datapkg'?"),
        (["documents", "schema", "definition-contnt"], 1, "Did you mean 'definition-content'?"),
        (["planning", "balance", "Website relauch"], 1, "Did you mean 'Website relaunch'?"),
        (["retention", "plan", "--policy", "post"], 1, "Did you mean 'posts'?"),
        (["retention", "plan", "--keep", "kpi=30d"], 1, "Did you mean 'kpi_metrics'?"),
        (["--database", "postgres1://me:hunter2@host/app", "status"], 1, "Did you mean 'postgres'?"),
        (["--database", "sqllite:///x.db", "status"], 1, "Did you mean 'sqlite'?"),
        (["--database", "datapkg.db", "status"], 1, "Did you mean sqlite:///datapkg.db?"),
        (["--database", "sqlite:/datapkg.db", "status"], 1, "Did you mean sqlite:///datapkg.db?"),
        (["copy", "env:NO_SUCH", "sqlite:///x.db"], 2, "The environment variable 'NO_SUCH' is not set."),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_what_was_meant_is_said(demo, arguments, code, said):
    """As text and as JSON, and no password with it; nothing is made."""
    before = sorted(path.name for path in demo.folder.iterdir())
    shown = demo(*arguments, expect=code)
    assert said in shown.stderr and shown.stdout == "" and "hunter2" not in shown.stderr
    envelope = json.loads(demo("--json", *arguments, expect=code).stderr)
    assert said in envelope["why"] + envelope["fix"]
    assert sorted(path.name for path in demo.folder.iterdir()) == before


def test_sentences_count_in_words(demo):
    """One entry, one row, one document; never one entries."""
    assert "1 document upgraded." in demo("documents", "upgrade").stdout
    assert "0 documents upgraded." in demo("documents", "upgrade").stdout
    assert "0 entries are as they were recorded." in demo("audit", "verify").stdout
    demo("dump", "--domain", "flags", "flags.zip")
    scenario = "Website relaunch, smaller"
    demo("planning", "set-mode", scenario, "LEGACY", "--actor", "me")
    code = "from datapkg import audit, connect; connect('sqlite:///datapkg.db'); "
    code += "audit.record('x', entity_id='1', action='y', actor='z')"
    subprocess.run([sys.executable, "-c", code], cwd=demo.folder, env=demo.environment, check=True)
    assert "1 entry is as it was recorded." in demo("audit", "verify").stdout


UNSOUND = """
import click
from datapkg.cli import command

@command()
def unsound():
    '''Fail.'''
    raise KeyError("first line\\nsecond line")
"""


def test_what_nobody_expected_is_one_line_unless_asked(shell):
    """Exit code 1; the traceback is in the log, at the level debug."""
    site = shell.folder / "site"
    info = site / "unsound-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "unsound_commands.py").write_text(UNSOUND)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unsound\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[datapkg.commands]\nunsound = unsound_commands:unsound\n")
    shell.environment["PYTHONPATH"] = str(site)
    lines = shell("unsound", expect=1).stderr.splitlines()
    assert len(lines) == 3 and lines[0].startswith("error: KeyError: ") and "--log-level debug" in lines[1]
    refusal = shell.refusal("unsound")
    assert refusal["code"] == "unexpected" and "KeyError" in refusal["why"]
    done = subprocess.run(
        [sys.executable, "-m", "datapkg", "--log-level", "debug", "unsound"],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and 'unsound_commands.py", line 8' in done.stderr
