"""Importing logs that Inspect AI itself wrote, whole, damaged and edited."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from datapkg import evaluation
from datapkg.cli.evaluation_imports import import_file
from datapkg.cli.root import Settings
from datapkg.errors import ConfigurationError, ConflictError, ValidationError
from datapkg.evaluation import transcripts
from datapkg.evaluation.inspect_logs import count_samples, import_inspect_log
from datapkg.evaluation.runs import get_run_with_transcripts
from datapkg.kit.database import current, override
from datapkg.kit.json_values import content_hash

# Inspect AI's own logging and event loop stay in a process of their own.
TASKS = Path(__file__).parents[1] / "support" / "inspect_tasks.py"
FORMS = ("eval", "json")


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    """The folder of the logs: a folder for each task, in it one for each form."""
    folder = tmp_path_factory.mktemp("inspect")
    subprocess.run([sys.executable, str(TASKS), str(folder)], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def log(logs):
    """Return the path of a task's log."""

    def find(task, form="eval"):
        (found,) = (logs / task / form).glob(f"*.{form}")
        return found

    return find


@pytest.fixture
def edited(log, tmp_path):
    """Return the path of a copy of a task's JSON log after a function changed its content."""

    def edit(change, task="capitals"):
        content = json.loads(log(task, "json").read_text())
        change(content)
        path = tmp_path / "edited.json"
        path.write_text(json.dumps(content))
        return path

    return edit


def counts():
    """Return how many definitions, scenarios, runs, sample places and transcripts are stored."""
    tables = ("definitions", "scenarios", "runs", "run_scenario_selection", "transcripts")
    return tuple(current().fetch(f"SELECT count(*) FROM {table}", ())[0][0] for table in tables)


def refusal(path):
    """Return the complaints of an import that must be refused, and leave nothing behind."""
    before = counts()
    with pytest.raises(ValidationError) as caught:
        import_inspect_log(path)
    assert counts() == before
    return caught.value.errors


def said(run):
    """Return the last turn of each transcript by scenario and sample."""
    found = get_run_with_transcripts(run.id).transcripts
    names = {each.id: each.name for each in evaluation.list_scenarios(run_id=run.id)}
    return {(names[each.scenario_id], each.sample_index): each.content[-1]["content"] for each in found}


@pytest.mark.parametrize("form", FORMS)
def test_a_task_becomes_a_definition_a_run_and_transcripts(db, log, form):
    """Samples become scenarios, each sample and epoch a transcript with its score, tokens and time."""
    told = []
    path = log("capitals", form)
    report = import_inspect_log(str(path), progress=told.append)
    assert (report.created, report.kept, report.failed, sum(told), count_samples(path)) == (4, 0, 0, 4, 4)
    run = report.run
    assert (run.status, run.error) == ("COMPLETED", None)
    assert run.config == {"schema_version": 1, "models": ["mockllm/model"], "temperature": 0.5}
    assert run.progress == {"schema_version": 1, "total": 4, "completed": 4, "failed": 0}
    assert run.started_at <= run.finished_at
    definition = evaluation.get_definition(run.definition_id)
    assert (definition.name, definition.parent_id) == ("capitals", None)
    assert run.content_sha256 == content_hash(dict(definition.content))
    rules = definition.content["matching_rules"]
    for line in ("version: 3", "dataset: capitals", "dataset location: capitals.csv", '[{"name": "match"'):
        assert line in rules
    prompts = {each.name: each.content for each in evaluation.list_scenarios(run_id=run.id)}
    assert {name: (content["prompt"], content["values"]) for name, content in prompts.items()} == {
        "1": ("France?", {"target": "Paris"}), "italy": ("Italy?", {"target": "Rome"}),
    }  # fmt: skip
    found = said(run)
    assert set(found) == {("1", 0), ("1", 1), ("italy", 0), ("italy", 1)}
    assert sorted(found.values()) == ["Milan", "Paris", "Paris", "Rome"]
    for transcript in transcripts.list_transcripts(run_id=run.id):
        right = transcript.content[-1]["content"] != "Milan"
        assert transcript.metrics["values"] == {"match": float(right)}
        assert transcript.metrics["labels"] == {"match": "C" if right else "I"}
        assert (transcript.model, transcript.input_tokens, transcript.output_tokens) == ("mockllm/model", 9, 3)
        assert transcript.duration_ms >= 0
        assert [turn["role"] for turn in transcript.content] == ["user", "assistant"]


