"""Writing what an Inspect AI log holds: the run, its definition, scenarios, sample and transcripts."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

from datapkg.evaluation.definitions import create_definition, get_definition
from datapkg.evaluation.documents import DEFINITION_CONTENT, SCENARIO_CONTENT
from datapkg.evaluation.models import Definition, Run, RunScenario, Scenario
from datapkg.evaluation.run_changes import lock_content
from datapkg.evaluation.transcript_rows import BATCH, RowChecker, write_rows
from datapkg.kit.database import lock
from datapkg.kit.errors import ConflictError, ValidationError
from datapkg.kit.models import new_id, now
from datapkg.kit.statements import Param, Statement, insert, insert_many

__all__ = ["write_log"]

_LISTED = 100
_BATCH_BYTES = 8_000_000

_run: Statement[Run] = Statement(lambda _: Run.select().where(Run.id == Param("id")), model=Run)


def write_log(columns: dict[str, Any], content: dict[str, object], spool: IO[bytes]) -> int:
    """Write a log's run with all that belongs to it, inside a transaction; return how many transcripts are new.

    Args:
        columns: the run's, with its key, and the name of its definition under ``name``.
        content: its definition's content.
        spool: the samples, pickled one after another: each with ``place`` (how complaints call it), ``scenario`` (the
            name), ``content`` (the scenario's) and, if it did not fail, ``transcript``.

    Raises:
        ValidationError: with every complaint about every sample; the transaction must be undone.
        ConflictError: what is there already does not fit the log.
    """
    lock("evaluation.import_inspect_log")
    run, definition = _find_or_create_run(columns, content)
    writer = _Writer(run, definition)
    spool.seek(0)
    for batch in _batches(spool):
        writer.write(batch)
    if writer.complaints:
        many = f", the first {_LISTED} are listed" if writer.total > _LISTED else ""
        raise ValidationError(writer.complaints, what=f"log ({writer.total:,} complaints{many})")
    if writer.created:
        Run.update(progress=columns["progress"]).where(Run.id == run).execute()
    return writer.created


def _batches(spool: IO[bytes]) -> Iterator[list[Any]]:
    """Yield the samples in lists that are neither long nor large."""
    batch: list[Any] = []
    start = spool.tell()
    while True:
        try:
            batch.append(pickle.load(spool))
        except EOFError:
            break
        if len(batch) == BATCH or spool.tell() - start > _BATCH_BYTES:
            yield batch
            batch, start = [], spool.tell()
    yield batch


def _find_or_create_run(columns: dict[str, Any], content: dict[str, object]) -> tuple[UUID, UUID]:
    """Return the keys of the run and of its definition."""
    expected = DEFINITION_CONTENT.validate(content, path="definition")
    key, name = columns["id"], columns["name"]
    run = _run.one(id=str(key))
    if run is not None:
        definition = get_definition(run.definition_id)
        if (definition.name, definition.content) != (name, expected):
            raise ConflictError(
                f"The evaluation of the run {key} was imported before with another task, dataset or scorers.",
                fix="Delete that run, or import the log as it was then.",
                table="runs",
                columns=("definition_id",),
            )
        return key, run.definition_id
    definition_id, version, sha256 = _find_or_create_definition(name, expected)
    made = now()
    given = {column: value for column, value in columns.items() if column != "name"}
    pinned = {"definition": definition_id, "content_sha256": sha256, "definition_schema_version": version}
    insert(Run, {**given, **pinned, "created_at": made, "updated_at": made})
    return key, definition_id


def _find_or_create_definition(name: str, expected: object) -> tuple[UUID, int, str]:
    """Return the key of the root definition with this name and content, the version of its content, and its hash."""
    roots: Any = Definition.select(Definition.id).where((Definition.name == name) & Definition.parent.is_null())
    for (found,) in roots.order_by(Definition.id).tuples():
        stored, sha256 = lock_content(found)
        if DEFINITION_CONTENT.upgrade(stored) == expected:
            return found, stored.get("schema_version", 0), sha256
    made = create_definition(name, content=expected)
    _, sha256 = lock_content(made.id)
    return made.id, DEFINITION_CONTENT.version, sha256


class _Writer:
    """Writes a run's scenarios, its sample and its transcripts, and collects what is wrong with them."""

    def __init__(self, run: UUID, definition: UUID) -> None:
        self._run, self._definition = run, definition
        self._checker = RowChecker(run, place="sample number")
        self._scenarios: dict[str, tuple[UUID, object]] = {}
        chosen: Any = RunScenario.select(RunScenario.scenario, RunScenario.position).where(RunScenario.run == run)
        positions: dict[UUID, int] = dict(chosen.tuples())
        self._chosen = set(positions)
        self._position = max(positions.values(), default=-1) + 1
        self._number = 0
        self.created = 0
        self.complaints: dict[str, list[str]] = {}
        self.total = 0

    def write(self, records: list[Any]) -> None:
        """Write a batch of samples, unless there were complaints."""
        self._add_scenarios(records)
        numbers, rows, places = [], [], {}
        for record in records:
            self._number += 1
            known = self._scenarios.get(record["scenario"])
            if known is not None and "transcript" in record:
                numbers.append(self._number)
                places[self._number] = record["place"]
                rows.append({**record["transcript"], "scenario_id": known[0]})
        checked = self._checker.check(rows, numbers)
        for number, problems in checked.errors.items():
            self._complain(places[number], problems)
        if not self.complaints:
            self.created += write_rows(str(self._run), checked.rows, keep=True)

    def _complain(self, place: str, problems: dict[str, list[str]]) -> None:
        for path, messages in problems.items():
            self.total += len(messages)
            if len(self.complaints) < _LISTED:
                self.complaints[place if path == "_schema" else f"{place}.{path}"] = messages

    def _add_scenarios(self, records: list[Any]) -> None:
        fresh: dict[str, object] = {}
        for record in records:
            try:
                content = SCENARIO_CONTENT.validate(record["content"], path="scenario")
            except ValidationError as error:
                self._complain(record["place"], error.errors)
                continue
            name = record["scenario"]
            before = self._scenarios[name][1] if name in self._scenarios else fresh.setdefault(name, content)
            if before != content:
                raise _other_content(name)
        self._find(fresh)
        made = now()
        missing = {name: content for name, content in fresh.items() if name not in self._scenarios}
        keys = {name: new_id() for name in missing}
        common = {"definition": self._definition, "created_at": made, "updated_at": made}
        insert_many(
            Scenario,
            ({**common, "id": keys[name], "name": name, "content": content} for name, content in missing.items()),
        )
        self._scenarios.update({name: (keys[name], content) for name, content in missing.items()})
        self._choose([self._scenarios[name][0] for name in fresh])

    def _find(self, wanted: dict[str, object]) -> None:
        """Look up which scenarios are there already."""
        names = list(wanted)
        query = Scenario.select().where((Scenario.definition == self._definition) & Scenario.name.in_(names))
        for scenario in query if names else ():
            if scenario.content != wanted[scenario.name]:
                raise _other_content(scenario.name)
            self._scenarios[scenario.name] = scenario.id, scenario.content

    def _choose(self, scenarios: list[UUID]) -> None:
        """Put scenarios into the run's sample."""
        made = now()
        rows = []
        for scenario in scenarios:
            if scenario not in self._chosen:
                self._chosen.add(scenario)
                place = {"id": new_id(), "run": self._run, "scenario": scenario, "position": self._position}
                rows.append({**place, "created_at": made})
                self._position += 1
        insert_many(RunScenario, rows)


def _other_content(name: str) -> ConflictError:
    return ConflictError(
        f"A scenario {name!r} of this task is there already with another input or target than the log's sample.",
        fix="Delete that scenario, or give the task another version, which makes a definition of its own.",
        constraint="uq_scenarios_definition_id_name",
        table="scenarios",
        columns=("definition_id", "name"),
    )
