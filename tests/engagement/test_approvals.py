"""Approval and posting of replies: a person approves what they saw, and only that is posted, once."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from reply_samples import (
    OTHER,
    SAFE,
    UNKNOWN,
    actions,
    all_at_once,
    approved_reply,
    by_plain_sql,
    new_reply,
    posted_reply,
)

from datapkg import audit, engagement
from datapkg.engagement import Reply, content_sha256
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, StaleWriteError, ValidationError
from datapkg.testing import factories

HASH = content_sha256(SAFE)
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_a_reply_is_approved_and_posted(db):
    """Who, when and what are kept in the row and in the audit log."""
    user = factories.make_user()
    reply = new_reply()
    approved = engagement.approve_reply(str(reply.id), approved_by=user.id, content_sha256=HASH, now=NOON)
    assert (approved.approval_status, approved.approved_by, approved.approved_at) == ("APPROVED", str(user.id), NOON)
    assert approved.approved_content_sha256 == HASH
    posted = engagement.mark_posted(reply.id, platform_post_id="t1_abc-9", actor="bot", now=NOON + HOUR)
    assert (posted.platform_post_id, posted.posted_at) == ("t1_abc-9", NOON + HOUR)
    assert engagement.get_reply(reply.id).public() == posted.public()
    assert actions("reply") == [
        ("approve_reply", str(user.id), {"content_sha256": HASH}),
        ("mark_posted", "bot", {"platform_post_id": "t1_abc-9", "content_sha256": HASH}),
    ]
    assert SAFE not in str(actions("reply"))


def test_only_what_was_seen_is_approved(db):
    """Content that was edited after it was read is refused, also when it says nearly the same."""
    reply = new_reply()
    engagement.edit_reply(reply.id, content=SAFE + " ")
    with pytest.raises(StaleWriteError) as caught:
        engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH)
    assert caught.value.meta["content_sha256"] == content_sha256(SAFE + " ")
    assert engagement.get_reply(reply.id).approval_status == "PENDING"
    approved = engagement.approve_reply(reply.id, approved_by="ann", content_sha256=content_sha256(SAFE + " "))
    assert approved.approval_status == "APPROVED"


def test_approving_again(db):
    """The same person again changes nothing and is not recorded; another one is told who was first."""
    reply = approved_reply()
    again = engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH, now=NOON)
    assert again.public() == reply.public()
    with pytest.raises(InvalidTransitionError, match="by ann already"):
        engagement.approve_reply(reply.id, approved_by="bob", content_sha256=HASH)
    assert len(actions("reply")) == 1
    engagement.mark_posted(reply.id, platform_post_id="p")
    assert engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH).posted_at is not None
    with pytest.raises(InvalidTransitionError, match="posted"):
        engagement.approve_reply(reply.id, approved_by="bob", content_sha256=HASH)


def test_a_rejection_stands_until_the_reply_is_edited(db):
    """An approval can be taken back; what was rejected is neither approved nor posted."""
    reply = approved_reply()
    rejected = engagement.reject_reply(reply.id, rejected_by="bob", reason="too pushy", now=NOON)
    assert (rejected.approval_status, rejected.approved_by, rejected.approved_at) == ("REJECTED", "bob", NOON)
    assert rejected.approved_content_sha256 is None
    assert engagement.reject_reply(reply.id, rejected_by="bob", reason="again").public() == rejected.public()
    with pytest.raises(InvalidTransitionError, match="by bob already"):
        engagement.reject_reply(reply.id, rejected_by="ann", reason="me too")
    with pytest.raises(InvalidTransitionError, match="Edit it first"):
        engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH)
    with pytest.raises(InvalidTransitionError):
        engagement.mark_posted(reply.id, platform_post_id="p")
    details = {"reason": "too pushy", "from": "APPROVED", "content_sha256": HASH}
    assert actions("reply")[1:] == [("reject_reply", "bob", details)]
    engagement.edit_reply(reply.id, content=SAFE)
    assert engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH).approval_status == "APPROVED"


def test_without_approval_nothing_is_posted(db):
    """Neither by the function, nor by SQL; the column of the platform's key stays empty."""
    reply = new_reply()
    with pytest.raises(InvalidTransitionError, match="PENDING") as caught:
        engagement.mark_posted(reply.id, platform_post_id="p", posted_at=NOON)
    assert caught.value.meta["status"] == "PENDING"
    assert "approve_reply" in caught.value.fix
    with pytest.raises(ConflictError) as refused:
        Reply.update(posted_at=NOON, platform_post_id="p").where(Reply.id == reply.id).execute()
    assert refused.value.constraint == "ck_replies_posted_was_approved"