@pytest.mark.parametrize("form", FORMS)
def test_chats_tools_and_several_scorers(db, log, form):
    """Turns keep their calls and pictures; every kind of score finds its place."""
    run = import_inspect_log(log("adding", form)).run
    (scenario,) = evaluation.list_scenarios(run_id=run.id)
    assert scenario.content["prompt"] == "system: You add.\nuser: 1 + 2?\nQuick! [image]"
    assert scenario.content["values"] == {"target": "3\nthree"}
    (transcript,) = transcripts.list_transcripts(run_id=run.id)
    system, user, asking, answer, last = transcript.content
    assert system == {"role": "system", "content": "You add."}
    picture = {"type": "image", "value": "data:image/png;base64,AA=="}
    assert user == {"role": "user", "content": "1 + 2?\nQuick!", "parts": [picture]}
    (call,) = asking["tool_calls"]
    assert (call["name"], json.loads(call["arguments"])) == ("add", {"x": 1, "y": 2})
    assert answer == {"role": "tool", "content": "3", "name": "add", "tool_call_id": call["id"]}
    assert last["content"] == "It is 3."
    assert transcript.metrics["values"] == {
        "includes": 1.0, "length": 8.0, "style.kind": 1.0, "style.grade": 0.5, "style.warm": 1.0,
    }  # fmt: skip
    assert transcript.metrics["labels"] == {"includes": "C", "style.grade": "P", "style.note": "good"}
    assert (transcript.input_tokens, transcript.output_tokens) == (18, 6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("task", "status", "error"), [("failing", "COMPLETED", None), ("broken", "FAILED", "broken")])
def test_failed_samples_are_counted(db, log, form, task, status, error):
    """They get no transcript, but their scenario stands in the sample; a failed evaluation says why."""
    report = import_inspect_log(log(task, form))
    run = report.run
    assert run.status == status
    assert (error or "") in (run.error or "") and (run.error is None) == (error is None)
    assert report.failed == run.progress["failed"] == 1
    assert report.created == run.progress["completed"] == len(said(run)) == run.progress["total"] - 1
    assert {each.name for each in evaluation.list_scenarios(run_id=run.id)} == {"1", "2"}


def test_importing_again_adds_only_what_is_missing(db, log):
    """Nothing is doubled; a transcript that was deleted comes back; the run and its key stay."""
    path = log("capitals")
    first = import_inspect_log(path)
    before = counts()
    again = import_inspect_log(path)
    assert (again.run, again.created, again.kept) == (first.run, 0, 4)
    assert counts() == before == (1, 2, 1, 2, 4)
    transcripts.delete_transcript(transcripts.list_transcripts()[0].id)
    third = import_inspect_log(path)
    assert (third.run.id, third.created, third.kept) == (first.run.id, 1, 3)
    assert counts() == before


def test_the_same_task_is_the_same_definition(db, log, edited):
    """Another evaluation of it is another run; other arguments or another version make another definition."""
    first, second = (import_inspect_log(log("capitals", form)).run for form in FORMS)
    assert first.id != second.id
    assert first.definition_id == second.definition_id
    assert counts() == (1, 2, 2, 4, 8)

    def harder(content):
        content["eval"].update(eval_id="another", task_args={"level": "hard"})

    third = import_inspect_log(edited(harder)).run
    assert third.definition_id != first.definition_id
    assert counts() == (2, 4, 3, 6, 12)


