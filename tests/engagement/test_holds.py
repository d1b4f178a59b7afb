"""Legal holds: on one thing, recorded, released once."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from reply_samples import UNKNOWN, actions, all_at_once, new_author, new_post

from datapkg import engagement
from datapkg.engagement import LegalHold, Post
from datapkg.errors import ConflictError, DatapkgError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import transaction


def test_a_hold_on_a_post_or_an_author(db):
    """Both are recorded, by key alone: the reason may name people."""
    post, author = new_post(), new_author()
    on_post = engagement.place_hold(post_id=str(post.id), reason="Case Ann vs Bob", placed_by="law")
    on_author = engagement.place_hold(author_id=author.id, reason="Case 2", placed_by="law")
    assert (on_post.post_id, on_post.author_id, on_post.released_at) == (post.id, None, None)
    assert (on_author.post_id, on_author.author_id) == (None, author.id)
    for made in (on_post, on_author):
        assert engagement.get_hold(made.id).public() == made.public()
    assert actions("legal_hold") == [
        ("place_hold", "law", {"post_id": str(post.id)}),
        ("place_hold", "law", {"author_id": str(author.id)}),
    ]


def test_what_cannot_be_held(db):
    """Nothing, both at once, and what is not there; every complaint comes at once."""
    post = new_post()
    for both in ({}, {"post_id": post.id, "author_id": post.author_id}):
        with pytest.raises(ValidationError) as caught:
            engagement.place_hold(**both, reason="", placed_by="")
        assert caught.value.errors["_schema"] == ["Give either post_id or author_id."]
        assert set(caught.value.errors) == {"_schema", "reason", "placed_by"}
    for name in ("post_id", "author_id"):
        with pytest.raises(NotFoundError) as missing:
            engagement.place_hold(**{name: UNKNOWN}, reason="x", placed_by="law")
        assert missing.value.entity == name.removesuffix("_id")
    assert engagement.list_holds() == []
    with pytest.raises(ConflictError) as refused:
        LegalHold.create(reason="x", placed_by="law")
    assert refused.value.constraint == "ck_legal_holds_on_one_thing"


def test_a_hold_is_released_once(db):
    """By somebody, and never before it was placed, whatever the clock says."""
    post = new_post()
    first, second = (engagement.place_hold(post_id=post.id, reason="x", placed_by="law") for _ in range(2))
    later = first.created_at + dt.timedelta(days=1)
    released = engagement.release_hold(first.id, released_by="judge", now=later)
    assert (released.released_by, released.released_at) == ("judge", later)
    back = engagement.release_hold(second.id, released_by="judge", now=second.created_at - dt.timedelta(days=1))
    assert back.released_at == second.created_at
    with pytest.raises(InvalidTransitionError, match="by judge already"):
        engagement.release_hold(first.id, released_by="judge")
    with pytest.raises(NotFoundError):
        engagement.release_hold(UNKNOWN, released_by="judge")
    with pytest.raises(ValidationError) as caught:
        engagement.release_hold("x", released_by="")
    assert set(caught.value.errors) == {"hold_id", "released_by"}
    assert actions("legal_hold")[2:] == [("release_hold", "judge", {"post_id": str(post.id)})] * 2


def test_what_is_held_stays(db):
    """Neither the post nor its author can go while one hold is left, by function or by SQL."""
    post = new_post()
    holds = [
        engagement.place_hold(post_id=post.id, reason="x", placed_by="law"),
        engagement.place_hold(author_id=post.author_id, reason="y", placed_by="law"),
    ]
    for hold in holds:
        with pytest.raises(InvalidTransitionError, match="legal hold"):
            engagement.delete_post(post.id)
        with pytest.raises(InvalidTransitionError, match="legal hold"):
            engagement.anonymise_author(post.author_id, actor="ann", reason="asked for")
        with pytest.raises(DatapkgError), transaction():
            Post.delete().where(Post.id == post.id).execute()
        engagement.release_hold(hold.id, released_by="judge")
    assert engagement.anonymise_author(post.author_id, actor="ann", reason="asked for").anonymised_at is not None


def test_what_was_released_can_be_deleted(db):
    """The released holds go with the post and the author; the audit log has them, and one that holds stops it."""
    post = new_post()
    for on in ({"post_id": post.id}, {"author_id": post.author_id}):
        for _ in range(2):
            hold = engagement.place_hold(**on, reason="x", placed_by="law")
            engagement.release_hold(hold.id, released_by="judge")
    with pytest.raises(ConflictError):
        engagement.delete_author(post.author_id)
    assert len(engagement.list_holds()) == 4
    engagement.delete_post(post.id)
    assert [each.author_id for each in engagement.list_holds()] == [post.author_id] * 2
    last = engagement.place_hold(author_id=post.author_id, reason="x", placed_by="law")
    with pytest.raises(InvalidTransitionError, match="legal hold"):
        engagement.delete_author(post.author_id)
    engagement.release_hold(last.id, released_by="judge")
    engagement.delete_author(post.author_id)
    assert engagement.list_holds() == []
    assert [action for action, _, _ in actions("legal_hold")] == ["place_hold", "release_hold"] * 5


@pytest.mark.datapkg_commits
def test_holding_against_erasing(db):
    """At once: either the person is erased and the hold came later, or the hold was first and nothing is erased."""
    posts = [new_post() for _ in range(3)]
    calls = []
    for post in posts:
        calls.append(partial(engagement.place_hold, post_id=post.id, reason="x", placed_by="law"))
        calls.append(partial(engagement.anonymise_author, post.author_id, actor="ann", reason="asked for"))
    results = all_at_once(*calls)
    for post, hold, erased in zip(posts, results[::2], results[1::2], strict=True):
        assert isinstance(hold, LegalHold)
        content = engagement.get_post(post.id).content
        assert isinstance(erased, InvalidTransitionError) == (content == post.content)


def test_lists_are_narrowed_and_paged(db):
    """By whether they hold, and by what they are on."""
    post, author = new_post(), new_author()
    made = [
        engagement.place_hold(**on, reason="x", placed_by="law")
        for on in ({"post_id": post.id}, {"author_id": author.id}, {"post_id": post.id})
    ]
    engagement.release_hold(made[0].id, released_by="judge")

    def listed(**filters):
        return [made.index(each) for each in engagement.list_holds(**filters)]

    assert listed() == [2, 1, 0]
    assert listed(active=True) == [2, 1]
    assert listed(active=False) == [0]
    assert listed(post_id=post.id) == [2, 0]
    assert listed(author_id=author.id) == [1]
    assert listed(limit=1, after=made[2].id) == [1]
    with pytest.raises(ValidationError) as caught:
        engagement.list_holds(active="yes", post_id="x", author_id=1, limit=0, after="x")
    assert len(caught.value.errors) == 5
    assert engagement.find_hold(UNKNOWN) is None
    with pytest.raises(NotFoundError):
        engagement.get_hold(UNKNOWN)
