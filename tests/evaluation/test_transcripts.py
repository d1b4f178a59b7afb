"""Transcripts one by one: stored, refused, read, listed and deleted."""

from __future__ import annotations

import uuid

import pytest

from datapkg import evaluation
from datapkg.errors import ConflictError, NotFoundError, UnknownSchemaVersionError, ValidationError
from datapkg.evaluation import transcripts
from datapkg.evaluation.models import Run, Transcript
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import current

TURNS = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
EMPTY = {"preamble": "", "template": "", "dimensions": []}
UNIQUE = "uq_transcripts_run_id_scenario_id_model_sample_index"


@pytest.fixture
def run(db):
    """A run of three scenarios by one model."""
    definition = evaluation.create_definition("sums", content=EMPTY)
    for number in range(3):
        content = {"preamble": "", "prompt": f"{number} + {number}?", "values": {}}
        evaluation.create_scenario(definition.id, name=f"sum {number}", content=content)
    return create_run(definition.id, config={"models": ["model-a"]})


@pytest.fixture
def scenarios(run):
    """Its scenarios, in the order of their names."""
    return sorted(evaluation.list_scenarios(run_id=run.id), key=lambda each: each.name)


def create(run, scenario, **given):
    """Store a transcript of a scenario, changed as given."""
    return transcripts.create_transcript(
        run.id, **{"scenario_id": scenario and scenario.id, "model": "model-a", "content": TURNS, **given}
    )


def test_a_transcript_is_stored_as_given(run, scenarios):
    """What was said, the scores and the counts come back; what was not given is empty."""
    full = [
        {"role": "system", "content": "", "name": "rules"},
        {"role": "assistant", "content": "ünï\ncödé 🙂", "tool_calls": [{"id": "1", "name": "add", "arguments": "{}"}]},
        {"role": "tool", "content": "4", "tool_call_id": "1", "parts": [{"type": "image", "value": "data:,"}]},
    ]
    made = create(
        run, scenarios[0], content=full, metrics={"accuracy": 0.5, "steps": 2, "grade": "C"},
        sample_index=7, input_tokens=10, output_tokens=2**53, duration_ms=0,
    )  # fmt: skip
    stored = transcripts.get_transcript(str(made.id))
    assert stored == made
    assert stored.content == made.content == full
    assert stored.metrics == {"schema_version": 1, "values": {"accuracy": 0.5, "steps": 2.0}, "labels": {"grade": "C"}}
    assert (stored.run_id, stored.scenario_id, stored.model, stored.sample_index) == (
        run.id, scenarios[0].id, "model-a", 7,
    )  # fmt: skip
    assert (stored.input_tokens, stored.output_tokens, stored.duration_ms) == (10, 2**53, 0)
    plain = transcripts.get_transcript(create(run, scenarios[1], content=[]).id)
    assert (plain.content, plain.metrics, plain.sample_index, plain.input_tokens) == ([], None, 0, None)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"a": 1, "b": 2.5}, {"values": {"a": 1.0, "b": 2.5}}),
        ({"values": 3}, {"values": {"values": 3.0}}),
        ({"values": {"a": 1}}, {"values": {"a": 1.0}}),
        ({"values": {}, "labels": {"grade": "I"}}, {"values": {}, "labels": {"grade": "I"}}),
        ({"schema_version": 0, "a": 1, "b": "good"}, {"values": {"a": 1.0}, "labels": {"b": "good"}}),
        ({}, {"values": {}}),
    ],
)
def test_metrics_are_flat_or_a_document(run, scenarios, given, stored):
    """Names with numbers and texts, or a document of any version; both are stored as the document."""
    made = create(run, scenarios[0], metrics=given)
    assert transcripts.get_transcript(made.id).metrics == {"schema_version": 1, **stored}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"a": True}, "metrics.a"),
        ({"a": None}, "metrics.a"),
        ({"a": [1]}, "metrics.a"),
        ({"a": float("nan")}, "metrics.a"),
        ({"a": 2**53 + 1}, "metrics.a"),
        ({"a": "\0"}, "metrics.a"),
        ({"": 1}, "metrics."),
        ({1: 1}, "metrics.1"),
        ({"values": {"a": "x"}}, "metrics.values.a"),
        ({"values": {}, "other": 1}, "metrics.other"),
        ([1], "metrics"),
        (7, "metrics"),
    ],
)
def test_other_metrics_are_refused(run, scenarios, given, path):
    """What is neither a number nor a text is named by its own name."""
    with pytest.raises(ValidationError) as caught:
        create(run, scenarios[0], metrics=given)
    assert list(caught.value.errors) == [path]
    assert transcripts.list_transcripts() == []


def test_every_complaint_comes_at_once(run):
    """Columns, documents and the sample are checked together, and nothing is written."""
    with pytest.raises(ValidationError) as caught:
        create(
            run, None, scenario_id=uuid.uuid4(), model="", sample_index=-1, input_tokens=1.5,
            content=[{"role": "nobody", "content": "x"}, {"role": "user"}], metrics={"a": True, "b": float("inf")},
        )  # fmt: skip
    assert set(caught.value.errors) == {
        "model", "sample_index", "input_tokens", "content.0.role", "content.1.content", "metrics.a", "metrics.b",
    }  # fmt: skip
    with pytest.raises(ValidationError) as caught:
        create(run, None, scenario_id=uuid.uuid4(), content="x")
    assert set(caught.value.errors) == {"scenario_id", "content"}
    assert transcripts.list_transcripts() == []


