"""Runs and transcripts for every side: runs that many people made, and one whose transcripts go by as a stream."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from typing import Any

from uuid_utils.compat import uuid7

from benchmarks.data import EPOCH, Dataset, words

__all__ = [
    "METRICS",
    "PROGRESS",
    "TABLES",
    "new_transcripts",
    "run_rows",
    "scenario_rows",
    "selection_rows",
    "stored",
    "transcript_rows",
]

TABLES = {
    "scenarios": "id, created_at, updated_at, definition_id, name, content",
    "runs": "id, created_at, updated_at, definition_id, status, config, progress, content_sha256, "
    "definition_schema_version",
    "run_scenario_selection": "id, created_at, run_id, scenario_id, position",
    "transcripts": "id, created_at, run_id, scenario_id, model, sample_index, content, metrics, input_tokens, "
    "output_tokens, duration_ms",
}
"""The columns of each table that rows are made for, in the order in which they refer to each other."""

PROGRESS = {"schema_version": 1, "total": 1_000_000_000, "completed": 0, "failed": 0}
METRICS = {"values": {"fairness": 0.75, "length": 412.0}}
_CONFIG = {"schema_version": 1, "models": ["model-a", "model-b"], "temperature": 0.7, "sample_seed": 7}
_MODELS = ("model-a", "model-b")
_ROLES = ("system", "user", "assistant", "user", "assistant", "user")


def stored(document: object) -> dict[str, Any]:
    """Return what a document column holds for turns or metrics."""
    if isinstance(document, list):
        return {"schema_version": 1, "items": document}
    return {"schema_version": 1, **document}  # type: ignore[dict-item]  # metrics are an object


def _stamp(number: int) -> str:
    at = (EPOCH + dt.timedelta(days=30, seconds=number)).replace(tzinfo=None)
    return at.isoformat(timespec="microseconds") + "Z"


def _turns(source: random.Random) -> list[dict[str, object]]:
    """Return a conversation of about two kilobytes of JSON."""
    return [{"role": role, "content": words(source, 44)} for role in _ROLES]


def scenario_rows(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield the scenarios of the definition whose run is filled; note their keys."""
    for number in range(dataset.scale.scenarios):
        dataset.scenarios.append(str(uuid7()))
        content = json.dumps({"schema_version": 1, "preamble": "", "prompt": f"Number {number}.", "values": {}})
        yield dataset.scenarios[-1], _stamp(0), _stamp(0), dataset.tree[0], f"case {number}", content


def run_rows(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield runs of different definitions; note their keys. The last one is that of the scenarios' definition."""
    count = dataset.scale.runs
    for number in range(count):
        dataset.runs.append(str(uuid7()))
        definition = dataset.tree[0] if number == count - 1 else dataset.others[number % len(dataset.others)]
        status = "RUNNING" if number == count - 1 else ("COMPLETED", "RUNNING", "FAILED")[number % 3]
        at = _stamp(number)
        yield (
            dataset.runs[-1], at, at, definition, status, json.dumps(_CONFIG), json.dumps(PROGRESS), "0" * 64, 1,
        )  # fmt: skip


def selection_rows(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield the sample of the run that is filled: every scenario."""
    for position, scenario in enumerate(dataset.scenarios):
        yield str(uuid7()), _stamp(0), dataset.runs[-1], scenario, position


def transcript_rows(dataset: Dataset) -> Iterator[tuple[object, ...]]:
    """Yield the transcripts to stream, and those few of another run that every side warms up with."""
    source = random.Random(3)
    contents = [json.dumps(stored(_turns(source)), ensure_ascii=False) for _ in range(500)]
    metrics = json.dumps(stored(METRICS))
    for run, count in (
        (dataset.warming, min(500, dataset.scale.transcripts)),
        (dataset.streamed, dataset.scale.transcripts),
    ):
        for number in range(count):
            model = _MODELS[number % 2]
            content = contents[number % len(contents)]
            yield str(uuid7()), _stamp(number), run, None, model, number, content, metrics, 812, 365, 4210


def new_transcripts(dataset: Dataset) -> list[dict[str, Any]]:
    """Return what a program has in hand before it writes the transcripts of a run, all different in what must be."""
    source = random.Random(4)
    contents = [_turns(source) for _ in range(200)]
    made = []
    for number in range(dataset.scale.batch):
        sample, place = divmod(number, len(dataset.scenarios) * len(_MODELS))
        scenario, model = divmod(place, len(_MODELS))
        made.append(
            {
                "scenario_id": dataset.scenarios[scenario],
                "model": _MODELS[model],
                "sample_index": sample,
                "content": contents[number % len(contents)],
                "metrics": METRICS,
                "input_tokens": 812,
                "output_tokens": 365,
                "duration_ms": 4210,
            }
        )
    return made
