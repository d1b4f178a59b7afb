"""Transcripts: written one by one or many at once, read, and deleted; never changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from datapkg.evaluation.models import Transcript
from datapkg.evaluation.transcript_rows import (
    BATCH,
    NOT_IN_SAMPLE,
    RowChecker,
    encode_metrics,
    encode_turns,
    tell_missing_run,
    write_rows,
)
from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.jsontext import Encoded
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.rows import paused_collection
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "TranscriptReport",
    "create_transcript",
    "create_transcripts",
    "delete_transcript",
    "find_transcript",
    "get_transcript",
    "list_transcripts",
]

logger = logging.getLogger(__name__)

_THERE = "There is a transcript of this scenario, model and sample_index already."

_by_id: Statement[Transcript] = Statement(
    lambda _: Transcript.select().where(Transcript.id == Param("id")), model=Transcript
)


def _looking(dialect: Dialect) -> tuple[str, list[Param]]:
    p = dialect.param
    return (
        f"SELECT EXISTS (SELECT 1 FROM runs WHERE id = {p}), "
        f"EXISTS (SELECT 1 FROM run_scenario_selection WHERE run_id = {p} AND scenario_id = {p})",
        [Param("run"), Param("run"), Param("scenario")],
    )


_run_and_place: Statement[Any] = Statement(_looking)


@dataclass(frozen=True, slots=True)
class TranscriptReport:
    """What became of many transcripts.

    Attributes:
        created: how many were written.
        kept: how many were there already and stay as they were.
        errors: with ``on_error="collect"``, the complaints about the others, as ``{row: {path: [message, …]}}``.
    """

    created: int
    kept: int
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    def public(self) -> dict[str, object]:
        """Return what a table or JSON shows."""
        return {"created": self.created, "kept": self.kept, "errors": self.errors}


def create_transcript(
    run_id: UUID | str,
    *,
    model: str,
    content: object,
    scenario_id: UUID | str | None = None,
    sample_index: int = 0,
    metrics: object = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    duration_ms: int | None = None,
) -> Transcript:
    """Store what was said in one sample of one scenario by one model.

    A run takes transcripts in every status, as answers may come late; the analyses made before are then stale.

    Args:
        run_id: the run that it belongs to.
        model: the model's name, 1 to 200 characters.
        content: the turns, ``[{"role": "user", "content": "…"}, …]``; a ``transcript-turns`` document.
        scenario_id: one of the run's sample. Without it the transcript has no key, so that storing it again doubles it.
        sample_index: tells repeated samples of a scenario and model apart, from 0.
        metrics: numbers and texts by name, as ``{"accuracy": 1, "grade": "C"}``; or a ``transcript-metrics`` document,
            ``{"values": {…}, "labels": {…}}``.
        input_tokens: as the provider counted them.
        output_tokens: as the provider counted them.
        duration_ms: how long it took, in milliseconds.

    Raises:
        NotFoundError: there is no such run.
        ValidationError: with every complaint; a scenario that the run's sample does not hold is one.
        ConflictError: the run has a transcript of this scenario, model and sample already.
        UnknownSchemaVersionError: a document is of a newer version than this code.

    Example:
        >>> turns = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
        >>> create_transcript(run.id, scenario_id=scenario.id, model="model-a", content=turns,
        ...     metrics={"accuracy": 1})  # doctest: +SKIP
    """
    key = as_id(run_id, "run_id")
    given = {
        "scenario_id": scenario_id,
        "model": model,
        "sample_index": sample_index,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "duration_ms": duration_ms,
    }
    columns, problems = _checked(given, content, metrics)
    scenario = columns.get("scenario_id")
    found, among = _run_and_place.tuples(run=str(key), scenario=None if scenario is None else str(scenario))[0]
    if scenario is not None and found and not among:
        problems["scenario_id"] = [NOT_IN_SAMPLE]
    if problems:
        raise ValidationError(problems, what="transcript")
    if not found:
        raise NotFoundError("run", key)
    columns["scenario"] = columns.pop("scenario_id")
    try:
        return insert(Transcript, {"id": new_id(), "run": key, **columns})
    except ConflictError as error:
        tell_missing_run(key, error)
        raise


def _checked(
    given: Mapping[str, object], content: object, metrics: object
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return a transcript's columns as far as they are good, and every complaint."""
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load_many

    columns: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    loaded = load_many(schemas.NewTranscript, [given], on_error="collect")
    for values in loaded.values:
        columns.update(values)
    for found in loaded.errors.values():
        problems.update(found)
    for name, encode, document in (("content", encode_turns, content), ("metrics", encode_metrics, metrics)):
        try:
            text = encode(document)
            columns[name] = None if text is None else Encoded(text)
        except ValidationError as error:
            problems.update(error.errors)
    return columns, problems


