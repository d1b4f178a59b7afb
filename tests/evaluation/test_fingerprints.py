"""Fingerprints of an analysis' inputs: the same for the same data, wherever and in whatever order it is stored."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from scored_runs import a_definition, a_run, add, scenario_content

from datapkg import evaluation
from datapkg.evaluation.analyses import is_stale, record_analysis
from datapkg.evaluation.fingerprints import fingerprint_inputs
from datapkg.evaluation.models import AnalysisResult, Definition, Rubric, Run, Scenario, Transcript
from datapkg.evaluation.rubrics import create_rubric
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import current, override, transaction
from datapkg.kit.jsontext import Encoded
from datapkg.kit.statements import insert, insert_many

CONTENT = {"preamble": "", "template": "", "dimensions": []}
NAMES = ["Zoë", "a b", "Äpfel", "z-1", "_", "ß", "A", "a"]
METRICS = [
    None,
    {"values": {}},
    {"values": {"a": 1e23, "b": -0.0, "é": 0.1}, "labels": {"why": "so\t\\ \u2028"}},
    {"values": {"a": 5e-324}},
    Encoded('{"old": 12345678901234567890, "text": "x", "big": 1E+16}'),
]


def build(*, seed):
    """Store a definition, a run with transcripts and a rubric, the rows in a random order; return their keys."""
    chance = random.Random(seed)
    definition = evaluation.create_definition("d", content=CONTENT)
    names = chance.sample(NAMES, len(NAMES))
    made = {name: evaluation.create_scenario(definition.id, name=name, content=scenario_content()).id for name in names}
    run = create_run(definition.id, config={"models": ["m"]})
    rows = [
        {
            "run": run.id,
            "scenario": made.get(name),
            "model": model,
            "sample_index": sample,
            "content": [{"role": "user", "content": f"{name}\n{model}{sample}"}],
            "metrics": METRICS[(number + sample) % len(METRICS)],
            "input_tokens": number * 10**9 if sample else None,
            "duration_ms": sample,
        }
        for number, name in enumerate([*NAMES, None])
        for model in ("m", "ö", "M")
        for sample in range(9)
    ]
    chance.shuffle(rows)
    with transaction():
        insert_many(Transcript, rows)
    content = {"instructions": "i", "criteria": [{"name": "n", "weight": 1.0}]}
    return run, create_rubric("r", content=content)


def test_the_same_data_has_one_fingerprint_everywhere(datapkg_databases):
    """On both engines, with other keys and in another order; more transcripts than a batch holds."""
    found = []
    for seed, opened in enumerate([datapkg_databases.in_memory, datapkg_databases.in_transaction] * 2):
        with opened() as database, override(database):
            run, rubric = build(seed=seed)
            found.append((fingerprint_inputs(run.id, rubric_id=rubric.id), fingerprint_inputs(run.id)))
    assert len(set(found)) == 1
    assert found[0][0] != found[0][1]
    assert len(found[0][0]) == 64


def test_a_copied_database_keeps_it(db, datapkg_databases):
    """An analysis that fits its inputs fits them in a copy on the other engine too."""
    run, rubric = build(seed=1)
    made = record_analysis(run.id, analysis_type="t", output={}, code_version="1", rubric_id=rubric.id)
    other = datapkg_databases.in_transaction if current().dialect.name == "sqlite" else datapkg_databases.in_memory
    models = (Rubric, Definition, Scenario, Run, Transcript, AnalysisResult)
    rows = {model: [dict(row.__data__.copy()) for row in model.select()] for model in models}
    with other() as database, override(database):
        with transaction():
            for model, values in rows.items():
                insert_many(model, values)
        assert not is_stale(made.id)
        current().change("DELETE FROM transcripts WHERE sample_index = 8", ())
        assert is_stale(made.id)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
def test_every_transcript_counts_once_whatever_the_batches(db, size):
    """Each one more gives another fingerprint; without the last one it is as before."""
    run = a_run(a_definition("s"), {(None, "m", number): 1.0 for number in range(size)})
    before = fingerprint_inputs(run.id)
    content = [{"role": "user", "content": "?"}]
    last = insert(Transcript, {"run": run.id, "model": "m", "sample_index": size, "content": content})
    assert fingerprint_inputs(run.id) != before
    last.delete_instance()
    assert fingerprint_inputs(run.id) == before


def test_a_name_that_is_missing_is_not_a_name(db):
    """Values do not slide from one field of a transcript into another."""
    definition = a_definition("m")
    runs = [a_run(definition, {key: None}) for key in ((None, "m", 1), ("m", "m", 1), ("m", "m", 0))]
    for column in ("input_tokens", "output_tokens", "duration_ms"):
        runs.append(a_run(definition, {("m", "m", 0): None}))
        current().change(
            f"UPDATE transcripts SET {column} = 1 WHERE run_id = {current().dialect.param}", (str(runs[-1].id),)
        )
    assert len({fingerprint_inputs(run.id) for run in runs}) == 6
    twice = [a_run(definition, {("m", "m", 0): None}) for _ in range(2)]
    assert len({fingerprint_inputs(run.id) for run in twice}) == 1


def test_the_number_of_queries_does_not_grow_with_the_transcripts(db):
    """Three transcripts and ninety take the same statements."""
    counts = []
    for size in (3, 90):
        definition = a_definition("s")
        run = a_run(definition, {("s", "m", number): 1.0 for number in range(size)})
        made = record_analysis(run.id, analysis_type="t", output={}, code_version="1")
        for call in (
            lambda run=run: fingerprint_inputs(run.id),
            lambda run=run: record_analysis(run.id, analysis_type="t", output={}, code_version="1"),
            lambda made=made: is_stale(made.id),
        ):
            seen = []
            db.query_hooks.append(lambda event, seen=seen: seen.append(event.sql))
            try:
                call()
            finally:
                db.query_hooks.clear()
            counts.append(len([sql for sql in seen if "SAVEPOINT" not in sql]))
    assert counts == [2, 6, 3] * 2


@pytest.mark.datapkg_commits
def test_it_is_of_one_state_and_what_comes_meanwhile_makes_it_stale(db, datapkg_url):
    """A transcript that is committed while an analysis is recorded is not taken for one that it read."""
    definition = a_definition("s")
    scores = {("s", "m", number): 1.0 for number in range(150)}
    run = a_run(definition, scores)
    before = fingerprint_inputs(run.id)
    late = []

    def write():
        db.connect(reuse_if_open=True)
        try:
            add(run, definition, {("s", "m", 500): 1.0})
        finally:
            db.close()

    def after_the_first_batch(event):
        if "FROM transcripts t" in event.sql and not late:
            late.append(event)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(write).result(timeout=60)

    db.query_hooks.append(after_the_first_batch)
    try:
        made = record_analysis(run.id, analysis_type="t", output={}, code_version="1")
    finally:
        db.query_hooks.clear()
    assert late
    assert made.input_hash == before
    assert is_stale(made.id)
