"""Applying seed rows: natural keys to rows, references to keys, only what differs is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from datapkg import registry
from datapkg.kit import failpoints
from datapkg.kit.differences import ABSENT, differences
from datapkg.kit.domains import SeedTable
from datapkg.kit.errors import (
    ConflictError,
    DocumentError,
    SeedError,
    StaleWriteError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.kit.fields import ForeignKey
from datapkg.kit.results import Rows, cell
from datapkg.operations.bookkeeping import SeedKey
from datapkg.operations.row_writer import RowWriter
from datapkg.operations.seeding.files import SeedFile
from datapkg.operations.seeding.keys import KEY, BadKeyError, Key, key_of_reference, key_of_row, shown

__all__ = ["Applier", "SeedChange"]


@dataclass(frozen=True, slots=True)
class SeedChange:
    """What a seed row did, or would do.

    Attributes:
        table: the table.
        key: the row's natural key, or its ``key`` in the seed files.
        action: ``insert``, ``update`` or ``unchanged``.
        fields: for an update ``{field: (before, after)}``.
    """

    table: str
    key: str
    action: str
    fields: Mapping[str, tuple[object, object]] = field(default_factory=dict)

    def public(self) -> dict[str, object]:
        """Return the columns that a table shows."""
        return {
            "table": self.table,
            "key": self.key,
            "action": self.action,
            "changes": "; ".join(
                f"{path}: {_brief(before)} -> {_brief(after)}" for path, before, after in self.differences()
            ),
        }

    def differences(self) -> Iterator[tuple[str, object, object]]:
        """Yield ``(path, before, after)`` of each change, in documents of each part that differs; None is nothing."""
        for name, (old, new) in self.fields.items():
            for path, before, after in differences(old, new, path=name):
                yield path, None if before is ABSENT else before, None if after is ABSENT else after


def _brief(value: object) -> str:
    return "nothing" if value is None else cell(value)


def seed_tables() -> dict[str, SeedTable]:
    """Return how each table is seeded, by table name, parents before children."""
    listed = {table.model._meta.table_name: table for domain in registry.domains() for table in domain.seeds}
    order = [model._meta.table_name for model in registry.models()]
    return {name: listed[name] for name in order if name in listed}


_NOWHERE = UUID(int=0)


@dataclass(slots=True, eq=False)
class _Entry:
    """A seed row on its way into its table."""

    table: str
    place: str  # file and row, for people
    key: Key
    row: dict[str, Any]
    references: dict[str, tuple[str, Key]] = field(default_factory=dict)  # by field: table and key
    row_id: UUID | None = None  # once it is written
    inserted: bool = False
    failed: bool = False  # it has a problem, its own or that of a row it refers to

    def refer_nowhere(self, field_name: str) -> None:
        """Give up a reference; the row's other fields can still be checked."""
        self.failed = True
        self.references.pop(field_name, None)
        self.row[field_name] = _NOWHERE


