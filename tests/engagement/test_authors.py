"""Authors: one row for each account however often and from wherever it is seen, and a history that grows."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from reply_samples import UNKNOWN, all_at_once, by_plain_sql, new_author, new_post

from datapkg import engagement
from datapkg.errors import (
    ConflictError,
    InvalidTransitionError,
    NotFoundError,
    UnknownSchemaVersionError,
    ValidationError,
)

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def seen(**given):
    """Store what was seen of one account."""
    return engagement.upsert_author("TWITTER", **{"platform_id": "17", "handle": "owl", "seen_at": NOON, **given})


def test_an_author_is_stored_once_and_brought_up_to_date(db):
    """The same account again changes its row: what is given is taken, what is left out stays."""
    first = seen(
        display_name="Night Owl",
        follower_count=10,
        is_verified=True,
        is_power_user=True,
        power_tier="MICRO",
        archetype_tags=["COACH"],
        relationship_score=0.75,
    )
    again = seen(handle="owl_2", follower_count=0, is_verified=False, archetype_tags=[], seen_at=NOON + HOUR)
    assert again.id == first.id
    assert (again.handle, again.follower_count, again.is_verified, again.archetype_tags) == ("owl_2", 0, False, [])
    assert (again.display_name, again.power_tier, again.relationship_score) == ("Night Owl", "MICRO", 0.75)
    assert again.is_power_user is True
    assert (again.first_seen_at, again.last_seen_at, again.created_at) == (NOON, NOON + HOUR, first.created_at)
    assert engagement.get_author(first.id).public() == again.public()
    assert engagement.find_author_by_platform_id("TWITTER", platform_id="17") == again
    assert engagement.find_author_by_platform_id("REDDIT", platform_id="17") is None


def test_an_author_is_stored_with_defaults(db):
    """Only platform, key and handle are needed."""
    author = engagement.upsert_author("THREADS", platform_id="x" * 100, handle="a.b")
    assert (author.display_name, author.follower_count, author.power_tier) == (None, 0, None)
    assert (author.is_verified, author.is_power_user, author.relationship_score) == (False, False, 0.5)
    assert (author.archetype_tags, author.interaction_history, author.anonymised_at) == ([], [], None)
    assert author.first_seen_at == author.last_seen_at


def test_a_clock_that_was_set_back_takes_nothing_back(db):
    """What is said to be seen earlier is not taken; the author was last seen when they were last seen."""
    seen()
    late = seen(handle="owl_2", seen_at=NOON - HOUR)
    assert (late.handle, late.first_seen_at, late.last_seen_at) == ("owl", NOON, NOON)
    east = NOON.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert seen(seen_at=east + dt.timedelta(microseconds=1)).last_seen_at == NOON + dt.timedelta(microseconds=1)


@pytest.mark.parametrize("score", [0, 1, 1.0, 0.0, -0.0])
def test_the_ends_of_the_score_are_accepted(db, score):
    """0 and 1 belong to the range."""
    assert str(seen(relationship_score=score).relationship_score) == str(abs(float(score)))


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Schema and rules complain together; the rule that refused is named."""
    with pytest.raises(ValidationError) as caught:
        seen(
            platform_id="",
            handle="night-owl",
            follower_count=-1,
            is_verified="yes",
            power_tier="HUGE",
            archetype_tags=["", 1],
            relationship_score=1.0000001,
            seen_at=dt.datetime(2026, 3, 1),
        )
    assert caught.value.errors["handle"] == ["Invalid handle format"]
    assert caught.value.meta["rule"] == "author.handle.format"
    assert set(caught.value.errors) == {
        *("platform_id", "handle", "follower_count", "is_verified", "power_tier", "relationship_score", "seen_at"),
        *("archetype_tags.0", "archetype_tags.1"),
    }
    for score in (float("nan"), float("inf"), -0.0000001, True, "0.5"):
        with pytest.raises(ValidationError):
            seen(relationship_score=score)
    with pytest.raises(ValidationError) as caught:
        engagement.upsert_author("MYSPACE", platform_id="1", handle="owl")
    assert set(caught.value.errors) == {"platform"}
    assert engagement.list_authors() == []


@pytest.mark.datapkg_commits
def test_an_author_seen_by_many_at_once_is_one_row(db):
    """Eight at the same moment see one account: one row, last seen at the latest of the eight."""
    found = all_at_once(*(lambda n=n: seen(seen_at=NOON + n * HOUR, follower_count=n) for n in range(8)))
    assert {author.id for author in found} == {engagement.list_authors()[0].id}
    assert [author.last_seen_at for author in engagement.list_authors()] == [NOON + 7 * HOUR]


