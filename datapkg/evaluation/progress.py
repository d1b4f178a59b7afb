"""How far a run is, counted in SQL so that no process loses another's count."""

from __future__ import annotations

from uuid import UUID

from datapkg.evaluation.documents import RUN_PROGRESS
from datapkg.evaluation.models import Run
from datapkg.evaluation.run_changes import (
    FINAL_RUN_STATUSES,
    all_checked,
    change_run,
    forbidden,
    one_of,
    run_columns,
)
from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import literal
from datapkg.kit.errors import DatapkgError, DocumentError, ValidationError
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now
from datapkg.kit.statements import Param, Statement

__all__ = ["increment_run_progress", "update_run_progress"]

_written, _WRITTEN = Run.updated_at.db_value, Param("written")
_WHAT = "progress of a run"
_MOST = 2**53
_COUNTS = ("total", "completed", "failed")
# Versions that keep their counts under these names, so that the increment understands them.
_UNDERSTOOD = ("0", "1")
# Comparisons, because SQLite makes a table in memory of a list of three, every time.
_GOING_ON = " AND ".join(f"status <> {literal(status)}" for status in FINAL_RUN_STATUSES)


def _incrementing(dialect: Dialect) -> tuple[str, list[Param]]:
    p = dialect.param
    total, completed, failed = (dialect.json_integer("progress", name) for name in _COUNTS)
    counted = dialect.json_with("progress", {"completed": f"{completed} + {p}", "failed": f"{failed} + {p}"})
    # Cheaper than json_version; what is no object has no total either, and so is refused by that.
    version = f"coalesce({dialect.json_member('progress', 'schema_version')}, '0')"
    sql = (
        f"UPDATE runs SET progress = {counted}, heartbeat_at = {p}, updated_at = {p} "
        f"WHERE id = {p} AND {_GOING_ON} AND {version} IN {one_of(_UNDERSTOOD)} "
        f"AND {completed} + {failed} + {p} <= {total} RETURNING {run_columns}"
    )
    return sql, [Param("completed"), Param("failed"), _WRITTEN, _WRITTEN, Param("id"), Param("both")]


_increment: Statement[Run] = Statement(_incrementing, model=Run)


def increment_run_progress(run_id: UUID | str, *, completed: int = 0, failed: int = 0) -> Run:
    """Count transcripts of a run that are done, in one statement: however many processes count, nothing is lost.

    ``completed`` and ``failed`` together never come to more than ``total``. It is also a sign of life, as
    ``heartbeat_run`` is.

    Args:
        run_id: which run.
        completed: how many more are done.
        failed: how many more have failed.

    Raises:
        NotFoundError: there is no such run.
        InvalidTransitionError: the run is COMPLETED, FAILED or CANCELLED.
        ValidationError: a count is no whole number from 0, both are 0, or there would be more than ``total``.
        UnknownSchemaVersionError: the stored progress is newer than this code.
        DocumentError: the stored progress is corrupt.

    Example:
        >>> increment_run_progress(run.id, completed=1).progress["completed"]  # doctest: +SKIP
    """
    if type(completed) is int and type(failed) is int and 0 <= completed <= _MOST and 0 <= failed <= _MOST:
        key, both = as_id_text(run_id, "run_id"), completed + failed  # as the schema would say, in a tenth of the time
    else:
        key, completed, failed = _checked(run_id, completed, failed)
        both = completed + failed
    if not both:
        raise ValidationError({"_schema": ["Give completed or failed, more than 0."]}, what=_WHAT)
    written = _written(now())
    return change_run(
        key,
        lambda: _increment.returning(id=key, completed=completed, failed=failed, both=both, written=written),
        lambda run: _refusal(run, both),
    )


def _checked(run_id: UUID | str, completed: object, failed: object) -> tuple[str, int, int]:
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    key, counts = all_checked(
        lambda: as_id_text(run_id, "run_id"),
        lambda: load(schemas.RunIncrement, {"completed": completed, "failed": failed}, what=_WHAT),
        what=_WHAT,
    )
    return key, counts["completed"], counts["failed"]


def _refusal(run: Run, both: int) -> DatapkgError:
    if run.status in FINAL_RUN_STATUSES:
        return forbidden(run, "make progress")
    stored = run.progress  # refuses what is newer or no object
    for name in _COUNTS:
        if type(stored[name]) not in (int, float):
            return DocumentError(RUN_PROGRESS.name, "a count is no number", path=name)
    total, completed, failed = (stored[name] for name in _COUNTS)
    return ValidationError(
        {"total": [f"Is {total}; {completed + failed} are done already, so that {both} more are too many."]},
        what=_WHAT,
        fix="Count each transcript once, or set the total with update_run_progress.",
    )


def _replacing(dialect: Dialect) -> tuple[str, list[Param]]:
    p = dialect.param
    known = one_of(tuple(map(str, range(RUN_PROGRESS.version + 1))))
    sql = (
        f"UPDATE runs SET progress = {dialect.json_value(p)}, updated_at = {p} WHERE id = {p} AND {_GOING_ON} "
        f"AND {dialect.json_version('progress')} IN {known} RETURNING {run_columns}"
    )
    return sql, [Param("progress", str), _WRITTEN, Param("id")]


_replace: Statement[Run] = Statement(_replacing, model=Run)


def update_run_progress(run_id: UUID | str, *, progress: object) -> Run:
    """Replace a run's progress, for one whose total was not known when it was created.

    What other processes have counted meanwhile is overwritten: to count, use ``increment_run_progress``.

    Args:
        run_id: which run.
        progress: a ``run-progress`` document: ``total``, ``completed`` and ``failed``, in transcripts.

    Raises:
        NotFoundError: there is no such run.
        InvalidTransitionError: the run is COMPLETED, FAILED or CANCELLED.
        ValidationError: with every complaint; ``completed`` and ``failed`` together are at most ``total``.
        UnknownSchemaVersionError: the given or the stored progress is newer than this code.
        DocumentError: the stored progress is corrupt.
    """
    key, text = all_checked(lambda: as_id_text(run_id, "run_id"), lambda: Run.progress.encode(progress), what=_WHAT)

    def refusal(run: Run) -> DatapkgError:
        if run.status not in FINAL_RUN_STATUSES:
            run.__data__["progress"]  # raises what is wrong with a document that may not be overwritten
        return forbidden(run, "make progress")

    return change_run(key, lambda: _replace.returning(id=key, progress=text, written=_written(now())), refusal)
