"""Applying seed rows: natural keys to rows, references to keys, only what differs is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from datapkg import registry
from datapkg.kit import failpoints
from datapkg.kit.domains import SeedTable
from datapkg.kit.errors import ConflictError, DocumentError, SeedError, UnknownSchemaVersionError, ValidationError
from datapkg.kit.fields import ForeignKey
from datapkg.kit.models import Model
from datapkg.kit.results import Rows
from datapkg.operations.bookkeeping import SeedKey
from datapkg.operations.row_writer import RowWriter
from datapkg.operations.seeding.files import SeedFile

__all__ = ["Applier", "SeedChange"]

KEY = "key"


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
        changed = ", ".join(f"{name}: {before!r} -> {after!r}" for name, (before, after) in self.fields.items())
        return {"table": self.table, "key": self.key, "action": self.action, "changes": changed}


def seed_tables() -> dict[str, SeedTable]:
    """Return how each table is seeded, by table name, parents before children."""
    listed = {table.model._meta.table_name: table for domain in registry.domains() for table in domain.seeds}
    order = [model._meta.table_name for model in registry.models()]
    return {name: listed[name] for name in order if name in listed}


class Applier:
    """Applies seed files inside the caller's transaction, collecting every problem before it gives up."""

    def __init__(self) -> None:
        self.tables = seed_tables()
        self.changes: Rows[SeedChange] = Rows()
        self.problems: dict[str, list[str]] = {}
        # What this run has seen: (table, key) to the row, None for a row that had problems of its own.
        self._seen: dict[tuple[str, str], UUID | None] = {}

    def apply(self, seed_files: Iterable[SeedFile]) -> Rows[SeedChange]:
        """Write what the files say and return a change for each row.

        Raises:
            SeedError: rows have problems; names file, row and field of each. The caller's transaction must be undone.
        """
        by_table: dict[str, list[tuple[SeedFile, int, dict[str, Any]]]] = defaultdict(list)
        for seed_file in seed_files:
            if seed_file.table not in self.tables:
                self.problems[seed_file.label] = [
                    f"{seed_file.table!r} is not a table that can be seeded; use one of: {', '.join(self.tables)}."
                ]
                continue
            for number, row in enumerate(seed_file.rows, start=1):
                by_table[seed_file.table].append((seed_file, number, row))
        failpoints.reach("seed.before_write")
        for name, table in self.tables.items():
            writer = RowWriter(table.model, table.schema)
            for seed_file, number, row in by_table.get(name, []):
                self._row(table, writer, f"{seed_file.label} row {number}", row)
        if self.problems:
            listed = "; ".join(f"{place}: {' '.join(why)}" for place, why in list(self.problems.items())[:10])
            raise SeedError(
                f"The seeds have {len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}: {listed}",
                fix="Correct the named files, rows and fields; nothing was written.",
                problems=self.problems,
            )
        return self.changes

    def _row(self, table: SeedTable, writer: RowWriter, place: str, given: Mapping[str, Any]) -> None:
        row = dict(given)
        name = table.model._meta.table_name
        key = self._key_of(table, row, place)
        if key is None:
            return
        if (name, key) in self._seen:
            self.problems[place] = [f"The row {key!r} of {name} stands in the seeds twice."]
            return
        self._seen[name, key] = None
        if not table.natural_key:
            del row[KEY]
        if not self._resolve(table.model, row, place):
            return
        try:
            values = writer.validate(row)
        except ValidationError as error:
            self.problems.update({f"{place}, {path}": why for path, why in error.errors.items()})
            return
        try:
            self._seen[name, key] = self._write(table, writer, key, values)
        except (ConflictError, DocumentError, UnknownSchemaVersionError, ValidationError) as error:
            # The statement failed inside its own savepoint, so the rows after it can still be checked.
            self.problems[place] = [error.why]
        failpoints.reach("seed.mid_write")

    def _key_of(self, table: SeedTable, row: Mapping[str, Any], place: str) -> str | None:
        names = table.natural_key or (KEY,)
        missing = [name for name in names if not isinstance(row.get(name), (str, int))]
        if missing:
            for name in missing:
                self.problems[f"{place}, {name}"] = ["Is part of the row's key and must be given."]
            return None
        return _joined(row[name] for name in names)

    def _resolve(self, model: type[Model], row: dict[str, Any], place: str) -> bool:
        """Replace the natural keys in reference columns by row keys."""
        complete = True
        for name, value in list(row.items()):
            target = model._meta.fields.get(name)
            if not isinstance(target, ForeignKey) or value is None:
                continue
            table = target.rel_model._meta.table_name
            key = _joined(value) if isinstance(value, list) else str(value)
            if (table, key) in self._seen and self._seen[table, key] is None:
                complete = False  # its own problem is reported already
                continue
            found = self._seen.get((table, key)) or self._stored_key(table, key)
            if found is None:
                self.problems[f"{place}, {name}"] = [
                    f"Refers to {key!r} of {table}, which is neither seeded nor stored."
                ]
                complete = False
            row[name] = found
        return complete

    def _stored_key(self, table: str, key: str) -> UUID | None:
        stored = self._stored(table, key)
        return None if stored is None else stored.id

    def _stored(self, table: str, key: str) -> Any:
        seeded = self.tables.get(table)
        if seeded is None:
            return None
        model = seeded.model
        if not seeded.natural_key:
            mapped = SeedKey.select().where((SeedKey.table == table) & (SeedKey.key == key)).first()
            return None if mapped is None else model.select().where(model.id == mapped.row_id).first()
        query = model.select()
        for name, part in zip(seeded.natural_key, key.split(_SEPARATOR), strict=True):
            query = query.where(getattr(model, name) == part)
        return query.first()

    def _write(self, table: SeedTable, writer: RowWriter, key: str, values: dict[str, object]) -> UUID:
        name = table.model._meta.table_name
        stored = self._stored(name, key)
        if stored is None:
            row_id = writer.insert(values)
            if not table.natural_key:
                SeedKey.delete().where((SeedKey.table == name) & (SeedKey.key == key)).execute()
                SeedKey(table=name, key=key, row_id=row_id).save()
            self.changes.append(SeedChange(name, _shown(key), "insert"))
            return row_id
        managed = {field: value for field, value in values.items() if field not in table.insert_only}
        changed = writer.changes(stored, managed)
        if changed:
            writer.update(stored.id, {field: managed[field] for field in changed})
        self.changes.append(SeedChange(name, _shown(key), "update" if changed else "unchanged", changed))
        found: UUID = stored.id
        return found


_SEPARATOR = "\x1f"


def _joined(parts: Iterable[Any]) -> str:
    return _SEPARATOR.join(str(part) for part in parts)


def _shown(key: str) -> str:
    return key.replace(_SEPARATOR, " / ")
