"""Runs: created with a pinned content and a sample, read, deleted."""

from __future__ import annotations

import uuid

import pytest
from run_samples import at_once, count, counted, execute, fetch, numbered, run_of, store_definition

from datapkg import evaluation
from datapkg.errors import (
    ConflictError,
    DocumentError,
    NotFoundError,
    StaleWriteError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.evaluation.models import Experiment, Transcript
from datapkg.evaluation.runs import create_run, delete_run, find_run, get_run, get_run_with_transcripts
from datapkg.evaluation.sampling import draw_sample
from datapkg.kit.database import transaction
from datapkg.kit.documents import content_hash
from datapkg.kit.json_values import parse_json
from datapkg.kit.statements import insert

CONFIG = {"models": ["a", "b"]}


def sample(run):
    """Return the names of a run's sample in its order, after a look at the positions."""
    rows = fetch(
        "SELECT s.name, x.position FROM run_scenario_selection x JOIN scenarios s ON s.id = x.scenario_id "
        "WHERE x.run_id = ? ORDER BY x.position",
        str(run.id),
    )
    assert [position for _, position in rows] == list(range(len(rows)))
    return [name for name, _ in rows]


def names(number):
    """Return the names of the scenarios of ``numbered``."""
    return [f"n={each}" for each in range(number)]


def by_key(definition):
    """Return the names of a definition's scenarios in the order of their keys."""
    rows = fetch("SELECT name FROM scenarios WHERE definition_id = ? ORDER BY id", str(definition.id))
    return [name for (name,) in rows]


def test_a_run_reads_back_as_it_was_created(db):
    """PENDING, with the whole sample and the count of what there is to do."""
    definition = numbered(3)
    made = create_run(definition.id, config={**CONFIG, "temperature": 0.5})
    read = get_run(str(made.id).upper())
    assert read == made
    assert read.public() == made.public()
    assert (read.status, read.definition_id, read.experiment_id) == ("PENDING", definition.id, None)
    assert read.config == {"schema_version": 1, **CONFIG, "temperature": 0.5}
    assert read.progress == {"schema_version": 1, "total": 6, "completed": 0, "failed": 0}
    assert (read.started_at, read.finished_at, read.heartbeat_at, read.error) == (None, None, None, None)
    assert sample(made) == by_key(definition)


def test_the_content_is_pinned_as_it_is_stored(db):
    """The hash is of the very content in the table, whatever its version; the spelling does not count."""
    current_run = create_run(numbered(1).id, config=CONFIG)
    stored = fetch("SELECT content FROM definitions WHERE id = ?", str(current_run.definition_id))[0][0]
    assert current_run.content_sha256 == content_hash(parse_json(stored))
    assert current_run.definition_schema_version == 1
    bare = {"preamble": "é", "extra": [1.0, 1e20, -0.0, {"b": None, "a": True}]}
    old = create_run(store_definition(bare), config=CONFIG)
    assert old.definition_schema_version == 0
    assert old.content_sha256 == content_hash({"extra": [1, 10**20, 0, {"a": True, "b": None}], "preamble": "é"})
    assert old.content_sha256 == "a83a36425da4ce8333702e3628e5eb03ded82cc6d697028e3d96ab84a9ddb909"


def test_newer_or_corrupt_content_is_refused(db):
    """What nobody can run is not pinned; nothing is written."""
    with pytest.raises(UnknownSchemaVersionError):
        create_run(store_definition({"schema_version": 2, "preamble": ""}), config=CONFIG)
    with pytest.raises(DocumentError):
        create_run(store_definition([1]), config=CONFIG)
    assert count("runs") == 0


def test_what_a_run_refers_to_cannot_change(db):
    """The content is frozen for as long as a run refers to it; the name is not."""
    run = create_run(numbered(1).id, config=CONFIG)
    content = {"preamble": "other", "template": "", "dimensions": []}
    with pytest.raises(StaleWriteError):
        evaluation.update_definition(run.definition_id, content=content)
    evaluation.update_definition(run.definition_id, name="other")
    delete_run(run.id)
    assert evaluation.update_definition(run.definition_id, content=content).content["preamble"] == "other"


@pytest.mark.parametrize(
    ("percentage", "size"), [(None, 10), (100, 10), (100.0, 10), (99.9, 10), (25, 3), (10, 1), (0.5, 1)]
)
def test_the_sample_has_exactly_its_size(db, percentage, size):
    """A part of the scenarios is rounded up; the total counts one transcript for each scenario and model."""
    definition = numbered(10)
    run = create_run(definition.id, config={**CONFIG, "sample_percentage": percentage, "sample_seed": 3})
    drawn = set(draw_sample(names(10), percentage=percentage or 100, seed=3))
    assert sample(run) == [name for name in by_key(definition) if name in drawn]
    assert len(drawn) == size
    assert run.progress["total"] == 2 * size


def test_a_seed_is_recorded_where_the_draw_needs_one(db):
    """A part without a seed gets one, which draws the same again; the whole needs none."""
    definition = numbered(30)
    run = get_run(create_run(definition.id, config={**CONFIG, "sample_percentage": 50}).id)
    seed = run.config["sample_seed"]
    assert isinstance(seed, int)
    assert set(sample(run)) == set(draw_sample(names(30), percentage=50, seed=seed))
    again = create_run(definition.id, config={**CONFIG, "sample_percentage": 50, "sample_seed": seed})
    assert sample(again) == sample(run)
    explicit = {**CONFIG, "sample_percentage": 50, "sample_seed": None}
    assert create_run(definition.id, config=explicit).config["sample_seed"] is not None
    assert explicit["sample_seed"] is None
    seeds = {create_run(definition.id, config={**CONFIG, "sample_percentage": 50}).config["sample_seed"] for _ in "ab"}
    assert len(seeds | {seed}) == 3
    assert "sample_seed" not in create_run(definition.id, config={**CONFIG, "sample_percentage": 100}).config


def test_the_draw_knows_names_and_not_keys(db):
    """Two definitions with the same names, made in another order, have the same sample."""
    one, other = numbered(20), numbered(0)
    for name in reversed(names(20)):
        evaluation.create_scenario(other.id, name=name, content={"preamble": "", "prompt": "", "values": {}})
    config = {**CONFIG, "sample_percentage": 40, "sample_seed": 1}
    drawn = [sample(create_run(each.id, config=config)) for each in (one, other)]
    assert drawn[0] == drawn[1][::-1]


def test_a_definition_without_scenarios_gives_an_empty_sample(db):
    """Its total is 0 until somebody sets it, with a part as with the whole."""
    for config in (CONFIG, {**CONFIG, "sample_percentage": 10}):
        run = create_run(numbered(0).id, config=config)
        assert (sample(run), run.progress["total"]) == ([], 0)


def test_more_scenarios_than_one_batch(db):
    """Thousands of scenarios are drawn from and selected."""
    dimensions = [{"name": name, "values": [str(number) for number in range(52)]} for name in "ab"]
    content = {"preamble": "", "template": "{a} {b}", "dimensions": dimensions}
    definition = evaluation.create_definition("many", content=content)
    evaluation.generate_scenarios(definition.id)
    assert len(sample(create_run(definition.id, config=CONFIG))) == 2704
    assert len(sample(create_run(definition.id, config={**CONFIG, "sample_percentage": 50}))) == 1352


def test_scenarios_made_later_do_not_join(db):
    """The sample is what there was."""
    definition = numbered(2)
    run = create_run(definition.id, config=CONFIG)
    evaluation.create_scenario(definition.id, name="late", content={"preamble": "", "prompt": "", "values": {}})
    assert len(sample(run)) == 2


def test_what_is_missing_is_told(db):
    """An unknown definition or experiment is named, and nothing is written."""
    missing = uuid.uuid4()
    with pytest.raises(NotFoundError) as caught:
        create_run(missing, config=CONFIG)
    assert (caught.value.entity, caught.value.key) == ("definition", missing)
    definition = numbered(1)
    with transaction():  # the refused insert leaves the caller's transaction as it was
        with pytest.raises(NotFoundError) as caught:
            create_run(definition.id, config=CONFIG, experiment_id=missing)
        assert (caught.value.entity, caught.value.key) == ("experiment", missing)
        assert count("runs") == 0
    for function in (get_run, delete_run, get_run_with_transcripts):
        with pytest.raises(NotFoundError):
            function(missing)
    assert find_run(missing) is None


def test_a_run_may_belong_to_an_experiment(db):
    """The experiment is kept; without the experiment the run stays."""
    plan = {"test": "t", "alpha": 0.05}
    experiment = insert(Experiment, {"name": "x", "analysis_plan": plan})
    run = create_run(numbered(1).id, config=CONFIG, experiment_id=str(experiment.id))
    assert get_run(run.id).experiment_id == experiment.id
    experiment.delete_instance()
    assert get_run(run.id).experiment_id is None


def test_every_complaint_comes_at_once(db):
    """Keys and config are checked together."""
    with pytest.raises(ValidationError) as caught:
        create_run("x", config={"models": [], "sample_percentage": 0, "seed": 1}, experiment_id=7)
    paths = {"definition_id", "experiment_id", "config.models", "config.sample_percentage", "config.seed"}
    assert set(caught.value.errors) == paths


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"models": ["a", "a"]}, "config.models"),
        ({"models": [""]}, "config.models.0"),
        ({"temperature": -0.1}, "config.temperature"),
        ({"sample_percentage": 100.5}, "config.sample_percentage"),
        ({"sample_percentage": -1}, "config.sample_percentage"),
        ({"sample_seed": -1}, "config.sample_seed"),
        ({"sample_seed": 1.5}, "config.sample_seed"),
        ({"sample_seed": 2**53 + 1}, "config.sample_seed"),
    ],
)
def test_each_rule_of_the_config_refuses(db, change, path):
    """Every rule names the place it refuses, and nothing is written."""
    with pytest.raises(ValidationError) as caught:
        create_run(numbered(1).id, config={**CONFIG, **change})
    assert list(caught.value.errors) == [path]
    assert count("runs") == count("run_scenario_selection") == 0


