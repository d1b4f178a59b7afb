"""Going through any number of transcripts, and what a run still lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict
from uuid import UUID

from datapkg.evaluation.documents import RUN_CONFIG
from datapkg.evaluation.models import Run, Transcript
from datapkg.evaluation.transcript_rows import BATCH
from datapkg.kit.columns import sound
from datapkg.kit.database import current
from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.keys import as_id
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder, paused_collection
from datapkg.kit.statements import Param, Statement

__all__ = ["MissingTranscript", "iter_transcripts", "missing_transcripts"]

_BYTES = 1_000_000  # more would have left the processor's cache before it is looked at
_FIRST = 20
_MOST_SAMPLES = 10_000
_MOST = 2_000_000  # they are held in memory

_fields = Transcript._meta.sorted_fields
_COLUMNS = ", ".join(quote(field.column_name) for field in _fields)
_names = [field.name for field in _fields]
_ID, _CONTENT, _METRICS = (_names.index(name) for name in ("id", "content", "metrics"))

_run: Statement[Run] = Statement(lambda _: Run.select().where(Run.id == Param("run")), model=Run)
_sample: Statement[Any] = Statement(
    lambda dialect: (
        "SELECT s.id, s.name FROM run_scenario_selection AS chosen JOIN scenarios AS s ON s.id = chosen.scenario_id "
        f"WHERE chosen.run_id = {dialect.param} ORDER BY chosen.position",
        [Param("run")],
    )
)
_selected: Statement[Any] = Statement(
    lambda dialect: (f"SELECT count(*) FROM run_scenario_selection WHERE run_id = {dialect.param}", [Param("run")])
)
_stored: Statement[Any] = Statement(
    lambda dialect: (
        "SELECT scenario_id, model, sample_index FROM transcripts "
        f"WHERE run_id = {dialect.param} AND scenario_id IS NOT NULL",
        [Param("run")],
    )
)


def iter_transcripts(
    *, run_id: UUID | str | None = None, scenario_id: UUID | str | None = None, model: str | None = None
) -> Iterator[Transcript]:
    """Yield transcripts, oldest first, however many there are: only a batch of them is in memory.

    No transaction is held open. What is written meanwhile may come or not; what was there before comes once. The
    documents are parsed when they are looked at.

    Args:
        run_id: only those of this run.
        scenario_id: only those of this scenario.
        model: only those by exactly this model.

    Raises:
        ValidationError: a filter is not valid; at once, not at the first step.
        NotConnectedError: no database is connected; likewise.

    Example:
        >>> for transcript in iter_transcripts(run_id=run.id): ...  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given = {"run_id": run_id, "scenario_id": scenario_id, "model": model, "limit": BATCH}
    filters = load(
        schemas.TranscriptFilters,
        {name: value for name, value in given.items() if value is not None},
        what="selection of transcripts",
    )
    del filters["limit"]
    return _batches(current(), {name: str(value) for name, value in filters.items()})


def _batches(database: KitDatabase, filters: dict[str, str]) -> Iterator[Transcript]:
    build = instance_builder(Transcript, database.dialect)
    p = database.dialect.param
    conditions = [f"{column} = {p}" for column in filters]
    bound: list[object] = list(filters.values())
    sql = "SELECT {columns} FROM transcripts{where} ORDER BY id LIMIT {p}"
    # A batch is bounded by its size too: few transcripts may hold as much as thousands do.
    count, after = _FIRST, ""
    while True:
        every = [*conditions, f"id > {p}"] if after else conditions
        where = f" WHERE {' AND '.join(every)}" if every else ""
        wanted = [*bound, after, count] if after else [*bound, count]
        rows = database.fetch(sql.format(columns=_COLUMNS, where=where, p=p), wanted)
        yield from map(build, rows)
        if len(rows) < count:
            return
        after = rows[-1][_ID]
        size = sum(len(row[_CONTENT]) + len(row[_METRICS] or "") for row in rows)
        count = max(1, min(BATCH, _BYTES * len(rows) // size))


class MissingTranscript(TypedDict):
    """What a run still has to do; the arguments of ``create_transcript``, and the scenario's name."""

    scenario_id: UUID
    scenario: str
    model: str
    sample_index: int


def missing_transcripts(run_id: UUID | str, *, samples_per_scenario: int = 1) -> Rows[MissingTranscript]:
    """Return what a run still has to do: every scenario of its sample, model and sample without a transcript.

    Args:
        run_id: the run.
        samples_per_scenario: how many samples each model gives of each scenario, 1 to 10,000.

    Returns:
        A dictionary for each, in the order of the run's sample: ``scenario_id``, ``model`` and ``sample_index``, which
        ``create_transcript`` takes, and the scenario's name under ``scenario``.

    Raises:
        NotFoundError: there is no such run.
        ValidationError: an argument is not valid, or the list would be longer than two million.
    """
    key = as_id(run_id, "run_id")
    samples = samples_per_scenario
    if not isinstance(samples, int) or isinstance(samples, bool) or not 1 <= samples <= _MOST_SAMPLES:
        problem = f"Must be a whole number from 1 to {_MOST_SAMPLES}."
        raise ValidationError({"samples_per_scenario": [problem]}, what="question for missing transcripts")
    run = _run.one(run=str(key))
    if run is None:
        raise NotFoundError("run", key)
    models: list[str] = sound(RUN_CONFIG, run.config)["models"]
    scenarios = _selected.tuples(run=str(key))[0][0]
    if scenarios * len(models) * samples > _MOST:
        raise ValidationError(
            {
                "samples_per_scenario": [
                    f"That is {scenarios * len(models) * samples:,} transcripts; list fewer samples."
                ]
            },
            what="question for missing transcripts",
        )
    with paused_collection():
        stored = set(map(tuple, _stored.tuples(run=str(key))))
        missing = (
            MissingTranscript(scenario_id=scenario, scenario=name, model=model, sample_index=index)
            for text, name in _sample.tuples(run=str(key))
            for scenario in (UUID(text),)
            for model in models
            for index in range(samples)
            if (text, model, index) not in stored
        )
        return Rows(missing, of=MissingTranscript)
