"""Comparisons of two runs: which transcripts pair, what is stored, and what is refused, on both engines."""

from __future__ import annotations

import json
import random

import pytest
from scipy import stats
from scored_runs import a_definition, a_run, add, two_runs

from datapkg import evaluation
from datapkg.errors import DocumentError, NotFoundError, UnknownSchemaVersionError, ValidationError
from datapkg.evaluation.comparisons import (
    compare_runs,
    delete_comparison,
    find_comparison,
    get_comparison,
    list_comparisons,
)
from datapkg.evaluation.experiments import create_experiment
from datapkg.evaluation.runs import delete_run
from datapkg.kit.database import current, transaction
from datapkg.kit.jsontext import Encoded
from datapkg.testing.factories import definition_content, make_definition

UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"

# Student's data on two drugs, of 1908: hours of sleep gained.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def compared(first, second, **options):
    """Return what is found between two runs made for it."""
    baseline, comparison = two_runs(first, second)
    return compare_runs(baseline.id, comparison.id, **{"metric": "score", **options}).delta


def test_student_s_sleep_data(db):
    """The mean difference and its standard error are those of the literature."""
    first = {f"patient {number}": value for number, value in enumerate(FIRST)}
    second = {f"patient {number}": value for number, value in enumerate(SECOND)}
    baseline, comparison = two_runs(first, second)
    made = compare_runs(str(baseline.id), str(comparison.id).upper(), metric="score")
    assert made.delta == {
        "schema_version": 1,
        "metric": "score",
        "n": 10,
        "baseline_mean": 0.75,
        "comparison_mean": 2.33,
        "mean_difference": 1.58,
        "standard_error": pytest.approx(0.389, abs=5e-4),
        "coverage": 1.0,
        "baseline_only": 0,
        "comparison_only": 0,
        "unscored": 0,
    }
    found = stats.ttest_rel(SECOND, FIRST)
    assert made.delta["mean_difference"] / made.delta["standard_error"] == pytest.approx(found.statistic, rel=1e-12)
    assert (made.baseline_run_id, made.comparison_run_id, made.experiment_id) == (baseline.id, comparison.id, None)
    assert get_comparison(made.id).public() == made.public()
    back = compare_runs(comparison.id, baseline.id, metric="score").delta
    assert back["mean_difference"] == -1.58
    assert back["standard_error"] == made.delta["standard_error"]


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_seeded_data_agrees_with_scipy(db, offset):
    """Several models and samples, and more transcripts than a batch holds."""
    chance = random.Random(7)
    keys = [(f"s{number}", model, sample) for number in range(140) for model in "ab" for sample in range(4)]
    first = {key: offset + chance.gauss(0, 3) for key in keys}
    second = {key: first[key] + chance.gauss(0.1, 1) for key in reversed(keys)}
    delta = compared(first, second)
    found = stats.ttest_rel([second[key] for key in keys], [first[key] for key in keys])
    assert delta["n"] == len(keys) == 1120
    assert delta["mean_difference"] / delta["standard_error"] == pytest.approx(found.statistic, rel=1e-6)
    assert delta["coverage"] == 1.0


def test_pairs_agree_in_scenario_model_and_sample(db):
    """Each of the three tells transcripts apart."""
    first = {("s", "a", 0): 1.0, ("s", "a", 1): 2.0, ("s", "b", 0): 4.0, ("t", "a", 0): 8.0, ("u", "a", 0): 16.0}
    second = {("s", "a", 1): 3.0, ("s", "b", 0): 6.0, ("s", "b", 1): 0.0, ("t", "b", 0): 0.0, ("t", "a", 1): 0.0}
    delta = compared(first, second)
    assert (delta["n"], delta["baseline_mean"], delta["comparison_mean"]) == (2, 3.0, 4.5)
    assert (delta["mean_difference"], delta["standard_error"]) == (1.5, 0.5)
    assert (delta["baseline_only"], delta["comparison_only"], delta["coverage"]) == (3, 3, 2 / 8)


def test_missing_pairs_and_scores_never_count_as_zero(db):
    """They lower the coverage, not the means."""
    first = {"a": 5.0, "b": 7.0, "c": 5.0, "d": None, "e": {"values": {"other": 1.0}}, "f": 9.0}
    second = {"a": 6.0, "b": None, "d": 6.0, "e": 6.0, "f": {"values": {}}, "g": 3.0}
    delta = compared(first, second)
    assert (delta["n"], delta["baseline_mean"], delta["comparison_mean"]) == (1, 5.0, 6.0)
    assert (delta["mean_difference"], delta["standard_error"]) == (1.0, None)
    assert (delta["baseline_only"], delta["comparison_only"], delta["unscored"]) == (1, 1, 4)
    assert delta["coverage"] == 1 / 7


