"""The weights of segments: changed with a log, rolled back, and never lost between two who change them at once."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import audit, engagement
from datapkg.engagement import SegmentedWeight
from datapkg.errors import (
    ConflictError,
    DocumentError,
    InvalidTransitionError,
    NotFoundError,
    StaleWriteError,
    ValidationError,
    WriteGateError,
)
from datapkg.kit.database import current, transaction

DAY = dt.date(2026, 3, 1)


def change(key="REDDIT", *, sss=0.4, ars=0.3, evs=0.2, trs=0.1, kind="platform", **more):
    """One segment's new weights."""
    weights = {"sss_weight": sss, "ars_weight": ars, "evs_weight": evs, "trs_weight": trs}
    return {"segment_type": kind, "segment_key": key, **weights, **more}


def adjust(*changes, **options):
    """Adjust weights."""
    return engagement.adjust_weights(list(changes), **{"reason": "better", "actor": "learner", **options})


def roll_back(log):
    """Undo an adjustment."""
    return engagement.rollback_weights(log.id, reason="worse", actor="ann")


def sss(key="REDDIT"):
    """The first weight of a segment, None where it has no weights."""
    found = engagement.find_weights("platform", segment_key=key)
    return found and found.sss_weight


def entry(key, weights, sample_size=0, performance=None):
    """One item of the log's lists."""
    named = None if weights is None else dict(zip(("sss", "ars", "evs", "trs"), weights, strict=True))
    size = None if weights is None else sample_size
    return {
        "segment_type": "platform",
        "segment_key": key,
        "weights": named,
        "sample_size": size,
        "performance": performance,
    }


def test_weights_and_their_log_are_written_together(db):
    """The log says what was and what is, for each segment in the order given; what is left out of a segment stays."""
    first = adjust(change("REDDIT", sample_size=40, performance=0.6), change("THREADS"), date=DAY, total_segments=5)
    second = adjust(change("THREADS", sss=0.1, ars=0.1, evs=0.1, trs=0.7), predicted_improvement=0.02)
    adjust(change("REDDIT", sss=1, ars=0, evs=0, trs=0))
    assert (first.action, first.reason, first.date) == ("ADJUST", "better", DAY)
    assert (first.valid_segments, first.total_segments) == (2, 5)
    stored = engagement.get_weight_adjustment(str(first.id))
    assert stored.public() == first.public()
    assert stored.old_weights == [entry("REDDIT", None), entry("THREADS", None)]
    assert stored.new_weights == [
        entry("REDDIT", (0.4, 0.3, 0.2, 0.1), 40, 0.6),
        entry("THREADS", (0.4, 0.3, 0.2, 0.1)),
    ]
    assert stored.sample_sizes == {"schema_version": 1, "values": {"platform/REDDIT": 40, "platform/THREADS": 0}}
    assert (second.valid_segments, second.total_segments, second.predicted_improvement) == (1, 2, 0.02)
    assert second.old_weights == [entry("THREADS", (0.4, 0.3, 0.2, 0.1))]
    reddit = engagement.get_weights("platform", segment_key="REDDIT")
    assert (reddit.sss_weight, reddit.trs_weight, reddit.sample_size, reddit.performance) == (1.0, 0.0, 40, 0.6)
    assert reddit.updated_at > reddit.created_at
    assert adjust(change(performance=None)).new_weights[0]["performance"] is None
    assert [each.segment_key for each in engagement.list_weights(segment_type="platform")] == ["THREADS", "REDDIT"]
    assert [each.segment_key for each in engagement.list_weights(segment_key="REDDIT", limit=1)] == ["REDDIT"]
    with pytest.raises(NotFoundError, match="platform/TWITTER"):
        engagement.get_weights("platform", segment_key="TWITTER")
    entries = audit.list_entries(entity_type="weight_adjustment", entity_id=first.id)
    assert [(each.action, each.actor) for each in entries] == [("adjust", "learner")]
    assert audit.verify_chain().checked == 4


def test_one_segment_is_set_by_its_own_function(db):
    """It returns the weights, and logs them as any adjustment."""
    weights = {"sss_weight": 0.25, "ars_weight": 0.25, "evs_weight": 0.25, "trs_weight": 0.25}
    actor = uuid.uuid4()
    made = engagement.set_segment_weights("hour", segment_key="9/10", **weights, reason="even", actor=actor)
    assert made == engagement.get_weights("hour", segment_key="9/10")
    (log,) = engagement.list_weight_adjustments()
    assert log.sample_sizes["values"] == {"hour/9/10": 0}
    assert audit.list_entries()[0].actor == str(actor)


