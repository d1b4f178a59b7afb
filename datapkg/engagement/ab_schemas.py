"""What the functions of experiments and learning accept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.engagement.vocabulary import (
    AB_STATUSES,
    ADJUSTMENT_ACTIONS,
    ADJUSTMENT_TYPES,
    OPERATIONAL_MODES,
    VARIANTS,
    WINNERS,
)
from datapkg.kit.schemas import (
    Boolean,
    Choice,
    Date,
    Dict,
    Float,
    Integer,
    Json,
    List,
    Nested,
    Page,
    Schema,
    Text,
    Timestamp,
    Uuid,
)

__all__ = [
    "AbAssignmentFilters",
    "AbExperimentChange",
    "AbExperimentEnd",
    "AbExperimentFilters",
    "LearningEvaluation",
    "LearningEventFilters",
    "NewAbExperiment",
    "NewLearningEvent",
    "NewRandomizedExperiment",
    "NewRollback",
    "NewSubject",
    "NoWeightAdjustment",
    "RandomizedExperimentFilters",
    "RandomizedOutcome",
    "Segment",
    "SegmentChange",
    "SegmentedWeightFilters",
    "WeightAdjustment",
    "WeightAdjustmentFilters",
]

_MAX_INTEGER = 2**31 - 1
_OFF_BY = 1e-6  # the same as in the database
_REASON = 2000
_SEGMENT = ("segment_type", "segment_key")


class NewAbExperiment(Schema):
    """An experiment as ``create_ab_experiment`` takes it."""

    name = Text(1, 200, required=True)
    description = Text(0, 10_000, allow_none=True)
    variant_a = Text(1, 2000, required=True)
    variant_b = Text(1, 2000, required=True)
    metric = Text(1, 200, required=True)
    traffic_split = Float(0, 1, required=True)


class AbExperimentChange(Schema):
    """What may change on an experiment that has not started."""

    name = Text(1, 200)
    description = Text(0, 10_000, allow_none=True)
    variant_a = Text(1, 2000)
    variant_b = Text(1, 2000)
    metric = Text(1, 200)
    traffic_split = Float(0, 1)


class AbExperimentEnd(Schema):
    """How an experiment ended."""

    results = Dict(Json(allow_none=True), required=True)
    winner = Choice(WINNERS, allow_none=True)
    now = Timestamp(allow_none=True)


class AbExperimentFilters(Page):
    """What a list of experiments can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    status = Choice(AB_STATUSES)


class NewSubject(Schema):
    """Who or what is assigned to a variant of which experiment."""

    experiment_id = Uuid(required=True)
    subject = Text(1, 200, required=True)


class AbAssignmentFilters(Page):
    """What a list of assignments can be narrowed by, and where its page starts."""

    experiment_id = Uuid()
    subject = Text(1, 200)
    variant = Choice(VARIANTS)


class Segment(Schema):
    """A segment: a type and a key within it; a slash separates the two where they stand in one text."""

    segment_type = Text(1, 50, pattern=r"\A[^/]+\Z", required=True)
    segment_key = Text(1, 100, required=True)


class SegmentChange(Segment):
    """The new weights of one segment."""

    sss_weight = Float(0, 1, required=True)
    ars_weight = Float(0, 1, required=True)
    evs_weight = Float(0, 1, required=True)
    trs_weight = Float(0, 1, required=True)
    sample_size = Integer(0, _MAX_INTEGER)
    performance = Float(allow_none=True)

    @validates_schema
    def sum_to_one(self, data: dict[str, Any], **_: object) -> None:
        """Refuse weights that do not sum to 1."""
        # One after the other, as the database adds; sum() rounds otherwise from Python 3.12 on.
        total = data["sss_weight"] + data["ars_weight"] + data["evs_weight"] + data["trs_weight"]
        if abs(total - 1) > _OFF_BY:
            raise ValidationError(f"The four weights sum to {total:.9g}, not to 1.")


class _Adjustment(Schema):
    reason = Text(1, _REASON, required=True)
    predicted_improvement = Float(allow_none=True)
    date = Date(allow_none=True)
    actor = Text(1, 200, required=True)


