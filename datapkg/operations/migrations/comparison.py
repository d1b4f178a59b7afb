"""What a database has been through and what it lacks; only looks, and never creates a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from datapkg.kit.database import current
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import MigrationError, SchemaAheadError
from datapkg.kit.markup import badge, html_table
from datapkg.kit.results import Rows
from datapkg.operations.migrations.environments import environment
from datapkg.operations.migrations.files import BUILT_IN, History, MigrationFile, histories, scan
from datapkg.operations.migrations.history import Applied, applied, has_books, is_missing, other_tables

__all__ = ["Comparison", "Entry", "State", "Status", "check", "compare", "label", "status"]

State = Literal["missing", "empty", "foreign", "unmigrated", "ahead", "edited", "behind", "current"]


@dataclass(frozen=True)
class Entry:
    """An applied migration.

    Attributes:
        name: its name; before that of a history other than the built-in one, the history's: ``mine: 001_first``.
        applied_at: when.
    """

    name: str
    applied_at: datetime


@dataclass(frozen=True)
class Status:
    """A database beside the code.

    Attributes:
        engine: ``sqlite`` or ``postgresql``.
        url: without the password.
        state: ``missing`` (no such SQLite file), ``empty`` (no tables), ``foreign`` (tables, none of ours),
            ``unmigrated`` (ours, nothing applied), ``ahead`` (applied migrations that this code does not know),
            ``edited`` (an applied file has changed), ``behind`` (something is pending) or ``current``.
        environment: its stamp, such as ``production``.
        applied: migrations, in order.
        pending: names of migrations, in order; named as in :class:`Entry`, as are the others.
        unknown: applied, but not in the code.
        edited: applied, and their files changed since.
        late: pending, though a higher number of their history is applied.
    """

    engine: str
    url: str
    state: State
    environment: str
    applied: Rows[Entry]
    pending: list[str]
    unknown: list[str]
    edited: list[str]
    late: list[str]

    def rows(self) -> Rows[dict[str, object]]:
        """Return a row for each migration: ``migration``, ``state`` and ``applied_at`` (None where it is not)."""
        changed = {**dict.fromkeys(self.edited, "edited"), **dict.fromkeys(self.unknown, "unknown")}
        found: list[dict[str, object]] = [
            {"migration": each.name, "state": changed.get(each.name, "applied"), "applied_at": each.applied_at}
            for each in self.applied
        ]
        found += [
            {"migration": name, "state": "late" if name in self.late else "pending", "applied_at": None}
            for name in self.pending
        ]
        return Rows(found, of={"migration": str, "state": str, "applied_at": datetime | None})

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON-ready values."""
        applied = [{"name": each.name, "applied_at": each.applied_at.isoformat()} for each in self.applied]
        return {**asdict(self), "applied": applied}

    def _heading(self) -> str:
        return f"{self.url}: {self.state}, environment {self.environment}"

    def __str__(self) -> str:
        return f"{self._heading()}\n\n{self.rows()!r}"

    def _repr_html_(self) -> str:
        tones = {"applied": "good", "pending": "doubtful", "late": "doubtful"}
        rows = [
            (row["migration"], badge(str(row["state"]), tones.get(str(row["state"]), "bad")), row["applied_at"])
            for row in self.rows()
        ]
        return html_table(("migration", "state", "applied_at"), rows, caption=self._heading())


def label(history: str, name: str) -> str:
    """Return a migration's name as people see it."""
    return name if history == BUILT_IN else f"{history}: {name}"


@dataclass(frozen=True)
class Comparison:
    """One history's files beside its rows.

    Attributes:
        files: the files, in order.
        done: the files that were applied, in order.
        pending, edited, late: files; see :class:`Status`.
        unknown: rows without a file.
    """

    files: Sequence[MigrationFile]
    done: Sequence[MigrationFile]
    pending: Sequence[MigrationFile]
    edited: Sequence[MigrationFile]
    late: Sequence[MigrationFile]
    unknown: Sequence[Applied]


def compare(history: History, rows: Sequence[Applied]) -> Comparison:
    """Compare a history's folder with the rows of the history table."""
    files = scan(history)
    hashes = {row.name: row.sha256 for row in rows if row.history == history.name}
    names = {file.name for file in files}
    done = [file for file in files if file.name in hashes]
    pending = [file for file in files if file.name not in hashes]
    newest = max(hashes, default="")
    return Comparison(
        files=files,
        done=done,
        pending=pending,
        edited=[file for file in done if file.sha256 != hashes[file.name]],
        late=[file for file in pending if file.name < newest],
        unknown=[row for row in rows if row.history == history.name and row.name not in names],
    )


def check(compared: Comparison) -> None:
    """Refuse a history that cannot be migrated.

    Raises:
        SchemaAheadError: the database knows migrations that the code does not.
        MigrationError: an applied file was edited, or a pending one has a lower number than an applied one.
    """
    if compared.unknown:
        names = ", ".join(row.name for row in compared.unknown)
        raise SchemaAheadError(f"The database has been through migrations that this code does not know: {names}.")
    for file in compared.edited:
        raise MigrationError(
            f"{file.path.name} was edited after it had been applied to this database.",
            fix=f"Undo the edit and write a new migration; if the database is as the file says now, "
            f"run `datapkg migrate --resolve-applied {file.name}`.",
            file=str(file.path),
        )
    for file in compared.late:
        raise MigrationError(
            f"{file.path.name} has a lower number than a migration that this database has been through already.",
            fix=f"Give it the next free number; if its changes are there already, "
            f"run `datapkg migrate --resolve-applied {file.name}`.",
            file=str(file.path),
        )


def status(*, database: KitDatabase | None = None) -> Status:
    """Return how the database stands beside this code. It only looks.

    Args:
        database: instead of the database in force.

    Raises:
        DatabaseUnavailableError: the server cannot be reached.
        MigrationError: a migrations folder is missing.
    """
    database = database or current()
    missing = is_missing(database)
    rows = [] if missing else applied(database)
    seen: list[Entry] = []
    names: dict[str, list[str]] = {name: [] for name in ("pending", "unknown", "edited", "late")}
    for history in histories():
        compared = compare(history, rows)
        # Applied ones in the order of their names, known or not, as the history has them.
        mine = sorted((row for row in rows if row.history == history.name), key=lambda row: row.name)
        seen += [Entry(label(history.name, row.name), row.applied_at) for row in mine]
        for kind, listed in names.items():
            listed += [label(history.name, each.name) for each in getattr(compared, kind)]
    state: State = "current"
    if missing:
        state = "missing"
    elif not has_books(database):
        state = "foreign" if other_tables(database) else "empty"
    elif names["unknown"]:
        state = "ahead"
    elif not rows:
        state = "unmigrated"
    elif names["edited"]:
        state = "edited"
    elif names["pending"]:
        state = "behind"
    return Status(
        engine=database.dialect.name,
        url=database.url,
        state=state,
        environment=environment(database=database),
        applied=Rows(seen, of=Entry),
        **names,
    )
