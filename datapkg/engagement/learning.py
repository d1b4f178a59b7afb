"""Learning events: what the system changed about itself, what it expected of that, and what came of it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.engagement.documents import LEARNING_ADJUSTMENT
from datapkg.engagement.experiment_models import LearningEvent
from datapkg.kit.database import run_statement
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "evaluate_learning_event",
    "find_learning_event",
    "get_learning_event",
    "list_learning_events",
    "record_learning_event",
]

logger = logging.getLogger(__name__)

_by_id: Statement[LearningEvent] = Statement(
    lambda _: LearningEvent.select().where(LearningEvent.id == Param("id")), model=LearningEvent
)


def record_learning_event(
    adjustment_type: str,
    *,
    adjustment: Mapping[str, object],
    predicted_improvement: float,
    baseline_performance: float,
    date: dt.date | None = None,
) -> LearningEvent:
    """Record a change and what is expected of it, before anybody knows what comes of it.

    Args:
        adjustment_type: one of ``ADJUSTMENT_TYPES``.
        adjustment: what was changed, any JSON object; kept as ``data`` of a ``learning-adjustment`` document.
        predicted_improvement: what is expected, in the unit of the baseline; negative where it gets worse.
        baseline_performance: how it was before.
        date: the day; left out, today in UTC.

    Raises:
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> record_learning_event("THRESHOLD", adjustment={"composite": {"from": 0.6, "to": 0.55}},
        ...     predicted_improvement=0.02, baseline_performance=0.31)  # doctest: +SKIP
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.NewLearningEvent,
        {
            "adjustment_type": adjustment_type,
            "adjustment": adjustment,
            "predicted_improvement": predicted_improvement,
            "baseline_performance": baseline_performance,
            "date": date,
        },
        what="learning event",
    )
    made = clock()
    columns = {
        **given,
        # PostgreSQL would keep -0.0, and SQLite would not.
        "predicted_improvement": given["predicted_improvement"] + 0.0,
        "baseline_performance": given["baseline_performance"] + 0.0,
        "date": given["date"] or made.date(),
        "adjustment": LEARNING_ADJUSTMENT.validate({"data": given["adjustment"]}, path="adjustment"),
        "created_at": made,
        "updated_at": made,
    }
    event = insert(LearningEvent, columns)
    logger.info("learning event recorded", extra={"learning_event_id": str(event.id)})
    return event


def evaluate_learning_event(
    event_id: UUID | str, *, actual_improvement: float, now: dt.datetime | None = None
) -> LearningEvent:
    """Say what came of a change, once; the accuracy of the prediction follows from it.

    The accuracy is ``1 - |actual - predicted| / max(|actual|, |predicted|)``, at least 0: 1 for a prediction that was
    right, 0.5 for one that was off by the factor 2, 0 for one of the wrong sign.

    Args:
        event_id: which event.
        actual_improvement: what came, in the unit of the prediction.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it was evaluated before; of two at once, one succeeds.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.LearningEvaluation,
        {"event_id": event_id, "actual_improvement": actual_improvement, "now": now},
        what="evaluation of a learning event",
    )
    key: UUID = given["event_id"]
    event = get_learning_event(key)
    actual = given["actual_improvement"] + 0.0
    query = (
        LearningEvent.update(
            actual_improvement=actual,
            accuracy=_accuracy(event.predicted_improvement, actual),
            evaluated_at=as_instant(given["now"]),
        )
        # What the accuracy was computed from is a condition too, against plain SQL in between.
        .where(
            (LearningEvent.id == key)
            & LearningEvent.evaluated_at.is_null()
            & (LearningEvent.predicted_improvement == event.predicted_improvement)
        )
        .returning(LearningEvent)
    )
    written: list[LearningEvent] = run_statement(lambda: list(query.clone().execute()))
    if not written:
        stored = get_learning_event(key)
        raise InvalidTransitionError(
            f"The learning event {key} was evaluated already, with {stored.actual_improvement}.",
            fix="Record another event for what is measured later.",
            actual_improvement=stored.actual_improvement,
        )
    logger.info("learning event evaluated", extra={"learning_event_id": str(key)})
    return written[0]


def _accuracy(predicted: float, actual: float) -> float:
    largest = max(abs(predicted), abs(actual))
    if largest == 0:
        return 1.0
    # Each is divided first: the difference of two large floats may be none.
    return max(0.0, 1 - abs(actual / largest - predicted / largest))


def get_learning_event(event_id: UUID | str) -> LearningEvent:
    """Return a learning event.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    event = find_learning_event(event_id)
    if event is None:
        raise NotFoundError("learning event", event_id)
    return event


def find_learning_event(event_id: UUID | str) -> LearningEvent | None:
    """Return a learning event, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(event_id, "event_id"))


def list_learning_events(
    *,
    adjustment_type: str | None = None,
    evaluated: bool | None = None,
    date_from: dt.date | None = None,
    date_before: dt.date | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[LearningEvent]:
    """Return a page of learning events, newest first.

    Args:
        adjustment_type: only these, one of ``ADJUSTMENT_TYPES``.
        evaluated: only those that were evaluated, or were not.
        date_from: only from this day on.
        date_before: only before this day.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {
        "adjustment_type": adjustment_type,
        "evaluated": evaluated,
        "date_from": date_from,
        "date_before": date_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "adjustment_type": LearningEvent.adjustment_type.__eq__,
        "evaluated": lambda done: LearningEvent.evaluated_at.is_null(not done),
        "date_from": LearningEvent.date.__ge__,
        "date_before": LearningEvent.date.__lt__,
    }
    return list_page(
        LearningEvent, ab_schemas.LearningEventFilters, what="list of learning events", given=given, where=where
    )
