"""How much each score counts for a segment of posts: changed along with a log of what was before, and rolled back."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from datapkg import audit
from datapkg.engagement.documents import SEGMENT_WEIGHTS
from datapkg.engagement.experiment_models import SegmentedWeight, WeightAdjustmentLog
from datapkg.engagement.locking import actor_text
from datapkg.engagement.weight_reading import get_weight_adjustment, get_weights
from datapkg.kit.columns import sound
from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import DocumentError, InvalidTransitionError, StaleWriteError
from datapkg.kit.models import new_id, now
from datapkg.kit.statements import insert, insert_many

__all__ = ["WeightChange", "adjust_weights", "record_no_adjustment", "rollback_weights", "set_segment_weights"]

logger = logging.getLogger(__name__)

_SCORES = ("sss", "ars", "evs", "trs")
_ENTITY = "weight_adjustment"

_Segment = tuple[str, str]
_Entry = dict[str, Any]
"""One item of a ``segment-weights`` document."""


class _WeightChange(TypedDict):
    segment_type: str
    segment_key: str
    sss_weight: float
    ars_weight: float
    evs_weight: float
    trs_weight: float


class WeightChange(_WeightChange, total=False):
    """The new weights of one segment.

    Attributes:
        segment_type: such as ``platform``, 1 to 50 characters without a slash.
        segment_key: such as ``TWITTER``, 1 to 100 characters.
        sss_weight: 0 to 1; the four sum to 1, give or take 0.000001.
        ars_weight: the same.
        evs_weight: the same.
        trs_weight: the same.
        sample_size: how many decisions they rest on; left out, it stays (0 in a new segment).
        performance: how they did; left out, it stays (empty in a new segment), None clears it.
    """

    sample_size: int
    performance: float | None


def adjust_weights(
    changes: Sequence[WeightChange],
    *,
    reason: str,
    actor: str | UUID,
    predicted_improvement: float | None = None,
    total_segments: int | None = None,
    date: dt.date | None = None,
) -> WeightAdjustmentLog:
    """Set the weights of some segments and log what they were and are, in one transaction, audited.

    Of several at once each finds what the one before it left, so the log has no gap: one's ``old_weights`` of a
    segment are the ``new_weights`` of the one before.

    Args:
        changes: see :class:`WeightChange`; 1 to 10,000, each segment once.
        reason: why, 1 to 2,000 characters.
        actor: who changes them: a user's key, or a name such as ``system``.
        predicted_improvement: what is expected of it, a figure of yours.
        total_segments: how many segments there are in all; left out, those that have weights now.
        date: the day it counts for; left out, today in UTC.

    Raises:
        ValidationError: with every complaint about every row (``changes.3.sss_weight``); nothing is written.

    Example:
        >>> adjust_weights([{"segment_type": "platform", "segment_key": "REDDIT", "sss_weight": 0.4, "ars_weight": 0.2,
        ...     "evs_weight": 0.2, "trs_weight": 0.2}], reason="more help there", actor="system")  # doctest: +SKIP
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.WeightAdjustment,
        {
            "changes": changes,
            "reason": reason,
            "predicted_improvement": predicted_improvement,
            "total_segments": total_segments,
            "date": date,
            "actor": actor_text(actor),
        },
        what="adjustment of weights",
    )

    @run_in_transaction
    def adjust() -> WeightAdjustmentLog:
        stored = _locked((each["segment_type"], each["segment_key"]) for each in given["changes"])
        old = [_entry(segment, row) for segment, row in stored.items()]
        new = [_changed(before, change) for before, change in zip(old, given["changes"], strict=True)]
        return _write("ADJUST", given, stored, old=old, new=new)

    log = adjust()
    logger.info("weights adjusted", extra={"log_id": str(log.id), "segments": len(given["changes"])})
    return log