def test_without_approval_the_row_is_untouched(db):
    """A refused posting leaves no trace, in the row or in the log."""
    reply = new_reply()
    with pytest.raises(InvalidTransitionError):
        engagement.mark_posted(reply.id, platform_post_id="p")
    assert engagement.get_reply(reply.id).public() == reply.public()
    assert actions("reply") == []


def test_content_changed_behind_our_back_is_not_posted(db):
    """Plain SQL that changes the content after the approval makes it void; editing and approving makes it good."""
    reply = approved_reply()
    assert by_plain_sql("UPDATE replies SET content = ? WHERE id = ?", OTHER, str(reply.id)) == 1
    with pytest.raises(StaleWriteError, match="since it was approved") as caught:
        engagement.mark_posted(reply.id, platform_post_id="p")
    assert caught.value.meta["content_sha256"] == content_sha256(OTHER)
    read = engagement.get_reply(reply.id)
    assert (read.posted_at, read.platform_post_id) == (None, None)
    assert [action for action, _, _ in actions("reply")] == ["approve_reply"]
    with pytest.raises(InvalidTransitionError):
        engagement.approve_reply(reply.id, approved_by="ann", content_sha256=content_sha256(OTHER))
    by_plain_sql("UPDATE replies SET content = ? WHERE id = ?", SAFE, str(reply.id))
    assert engagement.mark_posted(reply.id, platform_post_id="p").posted_at is not None


def test_a_reply_is_posted_once(db):
    """The same key again is harmless, another is refused, and a key belongs to one reply of a platform."""
    reply = approved_reply()
    posted = engagement.mark_posted(reply.id, platform_post_id="p1")
    again = engagement.mark_posted(reply.id, platform_post_id="p1", posted_at=NOON, now=NOON)
    assert again.public() == posted.public()
    with pytest.raises(InvalidTransitionError, match="posted as 'p1'") as caught:
        engagement.mark_posted(reply.id, platform_post_id="p2")
    assert caught.value.meta["platform_post_id"] == "p1"
    with pytest.raises(ConflictError) as clash:
        engagement.mark_posted(approved_reply().id, platform_post_id="p1")
    assert clash.value.constraint == "uq_replies_platform_platform_post_id"
    assert engagement.mark_posted(approved_reply("THREADS").id, platform_post_id="p1").posted_at is not None
    assert sum(action == "mark_posted" for action, _, _ in actions("reply")) == 2


@pytest.mark.datapkg_commits
def test_eight_threads_post_the_same_reply(db):
    """Each with a key of its own: one wins, the others are told, and one entry is in the log."""
    reply = approved_reply()
    calls = [partial(engagement.mark_posted, reply.id, platform_post_id=f"p{number}") for number in range(8)]
    results = all_at_once(*calls)
    won = [each for each in results if isinstance(each, Reply)]
    assert len(won) == 1
    assert sum(isinstance(each, InvalidTransitionError) for each in results) == 7
    assert engagement.get_reply(reply.id).platform_post_id == won[0].platform_post_id
    assert [action for action, _, _ in actions("reply")] == ["approve_reply", "mark_posted"]


