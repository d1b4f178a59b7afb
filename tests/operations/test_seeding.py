"""Seeds: idempotent, all or nothing, and they keep what an operator set."""

from __future__ import annotations

import json

import pytest

from datapkg import accounts, evaluation, flags
from datapkg.errors import EnvironmentGuardError, SeedError
from datapkg.kit.database import current
from datapkg.operations import migrations
from datapkg.operations.documents import documents_upgrade
from datapkg.operations.seeding import profiles, seed

CONTENT = {"schema_version": 1, "preamble": "", "template": "", "dimensions": []}


@pytest.fixture
def write(tmp_path):
    """Write a seed file and return its path."""

    def make(table, rows, name="seeds.json"):
        path = tmp_path / name
        path.write_text(rows if isinstance(rows, str) else json.dumps({"table": table, "rows": rows}), encoding="utf-8")
        return path

    return make


def rows_of(*tables):
    """Return everything that is stored in these tables."""
    return {table: current().fetch(f"SELECT * FROM {table} ORDER BY id", ()) for table in tables}


EVERYTHING = ("users", "feature_flags", "definitions", "datapkg_seeds", "datapkg_seed_keys")


def test_the_demo_profile_makes_something_to_look_at(db):
    """A user, the flag, and a tree four levels deep with a version 0 document in it."""
    report = seed(profile="demo")
    assert report.changed
    assert accounts.find_user_by_email("dev@example.com") is not None
    assert flags.get_flag("token_planning_v1").enabled is False
    root = evaluation.list_definitions(roots=True)[0]
    assert max(each.depth for each in evaluation.get_descendants(root.id)) >= 3
    assert '"schema_version"' not in db.fetch(f"SELECT content FROM definitions WHERE id = '{root.id}'", ())[0][0]
    assert evaluation.get_definition_with_content(root.id).content["schema_version"] == 1


def test_seeding_again_changes_nothing(db):
    """The second run finds every row as the files say, and writes none."""
    seed(profile="demo")
    before = rows_of(*EVERYTHING)
    report = seed(profile="demo")
    assert not report.changed
    assert {change.action for change in report.changes} == {"unchanged"}
    assert rows_of(*EVERYTHING) == before


def test_every_demo_row_passes_the_schemas_of_normal_writes(db):
    """What the demo made can be written back by the public functions."""
    seed(profile="demo")
    for definition in evaluation.list_definitions():
        evaluation.update_definition(definition.id, content=definition.content)


def test_an_operators_flag_survives_seeding(db):
    """Seeding never resets what an operator set on a flag."""
    seed(profile="base")
    flags.set_flag("token_planning_v1", enabled=True, description="ours", rollout_percentage=10)
    assert not seed(profile="base").changed
    flag = flags.get_flag("token_planning_v1")
    assert (flag.enabled, flag.description, flag.rollout_percentage) == (True, "ours", 10)


def test_managed_fields_are_set_back_and_insert_only_ones_stay(db, write):
    """A definition's name goes back to what the file says; its parent and the user's name stay."""
    files = [
        write("users", [{"email": "a@example.com", "name": "File"}], "users.json"),
        write("definitions", [{"key": "k", "name": "n", "content": CONTENT, "created_by": "a@example.com"}]),
    ]
    seed(files=files)
    definition = evaluation.list_definitions()[0]
    evaluation.update_definition(definition.id, name="operator's")
    user = accounts.find_user_by_email("a@example.com")
    user.name = "Operator"
    user.save()
    report = seed(files=files)
    assert [(change.table, change.action) for change in report.changes] == [
        ("users", "unchanged"),
        ("definitions", "update"),
    ]
    assert dict(report.changes[1].fields) == {"name": ("operator's", "n")}
    assert evaluation.get_definition(definition.id).name == "n"
    assert accounts.find_user_by_email("a@example.com").name == "Operator"


def test_a_deleted_row_comes_back(db):
    """A row that is gone is inserted again, also one without a natural key."""
    seed(profile="demo")
    leaf = evaluation.list_definitions(name="Apology with a voucher")[0]
    evaluation.delete_definition(leaf.id)
    report = seed(profile="demo")
    assert [(change.key, change.action) for change in report.changes if change.action != "unchanged"] == [
        ("apology-voucher", "insert")
    ]
    assert not seed(profile="demo").changed


