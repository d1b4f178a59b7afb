"""A/B experiments: planned, started, ended; subjects assigned for good; a split that went wrong is told."""

from __future__ import annotations

import datetime as dt
import hashlib
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import engagement
from datapkg.engagement import AbAssignment, AbExperiment
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.kit.statements import insert, insert_many

KEY = uuid.UUID("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b")
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def plan(name="opening", **options):
    """Plan an experiment."""
    return engagement.create_ab_experiment(
        name, **{"variant_a": "question", "variant_b": "tip", "metric": "help_count", **options}
    )


def running(**options):
    """Plan an experiment and start it."""
    return engagement.start_ab_experiment(plan(**options).id, now=START)


def stored_as(key, *, split=0.5, status="RUNNING"):
    """Put an experiment with a known key into the table."""
    return insert(
        AbExperiment,
        {
            "id": key,
            "name": str(key),
            "variant_a": "x",
            "variant_b": "y",
            "metric": "m",
            "traffic_split": split,
            "status": status,
        },
    )


def variants(experiment, subjects):
    """Assign these subjects, and return their variants as one text."""
    return "".join(engagement.assign_variant(experiment.id, subject=subject).variant for subject in subjects)


def test_an_experiment_is_planned_changed_started_and_finished(db):
    """Each step shows in what is read back; lists narrow by name and status."""
    made = plan(description="how to begin", traffic_split=1)
    assert (made.status, made.traffic_split, made.start_date, made.winner) == ("DRAFT", 1.0, None, None)
    assert engagement.get_ab_experiment(str(made.id)).public() == made.public()
    changed = engagement.update_ab_experiment(made.id, traffic_split=0.25, description=None, name="start")
    assert (changed.traffic_split, changed.description, changed.name) == (0.25, None, "start")
    assert changed.updated_at > made.updated_at
    other = plan("other")
    started = engagement.start_ab_experiment(made.id, now=START)
    assert (started.status, started.start_date, started.end_date) == ("RUNNING", START, None)
    done = engagement.finish_ab_experiment(made.id, results={"uplift": 0.1}, winner="A", now=START + dt.timedelta(1))
    assert (done.status, done.winner, done.end_date) == ("COMPLETED", "A", START + dt.timedelta(1))
    assert engagement.get_ab_experiment(made.id).results_json == {"schema_version": 1, "data": {"uplift": 0.1}}
    assert list(engagement.list_ab_experiments()) == [other, made]
    assert list(engagement.list_ab_experiments(status="COMPLETED", name="start")) == [made]
    assert list(engagement.list_ab_experiments(after=other.id, limit=1)) == [made]
    assert engagement.find_ab_experiment(uuid.uuid4()) is None


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Each field of a plan, a change and an end is checked; a name is taken once."""
    with pytest.raises(ValidationError) as caught:
        plan("", variant_a="", variant_b="x" * 2001, metric=None, traffic_split=1.0000001, description=7)
    assert sorted(caught.value.errors) == [
        "description",
        "metric",
        "name",
        "traffic_split",
        "variant_a",
        "variant_b",
    ]
    for split in (float("nan"), -0.0000001, float("inf"), "0.5", True, None):
        with pytest.raises(ValidationError, match="traffic_split"):
            plan(traffic_split=split)
    assert not engagement.list_ab_experiments()
    made = plan(traffic_split=0, description="")  # the near misses
    with pytest.raises(ConflictError) as conflict:
        plan()
    assert conflict.value.table == "ab_experiments"
    with pytest.raises(ValidationError, match="Give at least one of name, description, variant_a"):
        engagement.update_ab_experiment(made.id)
    with pytest.raises(ValidationError) as caught:
        engagement.update_ab_experiment(made.id, traffic_split=2, status="RUNNING", name=None)
    assert sorted(caught.value.errors) == ["name", "status", "traffic_split"]
    engagement.start_ab_experiment(made.id)
    with pytest.raises(ValidationError) as caught:
        engagement.finish_ab_experiment(
            made.id, results={"x": float("nan")}, winner="C", now=START.replace(tzinfo=None)
        )
    assert sorted(caught.value.errors) == ["now", "results.x", "winner"]
    with pytest.raises(ValidationError, match="results"):
        engagement.finish_ab_experiment(made.id, results=[1])
    with pytest.raises(ValidationError, match="status"):
        engagement.list_ab_experiments(status="PAUSED")
    assert engagement.get_ab_experiment(made.id).status == "RUNNING"


def test_only_the_steps_that_are_planned_are_taken(db):
    """A step from anywhere else is refused and names what is allowed."""
    draft, run, done, gone = plan("draft"), running(name="run"), running(name="done"), plan("gone")
    engagement.finish_ab_experiment(done.id, results={})
    assert engagement.cancel_ab_experiment(gone.id, now=START).end_date == START
    steps = {
        "RUNNING": engagement.start_ab_experiment,
        "COMPLETED": lambda key: engagement.finish_ab_experiment(key, results={}),
        "CANCELLED": engagement.cancel_ab_experiment,
    }
    forbidden = [(draft, "COMPLETED"), (run, "RUNNING"), *((each, to) for each in (done, gone) for to in steps)]
    for experiment, to in forbidden:
        with pytest.raises(InvalidTransitionError) as caught:
            steps[to](experiment.id)
        assert caught.value.meta["to"] == to
        assert to not in caught.value.meta["allowed"]
    for step in steps.values():
        with pytest.raises(NotFoundError):
            step(uuid.uuid4())
    assert engagement.get_ab_experiment(done.id).results_json == {"schema_version": 1, "data": {}}


def test_an_experiment_never_ends_before_it_began(db):
    """Where the clock was set back, the end is the start."""
    before = START - dt.timedelta(hours=1)
    assert engagement.finish_ab_experiment(running(name="a").id, results={}, now=before).end_date == START
    assert engagement.cancel_ab_experiment(running(name="b").id, now=before).end_date == START


def test_what_is_running_is_frozen_and_assignments_are_kept(db):
    """The split cannot change from the start on; whoever has a variant keeps it even if plain SQL changes the split."""
    made = plan(traffic_split=1)
    with pytest.raises(InvalidTransitionError, match=r"DRAFT and assigns nobody new\. Start it"):
        engagement.assign_variant(made.id, subject="early")
    engagement.start_ab_experiment(made.id)
    first = engagement.assign_variant(made.id, subject="ann")
    with pytest.raises(InvalidTransitionError) as caught:
        engagement.update_ab_experiment(made.id, traffic_split=0)
    assert caught.value.meta == {"status": "RUNNING"}
    mark = current().dialect.param
    current().change(f"UPDATE ab_experiments SET traffic_split = 0 WHERE id = {mark}", (str(made.id),))
    assert engagement.assign_variant(str(made.id), subject="ann") == first
    assert (first.variant, engagement.assign_variant(made.id, subject="ben").variant) == ("A", "B")
    engagement.finish_ab_experiment(made.id, results={})
    assert engagement.assign_variant(made.id, subject="ann") == first
    with pytest.raises(InvalidTransitionError, match=r"COMPLETED and assigns nobody new\. Treat"):
        engagement.assign_variant(made.id, subject="late")
    with pytest.raises(InvalidTransitionError):
        engagement.update_ab_experiment(made.id, traffic_split=0.5)
    assert [each.subject for each in engagement.list_assignments(experiment_id=made.id)] == ["ben", "ann"]
    assert [each.subject for each in engagement.list_assignments(variant="A", subject="ann")] == ["ann"]


def test_the_variant_of_a_subject_is_pinned(db):
    """The same experiment and subject give the same variant on every engine, in every process and version."""
    experiment = stored_as(KEY)
    assert variants(experiment, [f"subject-{number}" for number in range(32)]) == PINNED
    person = uuid.UUID(int=7)
    assert engagement.assign_variant(KEY, subject=person) == engagement.assign_variant(KEY, subject=str(person))
    assert len(engagement.list_assignments(limit=1000)) == 33
    # Computed as documented, by nothing but hashlib.
    for subject, variant in (("subject-0", PINNED[0]), ("Zoë 🐘", variants(experiment, ["Zoë 🐘"]))):
        number = int.from_bytes(hashlib.sha256(f"{KEY}\0{subject}".encode()).digest()[:8], "big")
        assert variant == ("A" if number < 2**63 else "B")


PINNED = "BAAABAABABAAAAAAAAAABAAAABABAABA"


def test_the_split_is_as_planned_and_independent_of_other_experiments(db):
    """Of 400 fixed subjects the planned share gets A; another experiment splits the same subjects anew."""
    subjects = [f"author-{number}" for number in range(400)]
    # The keys are fixed, so the counts are the same at every run.
    for number, share, asked, low, high in (
        (1, 0.5, 400, 170, 230),
        (2, 0.1, 400, 25, 55),
        (3, 0, 30, 0, 0),
        (4, 1, 30, 30, 30),
    ):
        experiment = stored_as(uuid.UUID(int=number), split=share)
        with transaction():
            given = variants(experiment, subjects[:asked])
        assert low <= given.count("A") <= high
        health = engagement.experiment_health(experiment.id)
        assert health.counts == {"A": given.count("A"), "B": given.count("B")}
        assert not health.sample_ratio_mismatch
    halves = variants(engagement.get_ab_experiment(uuid.UUID(int=1)), subjects)
    with transaction():
        other = variants(stored_as(KEY), subjects)
    assert 170 <= sum(one == two for one, two in zip(halves, other, strict=True)) <= 230


def test_a_subject_that_cannot_be_one_is_refused(db):
    """Subject and key are checked together; text that a database cannot hold never reaches it."""
    experiment = running()
    for subject in ("", "x" * 201, "\0", "\ud800", None, 7, b"x"):
        with pytest.raises(ValidationError) as caught:
            engagement.assign_variant(experiment.id, subject=subject)
        assert list(caught.value.errors) == ["subject"]
    with pytest.raises(ValidationError) as caught:
        engagement.assign_variant("x", subject="")
    assert sorted(caught.value.errors) == ["experiment_id", "subject"]
    with pytest.raises(NotFoundError):
        engagement.assign_variant(uuid.uuid4(), subject="ann")
    with pytest.raises(ValidationError, match="variant"):
        engagement.list_assignments(variant="C")
    for subject in ("x" * 200, " ", "'; DROP TABLE ab_assignments; --", "\u202eabc"):  # the near misses
        assert engagement.assign_variant(experiment.id, subject=subject).subject == subject


def test_an_experiment_is_deleted_unless_it_runs(db):
    """Its assignments go with it; a running one is ended first."""
    experiment = running()
    engagement.assign_variant(experiment.id, subject="ann")
    with pytest.raises(InvalidTransitionError, match="Finish or cancel it first"):
        engagement.delete_ab_experiment(experiment.id)
    engagement.cancel_ab_experiment(experiment.id)
    engagement.delete_ab_experiment(experiment.id)
    assert (len(engagement.list_ab_experiments()), len(engagement.list_assignments())) == (0, 0)
    with pytest.raises(NotFoundError):
        engagement.delete_ab_experiment(experiment.id)
    with pytest.raises(NotFoundError):
        engagement.experiment_health(experiment.id)


def test_health_tells_a_split_that_chance_does_not_give(db):
    """Without subjects nothing is said; an odd split is flagged, one that is merely uneven is not."""
    experiment = stored_as(KEY)
    empty = engagement.experiment_health(KEY)
    assert (empty.total, empty.counts, empty.test, empty.p_value) == (0, {"A": 0, "B": 0}, None, None)
    assert not empty.sample_ratio_mismatch

    def add(variant, count, prefix):
        rows = [{"experiment": experiment.id, "subject": f"{prefix}{n}", "variant": variant} for n in range(count)]
        with transaction():
            insert_many(AbAssignment, rows)

    add("A", 10, "a")
    few = engagement.experiment_health(str(KEY))
    assert (few.test, few.expected) == ("binomial", {"A": 0.5, "B": 0.5})
    assert few.p_value == pytest.approx(2 / 2**10)
    assert not few.sample_ratio_mismatch
    add("A", 1, "b")
    assert engagement.experiment_health(KEY).p_value == pytest.approx(2 / 2**11)
    assert engagement.experiment_health(KEY).sample_ratio_mismatch  # 0.00098
    add("A", 189, "c")
    add("B", 250, "d")
    many = engagement.experiment_health(KEY)
    assert (many.test, many.total, many.sample_ratio_mismatch) == ("chi-square", 450, False)
    assert many.p_value == pytest.approx(0.018422, abs=1e-6)  # chi-square is 50**2 / 450 = 5.5556


ASSIGN = """
import sys
from datapkg import engagement
from datapkg.kit import database
database.bind(sys.argv[1])
for number in range(32):
    print(engagement.assign_variant(sys.argv[2], subject=f"subject-{number}").variant, end="")
