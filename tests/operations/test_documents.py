"""Counting and upgrading stored documents."""

from __future__ import annotations

import json
import os
import signal
import uuid

import nursery
import pytest

from datapkg import audit, evaluation
from datapkg.errors import NotFoundError, ValidationError
from datapkg.kit.failpoints import FAILPOINTS
from datapkg.operations import documents as operations
from datapkg.operations.documents import documents_schema, documents_status, documents_upgrade
from datapkg.testing import factories

CONTENT = {"preamble": "", "template": "", "dimensions": []}


def store(db, content):
    """Put a definition into the table as foreign code would."""
    key, mark = str(uuid.uuid4()), db.dialect.param
    instant = "2026-01-02T03:04:05.000000Z"
    sql = f"INSERT INTO definitions (id, name, content, created_at, updated_at) VALUES ({', '.join([mark] * 5)})"
    db.change(sql, (key, "n", json.dumps(content), instant, instant))
    return key


def stored(db, key):
    """Return a definition's content as it is stored."""
    return json.loads(db.fetch(f"SELECT content FROM definitions WHERE id = {db.dialect.param}", (key,))[0][0])


def test_versions_are_counted_apart(db):
    """Current, old, newer, corrupt and immutable documents each have their row."""
    evaluation.create_definition("new", content=CONTENT)
    for content in ({"preamble": "a"}, {"preamble": "b"}, {"schema_version": 7}, [], {"schema_version": "1"}):
        store(db, content)
    audit.record("definition", entity_id="1", action="looked", actor="me", details={"a": 1})
    counted = {(row["column"], row["version"], row["state"]): row["rows"] for row in documents_status()}
    assert counted[("definitions.content", "1", "current")] == 1
    assert counted[("definitions.content", "0", "old")] == 2
    assert counted[("definitions.content", "7", "newer")] == 1
    assert counted[("definitions.content", "corrupt", "corrupt")] == 2
    assert counted[("audit_logs.details", "1", "current")] == 1


def test_old_documents_are_rewritten_in_batches(db):
    """Every old one becomes current, whatever the batch; the row's time of change stays; again finds nothing."""
    keys = [store(db, {"preamble": str(number)}) for number in range(7)]
    seen = []
    report = documents_upgrade(batch_size=3, progress=seen.append)
    assert (report.upgraded, report.skipped, list(report.refused)) == (7, 0, [])
    assert seen == [3, 3, 1]
    assert [stored(db, key) for key in keys] == [
        {"schema_version": 1, "preamble": str(number), "template": "", "dimensions": []} for number in range(7)
    ]
    assert evaluation.get_definition(keys[0]).updated_at.year == 2026
    assert evaluation.get_definition(keys[0]).updated_at.month == 1
    assert documents_upgrade().upgraded == 0


def test_documents_that_cannot_be_upgraded_are_reported_and_left(db):
    """One bad document does not keep the others; newer ones are not touched."""
    bad = store(db, {"preamble": 3})
    newer = store(db, {"schema_version": 2})
    good = store(db, {"preamble": "x"})
    report = documents_upgrade()
    assert report.upgraded == 1
    assert [row["id"] for row in report.refused] == [bad]
    assert stored(db, bad) == {"preamble": 3}
    assert stored(db, newer) == {"schema_version": 2}
    assert stored(db, good)["schema_version"] == 1


@pytest.mark.parametrize("size", [0, -1, 1.5, "a", True])
def test_a_batch_has_at_least_one_row(db, size):
    """Any other size is refused, and not taken for "nothing to do"."""
    key = store(db, {"preamble": "old"})
    with pytest.raises(ValidationError, match="batch_size"):
        documents_upgrade(batch_size=size)
    assert stored(db, key) == {"preamble": "old"}


def test_a_newer_write_wins(db, monkeypatch):
    """A document that changes between reading and writing the batch is left to whoever changed it."""
    key = store(db, {"preamble": "old"})
    read = operations._old_rows

    def read_then_somebody_writes(column, batch_size):
        for batch in read(column, batch_size):
            evaluation.update_definition(key, content={**CONTENT, "preamble": "newer write"})
            yield batch

    # The real functions run; only what happens between the two of them is put in order.
    monkeypatch.setattr(operations, "_old_rows", read_then_somebody_writes)
    report = documents_upgrade()
    assert (report.upgraded, report.skipped) == (0, 1)
    assert stored(db, key)["preamble"] == "newer write"


def test_the_json_schema_describes_the_current_version(db):
    """It names every field; an unknown document is told with those there are."""
    schema = documents_schema("definition-content")
    assert set(schema["properties"]) == {"schema_version", "preamble", "template", "dimensions", "matching_rules"}
    assert schema["additionalProperties"] is False
    with pytest.raises(NotFoundError) as caught:
        documents_schema("definition")
    assert "definition-content" in caught.value.fix


UPGRADE = """
import sys, datapkg
from datapkg.operations.documents import documents_upgrade
datapkg.connect(sys.argv[1])
documents_upgrade(batch_size=2)
"""


@pytest.mark.datapkg_commits
def test_a_killed_upgrade_is_gone_on_with(db, datapkg_url):
    """At each place: whole batches are done or not, no document is half one or lost, and the next run does the rest."""
    keys = [store(db, {"preamble": str(number)}) for number in range(9)]
    places = [name for name in FAILPOINTS if name.startswith("upgrade.")]
    for failpoint, done in zip([*places, f"{places[0]}:2"], (0, 2, 4), strict=True):
        killed = nursery.run_python(UPGRADE, datapkg_url, env={**os.environ, "DATAPKG_FAILPOINT": failpoint})
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert sum("schema_version" in stored(db, key) for key in keys) == done, failpoint
    report = documents_upgrade()
    assert (report.upgraded, report.skipped) == (5, 0)
    assert [stored(db, key)["preamble"] for key in keys] == [str(number) for number in range(9)]


@pytest.mark.datapkg_commits
def test_what_is_frozen_meanwhile_is_left_and_does_not_keep_the_others(db, datapkg_url, monkeypatch):
    """A run that starts between reading and writing freezes its definition; the rest of the batch is upgraded."""
    frozen, others = store(db, {"preamble": "ran"}), [store(db, {"preamble": "other"}) for _ in range(3)]
    read = operations._old_rows

    def read_then_somebody_runs(column, batch_size):
        for batch in read(column, batch_size):
            evaluation.generate_scenarios(frozen)
            factories.make_run(definition_id=frozen)
            yield batch

    monkeypatch.setattr(operations, "_old_rows", read_then_somebody_runs)
    report = documents_upgrade()
    assert (report.upgraded, report.skipped, report.refused_count) == (3, 1, 0)
    assert stored(db, frozen) == {"preamble": "ran"}
    assert all(stored(db, key)["schema_version"] == 1 for key in others)


def test_a_report_of_very_many_refusals_stays_small(db, monkeypatch):
    """It names the first ones and counts the others."""
    monkeypatch.setattr(operations, "_SHOWN", 2)
    keys = [store(db, {"preamble": 3}) for _ in range(5)]
    report = documents_upgrade(batch_size=2)
    assert [row["id"] for row in report.refused] == sorted(keys)[:2] and report.refused_count == 5
