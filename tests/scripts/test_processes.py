"""Real processes: eight that append to one script, and one that is killed at each failpoint."""

from __future__ import annotations

import json
import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import nursery
import pytest

from datapkg import scripts
from datapkg.kit.database import current, transaction
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.testing.factories import make_script, make_user

APPEND = """
import json, sys
from datapkg import scripts
from datapkg.errors import StaleWriteError
from datapkg.kit import database
database.bind(sys.argv[1], busy_timeout=60.0, retries=20)
sys.stdin.readline()
expected, lost = 1, 0
for number in range(10):
    line = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "NOTE"}
    commands = [{**line, "text": f"{sys.argv[3]}.{number}.{part}"} for part in range(2)]
    while True:
        try:
            expected = scripts.append(
                sys.argv[2], commands=commands, expected_sequence=expected, actor_type="USER").sequence
            break
        except StaleWriteError as error:
            assert error.meta["actual_sequence"] > expected, error
            expected, lost = error.meta["actual_sequence"], lost + 1
print(json.dumps(lost))
"""


@pytest.mark.datapkg_commits
def test_eight_processes_append_to_one_script(db, datapkg_url):
    """No gap, nothing lost, and who came too late was told the actual sequence and went on from there."""
    script = make_script()
    workers = [nursery.start_python(APPEND, datapkg_url, script.id, number) for number in range(8)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    printed = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 8
    assert sum(map(json.loads, printed)) > 0
    stored = scripts.get_script(script.id)
    assert stored.current_sequence == 161
    assert [each.sequence for each in scripts.list_commands(script.id, limit=1000)] == list(range(161, 0, -1))
    texts = {element.text for element in scripts.at(script.id).elements}
    assert texts == {f"{worker}.{number}.{part}" for worker in range(8) for number in range(10) for part in range(2)}
    assert scripts.verify(script.id).ok


WORK = """
import sys
from uuid import UUID
from datapkg import scripts
from datapkg.kit import database
database.bind(sys.argv[1])
script, step = sys.argv[2], sys.argv[3]
if step == "append":
    commands = [
        {"command_type": "INSERT_ELEMENT", "position": 1, "kind": "NOTE", "text": "n", "persona": "P",
         "command_id": str(UUID(int=1))},
        {"command_type": "IMPORT", "text": "all new", "title": "New", "command_id": str(UUID(int=2))},
        {"command_type": "START_PAGE", "position": 0, "command_id": str(UUID(int=3))},
    ]
    scripts.append(script, commands=commands, expected_sequence=3, actor_type="USER")
elif step == "materialize":
    scripts.materialize(script)
else:
    scripts.rebuild_elements(script)
"""
TABLES = ("scripts", "script_commands", "script_feed", "script_versions", "script_elements", "script_pages", "personas")


def stored(script):
    """All that is stored of a script."""
    row = scripts.get_script(script.id)
    counts = [current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in TABLES]
    state = scripts.at(script.id)
    pages = [(page.title, page.length) for page in state.pages]
    return (row.title, row.current_sequence, row.current_version, state.text, pages, counts)


@pytest.mark.datapkg_commits
@pytest.mark.parametrize(
    "failpoint", [name for name in FAILPOINTS if name.split(".")[0] in ("append", "materialize", "rebuild")]
)
def test_killed_it_is_as_if_it_had_not_begun_and_then_it_is_whole(db, datapkg_url, failpoint):
    """Nothing is written by the one that was killed; run again, all is there, once."""
    step = failpoint.split(".")[0]
    script = make_script(title="Old", text="a\nb\n")
    title = {"command_type": "SET_TITLE", "title": "Older"}
    page = {"command_type": "START_PAGE", "position": 1, "title": "Page"}
    scripts.append(script.id, commands=[title, page], expected_sequence=1, actor_type="USER")
    before = stored(script)
    given = (WORK, datapkg_url, script.id, step)
    environment = {**os.environ, "DATAPKG_FAILPOINT": failpoint}
    killed = nursery.run_python(*given, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert stored(script) == before
    assert scripts.verify().ok
    for _ in range(2):  # the second time it is done already
        again = nursery.run_python(*given)
        assert again.returncode == 0, again.stderr
        assert scripts.verify().ok
    after = stored(script)
    if step == "append":
        assert after == ("New", 6, 2, "all new", [(None, 1)], [1, 6, 6, 2, 1, 1, 0])
    elif step == "materialize":
        assert after == (*before[:2], 2, *before[3:5], [1, 3, 3, 2, 2, 1, 0])
    else:
        assert after == before


@pytest.mark.datapkg_commits
def test_creating_a_script_twice_at_once_makes_one(db):
    """Two calls with one command_id return one script, whichever comes first."""
    owner, barrier = make_user(), threading.Barrier(4)
    key = uuid.uuid4()

    def create(_):
        barrier.wait()
        try:
            return scripts.create_script(owner.id, title="A", text="a\n", command_id=key).id
        finally:
            current().close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(create, range(4)))) == 1
    assert len(scripts.list_scripts(owner_id=owner.id)) == 1


@pytest.mark.datapkg_commits
def test_a_state_read_in_a_transaction_is_one_state(db):
    """Whatever is appended meanwhile, sequence, title and elements belong together, and verify finds nothing."""
    script = make_script(text="1\n")
    key, done = scripts.at(script.id).elements[0].element_id, threading.Event()

    def write():
        try:
            for last in range(1, 150):
                edit = {"command_type": "EDIT_ELEMENT", "element_id": key, "text": f"{last + 1}\n"}
                scripts.append(script.id, commands=[edit], expected_sequence=last, actor_type="USER")
        finally:
            done.set()
            current().close()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not done.is_set():
            if db.dialect.name == "postgresql":  # SQLite's transactions exclude the writer
                with transaction():
                    state = scripts.at(script.id)
                    assert state.text == f"{state.sequence}\n"
                with transaction():
                    assert scripts.verify(script.id).ok
            else:
                state = scripts.at(script.id)
                assert state.text == f"{state.sequence}\n"
        writing.result()
