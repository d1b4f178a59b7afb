"""Ancestors, descendants, trees, and what happens when somebody corrupted them."""

from __future__ import annotations

import uuid

import pytest

from datapkg import evaluation
from datapkg.errors import CorruptTreeError, NotFoundError, ValidationError
from datapkg.kit.database import transaction

CONTENT = {"preamble": "", "template": "", "dimensions": []}


@pytest.fixture
def family(db):
    """root with children a and b; a with children c and d; d with child e."""
    root = evaluation.create_definition("root", content=CONTENT)
    made = {"root": root}
    for name, parent in [("a", "root"), ("b", "root"), ("c", "a"), ("d", "a"), ("e", "d")]:
        made[name] = evaluation.fork_definition(made[parent].id, name=name)
    evaluation.create_definition("stranger", content=CONTENT)
    return made


def names(definitions):
    """Return names with depths."""
    return [(each.name, each.depth) for each in definitions]


def test_ancestors_come_nearest_first(family):
    """The node itself is left out unless asked for; depth counts from it."""
    assert names(evaluation.get_ancestors(family["e"].id)) == [("d", 1), ("a", 2), ("root", 3)]
    assert names(evaluation.get_ancestors(family["e"].id, include_self=True))[0] == ("e", 0)
    assert evaluation.get_ancestors(family["root"].id) == []


