"""``datapkg lint-writes``, driven as a process."""

from __future__ import annotations


def test_findings_end_with_3_and_name_the_place(shell):
    """For people a line each, as linters do; for programs a list; nothing found ends with 0, without a database."""
    code = shell.folder / "code.py"
    code.write_text("q('DELETE FROM rubrics')\n")
    line = "code.py:1:3: DELETE writes rubrics directly; call datapkg.evaluation.create_rubric.\n"
    assert shell("lint-writes", "code.py", expect=3).stdout == line
    (one,) = shell.json("lint-writes", ".", expect=3)
    assert (one["path"], one["line"], one["column"], one["table"]) == ("code.py", 1, 3, "rubrics")
    code.write_text("q('DELETE FROM rubrics')  # datapkg: allow-write tidying up by hand\n")
    assert shell("lint-writes", ".").stdout == "No direct writes to gated tables.\n"
    assert shell.json("lint-writes", ".") == []
    code.write_text("q('SELECT 1')  # datapkg: allow-write no more\n")
    assert "allows nothing" in shell("lint-writes", ".", expect=3).stdout
    assert not (shell.folder / "datapkg.db").exists()


def test_the_inventory_is_grouped(shell):
    """By table and domain, findings or not."""
    (shell.folder / "code.py").write_text("q('DELETE FROM rubrics')\nq('SELECT * FROM users JOIN rubrics ON 1')\n")
    shown = shell("lint-writes", ".", "--inventory").stdout
    assert shown == (
        "users (accounts)\n  read    code.py:2:3  SELECT\n\n"
        "rubrics (evaluation, gated)\n  read    code.py:2:3  SELECT\n  write   code.py:1:3  DELETE\n"
    )
    listed = shell.json("lint-writes", ".", "--inventory")
    assert [(each["domain"], each["table"], each["access"]) for each in listed] == [
        ("accounts", "users", "read"),
        ("evaluation", "rubrics", "read"),
        ("evaluation", "rubrics", "write"),
    ]
    (shell.folder / "code.py").write_text("x = 1\n")
    assert shell("lint-writes", ".", "--inventory").stdout == "Nothing touches the database.\n"


def test_wrong_paths_are_usage_errors_and_broken_files_are_findings(shell):
    """No path, one that is not there; a file that is no Python is told and not skipped."""
    shell("lint-writes", expect=2)
    shell("lint-writes", "nowhere", expect=2)
    (shell.folder / "code.py").write_bytes(b"\xff\xfe")
    assert "code.py:1:1: not read" in shell("lint-writes", ".", expect=3).stdout
