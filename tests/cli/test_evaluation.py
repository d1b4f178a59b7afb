"""``datapkg evaluation``: the tree, runs, a comparison and imports, driven as a process on the demo."""

from __future__ import annotations

import json

from datapkg.cli import evaluation as commands
from datapkg.evaluation import RUN_STATUSES


def test_the_tree_is_drawn(demo):
    """A definition with its forks, as a person and as a program read it."""
    run = demo.json("evaluation", "runs")[0]
    rows = demo.json("documents", "status")
    assert {row["column"] for row in rows} >= {"runs.config", "transcripts.content"}
    drawn = demo("evaluation", "tree", definition(demo)).stdout
    assert "Apology by tone and delay" in drawn and "├── Apology with a refund" in drawn
    assert "│   └── Apology with a refund, three sentences" in drawn
    plain = demo("evaluation", "tree", definition(demo), PYTHONIOENCODING="ascii").stdout
    assert "+-- Apology with a refund" in plain
    flat = demo.json("evaluation", "tree", definition(demo))
    assert [row["depth"] for row in flat] == [0, 1, 2, 1]
    assert flat[1]["parent_id"] == flat[0]["id"]
    assert demo.refusal("evaluation", "tree", run["id"])["code"] == "not_found"
    assert demo.refusal("evaluation", "tree", "x")["code"] == "validation"


def definition(shell):
    """Return the key of the definition that the demo's runs are of."""
    import sqlite3

    with sqlite3.connect(shell.folder / "datapkg.db") as connection:
        return connection.execute("SELECT definition_id FROM runs").fetchone()[0]


def test_runs_are_listed_and_narrowed(demo):
    """By status, definition and tree; a page goes on after a run; a wrong option is a usage error."""
    runs = demo.json("evaluation", "runs")
    assert [(run["completed"], run["failed"], run["total"]) for run in runs] == [(9, 1, 10), (10, 0, 10)]
    assert demo.json("evaluation", "runs", "--status", "running") == []
    assert "No runs." in demo("evaluation", "runs", "--status", "FAILED").stdout
    assert demo.json("evaluation", "runs", "--definition", definition(demo)) == runs
    assert demo.json("evaluation", "runs", "--tree", definition(demo), "--limit", "1") == runs[:1]
    assert demo.json("evaluation", "runs", "--after", runs[0]["id"]) == runs[1:]
    demo("evaluation", "runs", "--tree", runs[0]["id"], "--definition", runs[0]["id"], expect=2)
    demo("evaluation", "runs", "--status", "GONE", expect=2)
    assert demo.refusal("evaluation", "runs", "--limit", "0", expect=2)["code"] == "usage"
    assert "Apology by tone and delay" in demo("evaluation", "runs").stdout


def test_runs_are_compared(demo):
    """The figures are shown and stored; a run with itself and an unknown metric are refused."""
    second, first = [run["id"] for run in demo.json("evaluation", "runs")]
    shown = demo("evaluation", "compare", first, second, "--metric", "warmth").stdout
    assert "mean difference" in shown and "0.0777778" in shown and "standard error" in shown
    found = demo.json("evaluation", "compare", first, second, "--metric", "warmth")
    assert (found["n"], found["coverage"], found["baseline_only"]) == (9, 0.9, 1)
    assert demo.refusal("evaluation", "compare", first, first, "--metric", "warmth")["code"] == "validation"
    refusal = demo.refusal("evaluation", "compare", first, second, "--metric", "heat")
    assert refusal["code"] == "validation" and "warmth" in json.dumps(refusal)
    demo("evaluation", "compare", first, second, expect=2)


def test_transcripts_are_imported(demo):
    """The one that the demo's run lacks, from a file; again nothing is added; a bad line is named."""
    run = demo.json("evaluation", "runs")[0]["id"]
    turns = [{"role": "assistant", "content": "Sorry!"}]
    line = {"scenario": "tone=warm, delay=one day", "model": "demo-small", "sample_index": 1, "content": turns}
    lines = demo.folder / "answers.jsonl"
    lines.write_text(json.dumps(line) + "\n")
    assert demo.json("evaluation", "import", lines, "--run", run) == {"run_id": run, "created": 1, "kept": 0}
    assert "1 was there already" in demo("evaluation", "import", lines, "--run", run).stdout
    lines.write_text(json.dumps({**line, "content": [{"role": "nobody", "content": ""}]}) + "\n{\n")
    refusal = demo.refusal("evaluation", "import", lines, "--run", run)
    assert {"line 1.content.0.role", "line 2"} <= set(refusal["meta"]["errors"])
    demo("evaluation", "import", lines, expect=2)
    demo("evaluation", "import", "logs.txt", expect=2)
    assert demo.refusal("evaluation", "import", "nowhere.jsonl", "--run", run)["code"] != "unexpected"


def test_the_states_on_the_command_line_are_the_domains():
    """They are written down twice, so that --help need not load the domain."""
    assert tuple(commands._STATUSES) == RUN_STATUSES
