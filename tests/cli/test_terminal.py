"""What somebody sees who sits at a terminal: colours, tables that fit, progress; and what a pipe gets."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from terminals import DATAPKG, Terminal, on_terminal

from datapkg.cli.bars import Progress

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
GREEN, RED = "\x1b[32m", "\x1b[31m"


@pytest.fixture
def sit(demo):
    """Runs a command of the demo on a terminal; gives its exit code and what was shown."""

    demo.environment.pop("NO_COLOR", None)
    demo.environment["TERM"] = "xterm"

    def run(*args, columns=80, **environment):
        return on_terminal(*args, cwd=demo.folder, env={**demo.environment, **environment}, columns=columns)

    return run


def test_states_are_coloured_on_a_terminal_alone(sit, demo):
    """The words are the same without colours: in a pipe, with NO_COLOR, on a dumb terminal, and with --json."""
    code, shown = sit("status")
    assert code == 0 and f"{GREEN}applied\x1b[0m" in shown
    plain = demo("status").stdout
    assert COLOUR.sub("", shown) == plain == sit("status", NO_COLOR="1")[1] == sit("status", TERM="dumb")[1]
    assert "\x1b" not in sit("status", "--json")[1]


def test_errors_are_three_lines_and_red(sit, demo):
    """What happened, how to mend it, and the code, for a refusal and for wrong usage alike."""
    code, shown = sit("seed", "--profile", "dmeo")
    assert code == 1 and f"{RED}error:\x1b[0m There is no seed profile 'dmeo'. Did you mean 'demo'?\n" in shown
    assert COLOUR.sub("", shown) == demo("seed", "--profile", "dmeo", expect=1).stderr
    lines = demo("stats", expect=2).stderr.splitlines()
    assert lines == [
        "Usage: datapkg [OPTIONS] COMMAND [ARGS]...",
        "error: No such command 'stats'. Did you mean 'status'?",
        "  fix: See `datapkg --help`.",
        "  code: usage",
    ]


def test_tags_and_differences_are_coloured(sit):
    """What a migration would lose, and what came and went in a script."""
    tags = sit("--database", "sqlite:///none.db", "migrate", "--plan", columns=200)[1]
    assert f"-- {GREEN}additive\x1b[0m" in tags
    script = json.loads(sit("--json", "scripts", "list")[1])[0]["id"]
    shown = sit("scripts", "diff", script, "1", "2")[1]
    assert f"{RED}--- Untitled" in shown and f"{GREEN}+Only the sea." in shown


def test_a_table_that_is_too_wide_becomes_a_block_for_each_row(sit, demo):
    """Ids in full, each line within the terminal; a wider terminal, and a pipe, get the table."""
    narrow, wide = sit("evaluation", "runs")[1], sit("evaluation", "runs", columns=200)[1]
    ids = [run["id"] for run in demo.json("evaluation", "runs")]
    assert len(ids) == 2 and all(f"id           {key}\n" in narrow for key in ids)
    assert max(map(len, COLOUR.sub("", narrow).splitlines())) <= 80
    assert COLOUR.sub("", wide) == demo("evaluation", "runs").stdout
    assert wide.splitlines()[0].split()[:3] == ["id", "definition", "status"]
    # Columns without any value go first: nobody has claimed these, and they wait for none.
    assert "claimed_by" in demo("queue", "list").stdout
    listed = sit("queue", "list", columns=120)[1]
    assert "claimed_by" not in listed and listed.splitlines()[0].startswith("feature   name")


def test_a_stored_text_cannot_steer_the_terminal(sit, demo):
    """What would move the cursor or rename the window is shown as unknown characters."""
    title = "\x1b]0;owned\x07 plain"
    (demo.folder / "flags.json").write_text(
        json.dumps({"table": "feature_flags", "rows": [{"key": "k", "description": title}]})
    )
    assert demo("seed", "--file", "flags.json").stdout
    shown = sit("seed", "--file", "flags.json", "--profile", title)[1]
    assert "\x1b]" not in shown and "\x07" not in shown


def test_progress_is_shown_after_a_second_and_taken_away(demo):
    """On a terminal that can move its cursor, unless --quiet or --json was given; nothing of it stays."""
    surroundings = {"cwd": demo.folder, "env": {**demo.environment, "TERM": "xterm"}}
    dumb = {**surroundings, "env": {**demo.environment, "TERM": "dumb"}}
    with closing(sqlite3.connect(demo.folder / "datapkg.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that they have to wait
        shown = Terminal([*DATAPKG, "seed"], **surroundings)
        silent = [
            Terminal([*DATAPKG, "--quiet", "seed"], **surroundings),
            Terminal([*DATAPKG, "seed", "--json"], **surroundings),
            Terminal([*DATAPKG, "seed"], **dumb),
        ]
        piped = subprocess.Popen([*DATAPKG, "seed"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **surroundings)
        assert re.search(r"\r[-/|\\] seeding  0:0\d\x1b\[K", shown.read(until="seeding  0:01\x1b[K"))
        other.execute("ROLLBACK")
    assert shown.close() == 0 and "Nothing to change" in shown.shown.rpartition("\r\x1b[K")[2]
    for terminal in silent:
        assert terminal.close() == 0 and "seeding" not in terminal.shown
    assert piped.communicate()[1] == b"" and piped.returncode == 0


def test_ctrl_c_is_one_word_and_no_traceback(shell):
    """The bar goes, what was begun is undone, and the exit code is what a shell expects of an interrupt."""
    rows = [{"key": f"flag{number}", "description": "wide " * 300} for number in range(20_000)]
    (shell.folder / "many.json").write_text(json.dumps({"table": "feature_flags", "rows": rows}))
    shell("migrate")
    shell.environment["TERM"] = "xterm"
    terminal = Terminal([*DATAPKG, "seed", "--file", "many.json"], cwd=shell.folder, env=shell.environment)
    terminal.read(until="seeding")
    terminal.type("\x03")
    assert terminal.close() == 130
    after = COLOUR.sub("", terminal.shown.rpartition("\r\x1b[K")[2]).replace("\r\n", "\n").strip()
    assert after == "error: Interrupted.\n  fix: Run it again.\n  code: aborted"


def test_a_line_of_progress():
    """With a total a share, a speed and a time left; without one what turns, and the time."""
    shown = Progress("loading", 2000)
    started = shown._started
    assert shown.line(started) == "loading  [------------------------]   0%"
    shown.step(500, 2000)
    assert shown.line(started + 10) == "loading  [######------------------]  25%  50/s  0:30 left"
    shown.step(2000, 2000)
    assert shown.line(started + 40) == "loading  [########################] 100%  50/s"
    turning = Progress("rehearsing")
    assert turning.line(turning._started + 3725).endswith(" rehearsing  1:02:05")
    turning(12_000)
    assert turning.line(turning._started + 1.2).endswith("rehearsing  12,000  10,000/s  0:01")


def test_a_reader_that_leaves_early_is_no_error(demo):
    """What | head -1 does: nothing on stderr."""
    program = f"{sys.executable} -m datapkg documents status | head -1"
    done = subprocess.run(
        ["bash", "-c", program], cwd=demo.folder, env=demo.environment, capture_output=True, text=True
    )
    assert done.stdout.startswith("column ") and done.stderr == ""
