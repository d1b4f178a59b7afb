"""Experiments: created with their plan, moved through their states, listed and deleted, on both engines."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg.errors import InvalidTransitionError, NotFoundError, UnknownSchemaVersionError, ValidationError
from datapkg.evaluation.experiments import (
    create_experiment,
    delete_experiment,
    find_experiment,
    get_experiment,
    list_experiments,
    update_experiment_status,
)
from datapkg.evaluation.models import EXPERIMENT_STATUSES, Run, RunComparison
from datapkg.evaluation.runs import create_run
from datapkg.kit.database import current, transaction
from datapkg.kit.statements import insert
from datapkg.testing.factories import make_definition

PLAN = {"test": "paired t", "alpha": 0.05}
UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"
PATHS = {"DRAFT": (), "RUNNING": ("RUNNING",), "COMPLETED": ("RUNNING", "COMPLETED"), "ABANDONED": ("ABANDONED",)}
ALLOWED = {("DRAFT", "RUNNING"), ("DRAFT", "ABANDONED"), ("RUNNING", "COMPLETED"), ("RUNNING", "ABANDONED")}


def create(name="tone", **options):
    """Create an experiment with a valid plan."""
    return create_experiment(name, **{"analysis_plan": PLAN, **options})


def in_status(status):
    """Create an experiment and bring it to a status."""
    experiment = create()
    for step in PATHS[status]:
        experiment = update_experiment_status(experiment.id, status=step)
    assert experiment.status == status
    return experiment


def test_an_experiment_reads_back_as_it_was_created(db):
    """It starts as a draft; name, hypothesis and plan are the same when read, by either form of the key."""
    made = create(hypothesis="Curt is better.")
    read = get_experiment(str(made.id).upper())
    assert (read.name, read.hypothesis, read.status) == ("tone", "Curt is better.", "DRAFT")
    assert read.analysis_plan == {"schema_version": 1, **PLAN}
    assert read.public() == made.public()
    assert find_experiment(made.id) == made
    assert create().hypothesis is None


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Name, hypothesis and plan are checked together."""
    with pytest.raises(ValidationError) as caught:
        create_experiment("", analysis_plan={"alpha": 1, "power": 0.8}, hypothesis=3)
    assert set(caught.value.errors) == {
        "name",
        "hypothesis",
        "analysis_plan.test",
        "analysis_plan.alpha",
        "analysis_plan.power",
    }
    assert list_experiments() == []


@pytest.mark.parametrize(
    ("plan", "path"),
    [
        (None, "analysis_plan"),
        ([], "analysis_plan"),
        ({"test": "t"}, "analysis_plan.alpha"),
        ({"test": "", "alpha": 0.5}, "analysis_plan.test"),
        ({"test": "t", "alpha": 0}, "analysis_plan.alpha"),
        ({"test": "t", "alpha": float("nan")}, "analysis_plan.alpha"),
        ({"test": "t", "alpha": 0.5, "correction": ""}, "analysis_plan.correction"),
    ],
)
def test_each_rule_of_the_plan_refuses(db, plan, path):
    """Every rule of the plan's schema names the place that it refuses."""
    with pytest.raises(ValidationError) as caught:
        create(analysis_plan=plan)
    assert list(caught.value.errors) == [path]


@pytest.mark.parametrize(
    "plan",
    [
        {"test": "t", "alpha": 1e-9},
        {"test": "t" * 200, "alpha": 0.999, "correction": None},
        {"test": "t", "alpha": 0.5, "correction": "Holm"},
    ],
)
def test_near_misses_of_the_plan_are_accepted(db, plan):
    """What is just inside every bound is stored."""
    made = create("x" * 200, analysis_plan=plan, hypothesis="h" * 10_000)
    assert get_experiment(made.id).analysis_plan == {"schema_version": 1, **plan}


def test_a_plan_of_a_newer_version_is_refused(db):
    """A plan that this code does not know is not stored."""
    with pytest.raises(UnknownSchemaVersionError):
        create(analysis_plan={"schema_version": 99, **PLAN})


@pytest.mark.parametrize("before", EXPERIMENT_STATUSES)
@pytest.mark.parametrize("after", EXPERIMENT_STATUSES)
def test_only_the_allowed_transitions_are_made(db, before, after):
    """Each pair of statuses is allowed or refused; a refusal says what would be, and the plan stays in any case."""
    experiment = in_status(before)
    if (before, after) in ALLOWED:
        moved = update_experiment_status(experiment.id, status=after)
        assert moved.status == after
        assert moved.updated_at > experiment.updated_at
    else:
        with pytest.raises(InvalidTransitionError) as caught:
            update_experiment_status(experiment.id, status=after)
        allowed = [to for to in EXPERIMENT_STATUSES if (before, to) in ALLOWED]
        assert caught.value.meta == {"from": before, "to": after, "allowed": allowed}
        assert caught.value.fix
    read = get_experiment(experiment.id)
    assert read.status == (after if (before, after) in ALLOWED else before)
    assert read.analysis_plan == experiment.analysis_plan


