"""Running again what failed, without doing again what was done."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.evaluation.documents import RUN_PROGRESS
from datapkg.evaluation.models import Run, RunScenario, Transcript
from datapkg.evaluation.run_changes import forbidden, lock_content, lock_run
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import DocumentError, StaleWriteError
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import new_id, now
from datapkg.kit.statements import Param, Statement, insert, insert_many

__all__ = ["retry_run"]

logger = logging.getLogger(__name__)

_RETRIED = ("FAILED", "CANCELLED")

# A transcript may have megabytes.
_BATCH = 100
_COLUMNS = tuple(field.column_name for field in Transcript._meta.sorted_fields)
_ID, _RUN = _COLUMNS.index("id"), _COLUMNS.index("run_id")
_FIRST = "00000000-0000-0000-0000-000000000000"
_KEPT = ("definition", "experiment", "config", "content_sha256", "definition_schema_version")


def _reading(dialect: Dialect) -> tuple[str, list[Any]]:
    p = dialect.param
    columns = ", ".join(map(quote, _COLUMNS))
    sql = f"SELECT {columns} FROM transcripts WHERE run_id = {p} AND id > {p} ORDER BY id LIMIT {_BATCH}"
    return sql, [Param("run"), Param("after")]


_transcripts: Statement[Transcript] = Statement(_reading)
_count: Statement[Transcript] = Statement(
    lambda dialect: (f"SELECT count(*) FROM transcripts WHERE run_id = {dialect.param}", [Param("run")])
)
_selection: Statement[RunScenario] = Statement(
    lambda dialect: (
        f"SELECT scenario_id, position FROM run_scenario_selection WHERE run_id = {dialect.param} ORDER BY position",
        [Param("run")],
    )
)


def retry_run(run_id: UUID | str) -> Run:
    """Create a PENDING run that goes on where a FAILED or CANCELLED one ended, in one transaction; the old one stays.

    The new run has the same definition, experiment, config (the seed included), pinned hash and version, and the same
    sample. The transcripts of the old run are copied as they are stored, whatever version their documents are of: only
    their keys and their run are new. ``progress`` has the old total (or, where there are more transcripts than that,
    their number), what was copied as completed, and nothing failed. What is left to do is what
    ``missing_transcripts`` says.

    Args:
        run_id: the run that failed or was cancelled.

    Raises:
        NotFoundError: there is no such run.
        InvalidTransitionError: the run is neither FAILED nor CANCELLED.
        StaleWriteError: the definition's content is no longer what the run has pinned.
        UnknownSchemaVersionError: the old run's progress is newer than this code.
        DocumentError: the old run's progress, or the definition's content, is corrupt.
        ValidationError: the key is not a UUID.
    """
    key = as_id_text(run_id, "run_id")

    @run_in_transaction
    def retry() -> tuple[Run, int]:
        old = lock_run(key)
        if old.status not in _RETRIED:
            raise forbidden(
                old,
                "be retried",
                fix=f"Retry a run that is {' or '.join(_RETRIED)}, or make a new one with create_run.",
            )
        _, sha256 = lock_content(old.definition_id)
        if sha256 != old.content_sha256:
            raise StaleWriteError(
                f"The content of the definition {old.definition_id} is no longer what the run {key} has pinned.",
                fix="Make a new run with create_run; transcripts of the two contents must not be mixed.",
                run_id=key,
                definition_id=str(old.definition_id),
                pinned=old.content_sha256,
                found=sha256,
            )
        # Whoever writes a transcript locks the run's row too, so that none is added from here on.
        copied = _count.tuples(run=key)[0][0]
        stored = old.__data__.copy()  # the config stays text
        made = now()
        run = insert(
            Run,
            {
                **{name: stored[name] for name in _KEPT},
                "id": new_id(),
                "progress": {"total": max(_total(old), copied), "completed": copied, "failed": 0},
                "created_at": made,
                "updated_at": made,
            },
        )
        selection = (
            {"id": new_id(), "run": run.id, "scenario": scenario, "position": position, "created_at": made}
            for scenario, position in _selection.tuples(run=key)
        )
        insert_many(RunScenario, selection)
        _copy_transcripts(key, str(run.id))
        return run, copied

    run, copied = retry()
    logger.info("run retried", extra={"run_id": str(run.id), "retry_of": key, "transcripts": copied})
    return run


def _total(run: Run) -> int:
    total = run.progress["total"]
    if type(total) is not int:
        raise DocumentError(RUN_PROGRESS.name, "the total is no whole number", path="total")
    return total


def _copy_transcripts(source: str, target: str) -> None:
    """Copy the transcripts of a run to another as they are stored, a few at a time, inside the caller's transaction."""
    database = current()
    after = _FIRST
    while rows := _transcripts.tuples(run=source, after=after):
        after = rows[-1][_ID]
        copies = []
        for row in rows:
            copy = list(row)
            copy[_ID], copy[_RUN] = str(new_id()), target
            copies.append(copy)
        database.insert_rows("transcripts", _COLUMNS, copies)
