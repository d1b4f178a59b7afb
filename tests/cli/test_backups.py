"""``datapkg backup`` and ``datapkg restore`` as processes: what they print, JSON, exit codes."""

from __future__ import annotations

import pytest


@pytest.fixture
def app(shell):
    """A shell with a database stamped as production."""
    shell.environment["DATABASE_URL"] = "sqlite:///app.db"
    shell("migrate")
    shell("environment", "production")
    return shell


def test_backup_and_restore(app):
    """There and back; production asks twice, a file is not replaced by chance, and every refusal says what to do."""
    made = app.json("backup", "monday.backup")
    assert made["path"] == str(app.folder / "monday.backup") and made["environment"] == "production"
    refused = app.refusal("backup", "monday.backup")
    assert refused["code"] == "validation" and "--overwrite" in refused["fix"]
    assert "tables" in app("backup", "monday.backup", "--overwrite").stdout
    refused = app.refusal("restore", "monday.backup")
    assert refused["code"] == "environment_guard" and "--i-know-this-is production" in refused["fix"]
    done = app("restore", "monday.backup", "--i-know-this-is", "production")
    assert "the environment is production" in done.stdout and done.stderr == ""
    (app.folder / "monday.backup").write_bytes(b"no backup")
    assert app.refusal("restore", "monday.backup", "--i-know-this-is", "production")["code"] == "archive"
    assert app("restore", "monday.backup", "--lock-timeout", "soon", expect=2).stderr
    assert app.refusal("--database", "sqlite:///none.db", "backup", "b")["code"] == "database_unavailable"
    assert not (app.folder / "none.db").exists() and not (app.folder / "b").exists()
