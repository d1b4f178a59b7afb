"""Audit entries: what is recorded, what is refused, and that nobody changes it afterwards."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from collections.abc import Callable

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Value

from datapkg import audit
from datapkg.audit import AuditHead, AuditLog
from datapkg.kit.database import transaction
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError, WriteGateError

HASH = "a" * 64


def note(number: int = 1, **changes: object) -> AuditLog:
    """Record an entry whose details are a number."""
    entry = {"entity_id": "7", "action": "publish", "actor": "system", "details": {"number": number}, **changes}
    return audit.record("report", **entry)  # type: ignore[arg-type]  # the values are right


def test_an_entry_reads_back_as_it_was_recorded(db: KitDatabase) -> None:
    """Every column is there, keys become text, and the time is now."""
    thing, somebody = uuid.uuid4(), uuid.uuid4()
    made = audit.record("user", entity_id=thing, action="rename", actor=somebody, details={"to": ["é", 1.5, None]})
    entry = audit.get_entry(str(made.id))
    assert (entry.sequence, entry.entity_type, entry.entity_id) == (1, "user", str(thing))
    assert (entry.action, entry.actor) == ("rename", str(somebody))
    assert entry.details == {"schema_version": 1, "data": {"to": ["é", 1.5, None]}}
    assert abs(entry.created_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert audit.find_entry(uuid.uuid4()) is None
    with pytest.raises(NotFoundError):
        audit.get_entry(uuid.uuid4())


def test_entries_count_on_without_gaps_and_name_the_one_before(db: KitDatabase) -> None:
    """Sequences are 1, 2, 3, and each entry carries the hash of the one before."""
    first, second, third = note(1), note(2), note(3)
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert first.previous_hash == "0" * 64
    assert (second.previous_hash, third.previous_hash) == (first.entry_hash, second.entry_hash)


def test_an_undone_transaction_takes_its_entry_with_it(db: KitDatabase) -> None:
    """What did not happen is not in the log, and leaves no gap."""
    note(1)
    with pytest.raises(RuntimeError), transaction():
        note(2)
        raise RuntimeError("undone")
    assert note(3).sequence == 2
    assert audit.verify_chain().ok


@pytest.mark.parametrize(
    ("column", "refused", "accepted"),
    [
        ("entity_type", "", "x"),
        ("entity_type", "x" * 101, "x" * 100),
        ("entity_id", "", "x"),
        ("entity_id", "x" * 201, "x" * 200),
        ("entity_id", 7, "7"),
        ("action", "", "x"),
        ("action", "x" * 101, "x" * 100),
        ("actor", "", "x"),
        ("actor", "x" * 201, "x" * 200),
        ("actor", "a\0b", "a b"),
        ("actor", "\ud800", "\U0001f600"),
        ("details", [1], {"a": [1]}),
        ("details", "text", {}),
        ("details", {"a": float("nan")}, {"a": 0.5}),
        ("details", {"a": "\0"}, {"a": "\x01"}),
        ("details", {1: "a"}, {"1": "a"}),
        ("details", {"a": 2**64}, {"a": 2**64 - 1}),
    ],
)
def test_arguments_are_checked(db: KitDatabase, column: str, refused: object, accepted: object) -> None:
    """A bad argument is named and nothing is recorded; its near miss is recorded."""
    arguments = {"entity_type": "report", "entity_id": "7", "action": "publish", "actor": "system"}
    with pytest.raises(ValidationError) as caught:
        audit.record(**{**arguments, column: refused})  # type: ignore[arg-type]  # on purpose
    assert all(path.split(".")[0] == column for path in caught.value.errors)
    assert audit.list_entries() == []
    audit.record(**{**arguments, column: accepted})  # type: ignore[arg-type]  # as above
    assert audit.verify_chain().ok


def test_every_complaint_is_told_at_once(db: KitDatabase) -> None:
    """Two bad arguments give one error that names both."""
    with pytest.raises(ValidationError) as caught:
        audit.record("", entity_id="7", action="x" * 101, actor="system")
    assert set(caught.value.errors) == {"entity_type", "action"}


def test_details_nested_too_deeply_are_refused(db: KitDatabase) -> None:
    """Details that the column could not hold are a validation error and not the database's."""
    deep: dict[str, object] = {}
    for _ in range(99):
        deep = {"a": deep}
    with pytest.raises(ValidationError):
        note(details=deep)
    note(details={"a": {"b": {}}})
    assert audit.verify_chain() == audit.ChainReport(checked=1, erased=0)


