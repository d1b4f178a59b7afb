"""The evaluation domain's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import peewee as pw

from datapkg.accounts.models import User
from datapkg.evaluation import documents
from datapkg.kit.fields import (
    BigIntegerField,
    DocumentField,
    EnumField,
    ForeignKey,
    IntegerField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel

if TYPE_CHECKING:
    from datapkg.kit.results import Rows

__all__ = [
    "ANALYSIS_STATUSES",
    "EXPERIMENT_STATUSES",
    "RUN_STATUSES",
    "AnalysisResult",
    "Cohort",
    "Definition",
    "Experiment",
    "Rubric",
    "Run",
    "RunComparison",
    "RunScenario",
    "Scenario",
    "Transcript",
]

RUN_STATUSES = ("PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED")
EXPERIMENT_STATUSES = ("DRAFT", "RUNNING", "COMPLETED", "ABANDONED")
ANALYSIS_STATUSES = ("CURRENT", "SUPERSEDED", "INVALIDATED")

# How the members of documents stand in tables for people.
_SHOWN: dict[str, dict[str, object]] = {
    "config": {
        "models": str,
        "temperature": float | None,
        "sample_percentage": float | None,
        "sample_seed": int | None,
    },
    "progress": {"completed": int, "failed": int, "total": int},
}
_FOUND: dict[str, object] = {
    "metric": str,
    "n": int | None,
    "mean_difference": float | None,
    "standard_error": float | None,
    "coverage": float | None,
    "baseline_mean": float | None,
    "comparison_mean": float | None,
    "baseline_only": int | None,
    "comparison_only": int | None,
    "unscored": int | None,
    "cohort": str | None,
}


class Definition(MutableModel):
    """A versioned scenario definition; forking it makes a child that points back to it.

    Attributes:
        parent: what it was forked from; never changes.
        name: how people call it.
        content: its ``definition-content`` document; frozen once a run refers to it.
        created_by: the user who made it.
        depth: how far from where a tree function started, else None.
    """

    parent: ForeignKey[Definition | None] = ForeignKey("self", on_delete="RESTRICT", null=True)
    name = TextField(max_length=200, min_length=1, index=True)
    content = DocumentField(documents.DEFINITION_CONTENT)
    created_by = ForeignKey(User, on_delete="RESTRICT", null=True, column_name="created_by")

    parent_id: UUID | None  # Peewee sets these beside the references
    created_by_id: UUID | None
    depth: int | None = None  # set by the tree functions only; not a column

    def public(self) -> dict[str, object]:
        """Return the columns as a dictionary for people, and the depth where a tree function set it."""
        return super().public() if self.depth is None else {"depth": self.depth, **super().public()}

    @classmethod
    def tree_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives of definitions that a tree function found."""
        return {"depth": int, **cls.public_shape()}

    class Meta:
        table_name = "definitions"
        indexes = ((("created_at",), False),)
        frozen_by = {"content": ("runs", "definition_id")}


class Scenario(MutableModel):
    """One concrete case of a definition: its template with a value for each dimension, or one written by hand.

    Attributes:
        definition: what it is a case of.
        name: unique within the definition; generated ones are named by their values.
        content: its ``scenario-content`` document.
    """

    definition = ForeignKey(Definition, on_delete="CASCADE", index=False)
    name = TextField(max_length=200, min_length=1)
    content = DocumentField(documents.SCENARIO_CONTENT)

    definition_id: UUID

    class Meta:
        table_name = "scenarios"
        indexes = ((("definition", "name"), True), (("definition", "id"), False))


class Experiment(MutableModel):
    """A question put to several runs, with the plan of its analysis made beforehand.

    Attributes:
        name: how people call it.
        hypothesis: what is expected.
        analysis_plan: its ``analysis-plan`` document; never changes, the database refuses it.
        status: one of ``EXPERIMENT_STATUSES``.
    """

    name = TextField(max_length=200, min_length=1, index=True)
    hypothesis = TextField(max_length=10_000, null=True)
    analysis_plan = DocumentField(documents.ANALYSIS_PLAN)
    status = EnumField(choices=EXPERIMENT_STATUSES, default="DRAFT", index=True)

    class Meta:
        table_name = "experiments"
        immutable = ("analysis_plan",)


