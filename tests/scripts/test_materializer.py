"""The pure part: contents and commands, without any database."""

from __future__ import annotations

from uuid import UUID

import pytest

from datapkg.scripts.contents import NOTHING, Content, Element, RefusedCommandError
from datapkg.scripts.materializer import CHECKPOINT, Command, apply, checkpoint_due, split_text

KEY = UUID(int=7)


def test_applying_leaves_the_content_before_as_it_was():
    """And gives the same for the same, keys of imported lines included."""
    command = Command(KEY, "IMPORT", {"text": "a\nb", "title": "T"})
    before = Content("Old", (Element("e", "NOTE", "n"),))
    made = apply(before, command)
    assert made == apply(NOTHING, command) and made.text == "a\nb"
    assert before == Content("Old", (Element("e", "NOTE", "n"),))
    assert made.content_hash == apply(before, command).content_hash != before.content_hash


def test_a_snapshot_gives_the_content_back():
    """With and without a persona."""
    content = Content("T", (Element("a", "NOTE", "x", "Ada"), Element("b", "TEXT", "")))
    assert Content.of_snapshot(content.snapshot()) == content


def test_a_refused_command_changes_nothing():
    """It says which part of it is wrong."""
    with pytest.raises(RefusedCommandError) as caught:
        apply(NOTHING, Command(KEY, "MOVE_ELEMENT", {"element_id": "x", "position": 0}))
    assert caught.value.field == "element_id"
    with pytest.raises(RefusedCommandError):
        apply(NOTHING, Command(KEY, "REVERT", {"to_sequence": 1}))
    with pytest.raises(RefusedCommandError):
        apply(NOTHING, Command(KEY, "DANCE", {}))


def test_lines_keep_their_ends():
    """Joined, they are the text."""
    assert split_text("a\r\nb\n\nc\u2028d") == ["a\r\n", "b\n", "\n", "c\u2028d"]
    assert split_text("") == []


@pytest.mark.parametrize(
    ("kind", "sequence", "last", "elements", "due"),
    [
        ("SET_TITLE", 1, 0, 0, True),
        ("SET_TITLE", CHECKPOINT, 1, 0, False),
        ("SET_TITLE", CHECKPOINT + 1, 1, 0, True),
        ("SET_TITLE", CHECKPOINT + 1, 1, 500, False),
        ("SET_TITLE", 501, 1, 500, True),
        ("IMPORT", 3, 2, 0, True),
        ("REVERT", 3, 2, 0, True),
    ],
)
def test_when_a_version_falls_due(kind, sequence, last, elements, due):
    """First command, imports and reverts, and after as many commands as 100 or the script's elements."""
    assert checkpoint_due(kind, sequence=sequence, last=last, elements=elements) is due