def test_every_complaint_about_every_row_comes_at_once_and_nothing_is_written(db):
    """Paths lead to the row; sums, repetitions and the adjustment's own fields are checked in the same go."""
    rows = [
        change("a", sss=1.0000001, trs=float("nan"), ars=-0.1, evs=float("inf")),
        change("b", sss=0.5),
        change("c"),
        change("c", sample_size=-1, performance="x"),
        change("", kind="a/b", extra=1),
        "not a row",
        change("d", sss=0.400002),
    ]
    with pytest.raises(ValidationError) as caught:
        adjust(*rows, reason="", actor="", date="soon", predicted_improvement=float("nan"), total_segments=6)
    errors = caught.value.errors
    assert errors["changes.1"] == ["The four weights sum to 1.1, not to 1."]
    assert errors["changes.3"] == ["The same segment as changes.2."]
    assert errors["total_segments"] == ["Fewer than the 7 segments that change."]
    fields = {
        *(f"changes.0.{score}_weight" for score in ("sss", "ars", "evs", "trs")),
        *("changes.1", "changes.3", "changes.3.sample_size", "changes.3.performance"),
        *("changes.4.segment_type", "changes.4.segment_key", "changes.4.extra", "changes.5", "changes.6"),
        *("reason", "actor", "date", "predicted_improvement", "total_segments"),
    }
    assert set(errors) == fields
    for nothing in ([], None, "x", {}, 7):
        with pytest.raises(ValidationError, match="changes"):
            engagement.adjust_weights(nothing, reason="r", actor="a")
    for wrong in ({"segment_key": 7}, {"segment_type": None}):
        with pytest.raises(ValidationError, match=r"changes\.0\.segment_"):
            adjust({**change(), **wrong})
    assert not engagement.list_weights()
    assert not engagement.list_weight_adjustments()
    assert not audit.list_entries()


def test_near_misses_are_accepted(db):
    """A sum that is off by less than a millionth, weights of 0 and 1, the longest names, one key of two types."""
    adjust(
        change("k" * 100, kind="t" * 50, sss=0.4000009),
        change("x", kind="a", sss=1, ars=0, evs=0, trs=0),
        change("x", kind="b", sss=0.1, ars=0.2, evs=0.3, trs=0.4),
        change("third", sss=1 / 3, ars=1 / 3, evs=1 / 3, trs=0),
        change("…\u202e'--", kind="ü"),
        total_segments=5,
        reason="r" * 2000,
        date="2026-03-01",
    )
    assert len(engagement.list_weights()) == 5
    assert engagement.get_weights("ü", segment_key="…\u202e'--").sss_weight == 0.4


def test_that_nothing_changed_is_logged_too(db):
    """A SKIP has no weights; lists narrow by action and day."""
    adjust(change(), date=DAY)
    skipped = engagement.record_no_adjustment(
        "too few samples", actor="learner", valid_segments=3, date=DAY + dt.timedelta(1)
    )
    assert (skipped.action, skipped.valid_segments, skipped.total_segments) == ("SKIP", 3, 3)
    assert (skipped.old_weights, skipped.new_weights) == ([], [])
    plain = engagement.record_no_adjustment(reason="none", actor="learner")
    assert (plain.total_segments, plain.date) == (1, plain.created_at.date())
    with pytest.raises(ValidationError) as caught:
        engagement.record_no_adjustment("", actor="x", valid_segments=-1, total_segments=2.0)
    assert sorted(caught.value.errors) == ["reason", "total_segments", "valid_segments"]
    with pytest.raises(ValidationError, match="More than the 2 segments"):
        engagement.record_no_adjustment("r", actor="x", valid_segments=3, total_segments=2)
    engagement.record_no_adjustment("r", actor="x", valid_segments=2, total_segments=2, date=DAY)

    def listed(**filters):
        return [each.action for each in engagement.list_weight_adjustments(**filters)]

    assert listed() == ["SKIP", "SKIP", "SKIP", "ADJUST"]
    assert listed(action="ADJUST") == ["ADJUST"]
    assert listed(date_from=DAY, date_before=DAY + dt.timedelta(1)) == ["SKIP", "ADJUST"]
    assert engagement.find_weight_adjustment(uuid.uuid4()) is None
    with pytest.raises(NotFoundError):
        engagement.get_weight_adjustment(uuid.uuid4())
    with pytest.raises(InvalidTransitionError, match="changed no weights"):
        roll_back(skipped)


def test_a_rollback_restores_and_can_be_rolled_back(db):
    """All that a segment had comes back; one that had nothing loses its weights; and so once more, both ways."""
    first = adjust(change(sample_size=7, performance=0.5))
    second = adjust(change(sss=0.1, ars=0.1, evs=0.1, trs=0.7, sample_size=9, performance=None), change("THREADS"))
    made = engagement.get_weights("platform", segment_key="REDDIT").created_at
    undone = roll_back(second)
    assert (undone.action, undone.reason) == ("ROLLBACK", "worse")
    assert (undone.old_weights, undone.new_weights) == (second.new_weights, second.old_weights)
    restored = engagement.get_weights("platform", segment_key="REDDIT")
    assert (restored.sss_weight, restored.sample_size, restored.performance) == (0.4, 7, 0.5)
    assert restored.created_at == made
    assert sss("THREADS") is None
    again = roll_back(undone)
    assert (sss(), sss("THREADS")) == (0.1, 0.4)
    assert again.new_weights == second.new_weights
    # From the newest on, everything can be undone, down to no weights at all.
    roll_back(again)
    roll_back(first)
    assert not engagement.list_weights()
    assert [each.action for each in engagement.list_weight_adjustments()] == ["ROLLBACK"] * 4 + ["ADJUST"] * 2
    newest = audit.list_entries()[0]
    assert (newest.action, newest.actor) == ("rollback", "ann")
    assert newest.details["data"] == {"reason": "worse", "segments": 1, "undone": str(first.id)}


