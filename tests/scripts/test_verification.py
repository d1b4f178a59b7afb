"""What the database refuses to foreign clients, and what verify finds where somebody took the triggers away."""

from __future__ import annotations

import sqlite3
import uuid

import psycopg2
import pytest

import datapkg
from datapkg import scripts
from datapkg.errors import DocumentError, NotFoundError
from datapkg.kit.database import current, transaction
from datapkg.testing.factories import make_script

ID = "00000000-0000-7000-8000-000000000001"
EARLY, LATE = "2001-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"
STATEMENTS = [
    "UPDATE script_commands SET actor_id = 'somebody'",
    "UPDATE script_commands SET payload = '{}' WHERE sequence = 1",
    "DELETE FROM script_commands",
    "UPDATE script_versions SET content_hash = content_hash",
    "DELETE FROM script_versions",
    "UPDATE script_elements SET text = 'x'",
    "DELETE FROM script_elements",
    "UPDATE script_pages SET title = 'x'",
    "DELETE FROM script_pages",
    "INSERT INTO script_versions (id, created_at, script_id, version_number, through_sequence, snapshot, "
    f"content_hash, materializer_version) SELECT '{ID}', created_at, script_id, 99, 1, snapshot, content_hash, 1 "
    "FROM script_versions",
    "INSERT INTO script_elements (id, created_at, script_id, position, element_id, kind, text, persona_id) "
    f"SELECT '{ID}', created_at, script_id, 99, '{ID}', kind, text, persona_id FROM script_elements LIMIT 1",
    "INSERT INTO script_pages (id, created_at, script_id, position, page_id, title, first_position) "
    f"SELECT '{ID}', created_at, script_id, 99, '{ID}', title, 4 FROM script_pages",
    "DELETE FROM scripts",
]
SQLITE_ONLY = [
    f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
    for table in ("script_commands", "script_versions", "script_elements", "script_pages")
]
POSTGRESQL_ONLY = [
    "TRUNCATE script_commands CASCADE",
    "TRUNCATE script_versions",
    "TRUNCATE script_elements",
    "TRUNCATE script_pages",
    "COPY script_elements FROM STDIN",
    "COPY script_pages FROM STDIN",
]


@pytest.fixture
def foreign(db, datapkg_url):
    """A foreign client's cursor, on a database with a script."""
    script = make_script(text="a\nb\n", commands=2)
    page = {"command_type": "START_PAGE", "position": 1}
    scripts.append(script.id, commands=[page], expected_sequence=3, actor_type="USER")
    scripts.materialize(script.id)
    if db.dialect.name == "sqlite":
        connection = sqlite3.connect(datapkg_url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
    else:
        connection = psycopg2.connect(datapkg_url)
        connection.autocommit = True
    yield connection.cursor()
    connection.close()


@pytest.mark.datapkg_commits
def test_a_foreign_client_is_refused(foreign, db):
    """Changing, removing, replacing and inserting, each by plain SQL; nothing has changed afterwards."""
    before = scripts.verify()
    assert before.ok and before.pages == 1
    own = SQLITE_ONLY if db.dialect.name == "sqlite" else POSTGRESQL_ONLY
    for statement in STATEMENTS + own:
        with pytest.raises((sqlite3.Error, psycopg2.Error)):
            if statement.startswith("COPY"):
                foreign.copy_expert(statement, __import__("io").StringIO(""))
            else:
                foreign.execute(statement)
    assert scripts.verify() == before


@pytest.mark.datapkg_commits
def test_reading_is_everybodys(foreign):
    """A foreign client may look."""
    foreign.execute("SELECT count(*) FROM script_elements")
    assert foreign.fetchone() == (4,)


def tamper(table, sql, *params):
    """Change a table as somebody could who has taken its triggers away."""
    p = current().dialect.param
    with transaction(), current().open_gate(table):
        assert current().change(sql.replace("?", p), params) > 0


@pytest.fixture
def script(db):
    """A script with a revert and three versions, beside one that nobody touches."""
    make_script(text="other\n")
    script = make_script(title="T", text="a\nb\n", commands=3)
    scripts.revert(script.id, to_sequence=2)
    element = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "NOTE", "text": "n", "persona": "P"}
    pages = [{"command_type": "START_PAGE", "position": place, "title": "P"} for place in (1, 3)]
    scripts.append(script.id, commands=[element, *pages], expected_sequence=5, actor_type="USER")
    scripts.materialize(script.id)
    assert scripts.verify().ok
    return script


