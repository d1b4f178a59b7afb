"""Production: a backup before anything that changes its tables, and twice asked before anything that loses data."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from moving_samples import contents, league

import datapkg
from datapkg import registry
from datapkg.errors import EnvironmentGuardError, MigrationError
from datapkg.kit.dialect.catalog import difference, read_catalog, table_names
from datapkg.testing import factories


@pytest.fixture
def grown(db, tmp_path, monkeypatch):
    """A production database with a domain that has a migration to come, and the folder of its migrations."""
    monkeypatch.setenv("DATAPKG_BACKUP_FOLDER", str(tmp_path / "kept"))
    folder = tmp_path / "league"
    league(folder)
    datapkg.migrate()
    factories.make_flag("kept")
    datapkg.set_environment("production")
    yield folder
    registry.unregister("league")


ADD = """
def migrate(migrator, database, *, fake=False):
    migrator.sql("CREATE TABLE extra (n INTEGER)")


def rollback(migrator, database, *, fake=False):
    migrator.sql("DROP TABLE extra")
"""
DROP = """
def migrate(migrator, database, *, fake=False):
    migrator.remove_model("steps")


def rollback(migrator, database, *, fake=False):
    pass
"""


@pytest.mark.datapkg_commits
def test_production_is_backed_up_before_a_migration_and_one_command_puts_it_back(grown, db, datapkg_url, tmp_path):
    """The report names the file and the command; run, the database is as it was before, the migration pending."""
    (grown / "002_more.py").write_text(ADD)
    before = contents()
    (tmp_path / "kept").write_text("a file where the folder should be")
    with pytest.raises(MigrationError, match="No backup could be made") as caught:
        datapkg.migrate()
    assert "--backup-folder" in caught.value.fix
    with pytest.raises(EnvironmentGuardError, match="without a backup"):
        datapkg.migrate(backup=False)
    assert "extra" not in table_names(db)
    (tmp_path / "kept").unlink()
    report = datapkg.migrate()
    assert report.backup is not None and report.backup.parent == tmp_path / "kept" and "extra" in table_names(db)
    command = str(report).rpartition("To put it back: ")[2]
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        env={**os.environ, "DATABASE_URL": datapkg_url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Migrations are pending" not in done.stderr, done.stderr
    assert "extra" not in table_names(db) and contents() == before
    assert datapkg.status().pending == ("league: 002_more",) or datapkg.status().state == "behind"
    assert datapkg.migrate(backup=False, i_know_this_is="production").backup is None


@pytest.mark.datapkg_commits
def test_production_asks_twice(grown, db, tmp_path):
    """What loses something there is refused unless it is said to be production, and nothing is changed."""
    datapkg.dump(tmp_path / "app.dump")
    datapkg.backup(tmp_path / "app.backup")
    (grown / "002_drop.py").write_text(DROP)
    before, shape = contents(), read_catalog(db)
    acts = {
        "migrate": lambda **known: datapkg.migrate(**known),
        "rollback": lambda **known: datapkg.rollback(history="league", **known),
        "load --replace": lambda **known: datapkg.load(tmp_path / "app.dump", replace=True, **known),
        "restore": lambda **known: datapkg.restore(tmp_path / "app.backup", **known),
        "seed --profile demo": lambda **known: datapkg.seed(profile="demo", **known),
    }
    for name, act in acts.items():
        for known in ({}, {"i_know_this_is": "staging"}):
            with pytest.raises(EnvironmentGuardError) as caught:
                act(**known)
            assert name.partition(" ")[0] in caught.value.why and "--i-know-this-is" in caught.value.fix
    assert contents() == before and difference(shape, read_catalog(db)) == [] and not (tmp_path / "kept").exists()
    assert acts["restore"](i_know_this_is="production").environment == "production"
    assert acts["migrate"](i_know_this_is="production").backup.exists() and "steps" not in table_names(db)
    assert acts["rollback"](i_know_this_is="production").backup.exists()
    acts["seed --profile demo"](i_know_this_is="production")


INDEX = """
def migrate(migrator, database, *, fake=False):
    migrator.add_index("players", "fee", concurrently=True)


def rollback(migrator, database, *, fake=False):
    migrator.drop_index("players", "fee")
"""


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_an_index_is_built_concurrently_after_the_backup(grown, db):
    """The backup leaves no snapshot behind that the index would wait for."""
    (grown / "002_index.py").write_text(INDEX)
    assert datapkg.migrate().backup.exists()
    assert "ix_players_fee" in read_catalog(db).tables["players"].indexes
