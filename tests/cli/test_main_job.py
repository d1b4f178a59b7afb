"""The commands a newcomer types, in the order of the README."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def server_url(postgres_server):
    """The URL of an empty database on a server."""
    with postgres_server.new_database() as url:
        yield url


def test_seed_makes_a_database_and_prints_what_it_made(shell):
    """In an empty folder it creates datapkg.db, migrates it, loads the demo and shows a table; again: nothing."""
    first = shell("seed").stdout
    assert (shell.folder / "datapkg.db").exists()
    for table in ("users", "feature_flags", "definitions"):
        assert table in first
    assert "demo" in first
    before = (shell.folder / "datapkg.db").read_bytes()
    assert "Nothing to change" in shell("seed").stdout
    assert (shell.folder / "datapkg.db").read_bytes() == before
    assert shell.json("health")["state"] == "ok"
    assert "current" in shell("status", "--check").stdout


def test_a_server_is_migrated_on_purpose_and_gets_base(shell, server_url):
    """An empty server database is refused with what to run; then migrate, seed (base), status and health work."""
    url = server_url
    refusal = shell.refusal("--database", url, "seed")
    assert refusal["code"] == "schema_outdated"
    assert "datapkg migrate" in refusal["fix"]
    assert shell("--database", url, "status", "--check", expect=3)
    assert shell.json("--database", url, "health", expect=3)["state"] == "unmigrated"
    assert "001_audit" in shell("--database", url, "migrate").stdout
    assert "Nothing to migrate" in shell("--database", url, "migrate").stdout
    seeded = shell.json("--database", url, "seed")
    assert [row["table"] for row in seeded["tables"]] == ["feature_flags", "skill_pools"]
    assert shell.json("--database", url, "health")["state"] == "ok"
    assert shell.json("seed", DATABASE_URL=url)["changed"] is False


def test_looking_never_creates_a_file(shell):
    """status, health and migrate --plan leave an empty folder empty."""
    shell("status")
    shell("status", "--check", expect=3)
    shell("health", expect=3)
    plan = shell("migrate", "--plan").stdout
    assert "CREATE TABLE" in plan
    assert "-- additive" in plan
    assert list(shell.folder.iterdir()) == []


def test_migrate_to_and_rollback(shell):
    """Up to one migration, then the rest, then back."""
    assert "001_audit" in shell("migrate", "--to", "002").stdout
    status = shell.json("status")
    assert (status["state"], len(status["applied"])) == ("behind", 2)
    assert shell.refusal("seed")["code"] == "schema_outdated"
    shell("migrate")
    rolled = shell.json("rollback", "--count", "2")["rolled_back"]
    assert len(rolled) == 2
    assert shell.json("status")["state"] == "behind"
    shell("migrate")
    shell("environment", "production")
    assert shell.refusal("rollback")["code"] == "environment_guard"
    shell("rollback", "--i-know-this-is", "production")


def test_production_refuses_demo_data(shell):
    """The stamp is shown and kept; base may be seeded, demo not without a word."""
    shell("migrate")
    assert shell("environment").stdout.strip() == "development"
    assert shell.json("environment", "production") == {"environment": "production"}
    assert shell.json("seed", "--profile", "base")["changed"] is True
    refusal = shell.refusal("seed", "--profile", "demo")
    assert refusal["code"] == "environment_guard"
    assert "--i-know-this-is production" in refusal["fix"]
    assert shell.json("seed", "--profile", "demo", "--i-know-this-is", "production")["changed"] is True


def test_seed_files_and_diff(shell):
    """A file of one's own: what would change, then the change, then nothing."""
    (shell.folder / "flags.json").write_text(json.dumps({"table": "feature_flags", "rows": [{"key": "beta"}]}))
    shell("migrate")
    diff = shell("seed", "--file", "flags.json", "--diff").stdout
    assert "beta" in diff
    assert "Nothing was written" in diff
    assert shell.json("seed", "--file", "flags.json")["changes"] == [
        {"table": "feature_flags", "key": "beta", "action": "insert", "changes": ""}
    ]
    (shell.folder / "flags.json").write_text('{"table": "feature_flags", "rows": [{"key": "beta", "enabled": 3}]}')
    refusal = shell.refusal("seed", "--file", "flags.json")
    assert refusal["code"] == "seed"
    assert list(refusal["meta"]["problems"]) == ["flags.json row 1, enabled"]


def test_documents_are_counted_upgraded_and_described(shell):
    """The demo's old document is counted, rewritten, and then there is none."""
    shell("seed")
    states = {(row["column"], row["state"]): row["rows"] for row in shell.json("documents", "status")}
    assert states[("definitions.content", "old")] == 1
    assert shell.json("documents", "upgrade") == {"upgraded": 1, "skipped": 0, "refused": [], "refused_count": 0}
    assert "old" not in {row["state"] for row in shell.json("documents", "status")}
    schema = json.loads(shell("documents", "schema", "definition-content").stdout)
    assert schema == shell.json("documents", "schema", "definition-content")
    assert "preamble" in schema["properties"]
    assert shell.refusal("documents", "schema", "nothing")["code"] == "not_found"


def test_the_first_admin_is_made_once(shell):
    """The password is asked for, or taken from the environment; a second first admin is refused."""
    shell("migrate")
    made = shell(
        "user", "bootstrap-admin", "Me@Example.com", "--json", DATAPKG_ADMIN_PASSWORD="correct horse battery"
    ).stdout
    assert json.loads(made)["email"] == "me@example.com"
    assert json.loads(made)["role"] == "ADMIN"
    assert "argon2" not in made
    refusal = shell.refusal("user", "bootstrap-admin", "b@example.com", DATAPKG_ADMIN_PASSWORD="correct horse battery")
    assert refusal["code"] != "usage"
    weak = shell.refusal("user", "bootstrap-admin", "c@example.com", DATAPKG_ADMIN_PASSWORD="short")
    assert "short" not in json.dumps(weak).replace("shorter", "")
