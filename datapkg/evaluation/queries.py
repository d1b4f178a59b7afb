"""Every function of the evaluation domain, in one place."""

from __future__ import annotations

from datapkg.evaluation.analyses import (
    delete_analysis,
    find_analysis,
    get_analysis,
    get_current_analysis,
    invalidate_analysis,
    is_stale,
    list_analyses,
    record_analysis,
)
from datapkg.evaluation.cohorts import create_cohort, delete_cohort, find_cohort, get_cohort, in_cohort, list_cohorts
from datapkg.evaluation.comparisons import (
    compare_runs,
    delete_comparison,
    find_comparison,
    get_comparison,
    list_comparisons,
)
from datapkg.evaluation.definitions import (
    create_definition,
    delete_definition,
    find_definition,
    fork_definition,
    get_definition,
    get_definition_with_content,
    list_definitions,
    update_definition,
)
from datapkg.evaluation.diffs import DefinitionDiff, diff_definitions
from datapkg.evaluation.experiments import (
    create_experiment,
    delete_experiment,
    find_experiment,
    get_experiment,
    list_experiments,
    update_experiment_status,
)
from datapkg.evaluation.fingerprints import fingerprint_inputs
from datapkg.evaluation.imports import import_transcripts
from datapkg.evaluation.inspect_logs import InspectReport, import_inspect_log
from datapkg.evaluation.progress import increment_run_progress, update_run_progress
from datapkg.evaluation.retries import retry_run
from datapkg.evaluation.rubrics import create_rubric, find_rubric, get_rubric, list_rubrics
from datapkg.evaluation.run_lists import get_runs_for_definition_tree, list_runs
from datapkg.evaluation.run_states import heartbeat_run, reap_stale_runs, update_run_status
from datapkg.evaluation.runs import create_run, delete_run, find_run, get_run, get_run_with_transcripts
from datapkg.evaluation.sampling import draw_sample
from datapkg.evaluation.scenarios import (
    MAX_SCENARIOS,
    ScenarioDraft,
    count_scenarios,
    create_scenario,
    delete_scenario,
    expand_scenarios,
    find_scenario,
    generate_scenarios,
    get_scenario,
    list_scenarios,
)
from datapkg.evaluation.transcript_reading import MissingTranscript, iter_transcripts, missing_transcripts
from datapkg.evaluation.transcripts import (
    TranscriptReport,
    create_transcript,
    create_transcripts,
    delete_transcript,
    find_transcript,
    get_transcript,
    list_transcripts,
)
from datapkg.evaluation.trees import TreeNode, common_ancestor, get_ancestors, get_definition_tree, get_descendants

__all__ = [
    "MAX_SCENARIOS",
    "DefinitionDiff",
    "InspectReport",
    "MissingTranscript",
    "ScenarioDraft",
    "TranscriptReport",
    "TreeNode",
    "common_ancestor",
    "compare_runs",
    "count_scenarios",
    "create_cohort",
    "create_definition",
    "create_experiment",
    "create_rubric",
    "create_run",
    "create_scenario",
    "create_transcript",
    "create_transcripts",
    "delete_analysis",
    "delete_cohort",
    "delete_comparison",
    "delete_definition",
    "delete_experiment",
    "delete_run",
    "delete_scenario",
    "delete_transcript",
    "diff_definitions",
    "draw_sample",
    "expand_scenarios",
    "find_analysis",
    "find_cohort",
    "find_comparison",
    "find_definition",
    "find_experiment",
    "find_rubric",
    "find_run",
    "find_scenario",
    "find_transcript",
    "fingerprint_inputs",
    "fork_definition",
    "generate_scenarios",
    "get_analysis",
    "get_ancestors",
    "get_cohort",
    "get_comparison",
    "get_current_analysis",
    "get_definition",
    "get_definition_tree",
    "get_definition_with_content",
    "get_descendants",
    "get_experiment",
    "get_rubric",
    "get_run",
    "get_run_with_transcripts",
    "get_runs_for_definition_tree",
    "get_scenario",
    "get_transcript",
    "heartbeat_run",
    "import_inspect_log",
    "import_transcripts",
    "in_cohort",
    "increment_run_progress",
    "invalidate_analysis",
    "is_stale",
    "iter_transcripts",
    "list_analyses",
    "list_cohorts",
    "list_comparisons",
    "list_definitions",
    "list_experiments",
    "list_rubrics",
    "list_runs",
    "list_scenarios",
    "list_transcripts",
    "missing_transcripts",
    "reap_stale_runs",
    "record_analysis",
    "retry_run",
    "update_definition",
    "update_experiment_status",
    "update_run_progress",
    "update_run_status",
]
