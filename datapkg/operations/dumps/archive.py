"""The archive file: a ZIP with a manifest and one JSON-lines file for each table, the same bytes for the same data.

Any ZIP tool opens it. Every entry has the same date and every line one spelling, so that two dumps of the same rows
are equal bit for bit, whatever engine they come from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from datapkg.kit.errors import ArchiveError

__all__ = ["FORMAT", "FORMAT_VERSION", "ArchivedTable", "Manifest", "Reader", "Writer", "writing"]

FORMAT = "datapkg-dump"
FORMAT_VERSION = 1
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 16_000_000
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that ZIP knows; a clock would make every dump another file
_READ = 1 << 20


@dataclass(frozen=True)
class ArchivedTable:
    """One table in the archive.

    Attributes:
        name: the table.
        columns: its columns in the order of each line's keys; the first is the key.
        rows: how many.
        sha256: of its file.
        emptied: columns that are empty in every row, because they are secret or refer to rows that were left out.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str
    emptied: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The entry's name in the ZIP."""
        return f"tables/{self.name}.jsonl"


@dataclass(frozen=True)
class Manifest:
    """What an archive says about itself.

    Attributes:
        revision: the newest migration of each history that the database had been through.
        tables: the tables in the order in which they can be written.
        secrets: whether credentials are in.
        left_out: tables whose rows are not in, and why.
        domains: the domains that were asked for, or None for everything.
        datapkg: the version of the package that wrote it.
        format_version: of the archive.
    """

    revision: Mapping[str, str]
    tables: tuple[ArchivedTable, ...]
    secrets: bool
    left_out: Mapping[str, str] = field(default_factory=dict)
    domains: tuple[str, ...] | None = None
    datapkg: str = ""
    format_version: int = FORMAT_VERSION

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _read_manifest(text: bytes, path: Path) -> Manifest:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ArchiveError(f"The manifest of {path} is not JSON.") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ArchiveError(f"{path} is no archive of `datapkg dump`.", fix="Check the file; nothing was written.")
    version = data.get("format_version")
    if type(version) is not int or version < 1:
        raise ArchiveError(f"The manifest of {path} names no version of its format.")
    if version > FORMAT_VERSION:
        raise ArchiveError(
            f"{path} has version {version} of the archive's format; this code reads up to {FORMAT_VERSION}.",
            fix="Upgrade datapkg to the version that wrote the archive; nothing was written.",
        )
    try:
        return _manifest(data)
    except (KeyError, TypeError, ValueError):
        raise ArchiveError(f"The manifest of {path} does not have the shape of one.") from None


def _manifest(data: dict[str, Any]) -> Manifest:
    def texts(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise TypeError
        return tuple(value)

    def mapping(value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise TypeError
        return value

    tables = []
    for each in data["tables"]:
        columns, rows = texts(each["columns"]), each["rows"]
        if type(rows) is not int or not columns or not isinstance(each["name"], str):
            raise TypeError
        tables.append(ArchivedTable(each["name"], columns, rows, str(each["sha256"]), texts(each["emptied"])))
    if len({table.name for table in tables}) != len(tables):
        raise ValueError
    return Manifest(
        revision=mapping(data["revision"]),
        tables=tuple(tables),
        secrets=bool(data["secrets"]),
        left_out=mapping(data["left_out"]),
        domains=None if data["domains"] is None else texts(data["domains"]),
        datapkg=str(data["datapkg"]),
        format_version=data["format_version"],
    )


class Writer:
    """Writes an archive, a table after the other."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6)

    def table(self, name: str, columns: tuple[str, ...], lines: Iterable[bytes], emptied: tuple[str, ...]) -> Any:
        """Write a table's lines, and return what the manifest says about it.

        Args:
            name: the table.
            columns: its columns.
            lines: pieces of its file, each of whole lines.
            emptied: the columns that were emptied.
        """
        digest, rows = hashlib.sha256(), 0
        made = ArchivedTable(name, columns, 0, "", emptied)
        with self._zip.open(_entry(made.file), "w", force_zip64=True) as entry:
            for piece in lines:
                entry.write(piece)
                digest.update(piece)
                rows += piece.count(b"\n")
        return ArchivedTable(name, columns, rows, digest.hexdigest(), emptied)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and end the archive."""
        with self._zip.open(_entry(_MANIFEST), "w", force_zip64=True) as entry:
            entry.write(manifest.text().encode())
        self._zip.close()


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100600 << 16
    return info


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside the one it becomes at the end, so that nobody ever sees half of it.

    Args:
        path: the file; one that is there is replaced once the new one is whole and on the disk.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        # Readable by its owner alone: it holds people's data.
        with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Reader:
    """Reads an archive.

    Args:
        path: the file.

    Attributes:
        manifest: what it says about itself.

    Raises:
        ArchiveError: it is damaged, or no archive of ours.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise ArchiveError(f"{path} is no archive, or its end is missing: {error}.") from None
        try:
            self.manifest = self._read()
        except BaseException:
            self.close()
            raise

    def _read(self) -> Manifest:
        if any(each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for each in self._zip.infolist()):
            raise ArchiveError(f"{self.path} was not packed by `datapkg dump`.", fix="Pack it with deflate.")
        if _MANIFEST not in self._zip.namelist():
            raise ArchiveError(f"{self.path} is no archive of `datapkg dump`: it has no {_MANIFEST}.")
        with self._entry(_MANIFEST) as entry:
            manifest = _read_manifest(entry.read(_MANIFEST_BYTES), self.path)
        names = sorted(self._zip.namelist())
        if names != sorted([_MANIFEST, *(table.file for table in manifest.tables)]):
            raise ArchiveError(f"{self.path} does not hold the files that its manifest names.")
        return manifest

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    @contextlib.contextmanager
    def _entry(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(name) as entry:
                yield entry
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise ArchiveError(f"{name} in {self.path} is damaged: {error}.", file=name) from None

    def verify(self) -> None:
        """Read everything and hold it against the manifest.

        Raises:
            ArchiveError: a file was altered or cut.
        """
        for table in self.manifest.tables:
            digest, rows, whole = hashlib.sha256(), 0, True
            with self._entry(table.file) as entry:
                while piece := entry.read(_READ):
                    whole = piece.endswith(b"\n")
                    digest.update(piece)
                    rows += piece.count(b"\n")
            if digest.hexdigest() != table.sha256 or rows != table.rows or not whole:
                raise ArchiveError(
                    f"{table.file} in {self.path} is not what was dumped: it was altered, or a part of it is missing.",
                    file=table.file,
                )

    def lines(self, table: ArchivedTable) -> Iterator[bytes]:
        """Yield the lines of a table."""
        with self._entry(table.file) as entry:
            yield from entry
