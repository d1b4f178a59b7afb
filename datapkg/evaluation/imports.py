"""Importing transcripts from a file of JSON lines: everything is checked before anything is written."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from uuid import UUID

from datapkg.evaluation.transcript_rows import BATCH, Checked, RowChecker, tell_missing_run, write_rows
from datapkg.evaluation.transcripts import TranscriptReport
from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.errors import ConflictError, StaleWriteError, ValidationError
from datapkg.kit.json_values import parse_json, text_problem
from datapkg.kit.keys import as_id
from datapkg.kit.paths import as_file

__all__ = ["count_lines", "import_transcripts"]

logger = logging.getLogger(__name__)

_LONGEST_LINE = 256 * 2**20
_BATCH_BYTES = 8 * 2**20
_LISTED = 100
_NO_SCENARIO = (
    "Give scenario_id, or the scenario's name under scenario: without it a second import would double the row."
)
_TWO_SCENARIOS = "Give either scenario or scenario_id."
_UNKNOWN_NAME = "No scenario of this run's sample has this name."

_Stream = BinaryIO | gzip.GzipFile


def import_transcripts(
    path: str | os.PathLike[str], *, run_id: UUID | str, progress: Callable[[int], None] | None = None
) -> TranscriptReport:
    """Import a run's transcripts from a file of JSON lines, all or nothing.

    Each line is an object with the names of ``create_transcript``'s arguments; the scenario's name may stand under
    ``scenario`` instead of ``scenario_id``, and one of the two has to. Blank lines do not count. The file is read
    twice, a batch at a time: first everything is checked, then everything is written in one transaction. Transcripts
    that are there already are kept as they are, so an import that was interrupted can simply be run again.

    Args:
        path: the file, UTF-8; compressed if its name ends with ``.gz``.
        run_id: the run that the transcripts belong to.
        progress: called with the number of lines dealt with since the last call, as they are written.

    Returns:
        How many were created, and how many were there.

    Raises:
        NotFoundError: there is no such run.
        ValidationError: the file cannot be read, or with every complaint about it (the first 100 are listed), as
            ``line 17.content.0.role``, the first line being 1; nothing is written.
        StaleWriteError: the file changed while it was imported; nothing is written.

    Example:
        >>> import_transcripts("answers.jsonl.gz", run_id=run.id)  # doctest: +SKIP
        TranscriptReport(created=1000, kept=0, errors={})
    """
    key = as_id(run_id, "run_id")
    tell_missing_run(key)  # told even where the file is not there either
    file = as_file(path, what="import")
    checksum = _validate(_Reader(file, key))
    failpoints.reach("import.validated")
    run, told = str(key), [0]

    @run_in_transaction
    def write() -> tuple[int, int]:
        reader = _Reader(file, key)
        created = total = 0
        for checked in reader.batches():
            if checked.errors:
                _refuse_second(reader, checksum, checked)
            created += write_rows(run, checked.rows, keep=True)
            total += len(checked.rows)
            failpoints.reach("import.mid_write")
            if progress is not None and total > told[0]:  # a transaction that is tried again begins anew
                progress(total - told[0])
                told[0] = total
        if reader.checksum() != checksum:
            _refuse_changed(file)
        failpoints.reach("import.before_commit")
        return created, total

    try:
        created, total = write()
    except ConflictError as error:
        tell_missing_run(key, error)
        raise
    failpoints.reach("import.after_commit")
    logger.info("transcripts imported", extra={"run_id": run, "created": created, "kept": total - created})
    return TranscriptReport(created=created, kept=total - created)


def count_lines(path: str | os.PathLike[str]) -> int:
    """Return how many lines of a file an import deals with.

    Args:
        path: as for :func:`import_transcripts`.

    Raises:
        ValidationError: the file cannot be read.
    """
    with _opened(as_file(path, what="import")) as stream:
        return sum(1 for line in _lines(stream) if line.strip())


def _validate(reader: _Reader) -> str:
    """Read and check the whole file; return its checksum."""
    complaints: dict[str, list[str]] = {}
    total = 0
    for checked in reader.batches():
        for number, problems in checked.errors.items():
            for path, messages in problems.items():
                total += len(messages)
                if len(complaints) < _LISTED:
                    complaints[_place(number, path)] = messages
    if total:
        many = f"{total:,} complaints" if total > 1 else "1 complaint"
        listed = f", the first {_LISTED} are listed" if total > _LISTED else ""
        raise ValidationError(complaints, what=f"file {reader.path.name} ({many}{listed})")
    return reader.checksum()


def _place(number: int, path: str) -> str:
    return f"line {number}" if path == "_schema" else f"line {number}.{path}"


def _refuse_second(reader: _Reader, checksum: str, checked: Checked) -> NoReturn:
    """Raise for lines that were good when they were read first: they changed, or a scenario went meanwhile."""
    for _ in reader.batches_left():
        pass
    if reader.checksum() != checksum:
        _refuse_changed(reader.path)
    errors = {
        _place(number, path): messages
        for number, problems in checked.errors.items()
        for path, messages in problems.items()
    }
    raise ValidationError(errors, what=f"file {reader.path.name}")


def _refuse_changed(path: Path) -> NoReturn:
    raise StaleWriteError(
        f"The file {path} changed while it was imported; nothing was written.",
        fix="Wait until it is complete, then run the import again.",
    )


@contextmanager
def _opened(path: Path) -> Iterator[_Stream]:
    """Open a file, compressed or not; whatever goes wrong with it is told as a complaint about the path."""
    try:
        with path.open("rb") as plain:
            yield gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain
    except FileNotFoundError:
        raise ValidationError({"path": [f"There is no file {path}."]}, what="import") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValidationError({"path": [f"The compressed file is damaged: {error}."]}, what="import") from error
    except OSError as error:
        raise ValidationError({"path": [f"The file cannot be read: {error}."]}, what="import") from error


def _lines(stream: _Stream) -> Iterator[bytes]:
    while line := stream.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise ValidationError({"path": [f"A line is longer than {_LONGEST_LINE:,} bytes."]}, what="import")
        yield line


@dataclass(slots=True)
class _Batch:
    """Lines in the order of the file: their numbers, their parsed values, and complaints by number."""

    numbers: list[int] = field(default_factory=list)
    rows: list[object] = field(default_factory=list)
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)


class _Reader:
    """Reads a file once, and checks it a batch at a time."""

    def __init__(self, path: Path, run_id: UUID) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._checker = RowChecker(run_id, place="line")
        self._names: dict[str, UUID] = {}
        self._batches = self._read()

    def checksum(self) -> str:
        """The checksum of what was read so far."""
        return self._digest.hexdigest()

    def batches(self) -> Iterator[Checked]:
        """Yield what became of each batch."""
        for batch in self._batches:
            self._name_scenarios(batch)
            checked = self._checker.check(batch.rows, batch.numbers)
            for number, problems in batch.errors.items():
                checked.errors[number] = {**problems, **checked.errors.get(number, {})}
            checked.errors = dict(sorted(checked.errors.items()))
            checked.rows = [row for row in checked.rows if row[0] not in batch.errors]
            yield checked

    def batches_left(self) -> Iterator[_Batch]:
        """Yield what was not read yet, unchecked."""
        return self._batches

    def _read(self) -> Iterator[_Batch]:
        with _opened(self.path) as stream:
            batch, size = _Batch(), 0
            for number, line in enumerate(_lines(stream), start=1):
                self._digest.update(line)
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                if not line.strip():
                    continue
                size += len(line)
                try:
                    row = parse_json(line)
                except ValueError as error:
                    batch.errors[number] = {"_schema": [_why_not_json(line, error)]}
                else:
                    batch.numbers.append(number)
                    batch.rows.append(row)
                if len(batch.rows) == BATCH or size > _BATCH_BYTES or len(batch.errors) == BATCH:
                    yield batch
                    batch, size = _Batch(), 0
            yield batch

    def _name_scenarios(self, batch: _Batch) -> None:
        """Put keys in the place of scenarios' names, and note what is wrong about them."""
        self._look_up(batch.rows)
        for at, (number, row) in enumerate(zip(batch.numbers, batch.rows, strict=True)):
            if type(row) is not dict:
                continue
            named, keyed = row.get("scenario") is not None, row.get("scenario_id") is not None
            if named and keyed:
                batch.errors[number] = {"scenario": [_TWO_SCENARIOS]}
            elif named and (type(row["scenario"]) is not str or row["scenario"] not in self._names):
                batch.errors[number] = {"scenario": [_UNKNOWN_NAME]}
            elif not (named or keyed):
                batch.errors[number] = {"scenario_id": [_NO_SCENARIO]}
            given: dict[str, object] = {"scenario_id": None, **row}
            name = given.pop("scenario", None)
            if named and not keyed and number not in batch.errors:
                given["scenario_id"] = self._names[name]  # type: ignore[index]  # it was found there
            batch.rows[at] = given

    def _look_up(self, rows: list[Any]) -> None:
        given = {row.get("scenario") for row in rows if type(row) is dict and type(row.get("scenario")) is str}
        names = {name for name in given if isinstance(name, str) and text_problem(name) is None}
        unknown = sorted(names - self._names.keys())
        if not unknown:
            return
        database = current()
        p = database.dialect.param
        sql = (
            "SELECT s.name, s.id FROM run_scenario_selection AS c JOIN scenarios AS s ON s.id = c.scenario_id "
            f"WHERE c.run_id = {p} AND s.name IN ({', '.join([p] * len(unknown))})"
        )
        found = database.fetch(sql, [self._checker.run, *unknown])
        self._names.update((name, UUID(key)) for name, key in found)


def _why_not_json(line: bytes, error: ValueError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "Not UTF-8 text."
    column = getattr(error, "colno", None)
    return "Not valid JSON." if column is None else f"Not valid JSON, at column {column}."
