"""Posts: recorded once, dealt with, listed, deleted unless somebody holds them."""

from __future__ import annotations

import datetime as dt

import pytest
from reply_samples import UNKNOWN, all_at_once, new_author, new_decision, new_post, new_reply

from datapkg import engagement
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import transaction

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def record(author, **given):
    """Record one post."""
    told = {
        "platform_post_id": "p-1",
        "author_id": author.id,
        "content": "I can't sleep.",
        "keyword_matches": ["sleep"],
    }
    return engagement.record_post(author.platform, **{**told, **given})


def test_a_post_reads_back_as_it_was_recorded(db):
    """Everything given is stored; the rest has its defaults."""
    author = new_author()
    post = record(
        author,
        keyword_matches=["sleep", "night"],
        keyword_categories=["rest"],
        detected_at=NOON.astimezone(dt.timezone(HOUR)),
        spam_filtered=True,
        raw_metrics={"likes": 3, "ratio": 0.5},
    )
    read = engagement.get_post(str(post.id))
    assert read == post
    assert (read.author_id, read.platform, read.platform_post_id) == (author.id, "REDDIT", "p-1")
    assert (read.content, read.keyword_matches, read.keyword_categories) == (
        "I can't sleep.",
        ["sleep", "night"],
        ["rest"],
    )
    assert read.raw_metrics == {"schema_version": 1, "values": {"likes": 3, "ratio": 0.5}}
    assert (read.detected_at, read.spam_filtered) == (NOON, True)
    assert (read.processed_at, read.error_count, read.error_message) == (None, 0, None)
    assert engagement.find_post_by_platform_id("REDDIT", platform_post_id="p-1") == post
    assert engagement.find_post_by_platform_id("THREADS", platform_post_id="p-1") is None


def test_the_same_post_again_is_the_row_that_is_there(db):
    """Author and content make it the same; figures and keywords of a later find change nothing."""
    author = new_author()
    first = record(author, detected_at=NOON, raw_metrics={"likes": 1})
    again = record(author, detected_at=NOON + HOUR, raw_metrics={"likes": 9}, keyword_matches=["other"])
    assert again == first
    assert again.public() == first.public()
    with transaction():
        assert record(author) == first
    assert engagement.list_posts() == [first]


