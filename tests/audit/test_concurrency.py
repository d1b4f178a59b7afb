"""The chain under many writers: no gap, no loss, from the very first entry on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import nursery
import pytest

from datapkg import audit
from datapkg.kit.engines import KitDatabase

APPEND = """
import sys
from datapkg import audit
from datapkg.kit import database
database.bind(sys.argv[1], busy_timeout=60.0, retries=20)
sys.stdin.readline()
for number in range(15):
    try:
        with database.transaction():
            audit.record("job", entity_id=sys.argv[2], action="run", actor="worker", details={"n": number})
            if number % 5 == 4:
                raise KeyError("undone")
    except KeyError:
        pass
"""


@pytest.mark.datapkg_commits
def test_eight_processes_append_without_a_gap(db: KitDatabase, datapkg_url: str) -> None:
    """From an empty log on, eight processes at once lose nothing, leave no gap, and undo what they undo."""
    workers = [nursery.start_python(APPEND, datapkg_url, number) for number in range(8)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.close()
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 8
    entries = audit.list_entries(limit=1000)
    assert [entry.sequence for entry in entries] == list(range(96, 0, -1))
    assert {entry.entity_id for entry in entries} == {str(number) for number in range(8)}
    assert audit.verify_chain() == audit.ChainReport(checked=96, erased=0)


@pytest.mark.datapkg_commits
def test_the_very_first_entries_at_once_form_one_chain(db: KitDatabase) -> None:
    """While there is no head to lock yet, six threads still queue up."""
    barrier = threading.Barrier(6)

    def first(number: int) -> object:
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return audit.record("job", entity_id=str(number), action="run", actor="worker").sequence
        finally:
            db.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(first, range(6))) == [1, 2, 3, 4, 5, 6]
    assert audit.verify_chain() == audit.ChainReport(checked=6, erased=0)