class Applier:
    """Applies seed files inside the caller's transaction, collecting every problem before it gives up.

    Args:
        progress: called with the rows done and the rows to do.
    """

    def __init__(self, progress: Callable[[int, int], None] | None = None) -> None:
        self._progress = progress or (lambda done, total: None)
        self.tables = seed_tables()
        self.changes: Rows[SeedChange] = Rows(of=SeedChange)
        self.problems: dict[str, list[str]] = {}
        self._entries: dict[tuple[str, Key], _Entry] = {}
        # Rows that were there before this run and are referred to; many rows refer to the same.
        self._known: dict[tuple[str, Key], UUID] = {}

    def apply(self, seed_files: Iterable[SeedFile]) -> Rows[SeedChange]:
        """Write what the files say and return a change for each row.

        Raises:
            SeedError: rows have problems; names file, row and field of each. The caller's transaction must be undone.
        """
        by_table: dict[str, list[_Entry]] = defaultdict(list)
        for seed_file in seed_files:
            if seed_file.table not in self.tables:
                self.problems[seed_file.label] = [
                    f"{seed_file.table!r} is not a table that can be seeded; use one of: {', '.join(self.tables)}."
                ]
                continue
            for number, row in enumerate(seed_file.rows, start=1):
                entry = self._entry(seed_file.table, f"{seed_file.label} row {number}", row)
                if entry is not None:
                    by_table[seed_file.table].append(entry)
        failpoints.reach("seed.before_write")
        for name, table in self.tables.items():
            writer = RowWriter(table.model, table.schema)
            for entry in self._parents_first(by_table.get(name, [])):
                self._write(entry, writer)
                self._progress(len(self.changes), len(self._entries))
                failpoints.reach("seed.mid_write")
        if self.problems:
            listed = "; ".join(f"{place}: {' '.join(why)}" for place, why in list(self.problems.items())[:10])
            more = f"; and {len(self.problems) - 10} more" if len(self.problems) > 10 else ""
            raise SeedError(
                f"The seeds have {len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}: {listed}{more}",
                fix="Correct the named files, rows and fields; nothing was written.",
                problems=self.problems,
            )
        return self.changes

    def _entry(self, name: str, place: str, row: Mapping[str, Any]) -> _Entry | None:
        """Read a row's own key and those it refers to; nothing is looked up yet, so the order of rows is free."""
        model = self.tables[name].model
        try:
            key = key_of_row(self.tables, name, row)
        except BadKeyError as error:
            self.problems.update({f"{place}, {field}": [why] for field, why in error.problems.items()})
            return None
        if (first := self._entries.get((name, key))) is not None:
            self.problems[place] = [
                f"The row {shown(key)!r} of {name} stands in the seeds twice, first as {first.place}."
            ]
            return None
        entry = self._entries[name, key] = _Entry(name, place, key, dict(row))
        if not self.tables[name].natural_key:
            del entry.row[KEY]
        for field_name, value in row.items():
            column = model._meta.fields.get(field_name)
            if isinstance(column, ForeignKey) and value is not None:
                target = column.rel_model._meta.table_name
                try:
                    entry.references[field_name] = (target, key_of_reference(self.tables, target, value))
                except BadKeyError as error:
                    self.problems[f"{place}, {field_name}"] = list(error.problems.values())
                    entry.refer_nowhere(field_name)
        return entry

    def _parents_first(self, entries: list[_Entry]) -> Iterator[_Entry]:
        """Yield a table's rows as the files have them, but each after the rows of the table that it refers to."""
        state: dict[int, str] = {}
        for first in entries:
            path = [first]  # not recursive: a chain may be thousands of rows long
            while path:
                entry = path[-1]
                if state.get(id(entry)) == "done":
                    path.pop()
                    continue
                state[id(entry)] = "open"
                waits = [
                    parent
                    for name, key in entry.references.values()
                    if name == entry.table
                    and (parent := self._entries.get((name, key))) is not None
                    and state.get(id(parent)) != "done"
                ]
                circle = [parent for parent in waits if state.get(id(parent)) == "open"]
                if circle:
                    steps = " -> ".join(shown(each.key) for each in [*path[path.index(circle[0]) :], circle[0]])
                    self.problems[entry.place] = [f"Its references lead back to itself: {steps}."]
                    for field_name, target in list(entry.references.items()):
                        if target == (circle[0].table, circle[0].key):
                            entry.refer_nowhere(field_name)
                if waits and not circle:
                    path.append(waits[0])
                    continue
                state[id(entry)] = "done"
                yield path.pop()

    def _write(self, entry: _Entry, writer: RowWriter) -> None:
        self._resolve(entry)
        try:
            values = writer.validate(entry.row)
        except ValidationError as error:
            self.problems.update({f"{entry.place}, {path}": why for path, why in error.errors.items()})
            entry.failed = True
        if entry.failed:
            return
        entry.failed = True  # until it is written
        try:
            entry.row_id = self._upsert(entry, writer, values)
            entry.failed = False
        except (ConflictError, DocumentError, StaleWriteError, UnknownSchemaVersionError, ValidationError) as error:
            # The statement failed inside its own savepoint, so the rows after it can still be checked.
            self.problems[entry.place] = [error.why]

    def _resolve(self, entry: _Entry) -> None:
        """Replace the keys in reference columns by those of rows."""
        for field_name, (name, key) in list(entry.references.items()):
            seeded = self._entries.get((name, key))
            if seeded is not None and seeded.failed:
                entry.refer_nowhere(field_name)  # the problem of that row is reported already
                continue
            found = self._row_id(name, key)
            if found is None:
                self.problems[f"{entry.place}, {field_name}"] = [
                    f"Refers to {shown(key)!r} of {name}, which is neither seeded nor stored."
                ]
                entry.refer_nowhere(field_name)
                continue
            entry.row[field_name] = found

    def _row_id(self, name: str, key: Key) -> UUID | None:
        seeded = self._entries.get((name, key))
        if seeded is not None and seeded.row_id is not None:
            return seeded.row_id
        if (name, key) not in self._known:
            try:
                stored = self._stored(name, key)
            except ValidationError:  # no row can have such a key
                stored = None
            if stored is None:
                return None
            self._known[name, key] = stored.id
        return self._known[name, key]

    def _stored(self, name: str, key: Key) -> Any:
        table = self.tables[name]
        model = table.model
        if not table.natural_key:
            mapped = SeedKey.select().where((SeedKey.table == name) & (SeedKey.key == key[0])).first()
            return None if mapped is None else model.select().where(model.id == mapped.row_id).first()
        query = model.select()
        for field_name, part in zip(table.natural_key, key, strict=True):
            if isinstance(part, tuple):
                part = self._row_id(model._meta.fields[field_name].rel_model._meta.table_name, part)
                if part is None:
                    return None
            query = query.where(getattr(model, field_name) == part)
        return query.first()

    def _upsert(self, entry: _Entry, writer: RowWriter, values: dict[str, object]) -> UUID:
        table, name = self.tables[entry.table], entry.table
        stored = self._stored(name, entry.key)
        if stored is None and table.comes_with:
            whole = self._entries.get(entry.references[table.comes_with])
            if whole is None or not whole.inserted:
                self.changes.append(SeedChange(name, shown(entry.key), "unchanged"))
                return _NOWHERE
        if stored is None:
            entry.inserted = True
            row_id = writer.insert(values)
            if not table.natural_key:
                key = entry.key[0]
                SeedKey.delete().where((SeedKey.table == name) & (SeedKey.key == key)).execute()
                SeedKey(table=name, key=key, row_id=row_id).save()
            self.changes.append(SeedChange(name, shown(entry.key), "insert"))
            return row_id
        managed = {field: value for field, value in values.items() if field not in table.insert_only}
        changed = writer.changes(stored, managed)
        if changed:
            writer.update(stored.id, {field: managed[field] for field in changed})
        self.changes.append(SeedChange(name, shown(entry.key), "update" if changed else "unchanged", changed))
        found: UUID = stored.id
        return found