def test_the_key_is_made_of_the_evaluation(db, edited):
    """A UUIDv7 of the instant of its creation and its id: the same everywhere."""

    def fix(content):
        content["eval"].update(eval_id="abc", created="2026-01-02T03:04:05+00:00")

    key = import_inspect_log(edited(fix)).run.id
    assert (key.version, key.variant) == (7, "specified in RFC 4122")
    instant = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert key.int >> 80 == instant.timestamp() * 1000
    assert str(key) == "019b7ca9-8c88-7ba7-96bf-8f01cfea4141"  # the first digits of SHA-256("abc") are ba7816bf8f01…


def test_a_cancelled_evaluation_and_one_that_goes_on(db, edited):
    """The first is imported as cancelled, the second refused."""

    def change(status):
        return lambda content: content.update(status=status)

    assert list(refusal(edited(change("started")))) == ["status"]
    assert import_inspect_log(edited(change("cancelled"))).run.status == "CANCELLED"


def test_scores_of_every_kind(db, edited):
    """Lists, unscored samples and grades; a sample without scores has no metrics."""

    def change(content):
        scores = [
            {"a": {"value": [1, "C", "x"]}, "b": {"value": "N"}, "c": {"value": False}},
            {"a": {"value": float("nan")}, "b": {"value": 10**400}},
            {"a": {"value": 1e300}, "b": {"value": "free text"}},
            None,
        ]
        for sample, given in zip(content["samples"], scores, strict=True):
            sample["scores"] = given

    run = import_inspect_log(edited(change)).run
    found = {
        (each.scenario_id, each.sample_index): each.metrics and {**each.metrics, "schema_version": None}
        for each in transcripts.list_transcripts(run_id=run.id)
    }
    expected = [
        {"values": {"a.0": 1.0, "a.1": 1.0, "b": 0.0, "c": 0.0}, "labels": {"a.1": "C", "a.2": "x", "b": "N"}},
        {"values": {}, "labels": {"a": "unscored", "b": "unscored"}},
        {"values": {"a": 1e300}, "labels": {"b": "free text"}},
        None,
    ]
    for each in expected:
        assert (each and {"schema_version": None, **each}) in found.values()


def test_parts_that_are_not_text(db, edited):
    """Reasoning, data and the calls of a provider's own tools are kept as text or JSON, errors of tools too."""
    parts = [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "reasoning", "reasoning": "secret", "redacted": True, "summary": "short"},
        {"type": "text", "text": "so"},
        {"type": "data", "data": {"a": 1}},
    ]
    messages = [
        {"role": "assistant", "content": parts},
        {"role": "tool", "content": "", "error": {"type": "timeout", "message": "too slow"}},
    ]
    run = import_inspect_log(edited(lambda content: content["samples"][0].update(messages=messages))).run
    (turns,) = (each.content for each in transcripts.list_transcripts(run_id=run.id) if len(each.content[0]) == 3)
    assert turns[0]["content"] == "so"
    kinds = [(part["type"], part["value"]) for part in turns[0]["parts"]]
    assert kinds[:2] == [("reasoning", "hm"), ("reasoning", "short")]
    assert json.loads(kinds[2][1])["data"] == {"a": 1}
    assert turns[1]["parts"] == [{"type": "error", "value": "timeout: too slow"}]


def test_what_cannot_be_stored_is_named_by_sample(db, edited):
    """Every complaint about every sample at once, and nothing is written."""

    def change(content):
        content["samples"][0]["messages"][1]["content"] = "a\0b"
        content["samples"][1]["scores"]["x" * 300] = {"value": 1}
        content["samples"][2]["input"] = "\0"

    errors = refusal(edited(change))
    assert "sample 1 epoch 1.content.1.content" in errors
    assert any(path.startswith("sample italy epoch 1.metrics.") for path in errors)
    assert any("scenario.prompt" in path for path in errors)


