"""``datapkg scripts``: history, states, differences and verification, driven as a process on the demo."""

from __future__ import annotations

import sqlite3

import pytest


@pytest.fixture
def script(demo):
    """The demo's script."""
    (row,) = demo.json("scripts", "list")
    return row["id"]


def test_the_history_is_listed(demo, script):
    """Newest first, page by page; an unknown script and no UUID are refused."""
    rows = demo.json("scripts", "log", script)
    assert [row["sequence"] for row in rows] == list(range(len(rows), 0, -1))
    assert rows[-1]["command_type"] == "IMPORT"
    assert {row["model"] for row in rows} == {None, "model-a"}
    assert demo.json("scripts", "log", script, "--limit", 2, "--after", rows[2]["id"]) == rows[3:5]
    assert "REVERT" in demo("scripts", "log", script).stdout
    assert demo.refusal("scripts", "log", rows[0]["id"])["code"] == "not_found"
    assert demo.refusal("scripts", "log", "x")["code"] == "validation"


def test_a_state_is_shown(demo, script):
    """Now, at a version, after a command, at an instant; as a table, as JSON, as the bare text."""
    shown = demo("scripts", "show", script).stdout.splitlines()
    assert "The Keeper (sequence 12, version 2)" in shown[0]
    headings = [line.split() for line in shown if "— page" in line]
    assert headings == [["—", "page", "1", "—", "The", "island"], ["—", "page", "2", "—", "The", "radio"]]
    assert [page["length"] for page in demo.json("scripts", "show", script)["pages"]] == [3, 2]
    first = demo.json("scripts", "show", script, "--at", 1)
    assert (first["title"], first["sequence"]) == ("Untitled", 1)
    assert demo.json("scripts", "show", script, "--sequence", 1) == first
    assert demo.json("scripts", "show", script, "--time", "2026-03-02T09:01:00Z") == first
    assert demo("scripts", "show", script, "--at", 1, "--text").stdout == first["text"]
    assert demo.refusal("scripts", "show", script, "--at", 9)["code"] == "not_found"
    assert demo.refusal("scripts", "show", script, "--at", 1, "--sequence", 1)["code"] == "validation"
    demo("scripts", "show", script, "--time", "2026-03-02T09:00:00", expect=2)
    demo("scripts", "show", script, "--time", "yesterday", expect=2)


def test_a_difference_is_shown(demo, script):
    """Between versions, or by sequence."""
    drawn = demo("scripts", "diff", script, 1, 2).stdout
    assert drawn.startswith("--- Untitled (sequence 1)\n+++ The Keeper (sequence 9)\n")
    assert "+INT. LIGHTHOUSE - NIGHT" in drawn
    changes = demo.json("scripts", "diff", script, 8, 9, "--by", "sequence")["changes"]
    assert {change["change"] for change in changes} == {"edited", "removed", "moved"}
    demo("scripts", "diff", script, "one", 2, expect=2)


def test_verify_says_what_is_wrong_and_exits_3(demo, script):
    """Nothing at first; then somebody takes a trigger away and changes an element."""
    assert "All is well: 1 script, 12 commands" in demo("scripts", "verify").stdout
    assert demo.json("scripts", "verify", script)["findings"] == []
    with sqlite3.connect(demo.folder / "datapkg.db") as connection:
        connection.execute("DROP TRIGGER tg_script_elements_update")
        connection.execute("UPDATE script_elements SET text = 'x' WHERE position = 1")
    connection.close()
    assert "element" in demo("scripts", "verify", expect=3).stdout
    (finding,) = demo.json("scripts", "verify", script, expect=3)["findings"]
    assert (finding["check"], finding["place"], finding["script_id"]) == ("element", 1, script)