def test_interactions_are_remembered_in_order(db):
    """Each is added at the end, with its time in UTC; the author is returned."""
    author = new_author()
    east = dt.timezone(dt.timedelta(hours=9))
    engagement.record_interaction(author.id, kind="replied", note="kind", at=NOON.astimezone(east))
    told = engagement.record_interaction(str(author.id), kind="liked", at=NOON - HOUR)
    assert told.interaction_history == [
        {"at": "2026-03-01T12:00:00+00:00", "kind": "replied", "note": "kind"},
        {"at": "2026-03-01T11:00:00+00:00", "kind": "liked"},
    ]
    with pytest.raises(ValidationError) as caught:
        engagement.record_interaction(author.id, kind="", note="x" * 2001)
    assert set(caught.value.errors) == {"kind", "note"}
    with pytest.raises(NotFoundError):
        engagement.record_interaction(UNKNOWN, kind="liked")
    assert engagement.get_author(author.id).interaction_history == told.interaction_history


@pytest.mark.datapkg_commits
def test_interactions_at_once_are_all_remembered(db):
    """None of eight at the same moment is lost."""
    author = new_author()
    all_at_once(*(lambda n=n: engagement.record_interaction(author.id, kind=f"k{n}") for n in range(8)))
    kinds = [each["kind"] for each in engagement.get_author(author.id).interaction_history]
    assert sorted(kinds) == [f"k{n}" for n in range(8)]


def test_a_history_that_is_full_or_newer_is_not_touched(db):
    """The 10,001st entry is refused, and so is adding to what newer code wrote."""
    author = new_author()
    entry = {"at": "2026-03-01T12:00:00+00:00", "kind": "k"}
    stored = json.dumps({"schema_version": 1, "items": [entry] * 9_999})
    by_plain_sql("UPDATE authors SET interaction_history = ? WHERE id = ?", stored, str(author.id))
    assert len(engagement.record_interaction(author.id, kind="last").interaction_history) == 10_000
    with pytest.raises(ValidationError):
        engagement.record_interaction(author.id, kind="beyond")
    by_plain_sql("UPDATE authors SET interaction_history = ?", json.dumps({"schema_version": 2, "items": []}))
    with pytest.raises(UnknownSchemaVersionError):
        engagement.record_interaction(author.id, kind="k")


def test_authors_are_listed_newest_first_by_page(db):
    """Every filter narrows; the next page goes on after the last row."""
    made = [seen(platform_id=str(n), handle=f"owl{n % 2}", is_power_user=n == 3) for n in range(4)]
    other = new_author("REDDIT")
    assert engagement.list_authors() == [other, *reversed(made)]
    assert engagement.list_authors(platform="TWITTER", handle="owl1") == [made[3], made[1]]
    assert engagement.list_authors(handle="owl0") == [made[2], made[0]]
    assert engagement.list_authors(is_power_user=True) == [made[3]]
    assert engagement.list_authors(is_power_user=False, limit=2, after=made[2].id) == [made[1], made[0]]
    for wrong in ({"platform": "x"}, {"handle": ""}, {"is_power_user": 1}, {"limit": 0}, {"after": "x"}):
        with pytest.raises(ValidationError) as caught:
            engagement.list_authors(**wrong)
        assert set(caught.value.errors) == set(wrong)


def test_an_author_without_posts_can_be_deleted(db):
    """With posts it is refused, and they are counted; under a hold it is refused too."""
    author = new_author()
    post = new_post(author=author)
    with pytest.raises(ConflictError) as caught:
        engagement.delete_author(author.id)
    assert caught.value.meta["in_the_way"] == {"posts.author_id": 1}
    engagement.delete_post(post.id)
    engagement.promote_champion(author.id, actor="ann")
    engagement.delete_author(author.id)
    assert engagement.find_author(author.id) is None
    for missing in (engagement.get_author, engagement.delete_author):
        with pytest.raises(NotFoundError):
            missing(author.id)
    held = new_author()
    engagement.place_hold(author_id=held.id, reason="a case", placed_by="ann")
    with pytest.raises(InvalidTransitionError, match="legal hold"):
        engagement.delete_author(held.id)


def test_a_placeholder_is_no_account(db):
    """An account that calls itself what an anonymised author is called does not become that author."""
    author = engagement.anonymise_author(new_author().id, actor="ann", reason="asked")
    with pytest.raises(InvalidTransitionError):
        engagement.upsert_author("REDDIT", platform_id=author.platform_id, handle="owl")
    assert engagement.get_author(author.id) == author


def test_a_late_report_of_an_older_sighting_changes_nothing(db):
    """Handle and figures stay those of the newest sighting; as new as the newest counts, and so does now."""
    newest = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    key = {"platform_id": "t2_late"}
    engagement.upsert_author("REDDIT", **key, handle="new", display_name="New", follower_count=10, seen_at=newest)
    late = newest - dt.timedelta(seconds=1)
    read = engagement.upsert_author("REDDIT", **key, handle="old", display_name="Old", follower_count=1, seen_at=late)
    assert (read.handle, read.display_name, read.follower_count, read.last_seen_at) == ("new", "New", 10, newest)
    assert engagement.upsert_author("REDDIT", **key, handle="same", seen_at=newest).handle == "same"
    ahead = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    engagement.upsert_author("REDDIT", **key, handle="ahead", seen_at=ahead)
    assert engagement.upsert_author("REDDIT", **key, handle="now").handle == "now"
