"""Definitions: created, forked, listed, changed and deleted, on both engines."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest

from datapkg import accounts, evaluation
from datapkg.errors import (
    ConflictError,
    DocumentError,
    NotFoundError,
    StaleWriteError,
    UnknownSchemaVersionError,
    ValidationError,
)
from datapkg.kit.database import current, transaction

CONTENT = {
    "preamble": "You judge.",
    "template": "Compare {a} with {b}.",
    "dimensions": [{"name": "a", "values": ["x", "y"]}, {"name": "b", "values": ["z"], "description": "the other"}],
}


def create(name="tone", **options):
    """Create a definition with valid content."""
    return evaluation.create_definition(name, content=CONTENT, **options)


def count():
    """Return how many definitions are stored."""
    return current().fetch("SELECT count(*) FROM definitions", ())[0][0]


def store(content, *, name="stored"):
    """Put a definition into the table as foreign code would, and return its key."""
    key, mark = str(uuid.uuid4()), current().dialect.param
    sql = f"INSERT INTO definitions (id, name, content, created_at, updated_at) VALUES ({', '.join([mark] * 5)})"
    instant = "2026-01-02T03:04:05.000000Z"
    current().change(sql, (key, name, json.dumps(content), instant, instant))
    return key


def test_a_definition_reads_back_as_it_was_created(db):
    """Name, content and times are the same when read; the content carries its version."""
    made = create()
    read = evaluation.get_definition(made.id)
    assert read.content == {"schema_version": 1, **CONTENT}
    assert (read.name, read.parent_id, read.created_by_id) == ("tone", None, None)
    assert read.created_at == made.created_at
    assert read.created_at.utcoffset() == dt.timedelta(0)
    assert read == made
    assert read.public() == made.public()


def test_keys_are_taken_as_uuid_or_text(db):
    """A key may be given in either form, upper case too."""
    made = create()
    assert evaluation.get_definition(str(made.id)) == made
    assert evaluation.get_definition(str(made.id).upper()) == made


@pytest.mark.parametrize("key", ["", "x", "0190", "01a1fca4-af86-72e7-b08b-b033503a719g", 7, None, b"x"])
def test_a_malformed_key_is_a_validation_error(db, key):
    """What is no UUID is refused before the database is asked."""
    with pytest.raises(ValidationError) as caught:
        evaluation.get_definition(key)
    assert caught.value.errors == {"definition_id": ["Not a valid UUID."]}


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Name and content are checked together; paths lead to each fault."""
    with pytest.raises(ValidationError) as caught:
        evaluation.create_definition(
            "", content={"preamble": 1, "dimensions": [{"name": "a", "values": []}, {"values": ["x"]}], "extra": 1}
        )
    assert set(caught.value.errors) == {
        "name",
        "content.preamble",
        "content.template",
        "content.dimensions.0.values",
        "content.dimensions.1.name",
        "content.extra",
    }
    assert count() == 0


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"dimensions": [{"name": "a", "values": ["x", "x"]}]}, "content.dimensions.0.values"),
        ({"dimensions": [{"name": "a", "values": ["x"]}] * 2}, "content.dimensions"),
        ({"dimensions": [{"name": "", "values": ["x"]}]}, "content.dimensions.0.name"),
        ({"dimensions": [{"name": "a" * 101, "values": ["x"]}]}, "content.dimensions.0.name"),
        ({"dimensions": [{"name": "a", "values": [1]}]}, "content.dimensions.0.values.0"),
        ({"dimensions": [{"name": "a", "values": ["x"], "unknown": 1}]}, "content.dimensions.0.unknown"),
        ({"dimensions": [{"name": "a", "values": [str(n) for n in range(1001)]}]}, "content.dimensions.0.values"),
        ({"dimensions": [{"name": str(n), "values": ["x"]} for n in range(101)]}, "content.dimensions"),
        ({"preamble": "\0"}, "content.preamble"),
        ({"preamble": "\ud800"}, "content.preamble"),
        ({"preamble": "x" * 100_001}, "content.preamble"),
        ({"template": None}, "content.template"),
        ({"matching_rules": 3}, "content.matching_rules"),
    ],
)
def test_each_rule_of_the_content_refuses(db, change, path):
    """Every rule of the content's schema names the place it refuses."""
    with pytest.raises(ValidationError) as caught:
        evaluation.create_definition("x", content={**CONTENT, **change})
    assert list(caught.value.errors) == [path]
    assert count() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": []},
        {"dimensions": [{"name": "a" * 100, "values": ["x" * 1000, "X"], "description": None}]},
        {"dimensions": [{"name": "é😀", "values": [str(n) for n in range(1000)]}]},
        {"dimensions": [{"name": str(n), "values": ["x"]} for n in range(100)]},
        {"preamble": "x" * 100_000, "template": ""},
        {"preamble": "back\\u0000slash and a real \\ one", "matching_rules": None},
    ],
)
def test_near_misses_of_the_content_are_accepted(db, change):
    """What is just inside every bound is stored and read back letter for letter."""
    content = {**CONTENT, "template": "{{a}}", **change}
    made = evaluation.create_definition("x" * 200, content=content)
    assert evaluation.get_definition(made.id).content == {"schema_version": 1, **content}


