"""An archive on disk: a folder of plain files and a manifest that says what they are; what was changed is refused.

Both JSON files that describe it carry the SHA-256 of their own content, so that a changed byte shows there too.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from datapkg.kit.errors import DatapkgError, StorageError
from datapkg.operations.retention.layouts import Layout, Table
from datapkg.operations.retention.lines import Lines, lines_of
from datapkg.operations.retention.selection import BATCH, Bundle

__all__ = [
    "KEPT",
    "MANIFEST",
    "OUTCOME",
    "Archive",
    "HashedFile",
    "damaged",
    "file_sha256",
    "load_archive",
    "read_sealed",
    "storage_errors",
    "sync_folder",
    "write_sealed",
]

MANIFEST, OUTCOME, KEPT = "manifest.json", "outcome.json", "kept.jsonl"
_CHUNK = 1 << 16
_NAMED = 10
_TO_WRITE = "Free some space, or make the folder writable, then run it again; no row is lost."
_TO_READ = "Bring the archive back to where it was, readable, then run it again; nothing was deleted or restored."


@contextmanager
def storage_errors(what: str, *, reading: bool = False) -> Iterator[None]:
    """Turn what the system says about files into a StorageError.

    Args:
        what: what could not be done, as ``The archive … could not be written``.
        reading: whether only reading was tried.
    """
    try:
        yield
    except DatapkgError:
        raise
    except OSError as error:
        raise StorageError(
            f"{what}: {error.strerror or error}.",
            fix=_TO_READ if reading else _TO_WRITE,
            errno=error.errno,
        ) from error


def damaged(path: Path, why: str) -> StorageError:
    """Return the error for an archive that is not what was written."""
    return StorageError(
        f"The archive is damaged or was changed: {path}: {why}.",
        fix="Bring the file back from a backup; nothing was deleted or restored because of it.",
        path=str(path),
    )


class HashedFile(io.RawIOBase):
    """A new file that notes the SHA-256 and the size of what is written, for its owner's eyes only."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes, all of them."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Have it on disk, and close it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()

    def close(self) -> None:
        """Close it."""
        self._file.close()
        super().close()


