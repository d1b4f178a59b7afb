"""Competitors, and the posts that talk about them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from reply_samples import UNKNOWN, all_at_once, new_post

from datapkg import engagement
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.database import transaction


def mention(post, competitor, **given):
    """Record a mention."""
    told = {"competitor_id": competitor.id, "sentiment": "NEGATIVE", "opportunity_score": 0.75, **given}
    return engagement.record_mention(post.id, **told)


def test_a_competitor_is_created_changed_and_listed(db):
    """What is left out of a change stays; None clears."""
    rival = engagement.create_competitor(
        "Rival", category="APP", primary_mechanism="sounds", price_point="MID", brand_keywords=["rival", "rvl"]
    )
    bare = engagement.create_competitor("Other", category="DEVICE")
    assert (bare.primary_mechanism, bare.price_point, bare.brand_keywords) == (None, None, [])
    changed = engagement.update_competitor(rival.id, name="Rival 2", price_point=None, brand_keywords=["r2"])
    assert (changed.name, changed.category, changed.primary_mechanism) == ("Rival 2", "APP", "sounds")
    assert (changed.price_point, changed.brand_keywords) == (None, ["r2"])
    assert changed.updated_at > rival.updated_at
    assert engagement.get_competitor(str(rival.id)).public() == changed.public()
    assert engagement.find_competitor_by_name("Rival 2") == changed
    assert engagement.find_competitor_by_name("rival 2") is None
    assert engagement.list_competitors() == [bare, changed]
    assert engagement.list_competitors(category="APP") == [changed]
    assert engagement.list_competitors(price_point="MID") == []


def test_what_is_wrong_with_a_competitor_is_refused(db):
    """Names are unique; every complaint comes at once; a change has to change something."""
    rival = engagement.create_competitor("Rival", category="APP")
    other = engagement.create_competitor("Other", category="APP")
    wrong = {"category": "SHOP", "primary_mechanism": "x" * 1001, "price_point": "FREE", "brand_keywords": [""]}
    paths = {*wrong, "name", "brand_keywords.0"} - {"brand_keywords"}
    for refused in (
        lambda: engagement.create_competitor("", **wrong),
        lambda: engagement.update_competitor(rival.id, name="", **wrong),
    ):
        with pytest.raises(ValidationError) as caught:
            refused()
        assert set(caught.value.errors) == paths
    for taken in (
        lambda: engagement.create_competitor("Other", category="APP"),
        lambda: engagement.update_competitor(rival.id, name="Other"),
    ):
        with pytest.raises(ConflictError) as caught:
            taken()
        assert caught.value.constraint == "uq_competitors_name"
    for nothing in ({}, {"name": None}, {"brand_keywords": None}):
        with pytest.raises(ValidationError):
            engagement.update_competitor(rival.id, **nothing)
    with pytest.raises(ValidationError):
        engagement.find_competitor_by_name(7)
    with pytest.raises(NotFoundError):
        engagement.update_competitor(UNKNOWN, name="x")
    assert engagement.list_competitors() == [other, rival]


def test_a_mention_is_recorded_once(db):
    """The same again is the row that is there; that it was answered is noted once it is so."""
    post, rival = new_post(), engagement.create_competitor("Rival", category="APP")
    first = mention(post, rival, satisfaction="DISSATISFIED")
    assert (first.sentiment, first.satisfaction, first.opportunity_score) == ("NEGATIVE", "DISSATISFIED", 0.75)
    assert (first.post_id, first.competitor_id, first.replied) == (post.id, rival.id, False)
    assert mention(post, rival, satisfaction="DISSATISFIED").public() == first.public()
    answered = mention(post, rival, satisfaction="DISSATISFIED", replied=True)
    assert (answered.id, answered.replied) == (first.id, True)
    assert mention(post, rival, satisfaction="DISSATISFIED").replied is True
    for change in ({"sentiment": "MIXED"}, {"satisfaction": None}, {"opportunity_score": 0.5}):
        with pytest.raises(ConflictError) as caught:
            mention(post, rival, **{"satisfaction": "DISSATISFIED", **change})
        assert caught.value.meta["differing"] == list(change)
    assert engagement.list_mentions() == [answered]


@pytest.mark.parametrize("score", [0, 1])
def test_the_ends_of_the_opportunity_are_accepted(db, score):
    """0 and 1 belong to the range; just beyond, and NaN, are refused with every other complaint."""
    post, rival = new_post(), engagement.create_competitor("Rival", category="APP")
    assert mention(post, rival, opportunity_score=score).opportunity_score == score
    for beyond in (1.0000001, -0.0000001, float("nan")):
        with pytest.raises(ValidationError) as caught:
            mention(post, rival, opportunity_score=beyond, sentiment="ANGRY", satisfaction="", replied=None)
        assert set(caught.value.errors) == {"opportunity_score", "sentiment", "satisfaction", "replied"}
    for missing in ({"competitor_id": UNKNOWN}, {"post_id": UNKNOWN}):
        told = {"post_id": post.id, "competitor_id": rival.id, "sentiment": "MIXED", "opportunity_score": 1, **missing}
        with pytest.raises(NotFoundError):
            engagement.record_mention(told.pop("post_id"), **told)
    assert len(engagement.list_mentions()) == 1


@pytest.mark.datapkg_commits
def test_a_mention_found_by_many_at_once_is_one_row(db):
    """Eight at the same moment: one row, and each gets it; one of them noted the answer."""
    post, rival = new_post(), engagement.create_competitor("Rival", category="APP")
    found = all_at_once(*(lambda n=n: mention(post, rival, replied=n == 5) for n in range(8)))
    (stored,) = engagement.list_mentions()
    assert {getattr(each, "id", each) for each in found} == {stored.id}
    assert stored.replied is True


def test_mentions_are_listed_and_deleted(db):
    """Every filter narrows; a competitor with mentions stays until they are gone."""
    rival, other = (engagement.create_competitor(name, category="APP") for name in ("Rival", "Other"))
    posts = [new_post(), new_post()]
    made = [mention(post, each, sentiment=s) for post in posts for each, s in ((rival, "MIXED"), (other, "POSITIVE"))]
    assert engagement.list_mentions() == [*reversed(made)]
    assert engagement.list_mentions(post_id=posts[0].id, competitor_id=rival.id) == [made[0]]
    assert engagement.list_mentions(sentiment="POSITIVE", limit=1, after=made[3].id) == [made[1]]
    with pytest.raises(ValidationError):
        engagement.list_mentions(sentiment="ANGRY")
    with pytest.raises(ConflictError) as caught:
        engagement.delete_competitor(rival.id)
    assert caught.value.meta["in_the_way"] == {"competitive_mentions.competitor_id": 2}
    engagement.delete_mention(made[0].id)
    engagement.delete_post(posts[1].id)
    engagement.delete_competitor(rival.id)
    assert engagement.list_mentions() == [made[1]]
    assert engagement.find_competitor(rival.id) is None
    for missing in (engagement.get_mention, engagement.delete_mention):
        with pytest.raises(NotFoundError):
            missing(made[0].id)
    for missing in (engagement.get_competitor, engagement.delete_competitor):
        with pytest.raises(NotFoundError):
            missing(rival.id)


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_post_that_is_deleted_meanwhile_is_not_found(db):
    """Whoever records a mention of it waits, and is then told so; on SQLite nobody writes until the post is gone."""
    post, rival = new_post(), engagement.create_competitor("Rival", category="APP")

    def late_mention():
        db.connect(reuse_if_open=True)
        try:
            engagement.record_mention(post.id, competitor_id=rival.id, sentiment="MIXED", opportunity_score=0.5)
        finally:
            db.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction():
            engagement.delete_post(post.id)
            late = pool.submit(late_mention)
            deadline = time.monotonic() + 30
            while not db.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", ()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        with pytest.raises(NotFoundError):
            late.result(timeout=30)
    assert engagement.list_mentions() == []