@pytest.mark.parametrize("name", ["", "x" * 201, "\0", 3, None])
def test_bad_names_are_refused(db, name):
    """A name is text of 1 to 200 characters."""
    with pytest.raises(ValidationError) as caught:
        evaluation.create_definition(name, content=CONTENT)
    assert "name" in caught.value.errors


@pytest.mark.parametrize("content", [None, [], "x", 1])
def test_content_must_be_an_object(db, content):
    """Anything but an object is refused."""
    with pytest.raises(ValidationError) as caught:
        evaluation.create_definition("x", content=content)
    assert list(caught.value.errors) == ["content"]


def test_an_old_document_reads_as_the_current_version_and_stays_as_it_is(db):
    """A bare document is upgraded in memory; the stored text does not change, not even by an untouched save."""
    key = store({"preamble": "test"})
    read = evaluation.get_definition_with_content(key)
    assert read.content == {"schema_version": 1, "preamble": "test", "template": "", "dimensions": []}
    untouched = evaluation.get_definition(key)
    untouched.name = "renamed"
    untouched.save()
    stored = current().fetch("SELECT content FROM definitions", ())[0][0]
    assert json.loads(stored) == {"preamble": "test"}


def test_a_newer_document_is_refused_by_name_for_reading_and_for_overwriting(db):
    """Content of version 2 is neither read nor replaced by code that knows version 1."""
    key = store({"schema_version": 2, "brand_new": True})
    with pytest.raises(UnknownSchemaVersionError) as caught:
        evaluation.get_definition_with_content(key)
    assert (caught.value.document, caught.value.version, caught.value.newest) == ("definition-content", 2, 1)
    with pytest.raises(UnknownSchemaVersionError):
        evaluation.update_definition(key, content=CONTENT)
    assert evaluation.update_definition(key, name="only the name").name == "only the name"
    with pytest.raises(UnknownSchemaVersionError):
        evaluation.fork_definition(key, name="child")
    assert count() == 1


@pytest.mark.parametrize("version", ["1", True, 1.0, -1, None, [1]])
def test_what_merely_looks_like_a_version_is_refused(db, version):
    """Only a whole number is a version."""
    with pytest.raises(UnknownSchemaVersionError):
        evaluation.create_definition("x", content={**CONTENT, "schema_version": version})


@pytest.mark.parametrize("content", [[], "text", 3])
def test_a_corrupt_document_is_a_typed_error(db, content):
    """A stored document that is no object is told apart from a missing row."""
    key = store(content)
    with pytest.raises(DocumentError):
        evaluation.get_definition_with_content(key)


def test_a_fork_inherits_the_content_upgraded(db):
    """Content left out is the parent's, in the current version; None is an error and writes nothing."""
    parent = store({"preamble": "old"})
    child = evaluation.fork_definition(parent, name="child")
    assert str(child.parent_id) == parent
    assert child.content == {"schema_version": 1, "preamble": "old", "template": "", "dimensions": []}
    with pytest.raises(ValidationError) as caught:
        evaluation.fork_definition(parent, name="child", content=None)
    assert list(caught.value.errors) == ["content"]
    assert count() == 2


def test_a_fork_may_bring_its_own_content_and_author(db):
    """Given content replaces the parent's; the parent is not changed."""
    user = accounts.create_user("ada@example.com")
    parent = create()
    child = evaluation.fork_definition(parent.id, name="b", content={**CONTENT, "preamble": "n"}, created_by=user.id)
    assert child.content["preamble"] == "n"
    assert child.created_by_id == user.id
    assert evaluation.get_definition(parent.id).content["preamble"] == CONTENT["preamble"]


def test_forking_a_missing_parent_writes_nothing(db):
    """A parent that does not exist is a NotFoundError."""
    with pytest.raises(NotFoundError) as caught:
        evaluation.fork_definition(uuid.uuid4(), name="x")
    assert caught.value.entity == "definition"
    assert count() == 0


def test_an_unknown_author_is_a_conflict(db):
    """created_by must be a user, and the caller's transaction survives the refusal."""
    with transaction():
        with pytest.raises(ConflictError):
            create(created_by=uuid.uuid4())
        create("after")
    assert count() == 1


def test_a_user_who_made_a_definition_cannot_be_deleted(db):
    """created_by is RESTRICT: the refusal leaves both rows."""
    user = accounts.create_user("ada@example.com")
    create(created_by=user.id)
    with pytest.raises(ConflictError):
        accounts.delete_user(user.id)
    assert accounts.find_user(user.id) is not None


