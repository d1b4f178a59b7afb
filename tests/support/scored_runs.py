"""Runs with transcripts, in the shapes that comparisons and analyses are tested with."""

from __future__ import annotations

from datapkg import evaluation
from datapkg.evaluation.models import Transcript
from datapkg.evaluation.runs import create_run
from datapkg.evaluation.transcripts import create_transcripts
from datapkg.kit.database import transaction
from datapkg.kit.jsontext import Encoded
from datapkg.kit.statements import insert_many
from datapkg.testing.factories import make_definition

TURNS = [{"role": "user", "content": "?"}]


def scenario_content(**values):
    """Return a valid content."""
    return {"preamble": "", "prompt": "?", "values": values}


def a_definition(*names):
    """Make a definition with scenarios of these names."""
    definition = make_definition()
    for name in names:
        evaluation.create_scenario(definition.id, name=name, content=scenario_content())
    return definition


def a_run(definition, scores):
    """Make a run with transcripts.

    Args:
        definition: what it is a run of.
        scores: by scenario's name or ``(name, model, sample)``, the value of ``score``, metrics, or None without any;
            a name of None stands for no scenario.
    """
    run = create_run(definition.id, config={"models": ["m"]})
    add(run, definition, scores)
    return run


def add(run, definition, scores):
    """Add transcripts to a run; encoded metrics, and scenarios of another definition, as foreign code stores them."""
    scenarios = {each.name: each.id for each in evaluation.list_scenarios(definition_id=definition.id, limit=1000)}
    rows = []
    for key, score in scores.items():
        name, model, sample = key if isinstance(key, tuple) else (key, "m", 0)
        metrics = score if score is None or isinstance(score, (dict, Encoded)) else {"values": {"score": score}}
        row = {"scenario_id": name and scenarios[name], "model": model, "sample_index": sample}
        rows.append({**row, "content": TURNS, "metrics": metrics})
    if run.definition_id == definition.id and not any(isinstance(row["metrics"], Encoded) for row in rows):
        create_transcripts(run.id, rows=rows)
        return
    with transaction():
        insert_many(Transcript, ({**row, "run": run.id, "scenario": row["scenario_id"]} for row in rows))


def two_runs(first, second):
    """Make two runs of one definition, from their scores by scenario's name."""
    keys = [*first, *second]
    names = {key[0] if isinstance(key, tuple) else key for key in keys} - {None}
    definition = a_definition(*sorted(names))
    return a_run(definition, first), a_run(definition, second)
