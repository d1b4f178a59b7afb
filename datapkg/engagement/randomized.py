"""Randomized decisions: the mode was drawn instead of chosen, to learn what choosing is worth."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.engagement.oversight_models import RandomizedExperiment
from datapkg.kit.database import run_statement
from datapkg.kit.errors import ConflictError, InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "find_randomized_experiment",
    "get_randomized_experiment",
    "list_randomized_experiments",
    "record_randomized_experiment",
    "record_randomized_outcome",
]

logger = logging.getLogger(__name__)

_by_id: Statement[RandomizedExperiment] = Statement(
    lambda _: RandomizedExperiment.select().where(RandomizedExperiment.id == Param("id")), model=RandomizedExperiment
)


def record_randomized_experiment(
    decision_id: UUID | str,
    *,
    predicted_mode: str,
    actual_mode: str,
    predicted_outcome: float | None = None,
) -> RandomizedExperiment:
    """Record that a decision's mode was drawn; the record outlives the decision.

    Args:
        decision_id: the decision.
        predicted_mode: the mode without the draw, one of ``OPERATIONAL_MODES``.
        actual_mode: the mode that was drawn; it may be the same.
        predicted_outcome: what is expected, a figure of yours.

    Raises:
        NotFoundError: there is no such decision.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.NewRandomizedExperiment,
        {
            "decision_id": decision_id,
            "predicted_mode": predicted_mode,
            "actual_mode": actual_mode,
            "predicted_outcome": predicted_outcome,
        },
        what="randomized experiment",
    )
    key = given.pop("decision_id")
    if given["predicted_outcome"] is not None:
        given["predicted_outcome"] += 0.0  # PostgreSQL would keep -0.0, and SQLite would not
    made = now()
    try:
        row = insert(RandomizedExperiment, {**given, "decision": key, "created_at": made, "updated_at": made})
    except ConflictError as error:  # the reference is the one constraint that checked columns can break
        raise NotFoundError("decision", key) from error
    logger.info("randomized experiment recorded", extra={"randomized_experiment_id": str(row.id)})
    return row


def record_randomized_outcome(randomized_id: UUID | str, *, actual_outcome: float) -> RandomizedExperiment:
    """Say what came of a randomized decision; the same figure again changes nothing.

    Args:
        randomized_id: the randomized experiment.
        actual_outcome: what came, in the unit of the prediction.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it has another outcome.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.RandomizedOutcome,
        {"randomized_id": randomized_id, "actual_outcome": actual_outcome},
        what="outcome of a randomized experiment",
    )
    key, outcome = given["randomized_id"], given["actual_outcome"] + 0.0
    query = RandomizedExperiment.update(actual_outcome=outcome).where(
        (RandomizedExperiment.id == key) & RandomizedExperiment.actual_outcome.is_null()
    )
    written = run_statement(lambda: query.clone().execute())
    stored = get_randomized_experiment(key)
    if not written and stored.actual_outcome != outcome:
        raise InvalidTransitionError(
            f"The randomized experiment {key} has the outcome {stored.actual_outcome} already.",
            fix="Record an outcome once, when it is final.",
            actual_outcome=stored.actual_outcome,
        )
    return stored


def get_randomized_experiment(randomized_id: UUID | str) -> RandomizedExperiment:
    """Return a randomized experiment.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    row = find_randomized_experiment(randomized_id)
    if row is None:
        raise NotFoundError("randomized experiment", randomized_id)
    return row


def find_randomized_experiment(randomized_id: UUID | str) -> RandomizedExperiment | None:
    """Return a randomized experiment, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(randomized_id, "randomized_id"))


def list_randomized_experiments(
    *,
    decision_id: UUID | str | None = None,
    predicted_mode: str | None = None,
    actual_mode: str | None = None,
    has_outcome: bool | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[RandomizedExperiment]:
    """Return a page of randomized experiments, newest first.

    Args:
        decision_id: only of this decision.
        predicted_mode: only those whose mode would have been this.
        actual_mode: only those whose mode was this.
        has_outcome: only those that have an outcome, or have none.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {
        "decision_id": decision_id,
        "predicted_mode": predicted_mode,
        "actual_mode": actual_mode,
        "has_outcome": has_outcome,
        "limit": limit,
        "after": after,
    }
    where = {
        "decision_id": RandomizedExperiment.decision.__eq__,
        "predicted_mode": RandomizedExperiment.predicted_mode.__eq__,
        "actual_mode": RandomizedExperiment.actual_mode.__eq__,
        "has_outcome": lambda there: RandomizedExperiment.actual_outcome.is_null(not there),
    }
    return list_page(
        RandomizedExperiment,
        ab_schemas.RandomizedExperimentFilters,
        what="list of randomized experiments",
        given=given,
        where=where,
    )
