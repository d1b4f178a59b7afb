"""A legacy database moves into the script store whole, letter for letter, or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import psycopg2
import pytest
from legacy_plays import ROWS, TEXTS, changed, fill, sqlite_legacy

from datapkg import accounts, scripts
from datapkg.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseUnavailableError,
    StaleWriteError,
    StorageError,
    ValidationError,
)
from datapkg.kit.database import current
from datapkg.scripts.backfilling import backfill, count_legacy_rows
from datapkg.scripts.models import BackfillProgress, ChatMessage, Persona, Script, ScriptCommand, ScriptElement

TABLES = ("users", "sessions", "chat_messages", "scripts", "script_commands", "script_versions", "script_elements")
COUNTS = {
    "users": 2,
    "sessions": 2,
    "chat_messages": 3,
    "scripts": 4,
    "script_commands": 10,
    "script_versions": 10,
}


def counts():
    """How many rows each table holds."""
    more = (*TABLES, "personas", "backfill_progress")
    return {table: current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in more}


def by_title(title):
    """The only script of a title."""
    (found,) = Script.select().where(Script.title == title)
    return found


def check_plays():
    """Hold what the store has against the legacy rows."""
    found = counts()
    assert {table: found[table] for table in COUNTS} == COUNTS
    for title, texts in TEXTS.items():
        script = by_title(title)
        assert [scripts.at(script.id, version=number).text for number in range(1, len(texts) + 1)] == texts
    texts = [scripts.at(script.id).text for script in Script.select().where(Script.title == "Note").order_by(Script.id)]
    assert texts == ["", "\n"]
    for script in Script.select():
        assert scripts.verify(script.id).ok


def test_everything_is_there_letter_for_letter(db, tmp_path):
    """Users, sessions, messages, scripts, versions, elements and personas, each with what the legacy row said."""
    report = backfill(sqlite_legacy(tmp_path))
    assert report.ok and report.written == {
        "users": 2,
        "sessions": 2,
        "chat_messages": 3,
        "scripts": 4,
        "versions": 8,
        "elements": 3,
    }
    check_plays()
    ann = accounts.find_user_by_email("ann@example.com")
    assert (ann.name, ann.role, ann.created_at.isoformat()) == ("Ann", "USER", "2024-01-01T10:00:00+00:00")
    hamlet = by_title("Hamlet")
    assert (hamlet.owner_id, hamlet.created_at.isoformat()) == (ann.id, "2024-01-04T10:00:00+00:00")
    commands = list(ScriptCommand.select().where(ScriptCommand.script == hamlet.id).order_by(ScriptCommand.sequence))
    assert [(c.command_type, c.actor_type) for c in commands] == [("IMPORT", "IMPORT")] * 4
    assert [c.created_at.day for c in commands] == [4, 5, 6, 6]


def test_chat_messages_are_linked_to_session_user_and_script(db, tmp_path):
    """A message names the whole script where it named one of its rows, and the session's user where it named none."""
    backfill(sqlite_legacy(tmp_path))
    first, second, third = ChatMessage.select().order_by(ChatMessage.id)
    assert [first.content, second.content, third.content] == [row[5] for row in ROWS["chat_messages"]]
    assert first.script_id == second.script_id == by_title("Hamlet").id
    assert first.user_id == second.user_id and first.session_id == second.session_id
    assert (third.script_id, third.session_id, third.role) == (None, None, "SYSTEM")


def test_elements_keep_the_text_where_they_spell_it(db, tmp_path):
    """Elements found in the text become its typed parts; those that are not become one more version."""
    report = backfill(sqlite_legacy(tmp_path))
    hamlet, lear = by_title("Hamlet"), by_title("Lear")
    assert scripts.at(hamlet.id).text == TEXTS["Hamlet"][-1] + "\n"
    kinds = [row.kind for row in ScriptElement.select().where(ScriptElement.script == hamlet.id)]
    assert sorted(kinds) == ["DIALOGUE", "SCENE", "TEXT"]
    assert scripts.at(lear.id).text == "He laughs.\n"
    assert {(row.script_id, row.name, row.description) for row in Persona.select()} == {
        (hamlet.id, "Hamlet", "A prince"),
        (lear.id, "Lear", None),
    }
    assert sorted(report.notes.values()) == [1, 1, 2, 15]


