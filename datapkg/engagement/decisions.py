"""Decisions: how a post was judged, and what to do about it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from datapkg.engagement.authors import refuse_anonymised
from datapkg.engagement.held import locked_post
from datapkg.engagement.models import Decision
from datapkg.kit.columns import load_columns
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["delete_decision", "find_decision", "get_decision", "list_decisions", "record_decision"]

logger = logging.getLogger(__name__)

ENTITY = "decision"
_SCORES = ("sss_score", "ars_score", "evs_score", "trs_score", "composite_score")

_by_id: Statement[Decision] = Statement(lambda _: Decision.select().where(Decision.id == Param("id")), model=Decision)


def record_decision(
    post_id: UUID | str,
    *,
    sss_score: float,
    ars_score: float,
    evs_score: float,
    trs_score: float,
    composite_score: float,
    mode: str,
    archetype: str | None = None,
    safety_flags: Sequence[str] | None = None,
    signals: Mapping[str, object] | None = None,
    temporal_context: Mapping[str, object] | None = None,
    competitor_detected: str | None = None,
    is_power_user: bool | None = None,
    experiment_id: UUID | str | None = None,
    experiment_variant: str | None = None,
    is_randomized_experiment: bool = False,
    predicted_mode: str | None = None,
) -> Decision:
    """Record a decision about a post; a post may have several.

    Args:
        post_id: about which.
        sss_score: 0 to 1, like every score.
        ars_score: the same.
        evs_score: the same.
        trs_score: the same.
        composite_score: the four together, as the caller weighs them.
        mode: one of ``OPERATIONAL_MODES``.
        archetype: what kind of answer, one of ``ARCHETYPES``.
        safety_flags: up to 100 texts of 1 to 200 characters.
        signals: what it rests on, any JSON object; what names a person belongs here, because it can be erased.
        temporal_context: what the time was like, any JSON object.
        competitor_detected: the name of a competitor in the post.
        is_power_user: whether the author is one; by default what is stored of them.
        experiment_id: the A/B experiment that it takes part in.
        experiment_variant: its variant there, ``A`` or ``B``.
        is_randomized_experiment: whether the mode was drawn at random.
        predicted_mode: what the mode would have been otherwise, one of ``OPERATIONAL_MODES``.

    Raises:
        NotFoundError: there is no such post.
        ConflictError: there is no such experiment (``fk_decisions_experiment_id``).
        InvalidTransitionError: the post's author was anonymised.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import schemas

    told = {
        "post_id": post_id,
        "sss_score": sss_score,
        "ars_score": ars_score,
        "evs_score": evs_score,
        "trs_score": trs_score,
        "composite_score": composite_score,
        "mode": mode,
        "archetype": archetype,
        "safety_flags": safety_flags,
        "competitor_detected": competitor_detected,
        "is_power_user": is_power_user,
        "experiment_id": experiment_id,
        "experiment_variant": experiment_variant,
        "is_randomized_experiment": is_randomized_experiment,
        "predicted_mode": predicted_mode,
    }
    required = ("post_id", *_SCORES, "mode", "is_randomized_experiment")
    given = {name: value for name, value in told.items() if value is not None or name in required}
    contents = {"signals_json": signals, "temporal_context": temporal_context}
    documents = {name: {"data": content} for name, content in contents.items() if content is not None}
    row = load_columns(Decision, schemas.NewDecision, given=given, documents=documents, what=ENTITY)
    key = row.pop("post_id")
    for name in _SCORES:
        row[name] += 0.0  # PostgreSQL would keep -0.0, and SQLite would not
    experiment = row.pop("experiment_id", None)

    @run_in_transaction
    def write() -> Decision:
        _, author = locked_post(key, refuse=False)
        refuse_anonymised(author)
        about = {"post": key, "experiment": experiment, "created_at": clock()}
        return insert(Decision, {"is_power_user": author.is_power_user, **row, **about})

    decision = write()
    logger.info("decision recorded", extra={"decision_id": str(decision.id), "post_id": str(key)})
    return decision


def get_decision(decision_id: UUID | str) -> Decision:
    """Return a decision.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    decision = find_decision(decision_id)
    if decision is None:
        raise NotFoundError(ENTITY, decision_id)
    return decision


def find_decision(decision_id: UUID | str) -> Decision | None:
    """Return a decision, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(decision_id, "decision_id"))


def list_decisions(
    *,
    post_id: UUID | str | None = None,
    mode: str | None = None,
    experiment_variant: str | None = None,
    is_randomized_experiment: bool | None = None,
    min_composite_score: float | None = None,
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Decision]:
    """Return a page of decisions, newest first.

    Args:
        post_id: only about this post.
        mode: only with this mode.
        experiment_variant: only with this variant of an A/B experiment.
        is_randomized_experiment: only those whose mode was drawn at random, or the others.
        min_composite_score: only those that have this composite score or more, 0 to 1.
        created_from: only made at this instant or later.
        created_before: only made before this instant.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import schemas

    given = {
        "post_id": post_id,
        "mode": mode,
        "experiment_variant": experiment_variant,
        "is_randomized_experiment": is_randomized_experiment,
        "min_composite_score": min_composite_score,
        "created_from": created_from,
        "created_before": created_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "post_id": Decision.post.__eq__,
        "mode": Decision.mode.__eq__,
        "experiment_variant": Decision.experiment_variant.__eq__,
        "is_randomized_experiment": Decision.is_randomized_experiment.__eq__,
        # No score is above 1; SQLite takes an index for a range only where both of its ends are given.
        "min_composite_score": lambda least: Decision.composite_score.between(least, 1),
        "created_from": Decision.created_at.__ge__,
        "created_before": Decision.created_at.__lt__,
    }
    return list_page(Decision, schemas.DecisionFilters, what="list of decisions", given=given, where=where)


def delete_decision(decision_id: UUID | str) -> None:
    """Delete a decision; its replies, escalations and randomized experiments stay, without it.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: its post, or everything of the post's author, is under legal hold.
        ValidationError: the key is not a UUID.
    """
    key = as_id(decision_id, "decision_id")

    @run_in_transaction
    def delete() -> None:
        locked_post(get_decision(key).post_id)
        delete_row(Decision, key, entity=ENTITY)

    delete()
    logger.info("decision deleted", extra={"decision_id": str(key)})
