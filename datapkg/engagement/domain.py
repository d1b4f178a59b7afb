"""Social engagement, as the registry lists it."""

from __future__ import annotations

from datapkg.engagement.documents import (
    AB_RESULTS,
    DECISION_SIGNALS,
    DECISION_SNAPSHOT,
    INTERACTION_HISTORY,
    LEARNING_ADJUSTMENT,
    POST_METRICS,
    REPLY_METRICS,
    SAMPLE_SIZES,
    SEGMENT_WEIGHTS,
    TEMPORAL_CONTEXT,
)
from datapkg.engagement.experiment_models import (
    AbAssignment,
    AbExperiment,
    LearningEvent,
    SegmentedWeight,
    WeightAdjustmentLog,
)
from datapkg.engagement.models import Author, Decision, Post, Reply
from datapkg.engagement.oversight_models import (
    CommunityChampion,
    CompetitiveMention,
    Competitor,
    Escalation,
    KpiMetric,
    LegalHold,
    RandomizedExperiment,
)
from datapkg.engagement.retention import KPI_METRICS, POSTS
from datapkg.kit.domains import Domain, SeedTable
from datapkg.kit.models import Model

__all__ = ["DOMAIN"]


def _once(model: type[Model], schema: str, *key: str) -> SeedTable:
    """Rows that a seed writes once: all that is here was observed, decided or measured, or is people's to change."""
    kept = tuple(name for name in model._meta.fields if name not in key)
    return SeedTable(model=model, schema=f"datapkg.engagement.row_schemas:{schema}", natural_key=key, insert_only=kept)


DOMAIN = Domain(
    name="engagement",
    models=(
        Author,
        Post,
        AbExperiment,
        AbAssignment,
        Decision,
        Reply,
        Competitor,
        CompetitiveMention,
        CommunityChampion,
        KpiMetric,
        Escalation,
        RandomizedExperiment,
        SegmentedWeight,
        WeightAdjustmentLog,
        LearningEvent,
        LegalHold,
    ),
    seeds=(
        _once(Author, "AuthorRow", "platform", "platform_id"),
        _once(Post, "PostRow", "platform", "platform_post_id"),
        _once(AbExperiment, "AbExperimentRow", "name"),
        _once(AbAssignment, "AbAssignmentRow", "experiment", "subject"),
        _once(Decision, "DecisionRow"),
        _once(Reply, "ReplyRow"),
        _once(Competitor, "CompetitorRow", "name"),
        _once(CompetitiveMention, "MentionRow", "post", "competitor"),
        _once(CommunityChampion, "ChampionRow", "author"),
        _once(KpiMetric, "KpiRow", "date", "platform", "metric_type", "metric_name"),
        _once(Escalation, "EscalationRow"),
        _once(RandomizedExperiment, "RandomizedExperimentRow"),
        _once(SegmentedWeight, "SegmentedWeightRow", "segment_type", "segment_key"),
        _once(WeightAdjustmentLog, "WeightAdjustmentRow"),
        _once(LearningEvent, "LearningEventRow"),
        _once(LegalHold, "LegalHoldRow"),
    ),
    documents={
        "authors.interaction_history": INTERACTION_HISTORY,
        "posts.raw_metrics": POST_METRICS,
        "decisions.signals_json": DECISION_SIGNALS,
        "decisions.temporal_context": TEMPORAL_CONTEXT,
        "replies.decision_snapshot": DECISION_SNAPSHOT,
        "replies.metrics_json": REPLY_METRICS,
        "ab_experiments.results_json": AB_RESULTS,
        "weight_adjustment_logs.sample_sizes": SAMPLE_SIZES,
        "weight_adjustment_logs.old_weights": SEGMENT_WEIGHTS,
        "weight_adjustment_logs.new_weights": SEGMENT_WEIGHTS,
        "learning_events.adjustment": LEARNING_ADJUSTMENT,
    },
    retention=(POSTS, KPI_METRICS),
    immutable_documents=frozenset(
        {
            "replies.decision_snapshot",
            "weight_adjustment_logs.sample_sizes",
            "weight_adjustment_logs.old_weights",
            "weight_adjustment_logs.new_weights",
        }
    ),
)
"""What migrate, seed and the test fixtures know of this domain."""
