"""Decisions: recorded with scores from 0 to 1, listed, deleted."""

from __future__ import annotations

import datetime as dt

import pytest
from reply_samples import SCORES, UNKNOWN, by_plain_sql, new_author, new_decision, new_post, new_reply

from datapkg import engagement
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError

JUST_ABOVE = 1.0000001


def test_a_decision_reads_back_as_it_was_recorded(db):
    """Everything given is stored; signals and context are documents of any shape."""
    experiment = engagement.create_ab_experiment("tone", variant_a="kind", variant_b="curt", metric="help")
    post = new_post()
    decision = engagement.record_decision(
        str(post.id),
        **SCORES,
        mode="HYBRID",
        archetype="COACH",
        safety_flags=["self-harm"],
        signals={"words": ["tired"], "depth": {"n": None}},
        temporal_context={"hour": 3},
        competitor_detected="Rival",
        is_power_user=True,
        experiment_id=experiment.id,
        experiment_variant="B",
        is_randomized_experiment=True,
        predicted_mode="HELPFUL",
    )
    read = engagement.get_decision(str(decision.id))
    assert read.public() == decision.public()
    assert (read.post_id, read.experiment_id, read.experiment_variant) == (post.id, experiment.id, "B")
    assert {name: getattr(read, name) for name in SCORES} == SCORES
    assert (read.mode, read.archetype, read.predicted_mode) == ("HYBRID", "COACH", "HELPFUL")
    assert (read.safety_flags, read.competitor_detected) == (["self-harm"], "Rival")
    assert read.signals_json == {"schema_version": 1, "data": {"words": ["tired"], "depth": {"n": None}}}
    assert read.temporal_context == {"schema_version": 1, "data": {"hour": 3}}
    assert (read.is_power_user, read.is_randomized_experiment) == (True, True)


def test_what_is_left_out_has_its_default(db):
    """Whether the author is a power user is what is known of them."""
    author = engagement.upsert_author("REDDIT", platform_id="1", handle="owl", is_power_user=True)
    bare = engagement.record_decision(new_post(author=author).id, **SCORES, mode="DISENGAGED")
    assert (bare.is_power_user, bare.is_randomized_experiment) == (True, False)
    assert (bare.archetype, bare.safety_flags, bare.signals_json["data"], bare.temporal_context["data"]) == (
        None,
        [],
        {},
        {},
    )
    assert new_decision(post=new_post(author=author), is_power_user=False).is_power_user is False


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_from_0_to_1(db, name):
    """The ends belong to it; just beyond, NaN and what is no number are refused, and by the database too."""
    post = new_post()
    for right in (0, 1, 0.0, -0.0, 1.0):
        assert str(getattr(new_decision(post=post, **{name: right}), name)) == str(abs(float(right)))
    for wrong in (JUST_ABOVE, -0.0000001, float("nan"), float("inf"), "1", None, True):
        with pytest.raises(ValidationError) as caught:
            new_decision(post=post, **{name: wrong})
        assert list(caught.value.errors) == [name]
    with pytest.raises(ConflictError):
        by_plain_sql(f"UPDATE decisions SET {name} = ?", JUST_ABOVE)
    assert len(engagement.list_decisions()) == 5


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Columns and documents complain together."""
    wrong = {
        **dict.fromkeys(SCORES, 2),
        "mode": "SILENT",
        "archetype": "POET",
        "safety_flags": [""],
        "signals": ["no object"],
        "temporal_context": {"x": float("nan")},
        "competitor_detected": "",
        "is_power_user": "yes",
        "experiment_id": "x",
        "experiment_variant": "C",
        "is_randomized_experiment": None,
        "predicted_mode": "",
    }
    with pytest.raises(ValidationError) as caught:
        engagement.record_decision("x", **wrong)
    renamed = {
        "safety_flags.0": "safety_flags",
        "signals_json.data": "signals",
        "temporal_context.data.x": "temporal_context",
    }
    assert {renamed.get(path, path) for path in caught.value.errors} == {"post_id", *wrong}
    with pytest.raises(NotFoundError):
        engagement.record_decision(UNKNOWN, **SCORES, mode="HELPFUL")
    with pytest.raises(ConflictError):
        new_decision(experiment_id=UNKNOWN)
    assert engagement.list_decisions() == []


def test_nothing_is_decided_about_a_person_who_was_anonymised(db):
    """Their post says nothing any more, and signals would be kept anew."""
    post = new_post()
    engagement.anonymise_author(post.author_id, actor="ann", reason="asked")
    with pytest.raises(InvalidTransitionError):
        new_decision(post=post)
    assert engagement.list_decisions() == []


def test_decisions_are_listed_newest_first_by_page(db):
    """Every filter narrows; the next page goes on after the last row."""
    post = new_post()
    low = new_decision(post=post, composite_score=0.25)
    drawn = new_decision(post=post, is_randomized_experiment=True, experiment_variant="A")
    high = new_decision(post=new_post(author=new_author()), mode="HYBRID", composite_score=1)
    assert engagement.list_decisions() == [high, drawn, low]
    assert engagement.list_decisions(post_id=post.id, limit=1, after=drawn.id) == [low]
    assert engagement.list_decisions(mode="HYBRID") == [high]
    assert engagement.list_decisions(experiment_variant="A") == [drawn]
    assert engagement.list_decisions(is_randomized_experiment=False) == [high, low]
    assert engagement.list_decisions(min_composite_score=SCORES["composite_score"]) == [high, drawn]
    assert engagement.list_decisions(created_from=drawn.created_at, created_before=high.created_at) == [drawn]
    naive = dt.datetime(2026, 3, 1)
    for wrong in ({"mode": "x"}, {"min_composite_score": JUST_ABOVE}, {"created_from": naive}, {"post_id": 7}):
        with pytest.raises(ValidationError) as caught:
            engagement.list_decisions(**wrong)
        assert set(caught.value.errors) == set(wrong)


def test_a_deleted_decision_leaves_its_reply(db):
    """The reply keeps its copy of the decision."""
    reply = new_reply()
    engagement.delete_decision(reply.decision_id)
    kept = engagement.get_reply(reply.id)
    assert (kept.decision_id, kept.decision_snapshot["decision_id"]) == (None, str(reply.decision_id))
    for missing in (engagement.get_decision, engagement.delete_decision):
        with pytest.raises(NotFoundError):
            missing(reply.decision_id)
    assert engagement.find_decision(reply.decision_id) is None
