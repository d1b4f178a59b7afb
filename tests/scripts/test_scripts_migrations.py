"""A later migration can still change the store's gated and immutable tables, and they stay what they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datapkg import scripts
from datapkg.errors import WriteGateError
from datapkg.kit.database import current, transaction
from datapkg.operations import migrations
from datapkg.operations.migrations import files
from datapkg.testing.factories import make_script

LATER = """
from datapkg.kit.fields import TextField


def migrate(migrator, database, *, fake=False):
    for table in ("script_commands", "script_versions", "script_elements", "script_pages"):
        migrator.add_fields(table, note=TextField(null=True))
        migrator.add_fields(table, origin=TextField(default="here"))


def rollback(migrator, database, *, fake=False):
    for table in ("script_commands", "script_versions", "script_elements", "script_pages"):
        migrator.remove_fields(table, "note", "origin")
"""
TABLES = ("script_commands", "script_versions", "script_elements", "script_pages")


def refused(statement):
    """Try a statement as anybody might."""
    with pytest.raises(WriteGateError), transaction():
        current().change(statement, ())


@pytest.mark.datapkg_commits
def test_columns_are_added_to_tables_with_rows_and_taken_away_again(db, tmp_path, monkeypatch):
    """One without and one with a value for the rows that are there; gates and history hold before and after."""
    folder = tmp_path / "migrations"
    shutil.copytree(Path(str(files.package_files("datapkg._migrations"))), folder)
    monkeypatch.setattr(files, "package_files", lambda package: folder)
    script = make_script(text="a\nb\n", commands=3)
    scripts.revert(script.id, to_sequence=1)
    page = {"command_type": "START_PAGE", "position": 1}
    scripts.append(script.id, commands=[page], expected_sequence=5, actor_type="USER")
    before = {table: current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in TABLES}
    (folder / "998_later.py").write_text(LATER, encoding="utf-8")
    migrations.migrate()
    for table in TABLES:
        rows = current().fetch(f"SELECT note, origin FROM {table}", ())
        assert rows == [(None, "here")] * before[table]
        refused(f"UPDATE {table} SET note = 'x'")
        refused(f"DELETE FROM {table}")
    refused("INSERT INTO script_versions SELECT * FROM script_versions")
    assert scripts.verify().ok
    migrations.rollback()
    assert scripts.verify().ok
    for table in TABLES:
        refused(f"DELETE FROM {table}")
    command = {"command_type": "SET_TITLE", "title": "goes on"}
    scripts.append(script.id, commands=[command], expected_sequence=6, actor_type="USER")
    assert scripts.verify().ok