def test_near_misses_are_accepted(db):
    """What lies just within the bounds is stored as it is."""
    config = {"models": ["x" * 200], "temperature": 0.0, "sample_percentage": 100, "sample_seed": 2**53}
    assert get_run(create_run(numbered(1).id, config=config).id).config == {"schema_version": 1, **config}
    assert create_run(numbered(1).id, config={"schema_version": 0, **config}).config["schema_version"] == 1
    with pytest.raises(UnknownSchemaVersionError):
        create_run(numbered(1).id, config={"schema_version": 2, **config})


def test_a_run_is_read_with_its_transcripts(db):
    """Oldest first, by two queries; without any the list is empty."""
    run = run_of()
    scenarios = evaluation.list_scenarios(run_id=run.id)
    made = [
        insert(Transcript, {"run": run.id, "scenario": scenarios[0].id, "model": name, "content": []})
        for name in ("z", "a", "m")
    ]
    insert(Transcript, {"run": run_of().id, "model": "other", "content": []})
    with counted() as statements:
        read = get_run_with_transcripts(run.id)
        assert [each.model for each in read.transcripts] == ["z", "a", "m"]
    assert len(statements) == 2
    assert read == run
    assert list(read.transcripts) == made
    assert get_run_with_transcripts(run_of().id).transcripts == []
    assert get_run(run.id).transcripts is None


