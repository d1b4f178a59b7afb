"""Long work tells how far it is: each function calls back with what is done and what there is to do."""

from __future__ import annotations

import datapkg
from datapkg import audit, scripts


def test_long_work_tells_how_far_it_is(db):
    """It only rises, ends with everything, and knows how much that is from the beginning."""
    told = []

    def tell(done, total):
        told.append((done, total))

    datapkg.seed(profile="demo", progress=tell)
    rows = told[-1][1]
    assert told == [(done, rows) for done in range(1, rows + 1)] and rows > 100
    for number in range(3):
        audit.record("thing", entity_id=str(number), action="made", actor="me")
    told.clear()
    assert audit.verify_chain(progress=tell).checked == told[-1][1] == len(told)
    told.clear()
    assert scripts.verify(progress=tell).ok
    assert told == [(1, 1)]
    told.clear()
    scripts.verify(scripts.list_scripts()[0].id, progress=tell)
    assert told == [(1, 1)]
