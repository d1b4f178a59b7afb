"""Dump, load and copy that are killed, or run at once: nothing is lost or doubled, and the next run ends right."""

from __future__ import annotations

import threading

import pytest
from killing import killed
from moving_samples import contents

import datapkg
from datapkg import audit
from datapkg.errors import ConflictError, CopyError
from datapkg.kit.database import open_database, override, release
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations.moving.unfinished import copying
from datapkg.testing import factories

LOAD = [name for name in FAILPOINTS if name.startswith("load.") and name != "load.upgraded"]  # see test_dumps
LOAD.insert(1, "load.mid_write:20")
# In the order in which one copy reaches them, so that each run goes on from where the one before was killed.
COPY = [name for name in FAILPOINTS if name.startswith("copy.")]
COPY[-1:-1] = ["copy.mid_batch:3", "copy.after_batch:4"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The URL of a small SQLite file."""
    url = f"sqlite:///{tmp_path_factory.mktemp('small') / 'small.db'}"
    with datapkg.using(url):
        factories.make_definition_tree(depth=3)
        for name in "abcdefgh":
            factories.make_flag(name)
            factories.make_audit_entry()
    return url


def seen(url):
    """What a database holds, whatever a copy says about it."""
    database = open_database(url)
    try:
        return contents(database)
    finally:
        release(database)


def test_a_killed_dump_leaves_the_archive_that_was_there(source, tmp_path):
    """Nobody ever sees half of one."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"yesterday's")

    def dump():
        with datapkg.using(source):
            datapkg.dump(path, overwrite=True)

    killed("dump.before_rename", dump)
    assert path.read_bytes() == b"yesterday's"
    dump()
    with datapkg.using("sqlite:///:memory:"):
        assert datapkg.load(path).rows > 20


@pytest.mark.datapkg_commits
def test_a_killed_load_has_replaced_everything_or_nothing(db, datapkg_url, source, tmp_path):
    """Killed at each point, the rows are those from before until the commit, and those of the archive after it."""
    path = tmp_path / "a.zip"
    with datapkg.using(source):
        datapkg.dump(path)
        after = contents()
    factories.make_flag("mine")
    before = contents()

    def load():
        with datapkg.using(datapkg_url):
            datapkg.load(path, replace=True)

    for failpoint in LOAD:
        killed(failpoint, load)
        assert contents() == (after if failpoint == "load.after_commit" else before), failpoint
    load()
    assert contents() == after and audit.verify_chain().ok


def test_a_copy_killed_at_every_point_ends_like_one_that_was_not(new_url, source):
    """Each run goes on where the last was killed; until the end nobody can connect to the target."""
    target, wanted = new_url(), seen(source)
    rows = 0
    for failpoint in COPY:
        killed(failpoint, lambda: datapkg.copy(source, target, batch_size=2))
        database = open_database(target)
        try:
            assert (copying(database) is None) == (failpoint == "copy.preflighted"), failpoint
            there = 0 if failpoint in ("copy.preflighted", "copy.noted") else contents(database)
        finally:
            release(database)
        if there:
            count = sum(each.rows for each in there.values())
            assert count >= rows, failpoint
            rows = count
            with pytest.raises(CopyError, match="not finished"), datapkg.using(target):
                pass
    assert rows == sum(each.rows for each in wanted.values())
    report = datapkg.copy(source, target)
    assert report.resumed and report.as_dict()["resumed"] and "gone on with" in str(report)
    assert seen(target) == wanted


@pytest.mark.datapkg_commits
def test_of_loads_and_copies_at_once_one_fills_the_target(db, datapkg_url, source, tmp_path):
    """Two loads and a copy begin together: the rows are there once, and the others are refused with nothing changed."""
    path = tmp_path / "a.zip"
    with datapkg.using(source):
        datapkg.dump(path, with_secrets=True)
    wanted, ends, together = seen(source), [], threading.Barrier(3)

    def attempt(move):
        together.wait()
        try:
            ends.append(move())
        except (ConflictError, CopyError) as error:
            ends.append(error)

    def load():
        database = open_database(datapkg_url)
        try:
            with override(database):
                return datapkg.load(path)
        finally:
            release(database)

    moves = (load, load, lambda: datapkg.copy(source, datapkg_url, batch_size=2))
    threads = [threading.Thread(target=attempt, args=(move,)) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 3 and sum(not isinstance(end, Exception) for end in ends) == 1, ends
    assert seen(datapkg_url) == wanted