def create_transcripts(
    run_id: UUID | str,
    *,
    rows: Iterable[Mapping[str, object]],
    on_error: Literal["raise", "collect"] = "raise",
    on_existing: Literal["raise", "keep"] = "raise",
) -> TranscriptReport:
    """Store many transcripts in one transaction, every one of them checked.

    Args:
        run_id: the run that they belong to.
        rows: mappings with the names of :func:`create_transcript`'s arguments; any iterable, consumed once.
        on_error: ``"raise"`` for all or nothing, ``"collect"`` to write the good ones and report the others.
        on_existing: ``"raise"`` if a transcript that is there already is an error, ``"keep"`` to leave it as it is;
            so what was interrupted can be done again, and only what is missing is added.

    Returns:
        How many were written and kept; with ``"collect"`` also the complaints by the 0-based number of the row.

    Raises:
        NotFoundError: there is no such run.
        ValidationError: with ``on_error="raise"``, every complaint about every row, as ``17.content.0.role``; nothing
            is written. Two rows with the same scenario, model and sample are one.
        ConflictError: with ``"raise"`` twice, a transcript is there already; nothing is written.

    Example:
        >>> create_transcripts(run.id, rows=[{"scenario_id": scenario.id, "model": "model-a",
        ...     "content": [{"role": "user", "content": "2 + 2?"}]}], on_existing="keep")  # doctest: +SKIP
    """
    key = as_id(run_id, "run_id")
    _check_options(rows, on_error, on_existing)
    with paused_collection():
        good, errors = _check_rows(RowChecker(key), rows)
    if errors and on_error == "raise":
        tell_missing_run(key)  # one that was deleted meanwhile has no sample
        raise ValidationError(
            {
                f"{number}.{path}" if path != "_schema" else str(number): messages
                for number, problems in errors.items()
                for path, messages in problems.items()
            },
            what="list of transcripts",
        )
    run, keep = str(key), on_existing == "keep"

    @run_in_transaction
    def write() -> tuple[int, dict[int, dict[str, list[str]]]]:
        # Half of a small batch first, so that there is a middle.
        first = min(BATCH, (len(good) + 1) // 2)
        created = write_rows(run, good[:first], keep=keep or on_error == "collect")
        failpoints.reach("transcripts.mid_write")
        for start in range(first, len(good), BATCH):
            created += write_rows(run, good[start : start + BATCH], keep=keep or on_error == "collect")
        failpoints.reach("transcripts.before_commit")
        return created, {} if keep or created == len(good) else _left_out(good)

    try:
        created, there = write()
    except ConflictError as error:
        tell_missing_run(key, error)
        raise
    errors = dict(sorted({**errors, **there}.items()))
    kept = len(good) - created - len(there)
    logger.info("transcripts created", extra={"run_id": run, "created": created, "kept": kept, "refused": len(errors)})
    return TranscriptReport(created=created, kept=kept, errors=errors)


def _check_options(rows: object, on_error: object, on_existing: object) -> None:
    problems: dict[str, list[str]] = {}
    if not isinstance(rows, Iterable):
        problems["rows"] = ["Must be an iterable of mappings."]
    for name, value, choices in (
        ("on_error", on_error, ("raise", "collect")),
        ("on_existing", on_existing, ("raise", "keep")),
    ):
        if value not in choices:
            problems[name] = [f"Must be one of: {', '.join(choices)}."]
    if problems:
        raise ValidationError(problems, what="call")


def _check_rows(
    checker: RowChecker, rows: Iterable[object]
) -> tuple[list[tuple[int, dict[str, Any]]], dict[int, dict[str, list[str]]]]:
    """Return the good rows, and the complaints about the others; the documents go as soon as they are text."""
    good: list[tuple[int, dict[str, Any]]] = []
    errors: dict[int, dict[str, list[str]]] = {}
    waiting, start = iter(rows), 0
    while batch := list(islice(waiting, BATCH)):
        checked = checker.check(batch, range(start, start + len(batch)))
        good += checked.rows
        errors.update(checked.errors)
        start += len(batch)
    return good, errors


def _left_out(good: list[tuple[int, dict[str, Any]]]) -> dict[int, dict[str, list[str]]]:
    """Return a complaint about every row that was not written because one of its kind was there already."""
    database = current()
    written: set[str] = set()
    for start in range(0, len(good), BATCH):
        part = [row["id"] for _, row in good[start : start + BATCH]]
        marks = ", ".join([database.dialect.param] * len(part))
        written.update(str(key) for (key,) in database.fetch(f"SELECT id FROM transcripts WHERE id IN ({marks})", part))
    return {number: {"_schema": [_THERE]} for number, row in good if row["id"] not in written}


def get_transcript(transcript_id: UUID | str) -> Transcript:
    """Return a transcript; its documents are parsed when they are first looked at.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    transcript = find_transcript(transcript_id)
    if transcript is None:
        raise NotFoundError("transcript", transcript_id)
    return transcript


def find_transcript(transcript_id: UUID | str) -> Transcript | None:
    """Return a transcript, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(transcript_id, "transcript_id"))


def list_transcripts(
    *,
    run_id: UUID | str | None = None,
    scenario_id: UUID | str | None = None,
    model: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Transcript]:
    """Return a page of transcripts, newest first.

    Args:
        run_id: only those of this run.
        scenario_id: only those of this scenario.
        model: only those by exactly this model.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"run_id": run_id, "scenario_id": scenario_id, "model": model, "limit": limit, "after": after}
    where = {
        "run_id": Transcript.run.__eq__,
        "scenario_id": Transcript.scenario.__eq__,
        "model": Transcript.model.__eq__,
    }
    return list_page(Transcript, schemas.TranscriptFilters, what="list of transcripts", given=given, where=where)


def delete_transcript(transcript_id: UUID | str) -> None:
    """Delete a transcript.

    Raises:
        NotFoundError: there is none with this key.
    """
    delete_row(Transcript, as_id(transcript_id, "transcript_id"), entity="transcript")
