"""The tables of experiments and learning."""

from __future__ import annotations

from uuid import UUID

import peewee as pw

from datapkg.engagement.documents import AB_RESULTS, LEARNING_ADJUSTMENT, SAMPLE_SIZES, SEGMENT_WEIGHTS
from datapkg.engagement.vocabulary import AB_STATUSES, ADJUSTMENT_ACTIONS, ADJUSTMENT_TYPES, VARIANTS, WINNERS
from datapkg.kit.fields import (
    DateField,
    DocumentField,
    EnumField,
    FloatField,
    ForeignKey,
    IntegerField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel

__all__ = ["AbAssignment", "AbExperiment", "LearningEvent", "SegmentedWeight", "WeightAdjustmentLog"]


class AbExperiment(MutableModel):
    """Two variants against each other.

    Attributes:
        name: unique.
        description: what it is about.
        variant_a: what A is.
        variant_b: what B is.
        metric: what decides.
        traffic_split: the share of subjects that gets A, 0 to 1.
        status: one of ``AB_STATUSES``.
        start_date: when it was started.
        end_date: when it ended.
        results_json: its ``ab-results`` document.
        winner: one of ``WINNERS``.
    """

    name = TextField(max_length=200, min_length=1, unique=True)
    description = TextField(max_length=10_000, null=True)
    variant_a = TextField(max_length=2000, min_length=1)
    variant_b = TextField(max_length=2000, min_length=1)
    metric = TextField(max_length=200, min_length=1)
    traffic_split = FloatField(min=0, max=1, default=0.5)
    status = EnumField(choices=AB_STATUSES, default="DRAFT", index=True)
    start_date = TimestampField(null=True)
    end_date = TimestampField(null=True)
    results_json = DocumentField(AB_RESULTS, null=True)
    winner = EnumField(choices=WINNERS, null=True)

    class Meta:
        table_name = "ab_experiments"


class AbAssignment(Model):
    """Which variant a subject got, for good.

    Attributes:
        experiment: the experiment.
        subject: who or what was assigned, such as an author's key.
        variant: ``A`` or ``B``.
    """

    experiment = ForeignKey(AbExperiment, on_delete="CASCADE", index=False)
    subject = TextField(max_length=200, min_length=1, index=True)
    variant = EnumField(choices=VARIANTS)

    experiment_id: UUID

    class Meta:
        table_name = "ab_assignments"
        indexes = ((("experiment", "subject"), True),)


class SegmentedWeight(MutableModel):
    """How much each score counts for one segment of posts.

    Attributes:
        segment_type: such as ``platform``.
        segment_key: such as ``TWITTER``.
        sss_weight: 0 to 1; the four sum to 1.
        ars_weight: the same.
        evs_weight: the same.
        trs_weight: the same.
        sample_size: how many decisions they rest on.
        performance: how they did, a figure of the caller's.
    """

    segment_type = TextField(max_length=50, min_length=1)
    segment_key = TextField(max_length=100, min_length=1)
    sss_weight = FloatField(min=0, max=1)
    ars_weight = FloatField(min=0, max=1)
    evs_weight = FloatField(min=0, max=1)
    trs_weight = FloatField(min=0, max=1)
    sample_size = IntegerField(min=0, default=0)
    performance = FloatField(null=True)

    class Meta:
        table_name = "segmented_weights"
        indexes = ((("segment_type", "segment_key"), True),)
        constraints = [
            # What adding four doubles can be off by, and more.
            pw.Check(
                "abs(sss_weight + ars_weight + evs_weight + trs_weight - 1) <= 0.000001",
                "ck_segmented_weights_sum_to_1",
            )
        ]


class WeightAdjustmentLog(Model):
    """One change of weights, or that there was none; append-only.

    Attributes:
        date: the day it counts for.
        action: one of ``ADJUSTMENT_ACTIONS``.
        reason: why.
        valid_segments: how many segments had enough samples.
        total_segments: how many there are.
        sample_sizes: its ``sample-sizes`` document.
        old_weights: the weights before, its ``segment-weights`` document, a list.
        new_weights: the weights after, the same.
        predicted_improvement: what is expected of it.
    """

    date = DateField(index=True)
    action = EnumField(choices=ADJUSTMENT_ACTIONS)
    reason = TextField(max_length=2000, min_length=1)
    valid_segments = IntegerField(min=0)
    total_segments = IntegerField(min=0)
    sample_sizes = DocumentField(SAMPLE_SIZES)
    old_weights = DocumentField(SEGMENT_WEIGHTS)
    new_weights = DocumentField(SEGMENT_WEIGHTS)
    predicted_improvement = FloatField(null=True)

    class Meta:
        table_name = "weight_adjustment_logs"
        append_only = True
        written_by = "datapkg.engagement.adjust_weights or rollback_weights"
        constraints = [
            pw.Check("valid_segments <= total_segments", "ck_weight_adjustment_logs_valid_within_total"),
        ]


class LearningEvent(MutableModel):
    """What the system changed about itself, what it expected of that, and what came of it.

    Attributes:
        date: the day.
        adjustment_type: one of ``ADJUSTMENT_TYPES``.
        adjustment: its ``learning-adjustment`` document.
        predicted_improvement: what was expected, in the unit of the baseline.
        baseline_performance: how it was before.
        actual_improvement: what came, once it was looked at.
        accuracy: how right the prediction was, 0 to 1.
        evaluated_at: when it was looked at.
    """

    date = DateField(index=True)
    adjustment_type = EnumField(choices=ADJUSTMENT_TYPES)
    adjustment = DocumentField(LEARNING_ADJUSTMENT)
    predicted_improvement = FloatField()
    baseline_performance = FloatField()
    actual_improvement = FloatField(null=True)
    accuracy = FloatField(min=0, max=1, null=True)
    evaluated_at = TimestampField(null=True)

    class Meta:
        table_name = "learning_events"
        constraints = [
            pw.Check(
                "(evaluated_at IS NULL) = (actual_improvement IS NULL) AND (evaluated_at IS NULL) = (accuracy IS NULL)",
                "ck_learning_events_evaluated_as_a_whole",
            )
        ]
