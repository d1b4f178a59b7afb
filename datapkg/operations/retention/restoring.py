"""Putting an archive back: all of it or nothing, and never over a row that is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import ConflictError, InvalidTransitionError
from datapkg.operations.bookkeeping import Archive as Record
from datapkg.operations.retention.applying import ACTOR
from datapkg.operations.retention.archives import OUTCOME, Archive, damaged, load_archive
from datapkg.operations.retention.layouts import Layout, Policies, Table, find_layout
from datapkg.operations.retention.lock import retention_lock
from datapkg.operations.retention.reports import RestoreReport
from datapkg.operations.retention.selection import Bundle, chunks, marks

__all__ = ["restore"]

logger = logging.getLogger(__name__)

_NAMED = 10


def restore(
    folder: str | Path, *, policies: Policies = None, progress: Callable[[int], None] | None = None
) -> RestoreReport:
    """Put an archive's rows back into their tables, in one transaction.

    Rows that are there and equal are left alone, so it can be run twice. References that the archive cut are set again
    where they still are empty. Rows that had never left the database are passed by. The archive stays where it is; the
    next ``apply`` archives the rows anew, unless they are exempt or kept longer by then.

    Args:
        folder: the archive's folder, wherever it stands now.
        policies: policies of your own, where the archive was made by one of them.
        progress: called with numbers of rows: as they are read back, as they are compared, and as they are written.

    Raises:
        StorageError: the archive is damaged, was changed, or is not there.
        ConflictError: a row is there and different, or what it refers to is gone; nothing was restored.
        InvalidTransitionError: the archive is not finished: its rows are still being deleted.
        DatabaseBusyError: another run is under way.
        ConfigurationError: a transaction is open, or nobody has the archive's policy.

    Example:
        >>> restore("archives/posts-2026-08-01-…")  # doctest: +SKIP
    """
    advance = progress or (lambda count, /: None)
    with retention_lock():
        archive = load_archive(Path(folder).absolute())
        layout = find_layout(archive.policy, policies)
        record = Record.get_or_none(Record.manifest_sha256 == archive.manifest_sha256)
        if record is not None and record.status == "WRITTEN":
            raise InvalidTransitionError(
                f"The archive {archive.folder} is not finished: its rows are still being deleted.",
                fix="Run `datapkg retention apply` first, which finishes it.",
            )
        if record is not None and not (archive.folder / OUTCOME).exists():
            raise damaged(archive.folder / OUTCOME, "it is not there, so nothing says which rows never left")
        archive.verify(layout, advance)
        report = run_in_transaction(_restore)(layout, archive, record, advance)
    logger.info("restored", extra={"policy": report.policy, "folder": report.folder})
    return report


@dataclass
class _Counts:
    restored: dict[str, int] = field(default_factory=dict)
    present: int = 0
    withheld: int = 0
    kept: int = 0


def _restore(layout: Layout, archive: Archive, record: Record | None, progress: Callable[[int], None]) -> RestoreReport:
    from datapkg.audit import record as audit

    if filling := current().dialect.filling_sql:
        current().change(filling, ())
    counts = _Counts()
    _refuse_conflicts(layout, archive, progress)
    first: Bundle | None = None
    last: Bundle | None = None
    for bundles in _returning(layout, archive, counts):
        fresh = _write(layout, archive, bundles, counts)
        first, last = first or next(iter(fresh), None), fresh[-1] if fresh else last
        failpoints.reach("retention.mid_restore")
        progress(len(bundles))
    prefix = layout.prefix()
    if prefix is not None and first is not None and last is not None:
        lines = archive.lines(layout.root)
        prefix.returned(lines.values(first.root), lines.values(last.root))
    if record is not None:
        Record.update(status="RESTORED").where(Record.id == record.id).execute()
    audit(
        "archive",
        entity_id=archive.manifest["id"] if record is None else record.id,
        action="restore",
        actor=ACTOR,
        details={
            "policy": archive.policy,
            "folder": str(archive.folder),
            "manifest_sha256": archive.manifest_sha256,
            "restored": counts.restored,
            **(prefix.details() if prefix is not None else {}),
        },
    )
    failpoints.reach("retention.before_restore_commit")
    return RestoreReport(
        archive.policy, str(archive.folder), counts.restored, counts.present, counts.withheld, counts.kept
    )


def _returning(layout: Layout, archive: Archive, counts: _Counts) -> Iterator[list[Bundle]]:
    """Yield the archive's rows without those that never left and those that are withheld."""
    kept = archive.kept()
    next_kept = next(kept, None)
    for bundles in archive.bundles(layout):
        some = []
        for bundle in bundles:
            if bundle.key == next_kept:  # they stand in the archive's order
                next_kept = next(kept, None)
                counts.kept += 1
            else:
                some.append(bundle)
        withheld = _withheld(layout, archive, some)
        counts.withheld += len(withheld)
        yield [bundle for bundle in some if bundle.key not in withheld]