@pytest.mark.datapkg_commits
def test_posting_against_editing_and_rejecting(db):
    """Whatever comes first, nothing is posted that was not approved as it stands."""
    replies = [approved_reply() for _ in range(4)]
    calls = []
    for number, reply in enumerate(replies):
        calls.append(partial(engagement.mark_posted, reply.id, platform_post_id=f"p{number}"))
        if number % 2:
            calls.append(partial(engagement.edit_reply, reply.id, content=OTHER))
        else:
            calls.append(partial(engagement.reject_reply, reply.id, rejected_by="bob", reason="no"))
    results = all_at_once(*calls)
    for number, reply in enumerate(replies):
        read = engagement.get_reply(reply.id)
        kinds = [type(each) for each in results[2 * number : 2 * number + 2]]
        assert sorted(kind.__name__ for kind in kinds) == ["InvalidTransitionError", "Reply"]
        posted = kinds[0] is Reply
        assert (read.posted_at is not None, read.content == SAFE) == (posted, posted or number % 2 == 0)
    assert audit.verify_chain().ok


def test_a_clock_set_back(db):
    """A posting is never stored before its approval; a platform's clock may be a little behind ours."""
    reply, late, early = new_reply(), new_reply(), new_reply()
    for each in (reply, late, early):
        engagement.approve_reply(each.id, approved_by="ann", content_sha256=HASH, now=NOON)
    assert engagement.mark_posted(reply.id, platform_post_id="p1", now=NOON - HOUR).posted_at == NOON
    behind = NOON - dt.timedelta(minutes=5)
    with pytest.raises(ValidationError) as caught:
        engagement.mark_posted(early.id, platform_post_id="p2", posted_at=behind - dt.timedelta(microseconds=1))
    assert list(caught.value.errors) == ["posted_at"]
    assert engagement.get_reply(early.id).posted_at is None
    posted = engagement.mark_posted(late.id, platform_post_id="p3", posted_at=behind, now=NOON - HOUR)
    assert posted.posted_at == behind
    offset = dt.timezone(HOUR)
    stated = NOON.astimezone(offset) + HOUR
    assert engagement.mark_posted(early.id, platform_post_id="p4", posted_at=stated).posted_at == NOON + HOUR


def test_deleted_replies_take_no_part(db):
    """They are neither approved, rejected nor posted; one that was posted before keeps its key."""
    reply, posted = approved_reply(), posted_reply()
    for each in (reply, posted):
        engagement.delete_reply(each.id, reason="x", actor="ann")
    for call in (
        partial(engagement.approve_reply, approved_by="ann", content_sha256=HASH),
        partial(engagement.reject_reply, rejected_by="ann", reason="x"),
        partial(engagement.mark_posted, platform_post_id="p"),
    ):
        with pytest.raises(InvalidTransitionError, match="was deleted"):
            call(reply.id)
        with pytest.raises(NotFoundError):
            call(UNKNOWN)
    assert engagement.mark_posted(posted.id, platform_post_id=posted.platform_post_id).deleted_at is not None
    with pytest.raises(InvalidTransitionError):
        engagement.reject_reply(posted_reply().id, rejected_by="ann", reason="too late")


def test_bad_arguments_are_all_named(db):
    """Keys, people, hashes and platform keys; an upper case hash is none."""
    reply = new_reply()
    with pytest.raises(ValidationError) as caught:
        engagement.approve_reply("x", approved_by="", content_sha256=HASH.upper())
    assert set(caught.value.errors) == {"reply_id", "approved_by", "content_sha256"}
    with pytest.raises(ValidationError) as caught:
        engagement.reject_reply("x", rejected_by="y" * 201, reason="")
    assert set(caught.value.errors) == {"reply_id", "rejected_by", "reason"}
    for bad in ("", "a b", "x" * 101, "é", None):
        with pytest.raises(ValidationError) as caught:
            engagement.mark_posted("x", platform_post_id=bad, actor="")
        assert set(caught.value.errors) == {"reply_id", "platform_post_id", "actor"}
    with pytest.raises(ValidationError):
        engagement.mark_posted(reply.id, platform_post_id="p", posted_at=dt.datetime(2026, 1, 1))
    with pytest.raises(ValidationError):
        engagement.approve_reply(reply.id, approved_by="ann", content_sha256=HASH, now="noon")
    assert actions("reply") == []
    with pytest.raises(ValidationError):
        content_sha256(None)
    assert content_sha256("\ud800") != content_sha256("\ud801")