def test_a_scenario_with_other_content_is_a_conflict(db, log, edited):
    """The same task with another input is told, and nothing is written."""
    import_inspect_log(log("capitals"))
    before = counts()

    def change(content):
        content["eval"]["eval_id"] = "another"
        for sample in content["samples"]:
            sample["input"] = "Spain?"

    with pytest.raises(ConflictError) as caught:
        import_inspect_log(edited(change))
    assert "another input or target" in caught.value.why
    assert counts() == before


def test_an_evaluation_of_another_task_is_a_conflict(db, edited):
    """A log of the same evaluation with another task does not fit its run."""
    import_inspect_log(edited(lambda content: None))
    before = counts()
    with pytest.raises(ConflictError) as caught:
        import_inspect_log(edited(lambda content: content["eval"].update(task_version=99)))
    assert "was imported before with another task" in caught.value.why
    assert counts() == before


@pytest.mark.parametrize("share", [0, 0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("form", FORMS)
def test_truncated_logs_are_refused(db, log, tmp_path, form, share):
    """However much is missing, it is told by the path, and nothing is written."""
    whole = log("capitals", form).read_bytes()
    path = tmp_path / f"cut.{form}"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert list(refusal(path)) == ["path"]


def test_a_damaged_sample_is_refused(db, log, tmp_path):
    """One sample's bytes are spoilt: nothing of the log is imported."""
    source, path = log("capitals"), tmp_path / "spoilt.eval"
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w") as spoilt:
        for name in whole.namelist():
            content = whole.read(name)
            spoilt.writestr(name, content[: len(content) // 2] if name == "samples/italy_epoch_2.json" else content)
    assert list(refusal(path)) == ["path"]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "7", '{"a": 1}', '{"version": 2, "eval": {}}', "no json", "PK\3\4"]
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_log_is_refused(db, tmp_path, form, content):
    """Foreign and empty files are told by the path, or by what they lack."""
    path = tmp_path / f"foreign.{form}"
    path.write_text(content)
    assert list(refusal(path)) == ["path"]


def test_other_paths_are_refused(db, tmp_path):
    """A missing file, a folder, another ending."""
    (tmp_path / "folder.eval").mkdir()
    for name in ("missing.eval", "folder.eval", "log.txt"):
        assert list(refusal(tmp_path / name)) == ["path"]


def test_without_its_package_it_says_what_to_install(db, log, monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(ConfigurationError) as caught:
        import_inspect_log(log("capitals"))
    assert "pip install inspect-ai" in caught.value.fix


IMPORT = """
import sys, datapkg
from datapkg.evaluation import inspect_logs
datapkg.connect(sys.argv[1], busy_timeout=60.0)
print(inspect_logs.import_inspect_log(sys.argv[2]).created)
"""


@pytest.mark.datapkg_commits
def test_imports_at_once_make_one_run(db, datapkg_url, log):
    """Logs of one task, each imported by two processes at once: one definition, two runs, nothing doubled."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", IMPORT, datapkg_url, str(log("capitals", form))], stdout=subprocess.PIPE
        )
        for form in (*FORMS, *FORMS)
    ]
    created = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sorted(created) == [0, 0, 4, 4]
    assert counts() == (1, 2, 2, 4, 8)


@pytest.mark.datapkg_commits
def test_the_command_line_imports(db, datapkg_url, log):
    """It says what was made and of which run; with --json as one value."""
    called = CliRunner().invoke(import_file, [str(log("failing"))], obj=Settings(url=datapkg_url))
    assert called.exit_code == 0
    assert called.output.startswith("1 transcript created, 0 were there already, 1 sample failed, in run ")
    again = CliRunner().invoke(import_file, [str(log("failing"))], obj=Settings(url=datapkg_url, json=True))
    with override(db):  # the command has disconnected
        report = json.loads(again.output)
        assert (report["created"], report["kept"], report["failed"], report["status"]) == (0, 1, 1, "COMPLETED")
        assert counts() == (1, 2, 1, 2, 1)