def test_a_rollback_does_not_undo_what_came_later(db):
    """Where one segment was touched since, nothing changes; other segments' adjustments do not matter."""
    first = adjust(change(), change("TWITTER"))
    adjust(change("TWITTER", sss=0.1, ars=0.1, evs=0.1, trs=0.7))
    adjust(change("THREADS"))
    with pytest.raises(StaleWriteError) as caught:
        roll_back(first)
    assert caught.value.meta == {"segments": ["platform/TWITTER"]}
    assert (sss(), sss("TWITTER"), len(engagement.list_weight_adjustments())) == (0.4, 0.1, 3)
    lonely = adjust(change("LONELY"))
    roll_back(lonely)
    with pytest.raises(StaleWriteError, match="1 of the 1 segments"):
        roll_back(lonely)  # it is undone already
    samples = adjust(change("SAMPLES", sample_size=1))
    adjust(change("SAMPLES", sample_size=2))
    with pytest.raises(StaleWriteError):
        roll_back(samples)
    foreign = adjust(change("FOREIGN"))
    current().change("UPDATE segmented_weights SET performance = 0.5 WHERE segment_key = 'FOREIGN'", ())
    with pytest.raises(StaleWriteError):
        roll_back(foreign)
    with pytest.raises(NotFoundError):
        engagement.rollback_weights(uuid.uuid4(), reason="r", actor="a")
    with pytest.raises(ValidationError) as complaints:
        engagement.rollback_weights("x", reason="", actor=None, date=7)
    assert sorted(complaints.value.errors) == ["actor", "date", "log_id", "reason"]


def test_weights_and_log_stand_or_fall_together(db):
    """Undone with the caller's transaction; the database itself refuses a wrong sum, and edits of the log."""
    with pytest.raises(KeyError), transaction():
        adjust(change())
        raise KeyError("undo")
    assert (len(engagement.list_weights()), len(engagement.list_weight_adjustments())) == (0, 0)
    adjust(change())
    for error, sql in (
        (ConflictError, "UPDATE segmented_weights SET sss_weight = 0.5"),
        (ConflictError, "UPDATE segmented_weights SET sss_weight = 1.4, ars_weight = -0.7"),
        (WriteGateError, "UPDATE weight_adjustment_logs SET reason = 'forged'"),
        (WriteGateError, "DELETE FROM weight_adjustment_logs"),
    ):
        with pytest.raises(error), transaction():
            current().change(sql, ())
    assert engagement.list_weight_adjustments()[0].reason == "better"
    assert sss() == 0.4


def test_a_log_entry_of_foreign_sql_that_is_corrupt_is_not_rolled_back(db):
    """Whatever is missing in it, the error says that it is corrupt, and the weights stay."""
    adjust(change())
    columns = (
        "id, created_at, date, action, reason, valid_segments, total_segments, sample_sizes, old_weights, new_weights"
    )
    marks = ", ".join([current().dialect.param] * 10)
    right = {"segment_type": "platform", "segment_key": "REDDIT", "weights": None}
    half = {**right, "weights": {"sss": 1.0}}
    for old, new in (([right], [7]), ([right], [half]), ([half], [right]), ([], [right])):
        key = str(uuid.uuid4())
        texts = [json.dumps({"schema_version": 1, **each}) for each in ({"values": {}}, {"items": old}, {"items": new})]
        values = (key, "2026-03-01T00:00:00.000000Z", "2026-03-01", "ADJUST", "forged", 1, 1, *texts)
        current().change(f"INSERT INTO weight_adjustment_logs ({columns}) VALUES ({marks})", values)
        with pytest.raises(DocumentError, match="segment-weights"):
            engagement.rollback_weights(key, reason="r", actor="a")
    assert sss() == 0.4


@pytest.mark.datapkg_commits
def test_of_several_at_once_none_is_lost(db):
    """Four threads adjust the same two segments: every old_weights is the new_weights before it, from the first on."""
    barrier = threading.Barrier(4)

    def work(number):
        db.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            for turn in range(5):
                share = (number * 5 + turn) / 100
                rows = [change(key, sss=share, ars=1 - share, evs=0, trs=0) for key in ("REDDIT", "THREADS")]
                adjust(*(rows if number % 2 else reversed(rows)))
        finally:
            db.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    logs = engagement.list_weight_adjustments(limit=100)
    assert len(logs) == 20
    for key in ("REDDIT", "THREADS"):
        steps = [
            next((old["weights"], new["weights"]) for old, new in pairs if old["segment_key"] == key)
            for pairs in (zip(log.old_weights, log.new_weights, strict=True) for log in reversed(logs))
        ]
        assert steps[0][0] is None
        assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(steps))
        assert steps[-1][1]["sss"] == sss(key)
        assert SegmentedWeight.select().where(SegmentedWeight.segment_key == key).count() == 1
    assert audit.verify_chain().ok