def test_sessions_come_over_ended(db, tmp_path):
    """Nobody can go on with a legacy session."""
    backfill(sqlite_legacy(tmp_path))
    rows = accounts.list_sessions_for_user(accounts.find_user_by_email("bob@example.com").id)
    assert [row.revoked_at is not None and row.expires_at <= row.revoked_at for row in rows] == [True]


def test_users_who_are_there_stay_as_they_are(db, tmp_path):
    """The same address is the same user; neither name nor role is overwritten."""
    there = accounts.create_user("ANN@example.com", name="Anna")
    report = backfill(sqlite_legacy(tmp_path))
    assert report.written["users"] == 1
    assert accounts.get_user(there.id).name == "Anna"
    assert by_title("Hamlet").owner_id == there.id
    check_plays()


def test_a_second_run_writes_nothing(db, tmp_path):
    """All stages are found done."""
    url = sqlite_legacy(tmp_path)
    first = backfill(url)
    before = counts()
    second = backfill(url)
    assert (second.written, len(second.resumed), second.fingerprint) == ({}, 6, first.fingerprint)
    assert counts() == before


def test_a_changed_source_is_refused(db, tmp_path):
    """What was begun with one content is not gone on with another."""
    backfill(sqlite_legacy(tmp_path))
    before = counts()
    with pytest.raises(StaleWriteError, match="changed since"):
        backfill(sqlite_legacy(tmp_path, changed(users=[(3, "cy@example.com", None, None)])))
    assert counts() == before


def test_a_dry_run_writes_nothing(db, tmp_path):
    """It reads, checks and reports."""
    told = []
    url = sqlite_legacy(tmp_path)
    report = backfill(url, dry_run=True, progress=told.append)
    assert report.ok and report.dry_run and report.fingerprint and not report.written
    assert report.read["scripts"] == 6 and sum(told) == count_legacy_rows(url) == 21
    assert set(counts().values()) == {0}


def test_progress_counts_each_row_twice(db, tmp_path):
    """Once for reading it, once for writing it."""
    told = []
    url = sqlite_legacy(tmp_path)
    backfill(url, progress=told.append)
    assert sum(told) == 2 * count_legacy_rows(url)


def test_a_mapping_gives_other_names_and_words(db, tmp_path):
    """Tables and columns by other names, a table left out, a role of one's own; from a file or as it is."""
    url = sqlite_legacy(tmp_path, {**ROWS, "chat_messages": [(1, 10, 1, None, "agent", "Hi", None)]})
    with sqlite3.connect(tmp_path / "legacy.db") as legacy:
        legacy.execute("ALTER TABLE users RENAME TO members")
        legacy.execute("ALTER TABLE members RENAME COLUMN email TO mail")
        legacy.execute("DROP TABLE script_elements")
    legacy.close()
    mapping = {
        "tables": {"users": {"table": "members", "columns": {"email": "mail", "name": None}}, "personas": None},
        "roles": {"Agent": "ASSISTANT"},
    }
    (tmp_path / "map.json").write_text(json.dumps(mapping))
    assert backfill(url, mapping=mapping, dry_run=True).ok
    assert backfill(url, mapping=tmp_path / "map.json").ok
    assert accounts.find_user_by_email("ann@example.com").name is None
    assert ChatMessage.get().role == "ASSISTANT"
    assert Persona.select().count() == 0


@pytest.mark.parametrize(
    ("mapping", "paths"),
    [
        ({"tables": {"people": {}}}, ["mapping.tables.people"]),
        ({"tables": {"users": None}}, ["mapping.tables.users"]),
        ({"tables": {"users": {"columns": {"email": None}}}}, ["mapping.tables.users.columns.email"]),
        ({"tables": {"users": {"columns": {"age": "x"}}}}, ["mapping.tables.users.columns.age"]),
        ({"roles": {"x": "BOSS"}, "more": 1}, ["mapping.roles.x", "mapping.more"]),
        ("/nowhere/map.json", ["mapping"]),
    ],
    ids=["table", "needed", "required", "column", "word", "file"],
)
def test_a_wrong_mapping_is_refused(db, tmp_path, mapping, paths):
    """With every complaint, by its path."""
    with pytest.raises(ValidationError) as caught:
        backfill(sqlite_legacy(tmp_path), mapping=mapping)
    assert sorted(path.removesuffix(".value") for path in caught.value.errors) == sorted(paths)


