"""Moving a legacy database into the script store: everything is checked before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from datapkg.kit import failpoints
from datapkg.kit.database import lock, run_in_transaction
from datapkg.kit.errors import StaleWriteError, ValidationError
from datapkg.kit.models import now
from datapkg.kit.statements import insert
from datapkg.scripts.legacy.checks import check
from datapkg.scripts.legacy.elements import write_elements
from datapkg.scripts.legacy.grouping import group_scripts
from datapkg.scripts.legacy.keys import Keys
from datapkg.scripts.legacy.mapping import MappingSource, read_mapping
from datapkg.scripts.legacy.people import resolve_users, write_messages, write_sessions, write_users
from datapkg.scripts.legacy.report import STAGES, BackfillReport, Violation
from datapkg.scripts.legacy.sources import open_source
from datapkg.scripts.legacy.staging import Staging
from datapkg.scripts.legacy.texts import write_scripts, write_versions
from datapkg.scripts.models import BackfillProgress

__all__ = ["BackfillReport", "Violation", "backfill", "count_legacy_rows"]

logger = logging.getLogger(__name__)

_Progress = Callable[[int], None]

KEPT = "users that were there already, kept as they are"
ENDED = "sessions, imported as ended: their tokens are not taken over"

_WRITERS: dict[str, tuple[Callable[[Staging, Keys, _Progress], int], tuple[str, ...]]] = {
    "users": (write_users, ("users",)),
    "sessions": (write_sessions, ("sessions",)),
    "chat_messages": (write_messages, ("chat_messages",)),
    "scripts": (write_scripts, ("scripts",)),
    "versions": (write_versions, ("script_versions", "script_edits")),
    "elements": (write_elements, ("script_elements", "personas")),
}
"""What writes each stage, and the legacy tables that it deals with."""


def backfill(
    source_url: str,
    *,
    dry_run: bool = False,
    mapping: MappingSource | None = None,
    progress: _Progress | None = None,
) -> BackfillReport:
    """Move a legacy database into the script store: its users, sessions, chat messages, scripts and their versions.

    The source is only read, in one state of it. A first pass reads and checks everything, and ends with every
    complaint there is. A second pass writes stage by stage, each in a transaction of its own and read back before it
    is committed; after a kill the same call goes on with the first stage that was not committed. Inside the caller's
    transaction, as in a data migration, all of it is undone with that.

    Args:
        source_url: ``sqlite:///legacy.db``, ``postgresql://…``, ``mysql://…`` or ``mariadb://…`` (the last two need
            ``pip install pymysql``).
        dry_run: read and check alone; violations are in the report then, and nothing is raised for them.
        mapping: other names of tables and columns, as a mapping or the path of a JSON file with one.
        progress: called with the number of legacy rows dealt with since the last call; each row counts twice, once
            for reading and once for writing.

    Returns:
        What was read, decided and written.

    Raises:
        ValidationError: the legacy database breaks rules, with every complaint as ``scripts.17``; or the mapping is
            not valid. Nothing is written.
        StaleWriteError: the source changed since a backfill from it began, or what was written reads otherwise.
        ConfigurationError: the URL cannot be used, or its driver is missing.
        DatabaseUnavailableError: the source cannot be reached.
        StorageError: the source is damaged.

    Example:
        >>> backfill("mysql://reader:secret@db.example/plays", dry_run=True).ok  # doctest: +SKIP
        True
    """
    tell = progress if progress is not None else _nobody
    with Staging(read_mapping(mapping)) as staging:
        with open_source(source_url) as source:
            name = source.name
            staging.copy(source, tell)
        total, violations = staging.violations()
        if not total or staging.read:  # without its tables there is nothing to check
            group_scripts(staging)
            check(staging)
            total, violations = staging.violations()
        if total:
            report = BackfillReport(
                source=name,
                dry_run=dry_run,
                read=staging.read,
                notes=staging.notes,
                violations=violations,
                total_violations=total,
            )
            if dry_run:
                return report
            raise ValidationError(_by_place(violations), what=f"legacy database ({_complaints(total, violations)})")
        fingerprint = staging.fingerprint()
        failpoints.reach("backfill.validated")
        written: dict[str, int] = {}
        resumed: tuple[str, ...] = ()
        if not dry_run:
            written, resumed = _write(staging, name, fingerprint, tell)
        logger.info("backfill done", extra={"source": name, "dry_run": dry_run, "written": written})
        return BackfillReport(
            source=name,
            fingerprint=fingerprint,
            dry_run=dry_run,
            read=staging.read,
            written=written,
            resumed=resumed,
            notes=staging.notes,
        )


def count_legacy_rows(source_url: str, *, mapping: MappingSource | None = None) -> int:
    """Return how many rows of a legacy database a backfill reads.

    Args:
        source_url: as for :func:`backfill`.
        mapping: as for :func:`backfill`.

    It raises the same errors as :func:`backfill`, but for those about its rows.
    """
    layout = read_mapping(mapping)
    with open_source(source_url) as source:
        tables = [each.table for each in layout.tables.values() if source.columns(each.table) is not None]
        return sum(map(source.count, tables))


def _nobody(count: int) -> None:
    """Be told of progress that nobody asked for."""


def _by_place(violations: tuple[Violation, ...]) -> Mapping[str, list[str]]:
    places: dict[str, list[str]] = {}
    for each in violations:
        places.setdefault(each.place, []).append(each.message)
    return places


def _complaints(total: int, violations: tuple[Violation, ...]) -> str:
    many = f"{total:,} complaints" if total > 1 else "1 complaint"
    return many if total == len(violations) else f"{many}, the first {len(violations):,} are listed"


def _write(
    staging: Staging, source: str, fingerprint: str, progress: _Progress
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Write every stage that is not written yet; return the rows of each, and the stages that were there."""
    began = now()
    written: dict[str, int] = {}
    resumed: list[str] = []
    keys: Keys | None = None
    for stage in STAGES:
        notes = dict(staging.notes)

        @run_in_transaction
        def write(
            stage: str = stage, given: Keys | None = keys, notes: Mapping[str, int] = notes
        ) -> tuple[Keys, int | None]:
            staging.notes = dict(notes)  # the transaction may be tried again
            lock(f"backfill:{source}")
            lock(f"backfill:{fingerprint}")
            done = _stages_done(source, fingerprint)
            found = given
            if found is None:
                first = done.get(STAGES[0])
                found = Keys(fingerprint, began if first is None else first.created_at)
                found.assign(staging)
                if first is not None:
                    resolve_users(staging)
            if stage in done:
                return found, None
            return found, _write_stage(staging, found, stage, source, progress)

        keys, rows = write()
        if rows is None:
            resumed.append(stage)
            progress(_legacy_rows(staging, stage))
        else:
            written[stage] = rows
            if stage == "users":
                staging.note(KEPT, staging.read.get("users", 0) - rows)
            elif stage == "sessions":
                staging.note(ENDED, rows)
        failpoints.reach(f"backfill.after_{stage}")
    return written, tuple(resumed)


