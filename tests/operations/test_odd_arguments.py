"""Arguments that nobody should give, and what is left behind: typed errors with a way out, and a guard that holds."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

import datapkg
from datapkg.errors import EnvironmentGuardError, MigrationError, StorageError, ValidationError
from datapkg.kit.database import current
from datapkg.kit.dialect.base import quote
from datapkg.operations import retention
from datapkg.operations.migrations import cloning


def test_production_is_left_only_on_purpose(db):
    """The stamp guards everything else, so it comes off with the same words; giving it again is free."""
    datapkg.set_environment("production")
    assert datapkg.set_environment("production") == "production"
    with pytest.raises(EnvironmentGuardError, match="--i-know-this-is production"):
        datapkg.set_environment("development")
    with pytest.raises(EnvironmentGuardError):
        datapkg.set_environment("staging", i_know_this_is="staging")
    assert datapkg.environment() == "production"
    assert datapkg.set_environment("staging", i_know_this_is="production") == "staging"
    assert datapkg.set_environment("development") == "development"


@pytest.mark.parametrize("path", [None, 7, "a\0b", "\ud800", b"x\0"])
@pytest.mark.datapkg_engines("sqlite")
def test_paths_that_are_none(db, path):
    """A load and a new migration refuse them by name."""
    with pytest.raises(ValidationError, match="Not a valid path"):
        datapkg.load(path)
    if path is not None:  # which is the history's own folder
        with pytest.raises(MigrationError, match="is no folder"):
            datapkg.create_migration("first", folder=path)


@pytest.mark.datapkg_engines("sqlite")
def test_a_folder_that_cannot_hold_migrations(db, tmp_path):
    """A file, or below a file; one that is not there yet is made."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(MigrationError, match="cannot be written"):
            datapkg.create_migration("first", folder=folder)
    assert datapkg.create_migration("first", folder=tmp_path / "new" / "folder").is_file()


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1, "60", None, True, 10**9])
def test_timeouts_that_no_engine_takes(db, tmp_path, seconds):
    """Refused by name before anything is done."""
    for call in (
        lambda: datapkg.migrate(lock_timeout=seconds),
        lambda: datapkg.rollback(lock_timeout=seconds),
        lambda: datapkg.restore(tmp_path / "none", lock_timeout=seconds),
    ):
        with pytest.raises(ValidationError) as caught:
            call()
        assert list(caught.value.errors) == ["lock_timeout"]


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.datapkg_commits
def test_a_folder_without_an_archive(db, tmp_path):
    """It is not the disk's fault: the error names the archives that lie in it, if there are any."""
    with pytest.raises(StorageError, match="There is no archive in") as caught:
        retention.restore(tmp_path)
    assert "Free some space" not in caught.value.fix
    with pytest.raises(StorageError, match="There is no archive in"):
        retention.restore(tmp_path / "none")
    (tmp_path / "posts-2026").mkdir()
    (tmp_path / "posts-2026" / "manifest.json").touch()
    with pytest.raises(StorageError) as caught:
        retention.restore(tmp_path)
    assert caught.value.fix == "Name the folder of one: posts-2026."


@pytest.mark.datapkg_commits
def test_clones_of_a_killed_rehearsal_are_removed_after_a_day(db, monkeypatch):
    """The next rehearsal does it; one that is younger may still be in use, and another name is none of ours."""
    now, mine = int(time.time()), f"datapkg_left_{os.getpid()}_"
    monkeypatch.setattr(cloning, "CLONE_PREFIX", mine)  # so that nobody else's tests see them
    old, new, others = f"{mine}{now - 100_000}_00c0ffee", f"{mine}{now - 10_000}_00c0ffee", f"{mine}2024_sales"
    if current().dialect.name == "sqlite":
        places = [Path(tempfile.gettempdir()) / name for name in (old, new, others)]
        for place in places:
            place.mkdir()
            (place / "clone.db").touch()
        with cloning.cloned(current()):
            assert [place.exists() for place in places] == [False, True, True]
        for place in places[1:]:
            shutil.rmtree(place)
    else:
        other = current().twin(60)
        for name in (old, new, others):
            other.execute_sql(f"CREATE DATABASE {quote(name)} TEMPLATE template0")
        with cloning.cloned(current()):
            left = other.fetch("SELECT datname FROM pg_database WHERE datname IN (%s, %s, %s)", (old, new, others))
            assert {name for (name,) in left} == {new, others}
        for name in (new, others):
            other.execute_sql(f"DROP DATABASE {quote(name)}")
        other.close()
