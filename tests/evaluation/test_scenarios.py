"""Scenarios: expanded lazily from a definition, stored, written by hand, listed and deleted."""

from __future__ import annotations

import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapkg import evaluation
from datapkg.errors import ConflictError, NotFoundError, StaleWriteError, ValidationError
from datapkg.evaluation.models import Definition, Run, Scenario
from datapkg.kit.database import current
from datapkg.kit.statements import insert

CONTENT = {
    "preamble": "You write.",
    "template": "Be {tone} at {length} length. {{tone}} }}{tone}",
    "dimensions": [{"name": "tone", "values": ["kind", "curt"]}, {"name": "length", "values": ["short", "long"]}],
}
PROGRESS = {"total": 0, "completed": 0, "failed": 0}


def make(**change):
    """Create a definition with two dimensions, changed as given."""
    return evaluation.create_definition("tones", content={**CONTENT, **change})


def refer(definition):
    """Make a run refer to a definition."""
    return insert(
        Run,
        {
            "definition": definition.id, "config": {"models": ["m"]}, "progress": PROGRESS,
            "content_sha256": "0" * 64, "definition_schema_version": 1,
        },
    )  # fmt: skip


def test_every_combination_becomes_a_scenario(db):
    """The last dimension varies fastest; names say the values; braces are unescaped."""
    made = evaluation.generate_scenarios(make().id)
    assert [each.name for each in made] == [
        "tone=kind, length=short",
        "tone=kind, length=long",
        "tone=curt, length=short",
        "tone=curt, length=long",
    ]
    content = made[1].content
    assert content["prompt"] == "Be kind at long length. {tone} }kind"
    assert content["preamble"] == "You write."
    assert content["values"] == {"tone": "kind", "length": "long"}


def test_generating_again_adds_only_what_is_missing(db):
    """A limit takes the first combinations; the rest come later, and no row is made twice or changed."""
    definition = make()
    first = evaluation.generate_scenarios(definition.id, limit=1)
    whole = evaluation.generate_scenarios(definition.id)
    assert len(whole) == 4 and whole[0].id == first[0].id and whole[0].updated_at == first[0].updated_at
    assert [each.id for each in evaluation.generate_scenarios(definition.id, limit=9)] == [each.id for each in whole]
    assert Scenario.select().count() == 4


def test_a_definition_without_dimensions_has_one_scenario(db):
    """Its prompt is the template."""
    definition = make(template="Say hello.", dimensions=[])
    (only,) = evaluation.generate_scenarios(definition.id)
    assert (only.name, only.content["prompt"], only.content["values"]) == ("default", "Say hello.", {})
    assert evaluation.count_scenarios(definition.id) == 1


def test_more_combinations_than_fit_anywhere_are_expanded_lazily(db):
    """The first ones come at once; storing needs a limit, and the refusal says how many there are."""
    dimensions = [{"name": f"d{n}", "values": [str(value) for value in range(1000)]} for n in range(100)]
    definition = make(template="{d0}{d99}", dimensions=dimensions)
    assert evaluation.count_scenarios(definition.id) == 1000**100
    drafts = list(itertools.islice(evaluation.expand_scenarios(definition.id), 1001))
    assert [drafts[0].content["prompt"], drafts[1].content["prompt"], drafts[1000].content["prompt"]] == [
        "00", "01", "00",
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="say how many"):
        evaluation.generate_scenarios(definition.id)
    made = evaluation.generate_scenarios(definition.id, limit=1200)
    assert len({each.name for each in made}) == 1200
    assert max(len(each.name) for each in made) <= 200
    assert [each.name for each in made][:1001] == [draft.name for draft in drafts]


VALUES = st.text(alphabet="a=, #…x", min_size=1, max_size=4)


