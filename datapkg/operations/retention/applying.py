"""Archiving what is due, and deleting it once its archive is on disk, read back and recorded."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from datapkg.kit import failpoints
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import StaleWriteError
from datapkg.kit.instants import as_instant
from datapkg.operations.bookkeeping import Archive as Record
from datapkg.operations.retention.archives import (
    KEPT,
    OUTCOME,
    Archive,
    HashedFile,
    damaged,
    storage_errors,
    write_sealed,
)
from datapkg.operations.retention.layouts import Layout, Policies, find_layout, layouts
from datapkg.operations.retention.lock import retention_lock
from datapkg.operations.retention.reports import ApplyReport, Archived
from datapkg.operations.retention.selection import Bundle, bundles_of, chunks, exempt_now, lock_rows, marks
from datapkg.operations.retention.writing import clear_leftovers, put_in_place, write_archive

__all__ = ["ACTOR", "apply"]

logger = logging.getLogger(__name__)

ACTOR = "retention"
"""Who the audit log says archived or restored."""

_CHANGED = "changed since it was archived"
_BEHIND = "behind an entry that stayed"


def apply(
    folder: str | Path,
    *,
    now: dt.datetime | None = None,
    keep: Mapping[str, dt.timedelta] | None = None,
    policies: Policies = None,
    progress: Callable[[int], None] | None = None,
) -> ApplyReport:
    """Archive the rows that are due to files, and delete them.

    Each policy that has rows due makes one folder. It is written, synced and read back before it is recorded, and
    recorded before a row is deleted; then those very rows are deleted in batches, as far as they still are what the
    archive has. It can be killed at any point and run again: it first finishes what was begun.

    Args:
        folder: where the archives' folders are made; made itself if it is not there.
        now: the instant that rows are due by; the present if left out.
        keep: other spans than the policies' own, by policy.
        policies: names of policies, or policies of your own; all of them if left out.
        progress: called with numbers of rows: as they are written, as they are read back, and as they are deleted.

    Raises:
        ValidationError: an argument is not valid.
        DatabaseBusyError: another run is under way.
        StorageError: the folder cannot be written, or an archive that was begun was changed; nothing was deleted.
        ConflictError: the audit log is not whole.
        ConfigurationError: a transaction is open.

    Example:
        >>> apply("archives", keep={"posts": timedelta(days=30)})  # doctest: +SKIP
    """
    instant = as_instant(now)
    chosen = layouts(policies=policies, keep=keep)
    for layout in chosen:
        layout.cutoff(instant)
    advance = progress or (lambda count, /: None)
    base = Path(folder).absolute()
    done: list[Archived] = []
    with retention_lock() as check:
        clear_leftovers()
        for record in list(Record.select().where(Record.status == "WRITTEN").order_by(Record.created_at, Record.id)):
            done.append(_finish_interrupted(record, policies, advance, check))
        for layout in chosen:
            written = write_archive(layout, base, now=instant, progress=advance, check=check)
            if written is not None:
                done.append(_delete(layout, *written, advance, check, resumed=False))
    return ApplyReport(tuple(done))


def _finish_interrupted(
    record: Record, policies: Policies, progress: Callable[[int], None], check: Callable[[], None]
) -> Archived:
    logger.info("finishing an archive", extra={"folder": record.folder})
    layout = find_layout(record.policy, policies)
    archive = put_in_place(record)
    if archive.manifest_sha256 != record.manifest_sha256:
        raise damaged(archive.folder, "its manifest is not the one that was recorded")
    archive.verify(layout, progress)
    return _delete(layout, archive, record, progress, check, resumed=True)


def _delete(
    layout: Layout,
    archive: Archive,
    record: Record,
    progress: Callable[[int], None],
    check: Callable[[], None],
    *,
    resumed: bool,
) -> Archived:
    kept = _Kept(archive.folder / KEPT)
    removed = dict.fromkeys((table.name for table in (layout.root, *layout.parts)), 0)
    stopped = False
    with contextlib.closing(kept):
        for bundles in archive.bundles(layout):
            check()
            if stopped:
                stayed = {bundle.key: _BEHIND for bundle in bundles}
            else:
                stayed = run_in_transaction(_delete_batch)(layout, archive, bundles)
                failpoints.reach("retention.mid_delete")
            # Behind a row that stays, a prefix ends.
            stopped = bool(stayed) and layout.policy.prefix is not None
            for bundle in bundles:
                if bundle.key in stayed:
                    kept.add(bundle.key, stayed[bundle.key])
                    continue
                removed[layout.root.name] += 1
                for part, lines in zip(layout.parts, bundle.parts, strict=True):
                    removed[part.name] += len(lines)
            progress(len(bundles))
        failpoints.reach("retention.after_delete")
        outcome: dict[str, Any] = {
            "manifest_sha256": archive.manifest_sha256,
            "deleted": {name: count for name, count in removed.items() if name in archive.manifest["rows"]},
            "kept": kept.finish(),
        }
    with storage_errors(f"What was deleted cannot be noted in {archive.folder}"):
        write_sealed(archive.folder / OUTCOME, outcome)
    failpoints.reach("retention.after_outcome")
    run_in_transaction(_close)(layout, archive, record, outcome)
    logger.info("archived", extra={"policy": record.policy, "folder": record.folder})
    return Archived(record.policy, record.folder, outcome["deleted"], kept.reasons, resumed)


class _Kept:
    """The rows that the archive holds and the database keeps, in a file that is made with the first of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: dict[str, int] = {}
        self._aside = path.with_name(f".{path.name}.new")
        self._file: HashedFile | None = None
        with storage_errors(f"What is kept cannot be noted in {path.parent}"):
            self._aside.unlink(missing_ok=True)
            path.unlink(missing_ok=True)  # an interrupted run's, which this one goes through again

    def add(self, key: str, why: str) -> None:
        """Note a row and why it stayed."""
        with storage_errors(f"What is kept cannot be noted in {self.path.parent}"):
            self._file = self._file or HashedFile(self._aside)
            self._file.write((json.dumps({"id": key, "why": why}) + "\n").encode())
        self.reasons[why] = self.reasons.get(why, 0) + 1

    def finish(self) -> dict[str, object] | None:
        """Have the file on disk, and return what the outcome says of it; None if nothing was kept."""
        if self._file is None:
            return None
        with storage_errors(f"What is kept cannot be noted in {self.path.parent}"):
            self._file.sync()
            os.replace(self._aside, self.path)
        return {"file": KEPT, "rows": sum(self.reasons.values()), "sha256": self._file.sha256}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written has been told
                self._file.close()