def sync_folder(path: Path) -> None:
    """Have a folder's names on disk."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sealed(content: Mapping[str, Any]) -> bytes:
    def text(value: Mapping[str, Any]) -> bytes:
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

    return text({**content, "sha256": hashlib.sha256(text(content)).hexdigest()})


def write_sealed(path: Path, content: Mapping[str, Any]) -> str:
    """Write a JSON file with its own hash, whole or not at all, and return the file's SHA-256."""
    data = _sealed(content)
    aside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    file = HashedFile(aside)
    with contextlib.closing(file):
        file.write(data)
        file.sync()
    os.replace(aside, path)
    sync_folder(path.parent)
    return file.sha256


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what :func:`write_sealed` wrote.

    Raises:
        StorageError: it is not there, or not as it was written.
    """
    with storage_errors(f"The archive's file {path} cannot be read", reading=True):
        data = path.read_bytes()
    try:
        content = json.loads(data)
        content.pop("sha256")
        intact = _sealed(content) == data
    except (ValueError, AttributeError, KeyError, TypeError):
        intact = False
    if not intact:
        raise damaged(path, "its content does not have the SHA-256 that it names")
    found: dict[str, Any] = content
    return found


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with storage_errors(f"The archive's file {path} cannot be read", reading=True), open(path, "rb") as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Archive:
    """An archive's folder and manifest.

    Attributes:
        folder: where it is.
        manifest: what the manifest says.
        manifest_sha256: of the manifest's file.
    """

    folder: Path
    manifest: dict[str, Any]
    manifest_sha256: str

    @property
    def policy(self) -> str:
        """The name of the policy that it was made by."""
        return str(self.manifest["policy"]["name"])

    @property
    def periods(self) -> list[str]:
        """Its periods, oldest first."""
        return list(dict.fromkeys(file["period"] for file in self.manifest["files"]))

    def lines(self, table: Table) -> Lines:
        """Return how a table's lines are read: with the columns that it had then.

        Raises:
            StorageError: a column is not there any more.
        """
        file = next((each for each in self.manifest["files"] if each["rows_of"] == table.name), None)
        if file is None:
            return table.lines
        now = {field.column_name: field for field in table.fields}
        missing = [name for name in file["columns"] if name not in now]
        if missing:
            raise StorageError(
                f"The archive has columns that {table.name} has not any more: {', '.join(missing)}.",
                fix=f"Restore it with the code of the revision {self.manifest['revision']}, then migrate.",
            )
        return lines_of(self.manifest["policy"]["format"], [now[name] for name in file["columns"]])

    def verify(self, layout: Layout, progress: Callable[[int], None]) -> None:
        """Read everything back: every file has its SHA-256, and every line is a row, spelled as it was written.

        Raises:
            StorageError: it is not so.
        """
        tables = {table.name: table for table in (layout.root, *layout.parts)}
        for file in self.manifest["files"]:
            path = self.folder / file["file"]
            table = tables.get(file["rows_of"])
            if table is None:
                raise damaged(path, f"the policy has no table {file['rows_of']}")
            if file_sha256(path) != file["sha256"]:
                raise damaged(path, "its SHA-256 is not the manifest's")
            lines, count = self.lines(table), 0
            for record in self._records(file["file"], lines):
                if not lines.reads_back(record):
                    raise damaged(path, f"row {count + 1} does not read back as it is written")
                count += 1
                if table is layout.root and count % BATCH == 0:
                    progress(BATCH)
            if count != file["rows"]:
                raise damaged(path, f"it has {count} rows, not {file['rows']}")
            if table is layout.root:
                progress(count % BATCH)

    def _records(self, name: str, lines: Lines) -> Iterator[str]:
        path = self.folder / name
        opened: BinaryIO
        with storage_errors(f"The archive's file {path} cannot be read", reading=True), open(path, "rb") as raw:
            opened = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw  # type: ignore[assignment]  # it is one
            try:
                with io.TextIOWrapper(opened, "utf-8", newline="\n") as text:
                    yield from lines.records(text)
            except (ValueError, EOFError, KeyError) as error:
                raise damaged(path, str(error)) from error

    def _file(self, table: Table, period: str) -> str | None:
        for file in self.manifest["files"]:
            if file["rows_of"] == table.name and file["period"] == period:
                return str(file["file"])
        return None

    def bundles(self, layout: Layout) -> Iterator[list[Bundle]]:
        """Yield its rows with all that goes with them, in batches, in the order in which they were written."""
        for period in self.periods:
            name = self._file(layout.root, period)
            if name is None:
                raise damaged(self.folder, f"it has no rows of {period}")
            lines = self.lines(layout.root)
            readers = [self._reader(part, period) for part in layout.parts]
            batch: list[Bundle] = []
            for record in self._records(name, lines):
                batch.append(Bundle(lines.values(record)["id"], record))
                if len(batch) == BATCH:
                    yield self._filled(layout, batch, readers)
                    batch = []
            if batch:
                yield self._filled(layout, batch, readers)
            if any(reader.waiting is not None for reader in readers):
                raise damaged(self.folder, f"it has rows of {period} that belong to none")

    def _reader(self, part: Table, period: str) -> _Reader:
        name, lines = self._file(part, period), self.lines(part)
        return _Reader(iter(()) if name is None else self._records(name, lines), lines, part.column)

    def _filled(self, layout: Layout, batch: list[Bundle], readers: list[_Reader]) -> list[Bundle]:
        owners: dict[str, dict[str, Bundle]] = {
            layout.root.model._meta.table_name: {bundle.key: bundle for bundle in batch}
        }
        for part, reader in zip(layout.parts, readers, strict=True):
            for bundle in batch:
                bundle.parts.append([])
            mine: dict[str, Bundle] = {}
            owner = owners.get(part.refers_to, {})
            while reader.waiting is not None and reader.waiting[1][part.column] in owner:
                record, values = reader.waiting
                bundle = owner[values[part.column]]
                bundle.parts[-1].append(record)
                mine[values["id"]] = bundle
                reader.next()
            if not part.cut:
                owners.setdefault(part.model._meta.table_name, {}).update(mine)
        return batch

    def kept(self) -> Iterator[str]:
        """Yield the ids of rows that it holds but that stayed in the database, in its order.

        Raises:
            StorageError: what says so was changed.
        """
        path = self.folder / OUTCOME
        if not path.exists():
            return
        outcome = read_sealed(path)
        if outcome.get("manifest_sha256") != self.manifest_sha256:
            raise damaged(path, "it belongs to another manifest")
        listed = self.folder / KEPT
        if not (told := outcome.get("kept")):
            return
        if file_sha256(listed) != told.get("sha256"):
            raise damaged(listed, "its SHA-256 is not the one in outcome.json")
        with storage_errors(f"The archive's file {listed} cannot be read", reading=True), open(listed, "rb") as file:
            for line in file:
                yield json.loads(line)["id"]


class _Reader:
    """A part's records, one of them in sight."""

    def __init__(self, records: Iterator[str], lines: Lines, column: str) -> None:
        self._records, self._lines, self.column = records, lines, column
        self.waiting: tuple[str, dict[str, Any]] | None = None
        self.next()

    def next(self) -> None:
        """Go on to the next."""
        record = next(self._records, None)
        self.waiting = None if record is None else (record, self._lines.values(record))