def test_runs_without_a_pair_have_no_means(db):
    """Nothing in common is no difference of zero, and neither is a run without transcripts."""
    empty = {"n": 0, "mean_difference": None, "standard_error": None, "baseline_mean": None, "comparison_mean": None}
    for first, second, only in (({"a": 1.0}, {"b": 2.0}, (1, 1)), ({}, {"b": 2.0}, (0, 1)), ({"a": 1.0}, {}, (1, 0))):
        delta = compared(first, second)
        assert {name: delta[name] for name in empty} == empty
        assert (delta["baseline_only"], delta["comparison_only"], delta["coverage"]) == (*only, 0.0)


def test_transcripts_without_a_scenario_have_no_partner(db):
    """Neither those that never had one nor those whose scenario was deleted, even where all else is alike."""
    definition = a_definition("a", "b")
    runs = [a_run(definition, {"a": 1.0, "b": 2.0, (None, "m", 0): 3.0}) for _ in range(2)]
    scenario = evaluation.list_scenarios(definition_id=definition.id, name="b")[0]
    evaluation.delete_scenario(scenario.id)
    delta = compare_runs(runs[0].id, runs[1].id, metric="score").delta
    assert (delta["n"], delta["baseline_only"], delta["comparison_only"]) == (1, 2, 2)
    assert delta["coverage"] == 1 / 5


def test_runs_of_a_definition_and_of_its_fork_pair_by_name(db):
    """Generated scenarios of both are named alike; a value that only one of them has stays without a partner."""
    parent = make_definition()
    dimensions = [{"name": "tone", "values": ["kind", "loud"]}, {"name": "length", "values": ["short", "long"]}]
    child = evaluation.fork_definition(parent.id, name="fork", content=definition_content(dimensions=dimensions))
    runs = []
    for definition, score in ((parent, 1.0), (child, 1.5)):
        names = [each.name for each in evaluation.generate_scenarios(definition.id)]
        runs.append(a_run(definition, dict.fromkeys(names, score)))
    delta = compare_runs(runs[0].id, runs[1].id, metric="score").delta
    assert (delta["n"], delta["mean_difference"], delta["standard_error"]) == (2, 0.5, 0.0)
    assert (delta["baseline_only"], delta["comparison_only"], delta["coverage"]) == (2, 2, 1 / 3)


def test_a_scenario_of_another_definition_pairs_once_at_most(db):
    """Foreign code may have put such transcripts in; a name then stands for two scenarios, and one of them pairs."""
    definition, other = a_definition("s"), a_definition("s")
    runs = [a_run(definition, {"s": score}) for score in (1.0, 2.0)]
    for run in runs:
        add(run, other, {"s": 9.0})
    delta = compare_runs(runs[0].id, runs[1].id, metric="score").delta
    assert (delta["n"], delta["mean_difference"], delta["coverage"]) == (1, 1.0, 1 / 3)


def test_metrics_of_older_versions_are_upgraded(db):
    """Version 0 held the numbers themselves."""
    old = [Encoded(json.dumps({"score": score, "verdict": "good"})) for score in (1, 2.5)]
    delta = compared({"a": old[0], "b": 1.0}, {"a": old[1], "b": 1.0})
    assert (delta["n"], delta["mean_difference"]) == (2, 0.75)


def test_corrupt_and_newer_metrics_are_told(db):
    """A score that is no number is neither left out nor guessed."""
    for bad in ({"score": "high"}, {"score": True}, None, 3):
        text = Encoded(json.dumps({"schema_version": 1, "values": bad}))
        with pytest.raises(DocumentError) as caught:
            compared({"a": text}, {"a": 1.0})
        assert caught.value.document == "transcript-metrics"
    with pytest.raises(UnknownSchemaVersionError):
        compared({"a": 1.0}, {"a": Encoded('{"schema_version": 99}')})
    assert list_comparisons() == []


def test_a_metric_that_is_not_there_is_refused_with_those_that_are(db):
    """The names are sorted, and the first twenty of them are told; nothing is stored."""
    first = {"a": {"values": {f"m{number:02}": 1.0 for number in range(30, 10, -1)}}, "b": None}
    second = {"a": {"values": {f"m{number:02}": 1.0 for number in range(15)}}}
    with pytest.raises(ValidationError) as caught:
        compared(first, second, metric="M01")
    listed = ", ".join(f"m{number:02}" for number in range(20))
    assert caught.value.errors == {"metric": [f"No transcript of either run has 'M01'; there are: {listed}."]}
    with pytest.raises(ValidationError) as caught:
        compared({"a": None}, {})
    assert "(none)" in caught.value.errors["metric"][0]
    assert list_comparisons() == []


@pytest.mark.parametrize("side", [0, 1])
def test_a_metric_of_one_transcript_of_one_run_is_there(db, side):
    """It is enough that one of the runs has it somewhere, with or without a partner."""
    scores = [{"a": {"values": {"other": 1.0}}}, {"a": {"values": {"other": 1.0}}}]
    scores[side]["b"] = 1.0
    delta = compared(*scores)
    assert (delta["n"], delta["unscored"]) == (0, 1)


