"""Learning events: recorded beforehand, evaluated once, and how right the prediction was."""

from __future__ import annotations

import datetime as dt
import math
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import engagement
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.testing import factories

DAY = dt.date(2026, 3, 1)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
CHANGED = {"composite": {"from": 0.6, "to": 0.55}, "note": None}


def record(kind="THRESHOLD", **options):
    """Record a learning event."""
    figures = {"adjustment": CHANGED, "predicted_improvement": 0.02, "baseline_performance": 0.31}
    return engagement.record_learning_event(kind, **{**figures, **options})


def test_an_event_is_recorded_and_evaluated_once(db):
    """What was expected stays; what came is said once, and a second time is refused."""
    made = record(date=DAY)
    stored = engagement.get_learning_event(str(made.id))
    assert stored.public() == made.public()
    assert stored.adjustment == {"schema_version": 1, "data": CHANGED}
    assert (stored.date, stored.accuracy, stored.actual_improvement, stored.evaluated_at) == (DAY, None, None, None)
    done = engagement.evaluate_learning_event(made.id, actual_improvement=0.01, now=NOON)
    assert (done.accuracy, done.actual_improvement, done.evaluated_at) == (0.5, 0.01, NOON)
    assert (done.predicted_improvement, done.adjustment["data"]) == (0.02, CHANGED)
    assert engagement.get_learning_event(made.id).public() == done.public()
    for again in (0.01, 0.02):
        with pytest.raises(InvalidTransitionError) as caught:
            engagement.evaluate_learning_event(made.id, actual_improvement=again)
        assert caught.value.meta == {"actual_improvement": 0.01}
    with pytest.raises(NotFoundError):
        engagement.evaluate_learning_event(uuid.uuid4(), actual_improvement=0)
    assert engagement.find_learning_event(uuid.uuid4()) is None
    today = record()
    assert today.date == today.created_at.date()


def test_no_figure_is_a_negative_zero(db):
    """One engine would keep its sign and the other would not, so nobody does: neither the answer nor what is read."""
    event = record(predicted_improvement=-0.0, baseline_performance=-0.0)
    event = engagement.evaluate_learning_event(event.id, actual_improvement=-0.0)
    drawn = engagement.record_randomized_experiment(
        factories.make_decision().id, predicted_mode="HYBRID", actual_mode="HYBRID", predicted_outcome=-0.0
    )
    outcome = engagement.record_randomized_outcome(drawn.id, actual_outcome=-0.0)
    draft = engagement.create_ab_experiment("x", variant_a="a", variant_b="b", metric="m", traffic_split=-0.0)
    later = engagement.update_ab_experiment(draft.id, traffic_split=-0.0)
    change = {"segment_type": "p", "segment_key": "k", "sss_weight": -0.0, "ars_weight": 1, "evs_weight": 0.0}
    change |= {"trs_weight": -0.0, "performance": -0.0}
    log = engagement.adjust_weights([change], reason="r", actor="a", predicted_improvement=-0.0)
    weights = engagement.get_weights("p", segment_key="k")
    figures = [event.predicted_improvement, event.baseline_performance, event.actual_improvement]
    figures += [drawn.predicted_outcome, outcome.predicted_outcome, outcome.actual_outcome]
    figures += [draft.traffic_split, later.traffic_split, log.predicted_improvement]
    for entry in (log.new_weights[0], engagement.get_weight_adjustment(log.id).new_weights[0]):
        figures += [*entry["weights"].values(), entry["performance"]]
    figures += [weights.sss_weight, weights.trs_weight, weights.performance]
    assert [figure for figure in figures if math.copysign(1, figure) < 0] == []


def test_how_right_a_prediction_was(db):
    """Worked out by hand, up to the largest and smallest numbers there are."""
    for predicted, actual, accuracy in (
        (0.02, 0.02, 1),
        (0, 0, 1),
        (-0.1, -0.1, 1),
        (0.25, 0.125, 0.5),
        (1, 4, 0.25),
        (-0.4, -0.1, 0.25),
        (0.1, -0.1, 0),
        (0.1, 0, 0),
        (0, -3, 0),
        (0.1, -0.000001, 0),
        (1.7e308, -1.7e308, 0),
        (1.6e308, 0.8e308, 0.5),
        (5e-324, 5e-324, 1),
        (5e-324, 1e-323, 0.5),
    ):
        event = record(predicted_improvement=predicted)
        found = engagement.evaluate_learning_event(event.id, actual_improvement=actual)
        assert found.accuracy == pytest.approx(accuracy, abs=1e-12), (predicted, actual)


def test_every_complaint_comes_at_once_and_nothing_is_written(db):
    """Each field of an event and of its evaluation is checked."""
    with pytest.raises(ValidationError) as caught:
        record(
            "WEATHER",
            adjustment={"a": [1, float("inf")]},
            predicted_improvement=float("nan"),
            baseline_performance=None,
            date="today",
        )
    paths = ["adjustment.a.1", "adjustment_type", "baseline_performance", "date", "predicted_improvement"]
    assert sorted(caught.value.errors) == paths
    for wrong in (None, [], "x"):
        with pytest.raises(ValidationError, match="adjustment"):
            record(adjustment=wrong)
    assert not engagement.list_learning_events()
    event = record(adjustment={}, predicted_improvement=-1, baseline_performance=0)  # the near miss
    with pytest.raises(ValidationError) as caught:
        engagement.evaluate_learning_event("x", actual_improvement=float("inf"), now=NOON.replace(tzinfo=None))
    assert sorted(caught.value.errors) == ["actual_improvement", "event_id", "now"]
    assert engagement.get_learning_event(event.id).evaluated_at is None


def test_lists_narrow_by_kind_day_and_evaluation(db):
    """Newest first, a page at a time."""
    kinds = ("WEIGHTS", "TIMING", "WEIGHTS")
    first, second, third = (record(kind, date=DAY + dt.timedelta(day)) for day, kind in enumerate(kinds))
    engagement.evaluate_learning_event(second.id, actual_improvement=0)
    listed = engagement.list_learning_events
    assert list(listed()) == [third, second, first]
    assert list(listed(adjustment_type="WEIGHTS")) == [third, first]
    assert list(listed(evaluated=True)) == [second]
    assert list(listed(evaluated=False, limit=1)) == [third]
    assert list(listed(date_from=DAY, date_before=DAY + dt.timedelta(2), after=second.id)) == [first]
    for wrong in ({"adjustment_type": "X"}, {"evaluated": "yes"}, {"date_from": 1}, {"limit": 0}):
        with pytest.raises(ValidationError):
            listed(**wrong)


@pytest.mark.datapkg_commits
def test_of_several_evaluations_at_once_one_succeeds(db):
    """Six threads: one figure is stored, the others are told so."""
    event = record()
    barrier = threading.Barrier(6)

    def evaluate(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return engagement.evaluate_learning_event(event.id, actual_improvement=number).actual_improvement
        except InvalidTransitionError:
            return None
        finally:
            db.close()

    with ThreadPoolExecutor(6) as pool:
        found = [each for each in pool.map(evaluate, range(6)) if each is not None]
    assert found == [engagement.get_learning_event(event.id).actual_improvement]