def _write_stage(staging: Staging, keys: Keys, stage: str, source: str, progress: _Progress) -> int:
    rows = _WRITERS[stage][0](staging, keys, progress)
    insert(
        BackfillProgress,
        {
            "fingerprint": keys.fingerprint,
            "source": source,
            "stage": stage,
            "legacy_rows": _legacy_rows(staging, stage),
            "done_at": now(),
            "created_at": keys.began,
        },
    )
    failpoints.reach("backfill.mid_stage")
    return rows


def _legacy_rows(staging: Staging, stage: str) -> int:
    return sum(staging.read.get(table, 0) for table in _WRITERS[stage][1])


def _stages_done(source: str, fingerprint: str) -> dict[str, Any]:
    """Return the stages of this backfill that are committed.

    Raises:
        StaleWriteError: the source was read with another content by an earlier backfill.
    """
    rows = list(BackfillProgress.select().where(BackfillProgress.fingerprint == fingerprint))
    other = BackfillProgress.select().where(
        (BackfillProgress.source == source) & (BackfillProgress.fingerprint != fingerprint)
    )
    if not rows and (earlier := other.first()) is not None:
        raise StaleWriteError(
            f"The legacy database {source} changed since a backfill from it began on {earlier.created_at:%Y-%m-%d}.",
            fix="Restore it as it was and run the backfill again; or undo what was written, and delete its rows of "
            "backfill_progress.",
            source=source,
            earlier_fingerprint=earlier.fingerprint,
            fingerprint=fingerprint,
        )
    return {row.stage: row for row in rows}