@pytest.mark.parametrize(
    ("field", "refused", "accepted"),
    [
        ("model", "x" * 201, "x" * 200),
        ("model", None, "x"),
        ("model", "a\0", "a "),
        ("sample_index", 2**31, 2**31 - 1),
        ("sample_index", True, 0),
        ("sample_index", None, 0),
        ("input_tokens", -1, 0),
        ("output_tokens", 2**53 + 1, 2**53),
        ("duration_ms", "7", 7),
        ("content", None, []),
        ("content", [{"role": "user", "content": "x", "extra": 1}], [{"role": "user", "content": "x"}]),
        ("content", [{"role": "user", "content": "\ud800"}], [{"role": "user", "content": "\ud7ff"}]),
        ("scenario_id", "x", None),
    ],
)
def test_arguments_are_checked(run, scenarios, field, refused, accepted):
    """A bad argument is named and nothing is written; its near miss is taken."""
    with pytest.raises(ValidationError) as caught:
        create(run, scenarios[0], **{field: refused})
    assert {path.split(".")[0] for path in caught.value.errors} == {field}
    assert transcripts.list_transcripts() == []
    create(run, scenarios[0], **{field: accepted})
    assert len(transcripts.list_transcripts()) == 1


def test_the_scenario_has_to_be_of_the_sample(run, scenarios):
    """A scenario that came after the run, and one of another definition, are refused."""
    late = evaluation.create_scenario(
        run.definition_id, name="late", content={"preamble": "", "prompt": "", "values": {}}
    )
    for scenario in (late.id, str(late.id), uuid.uuid4()):
        with pytest.raises(ValidationError) as caught:
            create(run, None, scenario_id=scenario)
        assert "is not among those of this run" in caught.value.errors["scenario_id"][0]
    create(run, None, scenario_id=str(scenarios[0].id).upper())


def test_a_transcript_is_stored_once(run, scenarios):
    """The same run, scenario, model and sample is a conflict; any other value of one of them is not."""
    first = create(run, scenarios[0])
    with pytest.raises(ConflictError) as caught:
        create(run, scenarios[0], content=[])
    assert caught.value.constraint == UNIQUE
    create(run, scenarios[0], sample_index=1)
    create(run, scenarios[0], model="model-b")
    create(run, scenarios[1])
    create(create_run(run.definition_id, config={"models": ["model-a"]}), scenarios[0])
    assert transcripts.get_transcript(first.id).content == TURNS
    assert len(transcripts.list_transcripts()) == 5


def test_without_a_scenario_there_is_no_key(run):
    """Transcripts without a scenario stand side by side."""
    assert create(run, None).id != create(run, None).id
    assert len(transcripts.list_transcripts(run_id=run.id)) == 2


def test_a_run_takes_late_answers(run, scenarios):
    """A transcript is stored in every status of its run."""
    for number, status in enumerate(("PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")):
        Run.update(status=status).where(Run.id == run.id).execute()
        create(run, scenarios[0], sample_index=number)
    assert len(transcripts.list_transcripts()) == 6


def test_a_missing_run_is_told(run):
    """An unknown run is a missing one, a malformed key a validation error."""
    with pytest.raises(NotFoundError) as caught:
        transcripts.create_transcript(uuid.uuid4(), model="m", content=[])
    assert caught.value.entity == "run"
    with pytest.raises(ValidationError):
        transcripts.create_transcript("x", model="m", content=[])


def test_a_newer_document_is_refused_by_name(run, scenarios):
    """What newer code wrote is not stored as something else."""
    with pytest.raises(UnknownSchemaVersionError):
        create(run, scenarios[0], content={"schema_version": 9, "items": []})
    with pytest.raises(UnknownSchemaVersionError):
        create(run, scenarios[0], metrics={"schema_version": 9, "values": {}})
    create(run, scenarios[0], content={"schema_version": 1, "items": TURNS})
    assert transcripts.list_transcripts()[0].content == TURNS


def test_transcripts_are_listed_and_deleted(run, scenarios):
    """Newest first in pages, narrowed by each filter; a deleted one is out."""
    made = [create(run, scenario, model=model) for scenario in scenarios[:2] for model in ("model-a", "model-b")]
    listed = transcripts.list_transcripts
    assert listed() == listed(run_id=run.id) == made[::-1]
    assert listed(limit=1) == [made[3]]
    assert listed(limit=2, after=made[3].id) == [made[2], made[1]]
    assert listed(scenario_id=str(scenarios[0].id)) == [made[1], made[0]]
    assert listed(model="model-b", scenario_id=scenarios[1].id) == [made[3]]
    assert listed(run_id=uuid.uuid4()) == []
    transcripts.delete_transcript(made[0].id)
    assert transcripts.find_transcript(made[0].id) is None
    assert listed() == made[:0:-1]
    for missing in (transcripts.get_transcript, transcripts.delete_transcript):
        with pytest.raises(NotFoundError):
            missing(made[0].id)
        with pytest.raises(ValidationError):
            missing("x")


@pytest.mark.parametrize("given", [{"limit": 0}, {"limit": 1001}, {"run_id": "x"}, {"model": ""}, {"after": 7}])
def test_filters_are_checked(db, given):
    """A bad filter is named."""
    with pytest.raises(ValidationError) as caught:
        transcripts.list_transcripts(**given)
    assert list(caught.value.errors) == list(given)


def test_a_deleted_scenario_leaves_its_transcript(run, scenarios):
    """The transcript stays without its scenario; a deleted run takes its transcripts with it."""
    made = create(run, scenarios[0])
    evaluation.delete_scenario(scenarios[0].id)
    assert transcripts.get_transcript(made.id).scenario_id is None
    current().change(f"DELETE FROM runs WHERE id = {current().dialect.param}", [str(run.id)])
    assert Transcript.select().count() == 0
