"""The command line, driven as a process in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nursery
import pytest


class Shell:
    """Runs ``datapkg`` in a folder of its own.

    Attributes:
        folder: where it runs.
        environment: what it sees; no database is named there.
    """

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "DATAPKG_FAILPOINT")
        }

    def __call__(self, *args, expect=0, stdin="", **environment):
        """Run a command, check its exit code, and return what it printed."""
        words, surroundings = list(map(str, args)), {**self.environment, **environment}
        if any(name.startswith("PYTHON") and value != os.environ.get(name) for name, value in surroundings.items()):
            result = subprocess.run(
                [sys.executable, "-m", "datapkg", *words],
                cwd=self.folder,
                env=surroundings,
                input=stdin,
                capture_output=True,
                text=True,
            )
        else:
            result = nursery.run(words, cwd=self.folder, env=surroundings, stdin=stdin)
        assert result.returncode == expect, f"{result.returncode}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    def json(self, *args, **options):
        """Run a command with --json and return what it printed, parsed."""
        return json.loads(self(*args, "--json", **options).stdout)

    def refusal(self, *args, **options):
        """Run a command that is refused with --json and return the one object on stderr."""
        result = self(*args, "--json", **{"expect": 1, **options})
        assert result.stdout == ""
        return json.loads(result.stderr)


@pytest.fixture
def shell(tmp_path):
    """A shell in an empty folder."""
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """A database file with the demo, as ``datapkg seed`` makes it in an empty folder."""
    folder = tmp_path_factory.mktemp("seeded")
    Shell(folder)("seed")
    assert [path.name for path in folder.iterdir()] == ["datapkg.db"]
    return folder / "datapkg.db"


@pytest.fixture
def demo(shell, seeded):
    """A shell in a folder whose database has the demo."""
    shutil.copy(seeded, shell.folder)
    return shell
