"""Rows for the table of transcripts: checked whole, and written a batch at a time.

What one call is given and what a file holds go through the same check; only the names of the places differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from datapkg.evaluation.documents import TRANSCRIPT_METRICS, TRANSCRIPT_TURNS
from datapkg.evaluation.models import Transcript
from datapkg.kit.database import current
from datapkg.kit.errors import ConflictError, NotFoundError, UnknownSchemaVersionError, ValidationError
from datapkg.kit.json_values import dotted
from datapkg.kit.models import new_id, now
from datapkg.kit.statements import Param, Statement

__all__ = [
    "BATCH",
    "NOT_IN_SAMPLE",
    "Checked",
    "RowChecker",
    "encode_metrics",
    "encode_turns",
    "tell_missing_run",
    "write_rows",
]

BATCH = 1000
"""How many rows are checked, written or read at a time."""

NOT_IN_SAMPLE = "This scenario is not among those of this run."

_ABSENT = object()
_MISSING = "Missing data for required field."
_EXACT = 2**53
_UNIQUE = ("run_id", "scenario_id", "model", "sample_index")
_DOCUMENTS_AND_COUNTS = ("content", "metrics", "input_tokens", "output_tokens", "duration_ms")
_COLUMNS = ("id", "created_at", "run_id", "scenario_id", "sample_index", "model", *_DOCUMENTS_AND_COUNTS)

_run_exists: Statement[Any] = Statement(
    lambda dialect: (f"SELECT 1 FROM runs WHERE id = {dialect.param}", [Param("run")])
)


def tell_missing_run(run_id: UUID, refused: ConflictError | None = None) -> None:
    """Raise the error for a missing run if there is none with this key.

    Args:
        run_id: the key.
        refused: what the database said when it was written to.

    Raises:
        NotFoundError: there is no such run, or no more.
    """
    if not _run_exists.tuples(run=str(run_id)):
        raise NotFoundError("run", run_id) from refused


def encode_turns(given: object) -> str:
    """Return the stored text of a transcript's turns.

    Args:
        given: a ``transcript-turns`` document.

    Raises:
        ValidationError: with every complaint, under ``content``.
        UnknownSchemaVersionError: the document is of a newer version than this code.
    """
    return TRANSCRIPT_TURNS.dumps(TRANSCRIPT_TURNS.validate(given, path="content"))


def encode_metrics(given: object) -> str | None:
    """Return the stored text of a transcript's metrics.

    Args:
        given: a mapping of names to numbers and texts; or a ``transcript-metrics`` document, which has a mapping under
            ``values``; or None.

    Raises:
        ValidationError: with every complaint, under ``metrics.<name>`` where names were given, else under the
            document's own paths.
        UnknownSchemaVersionError: the document is of a newer version than this code.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or "schema_version" in given or isinstance(given.get("values"), Mapping):
        return TRANSCRIPT_METRICS.dumps(TRANSCRIPT_METRICS.validate(given, path="metrics"))
    content, problems = _sorted_out(given)
    try:
        valid = TRANSCRIPT_METRICS.validate(content, path="metrics")
    except ValidationError as error:
        for path, messages in error.errors.items():
            _, _, name = path.removeprefix("metrics.").partition(".")  # the caller gave no values and labels
            problems.setdefault(f"metrics.{name}", []).extend(messages)
    if problems:
        raise ValidationError(problems, what="transcript-metrics document")
    return TRANSCRIPT_METRICS.dumps(valid)


def _sorted_out(given: Mapping[Any, Any]) -> tuple[dict[str, object], dict[str, list[str]]]:
    """Return the document of a flat mapping, and the complaints about what is neither a number nor a text."""
    values: dict[Any, Any] = {}
    labels: dict[Any, Any] = {}
    problems: dict[str, list[str]] = {}
    for name, value in given.items():
        kind = type(value)
        if kind is int and -_EXACT <= value <= _EXACT:
            values[name] = float(value)  # which spares the schema the conversion
        elif isinstance(value, str):
            labels[name] = value
        elif isinstance(value, (int, float)) and kind is not bool:
            values[name] = value
        else:
            problems[dotted(("metrics", name))] = ["Must be a number or a text."]
    return {"values": values, **({"labels": labels} if labels else {})}, problems


@dataclass(slots=True)
class Checked:
    """What became of some rows.

    Attributes:
        rows: the good ones as ``(number, columns)``, ready for :func:`write_rows`.
        errors: the complaints about the others, as ``{number: {path: [message, …]}}``.
    """

    rows: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)


