"""Importing transcripts from JSON lines: everything checked first, all or nothing, again without doubling."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import uuid

import pytest
from click.testing import CliRunner

from datapkg import evaluation
from datapkg.cli.evaluation_imports import import_file
from datapkg.cli.root import Settings
from datapkg.errors import NotFoundError, StaleWriteError, ValidationError
from datapkg.evaluation import transcripts
from datapkg.evaluation.imports import count_lines, import_transcripts
from datapkg.evaluation.runs import create_run
from datapkg.evaluation.transcripts import TranscriptReport
from datapkg.kit.database import current, override, transaction

TURNS = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "vier ☺"}]
EMPTY = {"preamble": "", "template": "", "dimensions": []}
PROMPT = {"preamble": "", "prompt": "", "values": {}}


def make_run():
    """Make a run of two scenarios."""
    definition = evaluation.create_definition("d", content=EMPTY)
    for name in ("a", "b"):
        evaluation.create_scenario(definition.id, name=name, content=PROMPT)
    return create_run(definition.id, config={"models": ["model-a"]})


@pytest.fixture
def run(db):
    """A run of two scenarios, a and b."""
    return make_run()


@pytest.fixture
def write(tmp_path):
    """Write a file of lines, each bytes, a text or a row; return its path."""

    def write(lines, name="answers.jsonl"):
        raw = [
            line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
            for line in lines
        ]
        data = b"\n".join(raw) + b"\n"
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def row(index=0, scenario="a", **given):
    """Return a good row, changed as given."""
    return {"scenario": scenario, "model": "model-a", "sample_index": index, "content": TURNS, **given}


def stored():
    """Return how many transcripts are stored."""
    return current().fetch("SELECT count(*) FROM transcripts", ())[0][0]


def refusal(path, run):
    """Return the error of an import that must be refused, and leave nothing behind."""
    with pytest.raises(ValidationError) as caught:
        import_transcripts(path, run_id=run.id)
    assert stored() == 0
    return caught.value


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_lines_become_transcripts(run, write, name):
    """Scenarios by name or key, blank lines, a byte order mark, Windows line ends; the documents come back."""
    key = next(str(each.id) for each in evaluation.list_scenarios(run_id=run.id) if each.name == "b")
    second = {"scenario_id": key, "model": "m", "content": [], "metrics": {"score": 1}, "duration_ms": 5}
    path = write(
        [
            b"\xef\xbb\xbf" + json.dumps(row(0)).encode(),
            "",
            "  \t",
            json.dumps(second) + "\r",
            row(1, scenario_id=None),
        ],
        name,
    )
    told = []
    assert count_lines(path) == 3
    report = import_transcripts(str(path), run_id=str(run.id), progress=told.append)
    assert report == TranscriptReport(created=3, kept=0)
    assert told == [3]
    first, by_key, _ = transcripts.list_transcripts()[::-1]
    assert first.content == TURNS
    assert (str(by_key.scenario_id), by_key.metrics["values"], by_key.duration_ms) == (key, {"score": 1.0}, 5)


def test_importing_again_adds_what_is_missing(run, write):
    """What is there is kept as it is, also when it was written by other means."""
    lines = [row(index) for index in range(2500)]
    key = next(each.id for each in evaluation.list_scenarios(run_id=run.id) if each.name == "a")
    transcripts.create_transcript(run.id, scenario_id=key, model="model-a", content=[], sample_index=7)
    told = []
    report = import_transcripts(write(lines), run_id=run.id, progress=told.append)
    assert (report.created, report.kept, told) == (2499, 1, [1000, 1000, 500])
    assert import_transcripts(write([*lines, row(2500)]), run_id=run.id) == TranscriptReport(created=1, kept=2500)
    assert stored() == 2501
    assert len(transcripts.list_transcripts(limit=1000)) == 1000


def test_every_complaint_about_every_line(run, write):
    """Paths begin with the line's number from 1, blank lines counted; nothing is written."""
    error = refusal(
        write(
            [
                row(0),
                "",
                row(1, content=[{"role": "nobody", "content": "x"}], model=""),
                "{no json}",
                b'{"scenario": "\xff"}',
                row(2, scenario="nobody"),
                row(3, scenario_id=str(uuid.uuid4())),
                {**row(4, scenario=None), "metrics": {"x": True}},
                {**row(5, scenario=None), "scenario_id": str(uuid.uuid4())},
                row(0),
                "[1]",
                '{"scenario": "a", "model": "m", "content": [], "metrics": {"x": NaN}}',
                row(6, scenario=["a"]),
                row(7, scenario="\0", extra=1),
                '{"scenario": "a", "model": "\\ud800", "content": []}',
                "null",
            ]
        ),
        run,
    )
    assert set(error.errors) == {
        "line 3.content.0.role", "line 3.model",
        "line 4", "line 5",
        "line 6.scenario",
        "line 7.scenario", "line 7.scenario_id",
        "line 8.scenario_id", "line 8.metrics.x",
        "line 9.scenario_id",
        "line 10",
        "line 11", "line 12", "line 13.scenario",
        "line 14.scenario", "line 14.extra",
        "line 15",
        "line 16",
    }  # fmt: skip
    assert [path.split(".")[0] for path in error.errors] == sorted(
        (path.split(".")[0] for path in error.errors), key=lambda place: int(place.split()[1])
    )
    assert error.errors["line 5"] == ["Not UTF-8 text."]
    assert error.errors["line 10"] == ["Has the scenario, model and sample_index of line 1."]
    assert "18 complaints" in error.why


def test_very_many_complaints_are_counted(run, write):
    """A hundred are listed, all are counted."""
    error = refusal(write([row(index, model="") for index in range(2500)]), run)
    assert len(error.errors) == 100
    assert "2,500 complaints, the first 100 are listed" in error.why


