"""Appending commands: what they make, what is refused, and what happens when a batch is sent again."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from datapkg import scripts
from datapkg.errors import ConflictError, NotFoundError, StaleWriteError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.testing.factories import make_script, make_user


def add(position, text, **more):
    """A command that inserts a line."""
    return {"command_type": "INSERT_ELEMENT", "position": position, "kind": "DIALOGUE", "text": text, **more}


def append(script, *commands, **options):
    """Append to the script as it is now."""
    given = {"expected_sequence": scripts.get_script(script.id).current_sequence, "actor_type": "USER", **options}
    return scripts.append(script.id, commands=list(commands), **given)


def texts(script, **moment):
    """The elements' texts."""
    return [element.text for element in scripts.at(script.id, **moment).elements]


def counts():
    """How many rows each of the store's tables has."""
    tables = ("scripts", "script_commands", "script_feed", "script_versions", "script_elements", "personas")
    return {table: current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in tables}


def test_every_command_does_what_it_says(db):
    """Inserted, edited, moved, removed, imported, reverted and titled; the counters follow."""
    script = make_script(title="One")
    done = append(script, add(0, "a"), add(1, "c", persona="Ada"), add(1, "b"))
    assert (done.first_sequence, done.sequence, done.repeated) == (2, 4, False)
    assert [command.sequence for command in done.commands] == [2, 3, 4]
    assert texts(script) == ["a", "b", "c"]
    keys = [element.element_id for element in scripts.at(script.id).elements]
    append(script, {"command_type": "MOVE_ELEMENT", "element_id": keys[0], "position": 2})
    assert texts(script) == ["b", "c", "a"]
    append(
        script, {"command_type": "EDIT_ELEMENT", "element_id": keys[2], "text": "C", "persona": None, "kind": "NOTE"}
    )
    edited = scripts.at(script.id).elements[1]
    assert (edited.text, edited.persona, edited.kind) == ("C", None, "NOTE")
    append(
        script, {"command_type": "REMOVE_ELEMENT", "element_id": keys[1]}, {"command_type": "SET_TITLE", "title": "Two"}
    )
    assert (texts(script), scripts.get_script(script.id).title) == (["C", "a"], "Two")
    append(script, {"command_type": "IMPORT", "text": "x\ny", "title": "Three"})
    assert scripts.at(script.id).text == "x\ny"
    scripts.revert(script.id, to_sequence=4)
    assert (texts(script), scripts.at(script.id).title) == (["a", "b", "c"], "One")
    stored = scripts.get_script(script.id)
    assert stored.current_sequence == 10
    assert stored.current_version == 3  # the first command, the import, the revert
    assert scripts.verify(script.id).ok
    assert [persona.name for persona in scripts.list_personas(script.id)] == ["Ada"]


REFUSED = [
    ({"command_type": "NOSUCH"}, "commands.1.command_type"),
    ({}, "commands.1.command_type"),
    ("x", "commands.1"),
    ({"command_type": "SET_TITLE"}, "commands.1.title"),
    ({"command_type": "SET_TITLE", "title": ""}, "commands.1.title"),
    ({"command_type": "SET_TITLE", "title": "x" * 501}, "commands.1.title"),
    ({"command_type": "SET_TITLE", "title": "x", "text": "y"}, "commands.1.text"),
    (add(2, "beyond the end"), "commands.1.position"),
    (add(-1, "x"), "commands.1.position"),
    (add(0, "NUL \0"), "commands.1.text"),
    (add(0, "half \ud800"), "commands.1.text"),
    ({**add(0, "x"), "kind": "NOSUCH"}, "commands.1.kind"),
    ({**add(0, "x"), "element_id": "x"}, "commands.1.element_id"),
    ({"command_type": "MOVE_ELEMENT", "element_id": str(uuid.uuid4()), "position": 0}, "commands.1.element_id"),
    ({"command_type": "REMOVE_ELEMENT", "element_id": str(uuid.uuid4())}, "commands.1.element_id"),
    ({"command_type": "EDIT_ELEMENT", "element_id": str(uuid.uuid4()), "text": "x"}, "commands.1.element_id"),
    ({"command_type": "EDIT_ELEMENT", "element_id": str(uuid.uuid4())}, "commands.1"),
    ({"command_type": "IMPORT"}, "commands.1"),
    ({"command_type": "IMPORT", "text": "x", "elements": []}, "commands.1"),
    ({"command_type": "REVERT", "to_sequence": 3}, "commands.1.to_sequence"),
    ({"command_type": "REVERT", "to_sequence": 0}, "commands.1.to_sequence"),
    ({"command_type": "SET_TITLE", "title": "x", "actor_type": "AI"}, "commands.1.model"),
    ({"command_type": "SET_TITLE", "title": "x", "actor_type": "GHOST"}, "commands.1.actor_type"),
]