def test_what_cannot_be_opened_is_told(db, tmp_path):
    """A missing file, a file that is no database, a scheme that nobody reads, a server that is not there."""
    (tmp_path / "text.db").write_text("not a database, but long enough to look like something" * 50)
    for url, error in (
        (f"sqlite:///{tmp_path}/none.db", DatabaseUnavailableError),
        (f"sqlite:///{tmp_path}/text.db", StorageError),
        ("oracle://db/x", ConfigurationError),
        ("postgresql://u:secret@127.0.0.1:1/x", DatabaseUnavailableError),
    ):
        with pytest.raises(error) as caught:
            backfill(url)
        assert "secret" not in str(caught.value)


def test_mysql_needs_its_driver():
    """Where it is not installed, the error says how to get it."""
    code = (
        "import sys; sys.modules['pymysql'] = None\n"
        "from datapkg.scripts.backfilling import backfill\n"
        "backfill('mariadb://reader@db.example/plays', dry_run=True)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ConfigurationError" in result.stderr and "pip install pymysql" in result.stderr


@pytest.mark.datapkg_engines("postgresql")
def test_postgresql_can_be_the_source(db, postgres_server):
    """The same plays from a PostgreSQL server; what is there is only read."""
    with postgres_server.new_database() as url:
        connection = psycopg2.connect(url)
        fill(connection, ROWS, types={"key": "bigint", "text": "text", "time": "timestamp"}, mark="%s")
        connection.close()
        assert backfill(url).ok
    check_plays()


def test_an_empty_legacy_database_is_fine_and_one_without_tables_is_not(db, tmp_path):
    """Tables without rows are read; the two that have to be there are asked for."""
    assert backfill(sqlite_legacy(tmp_path, {table: [] for table in ROWS})).ok
    assert BackfillProgress.select().count() == 6
    with pytest.raises(ValidationError) as caught:
        backfill(sqlite_legacy(tmp_path, {}))
    assert set(caught.value.errors) == {"users", "scripts"}


@pytest.mark.parametrize("stage", ["scripts", "versions"])
def test_it_goes_on_though_somebody_edited_meanwhile(db, tmp_path, monkeypatch, stage):
    """After an interruption the script without commands takes none, and an edited one keeps its state."""
    url = f"sqlite:///{tmp_path / 'legacy.db'}"
    with sqlite3.connect(tmp_path / "legacy.db") as legacy:
        legacy.executescript(
            "CREATE TABLE users (id, email); CREATE TABLE scripts (id, user_id, title, content);"
            "CREATE TABLE script_elements (id, script_id, text, kind);"
            "INSERT INTO users VALUES (1, 'a@example.com'); INSERT INTO scripts VALUES (1, 1, 'T', 'x');"
            "INSERT INTO script_elements VALUES (1, 1, 'x', 'NOTE')"
        )

    class Interrupted(Exception):
        """Stands for a kill."""

    def reach(name):
        if name == f"backfill.after_{stage}":
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("datapkg.kit.failpoints.reach", reach)
        with pytest.raises(Interrupted):
            backfill(url)
    script = by_title("T")
    edit = {"command_type": "SET_TITLE", "title": "Mine"}
    sequence = script.current_sequence
    if stage == "scripts":
        with pytest.raises(ConflictError):
            scripts.append(script.id, commands=[edit], expected_sequence=sequence, actor_type="USER")
        with pytest.raises(ConflictError):
            scripts.materialize(script.id)
    else:
        scripts.append(script.id, commands=[edit], expected_sequence=sequence, actor_type="USER")
    assert backfill(url).written["elements"] == 1
    state = scripts.at(script.id)
    assert (state.title, state.elements[0].kind) == (("T", "NOTE") if stage == "scripts" else ("Mine", "TEXT"))
    assert "NOTE" in {each.kind for each in scripts.at(script.id, sequence=2 + (stage == "versions")).elements}
    assert scripts.verify().ok