# Numbers that jsonb spells its own way are the point: the digest must not notice.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=3), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(st.sampled_from("abc"), JSON, max_size=3))
def test_any_json_details_keep_the_chain_valid(db: KitDatabase, data: dict[str, object]) -> None:
    """Whatever JSON is recorded reads back equal, and its digest fits what the engine stored."""
    entry = audit.get_entry(note(details=data).id)
    assert entry.details["data"] == data
    assert audit.verify_chain().ok


# Lists ----------------------------------------------------------------------------------------------------------------


def test_lists_are_newest_first_and_paged(db: KitDatabase) -> None:
    """Pages of two walk through all entries, newest first, each once."""
    for number in range(5):
        note(number)
    seen: list[int] = []
    after = None
    while page := audit.list_entries(limit=2, after=after):
        assert len(page) <= 2
        seen += [entry.sequence for entry in page]
        after = page[-1].id
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"entity_type": "report"}, [3, 2, 1]),
        ({"entity_type": "report", "entity_id": "8"}, [2]),
        ({"actor": "ann"}, [3]),
        ({"action": "hide"}, [4]),
        ({"actor": "nobody"}, []),
    ],
)
def test_lists_are_narrowed(db: KitDatabase, filters: dict[str, str], expected: list[int]) -> None:
    """Each filter keeps what it names, and filters add up."""
    note()
    note(entity_id="8")
    note(actor="ann")
    audit.record("page", entity_id="7", action="hide", actor="system")
    assert [entry.sequence for entry in audit.list_entries(**filters)] == expected  # type: ignore[arg-type]  # texts


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1001}, {"after": "x"}, {"actor": ""}, {"limit": True}])
def test_bad_pages_are_refused(db: KitDatabase, bad: dict[str, object]) -> None:
    """A limit out of range, a malformed key or an empty filter is a validation error."""
    with pytest.raises(ValidationError) as caught:
        audit.list_entries(**bad)  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == set(bad)
    assert audit.list_entries(limit=1) == audit.list_entries(limit=1000) == []


# The table ------------------------------------------------------------------------------------------------------------

ENTRY = {
    "sequence": 1,
    "entity_type": "report",
    "entity_id": "7",
    "action": "publish",
    "actor": "system",
    "details_digest": HASH,
    "previous_hash": HASH,
    "entry_hash": HASH,
}


@pytest.mark.parametrize(
    ("column", "refused", "accepted"),
    [
        ("sequence", 0, 1),
        ("entity_type", "", "x"),
        ("entity_type", "x" * 101, "x" * 100),
        ("entity_id", "", "x"),
        ("entity_id", "x" * 201, "x" * 200),
        ("action", "", "x"),
        ("action", "x" * 101, "x" * 100),
        ("actor", "", "x"),
        ("actor", "x" * 201, "x" * 200),
        ("details_salt", "x" * 65, "x" * 64),
        ("details_digest", "x" * 63, "x" * 64),
        ("details_digest", "x" * 65, "x" * 64),
        ("previous_hash", "x" * 63, "x" * 64),
        ("previous_hash", "x" * 65, "x" * 64),
        ("entry_hash", "x" * 63, "x" * 64),
        ("entry_hash", "x" * 65, "x" * 64),
    ],
)
def test_the_log_checks_its_columns(db: KitDatabase, column: str, refused: object, accepted: object) -> None:
    """The database itself refuses a value that does not fit, and takes its near miss."""
    with pytest.raises(ConflictError) as caught:
        AuditLog.insert({**ENTRY, column: Value(refused, converter=False)}).execute()
    assert caught.value.constraint == f"ck_audit_logs_{column}"
    AuditLog.insert({**ENTRY, column: Value(accepted, converter=False)}).execute()
    assert AuditLog.select().count() == 1


def test_a_sequence_is_there_once(db: KitDatabase) -> None:
    """The database refuses a second entry with one sequence, and takes the next one."""
    AuditLog.insert(ENTRY).execute()
    with pytest.raises((ConflictError, WriteGateError)):
        AuditLog.insert(ENTRY).execute()
    AuditLog.insert({**ENTRY, "sequence": 2}).execute()
    assert AuditLog.select().count() == 2


@pytest.mark.parametrize(
    ("column", "refused", "accepted"),
    [
        ("chain", "audit_log", "audit_logs"),
        ("sequence", 0, 1),
        ("entry_hash", "x" * 63, "x" * 64),
        ("entry_hash", "x" * 65, "x" * 64),
    ],
)
def test_the_head_checks_its_columns(db: KitDatabase, column: str, refused: object, accepted: object) -> None:
    """The database refuses a head that cannot be one."""
    row = {"sequence": 1, "entry_hash": HASH}
    with pytest.raises(ConflictError) as caught:
        AuditHead.insert({**row, column: Value(refused, converter=False)}).execute()
    assert caught.value.constraint == f"ck_audit_heads_{column}"
    AuditHead.insert({**row, column: Value(accepted, converter=False)}).execute()


