"""What the evaluation domain's functions accept, and its rows in seed files."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from datapkg.evaluation.models import ANALYSIS_STATUSES, EXPERIMENT_STATUSES, RUN_STATUSES
from datapkg.kit.schemas import Boolean, Choice, Integer, Json, Page, Schema, Text, Timestamp, Uuid

__all__ = [
    "AnalysisFilters",
    "AnalysisRow",
    "CohortFilters",
    "CohortRow",
    "ComparisonFilters",
    "ComparisonRow",
    "CurrentAnalysis",
    "DefinitionChange",
    "DefinitionFilters",
    "DefinitionRow",
    "ExperimentFilters",
    "ExperimentRow",
    "ExperimentStatusChange",
    "FingerprintedInputs",
    "Invalidation",
    "NewAnalysis",
    "NewCohort",
    "NewComparison",
    "NewDefinition",
    "NewExperiment",
    "NewRubric",
    "NewRun",
    "NewScenario",
    "NewTranscript",
    "RubricFilters",
    "RubricRow",
    "RunFilters",
    "RunIncrement",
    "RunRow",
    "RunScenarioRow",
    "RunStatusChange",
    "RunTreeFilters",
    "ScenarioFilters",
    "ScenarioRow",
    "Staleness",
    "TranscriptFilters",
    "TranscriptRow",
]

_COUNT = 2**53


class NewDefinition(Schema):
    """A definition's columns as a caller gives them; the content is checked by its document type."""

    name = Text(1, 200, required=True)
    parent_id = Uuid(allow_none=True)
    created_by = Uuid(allow_none=True)


class DefinitionChange(Schema):
    """What may change on a definition."""

    name = Text(1, 200)
    unchanged_since = Timestamp()


class DefinitionFilters(Page):
    """What a list of definitions can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    parent_id = Uuid()
    roots = Boolean()
    created_by = Uuid()
    created_from = Timestamp()
    created_before = Timestamp()


class DefinitionRow(Schema):
    """A definition in a seed file."""

    parent = Uuid(allow_none=True)
    name = Text(1, 200, required=True)
    content = Json(required=True)
    created_by = Uuid(allow_none=True)
    created_at = Timestamp()


class NewScenario(Schema):
    """A scenario written by hand; the content is checked by its document type."""

    definition_id = Uuid(required=True)
    name = Text(1, 200, required=True)


class ScenarioFilters(Page):
    """What a list of scenarios can be narrowed by, and where its page starts."""

    definition_id = Uuid()
    run_id = Uuid()
    name = Text(1, 200)


class ScenarioRow(Schema):
    """A scenario in a seed file."""

    definition = Uuid(required=True)
    name = Text(1, 200, required=True)
    content = Json(required=True)
    created_at = Timestamp()


class NewRun(Schema):
    """A run's columns as a caller gives them; the config is checked by its document type."""

    definition_id = Uuid(required=True)
    experiment_id = Uuid(allow_none=True)


class RunStatusChange(Schema):
    """A run's next status, and why it failed."""

    status = Choice(RUN_STATUSES, required=True)
    error = Text(1, 10_000, allow_none=True)


class RunIncrement(Schema):
    """How many more transcripts of a run are done, and how many failed."""

    completed = Integer(0, _COUNT, required=True)
    failed = Integer(0, _COUNT, required=True)


class RunFilters(Page):
    """What a list of runs can be narrowed by, and where its page starts."""

    definition_id = Uuid()
    experiment_id = Uuid()
    status = Choice(RUN_STATUSES)
    created_from = Timestamp()
    created_before = Timestamp()


class RunTreeFilters(Schema):
    """What the runs of a tree of definitions can be narrowed by, and where their page starts."""

    status = Choice(RUN_STATUSES)
    limit = Integer(1, 1000)
    after = Uuid()


class RunRow(Schema):
    """A run in a seed file, in any state."""

    definition = Uuid(required=True)
    experiment = Uuid(allow_none=True)
    status = Choice(RUN_STATUSES)
    config = Json(required=True)
    progress = Json(required=True)
    content_sha256 = Text(64, 64, required=True)
    definition_schema_version = Integer(0, 2**31 - 1, required=True)
    started_at = Timestamp(allow_none=True)
    finished_at = Timestamp(allow_none=True)
    heartbeat_at = Timestamp(allow_none=True)
    error = Text(0, 10_000, allow_none=True)
    created_at = Timestamp()


class RunScenarioRow(Schema):
    """A scenario of a run's sample in a seed file."""

    run = Uuid(required=True)
    scenario = Uuid(required=True)
    position = Integer(0, 2**31 - 1, required=True)


class NewTranscript(Schema):
    """A transcript's columns as a caller gives them; content and metrics are checked by their document types."""

    scenario_id = Uuid(allow_none=True)
    model = Text(1, 200, required=True)
    sample_index = Integer(0, 2**31 - 1)
    input_tokens = Integer(0, _COUNT, allow_none=True)
    output_tokens = Integer(0, _COUNT, allow_none=True)
    duration_ms = Integer(0, _COUNT, allow_none=True)


class TranscriptFilters(Page):
    """What a list of transcripts can be narrowed by, and where its page starts."""

    run_id = Uuid()
    scenario_id = Uuid()
    model = Text(1, 200)


