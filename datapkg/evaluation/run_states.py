"""The states of runs: moving from one to the next, signs of life, and failing those that give none."""

from __future__ import annotations

import datetime as dt
import logging
from uuid import UUID

from datapkg.evaluation.models import Run
from datapkg.evaluation.run_changes import (
    FINAL_RUN_STATUSES,
    RUN_TRANSITIONS,
    all_checked,
    change_run,
    forbidden,
    one_of,
    run_columns,
)
from datapkg.kit.database import current
from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import literal
from datapkg.kit.errors import ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement

__all__ = ["heartbeat_run", "reap_stale_runs", "update_run_status"]

logger = logging.getLogger(__name__)

_WRITTEN = Param("written", Run.updated_at.db_value)
_MOMENT = Param("moment", Run.heartbeat_at.db_value)


def _moving(status: str) -> Statement[Run]:
    """The UPDATE that brings a run to a status from those before it."""
    before = tuple(each for each, following in RUN_TRANSITIONS.items() if status in following)

    def build(dialect: Dialect) -> tuple[str, list[Param]]:
        p = dialect.param
        sets, params = [f"status = {literal(status)}", f"updated_at = {p}"], [_WRITTEN]
        if status == "RUNNING":
            sets += [f"started_at = coalesce(started_at, {p})", f"heartbeat_at = {p}"]
            params += [_MOMENT, _MOMENT]
        if status in FINAL_RUN_STATUSES:
            sets.append(f"finished_at = {p}")
            params.append(_MOMENT)
        if status == "FAILED":
            sets.append(f"error = {p}")
            params.append(Param("error"))
        sql = f"UPDATE runs SET {', '.join(sets)} WHERE id = {p} AND status IN {one_of(before)} RETURNING {run_columns}"
        return sql, [*params, Param("id")]

    return Statement(build, model=Run)


_moves = {status: _moving(status) for status in RUN_TRANSITIONS if status != "PENDING"}


def update_run_status(
    run_id: UUID | str, *, status: str, error: str | None = None, now: dt.datetime | None = None
) -> Run:
    """Bring a run to its next status, in one conditional statement: of two processes at once one succeeds.

    PENDING can become RUNNING, CANCELLED or FAILED; RUNNING can become PAUSED, COMPLETED, FAILED or CANCELLED; PAUSED
    can become RUNNING, FAILED or CANCELLED; the others are final. ``started_at`` is when it was RUNNING first,
    ``heartbeat_at`` starts anew whenever it is RUNNING again, ``finished_at`` is when it came to a final status.

    Args:
        run_id: which run.
        status: the next status.
        error: why it failed, 1 to 10,000 characters; only with ``FAILED``.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such run.
        InvalidTransitionError: its status does not allow it; ``meta`` has ``from``, ``to`` and ``allowed``.
        ValidationError: an argument is not valid.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    def reason() -> None:
        if error is not None and status != "FAILED":
            raise ValidationError({"error": ["Only a run that is FAILED has an error."]})

    what = "change of a run's status"
    key, _, moment, _ = all_checked(
        lambda: as_id_text(run_id, "run_id"),
        lambda: load(schemas.RunStatusChange, {"status": status, "error": error}, what=what),
        lambda: as_instant(now),
        reason,
        what=what,
    )
    move = _moves.get(status)
    run = change_run(
        key,
        lambda: [] if move is None else move.returning(id=key, moment=moment, error=error, written=clock()),
        lambda stored: forbidden(stored, f"become {status}", to=status),
    )
    logger.info("run status changed", extra={"run_id": key, "status": status})
    return run


def _beating(dialect: Dialect) -> tuple[str, list[Param]]:
    p = dialect.param
    sql = (
        f"UPDATE runs SET heartbeat_at = {p}, updated_at = {p} WHERE id = {p} AND status = 'RUNNING' "
        f"RETURNING {run_columns}"
    )
    return sql, [_MOMENT, _WRITTEN, Param("id")]


_beat: Statement[Run] = Statement(_beating, model=Run)


def heartbeat_run(run_id: UUID | str, *, now: dt.datetime | None = None) -> Run:
    """Note a sign of life of a RUNNING run, which keeps ``reap_stale_runs`` from failing it.

    Args:
        run_id: which run.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such run.
        InvalidTransitionError: it is not RUNNING; a worker that gets this has lost the run and should end.
        ValidationError: an argument is not valid.
    """
    key, moment = all_checked(lambda: as_id_text(run_id, "run_id"), lambda: as_instant(now), what="heartbeat of a run")
    return change_run(
        key,
        lambda: _beat.returning(id=key, moment=moment, written=clock()),
        lambda stored: forbidden(stored, "have a heartbeat, which only a RUNNING one has"),
    )


def _reaping(dialect: Dialect) -> tuple[str, list[Param]]:
    p = dialect.param
    last = "coalesce(heartbeat_at, started_at, updated_at)"
    sql = (
        f"UPDATE runs SET status = 'FAILED', finished_at = {p}, updated_at = {p}, "
        f"error = 'No sign of life since ' || {dialect.instant_text(last)} || '.' "
        f"WHERE status = 'RUNNING' AND {last} < {p} RETURNING {run_columns}"
    )
    return sql, [_MOMENT, _WRITTEN, Param("cutoff", Run.heartbeat_at.db_value)]


_reap: Statement[Run] = Statement(_reaping, model=Run)


def reap_stale_runs(*, older_than: dt.timedelta, now: dt.datetime | None = None) -> Rows[Run]:
    """Fail every RUNNING run whose last sign of life is too long ago, such as after its worker was killed.

    The last sign of life is ``heartbeat_at``, else ``started_at``, else ``updated_at``; ``error`` says since when there
    is none. One statement: of two reapers at once each run is reaped by one.

    Args:
        older_than: how long ago the last sign of life has to be, more than nothing.
        now: the present, for tests.

    Returns:
        The runs that this call has failed, newest first.

    Raises:
        ValidationError: the span is not a timedelta, not positive, or leads before the year 1.
    """

    def period() -> dt.timedelta:
        if not isinstance(older_than, dt.timedelta):
            raise ValidationError({"older_than": ["Not a timedelta."]})
        if older_than <= dt.timedelta(0):
            raise ValidationError({"older_than": ["Must be longer than nothing."]})
        return older_than

    moment, span = all_checked(lambda: as_instant(now), period, what="reaping of runs")
    try:
        cutoff = moment - span
    except OverflowError:
        raise ValidationError({"older_than": ["Leads before the year 1."]}, what="reaping of runs") from None
    rows = _reap.returning(moment=moment, written=clock(), cutoff=cutoff)
    reaped = Rows(map(instance_builder(Run, current().dialect), rows), of=Run)
    reaped.sort(key=lambda run: run.id, reverse=True)
    for run in reaped:
        logger.info("run reaped", extra={"run_id": str(run.id), "status": "FAILED"})
    return reaped
