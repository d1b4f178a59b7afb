"""The backup that is taken before production is migrated."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

from datapkg.kit.engines import KitDatabase, SqliteFileDatabase
from datapkg.kit.errors import DatapkgError, MigrationError
from datapkg.operations.backups import BackupReport, write_backup
from datapkg.operations.migrations.files import BUILT_IN
from datapkg.operations.migrations.history import applied

__all__ = ["FOLDER_VARIABLE", "backup_before", "folder_for"]

FOLDER_VARIABLE = "DATAPKG_BACKUP_FOLDER"
"""The environment variable that names the folder where no option does."""


def folder_for(database: KitDatabase, given: str | os.PathLike[str] | None = None) -> Path:
    """Return where such backups go: the folder given, that of the environment variable, or ``backups``.

    The last lies beside a SQLite file, for a server in the working directory.
    """
    chosen = given or os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(os.path.abspath(chosen))
    beside = Path(database.database).parent if isinstance(database, SqliteFileDatabase) else Path.cwd()
    return beside / "backups"


def backup_before(action: str, database: KitDatabase, *, folder: str | os.PathLike[str] | None = None) -> BackupReport:
    """Write a backup inside the migration's transaction, before it has changed anything.

    Args:
        action: what is about to be done: ``migrate``.
        database: in that transaction.
        folder: where, instead of the usual place; it is made if it is missing.

    Raises:
        MigrationError: it could not be made, and nothing was migrated.
    """
    chosen = folder_for(database, folder)
    try:
        try:
            chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise MigrationError(f"{chosen} cannot be made: {error.strerror or error}.", fix="") from error
        return write_backup(_free_name(chosen, database), database, locked=True)
    except DatapkgError as error:
        raise MigrationError(
            f"No backup could be made before `{action}` in production: {error.why}",
            fix=f"{error.fix} Or name another folder with --backup-folder, or take a backup by other means and repeat "
            "with --no-backup --i-know-this-is production.".lstrip(),
            reason=error.code,
        ) from error


def _free_name(folder: Path, database: KitDatabase) -> Path:
    at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    revision = next((row.name for row in reversed(applied(database)) if row.history == BUILT_IN), "none")
    name = re.sub(r"[^\w.-]", "_", Path(database.database).stem)[:80]
    path, number = folder / f"{name}-{revision}-{at}.backup", 1
    while path.exists():  # several in one second
        number += 1
        path = folder / f"{name}-{revision}-{at}-{number}.backup"
    return path