@given(
    dimensions=st.dictionaries(VALUES, st.lists(VALUES, min_size=1, max_size=4, unique=True), min_size=1, max_size=3)
)
@pytest.mark.datapkg_engines("sqlite")
def test_names_never_stand_for_different_values(datapkg_databases, dimensions):
    """Whatever signs dimensions and values hold, each combination has its own name, the same each time."""
    listed = [{"name": name, "values": values} for name, values in dimensions.items()]
    with datapkg_databases.in_memory() as database:
        from datapkg.kit.database import override

        with override(database):
            definition = make(template="", dimensions=listed)
            names = [draft.name for draft in evaluation.expand_scenarios(definition.id)]
            assert len(set(names)) == len(names) == evaluation.count_scenarios(definition.id)
            assert names == [draft.name for draft in evaluation.expand_scenarios(definition.id)]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{nobody}", "'{nobody}' names no dimension; there are: length, tone"),
        ("{tone!r}", "'{tone!r}' names no dimension"),
        ("{tone} {}", "'{}' names no dimension"),
        ("{ tone}", "'{ tone}' names no dimension"),
        ("a { b", "A single '{' stands alone"),
        ("a } b", "A single '}' stands alone"),
        ('{"json": 1}', "names no dimension"),
    ],
)
def test_placeholders_are_checked_when_a_definition_is_written(db, template, complaint):
    """A template that names no dimension is refused on creating, forking and updating; nothing is written."""
    with pytest.raises(ValidationError) as caught:
        make(template=template)
    assert list(caught.value.errors) == ["content.template"] and complaint in str(caught.value)
    root = make()
    for write in (
        lambda: evaluation.fork_definition(root.id, name="x", content={**CONTENT, "template": template}),
        lambda: evaluation.update_definition(root.id, content={**CONTENT, "template": template}),
    ):
        with pytest.raises(ValidationError):
            write()
    assert evaluation.get_definition(root.id).content["template"] == CONTENT["template"]
    assert Definition.select().count() == 1


def test_a_stored_template_that_names_nothing_is_refused_when_it_is_expanded(db):
    """Content that other code stored without the check gives a typed error rather than a wrong prompt."""
    definition = make()
    mark = current().dialect.param
    text = '{"template": "{nobody}", "dimensions": []}'
    current().change(f"UPDATE definitions SET content = {mark} WHERE id = {mark}", (text, str(definition.id)))
    with pytest.raises(ValidationError, match="nobody"):
        evaluation.generate_scenarios(definition.id)
    with pytest.raises(ValidationError, match="nobody"):
        evaluation.expand_scenarios(definition.id)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_a_bad_limit_is_refused(db, limit):
    """A limit is a whole number from 1."""
    with pytest.raises(ValidationError) as caught:
        evaluation.generate_scenarios(make().id, limit=limit)
    assert list(caught.value.errors) == ["limit"]


def test_what_is_not_there_is_not_found(db):
    """Unknown definitions and scenarios, on every function; at once, also for the lazy one."""
    nowhere = uuid.uuid4()
    for look in (evaluation.generate_scenarios, evaluation.expand_scenarios, evaluation.count_scenarios):
        with pytest.raises(NotFoundError):
            look(nowhere)
    with pytest.raises(NotFoundError):
        evaluation.create_scenario(nowhere, name="x", content={"preamble": "", "prompt": "x", "values": {}})
    with pytest.raises(NotFoundError):
        evaluation.get_scenario(nowhere)
    with pytest.raises(NotFoundError):
        evaluation.delete_scenario(nowhere)
    assert evaluation.find_scenario(nowhere) is None


def test_a_scenario_by_hand(db):
    """It is validated, unique within its definition, found, listed and deleted."""
    definition, other = make(), make()
    content = {"preamble": "", "prompt": "What is 2 + 2?", "values": {"answer": "4"}}
    made = evaluation.create_scenario(definition.id, name="sum", content=content)
    assert evaluation.get_scenario(str(made.id)).content == {"schema_version": 1, **content}
    with pytest.raises(ConflictError) as caught:
        evaluation.create_scenario(definition.id, name="sum", content=content)
    assert caught.value.constraint == "uq_scenarios_definition_id_name"
    evaluation.create_scenario(other.id, name="sum", content=content)
    with pytest.raises(ValidationError) as refused:
        evaluation.create_scenario(definition.id, name="", content={"prompt": 1, "values": {"a": 2}, "x": 1})
    assert set(refused.value.errors) == {"name", "content.preamble", "content.prompt", "content.values.a", "content.x"}
    assert [each.id for each in evaluation.list_scenarios(definition_id=definition.id)] == [made.id]
    assert len(evaluation.list_scenarios(name="sum")) == 2
    evaluation.delete_scenario(made.id)
    assert evaluation.find_scenario(made.id) is None


def test_a_name_taken_by_hand_stands_in_the_way(db):
    """Generating refuses rather than taking the other for its own, and writes nothing."""
    definition = make()
    content = {"preamble": "", "prompt": "mine", "values": {}}
    evaluation.create_scenario(definition.id, name="tone=curt, length=long", content=content)
    with pytest.raises(ConflictError, match="other content"):
        evaluation.generate_scenarios(definition.id)
    assert Scenario.select().count() == 1


