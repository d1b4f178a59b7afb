"""How features leave a worker's hands, and what people do with them: complete, fail, stop, retry, submit."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.kit.columns import load_columns
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.errors import InvalidTransitionError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert
from datapkg.workqueue.claims import RELEASED, held_row
from datapkg.workqueue.history import record_transition
from datapkg.workqueue.models import ExecutionMetric, Feature, RoiMetric
from datapkg.workqueue.references import FeatureRef, Ref, as_ref, locked_row, update_row

__all__ = ["complete", "fail", "retry", "stop", "submit"]

logger = logging.getLogger(__name__)


def complete(
    feature: FeatureRef,
    *,
    claim_token: UUID | str | None,
    result_data: str | None = None,
    execution_log: str | None = None,
    metrics: Mapping[str, object] | None = None,
    roi: Mapping[str, object] | None = None,
    now: dt.datetime | None = None,
) -> Feature:
    """Complete a claimed feature, in one transaction with its metrics; those that wait for it may now be ready.

    Args:
        feature: which.
        claim_token: the claim's; None, as a feature has that nobody has claimed, is refused.
        result_data: what came out, usually Markdown, up to 10,000,000 characters.
        execution_log: the raw log, as long.
        metrics: the columns of ``execution_metrics``: ``total_cost_usd`` (exact: text, a ``Decimal`` or a whole
            number), ``duration_seconds``, ``success_rate`` (0 to 100), ``ready_for_production``, ``prompt_tokens``,
            ``completion_tokens``, ``cached_tokens``, ``agents_used`` (``[{"role", "cost"}, …]``).
        roi: the columns of ``roi_metrics``, each of them optional: ``files_modified``, ``git_branch``,
            ``tools_called``, ``estimated_human_hours_saved`` (exact).
        now: the present, for tests.

    Raises:
        LeaseLostError: the claim was taken over, released or stopped; nothing is written.
        NotFoundError: there is no such feature.
        ValidationError: with every complaint about all arguments; paths as ``metrics.total_cost_usd``.
    """
    from datapkg.workqueue import schemas

    ref, moment = as_ref(feature), as_instant(now)
    given = _given(claim_token=claim_token, result_data=result_data, execution_log=execution_log)
    problems: dict[str, list[str]] = {}
    columns = _checked(problems, Feature, schemas.Result, given)
    measured = None if metrics is None else _checked(problems, ExecutionMetric, schemas.Metrics, metrics, "metrics")
    worth = None if roi is None else _checked(problems, RoiMetric, schemas.Roi, roi, "roi")
    if problems:
        raise ValidationError(problems, what="completion")
    token = columns["claim_token"]

    @run_in_transaction
    def finish() -> Feature:
        row = held_row(ref, token)
        values = {
            "status": "COMPLETED",
            "result_data": result_data,
            "execution_log": execution_log,
            "finished_at": moment,
            "updated_at": moment,
            **RELEASED,
        }
        changed = _change(row, values, actor=row.claimed_by, note=None, moment=moment)
        # A statement of its own: it sees the dependencies that were added while this one waited for the row.
        _unblock(row, moment)
        for model, columns in ((ExecutionMetric, measured), (RoiMetric, worth)):
            if columns is not None:
                insert(model, {**columns, "id": new_id(), "created_at": moment, "feature": row.id})
        return changed

    row = finish()
    logger.info("feature completed", extra={"feature_number": row.feature_number})
    return row


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _checked(
    problems: dict[str, list[str]], model: Any, schema: Any, given: Mapping[str, Any], path: str = ""
) -> dict[str, Any]:
    """Return checked columns; complaints are put to the others, under the path of the argument."""
    documents: dict[str, object] = {}
    if path == "metrics" and isinstance(given, Mapping):
        given = dict(given)
        documents["agents_used"] = given.pop("agents_used", None)
    try:
        return load_columns(model, schema, given=given, documents=documents, what="completion")
    except ValidationError as error:
        for name, why in error.errors.items():
            problems[path if name == "_schema" else f"{path}.{name}" if path else name] = why
    return {}


def _change(
    row: Feature, values: Mapping[str, Any], *, actor: str | None, note: str | None, moment: dt.datetime
) -> Feature:
    """Write a locked feature and its change of status."""
    changed = update_row(Ref("id", str(row.id)), values)
    assert changed is not None, "the row is locked"
    record_transition(row, row.status, changed.status, actor=actor, note=note, moment=moment)
    return changed


def _unblock(row: Feature, moment: dt.datetime) -> None:
    """Take one off the count of every feature that waits for this one; locked in the order of their keys."""
    database = current()
    p = database.dialect.param
    database.change(
        "WITH waiting AS MATERIALIZED (SELECT f.id FROM feature_queue f WHERE f.id IN "
        f"(SELECT e.feature_id FROM feature_dependencies e WHERE e.depends_on_id = {p}) "
        f"ORDER BY f.id{database.dialect.for_update}) "
        f"UPDATE feature_queue SET unmet_dependencies = unmet_dependencies - 1, updated_at = {p} "
        "WHERE id IN (SELECT id FROM waiting) AND unmet_dependencies > 0",
        (str(row.id), Feature.updated_at.db_value(moment)),
    )


def fail(
    feature: FeatureRef,
    *,
    claim_token: UUID | str | None,
    kind: str = "ERROR",
    note: str | None = None,
    retry: bool = False,
    result_data: str | None = None,
    execution_log: str | None = None,
    now: dt.datetime | None = None,
) -> Feature:
    """End an attempt that failed: the feature is FAILED, or with ``retry`` PENDING again while attempts are left.

    Args:
        feature: which.
        claim_token: the claim's; None, as a feature has that nobody has claimed, is refused.
        kind: ``ERROR`` or ``TIMEOUT``.
        note: why, up to 2,000 characters; kept in the history.
        retry: let another claim try again, unless this attempt was the last of ``max_attempts``.
        result_data: what came out all the same.
        execution_log: the raw log.
        now: the present, for tests.

    Raises:
        LeaseLostError: the claim was taken over, released or stopped; nothing is written.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    ref, moment = as_ref(feature), as_instant(now)
    given = _given(claim_token=claim_token, result_data=result_data, execution_log=execution_log, note=note)
    token = load(schemas.Failure, {**given, "kind": kind, "retry": retry}, what="failure")["claim_token"]
    assert isinstance(token, UUID)

    @run_in_transaction
    def end() -> Feature:
        row = held_row(ref, token)
        again = retry and row.attempt < row.max_attempts
        ended = {"status": "FAILED", "failure_kind": kind, "finished_at": moment}
        values = {
            **({"status": "PENDING"} if again else ended),
            "result_data": result_data,
            "execution_log": execution_log,
            "updated_at": moment,
            **RELEASED,
        }
        return _change(row, values, actor=row.claimed_by, note=note, moment=moment)

    row = end()
    logger.info("attempt failed", extra={"feature_number": row.feature_number, "status": row.status})
    return row


