"""Writing an archive: beside its place under a temporary name, synced, read back, recorded, and only then named."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.errors import DatapkgError
from datapkg.kit.failpoints import reach
from datapkg.kit.models import new_id
from datapkg.operations.bookkeeping import Archive as Record
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.retention.archives import (
    MANIFEST,
    Archive,
    HashedFile,
    load_archive,
    storage_errors,
    sync_folder,
    write_sealed,
)
from datapkg.operations.retention.layouts import Layout, Table
from datapkg.operations.retention.selection import Bundle, due_bundles

__all__ = ["PARTIAL", "clear_leftovers", "put_in_place", "write_archive"]

logger = logging.getLogger(__name__)

PARTIAL = ".partial-"
"""How the names of folders begin that are being written."""

_INTENT = "retention.writing"


class _Period:
    """The files of one period: a table's file is made with its first row."""

    def __init__(self, folder: Path, layout: Layout, period: str) -> None:
        self.folder, self.layout, self.period = folder, layout, period
        self._files: dict[str, tuple[str, Table, HashedFile, Any, list[int]]] = {}

    def write(self, bundles: list[Bundle]) -> None:
        """Write rows with all that goes with them."""
        self._write(self.layout.root, [bundle.root for bundle in bundles])
        for place, part in enumerate(self.layout.parts):
            self._write(part, [line for bundle in bundles for line in bundle.parts[place]])

    def _write(self, table: Table, lines: list[str]) -> None:
        if not lines:
            return
        if table.name not in self._files:
            name = f"{table.name}-{self.period}{self.layout.suffix}"
            raw = HashedFile(self.folder / name)
            # No name and no time inside, so that the same rows make the same file.
            out = gzip.GzipFile("", "wb", 6, raw, 0) if name.endswith(".gz") else raw
            self._files[table.name] = (name, table, raw, out, [0])
            if table.lines.head:
                out.write(f"{table.lines.head}\n".encode())
        _, _, _, out, count = self._files[table.name]
        out.write(("\n".join(lines) + "\n").encode())
        count[0] += len(lines)

    def finish(self) -> list[dict[str, Any]]:
        """Have the files on disk, and return what the manifest says of them."""
        listed = []
        for name, table, raw, out, count in self._files.values():
            if out is not raw:
                out.close()
            raw.sync()
            listed.append(
                {
                    "file": name,
                    "rows_of": table.name,
                    "period": self.period,
                    "rows": count[0],
                    "bytes": raw.size,
                    "sha256": raw.sha256,
                    "columns": list(table.lines.columns),
                }
            )
        if self._files:
            reach("retention.after_file")
        return listed

    def close(self) -> None:
        """Close what is open."""
        for _, _, raw, out, _ in self._files.values():
            for each in (out, raw):  # what compresses still writes as it is closed
                with contextlib.suppress(OSError):
                    each.close()


def write_archive(
    layout: Layout,
    base: Path,
    *,
    now: dt.datetime,
    progress: Callable[[int], None],
    check: Callable[[], None],
) -> tuple[Archive, Record] | None:
    """Write what is due, read it back, and record it; None if nothing is due.

    Args:
        layout: the policy.
        base: the folder that archives stand in.
        now: the instant that rows are due by.
        progress: called with rows written, and again when they are read back.
        check: raises once the retention lock is lost.

    Raises:
        StorageError: the folder cannot be written, or gives back something else; nothing is left of it.
    """
    cutoff = layout.cutoff(now)
    batches = due_bundles(layout, cutoff)
    first = next(batches, None)
    if first is None:
        return None
    key = new_id()
    name = f"{layout.policy.name}-{now:%Y-%m-%d}-{key}"
    partial = base / f"{PARTIAL}{name}"
    run_in_transaction(_note)(str(partial))
    reach("retention.after_intent")
    try:
        with storage_errors(f"The archive {base / name} cannot be written"):
            for folder in reversed([each for each in (base, *base.parents) if not each.exists()]):
                folder.mkdir(exist_ok=True)
                sync_folder(folder.parent)
            partial.mkdir(mode=0o700)
            files = _files(layout, partial, first, batches, progress, check)
            reach("retention.before_manifest")
            write_sealed(partial / MANIFEST, _manifest(layout, str(key), now, cutoff, files))
            sync_folder(partial)
            sync_folder(base)
            reach("retention.after_manifest")
            archive = load_archive(partial)
            archive.verify(layout, progress)
    except BaseException:
        # Whatever remains is found by the next run.
        with contextlib.suppress(OSError, DatapkgError):
            _clear(partial)
        raise
    record = run_in_transaction(_record)(layout, base / name, archive)
    reach("retention.after_record")
    return put_in_place(record), record


