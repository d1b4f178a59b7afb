"""Retention that is killed, starved, tampered with, or run twice at once: nothing is lost, and nothing is doubled."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from retention_samples import CHILDREN, NOW, count, fill, make_author, make_escalation, make_post, state

from datapkg import audit, retention
from datapkg.engagement.models import Post
from datapkg.engagement.oversight_models import Escalation
from datapkg.errors import (
    ConflictError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    InvalidTransitionError,
    StorageError,
)
from datapkg.kit.database import override
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations.bookkeeping import Archive, Setting
from datapkg.operations.retention.archives import write_sealed

# The third archive is the audit log's; before its one batch come those of three months and of one quarter.
APPLY = [name for name in FAILPOINTS if name.startswith("retention.") and "restore" not in name]
APPLY += ["retention.mid_delete:5", "retention.after_record:3", "retention.after_delete:3"]
RESTORE = [name for name in FAILPOINTS if name.startswith("retention.") and "restore" in name]

STARVED = """
import datetime as dt, resource, sys, datapkg
from datapkg import retention
from datapkg.errors import StorageError
datapkg.connect(sys.argv[1])
def limit(count):  # the first rows are written by now, and the database need not grow any more
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    retention.apply(sys.argv[2], now=dt.datetime.fromisoformat(sys.argv[3]), progress=limit)
except StorageError as error:
    print(error.why)
