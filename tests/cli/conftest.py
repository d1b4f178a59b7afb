"""The command line, driven as a process in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys

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
        result = subprocess.run(
            [sys.executable, "-m", "datapkg", *map(str, args)],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
        )
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