def _files(
    layout: Layout,
    folder: Path,
    first: tuple[str, list[Bundle]],
    batches: Iterator[tuple[str, list[Bundle]]],
    progress: Callable[[int], None],
    check: Callable[[], None],
) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = []
    period = _Period(folder, layout, first[0])
    try:
        batch: tuple[str, list[Bundle]] | None = first
        while batch is not None:
            check()
            if batch[0] != period.period:
                files += period.finish()
                period = _Period(folder, layout, batch[0])
            period.write(batch[1])
            progress(len(batch[1]))
            batch = next(batches, None)
        return files + period.finish()
    finally:
        period.close()


def _manifest(
    layout: Layout, key: str, now: dt.datetime, cutoff: dt.datetime, files: list[dict[str, Any]]
) -> dict[str, Any]:
    rows: dict[str, int] = {}
    for file in files:
        rows[file["rows_of"]] = rows.get(file["rows_of"], 0) + file["rows"]
    policy = layout.policy
    return {
        "format": "datapkg-archive-1",
        "id": key,
        "policy": {
            "name": policy.name,
            "table": policy.model._meta.table_name,
            "by": policy.by,
            "keep_days": layout.keep / dt.timedelta(days=1),
            "format": policy.format,
            "period": policy.period,
        },
        "made_at": now.isoformat(),
        "older_than": cutoff.isoformat(),
        "engine": current().dialect.name,
        "package_version": version("datapkg"),
        "history": layout.history,
        "revision": _revision(layout.history),
        "rows": rows,
        "files": files,
    }


def _revision(history: str) -> str | None:
    sql = f"SELECT max(name) FROM datapkg_migrations WHERE history = {current().dialect.param}"
    newest: str | None = current().fetch(sql, (history,))[0][0]
    return newest


# What is being written is noted, so that a later run can tell its own leftovers from another database's folders.


def _note(partial: str) -> None:
    Setting.delete().where(Setting.key == _INTENT).execute()
    Setting.create(key=_INTENT, value=partial)


def _record(layout: Layout, folder: Path, archive: Archive) -> Record:
    Setting.delete().where(Setting.key == _INTENT).execute()
    return Record.create(
        policy=layout.policy.name,
        folder=str(folder),
        manifest_sha256=archive.manifest_sha256,
        row_counts=archive.manifest["rows"],
    )


def put_in_place(record: Record) -> Archive:
    """Give a recorded archive its folder's name, if a kill has come in between, and return it.

    Raises:
        StorageError: it is not there, or not the one that was recorded.
    """
    folder = Path(record.folder)
    partial = folder.with_name(f"{PARTIAL}{folder.name}")
    with storage_errors(f"The archive {folder} cannot be put in its place"):
        if partial.exists() and not folder.exists():
            os.rename(partial, folder)
            sync_folder(folder.parent)
    reach("retention.after_rename")
    return load_archive(folder)


def clear_leftovers() -> None:
    """Remove what a killed run had not finished writing; nothing of it was deleted from the database."""
    noted = Setting.get_or_none(Setting.key == _INTENT)
    if noted is not None:
        logger.info("removing an unfinished archive", extra={"folder": noted.value})
        with storage_errors(f"The unfinished archive {noted.value} cannot be removed"):
            _clear(Path(noted.value))


def _clear(partial: Path) -> None:
    if partial.name.startswith(PARTIAL):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            shutil.rmtree(partial)
    run_in_transaction(Setting.delete().where(Setting.key == _INTENT).execute)()
