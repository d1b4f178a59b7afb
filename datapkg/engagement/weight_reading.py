"""Reading the weights of segments, and the log of their changes."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from datapkg.engagement.experiment_models import SegmentedWeight, WeightAdjustmentLog
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement

__all__ = [
    "find_weight_adjustment",
    "find_weights",
    "get_weight_adjustment",
    "get_weights",
    "list_weight_adjustments",
    "list_weights",
]

_of_segment: Statement[SegmentedWeight] = Statement(
    lambda _: SegmentedWeight.select().where(
        (SegmentedWeight.segment_type == Param("segment_type")) & (SegmentedWeight.segment_key == Param("segment_key"))
    ),
    model=SegmentedWeight,
)
_log_by_id: Statement[WeightAdjustmentLog] = Statement(
    lambda _: WeightAdjustmentLog.select().where(WeightAdjustmentLog.id == Param("id")), model=WeightAdjustmentLog
)


def get_weights(segment_type: str, *, segment_key: str) -> SegmentedWeight:
    """Return the weights of a segment.

    Args:
        segment_type: such as ``platform``.
        segment_key: such as ``TWITTER``.

    Raises:
        NotFoundError: it has none.
        ValidationError: an argument is not valid.
    """
    weights = find_weights(segment_type, segment_key=segment_key)
    if weights is None:
        raise NotFoundError(
            "weight of the segment",
            f"{segment_type}/{segment_key}",
            fix="Set one with adjust_weights, or list_weights.",
        )
    return weights


def find_weights(segment_type: str, *, segment_key: str) -> SegmentedWeight | None:
    """Return the weights of a segment, or None.

    Args:
        segment_type: such as ``platform``.
        segment_key: such as ``TWITTER``.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.Segment, {"segment_type": segment_type, "segment_key": segment_key}, what="segment"
    )
    return _of_segment.one(**given)


def list_weights(
    *,
    segment_type: str | None = None,
    segment_key: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[SegmentedWeight]:
    """Return a page of the weights of segments, the newest segment first.

    Args:
        segment_type: only of this type.
        segment_key: only with this key.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {"segment_type": segment_type, "segment_key": segment_key, "limit": limit, "after": after}
    where = {"segment_type": SegmentedWeight.segment_type.__eq__, "segment_key": SegmentedWeight.segment_key.__eq__}
    return list_page(
        SegmentedWeight, ab_schemas.SegmentedWeightFilters, what="list of weights", given=given, where=where
    )


def get_weight_adjustment(log_id: UUID | str) -> WeightAdjustmentLog:
    """Return an entry of the log of adjustments.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    log = find_weight_adjustment(log_id)
    if log is None:
        raise NotFoundError("weight adjustment", log_id)
    return log


def find_weight_adjustment(log_id: UUID | str) -> WeightAdjustmentLog | None:
    """Return an entry of the log of adjustments, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _log_by_id.one(id=as_id_text(log_id, "log_id"))


def list_weight_adjustments(
    *,
    action: str | None = None,
    date_from: dt.date | None = None,
    date_before: dt.date | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[WeightAdjustmentLog]:
    """Return a page of the log of adjustments, newest first.

    Args:
        action: only these, one of ``ADJUSTMENT_ACTIONS``.
        date_from: only from this day on.
        date_before: only before this day.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {
        "action": action,
        "date_from": date_from,
        "date_before": date_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "action": WeightAdjustmentLog.action.__eq__,
        "date_from": WeightAdjustmentLog.date.__ge__,
        "date_before": WeightAdjustmentLog.date.__lt__,
    }
    return list_page(
        WeightAdjustmentLog,
        ab_schemas.WeightAdjustmentFilters,
        what="list of weight adjustments",
        given=given,
        where=where,
    )
