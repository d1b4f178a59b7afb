"""The demo's posts, replies and experiments are what the functions would have made of them; factories make the like."""

from __future__ import annotations

import hashlib
import json

import pytest

import datapkg
from datapkg import engagement
from datapkg.engagement.ab_assignments import _variant
from datapkg.engagement.learning import _accuracy
from datapkg.engagement.rules import check_author, check_reply
from datapkg.errors import SeedError
from datapkg.testing import factories


@pytest.fixture
def demo(db):
    """A database with the demo's engagement."""
    datapkg.seed(profile="demo", domain="engagement")


def test_the_demo_is_as_the_functions_would_have_made_it(demo):
    """Five authors a platform; each row passes the function that records its like, and gives the same again."""
    authors = {each.id: each for each in engagement.list_authors()}
    assert sorted(each.platform for each in authors.values()) == ["REDDIT"] * 5 + ["THREADS"] * 5 + ["TWITTER"] * 5
    for each in authors.values():
        check_author(each.handle, each.platform)
    posts = {each.id: each for each in engagement.list_posts()}
    for post in posts.values():
        given = {name: getattr(post, name) for name in ("platform_post_id", "author_id", "content", "keyword_matches")}
        assert engagement.record_post(post.platform, **given) == post
        assert authors[post.author_id].platform == post.platform
    decisions = {each.id: each for each in engagement.list_decisions()}
    replies = engagement.list_replies(include_deleted=True)
    for reply in replies:
        check_reply(reply.content, reply.platform, reply.utm_code)
        decision = decisions[reply.decision_id]
        draft = engagement.draft_reply(decision.id, content=reply.content, utm_code=reply.utm_code)
        assert (draft.decision_snapshot, draft.platform, draft.archetype) == (
            reply.decision_snapshot, reply.platform, reply.archetype,
        )  # fmt: skip
        assert (reply.approval_status == "APPROVED") == (
            reply.approved_content_sha256 == engagement.content_sha256(reply.content)
        )
        if reply.posted_at is not None:
            assert decision.created_at < reply.created_at < reply.approved_at < reply.posted_at
    assert {(each.approval_status, each.posted_at is not None) for each in replies} == {
        ("PENDING", False), ("APPROVED", False), ("APPROVED", True), ("REJECTED", False),
    }  # fmt: skip
    experiments = {each.id: each for each in engagement.list_ab_experiments()}
    assert sorted(each.status for each in experiments.values()) == ["COMPLETED", "DRAFT", "RUNNING"]
    for each in engagement.list_assignments(limit=100):
        split = experiments[each.experiment_id].traffic_split
        assert each.variant == _variant(str(each.experiment_id), each.subject, split)
    for event in engagement.list_learning_events(evaluated=True):
        assert event.accuracy == pytest.approx(_accuracy(event.predicted_improvement, event.actual_improvement))
    (adjustment,) = engagement.list_weight_adjustments(action="ADJUST")
    assert engagement.rollback_weights(adjustment.id, reason="To see that it fits.", actor="system").valid_segments == 3


def test_what_people_changed_in_the_demo_survives_seeding(demo):
    """A second seeding changes nothing, whatever has become of the rows."""
    author = engagement.find_author_by_platform_id("THREADS", platform_id="demo-th-3001")
    engagement.upsert_author("THREADS", platform_id="demo-th-3001", handle="slower.mornings.demo", follower_count=1)
    (pending, *_) = engagement.list_replies(approval_status="PENDING")
    engagement.reject_reply(pending.id, rejected_by="ann@example.com", reason="Too long.")
    competitor = engagement.find_competitor_by_name("Hushwood")
    engagement.update_competitor(competitor.id, category="OTHER")
    assert not datapkg.seed(profile="demo", domain="engagement").changed
    assert engagement.get_author(author.id).handle == "slower.mornings.demo"
    assert engagement.get_reply(pending.id).approval_status == "REJECTED"
    assert engagement.get_competitor(competitor.id).category == "OTHER"


POST = {
    "platform": "REDDIT",
    "platform_post_id": "p-1",
    "author": ["REDDIT", "a-1"],
    "content": "How do you sleep?",
    "keyword_matches": ["sleep"],
}
SIGNED = "Try less light in the evening. —Antone (Vita)"