def test_files_that_cannot_be_read(run, write, tmp_path):
    """A missing file, a folder, a damaged compressed file: told by the path."""
    whole = write([row(index) for index in range(100)], "whole.jsonl.gz").read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "plain.jsonl.gz").write_bytes(b"{}\n")
    (tmp_path / "spoilt.jsonl.gz").write_bytes(whole[:100] + b"xxxxxxxx" + whole[108:])
    for name in ("missing.jsonl", ".", "cut.jsonl.gz", "plain.jsonl.gz", "spoilt.jsonl.gz"):
        assert list(refusal(tmp_path / name, run).errors) == ["path"]
    with pytest.raises(ValidationError):
        count_lines(tmp_path / "missing.jsonl")


@pytest.mark.parametrize(
    "path", [3, None, b"a.jsonl", "a\0b", "\ud800"], ids=["number", "none", "bytes", "nul", "half"]
)
def test_what_is_no_path(run, path):
    """Told as every other complaint, by both imports."""
    for given in (lambda: import_transcripts(path, run_id=run.id), lambda: evaluation.import_inspect_log(path)):
        with pytest.raises(ValidationError, match="valid path"):
            given()


def test_a_pipe_is_refused(run, tmp_path):
    """It could not be read twice; waiting for its second writer would keep SQLite locked for ever."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(ValidationError, match="no regular file"):
        import_transcripts(tmp_path / "pipe.jsonl", run_id=run.id)


def test_an_empty_file_is_an_import_of_nothing(run, write):
    """No lines, or blank ones only."""
    assert import_transcripts(write([]), run_id=run.id) == TranscriptReport(created=0, kept=0)
    assert import_transcripts(write(["", " "]), run_id=run.id) == TranscriptReport(created=0, kept=0)


def test_a_missing_run_is_told(db, write):
    """Before the file is looked at."""
    with pytest.raises(NotFoundError):
        import_transcripts("missing.jsonl", run_id=uuid.uuid4())
    with pytest.raises(ValidationError):
        import_transcripts("missing.jsonl", run_id="x")


@pytest.mark.parametrize("change", ["more", "other", "worse", "less"])
def test_a_file_that_changes_meanwhile_is_not_imported(run, write, change):
    """Whatever it becomes between the two readings: nothing is written."""
    lines = [row(index) for index in range(2500)]
    path = write(lines)
    after = {
        "more": [*lines, row(9999)],
        "other": [*lines[:-1], row(2499, content=[])],
        "worse": [*lines[:-1], "{"],
        "less": lines[:-1],
    }[change]
    changed = []

    def meddle(_):
        # The first batch is written: the end of the file has not been read for the second time yet.
        if not changed:
            changed.append(path.write_bytes(b"\n".join(json.dumps(each).encode() for each in after) + b"\n"))

    if change == "worse":
        path.write_bytes(b"\n".join(json.dumps(each).encode() for each in lines) + b"\n")
        after[-1] = {"scenario": "a"}
    with pytest.raises(StaleWriteError) as caught:
        import_transcripts(path, run_id=run.id, progress=meddle)
    assert "changed while it was imported" in caught.value.why
    assert changed
    assert stored() == 0


def test_a_scenario_that_goes_meanwhile_is_told(run, write):
    """The file is the same, but a later line's scenario is no more: the line is named, nothing is written."""
    key = next(each.id for each in evaluation.list_scenarios(run_id=run.id) if each.name == "b")
    path = write([*(row(index) for index in range(1000)), row(0, "b")])

    def meddle(_):
        evaluation.delete_scenario(key)

    with pytest.raises(ValidationError) as caught:
        import_transcripts(path, run_id=run.id, progress=meddle)
    assert list(caught.value.errors) == ["line 1001.scenario"]
    assert stored() == 0


def test_inside_a_transaction(run, write):
    """It is undone with the caller's."""
    with pytest.raises(KeyError), transaction():
        import_transcripts(write([row(0)]), run_id=run.id)
        raise KeyError
    assert stored() == 0


def test_memory_does_not_grow_with_the_file(run, write):
    """Reading, checking and writing take a small part of what the file holds."""
    path = write([row(index, content=[{"role": "user", "content": "x" * 20_000}]) for index in range(1500)])
    import_transcripts(write([row(9999)], "warm.jsonl"), run_id=run.id)
    tracemalloc.start()
    try:
        import_transcripts(path, run_id=run.id)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size * 1.5


def call(url, *given, as_json=False):
    """Run the command as the command line does."""
    settings = Settings(url=url)
    return CliRunner().invoke(import_file, [*map(str, given), *(["--json"] if as_json else [])], obj=settings)


@pytest.mark.datapkg_commits
def test_the_command_line_imports(db, datapkg_url, write):
    """It says what was made, again what was there; with --json as one value."""
    run = make_run()
    path = write([row(0), row(1)])
    said = call(datapkg_url, path, "--run", run.id)
    assert (said.exit_code, said.output.split()[:3]) == (0, ["2", "transcripts", "created,"])
    assert str(run.id) in said.output
    assert "2 were there already" in call(datapkg_url, path, "--run", run.id).output
    with override(db):  # the command has disconnected
        assert stored() == 2


@pytest.mark.parametrize("given", [["x.jsonl"], ["x.jsonl.gz"], ["x.csv"], ["x.eval", "--run", "y"], []])
def test_the_command_line_says_how_to_use_it(given):
    """What cannot be meant is wrong usage, before a database is looked at."""
    said = call("postgresql://nowhere.invalid/x", *given)
    assert said.exit_code == 2
    assert "Usage:" in said.output