TAMPERINGS = [
    ("script_commands", "UPDATE script_commands SET payload = '{\"schema_version\": 1, \"title\": \"T\", "
     "\"text\": \"X\"}' WHERE script_id = ? AND sequence = 1", "version"),
    ("script_commands", "UPDATE script_commands SET payload = '{\"schema_version\": 1}' WHERE script_id = ? "
     "AND sequence = 2", "command"),
    ("script_commands", "UPDATE script_commands SET payload = '{\"schema_version\": 9}' WHERE script_id = ? "
     "AND sequence = 2", "command"),
    ("script_commands", "UPDATE script_commands SET command_type = 'MOVE_ELEMENT' WHERE script_id = ? "
     "AND sequence = 2", "command"),
    ("script_commands", "UPDATE script_commands SET sequence = 60 WHERE script_id = ? AND sequence = 6", "command"),
    ("script_elements", "UPDATE script_elements SET text = 'x' WHERE script_id = ? AND position = 1", "element"),
    ("script_elements", "DELETE FROM script_elements WHERE script_id = ? AND position = 1", "element"),
    ("script_elements", "UPDATE script_elements SET persona_id = NULL WHERE script_id = ? AND position = 0", "element"),
    ("script_pages", "UPDATE script_pages SET title = NULL WHERE script_id = ? AND position = 1", "page"),
    ("script_pages", "UPDATE script_pages SET first_position = 2 WHERE script_id = ? AND position = 0", "page"),
    ("script_pages", "DELETE FROM script_pages WHERE script_id = ? AND position = 0", "page"),
    ("script_versions", "DELETE FROM script_versions WHERE script_id = ? AND version_number = 2", "version"),
    ("script_versions", "DELETE FROM script_versions WHERE script_id = ? AND version_number = 3", "counter"),
    ("script_versions", "UPDATE script_versions SET content_hash = 'x" + 63 * "0" + "' WHERE script_id = ? "
     "AND version_number = 1", "version"),
    ("script_versions", "UPDATE script_versions SET snapshot = '{\"schema_version\": 1, \"title\": \"T\", "
     "\"elements\": []}' WHERE script_id = ? AND version_number = 2", "version"),
    ("script_versions", "UPDATE script_versions SET snapshot = '[]' WHERE script_id = ? AND version_number = 2",
     "version"),
    ("scripts", "UPDATE scripts SET title = 'X' WHERE id = ?", "title"),
    ("scripts", "UPDATE scripts SET current_sequence = 7 WHERE id = ?", "counter"),
    ("scripts", "UPDATE scripts SET current_version = 7 WHERE id = ?", "counter"),
    ("personas", "UPDATE personas SET name = 'Q' WHERE script_id = ?", "element"),
    ("script_feed", "DELETE FROM script_feed WHERE command_id IN (SELECT id FROM script_commands WHERE script_id = ?)",
     "feed"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "sql", "check"), TAMPERINGS, ids=range(len(TAMPERINGS)))
def test_tampering_is_found(script, table, sql, check):
    """Each kind, in the script it was done to and in no other."""
    tamper(table, sql, str(script.id))
    report = scripts.verify()
    assert check in {finding.check for finding in report.findings}, report.findings
    assert {finding.script_id for finding in report.findings} == {script.id}
    assert report.scripts == 2
    assert not scripts.verify(script.id).ok