def test_new_content_takes_generated_scenarios_with_it(db):
    """What was generated from the old content goes, what was written by hand stays; a new name changes nothing."""
    definition = make()
    evaluation.generate_scenarios(definition.id)
    hand = evaluation.create_scenario(definition.id, name="mine", content={"preamble": "", "prompt": "x", "values": {}})
    evaluation.update_definition(definition.id, name="renamed", content=CONTENT)
    assert Scenario.select().count() == 5
    evaluation.update_definition(definition.id, content={**CONTENT, "preamble": "Other."})
    assert [each.id for each in evaluation.list_scenarios(definition_id=definition.id)] == [hand.id]
    assert {each.content["preamble"] for each in evaluation.generate_scenarios(definition.id)} == {"Other."}


def test_scenarios_are_listed_newest_first_in_pages(db):
    """Each page goes on after the last row of the one before."""
    definition = make()
    made = [each.id for each in evaluation.generate_scenarios(definition.id)]
    first = evaluation.list_scenarios(definition_id=definition.id, limit=3)
    second = evaluation.list_scenarios(definition_id=definition.id, limit=3, after=first[-1].id)
    assert [each.id for each in (*first, *second)] == made[::-1]


# Frozen content -------------------------------------------------------------------------------------------------------


def test_content_is_frozen_once_a_run_refers_to_it(db):
    """The function says how many runs there are; the name may change, and so may equal content be given again."""
    definition = make()
    refer(definition)
    with pytest.raises(StaleWriteError) as caught:
        evaluation.update_definition(definition.id, content={**CONTENT, "preamble": "Other."})
    assert caught.value.meta["runs"] == 1 and "Fork" in caught.value.fix
    assert evaluation.get_definition(definition.id).content["preamble"] == "You write."
    assert evaluation.update_definition(definition.id, name="renamed", content=CONTENT).name == "renamed"
    fork = evaluation.fork_definition(definition.id, name="fork")
    assert evaluation.update_definition(fork.id, content={**CONTENT, "preamble": "Other."}).content["preamble"]


def test_the_database_itself_keeps_frozen_content(db):
    """Foreign SQL and a model's save are refused with a typed error; writing the same is no change."""
    definition = make()
    mark = current().dialect.param
    change = f"UPDATE definitions SET content = {mark} WHERE id = {mark}"
    current().change(change, ('{"preamble": "before"}', str(definition.id)))
    refer(definition)
    with pytest.raises(StaleWriteError, match="runs refer"), current().atomic():
        current().change(change, ('{"preamble": "after"}', str(definition.id)))
    with pytest.raises(StaleWriteError), current().atomic():
        stored = Definition.get_by_id(definition.id)
        stored.content = CONTENT
        stored.save()
    stored = Definition.get_by_id(definition.id)
    stored.name = "still mine"
    stored.save()
    read = evaluation.get_definition(definition.id)
    assert (read.name, read.content["preamble"]) == ("still mine", "before")


def test_frozen_content_is_left_alone_by_an_upgrade_of_documents(db):
    """Old versions that a run refers to are counted apart and upgrade only when read."""
    from datapkg.operations.documents import documents_status, documents_upgrade

    frozen, free = make(), make()
    mark = current().dialect.param
    for each in (frozen, free):
        change = f"UPDATE definitions SET content = {mark} WHERE id = {mark}"
        current().change(change, ('{"preamble": "old"}', str(each.id)))
    refer(frozen)

    def states():
        return {row["state"]: row["rows"] for row in documents_status() if row["column"] == "definitions.content"}

    assert states() == {"immutable": 1, "old": 1}
    assert documents_upgrade().upgraded == 1
    assert states() == {"immutable": 1, "current": 1}
    assert evaluation.get_definition(frozen.id).content["schema_version"] == 1


def test_a_definition_with_runs_is_not_deleted(db):
    """The runs in the way are counted; its scenarios go with it otherwise."""
    definition = make()
    evaluation.generate_scenarios(definition.id)
    run = refer(definition)
    with pytest.raises(ConflictError) as caught:
        evaluation.delete_definition(definition.id)
    assert caught.value.meta["in_the_way"] == {"runs.definition_id": 1}
    Run.delete().where(Run.id == run.id).execute()
    evaluation.delete_definition(definition.id)
    assert Scenario.select().count() == 0


def test_a_limit_greater_than_any_machine_counts(db):
    """It is no limit then."""
    assert len(evaluation.generate_scenarios(make().id, limit=2**70)) == 4
