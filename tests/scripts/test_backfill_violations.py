"""What is wrong with a legacy database is told all at once, and nothing is written."""

from __future__ import annotations

import datetime as dt
import sqlite3

import pytest
from legacy_plays import ROWS, changed, sqlite_legacy

from datapkg.errors import ValidationError
from datapkg.kit.database import current
from datapkg.scripts.backfilling import backfill
from datapkg.scripts.legacy.elements import Part, aligned
from datapkg.scripts.legacy.keys import Keys
from datapkg.scripts.legacy.values import Refused, as_instant_text, as_key

TABLES = ("users", "sessions", "chat_messages", "scripts", "script_commands", "personas", "backfill_progress")
DAY = "2024-03-01 10:00:00"
TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=23)).isoformat()


def nothing_written():
    """Whether every table is as empty as before."""
    return all(current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] == 0 for table in TABLES)


def script(key, *, user=1, title="Play", content="x", number=None, at=DAY):
    """A row of the legacy scripts."""
    return (key, user, title, content, number, at)


CASES = {
    "email": ({"users": [(3, "nobody", None, None)]}, "bad_email", "users.3"),
    "email_twice": ({"users": [(3, " ANN@example.com", None, None)]}, "duplicate_email", "users.1 and 3"),
    "email_missing": ({"users": [(3, None, None, None)]}, "bad_email", "users.3"),
    "id_twice": ({"users": [("1", "cy@example.com", None, None)]}, "duplicate_id", "users.1"),
    "id_missing": ({"users": [(None, "cy@example.com", None, None)]}, "bad_id", "users.?"),
    "name_nul": ({"users": [(3, "cy@example.com", "C\0y", None)]}, "bad_name", "users.3"),
    "name_binary": ({"users": [(3, "cy@example.com", b"Cy", None)]}, "bad_name", "users.3"),
    "time": ({"users": [(3, "cy@example.com", None, "yesterday")]}, "bad_created_at", "users.3"),
    "time_ahead": ({"users": [(3, "cy@example.com", None, "2999-01-01")]}, "bad_created_at", "users.3"),
    "session_user": ({"sessions": [(12, 9, DAY)]}, "unknown_user", "sessions.12"),
    "message_user": ({"chat_messages": [(103, None, 9, None, "user", "", DAY)]}, "unknown_user", "chat_messages.103"),
    "message_nobody": ({"chat_messages": [(103, None, None, None, "user", "", DAY)]}, "no_user", "chat_messages.103"),
    "message_session": (
        {"chat_messages": [(103, 99, 1, None, "user", "", DAY)]},
        "unknown_session",
        "chat_messages.103",
    ),
    "message_script": ({"chat_messages": [(103, 10, 1, 99, "user", "", DAY)]}, "unknown_script", "chat_messages.103"),
    "message_stranger": (
        {"chat_messages": [(103, 11, 1, None, "user", "", DAY)]},
        "another_users_session",
        "chat_messages.103",
    ),
    "message_their_script": (
        {"chat_messages": [(103, 10, 1, 4, "user", "", DAY)]},
        "another_users_script",
        "chat_messages.103",
    ),
    "message_role": ({"chat_messages": [(103, 10, 1, None, "boss", "", DAY)]}, "bad_role", "chat_messages.103"),
    "owner": ({"scripts": [script(7, user=9)]}, "unknown_user", "scripts.7"),
    "title": ({"scripts": [script(7, title="")]}, "bad_title", "scripts.7"),
    "content": ({"scripts": [script(7, content=17)]}, "bad_content", "scripts.7"),
    "content_nul": ({"scripts": [script(7, content="a\0b")]}, "bad_content", "scripts.7"),
    "lines": ({"scripts": [script(7, content="\n" * 200_001)]}, "bad_content", "scripts.7"),
    "number": ({"scripts": [script(7, number="two")]}, "bad_version_number", "scripts.7"),
    "gap_first": ({"scripts": [script(7, number=2)]}, "version_gap", "scripts.7"),
    "gap": ({"scripts": [script(7, number=1), script(8, number=3)]}, "version_gap", "scripts.7"),
    "number_twice": ({"scripts": [script(7, number=1), script(8, number=1)]}, "version_duplicate", "scripts.7"),
    "order": (
        {"scripts": [script(7, number=1, at=DAY), script(8, number=2, at="2024-02-29 23:59:59")]},
        "version_order",
        "scripts.7",
    ),
    "order_zone": (
        {"scripts": [script(7, number=1, at=DAY), script(8, number=2, at="2024-03-01T11:30:00+02:00")]},
        "version_order",
        "scripts.7",
    ),
    "history_script": ({"script_versions": [(99, 1, "x", DAY)]}, "unknown_script", "script_versions.99.1"),
    "history_twice": ({"script_versions": [(4, 2, "Nothing, my lord.\r", DAY)]}, "version_duplicate", "scripts.4"),
    "element_script": ({"script_elements": [(1003, 99, 0, "action", "x", None)]}, "unknown_script", None),
    "element_persona": ({"script_elements": [(1003, 3, 7, "action", "x", 99)]}, "unknown_persona", None),
    "element_their_persona": ({"script_elements": [(1003, 4, 7, "action", "x", 50)]}, "another_scripts_persona", None),
    "element_kind": ({"script_elements": [(1003, 3, 7, "song", "x", None)]}, "bad_kind", "script_elements.1003"),
    "element_place": ({"script_elements": [(1003, 3, 1, "note", "x", None)]}, "duplicate_position", None),
    "persona_script": ({"personas": [(53, 99, "Ghost", None)]}, "unknown_script", "personas.53"),
    "persona_twice": ({"personas": [(53, 3, "Hamlet", None)]}, "duplicate_name", "personas.50 and 53"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_thing_wrong_is_one_complaint(db, tmp_path, case):
    """The complaint names table and row; nothing is written, and a dry run says the same without raising."""
    more, rule, place = CASES[case]
    url = sqlite_legacy(tmp_path, changed(**more))
    report = backfill(url, dry_run=True)
    assert [each.rule for each in report.violations] == [rule]
    assert place is None or report.violations[0].place == place
    with pytest.raises(ValidationError) as caught:
        backfill(url)
    assert caught.value.errors == {report.violations[0].place: [report.violations[0].message]}
    assert nothing_written()


ACCEPTED = {
    "numbered": {"scripts": [script(7, number=1), script(8, number=2, at=DAY)]},
    "no_times": {"scripts": [script(7, number=1, at=None), script(8, number=2, at=None)]},
    "same_title_other_owner": {"scripts": [script(7, title="Hamlet", user=2, number=1)]},
    "same_history": {"scripts": [script(7, number=1)], "script_versions": [(7, 1, "x", DAY)]},
    "numbers_as_text": {"scripts": [script("7", user="1", number="1")]},
    "epoch": {"users": [(3, "cy@example.com", None, 1_700_000_000)], "sessions": [(12, 3, 1_700_000_000_123)]},
    "tomorrow": {"users": [(3, "cy@example.com", None, TOMORROW)]},
    "zone": {"users": [(3, "cy@example.com", "", "2024-01-01T10:00:00.123+02:00")]},
    "two_personas": {"personas": [(53, 4, "Hamlet", None), (54, 4, "hamlet", None)]},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_near_misses_are_accepted(db, tmp_path, case):
    """What looks like a fault and is none goes through, whole."""
    report = backfill(sqlite_legacy(tmp_path, changed(**ACCEPTED[case])))
    assert report.ok and not nothing_written()


def test_all_complaints_come_at_once(db, tmp_path):
    """Everything wrong everywhere is one report, ordered by table."""
    merged: dict[str, list[tuple[object, ...]]] = {}
    for name in ("email", "message_role", "order", "element_kind", "persona_script"):
        for table, rows in CASES[name][0].items():
            merged.setdefault(table, []).extend(rows)
    with pytest.raises(ValidationError, match="5 complaints") as caught:
        backfill(sqlite_legacy(tmp_path, changed(**merged)))
    tables = [place.split(".")[0] for place in caught.value.errors]
    assert tables == ["users", "chat_messages", "scripts", "script_elements", "personas"]


def test_text_that_is_no_utf8_is_a_complaint(db, tmp_path):
    """A row that SQLite holds as text and nobody can read is named, and no driver's error."""
    url = sqlite_legacy(tmp_path)
    with sqlite3.connect(tmp_path / "legacy.db") as legacy:
        legacy.execute("UPDATE scripts SET content = CAST(x'61ff62' AS TEXT) WHERE id = 4")
    legacy.close()
    report = backfill(url, dry_run=True)
    assert [(each.place, each.rule) for each in report.violations] == [("scripts.4", "bad_content")]


def test_a_missing_column_is_a_complaint(db, tmp_path):
    """A table without a column that is needed is told by name, before any row is read."""
    url = sqlite_legacy(tmp_path)
    with sqlite3.connect(tmp_path / "legacy.db") as legacy:
        legacy.execute("ALTER TABLE scripts DROP COLUMN content")
    legacy.close()
    with pytest.raises(ValidationError) as caught:
        backfill(url)
    assert caught.value.errors == {"scripts": ["The table scripts has no column content."]}


def test_a_damaged_file_is_refused(db, tmp_path):
    """Pages overwritten in the middle of the file: a typed error, nothing written."""
    many = [(key, f"u{key}@example.com", "n" * 200, None) for key in range(10, 500)]
    url = sqlite_legacy(tmp_path, {**ROWS, "users": [*ROWS["users"], *many]})
    path = tmp_path / "legacy.db"
    content = bytearray(path.read_bytes())
    content[8192:-8192] = b"\xde" * (len(content) - 16384)
    path.write_bytes(content)
    from datapkg.errors import DatapkgError

    with pytest.raises(DatapkgError):
        backfill(url)
    assert nothing_written()


def test_more_complaints_than_are_listed_are_counted(db, tmp_path):
    """The list ends at 10,000, the count does not."""
    many = [(key, "nobody", None, None) for key in range(10, 10_015)]
    report = backfill(sqlite_legacy(tmp_path, changed(users=many)), dry_run=True)
    assert (len(report.violations), report.total_violations) == (10_000, 10_005)


@pytest.mark.parametrize("value", [None, True, 1.5, "", "  ", b"x", "a\0"], ids=repr)
def test_what_is_no_key(value):
    """Keys are whole numbers, texts, UUIDs, or 16 bytes."""
    with pytest.raises(Refused):
        as_key(value)
    assert as_key(b"\0" * 16) == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "value", [None, True, "", "2024-13-01", "0000-00-00 00:00:00", b"2024-01-01", -1, 1e300, float("nan")], ids=repr
)
def test_what_is_no_instant(value):
    """Neither words nor days that no calendar has."""
    with pytest.raises(Refused):
        as_instant_text(value)


@pytest.mark.parametrize(
    ("parts", "text", "between"),
    [
        ([Part("SCENE", "A"), Part("ACTION", "B")], "A\nB\n", []),
        ([Part("SCENE", "A"), Part("ACTION", "B")], "A\n\n\nB\n!", ["\n\n", "!"]),
        ([Part("TEXT", "b")], "abc", ["a", "c"]),
    ],
    ids=["lines", "gaps", "within"],
)
def test_elements_are_found_in_their_text(parts, text, between):
    """What stands between them becomes text of its own, and nothing is lost."""
    found = aligned(parts, text)
    assert [part.text for part in found if part not in parts] == between
    assert [part for part in found if part in parts] == parts


def test_elements_in_another_order_are_not_found():
    """They do not spell the text."""
    assert aligned([Part("SCENE", "B"), Part("ACTION", "A")], "A\nB\n") is None


def test_commands_of_one_instant_have_keys_of_their_own():
    """As many rows without a time as a large legacy database has get as many keys."""
    keys = Keys("0" * 64, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    assert len({keys.derive("commands", f"{legacy}.1", None) for legacy in range(200_000)}) == 200_000


def test_a_persona_of_another_user_is_a_complaint(db, tmp_path):
    """What one user wrote about a persona does not become part of another's script."""
    path = tmp_path / "legacy.db"
    with sqlite3.connect(path) as legacy:
        legacy.executescript(
            "CREATE TABLE users (id, email); CREATE TABLE scripts (id, user_id, title, content);"
            "CREATE TABLE script_elements (id, script_id, text, persona_id);"
            "CREATE TABLE personas (id, user_id, name, description);"
            "INSERT INTO users VALUES (1, 'a@example.com'), (2, 'b@example.com');"
            "INSERT INTO scripts VALUES (1, 1, 'T', 'x'); INSERT INTO script_elements VALUES (1, 1, 'x', 7);"
            "INSERT INTO personas VALUES (7, 2, 'Keeper', 'secret')"
        )
    report = backfill(f"sqlite:///{path}", dry_run=True)
    assert [(each.place, each.rule) for each in report.violations] == [("script_elements.1", "another_users_persona")]
    with sqlite3.connect(path) as legacy:
        legacy.execute("UPDATE personas SET user_id = 1")
    assert backfill(f"sqlite:///{path}", dry_run=True).ok