def test_there_is_one_head(db: KitDatabase) -> None:
    """A second head is refused."""
    note()
    with pytest.raises((ConflictError, WriteGateError)):
        AuditHead.insert({"sequence": 1, "entry_hash": HASH}).execute()
    assert AuditHead.select().count() == 1


CHANGES = (
    "UPDATE audit_logs SET actor = 'other'",
    "DELETE FROM audit_logs",
    "UPDATE audit_heads SET sequence = 9",
    "DELETE FROM audit_heads",
)


def test_our_own_connection_cannot_change_the_log(db: KitDatabase) -> None:
    """Outside the gate an UPDATE or DELETE is refused, whoever sends it."""
    note()
    for statement in CHANGES:
        with pytest.raises(WriteGateError):
            db.execute_sql(statement)
    assert audit.verify_chain() == audit.ChainReport(checked=1, erased=0)


def replace_by_rowid() -> str:
    """Return SQL that puts another entry into the place of the first."""
    fresh = {"id": f"'{uuid.uuid4()}'", "sequence": "99"}
    columns = [field.column_name for field in AuditLog._meta.sorted_fields]
    values = ", ".join(fresh.get(column, column) for column in columns)
    return f"INSERT OR REPLACE INTO audit_logs (rowid, {', '.join(columns)}) SELECT 1, {values} FROM audit_logs"


@pytest.mark.datapkg_commits
def test_a_foreign_client_cannot_change_the_log(
    db: KitDatabase, datapkg_engine: str, foreign: Callable[..., None]
) -> None:
    """UPDATE, DELETE, REPLACE and TRUNCATE from the plain driver are refused."""
    note()
    wholesale = {
        # The second names the hidden key, and clashes in nothing else.
        "sqlite": ("INSERT OR REPLACE INTO audit_logs SELECT * FROM audit_logs", replace_by_rowid()),
        "postgresql": ("TRUNCATE audit_logs", "TRUNCATE audit_heads"),
    }
    for statement in CHANGES + wholesale[datapkg_engine]:
        with pytest.raises((sqlite3.Error, psycopg2.Error)):
            foreign(statement)
    assert audit.verify_chain() == audit.ChainReport(checked=1, erased=0)


# Erasing --------------------------------------------------------------------------------------------------------------


def test_erasing_details_keeps_the_chain_and_is_recorded(db: KitDatabase) -> None:
    """Details and salts of one thing go, the rest stays, the chain is whole, and the log says who erased."""
    note(1)
    note(2, entity_id="8")
    note(3)
    assert audit.erase_details("report", entity_id="7", actor="officer") == 2
    third, second, first = audit.list_entries(limit=4)[1:]
    assert (first.details, first.details_salt, third.details) == (None, None, None)
    assert second.details["data"] == {"number": 2}
    assert (first.actor, first.action, third.sequence) == ("system", "publish", 3)
    newest = audit.list_entries(limit=1)[0]
    assert (newest.action, newest.actor, newest.entity_id) == ("erase_details", "officer", "7")
    assert newest.details["data"] == {"entries": 2}
    assert audit.verify_chain() == audit.ChainReport(checked=4, erased=2)


def test_erasing_twice_changes_nothing_more(db: KitDatabase) -> None:
    """With nothing left to erase, nothing is erased or recorded."""
    note()
    assert audit.erase_details("report", entity_id="7", actor="officer") == 1
    assert audit.erase_details("report", entity_id="7", actor="officer") == 0
    assert audit.erase_details("report", entity_id="other", actor="officer") == 0
    assert len(audit.list_entries()) == 2
    with pytest.raises(ValidationError):
        audit.erase_details("report", entity_id="7", actor="")


def test_the_gate_is_closed_again_after_erasing(db: KitDatabase) -> None:
    """The same transaction cannot go on to change the log."""
    note()
    with transaction():
        audit.erase_details("report", entity_id="7", actor="officer")
        with pytest.raises(WriteGateError), transaction():
            db.execute_sql("DELETE FROM audit_logs")
    assert audit.verify_chain().ok


def test_the_salt_is_shown_nowhere(db: KitDatabase) -> None:
    """With salt and digest at hand, short details that were erased could be guessed."""
    entry = note()
    salt = audit.get_entry(entry.id).details_salt
    assert len(salt) == 64
    page = audit.list_entries()
    assert all(salt not in text for text in (repr(entry), repr(page), page._repr_html_(), str(entry.public())))
