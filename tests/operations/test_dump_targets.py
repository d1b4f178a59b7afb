"""What a dump may not be written over, and what a load may not take away."""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from contextlib import closing

import pytest

import datapkg
from datapkg import accounts, scripts
from datapkg.accounts import User
from datapkg.errors import ArchiveError, ConflictError, ValidationError
from datapkg.testing import factories

PASSWORD = "correct horse battery"


@pytest.mark.datapkg_engines("sqlite")
def test_a_dump_replaces_no_database_and_nothing_but_a_file(new_url, tmp_path):
    """The database itself by any name, another database, a folder, a device, what is no path: refused and untouched."""
    url = new_url()
    own = url.removeprefix("sqlite:///")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    (tmp_path / "link.zip").symlink_to(own)
    with datapkg.using(url, migrate=True):
        factories.make_user()
        for path in (own, own + "-wal", tmp_path / "link.zip", other, tmp_path, "/dev/full", "", "a\0b", None):
            for overwrite in (False, True):
                with pytest.raises(ValidationError):
                    datapkg.dump(path, overwrite=overwrite)
        assert datapkg.health().ok and User.select().count() == 1
        (tmp_path / "notes.txt").write_text("keep me")
        with pytest.raises(ValidationError, match=r"is there already.*--overwrite"):
            datapkg.dump(tmp_path / "notes.txt")
        assert (tmp_path / "notes.txt").read_text() == "keep me"
        datapkg.dump(tmp_path / "right.zip")
        datapkg.dump(tmp_path / "right.zip", overwrite=True)
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_rows_that_the_archive_does_not_speak_of_stay(db, tmp_path):
    """An archive without a table's file, and one that never had the table: neither empties it."""
    user = factories.make_user()
    scripts.record_message(user.id, role="USER", content="keep me")
    archive, cut = tmp_path / "a.zip", tmp_path / "cut.zip"
    datapkg.dump(archive, with_secrets=True)
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(cut, "w") as partly:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "manifest.json":
                data = _without(data, "chat_messages")
            if "chat_messages" not in name:
                partly.writestr(name, data)
    with pytest.raises(ArchiveError, match="chat_messages"):
        datapkg.load(cut, replace=True)
    assert [message.content for message in scripts.ChatMessage.select()] == ["keep me"]
    datapkg.load(archive, replace=True)
    assert scripts.ChatMessage.select().count() == 1


def test_production_keeps_its_credentials(db, tmp_path):
    """An archive without credentials is not loaded over those of production; one with them is."""
    user = accounts.create_user("ann@example.com", password=PASSWORD)
    bare, whole = tmp_path / "bare.zip", tmp_path / "whole.zip"
    datapkg.dump(bare)
    datapkg.dump(whole, with_secrets=True)
    datapkg.set_environment("production")
    with pytest.raises(ConflictError, match="credentials"):
        datapkg.load(bare, replace=True, i_know_this_is="production")
    assert accounts.verify_password(user.id, password=PASSWORD)
    datapkg.load(whole, replace=True, i_know_this_is="production")
    assert accounts.verify_password(user.id, password=PASSWORD)


@pytest.mark.datapkg_engines("sqlite")
def test_a_backup_is_not_put_beside_the_journal_of_another_database(new_url, tmp_path):
    """SQLite would read the journal into the backup."""
    path = tmp_path / "b.db"
    with datapkg.using(new_url(), migrate=True):
        datapkg.backup(path)
        shutil.copy(path, tmp_path / "b.db-wal")
        with pytest.raises(ValidationError, match="journal"):
            datapkg.backup(path, overwrite=True)
        (tmp_path / "b.db-wal").unlink()
        datapkg.backup(path, overwrite=True)


def _without(manifest: bytes, table: str) -> bytes:
    import json

    told = json.loads(manifest)
    told["tables"] = [each for each in told["tables"] if table not in str(each)]
    return json.dumps(told).encode()
