"""The feed of all scripts: complete, each script in order, and no late commit skipped."""

from __future__ import annotations

import threading

import pytest

from datapkg import scripts
from datapkg.errors import ValidationError
from datapkg.kit.database import transaction
from datapkg.testing.factories import make_script


def retitle(script, title):
    """Append one command."""
    sequence = scripts.get_script(script.id).current_sequence
    command = {"command_type": "SET_TITLE", "title": title}
    return scripts.append(script.id, commands=[command], expected_sequence=sequence, actor_type="USER")


def places(page):
    """Which commands a page holds."""
    return [(command.script_id, command.sequence) for command in page.commands]


def test_a_reader_goes_on_where_it_was(db):
    """Page by page, each script's commands in order; nothing new leaves the cursor as it is."""
    one, two = make_script(), make_script()
    for number in range(3):
        retitle(one, f"a{number}")
        retitle(two, f"b{number}")
    cursor, seen = 0, []
    while page := scripts.commands_since(cursor, limit=3):
        if not page.commands:
            assert page.cursor == cursor
            break
        seen += places(page)
        cursor = page.cursor
    assert sorted(seen) == sorted((script.id, number) for script in (one, two) for number in range(1, 5))
    for script in (one, two):
        assert [number for key, number in seen if key == script.id] == [1, 2, 3, 4]
    retitle(one, "late")
    assert places(scripts.commands_since(cursor)) == [(one.id, 5)]
    assert scripts.commands_since(0, limit=1).commands[0].payload["title"]


@pytest.mark.parametrize("arguments", [{"cursor": -1}, {"cursor": "1"}, {"limit": 0}, {"limit": 1001}], ids=str)
def test_bad_arguments_are_refused(db, arguments):
    """Typed, as everywhere."""
    with pytest.raises(ValidationError):
        scripts.commands_since(**arguments)


@pytest.mark.datapkg_commits
def test_a_commit_that_comes_late_is_not_skipped(db):
    """One transaction appends first and commits last; the reader has read the other meanwhile, and still gets both."""
    slow, quick = make_script(), make_script()
    cursor = scripts.commands_since().cursor
    written, may_commit = threading.Event(), threading.Event()
    if not db.dialect.for_update:
        may_commit.set()  # SQLite has one writer at a time, so its commits cannot change places

    def late():
        db.connect(reuse_if_open=True)
        try:
            with transaction():
                retitle(slow, "appended first, committed last")
                written.set()
                assert may_commit.wait(timeout=30)
        finally:
            db.close()

    worker = threading.Thread(target=late)
    worker.start()
    assert written.wait(timeout=30)
    if not db.dialect.for_update:
        worker.join(timeout=30)
    retitle(quick, "appended last, committed first")
    first = scripts.commands_since(cursor)
    may_commit.set()
    worker.join(timeout=30)
    second = scripts.commands_since(first.cursor)
    assert sorted(places(first) + places(second)) == sorted([(slow.id, 2), (quick.id, 2)])
    if db.dialect.for_update:
        assert (places(first), places(second)) == ([(quick.id, 2)], [(slow.id, 2)])


@pytest.mark.datapkg_commits
def test_readers_and_writers_at_once_see_everything_once_and_in_order(db):
    """Two readers follow the feed while three threads append; both see the same feed."""
    made = [make_script() for _ in range(3)]
    done = threading.Event()
    found: dict[int, list] = {0: [], 1: []}
    failures: list[BaseException] = []

    def guarded(work, *arguments):
        db.connect(reuse_if_open=True)
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)
        finally:
            db.close()

    def write(script):
        for number in range(15):
            retitle(script, f"t{number}")

    def read(which):
        cursor = 0
        while True:
            over = done.is_set()
            page = scripts.commands_since(cursor, limit=5)
            found[which] += places(page)
            cursor = page.cursor
            if over and not page.commands:
                return

    writers = [threading.Thread(target=guarded, args=(write, script)) for script in made]
    readers = [threading.Thread(target=guarded, args=(read, which)) for which in found]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join(timeout=120)
    done.set()
    for thread in readers:
        thread.join(timeout=120)
    assert failures == []
    assert found[0] == found[1]
    assert sorted(found[0]) == sorted((script.id, number) for script in made for number in range(1, 17))
    for script in made:
        assert [number for key, number in found[0] if key == script.id] == list(range(1, 17))