"""


@pytest.mark.datapkg_commits
def test_another_process_assigns_alike_and_threads_at_once_make_one_row(db, datapkg_url):
    """A process with another hash seed gives the pinned variants; of six threads one stores the row, all return it."""
    experiment = stored_as(KEY)
    command = [sys.executable, "-c", ASSIGN, datapkg_url, str(KEY)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout == PINNED
    barrier = threading.Barrier(6)

    def assign(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return [engagement.assign_variant(experiment.id, subject=f"new-{n}").id for n in range(8)]
        finally:
            db.close()

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(assign, range(6)))
    assert all(each == found[0] for each in found)
    assert len(engagement.list_assignments(limit=1000)) == 32 + 8


@pytest.mark.datapkg_commits
def test_nobody_is_assigned_once_an_experiment_has_ended(db):
    """However an end and assignments overlap, what was assigned is what is stored; nothing comes after the end."""
    experiment = running()
    barrier = threading.Barrier(3)

    def assign(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            done = []
            for n in range(200):
                try:
                    done.append(engagement.assign_variant(experiment.id, subject=f"{number}-{n}").id)
                except InvalidTransitionError:
                    break
            return done
        finally:
            db.close()

    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(assign, number) for number in range(2)]
        barrier.wait(timeout=30)
        engagement.finish_ab_experiment(experiment.id, results={})
        at_the_end = {each.id for each in engagement.list_assignments(limit=1000)}
        assigned = {key for each in working for key in each.result(timeout=60)}
    assert assigned == at_the_end == {each.id for each in engagement.list_assignments(limit=1000)}