class WeightAdjustment(_Adjustment):
    """A change of weights, as ``adjust_weights`` takes it."""

    changes = List(Nested(SegmentChange), min=1, max=10_000, required=True)
    total_segments = Integer(0, _MAX_INTEGER, allow_none=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def each_segment_once(self, data: object, given: Mapping[str, Any], **_: object) -> None:
        """Refuse a segment that is given twice, and fewer segments in all than are changed."""
        # What was given and not what was accepted of it, so that each row has its own number.
        changes = given.get("changes")
        if not isinstance(changes, (list, tuple)):
            return
        problems: dict[Any, Any] = {}
        seen: dict[tuple[str, str], int] = {}
        for number, change in enumerate(changes):
            kind, key = (change.get(name) if isinstance(change, Mapping) else None for name in _SEGMENT)
            if not isinstance(kind, str) or not isinstance(key, str):
                continue
            first = seen.setdefault((kind, key), number)
            if first != number:
                problems.setdefault("changes", {})[number] = [f"The same segment as changes.{first}."]
        total = given.get("total_segments")
        if isinstance(total, int) and total < len(changes):
            problems["total_segments"] = [f"Fewer than the {len(changes)} segments that change."]
        if problems:
            raise ValidationError(problems)


class NoWeightAdjustment(_Adjustment):
    """That weights were looked at and left, as ``record_no_adjustment`` takes it."""

    valid_segments = Integer(0, _MAX_INTEGER, required=True)
    total_segments = Integer(0, _MAX_INTEGER, allow_none=True)

    @validates_schema
    def valid_within_total(self, data: dict[str, Any], **_: object) -> None:
        """Refuse more valid segments than there are in all."""
        total = data.get("total_segments")
        if total is not None and data["valid_segments"] > total:
            raise ValidationError({"valid_segments": [f"More than the {total} segments in all."]})


class NewRollback(Schema):
    """What ``rollback_weights`` takes."""

    log_id = Uuid(required=True)
    reason = Text(1, _REASON, required=True)
    date = Date(allow_none=True)
    actor = Text(1, 200, required=True)


class SegmentedWeightFilters(Page):
    """What a list of weights can be narrowed by, and where its page starts."""

    segment_type = Text(1, 50)
    segment_key = Text(1, 100)


class WeightAdjustmentFilters(Page):
    """What a list of weight adjustments can be narrowed by, and where its page starts."""

    action = Choice(ADJUSTMENT_ACTIONS)
    date_from = Date()
    date_before = Date()


class NewLearningEvent(Schema):
    """A learning event as ``record_learning_event`` takes it."""

    adjustment_type = Choice(ADJUSTMENT_TYPES, required=True)
    adjustment = Dict(Json(allow_none=True), required=True)
    predicted_improvement = Float(required=True)
    baseline_performance = Float(required=True)
    date = Date(allow_none=True)


class LearningEvaluation(Schema):
    """What came of a learning event."""

    event_id = Uuid(required=True)
    actual_improvement = Float(required=True)
    now = Timestamp(allow_none=True)


class LearningEventFilters(Page):
    """What a list of learning events can be narrowed by, and where its page starts."""

    adjustment_type = Choice(ADJUSTMENT_TYPES)
    evaluated = Boolean()
    date_from = Date()
    date_before = Date()


class NewRandomizedExperiment(Schema):
    """A decision whose mode was drawn, as ``record_randomized_experiment`` takes it."""

    decision_id = Uuid(required=True)
    predicted_mode = Choice(OPERATIONAL_MODES, required=True)
    actual_mode = Choice(OPERATIONAL_MODES, required=True)
    predicted_outcome = Float(allow_none=True)


class RandomizedOutcome(Schema):
    """What came of such a decision."""

    randomized_id = Uuid(required=True)
    actual_outcome = Float(required=True)


class RandomizedExperimentFilters(Page):
    """What a list of them can be narrowed by, and where its page starts."""

    decision_id = Uuid()
    predicted_mode = Choice(OPERATIONAL_MODES)
    actual_mode = Choice(OPERATIONAL_MODES)
    has_outcome = Boolean()
