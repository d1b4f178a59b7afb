"""Comparing runs within cohorts, while others write, with few statements, and alike on both engines."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from scored_runs import a_definition, a_run, add, scenario_content, two_runs

from datapkg import evaluation
from datapkg.errors import NotFoundError
from datapkg.evaluation.cohorts import create_cohort, delete_cohort
from datapkg.evaluation.comparisons import compare_runs, get_comparison
from datapkg.evaluation.runs import delete_run
from datapkg.kit.database import override
from datapkg.testing.factories import make_definition


@pytest.mark.parametrize(
    ("criteria", "n", "mean", "only"),
    [
        ({}, 8, 4.5, (0, 0)),
        ({"models": ["b"]}, 4, 6.5, (0, 0)),
        ({"models": ["b", "c"], "scenarios": ["tone=kind, length=short"]}, 1, 5.0, (0, 0)),
        ({"values": {"tone": ["curt"]}}, 4, 5.5, (0, 0)),
        ({"values": {"tone": ["curt"], "length": ["long"]}, "models": ["a"]}, 1, 4.0, (0, 0)),
        ({"values": {"tone": ["loud"]}}, 0, None, (0, 0)),
        ({"values": {"colour": ["red"]}}, 0, None, (0, 0)),
    ],
)
def test_a_cohort_narrows_both_runs(db, criteria, n, mean, only):
    """Only its transcripts count, and the comparison keeps its name."""
    definition = make_definition()
    names = [each.name for each in evaluation.generate_scenarios(definition.id)]
    keys = [(name, model, 0) for model in "ab" for name in names]
    runs = [a_run(definition, {key: at * factor for at, key in enumerate(keys, 1)}) for factor in (1.0, 2.0)]
    cohort = create_cohort("some", criteria=criteria)
    made = compare_runs(runs[0].id, runs[1].id, metric="score", cohort_id=cohort.id)
    delta = made.delta
    assert (delta["n"], delta["mean_difference"], delta["cohort"]) == (n, mean, "some")
    assert (delta["baseline_only"], delta["comparison_only"]) == only
    assert delta["coverage"] == (1.0 if n else 0.0)
    delete_cohort(cohort.id)
    assert get_comparison(made.id).delta["cohort"] == "some"


def test_a_cohort_looks_at_each_side_by_itself(db):
    """Scenarios of one name may have other values in a fork: only those in the cohort count on either side."""
    parent = make_definition()
    child = evaluation.fork_definition(parent.id, name="fork")
    for definition, tones in ((parent, ("kind", "kind", "curt")), (child, ("kind", "curt", "kind"))):
        for number, tone in enumerate(tones):
            evaluation.create_scenario(definition.id, name=str(number), content=scenario_content(tone=tone))
    runs = [a_run(definition, {"0": 1.0, "1": 1.0, "2": 1.0, (None, "m", 0): 1.0}) for definition in (parent, child)]
    cohort = create_cohort("kind", criteria={"values": {"tone": ["kind"]}})
    delta = compare_runs(runs[0].id, runs[1].id, metric="score", cohort_id=cohort.id).delta
    assert (delta["n"], delta["baseline_only"], delta["comparison_only"], delta["coverage"]) == (1, 1, 1, 1 / 3)


def test_the_number_of_queries_does_not_grow_with_the_transcripts(db):
    """Three transcripts and three hundred take the same statements, with and without a cohort."""
    cohort = create_cohort("some", criteria={"values": {"tone": ["kind"]}})
    counts = []
    for size in (3, 90):
        scores = {(f"s{number % 3}", "m", number): 1.0 for number in range(size)}
        runs = two_runs(scores, scores)
        for options in ({}, {"cohort_id": cohort.id, "experiment_id": None}):
            seen = []
            db.query_hooks.append(lambda event, seen=seen: seen.append(event.sql))
            try:
                compare_runs(runs[0].id, runs[1].id, metric="score", **options)
            finally:
                db.query_hooks.clear()
            counts.append(len([sql for sql in seen if "SAVEPOINT" not in sql]))
    assert counts == [5, 6, 5, 6]


@pytest.mark.datapkg_commits
def test_both_runs_are_read_in_one_state(db, datapkg_url):
    """What somebody commits between the two reads is not half of the comparison."""
    definition = a_definition("a", "b")
    runs = [a_run(definition, {"a": score}) for score in (1.0, 2.0)]
    late = []

    def write():
        db.connect(reuse_if_open=True)
        try:
            add(runs[1], definition, {"b": 100.0})
        finally:
            db.close()

    def after_the_first_read(event):
        if "FROM transcripts b" in event.sql and not late:
            late.append(event)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(write).result(timeout=60)

    db.query_hooks.append(after_the_first_read)
    try:
        delta = compare_runs(runs[0].id, runs[1].id, metric="score").delta
    finally:
        db.query_hooks.clear()
    assert late
    assert (delta["n"], delta["comparison_only"], delta["coverage"]) == (1, 0, 1.0)
    assert compare_runs(runs[0].id, runs[1].id, metric="score").delta["comparison_only"] == 1


@pytest.mark.datapkg_commits
def test_a_run_deleted_while_it_is_compared_is_told(db, datapkg_url):
    """It was there when it was read, and is not any more when the result is written."""
    runs = two_runs({"a": 1.0}, {"a": 2.0})
    late = []

    def delete():
        db.connect(reuse_if_open=True)
        try:
            delete_run(runs[1].id)
        finally:
            db.close()

    def after_the_last_read(event):
        if "FROM transcripts t" in event.sql and not late:
            late.append(event)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(delete).result(timeout=60)

    db.query_hooks.append(after_the_last_read)
    try:
        with pytest.raises(NotFoundError) as caught:
            compare_runs(runs[0].id, runs[1].id, metric="score")
    finally:
        db.query_hooks.clear()
    assert (caught.value.entity, caught.value.key) == ("run", runs[1].id)


def test_both_engines_find_the_same_bit_for_bit(datapkg_databases):
    """Neither the order of rows nor the way jsonb spells numbers makes a difference."""
    chance = random.Random(11)
    keys = [(name, model, 0) for name in ("Zoë", "a b", "Äpfel", "z-1", "_", "ß") for model in ("M", "m", "ö")]
    scales = [1e-300, 0.1, 1.0, 1e16, 1e23, 3e150]
    first = {key: chance.gauss(0, 1) * chance.choice(scales) for key in keys}
    second = {key: chance.gauss(0, 1) * chance.choice(scales) for key in reversed(keys)}
    second[keys[0]] = -0.0
    found = []
    for opened in (datapkg_databases.in_memory, datapkg_databases.in_transaction):
        with opened() as database, override(database):
            runs = two_runs(first, second)
            found.append(json.dumps(compare_runs(runs[0].id, runs[1].id, metric="score").delta))
    assert found[0] == found[1]