def _delete_batch(layout: Layout, archive: Archive, bundles: list[Bundle]) -> dict[str, str]:
    """Delete what still is what the archive has, and return why the others stay, by id."""
    keys = [bundle.key for bundle in bundles]
    # In this order nothing can be added to a row any more once its own lock is held.
    rows = lock_rows(layout, keys)
    there = {bundle.key: bundle for bundle in bundles_of(layout, rows, locked=True)}
    if not there:
        return {}
    stayed = exempt_now(layout, list(there))
    for bundle in bundles:
        now = there.get(bundle.key)
        if now is None or bundle.key in stayed:
            continue
        # Also where a migration has given the table another column meanwhile: the next run archives that row whole.
        if (now.root, now.parts) != (bundle.root, bundle.parts):
            stayed[bundle.key] = _CHANGED
    gone = [bundle for bundle in bundles if bundle.key in there and bundle.key not in stayed]
    if layout.policy.prefix is not None and stayed:
        first = next(place for place, bundle in enumerate(bundles) if bundle.key in stayed)
        stayed = {bundle.key: stayed.get(bundle.key, _BEHIND) for bundle in bundles[first:] if bundle.key in there}
        gone = [bundle for bundle in bundles[:first] if bundle.key in there]
    _delete_rows(layout, archive, gone)
    return stayed


def _delete_rows(layout: Layout, archive: Archive, gone: list[Bundle]) -> None:
    database = current()
    with ExitStack() as gates:
        for place, part in reversed(list(enumerate(layout.parts))):
            if part.cut:
                continue  # the database empties the references itself
            wanted = [archive.lines(part).values(line)["id"] for bundle in gone for line in bundle.parts[place]]
            _delete_ids(part.model, wanted)
        if getattr(layout.policy.model._meta, "append_only", False) and gone:
            table = layout.policy.model._meta.table_name
            gates.enter_context(database.open_gate(table))  # datapkg: allow-write what is archived goes
        _delete_ids(layout.policy.model, [bundle.key for bundle in gone])
    prefix = layout.prefix()
    if prefix is not None and gone:
        prefix.removed(archive.lines(layout.root).values(gone[-1].root))


def _delete_ids(model: Any, keys: list[str]) -> None:
    for some in chunks(keys):
        deleted = current().change(f"DELETE FROM {quote(model._meta.table_name)} WHERE id IN {marks(len(some))}", some)
        if deleted != len(some):  # they are locked, so only a trigger of somebody else's does that
            raise StaleWriteError(
                f"Of {len(some)} archived rows of {model._meta.table_name} the database deleted {deleted}.",
                fix="Look for a trigger or rule on the table that keeps rows; nothing of this batch was deleted.",
            )


def _close(layout: Layout, archive: Archive, record: Record, outcome: dict[str, Any]) -> None:
    from datapkg.audit import record as audit

    Record.update(status="ARCHIVED", row_counts=outcome["deleted"]).where(Record.id == record.id).execute()
    prefix = layout.prefix()
    audit(
        "archive",
        entity_id=record.id,
        action="archive",
        actor=ACTOR,
        details={
            "policy": record.policy,
            "folder": record.folder,
            "manifest_sha256": archive.manifest_sha256,
            "deleted": outcome["deleted"],
            "kept": 0 if outcome["kept"] is None else outcome["kept"]["rows"],
            **(prefix.details() if prefix is not None else {}),
        },
    )
