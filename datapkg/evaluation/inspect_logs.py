"""Importing the logs of Inspect AI: a task becomes a definition, its samples scenarios, an evaluation a run."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from datapkg.evaluation import inspect_values as values
from datapkg.evaluation.inspect_writing import write_log
from datapkg.evaluation.models import Run
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import ConfigurationError, ValidationError
from datapkg.kit.paths import as_file
from datapkg.kit.statements import Param, Statement

__all__ = ["InspectReport", "count_samples", "import_inspect_log"]

logger = logging.getLogger(__name__)

_SUFFIXES = (".eval", ".json")
_LONGEST_ERROR = 10_000
_AT_ONCE = 20

_run: Statement[Run] = Statement(lambda _: Run.select().where(Run.id == Param("id")), model=Run)


@dataclass(frozen=True, slots=True)
class InspectReport:
    """What became of an Inspect AI log.

    Attributes:
        run: its run, as it is stored now.
        created: how many transcripts were written.
        kept: how many were there already and stay as they were.
        failed: how many samples have no transcript because they failed.
    """

    run: Run
    created: int
    kept: int
    failed: int

    def public(self) -> dict[str, object]:
        """Return what a table or JSON shows."""
        return {
            "run_id": self.run.id,
            "definition_id": self.run.definition_id,
            "status": self.run.status,
            "created": self.created,
            "kept": self.kept,
            "failed": self.failed,
        }


def import_inspect_log(path: str | os.PathLike[str], *, progress: Callable[[int], None] | None = None) -> InspectReport:
    """Import an Inspect AI log (``.eval`` or ``.json``), all or nothing, in one transaction.

    The task becomes a root definition of its name, whose ``matching_rules`` say what it was; a definition with the
    same content is used again. Each sample becomes a scenario named by its id, with its input as the prompt and its
    target among the values. The evaluation becomes a run, and each sample and epoch a transcript with
    ``sample_index`` epoch - 1. Scores become metrics: numbers as they are, true and false as 1 and 0, the grades C, P,
    I and N as 1, 0.5, 0 and 0 with the letter as a label, other texts as labels, those of a dictionary as
    ``scorer.key``. Samples that failed get no transcript and are counted in the run's progress.

    The run's key is made of the evaluation's id, so importing the log again finds the run and adds what is missing.

    Args:
        path: the log, in a local file; one of a finished evaluation.
        progress: called with the number of samples read since the last call.

    Raises:
        ConfigurationError: the package ``inspect-ai`` is not installed.
        ValidationError: the file is not such a log, is damaged, or holds what cannot be stored; nothing is written.
        ConflictError: the evaluation was imported with another task, or a scenario is there with other content.

    Example:
        >>> report = import_inspect_log("logs/2026-01-01T12-00-00_capitals_x.eval")  # doctest: +SKIP
        >>> get_run_with_transcripts(report.run.id).transcripts  # doctest: +SKIP
    """
    file = as_file(path, what="import")
    log = _read_header(file)
    if log.status not in values.STATUSES:
        raise ValidationError(
            {"status": [f"The evaluation is {log.status}, not finished."]},
            what=f"log {file.name}",
            fix="Import the log once the evaluation has ended.",
        )
    columns, content = _run_columns(log, file)
    with tempfile.TemporaryFile("w+b") as spool:
        # Reading a log takes long; from here it can be written quickly, and again if the transaction is retried.
        good, failed = _spool(_samples(file, log), log.eval.model, spool, progress)
        total = max(_planned(log), good + failed)
        columns["progress"] = {"total": total, "completed": good, "failed": failed}
        created = run_in_transaction(write_log)(columns, content, spool)
    report = InspectReport(_stored(columns["id"]), created=created, kept=good - created, failed=failed)
    logger.info("inspect log imported", extra={"run_id": str(columns["id"]), "created": created, "failed": failed})
    return report


def count_samples(path: str | os.PathLike[str]) -> int:
    """Return how many samples a log's evaluation was to have, every epoch counted.

    Args:
        path: the log.

    Raises:
        ConfigurationError: the package ``inspect-ai`` is not installed.
        ValidationError: the file is not such a log.
    """
    return _planned(_read_header(as_file(path, what="import")))


def _planned(log: Any) -> int:
    return len(log.eval.dataset.sample_ids or ()) * (log.eval.config.epochs or 1)


def _run_columns(log: Any, file: Path) -> tuple[dict[str, Any], dict[str, object]]:
    """Return the run's columns, with the name of its definition, and the definition's content."""
    try:
        content = values.definition_content(log)
        error = None
        if log.status == "error" and log.error is not None:
            error = log.error.message.replace("\0", "�")[:_LONGEST_ERROR]
        return {
            "id": values.run_key(log),
            "name": values.scenario_name(log.eval.task),
            "config": Run.config.encode(values.config_of(log)),
            "status": values.STATUSES[log.status],
            "started_at": values.instant(log.stats.started_at),
            "finished_at": values.instant(log.stats.completed_at),
            "error": error,
        }, content
    except ValueError as error:  # an edited file may hold what Inspect AI would not write
        raise _refusal(file, error) from error


def _inspect() -> Any:
    try:
        return importlib.import_module("inspect_ai.log")  # takes seconds, and few need it
    except ImportError:
        raise ConfigurationError(
            "Logs of Inspect AI need its package, which is not installed.", fix="Run: pip install inspect-ai."
        ) from None


def _refusal(file: Path, error: Exception) -> ValidationError:
    first = (str(error).splitlines() or [""])[0][:500]
    return ValidationError(
        {"path": [f"It cannot be read as a log of Inspect AI ({type(error).__name__}: {first})."]},
        what=f"file {file.name}",
        fix="Check that the file is complete and was written by Inspect AI; nothing was written.",
    )


def _read_header(file: Path) -> Any:
    if file.suffix not in _SUFFIXES:
        problem = f"The name of a log ends with {' or '.join(_SUFFIXES)}."
        raise ValidationError({"path": [problem]}, what="import")
    inspect = _inspect()
    try:
        return inspect.read_eval_log(str(file.absolute()), header_only=True)
    except Exception as error:  # whatever its package meets in a foreign or damaged file
        raise _refusal(file, error) from error


def _samples(file: Path, log: Any) -> Iterator[Any]:
    """Yield the samples that the log holds; of a ``.eval`` a few at a time, a ``.json`` is one piece."""
    found = _read_samples(_inspect(), str(file.absolute()), log)
    while True:
        try:
            sample = next(found, None)
        except Exception as error:  # whatever its package meets in a damaged file
            raise _refusal(file, error) from error
        if sample is None:
            return
        yield sample


def _read_samples(inspect: Any, name: str, log: Any) -> Iterator[Any]:
    if name.endswith(".json"):
        yield from inspect.read_eval_log(name, resolve_attachments=True).samples or ()
        return
    there = [(each.id, each.epoch) for each in inspect.read_eval_log_sample_summaries(name)]
    order = {str(sample_id): number for number, sample_id in enumerate(log.eval.dataset.sample_ids or ())}
    there.sort(key=lambda sample: (order.get(str(sample[0]), len(order)), sample[1]))
    # One at a time, as read_eval_log_samples does it, the log's table of contents would be read for each of them.
    for start in range(0, len(there), _AT_ONCE):
        yield from inspect.read_eval_log_samples_by_id(
            name,
            there[start : start + _AT_ONCE],
            concurrency=1,
            resolve_attachments=True,
            exclude_fields={"events", "store"},
        )


def _spool(
    samples: Iterator[Any], model: str, spool: IO[bytes], progress: Callable[[int], None] | None
) -> tuple[int, int]:
    """Put aside what is to be written of each sample; return how many are good, and how many failed."""
    good = failed = 0
    for sample in samples:
        record: dict[str, object] = {
            "place": f"sample {sample.id} epoch {sample.epoch}",
            "scenario": values.scenario_name(sample.id),
            "content": {
                "preamble": "",
                "prompt": values.prompt_of(sample),
                "values": {"target": values.target_of(sample)},
            },
        }
        if sample.error is None:
            good += 1
            input_tokens, output_tokens = values.tokens_of(sample, model)
            record["transcript"] = {
                "model": model,
                "sample_index": sample.epoch - 1,
                "content": values.turns_of(sample),
                "metrics": values.metrics_of(sample),
                "input_tokens": input_tokens,
                "output_tokens": output_tokens,
                "duration_ms": values.duration_of(sample),
            }
        else:
            failed += 1
        pickle.dump(record, spool)
        if progress is not None:
            progress(1)
    return good, failed


def _stored(key: UUID) -> Run:
    run = _run.one(id=str(key))
    assert run is not None, "it was written just now"
    return run