def test_descendants_come_nearest_first(family):
    """Level by level, siblings oldest first."""
    assert names(evaluation.get_descendants(family["root"].id)) == [("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 3)]
    assert names(evaluation.get_descendants(family["d"].id, include_self=True)) == [("d", 0), ("e", 1)]
    assert evaluation.get_descendants(family["b"].id) == []


def test_the_tree_is_nested_and_drawn(family):
    """Children nest below their parents in order, and the text shows it."""
    tree = evaluation.get_definition_tree(family["root"].id)
    assert [node.definition.name for node in tree.walk()] == ["root", "a", "c", "d", "e", "b"]
    drawn = [line.rsplit("  ", 1)[0] for line in repr(tree).splitlines()]
    assert drawn == ["root", "├── a", "│   ├── c", "│   └── d", "│       └── e", "└── b"]
    assert "&" not in repr(tree)
    html = tree._repr_html_()
    assert [html.count(tag) for tag in ("<ul", "</ul>", "<li>", "</li>")] == [4, 4, 6, 6]
    assert html.index("<b>d</b>") < html.index("<b>e</b>") < html.index("<b>b</b>")


def test_hostile_names_do_not_reach_the_notebook_as_html(db):
    """A name with markup is escaped in every rendering."""
    made = evaluation.create_definition("<script>alert(1)</script>", content=CONTENT)
    for shown in (evaluation.get_definition_tree(made.id), made, evaluation.list_definitions()):
        assert "<script>" not in shown._repr_html_()
        assert "&lt;script&gt;" in shown._repr_html_()


def test_the_nearest_common_ancestor(family):
    """Either of the two may be the answer; strangers have none."""
    assert evaluation.common_ancestor(family["c"].id, family["e"].id).name == "a"
    assert evaluation.common_ancestor(family["e"].id, family["b"].id).name == "root"
    assert evaluation.common_ancestor(family["a"].id, family["e"].id).name == "a"
    assert evaluation.common_ancestor(family["e"].id, family["e"].id).name == "e"
    stranger = evaluation.list_definitions(name="stranger")[0]
    assert evaluation.common_ancestor(family["e"].id, stranger.id) is None


@pytest.mark.parametrize("function", ["get_ancestors", "get_descendants", "get_definition_tree"])
def test_a_missing_start_is_told(db, function):
    """No row is a NotFoundError, no UUID a ValidationError."""
    with pytest.raises(NotFoundError):
        getattr(evaluation, function)(uuid.uuid4())
    with pytest.raises(ValidationError):
        getattr(evaluation, function)("x")


def test_a_corrupted_cycle_is_a_typed_error_not_a_hang(db, family):
    """Somebody made root a child of e: every walk that meets the cycle ends and says so; others go on."""
    mark = db.dialect.param
    leaf = evaluation.fork_definition(family["e"].id, name="outside")
    db.change(
        f"UPDATE definitions SET parent_id = {mark} WHERE id = {mark}", (str(family["e"].id), str(family["root"].id))
    )
    for start in (family["root"], family["e"], leaf):
        with pytest.raises(CorruptTreeError) as caught:
            evaluation.get_ancestors(start.id)
        assert caught.value.table == "definitions"
    for function in (evaluation.get_descendants, evaluation.get_definition_tree):
        with pytest.raises(CorruptTreeError):
            function(family["d"].id)
    with pytest.raises(CorruptTreeError):
        evaluation.common_ancestor(leaf.id, family["b"].id)
    assert evaluation.get_descendants(leaf.id) == []
    assert evaluation.get_descendants(family["c"].id) == []


def test_its_own_parent_is_the_smallest_cycle(db):
    """A row that is its own parent ends too."""
    made = evaluation.create_definition("self", content=CONTENT)
    db.change(f"UPDATE definitions SET parent_id = id WHERE id = {db.dialect.param}", (str(made.id),))
    with pytest.raises(CorruptTreeError):
        evaluation.get_ancestors(made.id)
    with pytest.raises(CorruptTreeError):
        evaluation.get_descendants(made.id)


def test_a_deep_chain_needs_no_recursion_in_python(db):
    """Depth 3,000 is beyond Python's recursion limit, and every function copes, drawing included."""
    with transaction():
        keys = [evaluation.create_definition("0", content=CONTENT).id]
        for number in range(1, 3001):
            keys.append(evaluation.fork_definition(keys[-1], name=str(number), content=CONTENT).id)
    ancestors = evaluation.get_ancestors(keys[-1])
    assert [each.id for each in ancestors] == keys[-2::-1]
    assert ancestors[-1].depth == 3000
    tree = evaluation.get_definition_tree(keys[0])
    assert sum(1 for _ in tree.walk()) == 3001
    assert len(repr(tree).splitlines()) == 3001


def test_differences_are_listed_by_path(db):
    """Dimensions are matched by name, so their order is no difference."""
    first = evaluation.create_definition(
        "a",
        content={
            "preamble": "p",
            "template": "t",
            "dimensions": [{"name": "x", "values": ["1", "2"]}, {"name": "y", "values": ["1"]}],
        },
    )
    second = evaluation.fork_definition(
        first.id,
        name="b",
        content={
            "preamble": "p",
            "template": "T",
            "dimensions": [{"name": "z", "values": ["9"]}, {"name": "x", "values": ["1", "3"]}],
            "matching_rules": "r",
        },
    )
    diff = evaluation.diff_definitions(first.id, second.id)
    assert [(each["path"], each["change"], each["before"], each["after"]) for each in diff.changes] == [
        ("content.dimensions.x.values", "changed", ["1", "2"], ["1", "3"]),
        ("content.dimensions.y", "removed", {"name": "y", "values": ["1"]}, None),
        ("content.dimensions.z", "added", None, {"name": "z", "values": ["9"]}),
        ("content.matching_rules", "added", None, "r"),
        ("content.template", "changed", "t", "T"),
        ("name", "changed", "a", "b"),
    ]
    assert not diff.same
    assert "content.template" in repr(diff)
    assert "content.template" in diff._repr_html_()
    assert evaluation.diff_definitions(first.id, first.id).same


def test_no_query_is_made_for_each_node(db, family):
    """Ancestors take one statement however deep; a tree takes at most one for each level, however wide."""
    for number in range(40):
        evaluation.fork_definition(family["a"].id, name=str(number))
    seen = []
    db.query_hooks.append(lambda event: seen.append(event.sql))
    try:
        evaluation.get_ancestors(family["e"].id)
        assert len(seen) == 1
        tree = evaluation.get_definition_tree(family["root"].id)
    finally:
        db.query_hooks.clear()
    assert sum(1 for _ in tree.walk()) == 46
    assert len(seen) - 1 <= 5