class RowChecker:
    """Checks the transcripts of one run, as many calls as it takes.

    It remembers the keys it has seen, so that a key that comes twice is refused, and the scenarios that it has found
    in the run's sample.

    Args:
        run_id: the run.
        place: what a row's number counts, for the complaint about a key that comes twice.

    Raises:
        NotFoundError: there is no such run.
    """

    def __init__(self, run_id: UUID, *, place: str = "row") -> None:
        self.run, self._place = str(run_id), place
        self._sample: dict[UUID, str] = {}  # with the key's text, which takes Python code to make
        self._given: dict[str, UUID] = {}
        self._models: dict[str, str] = {}
        self._seen: dict[tuple[str, str, int], int] = {}
        tell_missing_run(run_id)

    def check(self, rows: Iterable[object], numbers: Sequence[int]) -> Checked:
        """Check some rows: columns, documents, the run's sample, and keys that came before.

        Args:
            rows: mappings with the names of ``create_transcript``'s arguments.
            numbers: the number of each.
        """
        from datapkg.evaluation import schemas
        from datapkg.kit.schemas import load_many

        documents: list[tuple[object, object] | None] = []
        loaded = load_many(schemas.NewTranscript, self._split(rows, documents), on_error="collect")
        checked = Checked(errors={numbers[at]: problems for at, problems in loaded.errors.items()})
        for at, pair in enumerate(documents):
            if pair is not None:
                encoded, problems = _encoded(*pair)
                if problems:
                    checked.errors.setdefault(numbers[at], {}).update(problems)
                documents[at] = encoded
        self._find(columns.get("scenario_id") for _, columns in loaded.rows)
        for at, columns in loaded.rows:
            number = numbers[at]
            complaint = self._place_row(columns, number)
            if complaint is not None:
                checked.errors.setdefault(number, {}).setdefault(complaint[0], []).append(complaint[1])
            if number not in checked.errors:
                columns["content"], columns["metrics"] = documents[at]  # type: ignore[misc]  # it was a mapping
                columns["id"] = str(new_id())
                checked.rows.append((number, columns))
        checked.errors = dict(sorted(checked.errors.items()))
        return checked

    def _split(self, rows: Iterable[object], documents: list[tuple[object, object] | None]) -> Iterator[object]:
        """Yield each row's plain columns, and put its documents aside."""
        given_before = self._given
        for row in rows:
            if not isinstance(row, Mapping):
                documents.append(None)
                yield row  # the schema says what is wrong with it
                continue
            columns = dict(row)
            documents.append((columns.pop("content", _ABSENT), columns.pop("metrics", None)))
            scenario = columns.get("scenario_id")
            if type(scenario) is str and scenario in given_before:
                columns["scenario_id"] = given_before[scenario]  # which spares the schema the conversion
            yield columns
            if type(scenario) is str and scenario not in given_before:
                self._learn(scenario)

    def _learn(self, scenario: str) -> None:
        """Remember the key of a text that is a key in the usual spelling."""
        if len(scenario) == 36:
            try:
                key = UUID(scenario)
            except ValueError:
                return
            if str(key) == scenario and len(self._given) < 100 * BATCH:
                self._given[scenario] = key

    def _find(self, scenarios: Iterable[Any]) -> None:
        """Look up which of these scenarios are in the run's sample."""
        unknown = sorted({str(key) for key in scenarios if key is not None and key not in self._sample})
        database = current()
        for start in range(0, len(unknown), BATCH):
            part = unknown[start : start + BATCH]
            marks = ", ".join([database.dialect.param] * len(part))
            sql = (
                f"SELECT scenario_id FROM run_scenario_selection WHERE run_id = {database.dialect.param} "
                f"AND scenario_id IN ({marks})"
            )
            self._sample.update((UUID(text), text) for (text,) in database.fetch(sql, [self.run, *part]))

    def _place_row(self, columns: dict[str, Any], number: int) -> tuple[str, str] | None:
        """Put the reference to the scenario in as text, or return ``(path, complaint)``."""
        key = columns.setdefault("scenario_id", None)
        if key is None:
            return None
        scenario = self._sample.get(key)
        if scenario is None:
            return "scenario_id", NOT_IN_SAMPLE
        model = columns["model"]
        columns["scenario_id"], columns["model"] = scenario, self._models.setdefault(model, model)
        index = columns.setdefault("sample_index", 0)
        before = self._seen.setdefault((scenario, columns["model"], index), number)
        if before != number:
            return "_schema", f"Has the scenario, model and sample_index of {self._place} {before}."
        return None


def _encoded(content: object, metrics: object) -> tuple[tuple[str, str | None], dict[str, list[str]]]:
    """Return the stored texts of a row's documents, and the complaints about them."""
    texts: tuple[str, str | None] = ("", None)
    problems: dict[str, list[str]] = {}
    if content is _ABSENT:
        problems["content"] = [_MISSING]
    try:
        if content is not _ABSENT:
            texts = encode_turns(content), None
    except (ValidationError, UnknownSchemaVersionError) as error:
        problems.update(_complaints(error, "content"))
    try:
        if metrics is not None:
            texts = texts[0], encode_metrics(metrics)
    except (ValidationError, UnknownSchemaVersionError) as error:
        problems.update(_complaints(error, "metrics"))
    return texts, problems


def _complaints(error: ValidationError | UnknownSchemaVersionError, path: str) -> Mapping[str, list[str]]:
    return error.errors if isinstance(error, ValidationError) else {path: [error.why]}


def write_rows(run: str, rows: Iterable[tuple[int, Mapping[str, Any]]], *, keep: bool) -> int:
    """Write rows that :class:`RowChecker` found good, inside the caller's transaction; return how many are new.

    Args:
        run: the run's key.
        rows: as :attr:`Checked.rows` has them.
        keep: whether rows that are there already are left as they are.

    Raises:
        ConflictError: without ``keep``, a row is there already; the transaction must be undone.
    """
    created_at = Transcript.created_at
    made = created_at.db_value(now())
    # The values are checked and spelled as the drivers take them, so they need not go through the columns again.
    bound = [
        (
            row["id"],
            made,
            run,
            row["scenario_id"],
            row.get("sample_index", 0),
            row["model"],
            row["content"],
            row["metrics"],
            row.get("input_tokens"),
            row.get("output_tokens"),
            row.get("duration_ms"),
        )
        for _, row in rows
    ]
    return current().insert_rows("transcripts", _COLUMNS, bound, unless=_UNIQUE if keep else ())
