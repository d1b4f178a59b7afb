"""The package in examples/bookshelf, installed as anybody's would be, is served like a built-in domain."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from datapkg.testing import POSTGRES_URL_VARIABLE
from datapkg.testing.databases import PostgresServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "bookshelf"
ISBN, READER = "9780141182704", "dev@example.com"
LENT, BACK = (rf'"isbn": "{ISBN}"[^}}]*"lent": {there}' for there in ("true", "false"))

# Many commands in one process, because starting one takes longer than most of them do.
MANY = """
import contextlib, io, json, sys
from datapkg.cli import main

ended = []
for command in json.load(sys.stdin):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main(command)
        except SystemExit as stop:
            ended.append([stop.code, printed.getvalue()])
json.dump(ended, sys.stdout)
"""


class Installed:
    """The example, built from its sources and installed into a folder that only the processes started here see.

    Attributes:
        source: a copy of its sources, because a build leaves files there.
        folder: where the processes run.
    """

    def __init__(self, folder: Path) -> None:
        self.source, self.folder = folder / "source", folder
        shutil.copytree(EXAMPLE, self.source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        dropped = (POSTGRES_URL_VARIABLE, "DATABASE_URL", "PYTEST_ADDOPTS", "PYTHONPATH")
        self.environment = {
            name: value for name, value in os.environ.items() if name not in dropped and "XDIST" not in name
        }
        offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
        self("-m", "pip", "install", "--quiet", *offline, "--target", "site", "./source")
        self.environment["PYTHONPATH"] = str(folder / "site")

    def __call__(self, *args: str, stdin: str = "", **environment: str) -> str:
        """Run Python and return what it printed."""
        result = subprocess.run(
            [sys.executable, *args],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def commands(self, expected: Mapping[str, str]) -> None:
        """Run commands in order, and look for a pattern in what each prints; ``!`` is before one that is refused."""
        ended = json.loads(self("-c", MANY, stdin=json.dumps([line.lstrip("! ").split() for line in expected])))
        for (line, pattern), (code, printed) in zip(expected.items(), ended, strict=True):
            assert (code, bool(re.search(pattern, printed))) == (line.startswith("!"), True), f"{line}: {printed}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The example, installed."""
    return Installed(tmp_path_factory.mktemp("bookshelf"))


def test_it_is_served_like_a_built_in_domain(installed: Installed, postgres_server: PostgresServer) -> None:
    """Migrated, seeded, upgraded, dumped, loaded, copied both ways, backed up, and with commands of its own."""
    new = "--database sqlite:///new.db"
    with postgres_server.new_database() as server:
        installed.commands(
            {
                "--help": r"bookshelf +Look at the bookshelf",
                "seed --profile demo": r"loan_events +1",
                "status": r"bookshelf: 001_bookshelf +applied",
                "bookshelf list": r"A\. Writer, B\. Translator",
                f"!bookshelf lend {ISBN} {READER}": r"is lent already",
                "documents upgrade": r"2 documents upgraded",  # a book of the demo, and a definition
                "seed --profile demo --json": r'"changed": false',
                "dump all.zip": r"rows in all\.zip",
                f"copy sqlite:///datapkg.db {server}": r"rows copied",
                f"--database {server} dump server.zip": r"rows in server\.zip",
                f"--database {server} bookshelf return {ISBN} {READER}": r"is returned by",
                f"copy {server} sqlite:///back.db": r"rows copied",
                "--database sqlite:///back.db bookshelf list --json": BACK,
                f"{new} load all.zip": r"rows loaded",
                f"{new} backup new.backup": r"bookshelf: 001_bookshelf",
                f"{new} bookshelf return {ISBN} {READER}": r"is returned by",
                f"{new} restore new.backup": r"Restored",
                f"{new} bookshelf list --json": LENT,
                f"{new} rollback --domain bookshelf": r"001_bookshelf",
                f"{new} migrate": r"001_bookshelf",
            }
        )
    # The same rows make the same archive on either engine, bit for bit.
    assert (installed.folder / "all.zip").read_bytes() == (installed.folder / "server.zip").read_bytes()


def test_its_own_tests_pass_on_both_engines(installed: Installed, postgres_server: PostgresServer) -> None:
    """As its author runs them: with the fixtures that datapkg brings, and no set-up."""
    settings = ("--rootdir=source", "-c", "source/pyproject.toml", "-p", "no:cacheprovider")
    shown = installed("-m", "pytest", "-q", *settings, "source", **{POSTGRES_URL_VARIABLE: postgres_server.url})
    assert re.search(r"^19 passed in", shown, re.MULTILINE), shown