def reply_row(content, **columns):
    """A reply's row, whose snapshot is that of a decision long gone."""
    nobody = "01990000-0000-7000-8000-000000000000"
    scores = dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score", "composite_score"), 0.5)
    empty = ("archetype", "competitor_detected", "experiment_id", "experiment_variant", "predicted_mode")
    snapshot = {
        **{"schema_version": 1, "decision_id": nobody, "post_id": nobody, "decided_at": "2026-03-02T00:00:00Z"},
        **{**scores, "mode": "HELPFUL", "safety_flags": [], "is_power_user": False, "is_randomized_experiment": False},
        **dict.fromkeys(empty),
    }
    return {"key": "r-1", "decision_snapshot": snapshot, "content": content, "platform": "TWITTER", **columns}


def test_seed_rows_obey_the_rules_of_content(db, tmp_path):
    """A row that the functions would refuse is refused with the rule's words; its near miss is written."""

    def seed(table, row):
        path = tmp_path / "rows.json"
        path.write_text(json.dumps({"table": table, "rows": [row]}), encoding="utf-8")
        return datapkg.seed(files=path)

    author = {"platform": "REDDIT", "platform_id": "a-1", "handle": "night-owl"}
    approved = {"approval_status": "APPROVED", "approved_by": "ann", "approved_at": "2026-03-02T00:00:00Z"}
    sha256 = hashlib.sha256(SIGNED.encode()).hexdigest()
    third = {"sss_weight": 0.5, "ars_weight": 0.25, "evs_weight": 0.25}
    weights = {"segment_type": "platform", "segment_key": "REDDIT", **third}
    for table, refused, why, accepted in (
        ("authors", {**author, "handle": "night.owl"}, "Invalid handle format", author),
        ("posts", {**POST, "content": ""}, "Post content cannot be empty", POST),
        ("posts", {**POST, "keyword_matches": []}, "Must match at least one keyword", POST),
        ("replies", reply_row(SIGNED[:-1]), "Reply must include signature", reply_row(SIGNED)),
        ("replies", reply_row(f"It pre\u200bvents it. {SIGNED}"), "Reply contains prohibited", reply_row(SIGNED)),
        ("replies", reply_row(SIGNED.rjust(281)), "Reply exceeds maximum length", reply_row(SIGNED.rjust(280))),
        (
            "replies",
            reply_row(SIGNED, **approved, approved_content_sha256="0" * 64),
            "Not the SHA-256 of the content",
            reply_row(SIGNED, **approved, approved_content_sha256=sha256),
        ),
        (
            "segmented_weights",
            {**weights, "trs_weight": 0.1},
            "sum to 1.1, not to 1",
            {**weights, "trs_weight": 0.0},
        ),
    ):
        with pytest.raises(SeedError) as caught:
            seed(table, refused)
        assert why in str(caught.value)
        assert seed(table, accepted).applied


def test_the_factories_make_valid_rows_that_differ(db):
    """Called twice without arguments each makes two rows; the replies come as far as they are asked to."""
    rows = []
    names = (
        *("author", "post", "decision", "reply", "competitor", "mention", "champion", "kpi", "escalation"),
        *("hold", "ab_experiment", "ab_assignment", "weight_adjustment", "learning_event"),
    )
    for name in names:
        rows += [getattr(factories, f"make_{name}")() for _ in range(2)]
    assert len({each.id for each in rows}) == 2 * len(names)
    for status in ("PENDING", "APPROVED", "REJECTED", "POSTED"):
        reply = factories.make_reply(status=status)
        assert reply.approval_status == ("APPROVED" if status == "POSTED" else status)
        assert (reply.posted_at is not None) == (status == "POSTED")
    for status in ("DRAFT", "RUNNING", "COMPLETED", "CANCELLED"):
        assert factories.make_ab_experiment(status=status).status == status
    author = factories.make_author(platform="REDDIT")
    assert factories.make_post(author_id=author.id).platform == "REDDIT"
    assert datapkg.audit.verify_chain().ok