@pytest.mark.parametrize(("command", "path"), REFUSED, ids=lambda value: None if isinstance(value, (dict, str)) else "")
def test_a_bad_command_is_refused_by_its_row_and_nothing_is_written(db, command, path):
    """The good command before it is not kept either."""
    script = make_script()
    before = counts()
    with pytest.raises(ValidationError) as caught:
        append(script, add(0, "good", persona="New"), command)
    assert path in caught.value.errors, caught.value.errors
    assert counts() == before
    append(script, add(0, "good"))


def test_a_move_may_go_to_the_last_place_but_not_beyond(db):
    """Of two elements the places are 0 and 1."""
    script = make_script(text="a\nb\n")
    key = scripts.at(script.id).elements[0].element_id
    with pytest.raises(ValidationError) as caught:
        append(script, {"command_type": "MOVE_ELEMENT", "element_id": key, "position": 2})
    assert caught.value.errors == {"commands.0.position": ["The script's positions end at 1."]}
    append(script, {"command_type": "MOVE_ELEMENT", "element_id": key, "position": 1})
    assert texts(script) == ["b\n", "a\n"]


def test_all_complaints_come_at_once(db):
    """Of several rows, each under its own path; an empty batch and what is no list are refused too."""
    script = make_script()
    with pytest.raises(ValidationError) as caught:
        append(script, {"command_type": "SET_TITLE"}, add(0, "x"), {"command_type": "IMPORT", "text": 1})
    assert set(caught.value.errors) == {"commands.0.title", "commands.2.text"}
    with pytest.raises(ValidationError) as caught:
        append(script, add(7, "x"), add(9, "x"))
    assert set(caught.value.errors) == {"commands.0.position", "commands.1.position"}
    for commands in ([], "x", None, {"command_type": "SET_TITLE"}):
        with pytest.raises(ValidationError):
            scripts.append(script.id, commands=commands, expected_sequence=1, actor_type="USER")
    for expected in (-1, "1", True, None, 2**31):
        with pytest.raises(ValidationError):
            append(script, add(0, "x"), expected_sequence=expected)
    with pytest.raises(ValidationError) as caught:
        append(script, add(0, "x"), actor_type=None)
    assert set(caught.value.errors) == {"commands.0.actor_type"}


@pytest.mark.parametrize("wrong", [0, 2, 100])
def test_a_wrong_expected_sequence_tells_the_actual_one(db, wrong):
    """Behind or ahead; nothing is written."""
    script = make_script()
    before = counts()
    with pytest.raises(StaleWriteError) as caught:
        append(script, add(0, "x"), expected_sequence=wrong)
    assert caught.value.meta["actual_sequence"] == 1
    assert counts() == before


def test_a_batch_sent_again_is_done_once(db):
    """Whatever the sequence is by then; the first result comes back."""
    script = make_script()
    batch = [add(0, "a", command_id=str(uuid.uuid4())), add(1, "b", command_id=uuid.uuid4(), persona="Ada")]
    first = append(script, *batch, expected_sequence=1)
    before = counts()
    again = append(script, *batch, expected_sequence=1)
    assert (again.commands, again.first_sequence, again.sequence) == (first.commands, 2, 3)
    assert again.repeated and not first.repeated
    append(script, {"command_type": "SET_TITLE", "title": "Later"})
    assert append(script, *batch, expected_sequence=77).sequence == 3
    assert {**counts(), "script_commands": 0, "script_feed": 0} == {**before, "script_commands": 0, "script_feed": 0}


def test_what_a_caller_gives_is_left_as_it_is(db):
    """Keys that were left out are not put into the caller's mappings, so one of them can be given twice."""
    script, line, page = make_script(), {"kind": "NOTE", "text": "x"}, {"length": 1}
    append(script, {"command_type": "IMPORT", "elements": [line, line], "pages": [page, page]})
    assert texts(script) == ["x", "x"]
    assert len({each.page_id for each in scripts.at(script.id).pages}) == 2
    assert (line, page) == ({"kind": "NOTE", "text": "x"}, {"length": 1})


def test_a_command_id_stands_for_one_command(db):
    """Another payload, another script, another order, or a part of the batch conflicts; nothing is written."""
    script, other = make_script(), make_script()
    one, two, three = (str(uuid.uuid4()) for _ in range(3))
    append(script, add(0, "a", command_id=one), add(1, "b", command_id=two))
    before = counts()
    for target, batch in (
        (script, [add(0, "A", command_id=one)]),
        (script, [{"command_type": "SET_TITLE", "title": "a", "command_id": one}]),
        (other, [add(0, "a", command_id=one)]),
        (script, [add(1, "b", command_id=two), add(0, "a", command_id=one)]),
        (script, [add(0, "a", command_id=one), add(1, "c", command_id=three)]),
    ):
        with pytest.raises(ConflictError) as caught:
            append(target, *batch)
        assert caught.value.meta["command_id"]
    with pytest.raises(ValidationError):
        append(script, add(0, "a", command_id=three), add(0, "b", command_id=three))
    assert counts() == before