_SAYS: dict[str, type | tuple[type, ...]] = {"id": str, "policy": dict, "revision": (str, type(None)), "rows": dict}
_FILE_SAYS = {"file": str, "rows_of": str, "period": str, "rows": int, "sha256": str, "columns": list}


def _missing(manifest: Mapping[str, Any]) -> str | None:
    """Return what a manifest lacks; somebody may have written it anew, hash and all."""
    for name, kind in _SAYS.items():
        if not isinstance(manifest.get(name), kind):
            return name
    for name in ("name", "table", "format"):
        if not isinstance(manifest["policy"].get(name), str):
            return f"policy.{name}"
    if not isinstance(manifest["rows"].get(manifest["policy"]["table"]), int):
        return f"rows.{manifest['policy']['table']}"
    if not isinstance(manifest.get("files"), list):
        return "files"
    for place, file in enumerate(manifest["files"]):
        for name, kind in _FILE_SAYS.items():
            if not isinstance(file, dict) or not isinstance(file.get(name), kind):
                return f"files.{place}.{name}"
        if not all(isinstance(name, str) for name in file["columns"]):
            return f"files.{place}.columns"
        if Path(file["file"]).name != file["file"]:  # nothing outside of the folder is read
            return f"files.{place}.file"
    return None


def load_archive(folder: Path) -> Archive:
    """Return the archive in a folder.

    Raises:
        StorageError: there is none, or its manifest was changed.
    """
    path = folder / MANIFEST
    with storage_errors(f"The folder {folder} cannot be read", reading=True):
        inside = sorted(each.parent.name for each in folder.glob(f"*/{MANIFEST}")) if not path.exists() else []
        there = path.exists()
    if not there:
        some = ", ".join(inside[:_NAMED])
        raise StorageError(
            f"There is no archive in {folder}.",
            fix=f"Name the folder of one: {some}."
            if some
            else "Bring the archive back to where it was, or name the folder of one; nothing was deleted or restored.",
        )
    manifest = read_sealed(path)
    if manifest.get("format") != "datapkg-archive-1":
        raise damaged(path, "it is not of the format datapkg-archive-1")
    if (missing := _missing(manifest)) is not None:
        raise damaged(path, f"it does not say {missing}")
    return Archive(folder, manifest, file_sha256(path))
