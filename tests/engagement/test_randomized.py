"""Randomized decisions: recorded with what was expected, completed by what came, kept when the decision goes."""

from __future__ import annotations

import uuid

import pytest

from datapkg import engagement
from datapkg.engagement import Author, Decision, Post
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.models import now
from datapkg.kit.statements import insert


def decision():
    """Put a decision into the tables."""
    made = now()
    author = insert(
        Author,
        {
            "platform": "REDDIT",
            "platform_id": str(uuid.uuid4()),
            "handle": "ann",
            "first_seen_at": made,
            "last_seen_at": made,
        },
    )
    post = insert(
        Post,
        {
            "platform": "REDDIT",
            "platform_post_id": str(uuid.uuid4()),
            "author": author.id,
            "content": "help",
            "detected_at": made,
            "keyword_matches": ["help"],
        },
    )
    scores = dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score", "composite_score"), 0.5)
    return insert(Decision, {"post": post.id, **scores, "mode": "HELPFUL"})


def record(key, **options):
    """Record a randomized decision."""
    return engagement.record_randomized_experiment(
        key, **{"predicted_mode": "HELPFUL", "actual_mode": "HYBRID", **options}
    )


def test_a_draw_is_recorded_and_its_outcome_said_once(db):
    """The same outcome again changes nothing, another one is refused; the record outlives the decision."""
    source = decision()
    made = record(str(source.id), predicted_outcome=0.4)
    assert engagement.get_randomized_experiment(made.id).public() == made.public()
    assert (made.decision_id, made.predicted_outcome, made.actual_outcome) == (source.id, 0.4, None)
    done = engagement.record_randomized_outcome(made.id, actual_outcome=0.3)
    assert (done.actual_outcome, done.updated_at > made.updated_at) == (0.3, True)
    assert engagement.record_randomized_outcome(str(made.id), actual_outcome=0.3).public() == done.public()
    with pytest.raises(InvalidTransitionError) as caught:
        engagement.record_randomized_outcome(made.id, actual_outcome=0.31)
    assert caught.value.meta == {"actual_outcome": 0.3}
    source.delete_instance()
    kept = engagement.get_randomized_experiment(made.id)
    assert (kept.decision_id, kept.actual_outcome, kept.predicted_mode) == (None, 0.3, "HELPFUL")


def test_what_cannot_be_recorded_is_refused(db):
    """Every complaint at once; a decision or record that is not there is told apart from a malformed key."""
    source = decision()
    with pytest.raises(ValidationError) as caught:
        record("x", predicted_mode="LOUD", actual_mode=None, predicted_outcome=float("nan"))
    assert sorted(caught.value.errors) == ["actual_mode", "decision_id", "predicted_mode", "predicted_outcome"]
    with pytest.raises(ValidationError) as caught:
        engagement.record_randomized_outcome("x", actual_outcome=float("inf"))
    assert sorted(caught.value.errors) == ["actual_outcome", "randomized_id"]
    for call in (
        lambda: record(uuid.uuid4()),
        lambda: engagement.record_randomized_outcome(uuid.uuid4(), actual_outcome=1),
        lambda: engagement.get_randomized_experiment(uuid.uuid4()),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert engagement.find_randomized_experiment(uuid.uuid4()) is None
    assert not engagement.list_randomized_experiments()
    # The near misses: the draw may give what was predicted, figures may be negative and whole.
    same = record(source.id, actual_mode="HELPFUL", predicted_outcome=-3)
    assert engagement.record_randomized_outcome(same.id, actual_outcome=0).actual_outcome == 0.0


def test_lists_narrow_by_decision_modes_and_outcome(db):
    """Newest first, a page at a time."""
    one, two = decision(), decision()
    first, second, third = record(one.id), record(two.id, actual_mode="ENGAGEMENT"), record(one.id)
    engagement.record_randomized_outcome(first.id, actual_outcome=1)
    listed = engagement.list_randomized_experiments
    assert list(listed()) == [third, second, first]
    assert list(listed(decision_id=one.id)) == [third, first]
    assert list(listed(actual_mode="ENGAGEMENT", predicted_mode="HELPFUL")) == [second]
    assert list(listed(has_outcome=True)) == [first]
    assert list(listed(has_outcome=False, after=third.id)) == [second]
    with pytest.raises(ValidationError, match="actual_mode"):
        listed(actual_mode="X")