def test_a_diff_shows_what_would_change_and_writes_nothing(db, write):
    """The changes of a diff are those that seeding then makes."""
    path = write("feature_flags", [{"key": "beta", "enabled": False}])
    before = rows_of(*EVERYTHING)
    diff = seed(files=[path], diff=True)
    assert (diff.applied, diff.changed) == (False, True)
    assert rows_of(*EVERYTHING) == before
    assert list(seed(files=[path]).changes) == list(diff.changes)
    assert not seed(files=[path], diff=True).changed


def test_references_find_rows_of_this_run_and_rows_that_are_stored(db, write):
    """A parent may be seeded in the same file or earlier; an author may be there already."""
    accounts.create_user("old@example.com")
    first = write("definitions", [{"key": "root", "name": "r", "content": CONTENT}], "first.json")
    seed(files=[first])
    second = write(
        "definitions",
        [
            {"key": "child", "parent": "root", "name": "c", "content": CONTENT, "created_by": "old@example.com"},
            {"key": "grandchild", "parent": "child", "name": "g", "content": CONTENT},
        ],
    )
    seed(files=[second])
    grandchild = evaluation.list_definitions(name="g")[0]
    assert [each.name for each in evaluation.get_ancestors(grandchild.id)] == ["c", "r"]


@pytest.mark.parametrize(
    ("table", "rows", "problem"),
    [
        ("feature_flags", [{"key": "ok"}, {"key": "b", "enabled": 1}], "seeds.json row 2, enabled"),
        ("feature_flags", [{"key": "ok"}, {"key": "b", "unknown": 1}], "seeds.json row 2, unknown"),
        ("feature_flags", [{"key": "ok"}, {"key": "ok"}], "seeds.json row 2"),
        ("feature_flags", [{"key": "ok"}, {"enabled": True}], "seeds.json row 2, key"),
        ("feature_flags", [{"key": "ok"}, {"key": "x" * 101}], "seeds.json row 2, key"),
        (
            "feature_flags",
            [{"key": "ok"}, {"key": "b", "rollout_percentage": 101}],
            "seeds.json row 2, rollout_percentage",
        ),
        ("users", [{"email": "a@example.com"}, {"email": "not an email"}], "seeds.json row 2, email"),
        ("users", [{"email": "a@example.com"}, {"email": "b@example.com", "role": "ADMIN"}], "seeds.json row 2, role"),
        ("definitions", [{"name": "n", "content": CONTENT}], "seeds.json row 1, key"),
        (
            "definitions",
            [{"key": "k", "name": "n", "content": CONTENT, "parent": "nobody"}],
            "seeds.json row 1, parent",
        ),
        ("definitions", [{"key": "k", "name": "n", "content": {**CONTENT, "x": 1}}], "seeds.json row 1, content.x"),
        (
            "definitions",
            [{"key": "k", "name": "n", "content": {**CONTENT, "dimensions": [{"name": "a", "values": []}]}}],
            "seeds.json row 1, content.dimensions.0.values",
        ),
        ("definitions", [{"key": "k", "name": "n", "content": {"schema_version": 9}}], "seeds.json row 1, content"),
        ("definitions", [{"key": "k", "name": "n", "content": {"preamble": 3}}], "seeds.json row 1, content.preamble"),
        ("definitions", [{"key": "k", "content": CONTENT}], "seeds.json row 1, name"),
        ("audit_logs", [{"key": "k"}], "seeds.json"),
        ("nothing", [], "seeds.json"),
    ],
)
def test_a_bad_row_names_file_row_and_field_and_nothing_is_written(db, write, table, rows, problem):
    """The row before it is not kept either."""
    before = rows_of(*EVERYTHING)
    with pytest.raises(SeedError) as caught:
        seed(files=[write(table, rows)])
    assert list(caught.value.meta["problems"]) == [problem]
    assert problem in caught.value.why
    assert rows_of(*EVERYTHING) == before


def test_all_problems_of_all_files_come_at_once(db, write):
    """One report; a row that refers to a faulty row is not blamed for it."""
    files = [
        write("users", [{"email": "bad"}, {"email": "good@example.com"}], "users.json"),
        write(
            "definitions",
            [
                {"key": "a", "name": "", "content": CONTENT},
                {"key": "b", "name": "b", "content": CONTENT, "parent": "a"},
                {"key": "c", "name": "c", "content": CONTENT, "created_by": "bad"},
                {"key": "d", "name": "d", "content": 3},
            ],
            "definitions.json",
        ),
    ]
    with pytest.raises(SeedError) as caught:
        seed(files=files)
    assert set(caught.value.meta["problems"]) == {
        "users.json row 1, email",
        "definitions.json row 1, name",
        "definitions.json row 4, content",
    }


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"table": "users"}',
        '{"table": "users", "rows": {}}',
        '{"table": "users", "rows": [1]}',
        '{"table": "users", "rows": [], "more": 1}',
        '{"table": "users", "rows": [{"email": "a@example.com", "email": "b@example.com"}]}',
        "\ufeffnothing",
    ],
)
def test_a_file_of_another_shape_is_refused(db, write, text):
    """Broken JSON, a wrong shape or a repeated key: the error names the file."""
    with pytest.raises(SeedError, match=r"seeds\.json"):
        seed(files=[write("", text)])