def test_a_change_of_status_is_one_statement(db):
    """Nothing is read before the status is changed, so nobody can come in between."""
    experiment = create()
    seen = []
    db.query_hooks.append(lambda event: seen.append(event.sql))
    try:
        update_experiment_status(experiment.id, status="RUNNING")
    finally:
        db.query_hooks.clear()
    assert len(seen) == 1


@pytest.mark.datapkg_commits
def test_of_two_final_statuses_at_once_one_is_set(db):
    """Four threads complete and abandon at the same moment: one succeeds, the others are told."""
    experiment = in_status("RUNNING")
    barrier = threading.Barrier(4)

    def move(status):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return update_experiment_status(experiment.id, status=status).status
        except InvalidTransitionError:
            return None
        finally:
            db.close()

    with ThreadPoolExecutor(4) as pool:
        set_to = [status for status in pool.map(move, ["COMPLETED", "ABANDONED"] * 2) if status]
    assert set_to == [get_experiment(experiment.id).status]


def test_unknown_experiments_and_bad_arguments(db):
    """What is not there is told apart from what is not valid; all complaints come at once."""
    assert find_experiment(UNKNOWN) is None
    for call in (
        lambda: get_experiment(UNKNOWN),
        lambda: delete_experiment(UNKNOWN),
        lambda: update_experiment_status(UNKNOWN, status="RUNNING"),
        lambda: update_experiment_status(UNKNOWN, status="DRAFT"),
    ):
        with pytest.raises(NotFoundError) as missing:
            call()
        assert missing.value.entity == "experiment"
    with pytest.raises(ValidationError) as caught:
        update_experiment_status("x", status="running")
    assert set(caught.value.errors) == {"experiment_id", "status"}
    for call in (get_experiment, find_experiment, delete_experiment):
        with pytest.raises(ValidationError) as caught:
            call("x")
        assert list(caught.value.errors) == ["experiment_id"]


def test_lists_are_filtered_and_paged_newest_first(db):
    """Name and status narrow the list; a page goes on after the last row."""
    made = [create(name) for name in ("a", "b", "a")]
    update_experiment_status(made[0].id, status="RUNNING")
    assert [each.id for each in list_experiments()] == [each.id for each in reversed(made)]
    assert [each.id for each in list_experiments(name="a")] == [made[2].id, made[0].id]
    assert [each.id for each in list_experiments(name="a", status="DRAFT")] == [made[2].id]
    assert [each.id for each in list_experiments(limit=1, after=made[1].id)] == [made[0].id]
    assert "RUNNING" in repr(list_experiments(status="RUNNING"))
    with pytest.raises(ValidationError) as caught:
        list_experiments(status="OPEN", limit=0)
    assert set(caught.value.errors) == {"status", "limit"}


def test_deleting_an_experiment_keeps_its_runs_and_comparisons(db):
    """They stay, without an experiment."""
    experiment, definition = create(), make_definition()
    config = {"models": ["m"]}
    runs = [create_run(definition.id, config=config, experiment_id=experiment.id) for _ in range(2)]
    delta = {"metric": "x", "n": 0, "coverage": 0.0, "baseline_only": 0, "comparison_only": 0, "unscored": 0}
    delta |= dict.fromkeys(("baseline_mean", "comparison_mean", "mean_difference", "standard_error"))
    insert(RunComparison, {"baseline_run": runs[0].id, "comparison_run": runs[1].id, "experiment": experiment.id,
                           "delta": delta})  # fmt: skip
    delete_experiment(experiment.id)
    assert find_experiment(experiment.id) is None
    assert {run.experiment_id for run in Run.select()} == {None}
    assert [each.experiment_id for each in RunComparison.select()] == [None]


def test_writes_belong_to_the_caller_s_transaction(db):
    """What is done inside a transaction that fails is undone; a refusal inside spoils nothing."""
    kept = create()
    with pytest.raises(KeyError), transaction():
        create("other")
        update_experiment_status(kept.id, status="RUNNING")
        raise KeyError
    with transaction():
        with pytest.raises(InvalidTransitionError):
            update_experiment_status(kept.id, status="COMPLETED")
        update_experiment_status(kept.id, status="ABANDONED")
    assert [each.status for each in list_experiments()] == ["ABANDONED"]
    assert not current().in_transaction()
