"""Going through many transcripts, and what a run still lacks."""

from __future__ import annotations

import tracemalloc
import uuid

import pytest

from datapkg import evaluation
from datapkg.errors import NotConnectedError, NotFoundError, ValidationError
from datapkg.evaluation import transcripts
from datapkg.evaluation.runs import create_run
from datapkg.evaluation.transcript_reading import iter_transcripts, missing_transcripts
from datapkg.kit.database import current, unbind
from datapkg.testing import factories

EMPTY = {"preamble": "", "template": "", "dimensions": []}
PROMPT = {"preamble": "", "prompt": "", "values": {}}


def make_run(*, scenarios=2, models=("model-a",)):
    """Make a run of some scenarios, named by letters."""
    definition = evaluation.create_definition("d", content=EMPTY)
    for number in range(scenarios):
        evaluation.create_scenario(definition.id, name=chr(97 + number), content=PROMPT)
    return create_run(definition.id, config={"models": list(models)})


def fill(run, count, *, content=None, scenario=0, model="model-a"):
    """Store samples of one scenario."""
    key = sorted(evaluation.list_scenarios(run_id=run.id), key=lambda each: each.name)[scenario].id
    content = content or [{"role": "user", "content": "x"}]
    rows = (
        {"scenario_id": key, "model": model, "sample_index": number, "content": content, "metrics": {"n": number}}
        for number in range(count)
    )
    return transcripts.create_transcripts(run.id, rows=rows)


def test_every_transcript_comes_once_in_order(db):
    """More than a batch of them, in the order of their keys, with their documents."""
    run, other = make_run(), make_run()
    fill(run, 2345)
    fill(other, 3)
    found = list(iter_transcripts(run_id=run.id))
    assert [each.metrics["values"]["n"] for each in found] == list(range(2345))
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert found[7].content == [{"role": "user", "content": "x"}]
    assert sum(1 for _ in iter_transcripts()) == 2348
    assert list(iter_transcripts(run_id=uuid.uuid4())) == []


def test_filters_go_together(db):
    """By scenario, by model, by both."""
    run = make_run()
    fill(run, 2)
    fill(run, 3, scenario=1)
    fill(run, 4, scenario=1, model="model-b")
    key = next(each.id for each in evaluation.list_scenarios(run_id=run.id) if each.name == "b")

    def count(**filters):
        return sum(1 for _ in iter_transcripts(**filters))

    assert count(scenario_id=str(key)) == 7
    assert count(model="model-b") == 4
    assert count(model="model-a", scenario_id=key, run_id=run.id) == 3
    assert count(model="nobody") == 0


@pytest.mark.parametrize("given", [{"run_id": "x"}, {"scenario_id": 7}, {"model": ""}])
def test_bad_filters_are_told_at_once(db, given):
    """Before the first step."""
    with pytest.raises(ValidationError) as caught:
        iter_transcripts(**given)
    assert list(caught.value.errors) == list(given)


def test_without_a_database_it_is_told_at_once():
    """Before the first step."""
    unbind()
    with pytest.raises(NotConnectedError):
        iter_transcripts()


def test_no_transaction_stays_open(db):
    """Between two steps others write, and what they add comes too."""
    run = make_run()
    fill(run, 1500)
    depth = current().transaction_depth()
    going = iter_transcripts(run_id=run.id)
    next(going)
    assert current().transaction_depth() == depth
    fill(run, 5, scenario=1)
    assert sum(1 for _ in going) == 1504


@pytest.mark.parametrize(("count", "size"), [(6000, 2000), (60, 400_000)])
def test_memory_does_not_grow_with_the_rows(db, count, size):
    """Going through many rows takes a small part of what they hold, be they many or large."""
    run = make_run()
    fill(run, count, content=[{"role": "user", "content": "x" * size}])
    tracemalloc.start()
    try:
        assert sum(len(each.content) for each in iter_transcripts(run_id=run.id)) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < count * size * 0.75


def test_what_is_missing_can_be_stored(db):
    """Every scenario, model and sample that is not stored, in order; storing them leaves nothing."""
    run = make_run(scenarios=2, models=("model-b", "model-a"))
    assert len(missing_transcripts(run.id)) == 4
    fill(run, 1)
    missing = missing_transcripts(str(run.id), samples_per_scenario=2)
    assert [(each["scenario"], each["model"], each["sample_index"]) for each in missing] == [
        ("a", "model-b", 0), ("a", "model-b", 1), ("a", "model-a", 1),
        ("b", "model-b", 0), ("b", "model-b", 1), ("b", "model-a", 0), ("b", "model-a", 1),
    ]  # fmt: skip
    for each in missing:
        name = each.pop("scenario")
        made = transcripts.create_transcript(run.id, content=[], **each)
        assert evaluation.get_scenario(made.scenario_id).name == name
    assert missing_transcripts(run.id, samples_per_scenario=2) == []
    assert len(missing_transcripts(run.id, samples_per_scenario=3)) == 4


def test_what_is_missing_of_very_many(db):
    """A hundred thousand are listed, and those that are there left out."""
    run = make_run(scenarios=10)
    fill(run, 1000)
    assert len(missing_transcripts(run.id, samples_per_scenario=10_000)) == 99_000


@pytest.mark.parametrize("samples", [0, -1, True, 1.0, "1", None, 10_001])
def test_the_number_of_samples_is_checked(db, samples):
    """A whole number from 1."""
    with pytest.raises(ValidationError) as caught:
        missing_transcripts(make_run().id, samples_per_scenario=samples)
    assert list(caught.value.errors) == ["samples_per_scenario"]


def test_a_missing_run_is_told(db):
    """An unknown run is a missing one, a malformed key a validation error."""
    with pytest.raises(NotFoundError):
        missing_transcripts(uuid.uuid4())
    with pytest.raises(ValidationError):
        missing_transcripts("x")


def test_a_list_of_what_is_missing_has_an_end(db):
    """More than fits in memory is refused with its number, before anything is read."""
    definition = factories.make_definition(
        content=factories.definition_content(
            template="", dimensions=[{"name": "n", "values": [str(n) for n in range(500)]}]
        )
    )
    evaluation.generate_scenarios(definition.id)
    run = evaluation.create_run(definition.id, config={"models": ["a"]})
    assert len(evaluation.missing_transcripts(run.id, samples_per_scenario=3)) == 1500
    with pytest.raises(ValidationError, match="5,000,000"):
        evaluation.missing_transcripts(run.id, samples_per_scenario=10_000)
