"""The file of a backup: what the engine's own tool wrote, followed by a line that says what it is.

SQLite and pg_restore read only as far as their own content goes, so ``sqlite3 FILE`` and ``pg_restore FILE`` open a
backup as it is; by the line at its end a truncated or altered one is told from a whole one before anything is touched.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from datapkg.kit.errors import ArchiveError, DatapkgError, ReadOnlyError, StorageError, ValidationError
from datapkg.kit.failpoints import reach
from datapkg.kit.paths import as_file

__all__ = ["Backup", "new_file", "read_backup", "refused", "seal", "stamp_of_now", "temporary_file"]

_FOOTER = re.compile(rb"(\d{8}) ([0-9a-f]{64}) datapkg-backup\n")
_FOOTER_BYTES = 8 + 1 + 64 + len(" datapkg-backup\n")
_LONGEST = 1_000_000
_CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_DAMAGED = "Use another copy of the file; nothing was written."


@dataclass(frozen=True)
class Backup:
    """What a backup is of.

    Attributes:
        engine: ``sqlite`` or ``postgresql``.
        engine_version: the version of the library or server that it was taken from.
        tool: the major version of the pg_dump that wrote it; 0 on SQLite.
        schema: PostgreSQL's schema that it holds; empty on SQLite.
        environment: the stamp of the database.
        revisions: the last migration that it had been through, by history.
        made_at: when, in UTC.
        tables: how many tables it holds.
        size: bytes of the engine's own content.
        sha256: of that content.
        path: the file.
    """

    engine: str
    engine_version: str
    tool: int
    schema: str
    environment: str
    revisions: dict[str, str]
    made_at: str
    tables: int
    size: int = 0
    sha256: str = ""
    path: Path = field(default_factory=Path)


def seal(path: Path, backup: Backup) -> Backup:
    """Append the line to what the engine's tool wrote, put all of it on the disk, and return what the line says."""
    with path.open("r+b") as file:
        size, sha256 = _digest(file, path.stat().st_size)
        made = asdict(backup) | {"size": size, "sha256": sha256}
        del made["path"]
        line = json.dumps(made, sort_keys=True).encode()
        file.write(b"\n%b\n%08d %b datapkg-backup\n" % (line, len(line), hashlib.sha256(line).hexdigest().encode()))
        file.flush()
        os.fsync(file.fileno())
    return Backup(**made, path=path)


def read_backup(path: str | os.PathLike[str]) -> Backup:
    """Return what a backup is of, after reading all of it.

    Args:
        path: the file.

    Raises:
        ValidationError: there is no such file, or it cannot be read.
        ArchiveError: it is no backup, or was truncated or altered.

    Example:
        ``read_backup("app.backup").environment``
    """
    chosen = Path(os.path.abspath(as_file(path, what="backup")))
    try:
        with chosen.open("rb") as file:
            backup = _read(file, chosen)
            if _digest(file, backup.size) != (backup.size, backup.sha256):
                raise ArchiveError(
                    f"The backup {chosen} was altered: its content is not what was written.", fix=_DAMAGED
                )
    except OSError as error:
        raise ValidationError({"path": [f"The file cannot be read: {error}."]}, what="backup") from error
    return backup


def _read(file: BinaryIO, path: Path) -> Backup:
    whole = file.seek(0, os.SEEK_END)
    file.seek(max(0, whole - _FOOTER_BYTES))
    footer = _FOOTER.fullmatch(file.read())
    length = int(footer[1]) if footer else 0
    size = whole - _FOOTER_BYTES - length - 2
    if footer is None or length > _LONGEST or size < 0:
        raise ArchiveError(
            f"{path} is no backup of datapkg, or its end is missing.",
            fix="Check the path, or use another copy of the file; a dump goes in with `datapkg load`.",
        )
    file.seek(size + 1)
    line = file.read(length)
    if hashlib.sha256(line).hexdigest().encode() != footer[2]:
        raise ArchiveError(f"The backup {path} was altered: what it says about itself is damaged.", fix=_DAMAGED)
    try:
        backup = Backup(**json.loads(line), path=path)
    except (TypeError, ValueError):
        raise ArchiveError(
            f"The backup {path} says things about itself that this version of datapkg does not understand.",
            fix="Restore it with the version of datapkg that wrote it, or a newer one.",
        ) from None
    if backup.size != size:
        raise ArchiveError(
            f"The backup {path} has {size} bytes of content and should have {backup.size}.", fix=_DAMAGED
        )
    return backup


def _digest(file: BinaryIO, size: int) -> tuple[int, str]:
    """Hash the first bytes of a file, and leave it standing behind them."""
    file.seek(0)
    digest, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return size - left, digest.hexdigest()


@contextmanager
def new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Give the block a file to write that gets its name at the end, whole; after an error nothing is left of it.

    Args:
        path: the name.
        overwrite: whether there may be a file of that name already; it is replaced.

    Raises:
        ValidationError: the name cannot be used.
        StorageError: the disk is full.
        ReadOnlyError: the folder may not be written.
    """
    final = _name(path, overwrite)
    try:
        with temporary_file(final.parent, f".{final.name}.") as part:
            yield part
            reach("backup.before_rename")
            os.replace(part, final)
            _sync_folder(final.parent)
    except OSError as error:
        if isinstance(error, DatapkgError):
            raise
        raise refused(error, final) from error


@contextmanager
def temporary_file(folder: Path, prefix: str) -> Iterator[Path]:
    """Give the block an empty file that only its owner may read; it is removed at the end, if it is still there."""
    handle, name = tempfile.mkstemp(prefix=prefix[:100], suffix=".part", dir=folder)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(name + suffix)


def _name(path: str | os.PathLike[str], overwrite: bool) -> Path:
    try:
        final = Path(os.path.abspath(path))
        if b"\0" in os.fsencode(final):
            raise ValueError
        there = final.exists()
    except (TypeError, ValueError):
        raise ValidationError({"path": ["Not a valid path."]}, what="backup") from None
    except OSError as error:
        raise refused(error, Path(path)) from error
    if final.is_dir():
        why = f"{final} is a folder."
    elif not final.parent.is_dir():
        why = f"There is no folder {final.parent}."
    elif there and not final.is_file():
        why = f"{final} is no regular file."
    elif there and not overwrite:
        why = f"There is a file {final} already."
    elif any(os.path.exists(f"{final}{suffix}") for suffix in ("-wal", "-journal")):
        # SQLite would put what stands in them into the backup as soon as somebody opens it.
        why = f"Beside {final} lies the journal of a database of that name."
    else:
        return final
    raise ValidationError(
        {"path": [why]},
        what="backup",
        fix="Give another name in a folder that is there; --overwrite replaces a file. Nothing was written.",
    )


def refused(error: OSError, path: Path) -> DatapkgError:
    """Return the package's error for a file that could not be written."""
    why = f"{path} cannot be written: {error.strerror or error}."
    if error.errno in _FULL:
        return StorageError(why, fix="Free some space there or give another folder, then try again.")
    if error.errno in _FORBIDDEN:
        return ReadOnlyError(why, fix="Make the folder writable, or give another one.")
    return StorageError(why, fix="Give another name or folder.")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # there a folder cannot be opened
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stamp_of_now() -> str:
    """Return the present instant in UTC as text."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