class TranscriptRow(Schema):
    """A transcript in a seed file."""

    run = Uuid(required=True)
    scenario = Uuid(allow_none=True)
    model = Text(1, 200, required=True)
    sample_index = Integer(0, 2**31 - 1)
    content = Json(required=True)
    metrics = Json(allow_none=True)
    input_tokens = Integer(0, _COUNT, allow_none=True)
    output_tokens = Integer(0, _COUNT, allow_none=True)
    duration_ms = Integer(0, _COUNT, allow_none=True)
    created_at = Timestamp()


class NewExperiment(Schema):
    """An experiment's columns as a caller gives them; the plan is checked by its document type."""

    name = Text(1, 200, required=True)
    hypothesis = Text(0, 10_000, allow_none=True)


class ExperimentStatusChange(Schema):
    """Which experiment comes to which status."""

    experiment_id = Uuid(required=True)
    status = Choice(EXPERIMENT_STATUSES, required=True)


class ExperimentFilters(Page):
    """What a list of experiments can be narrowed by, and where its page starts."""

    name = Text(1, 200)
    status = Choice(EXPERIMENT_STATUSES)


class ExperimentRow(Schema):
    """An experiment in a seed file."""

    name = Text(1, 200, required=True)
    hypothesis = Text(0, 10_000, allow_none=True)
    analysis_plan = Json(required=True)
    status = Choice(EXPERIMENT_STATUSES)
    created_at = Timestamp()


class NewComparison(Schema):
    """Two runs to compare, by which metric, and in which segment."""

    baseline_id = Uuid(required=True)
    comparison_id = Uuid(required=True)
    metric = Text(1, 200, required=True)
    experiment_id = Uuid(allow_none=True)
    cohort_id = Uuid(allow_none=True)

    @validates_schema(skip_on_field_errors=False)
    def _two_runs(self, data: dict[str, Any], **kwargs: object) -> None:
        if "baseline_id" in data and data["baseline_id"] == data.get("comparison_id"):
            raise ValidationError("Must be another run than the baseline.", "comparison_id")


class ComparisonFilters(Page):
    """What a list of comparisons can be narrowed by, and where its page starts."""

    baseline_id = Uuid()
    comparison_id = Uuid()
    experiment_id = Uuid()


class ComparisonRow(Schema):
    """A comparison in a seed file."""

    baseline_run = Uuid(required=True)
    comparison_run = Uuid(required=True)
    experiment = Uuid(allow_none=True)
    delta = Json(required=True)
    created_at = Timestamp()


class NewAnalysis(Schema):
    """An analysis' columns as a caller gives them; the output is checked by its document type."""

    run_id = Uuid(required=True)
    analysis_type = Text(1, 100, required=True)
    code_version = Text(1, 200, required=True)
    rubric_id = Uuid(allow_none=True)


class CurrentAnalysis(Schema):
    """Whose current analysis of which type."""

    run_id = Uuid(required=True)
    analysis_type = Text(1, 100, required=True)


class Staleness(Schema):
    """Which analysis, and the version of the code that would do it now."""

    analysis_id = Uuid(required=True)
    code_version = Text(1, 200, allow_none=True)


class FingerprintedInputs(Schema):
    """What an analysis reads."""

    run_id = Uuid(required=True)
    rubric_id = Uuid(allow_none=True)


class Invalidation(Schema):
    """Which analysis is declared invalid, by whom, and why."""

    analysis_id = Uuid(required=True)
    author = Text(1, 200, required=True)
    reason = Text(1, 2000, required=True)


class AnalysisFilters(Page):
    """What a list of analyses can be narrowed by, and where its page starts."""

    run_id = Uuid()
    analysis_type = Text(1, 100)
    status = Choice(ANALYSIS_STATUSES)


class AnalysisRow(Schema):
    """An analysis in a seed file."""

    run = Uuid(required=True)
    analysis_type = Text(1, 100, required=True)
    version = Integer(1, 2**31 - 1, required=True)
    status = Choice(ANALYSIS_STATUSES)
    input_hash = Text(64, 64, required=True)
    code_version = Text(1, 200, required=True)
    rubric = Uuid(allow_none=True)
    output = Json(required=True)
    invalidated_at = Timestamp(allow_none=True)
    invalidated_by = Text(1, 200, allow_none=True)
    invalidated_reason = Text(1, 2000, allow_none=True)
    created_at = Timestamp()


class NewRubric(Schema):
    """A rubric's columns as a caller gives them; the content is checked by its document type."""

    name = Text(1, 200, required=True)
    version = Integer(1, 2**31 - 1, allow_none=True)


class RubricFilters(Page):
    """What a list of rubrics can be narrowed by, and where its page starts."""

    name = Text(1, 200)


class RubricRow(Schema):
    """A rubric in a seed file."""

    name = Text(1, 200, required=True)
    version = Integer(1, 2**31 - 1, required=True)
    content = Json(required=True)


class NewCohort(Schema):
    """A cohort's columns as a caller gives them; the criteria are checked by their document type."""

    name = Text(1, 200, required=True)


class CohortFilters(Page):
    """What a list of cohorts can be narrowed by, and where its page starts."""

    name = Text(1, 200)


class CohortRow(Schema):
    """A cohort in a seed file."""

    name = Text(1, 200, required=True)
    criteria = Json(required=True)