def test_elements_and_counters_are_rebuilt_from_the_commands(script):
    """After they were changed behind the store's back; corrupt commands are told instead."""
    before = scripts.at(script.id)
    tamper("script_elements", "DELETE FROM script_elements WHERE script_id = ? AND position < 2", str(script.id))
    tamper("scripts", "UPDATE scripts SET title = 'X', current_sequence = 1 WHERE id = ?", str(script.id))
    assert scripts.rebuild_elements(script.id) == len(before.elements)
    assert scripts.verify().ok and scripts.at(script.id) == before
    sql = "UPDATE script_commands SET payload = '{}' WHERE script_id = ? AND sequence = 2"
    tamper("script_commands", sql, str(script.id))
    with pytest.raises(DocumentError):
        scripts.rebuild_elements(script.id)
    for unknown in (scripts.rebuild_elements, scripts.verify):
        with pytest.raises(NotFoundError):
            unknown(uuid.uuid4())


def test_a_lost_version_does_not_lose_a_state(script):
    """Versions only make reading quick: without one the same state is read from the commands."""
    states = [scripts.at(script.id, sequence=number) for number in range(1, 6)]
    tamper("script_versions", "DELETE FROM script_versions WHERE script_id = ?", str(script.id))
    again = [scripts.at(script.id, sequence=number) for number in range(1, 6)]
    assert [(each.title, each.elements) for each in again] == [(each.title, each.elements) for each in states]


def test_the_demo_is_well(db):
    """Its script has an AI's edit, a revert and pages; verify is content; seeding again leaves later work alone."""
    datapkg.seed(profile="demo")
    assert scripts.verify().ok
    (script,) = scripts.list_scripts()
    history = scripts.list_commands(script.id)
    assert [page.title for page in scripts.at(script.id).pages] == ["The island", "The radio"]
    assert {"AI", "USER"} == {command.actor_type for command in history}
    assert "REVERT" in {command.command_type for command in history}
    assert scripts.list_messages(script_id=script.id)
    assert len(scripts.commands_since().commands) == len(history)
    removed = {"command_type": "REMOVE_ELEMENT", "element_id": scripts.at(script.id).elements[1].element_id}
    scripts.append(script.id, commands=[removed], expected_sequence=script.current_sequence, actor_type="USER")
    assert not datapkg.seed(profile="demo").changed
    assert scripts.verify().ok


def test_a_long_chain_of_reverts_is_replayed_once_though_its_versions_are_wrong_or_lost(db):
    """Each revert goes back to the one before; neither the work doubles with each, nor does anything recurse."""
    script = make_script(text="a\n")
    chain = [{"command_type": "REVERT", "to_sequence": number} for number in range(1, 401)]
    scripts.append(script.id, commands=chain, expected_sequence=1, actor_type="USER")
    assert scripts.verify().ok
    tamper("script_versions", "DELETE FROM script_versions WHERE version_number / 2 * 2 = version_number")
    report = scripts.verify()
    assert {finding.check for finding in report.findings} == {"version"} and report.commands == 401
    assert scripts.at(script.id, sequence=400).text == "a\n"
    tamper("script_versions", "UPDATE script_versions SET content_hash = upper(content_hash)")
    report = scripts.verify()
    assert {finding.check for finding in report.findings} == {"version"} and report.commands == 401
    tamper("script_versions", "DELETE FROM script_versions")
    assert scripts.at(script.id, sequence=400).text == "a\n"
    assert {finding.check for finding in scripts.verify().findings} == {"counter"}


@pytest.mark.parametrize("wanted", [2, 3, 0], ids=["itself", "later", "before_the_first"])
def test_a_revert_that_nobody_can_follow_is_a_finding(db, wanted):
    """Whoever may insert commands cannot make a script's reading, or that of all others, run for ever."""
    script = make_script(text="a\n")
    payload = f'{{"schema_version": 1, "to_sequence": {wanted}}}'
    current().change(
        "INSERT INTO script_commands (id, created_at, script_id, sequence, command_id, command_type, payload, "
        f"actor_type) SELECT '{ID}', created_at, script_id, 2, '{ID}', 'REVERT', '{payload}', 'USER' "
        "FROM script_commands",  # datapkg: allow-write a foreign client's write
        (),
    )
    assert ("command", 2) in {(finding.check, finding.place) for finding in scripts.verify().findings}
    with pytest.raises(DocumentError):
        scripts.rebuild_elements(script.id)
    current().change("UPDATE scripts SET current_sequence = 3", ())
    with pytest.raises(DocumentError):
        scripts.at(script.id, sequence=2)