def test_only_the_owner_appends_where_somebody_is_named(db):
    """append, revert, materialize and rebuild refuse another owner; the owner passes."""
    script, stranger = make_script(text="a"), make_user()
    before = counts()
    for write in (
        lambda owner: append(script, add(0, "x"), owner_id=owner),
        lambda owner: scripts.revert(script.id, to_sequence=1, owner_id=owner),
        lambda owner: scripts.materialize(script.id, owner_id=owner),
        lambda owner: scripts.rebuild_elements(script.id, owner_id=owner),
    ):
        with pytest.raises(ConflictError, match="another owner"):
            write(stranger.id)
        assert counts() == before
    append(script, add(0, "x"), owner_id=script.owner_id)


def test_an_ai_edits_by_commands_that_name_its_model(db):
    """Without a model it is refused; with one, both are kept."""
    script = make_script()
    with pytest.raises(ValidationError):
        append(script, add(0, "x"), actor_type="AI", actor_id="assistant")
    (command,) = append(script, add(0, "x"), actor_type="AI", actor_id="assistant", model="model-a").commands
    assert (command.actor_type, command.actor_id, command.model) == ("AI", "assistant", "model-a")
    mixed = append(script, add(0, "y", actor_type="USER", actor_id="ann"), add(0, "z"), actor_type="AI", model="m")
    assert [each.actor_type for each in mixed.commands] == ["USER", "AI"]


def test_creating_a_script(db):
    """By title or with a text; twice with one command_id is once; unknown users and bad titles are refused."""
    user, key = make_user(), uuid.uuid4()
    script = scripts.create_script(user.id, title="T", text="a\n", command_id=key)
    assert (script.title, script.current_sequence, script.current_version) == ("T", 1, 1)
    assert scripts.create_script(user.id, title="T", text="a\n", command_id=key).id == script.id
    with pytest.raises(ConflictError):
        scripts.create_script(user.id, title="T", text="b\n", command_id=key)
    with pytest.raises(ConflictError):
        scripts.create_script(make_user().id, title="T", text="a\n", command_id=key)
    with pytest.raises(NotFoundError):
        scripts.create_script(uuid.uuid4(), title="T")
    with pytest.raises(ValidationError) as caught:
        scripts.create_script(user.id, title="", actor_type="AI")
    assert "title" in caught.value.errors
    with pytest.raises(NotFoundError):
        scripts.append(uuid.uuid4(), commands=[add(0, "x")], expected_sequence=0, actor_type="USER")


def test_an_append_is_undone_with_the_callers_transaction(db):
    """Commands, versions, elements and counters alike."""
    script = make_script(text="a\n")
    before = counts()
    with pytest.raises(KeyError), transaction():
        append(script, add(1, "b", persona="Ada"), {"command_type": "IMPORT", "text": "z"})
        raise KeyError
    assert counts() == before
    assert scripts.get_script(script.id).current_sequence == 1
    assert scripts.verify().ok


def test_versions_fall_due_and_can_be_asked_for(db):
    """After 100 commands at the latest; materialize makes one, and only where something is new."""
    script = make_script(commands=99)
    assert scripts.get_script(script.id).current_version == 1
    append(script, {"command_type": "SET_TITLE", "title": "x"})
    assert [version.through_sequence for version in scripts.list_versions(script.id)] == [101, 1]
    append(script, {"command_type": "SET_TITLE", "title": "y"})
    made = scripts.materialize(script.id)
    assert (made.version_number, made.through_sequence, made.materializer_version) == (3, 102, 1)
    assert made.content_hash == scripts.at(script.id).content_hash
    assert scripts.materialize(script.id).id == made.id
    assert scripts.get_script(script.id).current_version == 3
    assert scripts.verify().ok
    with pytest.raises(NotFoundError):
        scripts.materialize(uuid.uuid4())


def test_a_clock_that_goes_back_does_not_reorder_history(db):
    """A command is never older than the one before it."""
    script = make_script()
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    append(script, add(0, "x"), now=past)
    newest, first = scripts.list_commands(script.id)
    assert newest.created_at >= first.created_at


def test_what_the_caller_gave_stays_as_it_is(db):
    """A line that stands in a list twice makes two elements, and no key of theirs is written into it."""
    script, line = make_script(), {"kind": "NOTE", "text": "Chorus"}
    command = {"command_type": "IMPORT", "elements": [line, line]}
    append(script, command, expected_sequence=1)
    append(script, command, expected_sequence=2)
    assert line == {"kind": "NOTE", "text": "Chorus"}
    assert [each.text for each in scripts.at(script.id).elements] == ["Chorus", "Chorus"]


def test_blanks_name_nobody(db):
    """A model or an actor that is nothing but blanks is refused; blanks within a name are part of it."""
    script, title = make_script(), {"command_type": "SET_TITLE", "title": "B"}
    with pytest.raises(ValidationError) as refused:
        append(script, title, actor_type="AI", model=" \t", actor_id="\n")
    assert set(refused.value.errors) == {"commands.0.model", "commands.0.actor_id"}
    with pytest.raises(ValidationError):
        append(script, title, actor_id="\u3000")
    assert append(script, title, actor_type="AI", model="model a", actor_id=" ann").sequence == 2
