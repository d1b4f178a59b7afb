"""Evaluation: definitions and scenarios, runs and transcripts, experiments, comparisons, analyses, rubrics, cohorts."""

from __future__ import annotations

from typing import Any

import peewee as pw

from datapkg.kit.fields import (
    BigIntegerField,
    EnumField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
)
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    @migrator.create_model
    class Definition(MutableModel):
        parent = ForeignKey("self", on_delete="RESTRICT", null=True)
        name = TextField(max_length=200, min_length=1, index=True)
        content = JSONField()
        created_by = ForeignKey(migrator.orm["users"], on_delete="RESTRICT", null=True, column_name="created_by")

        class Meta:
            table_name = "definitions"
            indexes = ((("created_at",), False),)
            frozen_by = {"content": ("runs", "definition_id")}

    @migrator.create_model
    class Scenario(MutableModel):
        definition = ForeignKey(Definition, on_delete="CASCADE", index=False)
        name = TextField(max_length=200, min_length=1)
        content = JSONField()

        class Meta:
            table_name = "scenarios"
            indexes = ((("definition", "name"), True), (("definition", "id"), False))

    @migrator.create_model
    class Experiment(MutableModel):
        name = TextField(max_length=200, min_length=1, index=True)
        hypothesis = TextField(max_length=10_000, null=True)
        analysis_plan = JSONField()
        status = EnumField(choices=("DRAFT", "RUNNING", "COMPLETED", "ABANDONED"), default="DRAFT", index=True)

        class Meta:
            table_name = "experiments"
            immutable = ("analysis_plan",)

    @migrator.create_model
    class Run(MutableModel):
        definition = ForeignKey(Definition, on_delete="RESTRICT", index=False)
        experiment = ForeignKey(Experiment, on_delete="SET NULL", null=True)
        status = EnumField(
            choices=("PENDING", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"), default="PENDING", index=True
        )
        config = JSONField()
        progress = JSONField()
        content_sha256 = TextField(max_length=64, min_length=64)
        definition_schema_version = IntegerField(min=0)
        started_at = TimestampField(null=True)
        finished_at = TimestampField(null=True)
        heartbeat_at = TimestampField(null=True)
        error = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "runs"
            indexes = ((("definition", "id"), False),)

    @migrator.create_model
    class RunScenario(Model):
        run = ForeignKey(Run, on_delete="CASCADE", index=False)
        scenario = ForeignKey(Scenario, on_delete="CASCADE")
        position = IntegerField(min=0)

        class Meta:
            table_name = "run_scenario_selection"
            indexes = ((("run", "scenario"), True), (("run", "position"), True))

    @migrator.create_model
    class Transcript(Model):
        run = ForeignKey(Run, on_delete="CASCADE", index=False)
        scenario = ForeignKey(Scenario, on_delete="SET NULL", null=True)
        model = TextField(max_length=200, min_length=1)
        sample_index = IntegerField(min=0, default=0)
        content = JSONField()
        metrics = JSONField(null=True)
        input_tokens = BigIntegerField(min=0, null=True)
        output_tokens = BigIntegerField(min=0, null=True)
        duration_ms = BigIntegerField(min=0, null=True)

        class Meta:
            table_name = "transcripts"
            indexes = ((("run", "scenario", "model", "sample_index"), True), (("run", "id"), False))

    @migrator.create_model
    class RunComparison(Model):
        baseline_run = ForeignKey(Run, on_delete="CASCADE")
        comparison_run = ForeignKey(Run, on_delete="CASCADE")
        experiment = ForeignKey(Experiment, on_delete="SET NULL", null=True)
        delta = JSONField()

        class Meta:
            table_name = "run_comparisons"
            constraints = [pw.Check("baseline_run_id <> comparison_run_id", "ck_run_comparisons_different_runs")]

    @migrator.create_model
    class Rubric(Model):
        name = TextField(max_length=200, min_length=1)
        version = IntegerField(min=1)
        content = JSONField()

        class Meta:
            table_name = "rubrics"
            indexes = ((("name", "version"), True),)
            append_only = True

    @migrator.create_model
    class AnalysisResult(MutableModel):
        run = ForeignKey(Run, on_delete="CASCADE", index=False)
        analysis_type = TextField(max_length=100, min_length=1)
        version = IntegerField(min=1)
        status = EnumField(choices=("CURRENT", "SUPERSEDED", "INVALIDATED"), default="CURRENT")
        input_hash = TextField(max_length=64, min_length=64)
        code_version = TextField(max_length=200, min_length=1)
        rubric = ForeignKey(Rubric, on_delete="RESTRICT", null=True)
        output = JSONField()
        invalidated_at = TimestampField(null=True)
        invalidated_by = TextField(max_length=200, min_length=1, null=True)
        invalidated_reason = TextField(max_length=2000, min_length=1, null=True)

        class Meta:
            table_name = "analysis_results"
            indexes = ((("run", "analysis_type", "version"), True),)

    migrator.add_index(
        "analysis_results",
        "run",
        "analysis_type",
        unique=True,
        where=pw.SQL("status = 'CURRENT'"),
    )

    @migrator.create_model
    class Cohort(MutableModel):
        name = TextField(max_length=200, min_length=1, unique=True)
        criteria = JSONField()

        class Meta:
            table_name = "cohorts"


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in (
        "cohorts",
        "analysis_results",
        "rubrics",
        "run_comparisons",
        "transcripts",
        "run_scenario_selection",
        "runs",
        "experiments",
        "scenarios",
        "definitions",
    ):
        migrator.remove_model(table)
