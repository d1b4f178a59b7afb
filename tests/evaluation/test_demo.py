"""The demo's runs are what the functions would have made of them: a newcomer may trust what it shows."""

from __future__ import annotations

import pytest

import datapkg
from datapkg import evaluation


@pytest.fixture
def demo(db):
    """A database with the demo."""
    datapkg.seed(profile="demo")


def test_the_runs_have_pinned_the_content_and_drawn_the_sample(demo):
    """The hash, the sample and the progress are those that creating and filling the run gives."""
    for run in evaluation.list_runs():
        again = evaluation.create_run(run.definition_id, config=run.config)
        assert (again.content_sha256, again.definition_schema_version) == (
            run.content_sha256, run.definition_schema_version,
        )  # fmt: skip
        names = [each.name for each in evaluation.list_scenarios(definition_id=run.definition_id)]
        sample = {each.name for each in evaluation.list_scenarios(run_id=run.id)}
        assert sample == set(evaluation.draw_sample(names, percentage=50, seed=run.config["sample_seed"]))
        assert {each.name for each in evaluation.list_scenarios(run_id=again.id)} == sample
        assert run.progress["total"] == again.progress["total"] == 10
        assert len(evaluation.list_transcripts(run_id=run.id)) == run.progress["completed"]
        assert len(evaluation.missing_transcripts(run.id)) == run.progress["failed"]


def test_the_scenarios_are_those_that_the_definition_generates(demo):
    """Generating them again adds and changes nothing."""
    (run, _) = evaluation.list_runs()
    before = evaluation.list_scenarios(definition_id=run.definition_id)
    assert {each.id for each in evaluation.generate_scenarios(run.definition_id)} == {each.id for each in before}


def test_the_comparison_and_the_analysis_hold(demo):
    """Comparing again finds the same; the analysis is current and not stale."""
    (stored,) = evaluation.list_comparisons()
    again = evaluation.compare_runs(stored.baseline_run_id, stored.comparison_run_id, metric="warmth")
    assert again.delta == stored.delta
    assert (stored.delta["n"], stored.delta["baseline_only"]) == (9, 1)
    analysis = evaluation.get_current_analysis(stored.comparison_run_id, analysis_type="warmth by tone")
    assert not evaluation.is_stale(analysis.id, code_version="1.0")
    tones: dict[str, list[float]] = {}
    for each in evaluation.iter_transcripts(run_id=stored.comparison_run_id):
        tone = each.scenario.content["values"]["tone"]
        tones.setdefault(tone, []).append(each.metrics["values"]["warmth"])
    found = {tone: round(sum(values) / len(values), 3) for tone, values in tones.items()}
    assert analysis.output["data"] == found