def test_lists_are_paged_newest_first(db):
    """Pages follow each other without a gap or a repeat."""
    made = [create(f"d{number}").id for number in range(7)]
    first = evaluation.list_definitions(limit=3)
    second = evaluation.list_definitions(limit=3, after=first[-1].id)
    third = evaluation.list_definitions(limit=3, after=second[-1].id)
    assert [each.id for each in [*first, *second, *third]] == made[::-1]
    assert evaluation.list_definitions(after=third[-1].id) == []


def test_lists_are_filtered(db):
    """Each filter narrows the list to its rows."""
    user = accounts.create_user("ada@example.com")
    root = create("root", created_by=user.id)
    child = evaluation.fork_definition(root.id, name="child")
    other = create("other")
    assert [each.id for each in evaluation.list_definitions(name="root")] == [root.id]
    assert [each.id for each in evaluation.list_definitions(parent_id=root.id)] == [child.id]
    assert [each.id for each in evaluation.list_definitions(roots=True)] == [other.id, root.id]
    assert [each.id for each in evaluation.list_definitions(created_by=user.id)] == [root.id]
    assert [each.id for each in evaluation.list_definitions(created_from=child.created_at)] == [other.id, child.id]
    assert [each.id for each in evaluation.list_definitions(created_before=child.created_at)] == [root.id]


@pytest.mark.parametrize(
    "filters",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": True},
        {"after": "x"},
        {"parent_id": "x"},
        {"name": "\0"},
        {"created_from": dt.datetime(2026, 1, 1)},
    ],
)
def test_bad_filters_are_refused(db, filters):
    """A filter that cannot be right is a ValidationError, naive times too."""
    with pytest.raises(ValidationError) as caught:
        evaluation.list_definitions(**filters)
    assert list(caught.value.errors) == list(filters)


def test_an_update_changes_what_is_given_and_the_time(db):
    """Name and content change alone or together; updated_at moves, created_at and the parent stay."""
    root = create()
    child = evaluation.fork_definition(root.id, name="child")
    renamed = evaluation.update_definition(child.id, name="renamed")
    assert (renamed.name, renamed.content, renamed.parent_id) == ("renamed", child.content, root.id)
    assert renamed.updated_at > child.updated_at
    assert renamed.created_at == child.created_at
    changed = evaluation.update_definition(child.id, content={**CONTENT, "template": "new"})
    assert (changed.name, changed.content["template"]) == ("renamed", "new")


def test_an_update_refuses_to_overwrite_a_later_change(db):
    """unchanged_since compares with the stored time, to the microsecond."""
    read = create()
    changed = evaluation.update_definition(read.id, name="first", unchanged_since=read.updated_at)
    with pytest.raises(StaleWriteError):
        evaluation.update_definition(read.id, name="second", unchanged_since=read.updated_at)
    assert evaluation.get_definition(read.id).name == "first"
    evaluation.update_definition(read.id, name="third", unchanged_since=changed.updated_at)


def test_bad_updates_write_nothing(db):
    """Nothing to change, an unknown row, bad values: typed errors, and the row stays."""
    made = create()
    with pytest.raises(ValidationError):
        evaluation.update_definition(made.id)
    with pytest.raises(ValidationError):
        evaluation.update_definition(made.id, name="x" * 201)
    with pytest.raises(ValidationError):
        evaluation.update_definition(made.id, name="fine", content={"preamble": 1})
    with pytest.raises(ValidationError) as caught:
        evaluation.update_definition(made.id, name="x" * 201, content={**CONTENT, "preamble": 1})
    assert set(caught.value.errors) == {"name", "content.preamble"}
    with pytest.raises(NotFoundError):
        evaluation.update_definition(uuid.uuid4(), name="x")
    assert evaluation.get_definition(made.id).public() == made.public()


def test_deleting_says_what_stands_in_the_way(db):
    """A definition with forks stays and the refusal counts them; a leaf goes."""
    root = create()
    children = [evaluation.fork_definition(root.id, name=f"fork {number}") for number in range(4)]
    with pytest.raises(ConflictError, match=r"4 in definitions\.parent_id") as caught:
        evaluation.delete_definition(root.id)
    assert caught.value.constraint == "fk_definitions_parent_id"
    for child in children:
        evaluation.delete_definition(child.id)
    evaluation.delete_definition(root.id)
    assert count() == 0
    with pytest.raises(NotFoundError):
        evaluation.delete_definition(root.id)


def test_the_database_keeps_a_parent_with_children(db):
    """The foreign key restricts by itself, for whoever writes without this package."""
    root = create()
    evaluation.fork_definition(root.id, name="child")
    mark = db.dialect.param
    with pytest.raises(ConflictError), transaction():
        db.change(f"DELETE FROM definitions WHERE id = {mark}", (str(root.id),))
    assert count() == 2
