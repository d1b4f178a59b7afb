"""The evaluation domain, as the registry lists it."""

from __future__ import annotations

from datapkg.evaluation import documents, models
from datapkg.kit.domains import Domain, SeedTable

__all__ = ["DOMAIN"]

_SCHEMAS = "datapkg.evaluation.schemas"

DOMAIN = Domain(
    name="evaluation",
    models=(
        models.Definition,
        models.Scenario,
        models.Experiment,
        models.Run,
        models.RunScenario,
        models.Transcript,
        models.RunComparison,
        models.Rubric,
        models.AnalysisResult,
        models.Cohort,
    ),
    seeds=(
        # Forking fixes the parent and the time; what an operator renames is set back, what they add stays.
        SeedTable(model=models.Definition, schema=f"{_SCHEMAS}:DefinitionRow", insert_only=("parent", "created_at")),
        SeedTable(
            model=models.Scenario,
            schema=f"{_SCHEMAS}:ScenarioRow",
            natural_key=("definition", "name"),
            insert_only=("created_at",),
        ),
        SeedTable(
            model=models.Experiment,
            schema=f"{_SCHEMAS}:ExperimentRow",
            insert_only=("analysis_plan", "status", "created_at"),
        ),
        # What happened is history: a seed writes it once.
        SeedTable(
            model=models.Run,
            schema=f"{_SCHEMAS}:RunRow",
            insert_only=tuple(name for name in models.Run._meta.fields if name != "id"),
        ),
        SeedTable(
            model=models.RunScenario,
            schema=f"{_SCHEMAS}:RunScenarioRow",
            natural_key=("run", "scenario"),
            insert_only=("position",),
        ),
        SeedTable(
            model=models.Transcript,
            schema=f"{_SCHEMAS}:TranscriptRow",
            natural_key=("run", "scenario", "model", "sample_index"),
            insert_only=("content", "metrics", "input_tokens", "output_tokens", "duration_ms", "created_at"),
        ),
        SeedTable(
            model=models.RunComparison,
            schema=f"{_SCHEMAS}:ComparisonRow",
            insert_only=("baseline_run", "comparison_run", "experiment", "delta", "created_at"),
        ),
        SeedTable(
            model=models.Rubric,
            schema=f"{_SCHEMAS}:RubricRow",
            natural_key=("name", "version"),
            insert_only=("content",),
        ),
        SeedTable(
            model=models.AnalysisResult,
            schema=f"{_SCHEMAS}:AnalysisRow",
            natural_key=("run", "analysis_type", "version"),
            insert_only=tuple(
                name
                for name in models.AnalysisResult._meta.fields
                if name not in ("id", "run", "analysis_type", "version")
            ),
        ),
        SeedTable(model=models.Cohort, schema=f"{_SCHEMAS}:CohortRow", natural_key=("name",)),
    ),
    documents={
        "definitions.content": documents.DEFINITION_CONTENT,
        "scenarios.content": documents.SCENARIO_CONTENT,
        "experiments.analysis_plan": documents.ANALYSIS_PLAN,
        "runs.config": documents.RUN_CONFIG,
        "runs.progress": documents.RUN_PROGRESS,
        "transcripts.content": documents.TRANSCRIPT_TURNS,
        "transcripts.metrics": documents.TRANSCRIPT_METRICS,
        "run_comparisons.delta": documents.COMPARISON_DELTA,
        "rubrics.content": documents.RUBRIC_CONTENT,
        "analysis_results.output": documents.ANALYSIS_OUTPUT,
        "cohorts.criteria": documents.COHORT_CRITERIA,
    },
    # A plan precedes the results; an analysis' fingerprint covers transcripts; triggers refuse changes of rubrics.
    immutable_documents=frozenset(
        {"experiments.analysis_plan", "transcripts.content", "transcripts.metrics", "rubrics.content"}
    ),
)
"""What migrate, seed and the test fixtures know of this domain."""
