"""Copying a database into another one, of either engine: how a notebook's file becomes a server's database."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datapkg.kit.database import lock, open_database, override, release, run_in_transaction
from datapkg.kit.dialect.base import quote
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import (
    ConfigurationError,
    ConflictError,
    CopyError,
    LeaseLostError,
    StatementError,
    ValidationError,
)
from datapkg.kit.failpoints import reach
from datapkg.kit.results import Rows
from datapkg.kit.urls import parse_url
from datapkg.kit.words import counted
from datapkg.operations import migrations
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.migrations.history import ensure_bookkeeping, has_books
from datapkg.operations.moving.preflight import preflight
from datapkg.operations.moving.rows import RowCodec
from datapkg.operations.moving.streams import (
    BATCH,
    Digest,
    count_rows,
    digest_of,
    read_batches,
    remove_rows,
    set_late_columns,
    write_rows,
)
from datapkg.operations.moving.tables import MovedTable, moved_tables
from datapkg.operations.moving.targets import bring_up_to_date, refuse_rows, refused, require_current
from datapkg.operations.moving.unfinished import COPYING, copying

__all__ = ["CopyReport", "copy"]

logger = logging.getLogger(__name__)

_FIX_ROWS = "Copy into an empty database."


@dataclass(frozen=True)
class CopyReport:
    """What was copied.

    Attributes:
        source: the source's URL without its password.
        target: the target's.
        tables: rows of ``table`` and ``rows``, those of an interrupted copy included.
        resumed: whether an interrupted copy was gone on with.
        migrated: migrations that ran on the target before.
    """

    source: str
    target: str
    tables: Rows[dict[str, object]]
    resumed: bool
    migrated: list[str]

    @property
    def rows(self) -> int:
        """How many rows in all."""
        return sum(int(str(each["rows"])) for each in self.tables)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        return {
            "source": self.source,
            "target": self.target,
            "rows": self.rows,
            "tables": list(self.tables),
            "resumed": self.resumed,
            "migrated": self.migrated,
        }

    def __str__(self) -> str:
        resumed = " (an interrupted copy was gone on with)" if self.resumed else ""
        return f"{counted(self.rows, 'row')} copied from {self.source} to {self.target}{resumed}."

    def _repr_html_(self) -> str:
        return self.tables._repr_html_()


def copy(
    source_url: str | KitDatabase,
    target_url: str | KitDatabase,
    *,
    batch_size: int = BATCH,
    i_know_this_is: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CopyReport:
    """Copy every row of a database into an empty one, credentials included, from SQLite to PostgreSQL or back.

    The source is read as it is at one moment; others go on working with it. Every row that the target would refuse is
    found before anything is written. A target without tables is migrated first. Rows are committed a batch at a time,
    and until the last one is there and the tables have been read back and compared, nobody can connect to the target;
    a copy that was interrupted goes on where it was when it is run again, or begins anew if the source has changed.

    Args:
        source_url: the database to copy, or one that is open.
        target_url: the empty database, or one that is open.
        batch_size: rows in one transaction, at the most; fewer where rows are long.
        i_know_this_is: ``"production"``, where the target is that.
        progress: called with the rows done and the rows to do (each is read, written and read back).

    Raises:
        CopyError: rows that the target would refuse, listed in ``meta["refused"]``; or in the end the databases differ,
            and the target's rows were removed again; or the source is itself half copied.
        ConflictError: the target has rows.
        EnvironmentGuardError: the target is production.
        SchemaOutdatedError: the source lacks migrations.
        SchemaAheadError, ForeignDatabaseError, MigrationError: a database that this code cannot work with.
        LeaseLostError: another copy into the same target has begun, and goes on where this one was.
        DatabaseUnavailableError: a server is gone; run the same copy again when it is back.

    Example:
        ``copy("sqlite:///notebook.db", "postgresql://me@host/app")``
    """
    if type(batch_size) is not int or batch_size < 1:
        raise ValidationError({"batch_size": ["Must be a whole number, 1 or more."]})
    _refuse_same(source_url, target_url)
    with _opened(source_url, must_exist=True) as source, _opened(target_url) as target:
        tables = moved_tables()
        require_current(source, role="source")
        migrations.guard("copy", i_know_this_is=i_know_this_is, database=target)
        _require_empty(target, tables)
        with source.snapshot():
            return _Copy(source, target, tables, batch_size, progress).run()


def _refuse_same(source: str | KitDatabase, target: str | KitDatabase) -> None:
    if _place(source) == _place(target):
        raise ConfigurationError("The source and the target are the same database.", fix="Name two databases.")


def _place(url: str | KitDatabase) -> object:
    if isinstance(url, KitDatabase):
        return url
    parsed = parse_url(url)
    if parsed.scheme == "sqlite":
        return object() if parsed.database == ":memory:" else os.path.realpath(parsed.database)
    return url


@contextmanager
def _opened(url: str | KitDatabase, *, must_exist: bool = False) -> Iterator[KitDatabase]:
    if isinstance(url, KitDatabase):
        yield url
        return
    database = open_database(url, must_exist=must_exist)
    try:
        yield database
    finally:
        release(database)


def _require_empty(target: KitDatabase, tables: Sequence[MovedTable]) -> None:
    status = migrations.status(database=target)
    refused(status, role="target")
    if status.state != "missing" and copying(target) is None:
        refuse_rows(target, _present(target, tables), fix=_FIX_ROWS)


def _present(database: KitDatabase, tables: Sequence[MovedTable]) -> list[MovedTable]:
    there = table_names(database)
    return [table for table in tables if table.name in there]


class _Copy:
    """One run of a copy, in the source's snapshot."""

    def __init__(
        self,
        source: KitDatabase,
        target: KitDatabase,
        tables: Sequence[MovedTable],
        batch_size: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.source, self.target, self.tables, self.batch_size = source, target, tables, batch_size
        self._progress, self._done = progress, 0
        self._total = 3 * sum(count_rows(source, table) for table in tables) if progress else 0
        # Whoever wrote its own into the target's note last is the one who copies.
        self._run = secrets.token_hex(16)

    def run(self) -> CopyReport:
        """Copy, compare, and open the target to others."""
        digests = preflight(self.source, self.tables, progress=self._advance)
        reach("copy.preflighted")
        with override(self.target):
            resumed = run_in_transaction(self._begin)(_fingerprint(digests))
            reach("copy.noted")
            migrated = bring_up_to_date(self.target, self.tables)
            reach("copy.migrated")
            try:
                for table in self.tables:
                    self._fill(table, digests[table.name].rows)
                for table in self.tables:
                    self._complete(table)
            except (ConflictError, StatementError) as error:
                # Trying again would not help, so the target does not stay half full.
                run_in_transaction(self._remove)()
                raise CopyError(
                    f"The target refused a row, and its rows were removed again. {error.why}",
                    fix="Correct the row in the source, or what the target demands beyond datapkg's tables.",
                    **error.meta,
                ) from error
            self._compare(digests)
            reach("copy.verified")
            run_in_transaction(self._end)()
        report = CopyReport(
            self.source.url,
            self.target.url,
            Rows(
                ({"table": name, "rows": digest.rows} for name, digest in digests.items()),
                of={"table": str, "rows": int},
            ),
            resumed,
            migrated,
        )
        logger.info("copied", extra={"rows": report.rows, "resumed": resumed})
        return report

    def _advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)

    # The note in the target -------------------------------------------------------------------------------

    def _begin(self, fingerprint: str) -> bool:
        """Note in the target that a copy is at work; return whether rows of an interrupted one are there."""
        lock("copy")
        if not has_books(self.target):
            ensure_bookkeeping(self.target)
        before = copying(self.target)
        present = _present(self.target, self.tables)
        note = {"source": self.source.url, "fingerprint": fingerprint, "run": self._run}
        if before is None:
            refuse_rows(self.target, present, fix=_FIX_ROWS)
            Setting.create(key=COPYING, value=note)
            return False
        same = before.get("fingerprint") == fingerprint
        if not same:
            # The rows are those of another source, or of this one before it changed.
            remove_rows(self.target, present)
        Setting.update(value=note).where(Setting.key == COPYING).execute()
        return same

    def _require_ours(self) -> None:
        """Refuse to write once another copy has taken over; holds the note until the transaction ends.

        Raises:
            LeaseLostError: it has.
        """
        sql = f"SELECT value FROM datapkg_settings WHERE key = {self.target.dialect.param}"
        self.target.fetch(f"{sql} {self.target.dialect.for_update}", (COPYING,))
        note = copying(self.target)
        if note is None or note.get("run") != self._run:
            raise LeaseLostError(
                f"Another copy into {self.target.url} has taken over.",
                fix="Let it finish, or stop it and run this one again.",
            )

    def _end(self) -> None:
        self._require_ours()
        Setting.delete().where(Setting.key == COPYING).execute()

    # Rows -------------------------------------------------------------------------------------------------

    def _fill(self, table: MovedTable, wanted: int) -> None:
        """Write what the target lacks of a table."""
        if table.refers_to_itself:
            there = count_rows(self.target, table)
            if there < wanted:
                run_in_transaction(self._write_whole)(table)
            else:
                self._advance(wanted)
            return
        # Batches are committed in the order of their keys, so everything up to the greatest key is there.
        key = quote(table.columns[0])
        last = self.target.fetch(f"SELECT {key} FROM {quote(table.name)} ORDER BY 1 DESC LIMIT 1", ())
        if last:
            self._advance(count_rows(self.target, table))
        codec = RowCodec(table, self.source.dialect)
        for raw in read_batches(self.source, table, after=last[0][0] if last else None, size=self.batch_size):
            run_in_transaction(self._write_batch)(table, list(map(codec.take, raw)))
            reach("copy.after_batch")
            self._advance(len(raw))

    def _write_batch(self, table: MovedTable, rows: list[list[Any]]) -> None:
        self._require_ours()
        write_rows(self.target, table, [rows])
        reach("copy.mid_batch")

    def _write_whole(self, table: MovedTable) -> None:
        """Write a table whose rows refer to each other: all of it, or nothing."""
        self._require_ours()
        write_rows(self.target, table, self._batches(table, self._advance))
        reach("copy.mid_batch")

    def _batches(self, table: MovedTable, advance: Callable[[int], None]) -> Iterator[list[list[Any]]]:
        codec = RowCodec(table, self.source.dialect)
        for raw in read_batches(self.source, table, size=self.batch_size):
            yield list(map(codec.take, raw))
            advance(len(raw))

    def _complete(self, table: MovedTable) -> None:
        """Set the columns that had to be empty at first."""
        if table.late:
            for rows in self._batches(table, lambda count: None):
                run_in_transaction(self._set_late)(table, rows)

    def _set_late(self, table: MovedTable, rows: list[list[Any]]) -> None:
        self._require_ours()
        set_late_columns(self.target, table, [rows])

    # The end ----------------------------------------------------------------------------------------------

    def _compare(self, digests: Mapping[str, Digest]) -> None:
        """Read the target back.

        Raises:
            CopyError: it differs. Its rows are removed again, unless there are more than the source has.
        """
        with self.target.snapshot():
            found = {table.name: digest_of(self.target, table, progress=self._advance) for table in self.tables}
        different = [name for name, digest in found.items() if digest != digests[name]]
        foreign = [name for name in different if found[name].rows > digests[name].rows]
        if foreign:
            raise CopyError(
                f"The target has rows in {', '.join(foreign)} that the source has not: another program wrote them "
                "meanwhile. Nothing was removed.",
                fix="Stop that program, remove its rows, and copy again: it goes on.",
                tables=foreign,
            )
        if different:
            run_in_transaction(self._remove)()
            raise CopyError(
                f"The target differs from the source in {', '.join(different)}; its rows were removed again.",
                fix="Keep other programs from writing to the target, and copy again.",
                tables=different,
            )

    def _remove(self) -> None:
        self._require_ours()
        remove_rows(self.target, self.tables)
        Setting.delete().where(Setting.key == COPYING).execute()


def _fingerprint(digests: Mapping[str, Digest]) -> str:
    text = "\n".join(f"{name} {digest.rows} {digest.sha256}" for name, digest in digests.items())
    return hashlib.sha256(text.encode()).hexdigest()
