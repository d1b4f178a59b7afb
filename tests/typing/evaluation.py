"""The evaluation domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, assert_type
from uuid import UUID

import pandas
import peewee as pw

from datapkg import evaluation
from datapkg.accounts import User
from datapkg.evaluation import (
    AnalysisResult,
    Cohort,
    Definition,
    DefinitionDiff,
    Experiment,
    InspectReport,
    MissingTranscript,
    Rubric,
    Run,
    RunComparison,
    Scenario,
    ScenarioDraft,
    Transcript,
    TranscriptReport,
    TreeNode,
)
from datapkg.kit.fields import DocumentField, EnumField, ForeignKey, TextField
from datapkg.kit.results import Rows


def definitions(key: UUID, text: str) -> None:
    """Definitions, their columns, and what is forked from them."""
    made = evaluation.create_definition("a", content={"template": "x"})
    assert_type(made, Definition)
    assert_type(made.id, UUID)
    assert_type(made.name, str)
    assert_type(made.created_at, dt.datetime)
    assert_type(made.updated_at, dt.datetime)
    assert_type(made.content, dict[str, Any])
    assert_type(made.parent, Definition | None)
    assert_type(made.parent_id, UUID | None)
    assert_type(made.created_by, User | None)
    assert_type(made.created_by_id, UUID | None)
    assert_type(made.depth, int | None)
    assert_type(evaluation.fork_definition(key, name="b"), Definition)
    assert_type(evaluation.get_definition(text), Definition)
    assert_type(evaluation.get_definition_with_content(key), Definition)
    assert_type(evaluation.find_definition(key), Definition | None)
    assert_type(evaluation.update_definition(key, name="c"), Definition)
    assert_type(evaluation.list_definitions(limit=5), Rows[Definition])
    assert_type(evaluation.get_ancestors(key), Rows[Definition])
    assert_type(evaluation.get_descendants(key), Rows[Definition])
    assert_type(evaluation.common_ancestor(key, text), Definition | None)
    for each in evaluation.list_definitions():
        assert_type(each, Definition)
    assert_type(evaluation.list_definitions()[0], Definition)
    assert_type(evaluation.list_definitions().df(), pandas.DataFrame)
    difference = evaluation.diff_definitions(key, text)
    assert_type(difference, DefinitionDiff)
    assert_type(difference.same, bool)
    assert_type(difference.changes, Rows[dict[str, Any]])


def trees(key: UUID) -> None:
    """Trees of definitions."""
    tree = evaluation.get_definition_tree(key)
    assert_type(tree, TreeNode)
    assert_type(tree.definition, Definition)
    assert_type(tree.children, list[TreeNode])
    assert_type(tree.walk(), Iterator[TreeNode])
    assert_type(tree.df(), pandas.DataFrame)


def scenarios(key: UUID) -> None:
    """Scenarios and what they come from."""
    assert_type(evaluation.create_scenario(key, name="s", content={"prompt": "x"}), Scenario)
    assert_type(evaluation.generate_scenarios(key), Rows[Scenario])
    assert_type(evaluation.expand_scenarios(key), Iterator[ScenarioDraft])
    assert_type(evaluation.count_scenarios(key), int)
    assert_type(evaluation.draw_sample(["a"], percentage=10, seed=1), list[str])
    scenario = evaluation.get_scenario(key)
    assert_type(scenario.definition, Definition)
    assert_type(scenario.definition_id, UUID)
    assert_type(evaluation.find_scenario(key), Scenario | None)
    assert_type(evaluation.list_scenarios(), Rows[Scenario])


def runs(key: UUID) -> None:
    """Runs, their columns on an instance and on the class."""
    run = evaluation.create_run(key, config={"models": ["m"]})
    assert_type(run, Run)
    assert_type(run.status, str)
    assert_type(run.config, dict[str, Any])
    assert_type(run.progress, dict[str, Any])
    assert_type(run.definition, Definition)
    assert_type(run.definition_id, UUID)
    assert_type(run.experiment, Experiment | None)
    assert_type(run.experiment_id, UUID | None)
    assert_type(run.content_sha256, str)
    assert_type(run.definition_schema_version, int)
    assert_type(run.started_at, dt.datetime | None)
    assert_type(run.error, str | None)
    assert_type(run.transcripts, Rows[Transcript] | None)
    assert_type(Run.status, EnumField[str])
    assert_type(Run.error, TextField[str | None])
    assert_type(Run.config, DocumentField[dict[str, Any]])
    assert_type(Run.definition, ForeignKey[Definition])
    assert_type(Run.status == "FAILED", pw.Expression)
    assert_type(Run.created_at.desc(), pw.Ordering)
    for each in Run.select().where(Run.status == "FAILED"):
        assert_type(each, Run)
    assert_type(evaluation.get_run(key), Run)
    assert_type(evaluation.find_run(key), Run | None)
    assert_type(evaluation.list_runs(status="FAILED"), Rows[Run])
    assert_type(evaluation.get_runs_for_definition_tree(key), Rows[Run])
    assert_type(evaluation.get_run_with_transcripts(key), Run)
    assert_type(evaluation.update_run_status(key, status="RUNNING"), Run)
    assert_type(evaluation.increment_run_progress(key, completed=1), Run)
    assert_type(evaluation.reap_stale_runs(older_than=dt.timedelta(hours=1)), Rows[Run])
    assert_type(evaluation.retry_run(key), Run)


def transcripts(key: UUID) -> None:
    """Transcripts, one at a time and in bulk."""
    transcript = evaluation.create_transcript(key, model="m", content=[])
    assert_type(transcript, Transcript)
    assert_type(transcript.content, list[dict[str, Any]])
    assert_type(transcript.metrics, dict[str, Any] | None)
    assert_type(transcript.input_tokens, int | None)
    assert_type(transcript.scenario, Scenario | None)
    assert_type(transcript.scenario_id, UUID | None)
    assert_type(transcript.run, Run)
    report = evaluation.create_transcripts(key, rows=[{"model": "m"}], on_error="collect")
    assert_type(report, TranscriptReport)
    assert_type(evaluation.list_transcripts(run_id=key), Rows[Transcript])
    assert_type(evaluation.iter_transcripts(run_id=key), Iterator[Transcript])
    missing = evaluation.missing_transcripts(key)
    assert_type(missing, Rows[MissingTranscript])
    assert_type(missing[0]["sample_index"], int)
    assert_type(evaluation.import_transcripts("x.jsonl", run_id=key), TranscriptReport)
    assert_type(evaluation.import_inspect_log("x.eval"), InspectReport)


def results(key: UUID) -> None:
    """Comparisons, analyses, and what they go by."""
    comparison = evaluation.compare_runs(key, key, metric="score")
    assert_type(comparison, RunComparison)
    assert_type(comparison.delta, dict[str, Any])
    assert_type(comparison.baseline_run, Run)
    assert_type(comparison.experiment_id, UUID | None)
    assert_type(evaluation.list_comparisons(), Rows[RunComparison])
    analysis = evaluation.record_analysis(key, analysis_type="t", output={}, code_version="1")
    assert_type(analysis, AnalysisResult)
    assert_type(analysis.rubric, Rubric | None)
    assert_type(analysis.version, int)
    assert_type(analysis.invalidated_at, dt.datetime | None)
    assert_type(evaluation.list_analyses(), Rows[AnalysisResult])
    assert_type(evaluation.is_stale(key), bool)
    assert_type(evaluation.create_rubric("r", content={}), Rubric)
    assert_type(evaluation.create_cohort("c", criteria={}), Cohort)
    assert_type(evaluation.create_experiment("e", analysis_plan={}), Experiment)
    assert_type(evaluation.list_experiments(), Rows[Experiment])
    assert_type(evaluation.get_comparison(key), RunComparison)
    assert_type(evaluation.find_comparison(key), RunComparison | None)
    assert_type(evaluation.get_analysis(key), AnalysisResult)
    assert_type(evaluation.find_analysis(key), AnalysisResult | None)
    assert_type(evaluation.get_current_analysis(key, analysis_type="t"), AnalysisResult)
    assert_type(evaluation.invalidate_analysis(key, author="a", reason="r"), AnalysisResult)
    assert_type(evaluation.fingerprint_inputs(key), str)
    assert_type(evaluation.get_rubric(key), Rubric)
    assert_type(evaluation.find_rubric(key), Rubric | None)
    assert_type(evaluation.list_rubrics(), Rows[Rubric])
    assert_type(evaluation.get_cohort(key), Cohort)
    assert_type(evaluation.find_cohort(key), Cohort | None)
    assert_type(evaluation.list_cohorts(), Rows[Cohort])
    assert_type(evaluation.in_cohort({}, model="m", scenario=None, values={}), bool)
    assert_type(evaluation.get_experiment(key), Experiment)
    assert_type(evaluation.find_experiment(key), Experiment | None)
    assert_type(evaluation.update_experiment_status(key, status="RUNNING"), Experiment)


def lives(key: UUID) -> None:
    """What goes on with a run, and what goes away."""
    assert_type(evaluation.heartbeat_run(key), Run)
    assert_type(evaluation.update_run_progress(key, progress={}), Run)
    assert_type(evaluation.get_transcript(key), Transcript)
    assert_type(evaluation.find_transcript(key), Transcript | None)
    evaluation.delete_analysis(key)
    evaluation.delete_cohort(key)
    evaluation.delete_comparison(key)
    evaluation.delete_definition(key)
    evaluation.delete_experiment(key)
    evaluation.delete_run(key)
    evaluation.delete_scenario(key)
    evaluation.delete_transcript(key)