def test_differences_too_large_for_a_number_are_refused(db):
    """JSON has no infinity to store."""
    with pytest.raises(ValidationError) as caught:
        compared({"a": -1.7e308}, {"a": 1.7e308})
    assert list(caught.value.errors) == ["metric"]
    assert list_comparisons() == []


def test_bad_arguments_are_told_at_once(db):
    """Keys and the metric are checked together, and a run is not compared with itself."""
    with pytest.raises(ValidationError) as caught:
        compare_runs("x", None, metric="", experiment_id="y", cohort_id=3)
    assert set(caught.value.errors) == {"baseline_id", "comparison_id", "metric", "experiment_id", "cohort_id"}
    baseline, _ = two_runs({"a": 1.0}, {})
    with pytest.raises(ValidationError) as caught:
        compare_runs(baseline.id, str(baseline.id).upper(), metric="x" * 201)
    assert set(caught.value.errors) == {"comparison_id", "metric"}


def test_what_is_not_there_is_named(db):
    """Each missing party is told by its kind and key."""
    baseline, comparison = two_runs({"a": 1.0}, {"a": 2.0})
    for keys, options, entity in (
        ((UNKNOWN, comparison.id), {}, "run"),
        ((baseline.id, UNKNOWN), {}, "run"),
        ((baseline.id, comparison.id), {"experiment_id": UNKNOWN}, "experiment"),
        ((baseline.id, comparison.id), {"cohort_id": UNKNOWN}, "cohort"),
    ):
        with pytest.raises(NotFoundError) as caught:
            compare_runs(*keys, metric="score", **options)
        assert (caught.value.entity, str(caught.value.key)) == (entity, UNKNOWN)
    for call in (get_comparison, delete_comparison):
        with pytest.raises(NotFoundError) as caught:
            call(UNKNOWN)
        assert caught.value.entity == "comparison"
    assert find_comparison(UNKNOWN) is None
    assert list_comparisons() == []


def test_comparisons_are_listed_by_their_parties(db):
    """Baseline, comparison and experiment narrow the list, newest first; a page goes on after the last row."""
    experiment = create_experiment("e", analysis_plan={"test": "t", "alpha": 0.05})
    definition = a_definition("a")
    runs = [a_run(definition, {"a": score}).id for score in (1.0, 2.0, 3.0)]
    made = [
        compare_runs(runs[0], runs[1], metric="score"),
        compare_runs(runs[0], runs[2], metric="score", experiment_id=experiment.id),
        compare_runs(runs[1], runs[2], metric="score"),
    ]
    keys = [each.id for each in made]
    assert [each.id for each in list_comparisons()] == keys[::-1]
    assert [each.id for each in list_comparisons(baseline_id=runs[0])] == [keys[1], keys[0]]
    assert [each.id for each in list_comparisons(comparison_id=str(runs[2]))] == [keys[2], keys[1]]
    assert [each.id for each in list_comparisons(experiment_id=experiment.id)] == [keys[1]]
    assert [each.id for each in list_comparisons(limit=1, after=keys[1])] == [keys[0]]
    with pytest.raises(ValidationError) as caught:
        list_comparisons(baseline_id="x", comparison_id="y", experiment_id="z", limit=0)
    assert set(caught.value.errors) == {"baseline_id", "comparison_id", "experiment_id", "limit"}
    delete_comparison(keys[0])
    assert find_comparison(keys[0]) is None
    delete_run(runs[2])
    assert list_comparisons() == []


def test_a_comparison_is_shown_with_what_it_found(db):
    """A table has a column for each figure instead of one with a document, also without a cohort in the first row."""
    baseline, comparison = two_runs({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": 3.0})
    made = compare_runs(baseline.id, comparison.id, metric="score")
    shown = made.public()
    assert list(shown)[4:9] == ["metric", "n", "mean_difference", "standard_error", "coverage"]
    assert (shown["n"], shown["mean_difference"], shown["standard_error"]) == (2, 0.75, 0.25)
    assert shown["baseline_run_id"] == baseline.id
    assert "delta" not in shown
    assert "mean_difference" in made._repr_html_()
    assert "0.75" in repr(list_comparisons())
    assert list_comparisons().df()["standard_error"].tolist() == [0.25]


def test_a_comparison_belongs_to_the_caller_s_transaction(db):
    """It sees what was written before in it, and is undone with it."""
    definition = a_definition("a")
    with pytest.raises(KeyError), transaction():
        runs = [a_run(definition, {"a": score}) for score in (1.0, 2.0)]
        assert compare_runs(runs[0].id, runs[1].id, metric="score").delta["n"] == 1
        raise KeyError
    assert list_comparisons() == []
    assert not current().in_transaction()