def _withheld(layout: Layout, archive: Archive, bundles: list[Bundle]) -> set[str]:
    found: set[str] = set()
    lines = archive.lines(layout.root)
    lock = current().dialect.for_key_share
    for name, condition in layout.policy.withheld.items():
        reference: Any = layout.policy.model._meta.fields[name]
        to = {bundle.key: lines.values(bundle.root)[reference.column_name] for bundle in bundles}
        table = quote(reference.rel_model._meta.table_name)
        barred: set[str] = set()
        for some in chunks(sorted({key for key in to.values() if key is not None})):
            if lock:
                # Whoever is being erased at this moment is waited for, and so is this by who comes next.
                current().fetch(f"SELECT id FROM {table} WHERE id IN {marks(len(some))} ORDER BY id{lock}", some)
            sql = f"SELECT id FROM {table} WHERE id IN {marks(len(some))} AND ({condition})"
            barred |= {row[0] for row in current().fetch(sql, some)}
        found |= {key for key, target in to.items() if target in barred}
    return found


def _rows(layout: Layout, bundles: list[Bundle]) -> Iterator[tuple[Table, list[str]]]:
    """Yield each table's lines of some rows, the policy's own first; not those of cut references."""
    yield layout.root, [bundle.root for bundle in bundles]
    for place, part in enumerate(layout.parts):
        if not part.cut:
            yield part, [line for bundle in bundles for line in bundle.parts[place]]


def _there(table: Table, archive: Archive, keys: Iterable[str]) -> dict[str, str]:
    """Return the lines of rows that are in the database, by id, with the columns that the archive has."""
    lines = archive.lines(table)
    columns = ", ".join(quote(name) for name in lines.columns)
    found: dict[str, str] = {}
    place = lines.columns.index("id")
    for some in chunks(keys):
        sql = f"SELECT {columns} FROM {quote(table.name)} WHERE id IN {marks(len(some))}"
        found |= {row[place]: lines.of_row(row) for row in current().fetch(sql, some)}
    return found


def _refuse_conflicts(layout: Layout, archive: Archive, progress: Callable[[int], None]) -> None:
    different: list[str] = []
    for bundles in _returning(layout, archive, _Counts()):
        for table, records in _rows(layout, bundles):
            lines = archive.lines(table)
            mine = {lines.values(record)["id"]: record for record in records}
            for key, line in _there(table, archive, mine).items():
                if not lines.same(line, mine[key]):
                    different.append(f"{table.name} {key}")
        progress(len(bundles))
        if len(different) >= _NAMED:
            break
    if different:
        raise ConflictError(
            f"The archive {archive.folder} has rows that are in the database, but different: "
            f"{', '.join(different[:_NAMED])}{' and more' if len(different) > _NAMED else ''}.",
            fix="Look at what changed them; nothing was restored.",
            rows=different[:_NAMED],
        )


def _write(layout: Layout, archive: Archive, bundles: list[Bundle], counts: _Counts) -> list[Bundle]:
    """Insert what is missing, set references again, and return the rows that were inserted."""
    database = current()
    missing: set[str] = set()
    for table, records in _rows(layout, bundles):
        lines = archive.lines(table)
        mine = {lines.values(record)["id"]: record for record in records}
        there = _there(table, archive, mine)
        fresh = [key for key in mine if key not in there]
        counts.present += len(there)
        rows = [table.lines.bound(lines.values(mine[key])) for key in fresh]
        with ExitStack() as gates:
            if getattr(table.model._meta, "append_only", False):
                gates.enter_context(database.open_gate(table.name))  # datapkg: allow-write what was archived comes back
            try:
                database.insert_rows(table.name, table.lines.columns, rows)
            except ConflictError as error:
                raise ConflictError(
                    f"The archive {archive.folder} does not fit the database any more: {error.why}",
                    fix="Bring back what its rows refer to, or remove what took their place; nothing was restored.",
                    constraint=error.constraint,
                    table=error.table or table.name,
                    columns=error.columns,
                ) from error
        if table.name in archive.manifest["rows"]:
            counts.restored[table.name] = counts.restored.get(table.name, 0) + len(fresh)
        if table is layout.root:
            missing = set(fresh)
    _set_references(layout, archive, bundles, counts)
    return [bundle for bundle in bundles if bundle.key in missing]


def _set_references(layout: Layout, archive: Archive, bundles: list[Bundle], counts: _Counts) -> None:
    database = current()
    param = database.dialect.param
    for place, part in enumerate(layout.parts):
        if not part.cut:
            continue
        lines = archive.lines(part)
        column, table = quote(part.column), quote(part.model._meta.table_name)
        # updated_at stays, as it did when the reference was cut.
        sql = f"UPDATE {table} SET {column} = {param} WHERE id = {param} AND {column} IS NULL"
        for bundle in bundles:
            for record in bundle.parts[place]:
                values = lines.values(record)
                changed = database.change(sql, (values[part.column], values["id"]))
                counts.restored[part.name] = counts.restored.get(part.name, 0) + changed