def stop(
    feature: FeatureRef, *, actor: str | None = None, note: str | None = None, now: dt.datetime | None = None
) -> Feature:
    """Stop a feature by hand: PENDING or IN_PROGRESS, it is FAILED with ``STOPPED``; a claim of it is lost.

    Args:
        feature: which.
        actor: who stops it, 1 to 200 characters.
        note: why, up to 2,000 characters.
        now: the present, for tests.

    Raises:
        InvalidTransitionError: it is neither.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    return _by_hand(
        feature,
        from_statuses=("PENDING", "IN_PROGRESS"),
        to={"status": "FAILED", "failure_kind": "STOPPED", **RELEASED},
        finished=True,
        verb="stopped",
        who=(actor, note, now),
    )


def retry(
    feature: FeatureRef, *, actor: str | None = None, note: str | None = None, now: dt.datetime | None = None
) -> Feature:
    """Put a FAILED feature back into the queue: PENDING, with all of its attempts to use anew.

    Args:
        feature: which.
        actor: who asks for it, 1 to 200 characters.
        note: why, up to 2,000 characters.
        now: the present, for tests.

    Raises:
        InvalidTransitionError: it is not FAILED.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    return _by_hand(
        feature,
        from_statuses=("FAILED",),
        to={"status": "PENDING", "failure_kind": None, "finished_at": None, "attempt": 0},
        finished=False,
        verb="retried",
        who=(actor, note, now),
    )


def submit(
    feature: FeatureRef, *, actor: str | None = None, note: str | None = None, now: dt.datetime | None = None
) -> Feature:
    """Put a DRAFT into the queue: PENDING.

    Args:
        feature: which.
        actor: who submits it, 1 to 200 characters.
        note: why, up to 2,000 characters.
        now: the present, for tests.

    Raises:
        InvalidTransitionError: it is no DRAFT.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    return _by_hand(
        feature,
        from_statuses=("DRAFT",),
        to={"status": "PENDING"},
        finished=False,
        verb="submitted",
        who=(actor, note, now),
    )


def _by_hand(
    feature: FeatureRef,
    *,
    from_statuses: tuple[str, ...],
    to: Mapping[str, Any],
    finished: bool,
    verb: str,
    who: tuple[str | None, str | None, dt.datetime | None],
) -> Feature:
    """Change a feature's status without a claim."""
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    actor, note, now = who
    load(schemas.Note, _given(actor=actor, note=note), what="change of status")
    ref, moment = as_ref(feature), as_instant(now)

    @run_in_transaction
    def change() -> Feature:
        row = locked_row(ref)
        if row.status not in from_statuses:
            raise InvalidTransitionError(
                f"{row.label} is {row.status}; only what is {' or '.join(from_statuses)} can be {verb}.",
                fix="Look at what happened to it with list_transitions, or explain.",
                status=row.status,
            )
        values = {**to, "updated_at": moment, **({"finished_at": moment} if finished else {})}
        return _change(row, values, actor=actor, note=note, moment=moment)

    row = change()
    logger.info(f"feature {verb}", extra={"feature_number": row.feature_number})
    return row
