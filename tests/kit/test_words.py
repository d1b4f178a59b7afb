"""Words in messages, and tables for a terminal."""

from __future__ import annotations

from datapkg.kit.display import terminal
from datapkg.kit.results import cell, facts_table, text_table
from datapkg.kit.words import counted, did_you_mean


def test_one_and_several():
    """Numbers with their nouns, in thousands."""
    assert [counted(count, "row") for count in (0, 1, 2, 1234)] == ["0 rows", "1 row", "2 rows", "1,234 rows"]
    assert [counted(count, "entry is", "entries are") for count in (1, 2)] == ["1 entry is", "2 entries are"]


def test_the_name_that_was_meant():
    """Whatever the case, cut short too; nothing where no name is near."""
    known = ["status", "seed", "SEGMENT", "evaluation"]
    assert did_you_mean("sede", known) == " Did you mean 'seed'?"
    assert did_you_mean("segmnt", known) == " Did you mean 'SEGMENT'?"
    assert did_you_mean("eval", known) == " Did you mean 'evaluation'?"
    assert did_you_mean("xyzzy", known) == did_you_mean("", known) == did_you_mean("x", []) == ""


def test_a_table_for_a_terminal():
    """Empty columns go first, then each row is a block; a wide one, and any without a terminal, stay tables."""
    columns, rows = ["id", "nothing", "state"], [["a" * 20, None, "ok"], ["b" * 20, None, "bad"]]
    with terminal(40, lambda column, text: text.upper() if column == "state" else text):
        table = text_table(columns, rows)
        assert table.splitlines()[0].split() == ["id", "nothing", "state"] and "  OK" in table
    with terminal(30, lambda column, text: text):
        assert text_table(columns, rows).splitlines()[0].split() == ["id", "state"]
    with terminal(20, lambda column, text: text):
        blocks = text_table(columns, rows).split("─" * 20)
        assert [block.split() for block in blocks] == [
            ["id", "a" * 20, "state", "ok"],
            ["id", "b" * 20, "state", "bad"],
        ]
    assert len(text_table(columns, [["a" * 39, None, "ok"]] * 2).splitlines()) == 4
    assert facts_table([("a", 1), ("longer", None)]) == "a       1\nlonger"


def test_lists_and_objects_in_a_cell():
    """A list reads as one; an object as its JSON."""
    assert cell(["FEAT-001", "FEAT-002"]) == "FEAT-001, FEAT-002" and cell([]) == ""
    assert cell({"a": None}) == '{"a": null}' and cell([{"a": 1}]) == '[{"a": 1}]'
