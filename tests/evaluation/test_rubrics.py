"""Rubrics: numbered without a gap however many are created at once, and never changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import nursery
import pytest

from datapkg.errors import ConflictError, NotFoundError, ValidationError, WriteGateError
from datapkg.evaluation import rubrics
from datapkg.evaluation.rubrics import create_rubric, find_rubric, get_rubric, list_rubrics
from datapkg.kit.database import current, transaction

CONTENT = {
    "instructions": "Score each from 1 to 5.",
    "criteria": [{"name": "clear", "description": "Easy to follow.", "weight": 0.5, "levels": {"1": "no", "5": "yes"}}],
}
UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"
CREATE = """
import sys
from datapkg.evaluation.rubrics import create_rubric
from datapkg.kit import database
database.bind(sys.argv[1], busy_timeout=60.0, retries=20)
sys.stdin.readline()
create_rubric("helpful", content={"instructions": sys.argv[2], "criteria": []})
"""


def create(name="helpful", **options):
    """Create a rubric with valid content."""
    return create_rubric(name, **{"content": CONTENT, **options})


def versions(name="helpful"):
    """Return the versions of a name, newest first."""
    return [rubric.version for rubric in list_rubrics(name=name)]


def test_a_rubric_reads_back_as_it_was_created(db):
    """Name, version and content are the same when read, by either form of the key."""
    made = create()
    read = get_rubric(str(made.id).upper())
    assert (read.name, read.version) == ("helpful", 1)
    assert read.content == {"schema_version": 1, **CONTENT}
    assert find_rubric(made.id) == made
    assert read.public() == made.public()


def test_versions_are_counted_for_each_name(db):
    """Left out, the version is one above the highest of the name; given, it is exactly that one."""
    assert [create().version, create().version, create("other").version] == [1, 2, 1]
    assert create(version=7).version == 7
    assert create(version=4).version == 4
    assert create().version == 8
    assert versions() == [8, 4, 7, 2, 1]


def test_a_version_that_is_taken_is_refused(db):
    """The conflict names the constraint; the same version of another name is free."""
    create(version=3)
    with pytest.raises(ConflictError) as caught:
        create(version=3)
    assert caught.value.constraint == "uq_rubrics_name_version"
    assert create("other", version=3).version == 3
    assert versions() == [3]


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Name, version and content are checked together."""
    with pytest.raises(ValidationError) as caught:
        create_rubric("", content={"criteria": [{"name": ""}], "x": 1}, version=0)
    assert set(caught.value.errors) == {
        "name",
        "version",
        "content.instructions",
        "content.criteria.0.name",
        "content.x",
    }
    assert list_rubrics() == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"instructions": None}, "content.instructions"),
        ({"criteria": [{"name": "a"}, {"name": "a"}]}, "content.criteria"),
        ({"criteria": [{"name": "a", "weight": -0.1}]}, "content.criteria.0.weight"),
        ({"criteria": [{"name": "a", "weight": float("inf")}]}, "content.criteria.0.weight"),
        ({"criteria": [{"name": "a", "levels": {"": "x"}}]}, "content.criteria.0.levels"),
    ],
)
def test_each_rule_of_the_content_refuses(db, change, path):
    """Every rule of the content's schema names the place that it refuses."""
    with pytest.raises(ValidationError) as caught:
        create(content={**CONTENT, **change})
    assert all(each.startswith(path) for each in caught.value.errors)


@pytest.mark.parametrize(
    "content",
    [
        {"instructions": "", "criteria": []},
        {"instructions": "i", "criteria": [{"name": "n" * 200, "weight": 0.0, "levels": {}}]},
    ],
)
def test_near_misses_of_the_content_are_accepted(db, content):
    """What is just inside every bound is stored, as is the largest version; there is none after that."""
    made = create("x" * 200, content=content, version=2**31 - 1)
    assert get_rubric(made.id).content == {"schema_version": 1, **content}
    with pytest.raises(ValidationError) as caught:
        create("x" * 200)
    assert list(caught.value.errors) == ["version"]


@pytest.mark.parametrize("version", [0, -1, 2**31, 1.5, "1", True])
def test_bad_versions_are_refused(db, version):
    """A version is a whole number from 1."""
    with pytest.raises(ValidationError) as caught:
        create(version=version)
    assert list(caught.value.errors) == ["version"]


@pytest.mark.parametrize("sql", ["UPDATE rubrics SET version = 2", "DELETE FROM rubrics"])
def test_the_database_refuses_to_change_or_delete_one(db, sql):
    """Raw SQL is refused, and there is no function to do it either."""
    made = create()
    with pytest.raises(WriteGateError), transaction():
        current().change(sql, ())
    assert get_rubric(made.id) == made
    assert versions() == [1]
    assert not any(word in name for name in rubrics.__all__ for word in ("delete", "update"))


@pytest.mark.datapkg_commits
def test_eight_threads_at_once_get_eight_versions(db):
    """While there is no version of the name yet, they still queue up."""
    barrier = threading.Barrier(8)

    def one_more(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return create(content={**CONTENT, "instructions": str(number)}).version
        finally:
            db.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one_more, range(8))) == list(range(1, 9))
    assert sorted(versions()) == list(range(1, 9))


@pytest.mark.datapkg_commits
def test_eight_processes_at_once_get_eight_versions(db, datapkg_url):
    """Nothing is lost or numbered twice across processes."""
    workers = [nursery.start_python(CREATE, datapkg_url, number) for number in range(8)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.close()
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 8
    assert sorted(versions()) == list(range(1, 9))
    assert {each.content["instructions"] for each in list_rubrics()} == set("01234567")


def test_unknown_rubrics_and_bad_arguments(db):
    """What is not there is told apart from what is not valid."""
    assert find_rubric(UNKNOWN) is None
    with pytest.raises(NotFoundError) as missing:
        get_rubric(UNKNOWN)
    assert missing.value.entity == "rubric"
    for call in (get_rubric, find_rubric):
        with pytest.raises(ValidationError) as caught:
            call("x")
        assert list(caught.value.errors) == ["rubric_id"]
    with pytest.raises(ValidationError) as caught:
        list_rubrics(name="", limit=1001)
    assert set(caught.value.errors) == {"name", "limit"}


def test_lists_are_paged_newest_first(db):
    """A page goes on after the last row."""
    made = [create(name) for name in ("a", "b", "a")]
    assert [each.id for each in list_rubrics(limit=2)] == [made[2].id, made[1].id]
    assert [each.id for each in list_rubrics(limit=2, after=made[1].id)] == [made[0].id]
    assert [each.id for each in list_rubrics(name="b")] == [made[1].id]


def test_a_conflict_inside_a_transaction_spoils_nothing(db):
    """The caller's transaction goes on after a version that was taken."""
    create(version=1)
    with transaction():
        with pytest.raises(ConflictError):
            create(version=1)
        assert create().version == 2
    assert versions() == [2, 1]
