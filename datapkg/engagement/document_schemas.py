"""The current shapes of the engagement domain's documents."""

from __future__ import annotations

from datapkg.engagement.vocabulary import ARCHETYPES, OPERATIONAL_MODES, VARIANTS
from datapkg.kit.schemas import Boolean, Choice, Dict, Float, Integer, Json, List, Nested, Schema, Text

__all__ = [
    "DataSchema",
    "DecisionSnapshotSchema",
    "InteractionHistorySchema",
    "InteractionSchema",
    "MetricsSchema",
    "SampleSizesSchema",
    "SegmentWeightSchema",
    "SegmentWeightsSchema",
]

_INSTANT = 40  # characters of an ISO 8601 instant, with room


class InteractionSchema(Schema):
    """One thing that passed between us and an author; ``at`` is an ISO 8601 instant in UTC."""

    at = Text(1, _INSTANT, required=True)
    kind = Text(1, 100, required=True)
    note = Text(0, 2000)


class InteractionHistorySchema(Schema):
    """Version 1 of ``interaction-history``."""

    items = List(Nested(InteractionSchema), required=True, max=10_000)


class MetricsSchema(Schema):
    """Version 1 of ``post-metrics`` and ``reply-metrics``."""

    values = Dict(Float(), keys=Text(1, 100), required=True)


class DataSchema(Schema):
    """Version 1 of what is any JSON object, under ``data``."""

    data = Dict(Json(allow_none=True), required=True)


class DecisionSnapshotSchema(Schema):
    """Version 1 of ``decision-snapshot``: what was decided, without the free-form signals, which may name people."""

    decision_id = Text(36, 36, required=True)
    post_id = Text(36, 36, required=True)
    decided_at = Text(1, _INSTANT, required=True)
    sss_score = Float(0, 1, required=True)
    ars_score = Float(0, 1, required=True)
    evs_score = Float(0, 1, required=True)
    trs_score = Float(0, 1, required=True)
    composite_score = Float(0, 1, required=True)
    mode = Choice(OPERATIONAL_MODES, required=True)
    archetype = Choice(ARCHETYPES, required=True, allow_none=True)
    safety_flags = List(Text(1, 200), required=True, max=100)
    competitor_detected = Text(1, 200, required=True, allow_none=True)
    is_power_user = Boolean(required=True)
    experiment_id = Text(36, 36, required=True, allow_none=True)
    experiment_variant = Choice(VARIANTS, required=True, allow_none=True)
    is_randomized_experiment = Boolean(required=True)
    predicted_mode = Choice(OPERATIONAL_MODES, required=True, allow_none=True)


class SampleSizesSchema(Schema):
    """Version 1 of ``sample-sizes``."""

    values = Dict(Integer(0, 2**31 - 1), keys=Text(1, 160), required=True)


class SegmentWeightSchema(Schema):
    """One segment's weights; ``weights`` is empty where the segment had none."""

    segment_type = Text(1, 50, required=True)
    segment_key = Text(1, 100, required=True)
    weights = Dict(Float(0, 1), keys=Choice(("sss", "ars", "evs", "trs")), required=True, allow_none=True)
    sample_size = Integer(0, 2**31 - 1, allow_none=True)
    performance = Float(allow_none=True)


class SegmentWeightsSchema(Schema):
    """Version 1 of ``segment-weights``."""

    items = List(Nested(SegmentWeightSchema), required=True, max=10_000)