"""


@pytest.fixture
def kill(datapkg_url):
    """Another process archives (until an instant) or restores a folder, and is killed at a failpoint on the way."""
    environment = {key: value for key, value in os.environ.items() if key != "DATAPKG_FAILPOINT"}
    with subprocess.Popen(
        [sys.executable, "-c", CHILDREN, datapkg_url],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as children:

        def run(folder, what, failpoint):
            children.stdin.write(json.dumps([str(folder), what, failpoint]) + "\n")
            children.stdin.flush()
            assert int(children.stdout.readline()) == -signal.SIGKILL, failpoint

        yield run
        children.stdin.close()


def rows_in(folder):
    """How many rows the archives in a folder hold, by table."""
    found = {}
    for path in folder.glob("[!.]*/manifest.json"):
        for name, number in json.loads(path.read_text("utf-8"))["rows"].items():
            found[name] = found.get(name, 0) + number
    return found


@pytest.mark.datapkg_commits
def test_a_kill_at_any_point_loses_and_doubles_nothing(db, kill, tmp_path):
    """After each kill the next run finishes: every row is in one archive and no table, and all come back."""
    due = len(fill(posts=120, days=150, figures=20))
    before = state(audit_below=6)
    for place, failpoint in enumerate(APPLY):
        folder = tmp_path / f"a{place}"
        sequence = audit.list_entries(limit=1)[0].sequence
        kill(folder, NOW.isoformat(), failpoint)
        assert audit.verify_chain().ok, failpoint
        if ":" in failpoint:
            assert Archive.get(Archive.status == "WRITTEN").policy == "audit_logs", failpoint
        if Archive.select().where(Archive.status != "RESTORED").count() == 0:
            assert state(audit_below=6) == before, failpoint
        report = retention.apply(folder, now=NOW)
        assert retention.plan(now=NOW, policies=["posts", "kpi_metrics"]).due == 0, failpoint
        assert audit.verify_chain().ok, failpoint
        archived = rows_in(folder)
        assert archived["posts"] == due and archived["kpi_metrics"] == 20, failpoint
        assert archived["audit_logs"] >= sequence, failpoint
        assert not list(folder.glob(".partial-*")) and Setting.get_or_none(Setting.key == "retention.writing") is None
        assert all(each.kept == {} for each in report.archives), failpoint
        for record in Archive.select().where(Archive.status == "ARCHIVED").order_by(Archive.created_at.desc()):
            retention.restore(record.folder)
        assert state(audit_below=6) == before, failpoint
        assert audit.verify_chain().archived == 0 and audit.verify_chain().ok, failpoint


@pytest.mark.datapkg_commits
def test_a_killed_restore_has_restored_nothing(db, kill, tmp_path):
    """It is one transaction; the next one restores everything."""
    fill(posts=60, days=150, figures=0)
    before = state()
    (made,) = retention.apply(tmp_path, now=NOW, policies=["posts"]).archives
    archived = state()
    for failpoint in RESTORE:
        kill(made.folder, "restore", failpoint)
        assert state() == archived and Archive.get().status == "ARCHIVED"
    retention.restore(made.folder)
    assert state() == before


@pytest.mark.datapkg_commits
def test_a_changed_byte_is_refused(db, kill, tmp_path):
    """In any file, by the run that would go on deleting and by a restore; put right, both go on."""
    fill(posts=30, days=150, figures=20)
    before = state(audit_below=6)
    kill(tmp_path, NOW.isoformat(), "retention.after_rename")
    folder = Path(Archive.get().folder)
    with pytest.raises(InvalidTransitionError, match="not finished"):
        retention.restore(folder)

    def each_changed_byte():
        for path in sorted(folder.iterdir()):
            good = path.read_bytes()
            bad = bytearray(good)
            bad[len(bad) // 2] ^= 1
            path.write_bytes(bad)
            yield path
            path.write_bytes(good)

    for path in each_changed_byte():
        with pytest.raises(StorageError, match="damaged or was changed"):
            retention.apply(tmp_path, now=NOW)
        assert state(audit_below=6) == before, path
    # A whole other manifest with the right hash of its own is not the one that was recorded either.
    manifest = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    with pytest.raises(StorageError, match="There is no archive in") as missing:
        retention.apply(tmp_path, now=NOW)
    assert missing.value.fix.startswith("Bring the archive back")
    written = {key: value for key, value in json.loads(manifest).items() if key != "sha256"}
    write_sealed(folder / "manifest.json", {**written, "made_at": "yesterday"})
    with pytest.raises(StorageError, match="not the one that was recorded"):
        retention.apply(tmp_path, now=NOW)
    (folder / "manifest.json").write_bytes(manifest)
    # Nor is one that somebody made by hand.
    shutil.copytree(folder, tmp_path / "aside")
    (one, *others) = written["files"]
    for change in (
        {"format": "other"},
        {"policy": None},
        {"policy": {**written["policy"], "table": "users"}},
        {"rows": {}},
        {"files": [{**one, "file": f"../{folder.name}/{one['file']}"}, *others]},
        {"files": [{**one, "sha256": None}]},
        {"files": [{**one, "rows": one["rows"] + 1}, *others]},
        {"files": [{**one, "columns": one["columns"][::-1]}, *others]},
        {"files": [{**one, "columns": one["columns"][1:]}, *others]},
        {"files": [{**one, "rows_of": "decisions"}, *others]},
    ):
        write_sealed(tmp_path / "aside" / "manifest.json", {**written, **change})
        with pytest.raises(StorageError, match=r"damaged or was changed|has columns that \w+ has not"):
            retention.restore(tmp_path / "aside")
    # A disk that is full by the time that it is noted what was kept, and then what was deleted: the next run notes it.
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    opened = make_escalation(post=Post.select().order_by(Post.detected_at).get())
    for message, room in (("What is kept cannot be noted", 50), ("What was deleted cannot be noted", 100)):
        seen = []

        def starve(rows, seen=seen, room=room):
            seen.append(rows)
            if sum(seen) == 2 * written["rows"]["posts"]:  # read back, and deleted
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))

        try:
            with pytest.raises(StorageError, match=message):
                retention.apply(tmp_path, now=NOW, policies=["posts"], progress=starve)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert Archive.get().status == "WRITTEN" and not (folder / "outcome.json").exists() and count("posts") > 1
    opened.delete_instance()
    happened = []

    def touch(rows):
        if not happened:  # so that there is a list of what was kept, too
            happened.append(make_post(make_author("9"), "new", days=1))
            audit.erase_details("report", entity_id="3", actor="me")

    report = retention.apply(tmp_path, now=NOW, progress=touch)
    posts = report.archives[0]
    assert posts.resumed and posts.folder == str(folder)
    archived = state(audit_below=100)
    for path in each_changed_byte():
        with pytest.raises(StorageError):
            retention.restore(folder)
        assert state(audit_below=100) == archived, path
    (folder / "outcome.json").rename(tmp_path / "outcome.json")
    with pytest.raises(StorageError, match="which rows never left"):
        retention.restore(folder)
    (tmp_path / "outcome.json").rename(folder / "outcome.json")
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert retention.restore(moved).restored["posts"] == posts.deleted["posts"]
    assert Archive.get(Archive.folder == str(folder)).status == "RESTORED"


@pytest.mark.datapkg_commits
def test_a_full_disk_deletes_nothing(db, datapkg_url, tmp_path):
    """A typed error with a fix, no half archive, and every row where it was; with room again, it goes on."""
    fill()
    if db.dialect.name == "sqlite":
        db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = state(audit_below=6)
    starved = subprocess.run(
        [sys.executable, "-c", STARVED, datapkg_url, tmp_path / "a", NOW.isoformat()], capture_output=True, text=True
    )
    assert starved.returncode == 0, starved.stderr
    assert "cannot be written: File too large" in starved.stdout
    assert state(audit_below=6) == before and Archive.select().count() == 0
    assert not list((tmp_path / "a").glob("*"))
    retention.apply(tmp_path / "a", now=NOW)
    assert not list((tmp_path / "a").glob(".partial-*")) and count("posts") < 1100


def test_a_folder_that_cannot_be_made_deletes_nothing(db, tmp_path):
    """As where a disk is read-only: the error names the folder, and nothing is noted any more."""
    fill(posts=30)
    before = state(audit_below=6)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written: Not a directory") as caught:
        retention.apply(tmp_path / "file" / "archives", now=NOW)
    assert "no row is lost" in caught.value.fix
    assert state(audit_below=6) == before and Archive.select().count() == 0
    assert Setting.get_or_none(Setting.key == "retention.writing") is None


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.datapkg_commits
def test_a_lock_that_cannot_be_made_is_no_other_run(db, tmp_path):
    """The error says what is wrong with the file, not that somebody else is at work."""
    lock = Path(f"{db.database}-retention")
    lock.mkdir()
    with pytest.raises(DatabaseUnavailableError, match="unable to open"):
        retention.apply(tmp_path / "archives", now=NOW)
    lock.rmdir()
    lock.write_bytes(b"no database at all, but as long as one" * 50)
    with pytest.raises(StorageError, match="no SQLite file"):
        retention.apply(tmp_path / "archives", now=NOW)


@pytest.mark.datapkg_commits
def test_two_at_once_do_not_meet(db, tmp_path):
    """Whoever comes second is told so, whether it archives or restores; the first goes on undisturbed."""
    fill(posts=30)
    refused = []

    def second(rows):
        if refused:
            return

        def attempt():
            with override(db):
                for act in (lambda: retention.apply(tmp_path, now=NOW), lambda: retention.restore(tmp_path)):
                    try:
                        act()
                    except DatabaseBusyError as error:
                        refused.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()

    report = retention.apply(tmp_path, now=NOW, progress=second)
    assert len(refused) == 2 and "Another process or thread" in refused[0].why
    assert len(report.archives) == 3
    assert retention.apply(tmp_path, now=NOW, policies=["posts"]).archives == ()


@pytest.mark.datapkg_commits
def test_what_others_write_meanwhile_is_kept_or_refused(db, tmp_path):
    """A post that somebody escalated is there still, and what somebody changed is in the row or in its archive."""
    due = fill(posts=1100)
    escalated, changed = [], []
    begin = threading.Event()

    def write(keys):
        begin.wait(30)
        with override(db):
            for place, key in enumerate(keys):
                if place % 2:
                    try:
                        Escalation.create(post=key, reason="SAFETY")
                    except ConflictError:
                        continue  # archived already
                    escalated.append(key)
                elif Post.update(content="changed").where(Post.id == key).execute():
                    changed.append(key)
        db.close()

    threads = [threading.Thread(target=write, args=(due[start::-7],)) for start in (len(due) - 1, len(due) - 4)]
    for thread in threads:
        thread.start()
    report = retention.apply(tmp_path, now=NOW, policies=["posts"], progress=lambda rows: begin.set())
    for thread in threads:
        thread.join()
    there = {post.id for post in Post.select(Post.id)}
    assert set(escalated) <= there and escalated
    assert Escalation.select().where(Escalation.status == "OPEN", Escalation.post.is_null()).count() == 0
    assert report.archives[0].deleted["posts"] == len(due) + (1100 - len(due)) - len(there)
    retention.restore(report.archives[0].folder)
    assert count("posts") == 1100
    assert {post.id for post in Post.select(Post.id).where(Post.content == "changed")} == set(changed)
