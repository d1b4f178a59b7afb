"""A tree for its names and structure leaves the contents in the database until somebody looks."""

from __future__ import annotations

import datetime as dt

import pytest

from datapkg import evaluation
from datapkg.errors import NotFoundError
from datapkg.evaluation import Definition
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert

CONTENT = {"preamble": "p", "template": "t", "dimensions": []}


@pytest.fixture
def root(db):
    """A root with two children, the second with a content of its own."""
    made = evaluation.create_definition("root", content=CONTENT)
    evaluation.fork_definition(made.id, name="a")
    evaluation.fork_definition(made.id, name="b", content={**CONTENT, "template": "other"})
    return made


def shape(tree):
    """Return names with depths, parents first."""
    return [(node.definition.name, node.definition.depth) for node in tree.walk()]


def test_structure_is_the_same_without_contents(db, root):
    """Names, order and depths do not depend on whether contents were read along, and drawing reads none."""
    bare = evaluation.get_definition_tree(root.id, content=False)
    full = evaluation.get_definition_tree(root.id)
    assert shape(bare) == shape(full) == [("root", 0), ("a", 1), ("b", 1)]
    assert [node.definition.id for node in bare.walk()] == [node.definition.id for node in full.walk()]
    seen = []
    db.query_hooks.append(lambda event: seen.append(event.sql))
    try:
        assert repr(bare) == repr(full)
    finally:
        db.query_hooks.clear()
    assert seen == []


def test_a_content_is_read_when_it_is_looked_at(root):
    """What was left out is there on demand, current and equal to what a full read gives."""
    bare = evaluation.get_definition_tree(root.id, content=False)
    assert [node.definition.content for node in bare.walk()] == [
        evaluation.get_definition(node.definition.id).content for node in bare.walk()
    ]
    assert bare.children[1].definition.content["template"] == "other"


def test_saving_what_was_not_looked_at_keeps_the_stored_content(root):
    """A name changed on a definition without its content leaves that content as it was."""
    changed = evaluation.get_definition_tree(root.id, content=False).children[1].definition
    changed.name = "renamed"
    changed.save()
    stored = evaluation.get_definition(changed.id)
    assert (stored.name, stored.content["template"]) == ("renamed", "other")


def test_looking_at_what_was_deleted_meanwhile_is_told(root):
    """There is no content to read any more, and nobody gets an empty one instead."""
    bare = evaluation.get_definition_tree(root.id, content=False)
    evaluation.delete_definition(bare.children[0].definition.id)
    with pytest.raises(NotFoundError):
        bare.children[0].definition.content  # noqa: B018  # looking is what raises


@pytest.mark.parametrize("microsecond", [0, 1, 999_499, 999_500, 999_999])
def test_every_microsecond_can_be_stored(db, microsecond):
    """The last half millisecond of a second is no other second: neither engine may round it up."""
    at = dt.datetime(2026, 12, 31, 23, 59, 59, microsecond, tzinfo=dt.UTC)
    key = new_id()
    insert(Definition, {"id": key, "name": "n", "content": CONTENT, "created_at": at, "updated_at": at})
    assert evaluation.get_definition(key).created_at == at