def test_unknown_names_are_refused_with_what_there_is(db, tmp_path):
    """Profile, domain and file that do not exist."""
    assert profiles() == ["base", "demo"]
    with pytest.raises(SeedError) as caught:
        seed(profile="demoo")
    assert "base, demo" in caught.value.fix
    with pytest.raises(SeedError) as caught:
        seed(profile="base", domain="nothing")
    assert "flags" in caught.value.fix
    with pytest.raises(SeedError):
        seed(files=[tmp_path / "missing.json"])
    with pytest.raises(SeedError):
        seed(profile="base", files=[tmp_path / "x.json"])


def test_one_domain_can_be_seeded_alone(db):
    """Only that domain's tables are touched."""
    assert {change.table for change in seed(profile="demo", domain="flags").changes} == {"feature_flags"}
    assert accounts.find_user_by_email("dev@example.com") is None


def test_a_production_database_refuses_demo_data(db):
    """Base is safe anywhere; demo needs to be told, and a diff is only looking."""
    migrations.set_environment("production")
    seed(profile="base")
    assert seed(profile="demo", diff=True).changed
    with pytest.raises(EnvironmentGuardError):
        seed(profile="demo")
    with pytest.raises(EnvironmentGuardError):
        seed(profile="demo", i_know_this_is="staging")
    assert accounts.find_user_by_email("dev@example.com") is None
    seed(profile="demo", i_know_this_is="production")
    assert accounts.find_user_by_email("dev@example.com") is not None


def test_the_history_records_files_by_content(db, write):
    """A file's hash is kept; line endings do not count, its content does."""
    path = write("feature_flags", [{"key": "a"}])
    seed(files=[path])
    first = db.fetch("SELECT sha256 FROM datapkg_seeds WHERE name = 'seeds.json'", ())
    path.write_bytes(path.read_bytes() + b"\r\n")
    seed(files=[path])
    crlf = db.fetch("SELECT sha256 FROM datapkg_seeds WHERE name = 'seeds.json'", ())
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    seed(files=[path])
    assert db.fetch("SELECT sha256 FROM datapkg_seeds WHERE name = 'seeds.json'", ()) == crlf != first


def test_the_default_profile_depends_on_the_engine(db):
    """A SQLite file is somebody trying things out; a server may be anything."""
    assert seed().profile == {"sqlite": "demo", "postgresql": "base"}[db.dialect.name]


def test_an_upgraded_document_is_not_set_back_to_the_files_version(db, write):
    """What `documents upgrade` rewrote is what the file says, in a newer version; a real change is still made."""
    seed(files=[write("definitions", [{"key": "k", "name": "n", "content": {"preamble": "kind"}}])])
    documents_upgrade()
    path = write("definitions", [{"key": "k", "name": "n", "content": {"preamble": "kind"}}])
    assert not seed(files=[path]).changed
    assert json.loads(db.fetch("SELECT content FROM definitions", ())[0][0])["schema_version"] == 1
    path = write("definitions", [{"key": "k", "name": "n", "content": {"preamble": "curt"}}])
    assert seed(files=[path]).changed
    assert evaluation.list_definitions()[0].content["preamble"] == "curt"


def test_a_newer_stored_document_is_not_overwritten(db, write):
    """A seed does not put an old document over one that newer code wrote."""
    path = write("definitions", [{"key": "k", "name": "n", "content": CONTENT}])
    seed(files=[path])
    newer = json.dumps({"schema_version": 2, "x": 1})
    db.change(f"UPDATE definitions SET content = {db.dialect.json_value(db.dialect.param)}", (newer,))
    with pytest.raises(SeedError, match="schema_version 2"):
        seed(files=[path])
    assert json.loads(db.fetch("SELECT content FROM definitions", ())[0][0]) == json.loads(newer)
