"""Dumping: every row of one state of the database into one file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO

from datapkg.kit.database import current, snapshot
from datapkg.kit.engines import KitDatabase, SqliteFileDatabase
from datapkg.kit.errors import ArchiveError, ValidationError
from datapkg.kit.failpoints import reach
from datapkg.kit.results import Rows
from datapkg.kit.words import counted
from datapkg.operations.dumps.archive import ArchivedTable, Manifest, Writer, writing
from datapkg.operations.migrations import history
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.streams import count_rows, read_batches
from datapkg.operations.moving.tables import MovedTable, chosen_tables, moved_tables

__all__ = ["DumpReport", "Selection", "dump", "rows_to_dump", "select"]

logger = logging.getLogger(__name__)

_ANOTHER = "Give another name; --overwrite replaces an older archive. Nothing was written."


@dataclass(frozen=True)
class Selection:
    """What goes into a dump.

    Attributes:
        tables: the tables whose rows are in.
        emptied: by table, the columns that are empty in every row.
        left_out: by table, why its rows are not in.
    """

    tables: tuple[MovedTable, ...]
    emptied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DumpReport:
    """What was dumped.

    Attributes:
        path: the archive.
        bytes: its size.
        tables: rows of ``table`` and ``rows``.
        left_out: by table, why its rows are not in.
        emptied: ``table.column`` of every column that is empty in the archive.
    """

    path: Path
    bytes: int
    tables: Rows[dict[str, object]]
    left_out: dict[str, str]
    emptied: list[str]

    @property
    def rows(self) -> int:
        """How many rows in all."""
        return sum(int(str(each["rows"])) for each in self.tables)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "rows": self.rows,
            "tables": list(self.tables),
            "left_out": self.left_out,
            "emptied": self.emptied,
        }

    def __str__(self) -> str:
        lines = [f"{counted(self.rows, 'row')} in {self.path} ({counted(self.bytes, 'byte')})."]
        lines += [f"Left out: {table} ({why})." for table, why in self.left_out.items()]
        if self.emptied:
            lines.append(f"Left empty: {', '.join(self.emptied)}.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.tables._repr_html_()


def select(tables: Sequence[MovedTable], *, with_secrets: bool) -> Selection:
    """Decide what a dump of these tables holds.

    A secret column that may be empty is left empty. Where it may not be, the rows would be of no use without it: the
    table is left out, and so is what cannot be without a row of it; other references to it are left empty.
    """
    secret = {table.name: () if with_secrets else table.secrets for table in tables}
    left_out: dict[str, str] = {}
    for table in tables:
        if needed := [column for column in secret[table.name] if not table.fields[column].null]:
            left_out[table.name] = f"{', '.join(needed)} is secret and may not be empty"
    while True:  # what refers to a table that goes may have to go too, in a circle of references even before it
        stuck = {
            table.name: f"{each.column} refers to {each.table}"
            for table in tables
            for each in table.references
            if table.name not in left_out and each.table in left_out and not each.nullable
        }
        if not stuck:
            break
        left_out |= stuck
    emptied: dict[str, tuple[str, ...]] = {}
    for table in tables:
        empty = {*secret[table.name], *(each.column for each in table.references if each.table in left_out)}
        if empty and table.name not in left_out:
            emptied[table.name] = tuple(column for column in table.columns if column in empty)
    return Selection(tuple(table for table in tables if table.name not in left_out), emptied, left_out)


def rows_to_dump(
    database: KitDatabase, table: MovedTable, emptied: Sequence[str] = (), progress: Callable[[int], None] | None = None
) -> Iterator[bytes]:
    """Yield a table's lines, a batch at a time.

    Args:
        database: where the table is.
        table: the table.
        emptied: columns to leave empty.
        progress: called with the number of rows of each batch.
    """
    codec = RowCodec(table, database.dialect)
    empty = [table.columns.index(column) for column in emptied]
    for batch in read_batches(database, table):
        lines = []
        for raw in batch:
            if empty:
                given = list(raw)
                for position in empty:
                    given[position] = None
                raw = tuple(given)
            lines.append(codec.line(codec.take(raw)))
        yield b"".join(lines)
        if progress is not None:
            progress(len(batch))


def revision(database: KitDatabase) -> dict[str, str]:
    """Return the newest migration of each history that a database has been through."""
    found: dict[str, str] = {}
    for each in history.applied(database):
        found[each.history] = max(each.name, found.get(each.history, ""))
    return dict(sorted(found.items()))


def dump(
    path: str | Path,
    *,
    domains: Sequence[str] | str | None = None,
    with_secrets: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> DumpReport:
    """Write every row into one archive, as they are at one moment; others go on working meanwhile.

    The same rows make the same file, bit for bit, on either engine. Its manifest says which revision it was made at,
    and what was left out.

    Args:
        path: the archive.
        domains: names of domains (or one), to dump their tables and those that they refer to; left out, everything.
        with_secrets: put credentials in too: password hashes, the hashes of API keys and tokens.
        overwrite: whether it may replace a file, once the new one is whole.
        progress: called with the rows done and the rows to do, after each batch.

    Raises:
        NotFoundError: there is no such domain.
        ArchiveError: the file cannot be written.
        ValidationError: a stored value is none that its column may hold; or the path is none, that of the database, or
            of another file.

    Example:
        ``dump("everything.zip")``
    """
    database = current()
    target = _target(path, database, overwrite)
    selection = select(chosen_tables(domains, moved_tables()), with_secrets=with_secrets)
    asked = None if domains is None else tuple(sorted({domains} if isinstance(domains, str) else set(domains)))
    try:
        with writing(target) as file:
            with snapshot():
                tables = _write(file, database, selection, asked, with_secrets, progress)
            file.flush()
            size = file.seek(0, 2)
            reach("dump.before_rename")
    except OSError as error:
        raise ArchiveError(
            f"{target} cannot be written: {error.strerror or error}.", fix="Check the folder and the room on its disk."
        ) from error
    report = DumpReport(
        target,
        size,
        Rows(({"table": table.name, "rows": table.rows} for table in tables), of={"table": str, "rows": int}),
        selection.left_out,
        [f"{table}.{column}" for table, columns in selection.emptied.items() for column in columns],
    )
    logger.info("dumped", extra={"rows": report.rows, "bytes": size})
    return report


def _target(path: str | Path, database: KitDatabase, overwrite: bool) -> Path:
    why = None
    try:
        target = Path(path)
        there = os.path.lexists(path)
        if isinstance(database, SqliteFileDatabase):
            own = [os.path.realpath(database.database + suffix) for suffix in ("", "-wal", "-shm", "-journal")]
            if os.path.realpath(target) in own:
                why = f"{target} is the database itself."
        if target.is_dir():
            why = f"{target} is a folder."
        elif there and not target.is_file():
            why = f"{target} is no regular file."
        elif there and _begins_like_sqlite(target):
            why = why or f"{target} is a SQLite database, or a backup of one."
        elif there and not overwrite:
            why = f"{target} is there already."
    except (TypeError, ValueError):
        raise ValidationError({"path": ["Not a valid path."]}, what="dump") from None
    except OSError as error:
        raise ArchiveError(f"{path!r} cannot be written: {error.strerror or error}.") from error
    if why is not None:
        raise ValidationError({"path": [why]}, what="dump", fix=_ANOTHER)
    return target


def _begins_like_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _write(
    file: IO[bytes],
    database: KitDatabase,
    selection: Selection,
    domains: tuple[str, ...] | None,
    with_secrets: bool,
    progress: Callable[[int, int], None] | None,
) -> tuple[ArchivedTable, ...]:
    writer, done, total = Writer(file), 0, 0
    if progress is not None:
        total = sum(count_rows(database, table) for table in selection.tables)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    made = []
    for table in selection.tables:
        emptied = selection.emptied.get(table.name, ())
        lines = rows_to_dump(database, table, emptied, advance)
        made.append(writer.table(table.name, table.columns, lines, emptied))
    tables = tuple(made)
    writer.finish(
        Manifest(
            revision=revision(database),
            tables=tables,
            secrets=with_secrets,
            left_out=selection.left_out,
            domains=domains,
            datapkg=version("datapkg"),
        )
    )
    return tables
