"""Reading scripts: any moment of their history, differences, lists, and the lossless text."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datapkg import scripts
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.testing.factories import make_message, make_script, make_session, make_user

T0 = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def step(script, *commands, minutes=0):
    """Append at an instant."""
    return scripts.append(
        script.id,
        commands=list(commands),
        expected_sequence=scripts.get_script(script.id).current_sequence,
        actor_type="USER",
        now=T0 + dt.timedelta(minutes=minutes),
    )


@pytest.fixture
def play(db):
    """A script with six commands, one a minute."""
    script = scripts.create_script(make_user().id, title="A", text="a\nb\nc\n", now=T0)
    keys = [element.element_id for element in scripts.at(script.id).elements]
    step(script, {"command_type": "EDIT_ELEMENT", "element_id": keys[1], "text": "B\n"}, minutes=1)
    step(script, {"command_type": "MOVE_ELEMENT", "element_id": keys[2], "position": 0}, minutes=2)
    step(script, {"command_type": "REMOVE_ELEMENT", "element_id": keys[0]}, minutes=3)
    step(script, {"command_type": "SET_TITLE", "title": "Z"}, minutes=4)
    scripts.revert(script.id, to_version=1, now=T0 + dt.timedelta(minutes=5))
    return scripts.get_script(script.id)


STATES = ["a\nb\nc\n", "a\nB\nc\n", "c\na\nB\n", "c\nB\n", "c\nB\n", "a\nb\nc\n"]


def test_every_moment_can_be_read(play):
    """By sequence, by time, by version; the newest without saying."""
    for sequence, text in enumerate(STATES, start=1):
        state = scripts.at(play.id, sequence=sequence)
        assert (state.text, state.sequence) == (text, sequence)
        moment = T0 + dt.timedelta(minutes=sequence - 1)
        assert scripts.at(play.id, time=moment) == state
        assert scripts.at(play.id, time=moment + dt.timedelta(seconds=59)).text == text
    assert [scripts.at(play.id, version=number).text for number in (1, 2)] == [STATES[0], STATES[5]]
    assert scripts.at(play.id) == scripts.at(play.id, sequence=6)
    assert scripts.at(play.id, sequence=5).title == "Z" and scripts.at(play.id).title == "A"
    assert "A (sequence 6, version 2)" in repr(scripts.at(play.id))
    assert "<table" in scripts.at(play.id)._repr_html_()


def test_moments_that_never_were_are_refused(play):
    """Beyond the end, before the beginning, two at once, naive times."""
    for moment in ({"version": 3}, {"sequence": 7}, {"time": T0 - dt.timedelta(seconds=1)}):
        with pytest.raises(NotFoundError):
            scripts.at(play.id, **moment)
    for moment in (
        {"version": 0}, {"sequence": 0}, {"sequence": "1"}, {"version": 1, "sequence": 1},
        {"time": dt.datetime(2026, 1, 1)},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            scripts.at(play.id, **moment)
    with pytest.raises(NotFoundError):
        scripts.at(uuid.uuid4())
    for target in ({}, {"to_sequence": 1, "to_version": 1}, {"to_sequence": 7}, {"to_sequence": 0}, {"to_version": 0}):
        with pytest.raises(ValidationError):
            scripts.revert(play.id, **target)
    with pytest.raises(NotFoundError):
        scripts.revert(play.id, to_version=9)


def test_a_difference_for_people_and_for_programs(play):
    """Unified, and element by element; a state differs in nothing from itself."""
    found = scripts.diff(play.id, 1, 4, by="sequence")
    assert "-a\n-b\n c\n+B\n" in found.unified
    assert found.unified.startswith("--- A (sequence 1)\n+++ A (sequence 4)\n")
    assert [(each.change, each.position_before, each.position_after) for each in found.changes] == [
        ("removed", 0, None), ("moved", 2, 0), ("edited", 1, 1),
    ]  # fmt: skip
    assert found.title is None and scripts.diff(play.id, 1, 5, by="sequence").title == ("A", "Z")
    assert scripts.diff(play.id, 1, 2).same and not found.same
    assert scripts.diff(play.id, 4, 1, by="sequence").changes[0].change == "added"
    assert found.public()["changes"][0]["before"]["text"] == "a\n"
    with pytest.raises(ValidationError):
        scripts.diff(play.id, 1, 2, by="page")
    with pytest.raises(NotFoundError):
        scripts.diff(play.id, 1, 3)


def test_a_move_is_one_change(db):
    """Moving one of ten elements does not report the others."""
    script = make_script(commands=10)
    key = scripts.at(script.id).elements[0].element_id
    step(script, {"command_type": "MOVE_ELEMENT", "element_id": key, "position": 9})
    (change,) = scripts.diff(script.id, 11, 12, by="sequence").changes
    assert (change.change, change.element_id, change.position_before, change.position_after) == ("moved", key, 0, 9)


TEXTS = [
    "", "\n", "x", "x\n", "\n\n", "a\r\nb\r\n", "a\rb", "\r", "no end", "tabs\t\x0b\x0c\x1c\u2028\u2029\x85 end",
    "👩‍👩‍👧‍👦\n\u202e", "e\u0301", "\ufeffbom", "'; DROP TABLE scripts; --", "%s {} \\N \\. \\", "\x01\x7f",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_an_imported_text_comes_back_letter_for_letter(db, text):
    """Now, from its version, and after another text was in between."""
    script = make_script(text=text)
    step(script, {"command_type": "IMPORT", "text": "other\n"})
    step(script, {"command_type": "IMPORT", "text": text})
    assert scripts.at(script.id).text == scripts.at(script.id, version=1).text == text
    scripts.revert(script.id, to_sequence=1)
    assert scripts.at(script.id).text == text
    assert scripts.verify(script.id).ok


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back(db, text):
    """Whatever can be stored."""
    assert scripts.at(make_script(text=text).id).text == text


def test_what_is_not_text_ends_its_line(db):
    """An element of another kind gets a line end in the text where it has none; its own text stays as it is."""
    script = make_script(text="a\nb")
    line = {"command_type": "INSERT_ELEMENT", "position": 0, "kind": "SCENE", "text": "INT. HOUSE"}
    step(script, line, {**line, "position": 1, "kind": "NOTE", "text": "ends\n"})
    assert scripts.at(script.id).text == "INT. HOUSE\nends\na\nb"
    assert scripts.at(script.id).elements[0].text == "INT. HOUSE"


def test_lists_are_paged_newest_first(play):
    """Scripts, commands, versions."""
    other = make_script(owner_id=play.owner_id, title="B")
    assert [each.id for each in scripts.list_scripts(owner_id=play.owner_id)] == [other.id, play.id]
    assert scripts.list_scripts(title="B") == [other] and scripts.list_scripts(after=other.id) == [play]
    page = scripts.list_commands(play.id, limit=4)
    assert [each.sequence for each in page] == [6, 5, 4, 3]
    assert [each.sequence for each in scripts.list_commands(play.id, after=page[-1].id)] == [2, 1]
    newest, first = scripts.list_versions(play.id)
    assert scripts.list_versions(play.id, after=newest.id) == [first]
    for unknown in (scripts.list_commands, scripts.list_versions):
        with pytest.raises(NotFoundError):
            unknown(uuid.uuid4())
        with pytest.raises(NotFoundError):
            unknown(play.id, after=uuid.uuid4())
        with pytest.raises(ValidationError):
            unknown(play.id, limit=0)
    assert scripts.find_script(uuid.uuid4()) is None and scripts.find_script(str(play.id)) == play


def test_personas_and_messages(play):
    """Unique names, one table of messages, sessions of their user only."""
    made = scripts.create_persona(play.id, name="Ada", description="A keeper.")
    with pytest.raises(ConflictError):
        scripts.create_persona(play.id, name="Ada")
    with pytest.raises(NotFoundError):
        scripts.create_persona(uuid.uuid4(), name="Ada")
    with pytest.raises(ValidationError):
        scripts.create_persona(play.id, name="")
    assert scripts.get_persona(play.id, name="Ada") == made and scripts.find_persona(play.id, name="Bo") is None
    user = make_user()
    session = make_session(user_id=user.id).row
    message = scripts.record_message(user.id, role="USER", content="hi\r\n", session_id=session.id, script_id=play.id)
    about = make_message(user_id=user.id)
    assert scripts.list_messages(user_id=user.id) == [about, message]
    assert scripts.list_messages(session_id=session.id) == scripts.list_messages(script_id=play.id) == [message]
    assert scripts.list_messages(role="USER", after=about.id) == [message]
    with pytest.raises(ValidationError, match="another user"):
        scripts.record_message(make_user().id, role="USER", content="x", session_id=session.id)
    with pytest.raises(ValidationError):
        scripts.record_message(user.id, role="GHOST", content="x")
    for unknown in ({"session_id": uuid.uuid4()}, {"script_id": uuid.uuid4()}):
        with pytest.raises(NotFoundError):
            scripts.record_message(user.id, role="USER", content="x", **unknown)
