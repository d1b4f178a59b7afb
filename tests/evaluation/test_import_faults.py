"""An import that is killed, or runs twice at once, ends in the same state as one import."""

from __future__ import annotations

import json
import os
import signal

import nursery
import pytest

from datapkg import evaluation
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import current
from datapkg.kit.failpoints import FAILPOINTS

LINES = 2500
IMPORT = """
import sys, datapkg
from datapkg.evaluation import imports
datapkg.connect(sys.argv[1], busy_timeout=60.0)
report = imports.import_transcripts(sys.argv[2], run_id=sys.argv[3])
print(report.created, report.kept)
"""


@pytest.fixture
def command(db, datapkg_url, tmp_path):
    """The command line of a process that imports 2,500 transcripts."""
    definition = evaluation.create_definition("d", content={"preamble": "", "template": "", "dimensions": []})
    evaluation.create_scenario(definition.id, name="a", content={"preamble": "", "prompt": "", "values": {}})
    run = create_run(definition.id, config={"models": ["model-a"]})
    path = tmp_path / "answers.jsonl"
    with path.open("w") as lines:
        for index in range(LINES):
            row = {"scenario": "a", "model": "model-a", "sample_index": index, "content": [], "metrics": {"n": index}}
            lines.write(json.dumps(row) + "\n")
    return IMPORT, datapkg_url, path, run.id


def state():
    """Return how many transcripts there are, how many different ones, and the sum of a metric."""
    rows = current().fetch("SELECT sample_index, metrics FROM transcripts", ())
    return len(rows), len({index for index, _ in rows}), sum(json.loads(text)["values"]["n"] for _, text in rows)


WHOLE = (LINES, LINES, sum(range(LINES)))


@pytest.mark.datapkg_commits
@pytest.mark.parametrize(
    "failpoint", [name for name in FAILPOINTS if name.startswith("import.")] + ["import.mid_write:2"]
)
def test_a_killed_import_is_whole_after_the_next(command, failpoint):
    """Killed at this point all is there or nothing; run again, all is there once."""
    killed = nursery.run_python(*command, env={**os.environ, "DATAPKG_FAILPOINT": failpoint})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state() == (WHOLE if failpoint == "import.after_commit" else (0, 0, 0))
    again = nursery.run_python(*command)
    assert again.stdout.split() == (["0", "2500"] if failpoint == "import.after_commit" else ["2500", "0"])
    assert state() == WHOLE


@pytest.mark.datapkg_commits
def test_imports_at_once_make_one_set_of_rows(command):
    """Three processes import the same file at the same time; all succeed, and every row is there once."""
    running = [nursery.start_python(*command) for _ in range(3)]
    made = []
    for process in running:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        made.append([int(count) for count in output.split()])
    assert sum(created for created, _ in made) == LINES
    assert sum(kept for _, kept in made) == 2 * LINES
    assert state() == WHOLE