class Run(MutableModel):
    """One execution of a definition's scenarios by one or more models.

    Attributes:
        definition: what is run; its content is frozen from then on.
        experiment: what it belongs to.
        status: one of ``RUN_STATUSES``; the last three are final.
        config: its ``run-config`` document, with the seed of the sample.
        progress: its ``run-progress`` document, counted in transcripts.
        content_sha256: the hash of the definition's stored content when the run was created.
        definition_schema_version: the version of that stored content.
        started_at: when it first ran.
        finished_at: when it came to a final status.
        heartbeat_at: the last sign of life.
        error: why it failed.
        transcripts: set by ``get_run_with_transcripts`` only.
    """

    definition = ForeignKey(Definition, on_delete="RESTRICT", index=False)
    experiment = ForeignKey(Experiment, on_delete="SET NULL", null=True)
    status = EnumField(choices=RUN_STATUSES, default="PENDING", index=True)
    config = DocumentField(documents.RUN_CONFIG)
    progress = DocumentField(documents.RUN_PROGRESS)
    content_sha256 = TextField(max_length=64, min_length=64)
    definition_schema_version = IntegerField(min=0)
    started_at = TimestampField(null=True)
    finished_at = TimestampField(null=True)
    heartbeat_at = TimestampField(null=True)
    error = TextField(max_length=10_000, null=True)

    definition_id: UUID
    experiment_id: UUID | None

    def public(self) -> dict[str, object]:
        """Return the columns as a dictionary for people, the config's and the progress' members side by side."""
        shown: dict[str, object] = {}
        for name, value in super().public().items():
            if name in ("config", "progress") and isinstance(value, dict):
                shown.update({key: value.get(key) for key in _SHOWN[name]})
            else:
                shown[name] = value
        models = shown.get("models")
        if isinstance(models, list):
            shown["models"] = ", ".join(map(str, models))
        return shown

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives: by name the column, or the type of what is no column."""
        shape: dict[str, object] = {}
        for name, column in super().public_shape().items():
            shape.update(_SHOWN.get(name, {name: column}))
        return shape

    transcripts: Rows[Transcript] | None = None  # not a column

    class Meta:
        table_name = "runs"
        indexes = ((("definition", "id"), False),)


class RunScenario(Model):
    """A scenario that a run's sample holds.

    Attributes:
        run: whose sample.
        scenario: which scenario.
        position: its place in the sample, from 0.
    """

    run = ForeignKey(Run, on_delete="CASCADE", index=False)
    scenario = ForeignKey(Scenario, on_delete="CASCADE")
    position = IntegerField(min=0)

    run_id: UUID
    scenario_id: UUID

    class Meta:
        table_name = "run_scenario_selection"
        indexes = ((("run", "scenario"), True), (("run", "position"), True))


class Transcript(Model):
    """What was said in one sample of one scenario by one model; never changed once it is written.

    Attributes:
        run: the run that it belongs to.
        scenario: the scenario; empty once that was deleted.
        model: the model's name.
        sample_index: tells repeated samples apart, from 0.
        content: its turns, a ``transcript-turns`` document.
        metrics: its scores, a ``transcript-metrics`` document.
        input_tokens, output_tokens: as the provider counted them.
        duration_ms: how long it took, in milliseconds.
    """

    run = ForeignKey(Run, on_delete="CASCADE", index=False)
    scenario = ForeignKey(Scenario, on_delete="SET NULL", null=True)
    model = TextField(max_length=200, min_length=1)
    sample_index = IntegerField(min=0, default=0)
    content = DocumentField(documents.TRANSCRIPT_TURNS)
    metrics = DocumentField(documents.TRANSCRIPT_METRICS, null=True)
    input_tokens = BigIntegerField(min=0, null=True)
    output_tokens = BigIntegerField(min=0, null=True)
    duration_ms = BigIntegerField(min=0, null=True)

    run_id: UUID
    scenario_id: UUID | None

    class Meta:
        table_name = "transcripts"
        indexes = ((("run", "scenario", "model", "sample_index"), True), (("run", "id"), False))


class RunComparison(Model):
    """What one run's metric is against another's, pair by pair.

    Attributes:
        baseline_run: what is compared with.
        comparison_run: what is compared.
        experiment: what it belongs to.
        delta: its ``comparison-delta`` document.
    """

    baseline_run = ForeignKey(Run, on_delete="CASCADE")
    comparison_run = ForeignKey(Run, on_delete="CASCADE")
    experiment = ForeignKey(Experiment, on_delete="SET NULL", null=True)
    delta = DocumentField(documents.COMPARISON_DELTA)

    baseline_run_id: UUID
    comparison_run_id: UUID
    experiment_id: UUID | None

    def public(self) -> dict[str, object]:
        """Return the columns as a dictionary for people, with what was found in the place of ``delta``."""
        shown = super().public()
        delta = shown.pop("delta")
        made = shown.pop("created_at")
        found = {name: delta.get(name) for name in _FOUND} if isinstance(delta, dict) else {}
        return {**shown, **found, "created_at": made}

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives: by name the column, or the type of what is no column."""
        shape = super().public_shape()
        made = shape.pop("created_at")
        del shape["delta"]
        return {**shape, **_FOUND, "created_at": made}

    class Meta:
        table_name = "run_comparisons"
        constraints = [pw.Check("baseline_run_id <> comparison_run_id", "ck_run_comparisons_different_runs")]