@pytest.mark.datapkg_engines("sqlite")
@pytest.mark.datapkg_commits
def test_a_script_that_is_gone_is_found(script, datapkg_url):
    """A SQLite client checks no foreign keys by default, so it can take a script's row away."""
    foreign = sqlite3.connect(datapkg_url.removeprefix("sqlite:///"), isolation_level=None)
    assert foreign.execute("DELETE FROM scripts WHERE id = ?", (str(script.id),)).rowcount == 1
    foreign.close()
    assert {(each.script_id, each.check) for each in scripts.verify().findings} == {(script.id, "script")}


def test_a_time_and_a_persona_that_do_not_belong_there_are_found(script):
    """A command of the past would be missed by who asks for that time; a persona belongs to its script."""
    assert scripts.verify().ok
    tamper("script_commands", f"UPDATE script_commands SET created_at = '{EARLY}' WHERE sequence = 2")
    assert {each.check for each in scripts.verify().findings} == {"time"}
    other = make_script()
    add = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "DIALOGUE", "text": "Hm", "persona": "Ann"}
    scripts.append(other.id, commands=[add], expected_sequence=1, actor_type="USER")
    scripts.create_persona(script.id, name="Ann")
    assert scripts.verify(other.id).ok
    sql = "UPDATE script_elements SET persona_id = ? WHERE script_id = ?"
    tamper("script_elements", sql, str(scripts.get_persona(script.id, name="Ann").id), str(other.id))
    assert [each.check for each in scripts.verify(other.id).findings] == ["element"]


UNTOLD_BY_CONTENT = {
    "a materializer that there is not": (
        "script_versions", "UPDATE script_versions SET materializer_version = 77 WHERE version_number = 2", "version"
    ),
    "a version before its commands": (
        "script_versions", f"UPDATE script_versions SET created_at = '{EARLY}' WHERE version_number = 2", "version"
    ),
    "a version after the next command": (
        "script_versions", f"UPDATE script_versions SET created_at = '{LATE}' WHERE version_number = 1", "version"
    ),
    "the newest version in the future": (
        "script_versions", f"UPDATE script_versions SET created_at = '{LATE}' WHERE version_number = 3", "version"
    ),
    "a command of the future": (
        "script_commands", f"UPDATE script_commands SET created_at = '{LATE}' WHERE sequence = 3", "time"
    ),
    "the newest command in the future": (
        "script_commands", f"UPDATE script_commands SET created_at = '{LATE}' WHERE sequence = 8", "time"
    ),
    "a place taken back": ("script_feed", "UPDATE script_feed SET position = NULL WHERE position = 3", "feed"),
    "the first place taken back": ("script_feed", "UPDATE script_feed SET position = NULL WHERE position = 1", "feed"),
    "another place": ("script_feed", "UPDATE script_feed SET position = 1000 WHERE position = 4", "feed"),
}  # fmt: skip


class Undone(Exception):
    """Takes a change back."""


def test_what_the_content_does_not_tell_is_found_too(script):
    """Times, materializers and places in the feed that no write of the store could have left."""
    scripts.commands_since()
    edit = {"command_type": "SET_TITLE", "title": "U"}
    scripts.append(script.id, commands=[edit], expected_sequence=8, actor_type="USER")
    assert scripts.verify().ok  # the newest command waits for its place
    for what, (table, sql, check) in UNTOLD_BY_CONTENT.items():
        with pytest.raises(Undone), transaction():
            tamper(table, sql)
            assert check in {finding.check for finding in scripts.verify().findings}, what
            raise Undone
    tamper("script_feed", "UPDATE script_feed SET position = NULL WHERE position = 3")
    scripts.commands_since()  # numbers it again
    assert {finding.check for finding in scripts.verify(script.id).findings} == {"feed"}
