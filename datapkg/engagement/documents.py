"""The engagement domain's document types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datapkg.kit.documents import Document

__all__ = [
    "AB_RESULTS",
    "DECISION_SIGNALS",
    "DECISION_SNAPSHOT",
    "INTERACTION_HISTORY",
    "LEARNING_ADJUSTMENT",
    "POST_METRICS",
    "REPLY_METRICS",
    "SAMPLE_SIZES",
    "SEGMENT_WEIGHTS",
    "TEMPORAL_CONTEXT",
]

_SCHEMAS = "datapkg.engagement.document_schemas"


def _unchanged_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was version 1 without its number."""
    return dict(stored)


def _list_v0_to_v1(stored: list[object]) -> list[object]:
    """Version 0 was the bare list."""
    return stored


def _bare_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 was a bare object; version 1 keeps it under ``data``, apart from the version."""
    return {"data": dict(stored)}


def _counts_v0_to_v1(stored: Mapping[str, object]) -> dict[str, object]:
    """Version 0 held the figures themselves; version 1 keeps them under ``values``."""
    return {"values": {name: float(each) for name, each in stored.items() if isinstance(each, (int, float))}}


INTERACTION_HISTORY: Document[list[dict[str, Any]]] = Document(
    "interaction-history", f"{_SCHEMAS}:InteractionHistorySchema", upcasters=(_list_v0_to_v1,), listed=True
)
"""What passed between us and an author: a list of ``{at, kind, note?}``."""

POST_METRICS = Document("post-metrics", f"{_SCHEMAS}:MetricsSchema", upcasters=(_counts_v0_to_v1,))
"""A post's figures on its platform: numbers under ``values``."""

REPLY_METRICS = Document("reply-metrics", f"{_SCHEMAS}:MetricsSchema", upcasters=(_counts_v0_to_v1,))
"""A posted reply's figures: numbers under ``values``."""

DECISION_SIGNALS = Document("decision-signals", f"{_SCHEMAS}:DataSchema", upcasters=(_bare_v0_to_v1,))
"""What a decision rests on: any JSON object under ``data``."""

TEMPORAL_CONTEXT = Document("temporal-context", f"{_SCHEMAS}:DataSchema", upcasters=(_bare_v0_to_v1,))
"""What the time of a decision was like: any JSON object under ``data``."""

DECISION_SNAPSHOT = Document(
    "decision-snapshot", f"{_SCHEMAS}:DecisionSnapshotSchema", upcasters=(_unchanged_v0_to_v1,)
)
"""A decision as it was when a reply was drafted from it; names nobody."""

AB_RESULTS = Document("ab-results", f"{_SCHEMAS}:DataSchema", upcasters=(_bare_v0_to_v1,))
"""What an A/B experiment gave: any JSON object under ``data``."""

SAMPLE_SIZES = Document("sample-sizes", f"{_SCHEMAS}:SampleSizesSchema", upcasters=(_unchanged_v0_to_v1,))
"""How many samples each segment had, by ``type/key``."""

SEGMENT_WEIGHTS: Document[list[dict[str, Any]]] = Document(
    "segment-weights", f"{_SCHEMAS}:SegmentWeightsSchema", upcasters=(_list_v0_to_v1,), listed=True
)
"""The weights of some segments: a list."""

LEARNING_ADJUSTMENT = Document("learning-adjustment", f"{_SCHEMAS}:DataSchema", upcasters=(_bare_v0_to_v1,))
"""What was changed: any JSON object under ``data``."""