def test_another_content_or_author_under_the_same_key_is_a_conflict(db):
    """It says what differs; the row stays. On another platform the key is another post's."""
    author, other = new_author(), new_author()
    first = record(author)
    for change in ({"content": "I can."}, {"author_id": other.id}):
        with pytest.raises(ConflictError) as caught:
            record(author, **change)
        assert caught.value.meta["differing"] == list(change)
        assert caught.value.meta["post_id"] == str(first.id)
    assert engagement.list_posts() == [first]
    assert record(new_author("THREADS")).id != first.id


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Schema, rules and the metrics complain together."""
    with pytest.raises(ValidationError) as caught:
        engagement.record_post(
            "MYSPACE",
            platform_post_id="a b",
            author_id="x",
            content="x" * 5001,
            keyword_matches=[],
            keyword_categories=[7],
            detected_at=dt.datetime(2026, 3, 1),
            spam_filtered=None,
            raw_metrics={"likes": float("nan")},
        )
    assert set(caught.value.errors) == {
        *("platform", "platform_post_id", "author_id", "content", "keyword_matches", "keyword_categories.0"),
        *("detected_at", "spam_filtered", "raw_metrics.values.likes"),
    }
    assert [each["rule"] for each in caught.value.meta["violations"]] == [
        *("post.content.too-long", "post.id.format", "post.keywords.none"),
    ]
    for wrong in (None, 7, "a\0", "\ud800"):
        with pytest.raises(ValidationError) as caught:
            record(new_author(), content=wrong)
        assert set(caught.value.errors) == {"content"}
    assert engagement.list_posts() == []


def test_a_post_needs_an_author_of_its_platform_who_was_not_anonymised(db):
    """Anything else is refused before anything is written."""
    author = new_author()
    with pytest.raises(NotFoundError):
        record(author, author_id=UNKNOWN)
    with pytest.raises(ValidationError) as caught:
        engagement.record_post(
            "TWITTER", platform_post_id="p-1", author_id=author.id, content="x", keyword_matches=["k"]
        )
    assert caught.value.errors == {"author_id": ["This author is on REDDIT, and the post on TWITTER."]}
    engagement.anonymise_author(author.id, actor="ann", reason="asked")
    with pytest.raises(InvalidTransitionError):
        record(author)
    assert engagement.list_posts() == []


@pytest.mark.datapkg_commits
def test_a_post_found_by_many_at_once_is_one_row(db):
    """Eight record the same post at the same moment: one row, and each gets it; a ninth says otherwise and loses."""
    author = new_author()
    found = all_at_once(*(lambda: record(author) for _ in range(8)))
    assert {getattr(post, "id", post) for post in found} == {engagement.list_posts()[0].id}
    assert len(engagement.list_posts()) == 1
    mixed = all_at_once(*(lambda n=n: record(author, platform_post_id="p-2", content=f"{n % 2}") for n in range(8)))
    assert sorted(type(each).__name__ for each in mixed) == ["ConflictError"] * 4 + ["Post"] * 4


def test_a_post_is_dealt_with_once(db):
    """Failures are counted until it succeeds; the first success keeps its time."""
    post = record(new_author(), detected_at=NOON)
    engagement.mark_processed(post.id, error="timeout", now=NOON + HOUR)
    failed = engagement.mark_processed(post.id, error="refused", now=NOON + HOUR)
    assert (failed.error_count, failed.error_message, failed.processed_at) == (2, "refused", None)
    done = engagement.mark_processed(str(post.id), now=NOON + HOUR)
    assert (done.error_count, done.error_message, done.processed_at) == (2, None, NOON + HOUR)
    assert engagement.mark_processed(post.id, now=NOON + 2 * HOUR).processed_at == NOON + HOUR
    back = engagement.mark_processed(new_post().id, now=NOON - 1000 * HOUR)
    assert back.processed_at == back.detected_at  # the clock was set back meanwhile
    with pytest.raises(NotFoundError):
        engagement.mark_processed(UNKNOWN)
    for wrong in ("", "x" * 10_001, 7):
        with pytest.raises(ValidationError) as caught:
            engagement.mark_processed(post.id, error=wrong)
        assert set(caught.value.errors) == {"error"}


@pytest.mark.datapkg_commits
def test_failures_at_once_are_all_counted(db):
    """None of eight at the same moment is lost."""
    post = new_post()
    all_at_once(*(lambda: engagement.mark_processed(post.id, error="again") for _ in range(8)))
    assert engagement.get_post(post.id).error_count == 8


def test_posts_are_listed_newest_first_by_page(db):
    """Every filter narrows; the next page goes on after the last row."""
    author = new_author()
    posts = [record(author, platform_post_id=f"p-{n}", detected_at=NOON + n * HOUR) for n in range(4)]
    done = engagement.mark_processed(posts[1].id)
    other = new_post("THREADS")
    assert engagement.list_posts() == [other, *reversed(posts)]
    assert engagement.list_posts(platform="THREADS") == [other]
    assert engagement.list_posts(author_id=author.id, limit=2, after=posts[3].id) == [posts[2], done]
    assert engagement.list_posts(processed=True) == [done]
    assert engagement.list_posts(processed=False, author_id=str(author.id)) == [posts[3], posts[2], posts[0]]
    assert engagement.list_posts(detected_from=NOON + HOUR, detected_before=NOON + 3 * HOUR) == [posts[2], done]
    for wrong in ({"platform": "x"}, {"author_id": "x"}, {"processed": 1}, {"detected_from": dt.datetime(2026, 1, 1)}):
        with pytest.raises(ValidationError) as caught:
            engagement.list_posts(**wrong)
        assert set(caught.value.errors) == set(wrong)


def test_deleting_a_post_takes_its_decisions_and_leaves_replies(db):
    """What was said stays, without the decision that it came from."""
    reply = new_reply()
    decision = engagement.get_decision(reply.decision_id)
    engagement.delete_post(decision.post_id)
    assert engagement.find_decision(decision.id) is None
    kept = engagement.get_reply(reply.id)
    assert (kept.decision_id, kept.content, kept.decision_snapshot) == (None, reply.content, reply.decision_snapshot)
    for missing in (engagement.get_post, engagement.delete_post):
        with pytest.raises(NotFoundError):
            missing(decision.post_id)


@pytest.mark.parametrize("on", ["post", "author"])
def test_what_is_held_is_not_deleted(db, on):
    """A hold on the post or its author keeps post, decision and mention; once released, they can go."""
    author = new_author()
    post, free = new_post(author=author), new_post(author=author)
    decision = new_decision(post=post)
    rival = engagement.create_competitor("Rival", category="APP")
    mention = engagement.record_mention(post.id, competitor_id=rival.id, sentiment="NEUTRAL", opportunity_score=0.5)
    held = {"post_id": post.id} if on == "post" else {"author_id": author.id}
    hold = engagement.place_hold(**held, reason="a case", placed_by="ann")
    for delete, key in (
        (engagement.delete_mention, mention.id),
        (engagement.delete_decision, decision.id),
        (engagement.delete_post, post.id),
    ):
        with pytest.raises(InvalidTransitionError) as caught:
            delete(key)
        assert caught.value.meta["legal_hold_ids"] == [str(hold.id)]
    if on == "post":
        engagement.delete_post(free.id)
    engagement.release_hold(hold.id, released_by="ann")
    engagement.delete_mention(mention.id)
    engagement.delete_decision(decision.id)
    assert engagement.list_decisions() == []