def set_segment_weights(
    segment_type: str,
    *,
    segment_key: str,
    sss_weight: float,
    ars_weight: float,
    evs_weight: float,
    trs_weight: float,
    reason: str,
    actor: str | UUID,
) -> SegmentedWeight:
    """Set the weights of one segment, logged and audited as ``adjust_weights`` does; return them.

    Args:
        segment_type: such as ``platform``, 1 to 50 characters without a slash.
        segment_key: such as ``TWITTER``, 1 to 100 characters.
        sss_weight: 0 to 1; the four sum to 1, give or take 0.000001.
        ars_weight: the same.
        evs_weight: the same.
        trs_weight: the same.
        reason: why, 1 to 2,000 characters.
        actor: who changes them: a user's key, or a name such as ``system``.

    Raises:
        ValidationError: with every complaint, as those of ``adjust_weights`` about its first change.
    """
    change: WeightChange = {
        "segment_type": segment_type,
        "segment_key": segment_key,
        "sss_weight": sss_weight,
        "ars_weight": ars_weight,
        "evs_weight": evs_weight,
        "trs_weight": trs_weight,
    }

    @run_in_transaction
    def write() -> SegmentedWeight:
        adjust_weights([change], reason=reason, actor=actor)
        return get_weights(segment_type, segment_key=segment_key)

    return write()


def record_no_adjustment(
    reason: str,
    *,
    actor: str | UUID,
    valid_segments: int = 0,
    total_segments: int | None = None,
    predicted_improvement: float | None = None,
    date: dt.date | None = None,
) -> WeightAdjustmentLog:
    """Log that the weights were looked at and left as they are, such as for want of samples.

    Args:
        reason: why, 1 to 2,000 characters.
        actor: who decided it.
        valid_segments: how many segments had enough samples.
        total_segments: how many there are in all; left out, those that have weights, at least ``valid_segments``.
        predicted_improvement: what a change would have given, a figure of yours.
        date: the day it counts for; left out, today in UTC.

    Raises:
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.NoWeightAdjustment,
        {
            "reason": reason,
            "valid_segments": valid_segments,
            "total_segments": total_segments,
            "predicted_improvement": predicted_improvement,
            "date": date,
            "actor": actor_text(actor),
        },
        what="record of no adjustment",
    )
    return run_in_transaction(_log)("SKIP", given, valid=given["valid_segments"])


def rollback_weights(
    log_id: UUID | str, *, reason: str, actor: str | UUID, date: dt.date | None = None
) -> WeightAdjustmentLog:
    """Give every segment of an adjustment the weights it had before; segments that had none lose theirs again.

    That is a log entry of its own and can be rolled back as well. Several adjustments are undone from the newest on.

    Args:
        log_id: the adjustment, or the rollback, to undo.
        reason: why, 1 to 2,000 characters.
        actor: who undoes it.
        date: the day it counts for; left out, today in UTC.

    Raises:
        NotFoundError: there is no such log entry.
        InvalidTransitionError: the entry changed no weights.
        StaleWriteError: a segment is not as the entry left it, because of something later that still holds; ``meta``
            lists the segments. Nothing is written.
        DocumentError: the log entry is corrupt, such as after foreign SQL.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.NewRollback,
        {"log_id": log_id, "reason": reason, "date": date, "actor": actor_text(actor)},
        what="rollback of weights",
    )

    @run_in_transaction
    def roll_back() -> WeightAdjustmentLog:
        undone = get_weight_adjustment(given["log_id"])
        left, before = _segments(undone.new_weights), _segments(undone.old_weights)
        if left.keys() != before.keys():
            raise DocumentError(SEGMENT_WEIGHTS.name, "its old and new weights are not of the same segments")
        if not left:
            raise InvalidTransitionError(
                f"The weight adjustment {undone.id} changed no weights ({undone.action}).",
                fix="Choose one that did, of list_weight_adjustments.",
                action=undone.action,
            )
        stored = _locked(left)
        found = [_entry(segment, row) for segment, row in stored.items()]
        names = ["/".join(_segment(each)) for each in found if _values(each) != _values(left[_segment(each)])]
        if names:
            raise StaleWriteError(
                f"{len(names)} of the {len(left)} segments of the weight adjustment {undone.id} changed after it: "
                f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}.",
                fix="Roll back what came later first, or set the weights with adjust_weights.",
                segments=names,
            )
        return _write("ROLLBACK", given, stored, old=found, new=[before[each] for each in stored], undone=undone.id)

    log = roll_back()
    logger.info("weights rolled back", extra={"log_id": str(log.id), "undone": str(given["log_id"])})
    return log


def _segment(entry: Mapping[str, Any]) -> _Segment:
    return entry["segment_type"], entry["segment_key"]


def _segments(content: object) -> dict[_Segment, _Entry]:
    """Return the items of a stored ``segment-weights`` document by their segment."""
    found: dict[_Segment, _Entry] = {}
    for entry in sound(SEGMENT_WEIGHTS, content):
        if entry["weights"] is not None and len(entry["weights"]) != len(_SCORES):
            raise DocumentError(SEGMENT_WEIGHTS.name, f"weights of {'/'.join(_segment(entry))} are missing")
        found[_segment(entry)] = entry
    return found