class Rubric(Model):
    """A version of the rules that a judge scores by; immutable.

    Attributes:
        name: the rubric's name.
        version: from 1.
        content: its ``rubric-content`` document.
    """

    name = TextField(max_length=200, min_length=1)
    version = IntegerField(min=1)
    content = DocumentField(documents.RUBRIC_CONTENT)

    class Meta:
        table_name = "rubrics"
        indexes = ((("name", "version"), True),)
        append_only = True
        written_by = "datapkg.evaluation.create_rubric"


class AnalysisResult(MutableModel):
    """A version of one analysis of a run; of each type at most one is current.

    Attributes:
        run: what was analysed.
        analysis_type: the kind of analysis.
        version: from 1, counted for each run and type.
        status: one of ``ANALYSIS_STATUSES``.
        input_hash: the fingerprint of what was analysed.
        code_version: the version of the code that did it.
        rubric: the rubric that it used.
        output: its ``analysis-output`` document.
        invalidated_at, invalidated_by, invalidated_reason: when, by whom and why it was declared invalid.
    """

    run = ForeignKey(Run, on_delete="CASCADE", index=False)
    analysis_type = TextField(max_length=100, min_length=1)
    version = IntegerField(min=1)
    status = EnumField(choices=ANALYSIS_STATUSES, default="CURRENT")
    input_hash = TextField(max_length=64, min_length=64)
    code_version = TextField(max_length=200, min_length=1)
    rubric = ForeignKey(Rubric, on_delete="RESTRICT", null=True)
    output = DocumentField(documents.ANALYSIS_OUTPUT)
    invalidated_at = TimestampField(null=True)
    invalidated_by = TextField(max_length=200, min_length=1, null=True)
    invalidated_reason = TextField(max_length=2000, min_length=1, null=True)

    run_id: UUID
    rubric_id: UUID | None

    class Meta:
        table_name = "analysis_results"
        indexes = ((("run", "analysis_type", "version"), True),)


AnalysisResult.add_index(
    pw.ModelIndex(
        AnalysisResult,
        [AnalysisResult.run, AnalysisResult.analysis_type],
        unique=True,
        where=pw.SQL("status = 'CURRENT'"),
    )
)


class Cohort(MutableModel):
    """A named segment of transcripts, for analysis.

    Attributes:
        name: unique.
        criteria: its ``cohort-criteria`` document.
    """

    name = TextField(max_length=200, min_length=1, unique=True)
    criteria = DocumentField(documents.COHORT_CRITERIA)

    class Meta:
        table_name = "cohorts"
