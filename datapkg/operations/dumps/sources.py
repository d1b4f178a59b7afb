"""Where the rows of a load come from: the archive itself, or a scratch database that it was brought up to date in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from datapkg.kit.database import open_database, override, release
from datapkg.kit.dialect import SQLITE
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ArchiveError, MigrationError, SchemaAheadError, ValidationError
from datapkg.kit.failpoints import reach
from datapkg.kit.json_values import parse_json
from datapkg.operations import migrations
from datapkg.operations.dumps.archive import ArchivedTable, Manifest, Reader
from datapkg.operations.migrations import history
from datapkg.operations.migrations.files import histories, scan
from datapkg.operations.moving.checks import Problems
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.streams import BATCH, count_rows, read_batches, set_late_columns, write_rows
from datapkg.operations.moving.tables import BOOKS, MovedTable, moved_tables

__all__ = ["ArchiveSource", "ScratchSource", "Source", "is_older", "scratch"]

Numbered = list[tuple[int, list[Any]]]
_BYTES = 8_000_000


class Source(Protocol):
    """Rows to load."""

    def count(self, table: MovedTable) -> int:
        """Return how many rows a table has here."""
        ...

    def batches(self, table: MovedTable, problems: Problems) -> Iterator[Numbered]:
        """Yield a table's canonical rows with their numbers; rows that their columns refuse become problems."""
        ...


class ArchiveSource:
    """The rows of an archive.

    Args:
        reader: the archive, verified.
        tables: the tables of the revision that it was made at.

    Raises:
        ArchiveError: it has a table or column that these do not have, or lacks a column.
    """

    def __init__(self, reader: Reader, tables: Sequence[MovedTable]) -> None:
        self._reader = reader
        self._archived = {each.name: each for each in reader.manifest.tables}
        known = {table.name: table for table in tables}
        for name, archived in self._archived.items():
            if name not in known:
                raise ArchiveError(
                    f"{reader.path} has the table {name}, which no domain of this code has.",
                    fix="Register the domain that it belongs to (datapkg.register), or upgrade datapkg.",
                    table=name,
                )
            if set(archived.columns) != set(known[name].columns):
                odd = sorted(set(archived.columns) ^ set(known[name].columns))
                raise ArchiveError(
                    f"{name} in {reader.path} differs from this code's in its columns: {', '.join(odd)}.",
                    fix="Load it with the version of the code that dumped it, and dump it again after migrating.",
                    table=name,
                )

    def count(self, table: MovedTable) -> int:
        """Return how many rows a table has in the archive."""
        archived = self._archived.get(table.name)
        return 0 if archived is None else archived.rows

    def batches(self, table: MovedTable, problems: Problems) -> Iterator[Numbered]:
        """Yield a table's canonical rows with their numbers."""
        archived = self._archived.get(table.name)
        if archived is None:
            return
        codec = RowCodec(table, SQLITE)
        batch: Numbered = []
        size = 0
        for number, line in enumerate(self._reader.lines(archived), start=1):
            try:
                batch.append((number, codec.receive(self._values(line, archived, table))))
            except ValidationError as error:
                if not problems.add(f"{table.name} row {number}", error):
                    problems.raise_any("archive")
            size += len(line)
            if len(batch) >= BATCH or size >= _BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _values(self, line: bytes, archived: ArchivedTable, table: MovedTable) -> list[Any]:
        try:
            row = parse_json(line)
        except ValueError as error:
            raise ValidationError({"row": [f"Not JSON: {error}."]}) from None
        if not isinstance(row, dict) or set(row) != set(archived.columns):
            raise ValidationError({"row": ["Not an object with the columns that the manifest names."]})
        return [row[column] for column in table.columns]


class ScratchSource:
    """The rows of a scratch database."""

    def __init__(self, database: KitDatabase) -> None:
        self._database = database

    def count(self, table: MovedTable) -> int:
        """Return how many rows a table has there."""
        return count_rows(self._database, table)

    def batches(self, table: MovedTable, problems: Problems) -> Iterator[Numbered]:
        """Yield a table's canonical rows with their numbers."""
        codec, number = RowCodec(table, self._database.dialect), 0
        for raw in read_batches(self._database, table):
            yield [(number + place, codec.take(row)) for place, row in enumerate(raw, start=1)]
            number += len(raw)


def is_older(manifest: Manifest, path: Path) -> bool:
    """Whether an archive was made at an older revision than this code's.

    Raises:
        SchemaAheadError: it was made at a newer one.
        MigrationError: it names a migration that this code does not have.
    """
    older = False
    for each in histories():
        made_at = manifest.revision.get(each.name)
        if made_at is None:  # none of its tables are in
            continue
        names = [file.name for file in scan(each)]
        newest = names[-1] if names else ""
        if made_at not in names:
            if made_at > newest:
                raise SchemaAheadError(
                    f"{path} was made at revision {made_at} of {each.name}; this code has {newest or 'none'}.",
                    fix="Upgrade datapkg (or the package that owns the domain) and load again; nothing was written.",
                    revision=made_at,
                )
            raise MigrationError(
                f"{path} was made at revision {made_at} of {each.name}, which this code's migrations never were at.",
                fix="Load it with the version of the code that dumped it; nothing was written.",
                revision=made_at,
            )
        older = older or made_at != newest
    return older


@contextmanager
def scratch(reader: Reader) -> Iterator[ScratchSource]:
    """Bring an older archive up to date in a temporary SQLite database; yields the rows as they are now.

    It is made at the archive's revision, filled, and migrated on; data steps run on the rows as they would have where
    they come from.

    Raises:
        ArchiveError: the archive does not have the tables of its revision.
        ValidationError: rows that their columns refuse.
        MigrationError: a migration failed on the rows.
    """
    with tempfile.TemporaryDirectory(prefix="datapkg-load-") as folder:
        database = open_database(f"sqlite:///{quote(str(Path(folder) / 'scratch.db'))}", synchronous="NORMAL")
        try:
            with override(database):
                _fill(reader, database)
                migrations.migrate()
            reach("load.upgraded")
            yield ScratchSource(database)
        finally:
            release(database)


def _fill(reader: Reader, database: KitDatabase) -> None:
    from datapkg.operations.migrations.runner import Runner, in_order

    revision = reader.manifest.revision
    for each in histories():
        if each.name in revision:
            migrations.migrate(to=revision[each.name], history=each.name)
    models = Runner(database).models_after(in_order(history.applied(database)))
    tables = moved_tables([*models, *BOOKS])
    source, problems = ArchiveSource(reader, tables), Problems()
    with database.atomic():
        for table in tables:
            rows = ([row for _, row in batch] for batch in source.batches(table, problems))
            write_rows(database, table, rows)
        for table in tables:
            if table.late:
                set_late_columns(
                    database, table, ([row for _, row in each] for each in source.batches(table, problems))
                )
        problems.raise_any("archive")