def _locked(segments: Iterable[_Segment]) -> dict[_Segment, SegmentedWeight | None]:
    """Return the rows of these segments, in their order, and keep them until the transaction ends."""
    # One lock for all: a segment without a row has none of its own, and adjustments are rare.
    lock("segmented_weights")
    found: dict[_Segment, SegmentedWeight | None] = dict.fromkeys(segments)
    keys: dict[str, list[str]] = {}
    for kind, key in found:
        keys.setdefault(kind, []).append(key)
    for kind, wanted in keys.items():
        query = SegmentedWeight.select().where(
            (SegmentedWeight.segment_type == kind) & SegmentedWeight.segment_key.in_(wanted)
        )
        # The rows too, against plain SQL.
        for row in query.for_update() if current().dialect.for_update else query:
            found[kind, row.segment_key] = row
    return found


def _entry(segment: _Segment, row: SegmentedWeight | None) -> _Entry:
    kind, key = segment
    if row is None:
        return {"segment_type": kind, "segment_key": key, "weights": None, "sample_size": None, "performance": None}
    weights = {score: getattr(row, f"{score}_weight") for score in _SCORES}
    return {
        "segment_type": kind,
        "segment_key": key,
        "weights": weights,
        "sample_size": row.sample_size,
        "performance": row.performance,
    }


def _changed(before: _Entry, change: Mapping[str, Any]) -> _Entry:
    performance = change.get("performance", before["performance"])
    return {
        "segment_type": before["segment_type"],
        "segment_key": before["segment_key"],
        # PostgreSQL would keep -0.0, and SQLite would not.
        "weights": {score: change[f"{score}_weight"] + 0.0 for score in _SCORES},
        "sample_size": change.get("sample_size", before["sample_size"] or 0),
        "performance": None if performance is None else performance + 0.0,
    }


def _values(entry: _Entry) -> tuple[object, object, object]:
    return entry["weights"], entry.get("sample_size"), entry.get("performance")


def _write(
    action: str,
    given: Mapping[str, Any],
    stored: Mapping[_Segment, SegmentedWeight | None],
    *,
    old: list[_Entry],
    new: list[_Entry],
    undone: UUID | None = None,
) -> WeightAdjustmentLog:
    """Bring the rows to the new weights, then log that."""
    made = now()
    fresh = []
    for row, entry in zip(stored.values(), new, strict=True):
        weights = entry["weights"]
        if weights is None:
            if row is not None:
                row.delete_instance()
            continue
        values = {f"{score}_weight": weights[score] for score in _SCORES}
        values |= {"sample_size": entry["sample_size"] or 0, "performance": entry["performance"], "updated_at": made}
        if row is None:
            segment = dict(zip(("segment_type", "segment_key"), _segment(entry), strict=True))
            fresh.append({**segment, **values, "id": new_id(), "created_at": made})
        else:
            SegmentedWeight.update(**values).where(SegmentedWeight.id == row.id).execute()
    insert_many(SegmentedWeight, fresh)
    return _log(action, given, valid=len(new), old=old, new=new, undone=undone)


def _log(
    action: str,
    given: Mapping[str, Any],
    *,
    valid: int,
    old: Sequence[_Entry] = (),
    new: Sequence[_Entry] = (),
    undone: UUID | None = None,
) -> WeightAdjustmentLog:
    made = now()
    total = given.get("total_segments")
    predicted = given.get("predicted_improvement")
    columns = {
        "id": new_id(),
        "created_at": made,
        "date": given.get("date") or made.date(),
        "action": action,
        "reason": given["reason"],
        "valid_segments": valid,
        "total_segments": max(valid, SegmentedWeight.select().count()) if total is None else total,
        "sample_sizes": {"values": {"/".join(_segment(each)): each.get("sample_size") or 0 for each in new}},
        "old_weights": list(old),
        "new_weights": list(new),
        "predicted_improvement": None if predicted is None else predicted + 0.0,
    }
    log = insert(WeightAdjustmentLog, columns)  # datapkg: allow-write the one place where entries are made
    details = {"reason": given["reason"], "segments": len(new)}
    if undone is not None:
        details["undone"] = str(undone)
    audit.record(_ENTITY, entity_id=log.id, action=action.lower(), actor=given["actor"], details=details)
    return log
