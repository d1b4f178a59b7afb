"""The chain: what verify_chain finds after somebody took the triggers away and changed the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from datapkg import audit
from datapkg.kit.database import transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError

Run = Callable[..., None]
X = "f" * 64


def record(count: int) -> None:
    """Record this many entries in one transaction."""
    with transaction():
        for number in range(count):
            audit.record("report", entity_id="7", action="publish", actor="system", details={"number": number})


def found() -> tuple[str, int]:
    """What verify_chain finds, and where."""
    report = audit.verify_chain()
    assert not report.ok
    assert report.problem is not None
    assert report.checked < report.problem.sequence or report.problem.kind == "edited"
    return report.problem.kind, report.problem.sequence


def test_an_empty_log_is_whole(db: KitDatabase) -> None:
    """Nothing recorded, nothing wrong."""
    assert audit.verify_chain() == audit.ChainReport(checked=0, erased=0)


@pytest.mark.datapkg_commits
@pytest.mark.parametrize(
    ("statement", "kind", "sequence"),
    [
        ("UPDATE audit_logs SET actor = 'other' WHERE sequence = 3", "edited", 3),
        ("UPDATE audit_logs SET entity_id = '8' WHERE sequence = 1", "edited", 1),
        ("UPDATE audit_logs SET entity_type = 'page' WHERE sequence = 5", "edited", 5),
        ("UPDATE audit_logs SET action = 'hide' WHERE sequence = 2", "edited", 2),
        ("UPDATE audit_logs SET created_at = '2020-01-01T00:00:00.000000Z' WHERE sequence = 2", "edited", 2),
        (
            """UPDATE audit_logs SET details = '{"schema_version": 1, "data": {"number": 9}}' WHERE sequence = 4""",
            "edited",
            4,
        ),
        ("UPDATE audit_logs SET details = NULL WHERE sequence = 4", "edited", 4),
        ("UPDATE audit_logs SET details_salt = NULL WHERE sequence = 4", "edited", 4),
        (f"UPDATE audit_logs SET details_digest = '{X}' WHERE sequence = 4", "edited", 4),
        (f"UPDATE audit_logs SET entry_hash = '{X}' WHERE sequence = 4", "edited", 4),
        (f"UPDATE audit_logs SET previous_hash = '{X}' WHERE sequence = 1", "edited", 1),
        ("UPDATE audit_logs SET sequence = 9 WHERE sequence = 3", "gap", 3),
        ("DELETE FROM audit_logs WHERE sequence = 3", "gap", 3),
        ("DELETE FROM audit_logs WHERE sequence <= 2", "gap", 1),
        ("DELETE FROM audit_logs WHERE sequence = 5", "truncated", 5),
        ("DELETE FROM audit_logs WHERE sequence > 1", "truncated", 2),
        ("DELETE FROM audit_logs", "truncated", 1),
        ("DELETE FROM audit_heads", "truncated", 1),
        (f"UPDATE audit_heads SET entry_hash = '{X}'", "edited", 5),
        ("UPDATE audit_heads SET sequence = 6", "truncated", 6),
        ("UPDATE audit_heads SET sequence = 4", "edited", 4),
    ],
)
def test_tampering_is_found_where_it_happened(
    db: KitDatabase, without_triggers: Run, statement: str, kind: str, sequence: int
) -> None:
    """One statement behind our back on a log of five, and the first entry concerned is named."""
    record(5)
    assert audit.verify_chain() == audit.ChainReport(checked=5, erased=0)
    without_triggers(statement)
    assert found() == (kind, sequence)


@pytest.mark.datapkg_commits
def test_an_entry_slipped_in_behind_the_end_is_found(db: KitDatabase, foreign: Run) -> None:
    """Inserting is no change, so the triggers let it pass; verifying does not."""
    record(2)
    columns = "created_at, entity_type, entity_id, action, actor, details_digest, previous_hash"
    foreign(
        f"INSERT INTO audit_logs (id, sequence, entry_hash, {columns}) "
        f"SELECT '00000000-0000-7000-8000-000000000000', 3, '{X}', {columns} FROM audit_logs WHERE sequence = 1"
    )
    assert found() == ("unrecorded", 3)


@pytest.mark.datapkg_commits
def test_nothing_is_appended_to_a_chain_without_its_end(db: KitDatabase, without_triggers: Run) -> None:
    """A head that was taken away is not made anew over a log that may have been cut."""
    record(2)
    without_triggers("DELETE FROM audit_heads")
    with pytest.raises(ConflictError) as caught:
        record(1)
    assert "audit_heads" in caught.value.fix
    assert len(audit.list_entries()) == 2


def test_a_long_log_is_checked_to_its_end(db: KitDatabase) -> None:
    """More entries than one batch are all checked, and an edit behind the first batch is found."""
    record(1005)
    assert audit.verify_chain() == audit.ChainReport(checked=1005, erased=0)
    with transaction(), db.open_gate("audit_logs"):
        db.execute_sql("UPDATE audit_logs SET actor = 'other' WHERE sequence = 1003")
    assert found() == ("edited", 1003)
