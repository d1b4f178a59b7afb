"""Loading: an archive into a database, all of it or nothing."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.dialect.base import quote
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ArchiveError, ConflictError, DatapkgError, NotFoundError, ValidationError
from datapkg.kit.failpoints import reach
from datapkg.kit.json_values import parse_json
from datapkg.kit.results import Rows
from datapkg.kit.words import counted
from datapkg.operations import migrations
from datapkg.operations.dumps.archive import Manifest, Reader
from datapkg.operations.dumps.sources import ArchiveSource, Source, is_older, scratch
from datapkg.operations.moving.checks import Problems, RowCheck
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.streams import (
    Digest,
    digest_of,
    occupied,
    remove_rows,
    set_late_columns,
    write_rows,
)
from datapkg.operations.moving.tables import MovedTable, chosen_tables, moved_tables
from datapkg.operations.moving.targets import bring_up_to_date, refuse_referrers, refuse_rows
from datapkg.operations.moving.unfinished import refuse_unfinished

__all__ = ["LoadReport", "load"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """What was loaded.

    Attributes:
        path: the archive.
        tables: rows of ``table`` and ``rows``.
        upgraded: whether the archive was made at an older revision and brought up to date.
        migrated: migrations that ran on the target before.
        left_out: by table, why the archive does not have its rows.
    """

    path: Path
    tables: Rows[dict[str, object]]
    upgraded: bool
    migrated: list[str]
    left_out: Mapping[str, str]

    @property
    def rows(self) -> int:
        """How many rows in all."""
        return sum(int(str(each["rows"])) for each in self.tables)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        return {
            "path": str(self.path),
            "rows": self.rows,
            "tables": list(self.tables),
            "upgraded": self.upgraded,
            "migrated": self.migrated,
            "left_out": dict(self.left_out),
        }

    def __str__(self) -> str:
        upgraded = ", brought up to date" if self.upgraded else ""
        lines = [f"{counted(self.rows, 'row')} loaded from {self.path}{upgraded}."]
        lines += [f"Not in the archive: {table} ({why})." for table, why in self.left_out.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.tables._repr_html_()


def load(
    path: str | Path,
    *,
    replace: bool = False,
    domains: Sequence[str] | str | None = None,
    i_know_this_is: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoadReport:
    """Load an archive into the database in force, all of it or nothing.

    The whole archive is verified before anything is written. A target without tables is migrated first; an archive of
    an older revision is brought up to date on the way. Every row passes its columns, its table's schema and its
    documents' types; documents of older versions stay as they are and upgrade when they are read. At the end the
    tables are read back and have to be what the archive says.

    Args:
        path: what :func:`dump` wrote.
        replace: remove the rows of these tables first; without it they have to be empty.
        domains: names of domains (or one), to load their tables and those that they refer to; left out, everything
            that is in the archive.
        i_know_this_is: ``"production"``, to replace rows there.
        progress: called with the rows done and the rows to do, after each batch.

    Raises:
        ArchiveError: the file is damaged, altered, no archive, or does not fit this code's tables.
        SchemaAheadError: it was made at a newer revision.
        ConflictError: the target has rows, or refused one.
        EnvironmentGuardError: rows of a production database would be replaced.
        ValidationError: rows are not valid; names table, row and column of each. Or the path is none.
        SchemaOutdatedError: the target lacks migrations, and has rows.
        NotFoundError: there is no such domain, or the archive does not have it.

    Example:
        ``load("everything.zip")``
    """
    source, database = _path(path), current()
    reader = _opened(source)
    try:
        everything = moved_tables()
        reader.verify()
        older = is_older(reader.manifest, source)
        tables = _scope(reader.manifest, everything, domains)
        if replace:
            migrations.guard("load --replace", i_know_this_is=i_know_this_is, database=database)
        if not older:
            ArchiveSource(reader, everything)  # refuses a table or column that is not ours, before anything is done
            if replace:
                _refuse_gaps(reader.manifest, tables, source)
        refuse_unfinished(database)
        reach("load.verified")
        migrated = bring_up_to_date(database, everything)
        if replace and migrations.environment(database=database) == "production":
            _refuse_loss_of_secrets(database, reader.manifest, tables)
        with ExitStack() as stack:
            rows: Source = stack.enter_context(scratch(reader)) if older else ArchiveSource(reader, everything)
            counts = run_in_transaction(_write)(database, rows, tables, everything, replace, progress)
    finally:
        reader.close()
    reach("load.after_commit")
    report = LoadReport(
        source,
        Rows(({"table": name, "rows": count} for name, count in counts.items()), of={"table": str, "rows": int}),
        older,
        migrated,
        reader.manifest.left_out,
    )
    logger.info("loaded", extra={"rows": report.rows, "upgraded": older})
    return report


def _path(given: str | Path) -> Path:
    try:
        path = Path(given)
        if "\0" not in os.fsdecode(os.fsencode(path)):
            return path
    except (TypeError, ValueError):  # no text, or a lone surrogate
        pass
    raise ValidationError({"path": ["Not a valid path."]}, what="archive")


def _opened(path: Path) -> Reader:
    try:
        return Reader(path)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.", fix="Check the path.") from error


def _scope(
    manifest: Manifest, everything: Sequence[MovedTable], domains: Sequence[str] | str | None
) -> tuple[MovedTable, ...]:
    """Return the tables that the load is about: those that it fills, and those whose rows it would replace."""
    there = chosen_tables(manifest.domains, everything)
    if domains is None:
        return there
    chosen = chosen_tables(domains, everything)
    missing = sorted({table.name for table in chosen} - {table.name for table in there})
    if missing:
        raise NotFoundError("table in the archive called", missing[0], fix="Dump that domain too, or load without it.")
    return chosen


def _refuse_gaps(manifest: Manifest, tables: Sequence[MovedTable], path: Path) -> None:
    there = {table.name for table in manifest.tables} | set(manifest.left_out)
    missing = [table.name for table in tables if table.name not in there]
    if missing:
        raise ArchiveError(
            f"{path} says nothing of {', '.join(missing)}, whose rows would be removed and not replaced.",
            fix="Name the domains to replace with --domain, or dump again with every domain registered.",
            tables=missing,
        )


def _refuse_loss_of_secrets(database: KitDatabase, manifest: Manifest, tables: Sequence[MovedTable]) -> None:
    emptied = {table.name: table.emptied for table in manifest.tables}
    lost = []
    for table in tables:
        name = quote(table.name)
        checks = [f"{quote(column)} IS NOT NULL" for column in emptied.get(table.name, ())]
        if table.name in manifest.left_out or checks:
            where = f" WHERE {' OR '.join(checks)}" if checks else ""
            if database.fetch(f"SELECT 1 FROM {name}{where} LIMIT 1", ()):
                lost.append(table.name)
    if lost:
        raise ConflictError(
            f"The archive has no credentials, and those of the target, in {', '.join(lost)}, would be lost.",
            fix="Dump with --with-secrets, or restore a backup instead; nothing was written.",
        )


def _write(
    database: KitDatabase,
    source: Source,
    tables: Sequence[MovedTable],
    everything: Sequence[MovedTable],
    replace: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[str, int]:
    # Two loads at once would both find the tables empty: the second waits here, and finds rows.
    lock("load")
    # Nor may a copy begin meanwhile: it would take these rows for its own, and remove them if they are not.
    lock("copy")
    refuse_unfinished(database)
    if not replace:
        refuse_rows(database, tables, fix="Load into an empty database, or replace its rows: --replace.")
    elif occupied(database, tables):
        refuse_referrers(database, tables, everything)
        remove_rows(database, tables)
    filling = _Filling(database, source, sum(source.count(table) for table in tables), progress)
    for table in tables:
        filling.fill(table)
        reach("load.mid_write")
    for table in tables:
        filling.complete(table)
    filling.problems.raise_any("archive", fix="Correct those rows where the archive was dumped; nothing was written.")
    for table in tables:
        filling.compare(table)
    reach("load.before_commit")
    return {name: digest.rows for name, digest in filling.expected.items()}


class _Filling:
    """Fills tables inside the caller's transaction and reads them back.

    Attributes:
        problems: the complaints about rows so far; such rows are not written.
        expected: by table, what it has to hold in the end.
    """

    def __init__(
        self, database: KitDatabase, source: Source, total: int, progress: Callable[[int, int], None] | None
    ) -> None:
        self._database, self._source = database, source
        self._progress, self._done, self._total = progress, 0, total
        self.problems = Problems()
        self.expected: dict[str, Digest] = {}

    def fill(self, table: MovedTable) -> None:
        """Write a table's rows.

        Raises:
            ConflictError: a constraint refused one.
        """
        try:
            write_rows(self._database, table, self._checked(table))
        except DatapkgError:
            # A row that was left out for its own faults may be what another refers to: its faults are the reason.
            self.problems.raise_any("archive")
            raise

    def complete(self, table: MovedTable) -> None:
        """Set the columns that had to be empty at first."""
        if table.late:
            batches = self._source.batches(table, Problems())
            set_late_columns(self._database, table, ([row for _, row in batch] for batch in batches))

    def compare(self, table: MovedTable) -> None:
        """Hold the table in the database against what it should be.

        Raises:
            ConflictError: they differ.
        """
        there = digest_of(self._database, table)
        if there != self.expected[table.name]:
            raise ConflictError(
                f"{table.name} does not hold what was loaded: {there.rows} rows instead of "
                f"{self.expected[table.name].rows}, or other content.",
                fix="Keep other programs from writing while you load, then load again; nothing was written.",
                table=table.name,
            )

    def _checked(self, table: MovedTable) -> Iterator[list[list[Any]]]:
        codec, check = RowCodec(table, self._database.dialect), RowCheck(table)
        digest, rows = hashlib.sha256(), 0
        for batch in self._source.batches(table, self.problems):
            good = []
            for number, row in batch:
                line = codec.line(row)
                digest.update(line)
                parsed: Any = parse_json(line)
                try:
                    check.check(parsed)
                    good.append(row)
                except ValidationError as error:
                    if not self.problems.add(f"{table.name} row {number}", error):
                        self.problems.raise_any("archive")
            rows += len(batch)
            # After the first complaint nothing will be kept, and what refers to that row would be refused for it.
            yield [] if self.problems.found else good
            self._done += len(batch)
            if self._progress is not None:
                self._progress(self._done, self._total)
        self.expected[table.name] = Digest(rows, digest.hexdigest())