def test_deleting_takes_along_what_belongs_to_the_run(db):
    """Sample and transcripts go, definition, scenarios and other runs stay."""
    definition = numbered(2)
    run, other = run_of(definition), run_of(definition)
    insert(Transcript, {"run": run.id, "model": "m", "content": []})
    with pytest.raises(ConflictError) as caught:
        evaluation.delete_definition(definition.id)
    assert caught.value.meta["in_the_way"] == {"runs.definition_id": 2}
    delete_run(str(run.id))
    assert (count("runs"), count("run_scenario_selection"), count("transcripts"), count("scenarios")) == (1, 2, 0, 2)
    with pytest.raises(NotFoundError):
        delete_run(run.id)
    assert find_run(other.id) == other


def test_a_deleted_scenario_leaves_the_sample(db):
    """The others keep their places."""
    run = run_of(numbered(3))
    scenario = fetch("SELECT scenario_id FROM run_scenario_selection WHERE position = 1")[0][0]
    evaluation.delete_scenario(scenario)
    assert fetch("SELECT position FROM run_scenario_selection ORDER BY position") == [(0,), (2,)]
    assert get_run(run.id).progress["total"] == 3


@pytest.mark.parametrize("function", [get_run, find_run, get_run_with_transcripts, delete_run])
@pytest.mark.parametrize("key", ["", "x", 7, None])
def test_a_malformed_key_is_a_validation_error(db, function, key):
    """What is no UUID is refused before the database is asked."""
    with pytest.raises(ValidationError) as caught:
        function(key)
    assert caught.value.errors == {"run_id": ["Not a valid UUID."]}


@pytest.mark.datapkg_commits
def test_content_that_changes_at_the_same_moment(db):
    """Whoever comes first: a run's hash is always that of the content that is stored."""
    for number in range(8):
        definition = numbered(1)
        content = {"preamble": str(number), "template": "", "dimensions": []}
        run, updated = at_once(
            lambda key=definition.id: create_run(key, config=CONFIG),
            lambda key=definition.id, new=content: evaluation.update_definition(key, content=new),
        )
        stored = fetch("SELECT content FROM definitions WHERE id = ?", str(definition.id))[0][0]
        assert run.content_sha256 == content_hash(parse_json(stored))
        assert isinstance(updated, StaleWriteError) or updated.content["preamble"] == str(number)


def test_foreign_sql_cannot_break_the_pin(db):
    """The database itself refuses to change content that a run refers to."""
    run = run_of()
    with pytest.raises(StaleWriteError), transaction():
        execute("UPDATE definitions SET content = '{}' WHERE id = ?", str(run.definition_id))
