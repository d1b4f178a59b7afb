"""Passwords that no command line shows: from libpq's own variables and file, and from a URL in the environment."""

from __future__ import annotations

from datapkg.kit.database import open_database, release
from datapkg.testing.server import EmbeddedPostgres


def test_a_password_need_not_stand_in_a_url(shell):
    """PGPASSWORD and .pgpass serve every command, pg_dump's too; env:NAME is a URL from the environment."""
    with EmbeddedPostgres() as server:
        shell("--database", server.url, "migrate")
        url = server.url
        hba = server.folder / "data" / "pg_hba.conf"
        shell.environment["PGPASSFILE"] = str(shell.folder / "none")  # not that of whoever runs the tests
        database = open_database(url)
        database.execute_sql("ALTER ROLE postgres PASSWORD 'hunter2'")
        hba.write_text("local all all scram-sha-256\n")
        database.execute_sql("SELECT pg_reload_conf()")
        release(database)
        assert shell.refusal("--database", url, "status")["code"] == "database_unavailable"
        assert shell.json("--database", url, "status", PGPASSWORD="hunter2")["state"] == "current"
        passwords = shell.folder / "pgpass"
        passwords.write_text("*:*:*:postgres:hunter2\n")
        passwords.chmod(0o600)
        shell.environment["PGPASSFILE"] = str(passwords)
        assert shell.json("--database", url, "status")["state"] == "current"
        shell("--database", url, "backup", "whole.backup")
        shell("--database", "sqlite:///source.db", "seed", "--profile", "base")
        assert shell.json("copy", "env:SOURCE", "env:TARGET", SOURCE="sqlite:///source.db", TARGET=url)["rows"] > 0
    assert "hunter2" not in (shell.folder / "whole.backup").read_bytes().decode("latin-1")
