"""Escalations: what they are about, who looks at them, and that they are closed once."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from reply_samples import UNKNOWN, actions, all_at_once, new_decision, new_post, new_reply

from datapkg import engagement
from datapkg.engagement import Escalation
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import transaction
from datapkg.testing import factories


def test_the_chain_is_filled_in(db):
    """A reply brings its decision and post, a decision its post; a post stands alone."""
    reply = new_reply()
    decision = engagement.get_decision(reply.decision_id)
    by_reply = engagement.escalate("MEDICAL", reply_id=reply.id, priority="HIGH", actor="system")
    assert (by_reply.reply_id, by_reply.decision_id, by_reply.post_id) == (reply.id, decision.id, decision.post_id)
    by_decision = engagement.escalate("LEGAL", decision_id=str(decision.id), actor="system")
    assert (by_decision.reply_id, by_decision.decision_id) == (None, decision.id)
    assert by_decision.post_id == decision.post_id
    by_post = engagement.escalate("OTHER", post_id=decision.post_id, actor=factories.make_user().id)
    assert (by_post.reply_id, by_post.decision_id, by_post.post_id) == (None, None, decision.post_id)
    assert (by_post.priority, by_post.status, by_post.assigned_to) == ("MEDIUM", "OPEN", None)
    for made in (by_reply, by_decision, by_post):
        assert engagement.get_escalation(made.id).public() == made.public()
    keys = {"post_id": str(decision.post_id), "decision_id": str(decision.id), "reply_id": str(reply.id)}
    assert actions("escalation")[0] == ("escalate", "system", {**keys, "reason": "MEDICAL", "priority": "HIGH"})
    assert len(actions("escalation")) == 3


def test_what_does_not_belong_together_is_refused(db):
    """Keys that are given have to agree; given together and right, they are taken."""
    reply, other = new_reply(), new_decision()
    own = engagement.get_decision(reply.decision_id)
    with pytest.raises(ValidationError) as caught:
        engagement.escalate("SAFETY", reply_id=reply.id, decision_id=other.id, post_id=own.post_id, actor="a")
    assert set(caught.value.errors) == {"decision_id", "post_id"}
    assert str(reply.id) in caught.value.errors["decision_id"][0]
    made = engagement.escalate("SAFETY", reply_id=reply.id, decision_id=own.id, post_id=own.post_id, actor="a")
    assert made.reply_id == reply.id
    for name in ("reply_id", "decision_id", "post_id"):
        with pytest.raises(NotFoundError) as missing:
            engagement.escalate("SAFETY", **{name: UNKNOWN}, actor="a")
        assert missing.value.entity == name.removesuffix("_id")
    engagement.delete_decision(own.id)  # the reply still knows its post
    with pytest.raises(ValidationError) as caught:
        engagement.escalate("SAFETY", reply_id=reply.id, post_id=other.post_id, actor="a")
    assert set(caught.value.errors) == {"post_id"}
    late = engagement.escalate("SAFETY", reply_id=reply.id, actor="a")
    assert (late.decision_id, late.post_id) == (None, own.post_id)
    engagement.delete_post(own.post_id)
    assert engagement.escalate("SAFETY", reply_id=reply.id, actor="a").post_id is None
    assert len(engagement.list_escalations()) == 3


def test_every_complaint_comes_at_once(db):
    """Something has to be named, among all the rest."""
    with pytest.raises(ValidationError) as caught:
        engagement.escalate("BAD", priority="high", assigned_to="", actor="")
    assert set(caught.value.errors) == {"_schema", "reason", "priority", "assigned_to", "actor"}
    assert caught.value.errors["_schema"] == ["Give post_id, decision_id or reply_id."]
    with pytest.raises(ValidationError) as caught:
        engagement.escalate("SAFETY", post_id="x", decision_id=None, actor="a")
    assert "post_id" in caught.value.errors
    assert engagement.list_escalations() == []
    assert actions("escalation") == []


def test_assigning(db):
    """Somebody at work means IN_PROGRESS, nobody OPEN; the same person again is not recorded."""
    post = new_post()
    assert engagement.escalate("OTHER", post_id=post.id, assigned_to="eve", actor="a").status == "IN_PROGRESS"
    made = engagement.escalate("OTHER", post_id=post.id, actor="a")
    assigned = engagement.assign_escalation(made.id, assigned_to="bob", actor="ann")
    assert (assigned.status, assigned.assigned_to) == ("IN_PROGRESS", "bob")
    assert engagement.assign_escalation(made.id, assigned_to="bob", actor="eve").public() == assigned.public()
    free = engagement.assign_escalation(made.id, assigned_to=None, actor="bob")
    assert (free.status, free.assigned_to) == ("OPEN", None)
    assert actions("escalation")[2:] == [
        ("assign_escalation", "ann", {"from": None, "to": "bob"}),
        ("assign_escalation", "bob", {"from": "bob", "to": None}),
    ]
    with pytest.raises(NotFoundError):
        engagement.assign_escalation(UNKNOWN, assigned_to="bob", actor="a")
    with pytest.raises(ValidationError) as caught:
        engagement.assign_escalation("x", assigned_to="", actor="")
    assert set(caught.value.errors) == {"escalation_id", "assigned_to", "actor"}


def test_closing(db):
    """Resolved or dismissed, by somebody, once; a clock set back does not close it before it was made."""
    post = new_post()
    first, second = (engagement.escalate("OTHER", post_id=post.id, actor="a") for _ in range(2))
    later = first.created_at + dt.timedelta(days=1)
    closed = engagement.resolve_escalation(first.id, resolved_by="bob", notes="Called Ann.", now=later)
    assert (closed.status, closed.resolved_by, closed.resolution_notes) == ("RESOLVED", "bob", "Called Ann.")
    assert closed.resolved_at == later
    earlier = second.created_at - dt.timedelta(days=1)
    dismissed = engagement.resolve_escalation(second.id, resolved_by="bob", dismissed=True, now=earlier)
    assert (dismissed.status, dismissed.resolved_at) == ("DISMISSED", second.created_at)
    for call in (
        partial(engagement.resolve_escalation, resolved_by="bob", notes="Called Ann."),
        partial(engagement.assign_escalation, assigned_to="bob", actor="a"),
    ):
        with pytest.raises(InvalidTransitionError, match="resolved by bob already"):
            call(first.id)
        with pytest.raises(NotFoundError):
            call(UNKNOWN)
    assert actions("escalation")[2:] == [
        ("resolve_escalation", "bob", {"status": "RESOLVED"}),
        ("resolve_escalation", "bob", {"status": "DISMISSED"}),
    ]
    with pytest.raises(ValidationError) as caught:
        engagement.resolve_escalation("x", resolved_by="", notes="x" * 10_001, dismissed="no")
    assert set(caught.value.errors) == {"escalation_id", "resolved_by", "notes", "dismissed"}


@pytest.mark.datapkg_commits
def test_several_close_it_at_once(db):
    """One of them does, and one entry says so."""
    made = engagement.escalate("OTHER", post_id=new_post().id, actor="a")
    results = all_at_once(
        *(partial(engagement.resolve_escalation, made.id, resolved_by=f"p{number}") for number in range(6))
    )
    assert sum(isinstance(each, Escalation) for each in results) == 1
    assert sum(isinstance(each, InvalidTransitionError) for each in results) == 5
    assert [action for action, _, _ in actions("escalation")] == ["escalate", "resolve_escalation"]


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_post_that_goes_meanwhile(db):
    """An escalation that waits for a post which is being deleted is then about the reply alone.

    On SQLite one writer waits for the other from its beginning on.
    """
    reply = new_reply()
    decision = engagement.get_decision(reply.decision_id)

    def escalate():
        db.connect(reuse_if_open=True)
        try:
            return engagement.escalate("OTHER", reply_id=reply.id, actor="a")
        finally:
            db.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction():
            engagement.delete_post(decision.post_id)
            waiting = pool.submit(escalate)
            while not waiting.done() and not db.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", ()):
                time.sleep(0.01)
        made = waiting.result(timeout=30)
    assert (made.reply_id, made.decision_id, made.post_id) == (reply.id, None, None)
    with pytest.raises(NotFoundError):
        engagement.escalate("OTHER", decision_id=decision.id, actor="a")


def test_an_escalation_stays_when_its_post_goes(db):
    """Its keys are emptied; it can still be closed."""
    reply = new_reply()
    made = engagement.escalate("OTHER", reply_id=reply.id, actor="a")
    engagement.delete_post(made.post_id)
    read = engagement.get_escalation(made.id)
    assert (read.post_id, read.decision_id, read.reply_id) == (None, None, reply.id)
    assert engagement.resolve_escalation(made.id, resolved_by="bob").status == "RESOLVED"


def test_lists_are_narrowed_and_paged(db):
    """By status, priority and person, newest first."""
    post = new_post()
    made = [
        engagement.escalate("OTHER", post_id=post.id, priority=priority, assigned_to=who, actor="a")
        for priority, who in (("LOW", None), ("HIGH", "bob"), ("HIGH", "eve"))
    ]

    def listed(**filters):
        return [made.index(each) for each in engagement.list_escalations(**filters)]

    assert listed() == [2, 1, 0]
    assert listed(priority="HIGH") == [2, 1]
    assert listed(status="OPEN") == [0]
    assert listed(status="IN_PROGRESS", assigned_to="bob") == [1]
    assert listed(limit=1, after=made[2].id) == [1]
    with pytest.raises(ValidationError) as caught:
        engagement.list_escalations(status="open", priority=1, assigned_to="", limit=1001)
    assert set(caught.value.errors) == {"status", "priority", "assigned_to", "limit"}
    assert engagement.find_escalation(UNKNOWN) is None
    with pytest.raises(NotFoundError):
        engagement.get_escalation(UNKNOWN)
