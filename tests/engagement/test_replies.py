"""Replies: drafted, edited, measured, deleted, listed; and the snapshot of their decision, which never changes."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from contextlib import closing

import psycopg2
import pytest
from reply_samples import (
    OTHER,
    SAFE,
    SCORES,
    UNKNOWN,
    actions,
    approved_reply,
    new_decision,
    new_post,
    new_reply,
    posted_reply,
)

from datapkg import engagement
from datapkg.engagement import Reply
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError, WriteGateError
from datapkg.kit.database import current, transaction


def test_a_draft_takes_platform_and_archetype_from_where_it_comes(db):
    """It waits for approval, and keeps a copy of the decision without its signals."""
    decision = new_decision(
        "THREADS", safety_flags=["medical"], signals={"who": "Ann Author"}, competitor_detected="Dozer"
    )
    made = engagement.draft_reply(str(decision.id).upper(), content=SAFE, utm_code="night_owl-1")
    read = engagement.get_reply(made.id)
    assert read.public() == made.public()
    assert (read.platform, read.archetype, read.reply_type) == ("THREADS", "COACH", "COMMENT")
    assert (read.approval_status, read.approved_by, read.posted_at, read.help_count) == ("PENDING", None, None, 0)
    assert (read.content, read.utm_code, read.decision_id) == (SAFE, "night_owl-1", decision.id)
    assert read.decision_snapshot == {
        "schema_version": 1,
        "decision_id": str(decision.id),
        "post_id": str(decision.post_id),
        "decided_at": decision.created_at.isoformat(),
        **SCORES,
        "mode": "HELPFUL",
        "archetype": "COACH",
        "safety_flags": ["medical"],
        "competitor_detected": "Dozer",
        "is_power_user": False,
        "experiment_id": None,
        "experiment_variant": None,
        "is_randomized_experiment": False,
        "predicted_mode": None,
    }


def test_a_draft_may_go_elsewhere(db):
    """Platform, archetype and type can be given; the copy still says what was decided."""
    made = engagement.draft_reply(
        new_decision("REDDIT").id, content=SAFE, platform="TWITTER", archetype="MYTHBUST", reply_type="DIRECT_MESSAGE"
    )
    assert (made.platform, made.archetype, made.reply_type) == ("TWITTER", "MYTHBUST", "DIRECT_MESSAGE")
    assert made.decision_snapshot["archetype"] == "COACH"


def test_every_complaint_about_a_draft_comes_at_once(db):
    """Arguments and rules are looked at together; the refusal names the rule, and nothing is written."""
    decision = new_decision()
    with pytest.raises(ValidationError) as caught:
        engagement.draft_reply(decision.id, content="This cures it.", platform="MARS", utm_code="A B", reply_type="X")
    assert set(caught.value.errors) == {"content", "platform", "utm_code", "reply_type"}
    assert caught.value.errors["content"] == [
        "Reply must include signature",
        "Reply contains prohibited medical claims",
    ]
    assert caught.value.errors["utm_code"] == ["Invalid UTM code"]
    assert {each["rule"] for each in caught.value.meta["violations"]} >= {"reply.signature", "reply.prohibited-claim"}
    assert engagement.list_replies() == []
    with pytest.raises(NotFoundError) as missing:
        engagement.draft_reply(UNKNOWN, content=SAFE)
    assert missing.value.entity == "decision"
    for bad in (None, 7, "\0"):
        with pytest.raises(ValidationError) as caught:
            engagement.draft_reply("x", content=bad)
        assert set(caught.value.errors) == {"decision_id", "content"}


def test_the_platform_of_the_post_limits_a_draft(db):
    """280 characters fit on Twitter and 281 do not, also where the platform was not given; an edit is as limited."""
    longest = SAFE.rjust(280, "x")
    twitter, reddit = new_decision("TWITTER"), new_decision("REDDIT")
    reply = engagement.draft_reply(twitter.id, content=longest)
    with pytest.raises(ValidationError) as caught:
        engagement.draft_reply(twitter.id, content="x" + longest)
    assert caught.value.errors == {"content": ["Reply exceeds maximum length"]}
    with pytest.raises(ValidationError):
        engagement.edit_reply(reply.id, content="x" + longest)
    assert engagement.draft_reply(reddit.id, content="x" + longest).platform == "REDDIT"


def test_an_edit_opens_a_reply_again(db):
    """An approval and a rejection are gone with the content they were about; what is left out stays."""
    reply = approved_reply()
    edited = engagement.edit_reply(reply.id, content=OTHER, utm_code="spring")
    assert (edited.content, edited.utm_code, edited.approval_status) == (OTHER, "spring", "PENDING")
    assert (edited.approved_by, edited.approved_at, edited.approved_content_sha256) == (None, None, None)
    assert edited.updated_at > reply.updated_at
    engagement.reject_reply(reply.id, rejected_by="bob", reason="dull")
    again = engagement.edit_reply(reply.id, content=OTHER)
    assert (again.approval_status, again.utm_code) == ("PENDING", "spring")
    assert engagement.edit_reply(reply.id, content=OTHER, utm_code=None).utm_code is None
    assert again.decision_snapshot == reply.decision_snapshot


def test_what_cannot_be_edited(db):
    """A posted reply, a deleted one, one that is not there, and content that the rules refuse."""
    posted, deleted, pending = posted_reply(), new_reply(), new_reply()
    engagement.delete_reply(deleted.id, reason="twice", actor="ann")
    for reply in (posted, deleted):
        with pytest.raises(InvalidTransitionError) as caught:
            engagement.edit_reply(reply.id, content=OTHER)
        assert caught.value.meta["reply_id"] == str(reply.id)
    with pytest.raises(NotFoundError):
        engagement.edit_reply(UNKNOWN, content=OTHER)
    with pytest.raises(ValidationError) as refused:
        engagement.edit_reply(pending.id, content="Unsigned, alas.", utm_code="A B")
    assert set(refused.value.errors) == {"content", "utm_code"}
    with pytest.raises(ValidationError) as refused:
        engagement.edit_reply(pending.id, content=OTHER, platform="TWITTER")
    assert list(refused.value.errors) == ["platform"]
    assert [engagement.get_reply(each.id).content for each in (posted, deleted, pending)] == [SAFE] * 3


def test_figures_of_a_posted_reply(db):
    """The last ones count; a help count that is left out stays; without a posting there are none."""
    reply = posted_reply()
    engagement.record_reply_metrics(reply.id, metrics={"likes": 3, "views": 1.5}, help_count=2)
    read = engagement.record_reply_metrics(reply.id, metrics={"likes": 4})
    assert (read.metrics_json["values"], read.help_count) == ({"likes": 4.0}, 2)
    with pytest.raises(InvalidTransitionError, match="not posted"):
        engagement.record_reply_metrics(approved_reply().id, metrics={})
    with pytest.raises(NotFoundError):
        engagement.record_reply_metrics(UNKNOWN, metrics={})
    with pytest.raises(ValidationError) as caught:
        engagement.record_reply_metrics(reply.id, metrics={"likes": math.nan}, help_count=-1)
    assert set(caught.value.errors) == {"metrics.likes", "help_count"}
    for bad in (None, [], "3"):
        with pytest.raises(ValidationError) as caught:
            engagement.record_reply_metrics("x", metrics=bad)
        assert set(caught.value.errors) == {"metrics", "reply_id"}
    assert engagement.get_reply(reply.id).public() == read.public()


def test_a_deleted_reply_stays_and_is_recorded(db):
    """Its row says why; the same again changes nothing, another reason is refused."""
    reply = posted_reply()
    gone = engagement.delete_reply(reply.id, reason="asked for", actor="ann")
    assert gone.deleted_at is not None
    assert gone.delete_reason == "asked for"
    assert engagement.delete_reply(reply.id, reason="asked for", actor="bob").public() == gone.public()
    with pytest.raises(InvalidTransitionError):
        engagement.delete_reply(reply.id, reason="another", actor="ann")
    with pytest.raises(NotFoundError):
        engagement.delete_reply(UNKNOWN, reason="x", actor="ann")
    with pytest.raises(ValidationError) as caught:
        engagement.delete_reply("x", reason="", actor="")
    assert set(caught.value.errors) == {"reply_id", "reason", "actor"}
    assert engagement.get_reply(reply.id).posted_at is not None
    assert actions("reply")[-1] == ("delete_reply", "ann", {"reason": "asked for", "posted": True})
    assert len(actions("reply")) == 3


def test_lists_are_narrowed_and_paged(db):
    """Newest first, deleted ones left out unless asked for."""
    pending, twitter, posted = new_reply(), approved_reply("TWITTER"), posted_reply()
    gone = new_reply()
    engagement.delete_reply(gone.id, reason="x", actor="ann")

    def listed(**filters):
        return [each.id for each in engagement.list_replies(**filters)]

    assert listed() == [posted.id, twitter.id, pending.id]
    assert listed(include_deleted=True) == [gone.id, posted.id, twitter.id, pending.id]
    assert listed(limit=1, after=posted.id) == [twitter.id]
    assert listed(decision_id=str(pending.decision_id)) == [pending.id]
    assert listed(platform="TWITTER") == [twitter.id]
    assert listed(approval_status="APPROVED") == [posted.id, twitter.id]
    at = posted.posted_at
    assert listed(posted_from=at) == [posted.id]
    assert listed(posted_from=at, posted_before=at) == []
    assert listed(posted_before=at + dt.timedelta(microseconds=1)) == [posted.id]
    with pytest.raises(ValidationError) as caught:
        engagement.list_replies(include_deleted="no", approval_status="pending", limit=0, posted_from="today")
    assert set(caught.value.errors) == {"include_deleted", "approval_status", "limit", "posted_from"}


def test_a_reply_outlives_its_decision(db):
    """When the post goes with its decisions, the reply stays with its copy, and can still be read and listed."""
    reply = posted_reply()
    before = dict(reply.decision_snapshot)
    engagement.delete_post(before["post_id"])
    assert engagement.find_decision(before["decision_id"]) is None
    read = engagement.get_reply(reply.id)
    assert (read.decision_id, read.decision_snapshot, read.content) == (None, before, SAFE)
    assert engagement.find_reply(UNKNOWN) is None
    with pytest.raises(NotFoundError):
        engagement.get_reply(UNKNOWN)
    with pytest.raises(ValidationError):
        engagement.find_reply("x")


def test_a_post_without_a_decision_has_no_replies(db):
    """A reply needs a decision; the key of the post is none."""
    with pytest.raises(NotFoundError):
        engagement.draft_reply(new_post().id, content=SAFE)


@pytest.mark.datapkg_commits
def test_the_copy_never_changes(db, datapkg_url):
    """Neither our own model nor a foreign client can write it; other columns they can."""
    reply = new_reply()
    forged = {**reply.decision_snapshot, "sss_score": 1.0}
    del forged["schema_version"]
    with pytest.raises(WriteGateError, match="never changes"), transaction():
        Reply.update(decision_snapshot=forged).where(Reply.id == reply.id).execute()
    mine = engagement.get_reply(reply.id)
    mine.decision_snapshot = forged
    with pytest.raises(WriteGateError, match="never changes"), transaction():
        mine.save()
    _foreign_client(datapkg_url, str(reply.id))
    read = engagement.get_reply(reply.id)
    assert read.decision_snapshot == reply.decision_snapshot
    assert read.help_count == 7


def _foreign_client(url: str, key: str) -> None:
    """Try to overwrite the copy with the engine's plain driver, then write another column."""
    if current().dialect.name == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as plain:
            for sql in (
                "UPDATE replies SET decision_snapshot = '{}' WHERE id = ?",
                "INSERT OR REPLACE INTO replies SELECT id, created_at, updated_at, NULL, '{}', content, archetype,"
                " platform, platform_post_id, utm_code, help_count, approval_status, approved_by, approved_at,"
                " approved_content_sha256, posted_at, metrics_json, deleted_at, delete_reason, reply_type"
                " FROM replies WHERE id = ?",
            ):
                with pytest.raises(sqlite3.Error, match="never changes"):
                    plain.execute(sql, (key,))
            plain.execute("UPDATE replies SET help_count = 7 WHERE id = ?", (key,))
            plain.commit()
        return
    with closing(psycopg2.connect(url)) as plain, plain.cursor() as cursor:
        with pytest.raises(psycopg2.Error, match="never changes"):
            cursor.execute("UPDATE replies SET decision_snapshot = '{}' WHERE id = %s", (key,))
        plain.rollback()
        cursor.execute("UPDATE replies SET help_count = 7 WHERE id = %s", (key,))
        plain.commit()
