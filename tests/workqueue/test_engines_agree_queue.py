"""The queue on both engines, driven with the same generated operations: the same results, refusals and counts."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from datapkg import workqueue
from datapkg.errors import DatapkgError
from datapkg.kit.database import current, override, transaction
from datapkg.kit.models import Model

T0 = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
NUMBERS = st.integers(1, 8)
FEATURES = st.one_of(NUMBERS, NUMBERS, NUMBERS.map(lambda number: f"FEAT-{number:03d}"), st.sampled_from(["x", 0, 99]))
DEPENDENCIES = st.one_of(st.just([]), st.lists(NUMBERS, max_size=3), st.lists(st.integers(-1, 12), max_size=2))
PRIORITIES = st.sampled_from([*workqueue.PRIORITIES, "HIGH", "urgent"])
CATEGORIES = st.sampled_from(["a", "b", "é", ""])
GAPS = st.sampled_from([0, 0, 0, 1, 30, 60, 61])
USUAL = {
    "total_cost_usd": st.sampled_from(["1.25", "0.000001", 3]),
    "duration_seconds": st.integers(0, 5),
    "success_rate": st.integers(0, 100),
    "ready_for_production": st.booleans(),
    "prompt_tokens": st.integers(0, 2**63 - 1),
    "completion_tokens": st.just(1),
    "cached_tokens": st.just(0),
    "agents_used": st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["Developer", "é"]), "cost": st.floats(0, 9)}), max_size=2
    ),
}
WRONG = {
    "total_cost_usd": st.sampled_from([1.5, "-1", "x"]),
    "success_rate": st.sampled_from([-1, 101]),
    "agents_used": st.lists(st.fixed_dictionaries({"role": st.text(max_size=3), "cost": st.floats(0, 9)})),
}
METRICS = st.one_of(
    st.none(), st.fixed_dictionaries(USUAL), st.fixed_dictionaries(USUAL), st.fixed_dictionaries({**USUAL, **WRONG})
)
UNKNOWN = uuid.UUID("01a1fca4-af86-72e7-b08b-b033503a7195")


class Side:
    """One engine: its database, and the claims made so far in the order they were made."""

    def __init__(self, database):
        self.database = database
        self.claims: list = []

    def claim(self, number):
        """Return key and token of one of the claims made so far, the newest first."""
        return self.claims[-1 - number % len(self.claims)] if self.claims else (UNKNOWN, UNKNOWN)

    def comparable(self, value):
        """Leave out keys, tokens and the clock's times."""
        if isinstance(value, Model):
            shown = value.public()
            hidden = ("id", "feature_id", "depends_on_id", "created_at", "updated_at")
            return {key: self.comparable(each) for key, each in shown.items() if key not in hidden}
        if isinstance(value, dict):
            return {key: self.comparable(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.comparable(each) for each in value]
        return type(value).__name__, repr(value)

    def run(self, operation):
        """Run an operation in a savepoint; return its result or its refusal, comparable."""
        with override(self.database):
            try:
                with transaction():
                    return "done", self.comparable(operation(self))
            except DatapkgError as error:
                told = {key: each for key, each in error.meta.items() if key != "key"}
                why = "" if error.code in ("conflict", "not_found") else error.why
                for key, _ in self.claims:
                    why = why.replace(str(key), "a key")
                return type(error).__name__, error.code, why, told.get("errors"), told.get("constraint")


@pytest.mark.datapkg_engines("sqlite")
def test_both_engines_work_off_a_queue_alike(datapkg_databases, db):
    """Everything that the queue can do, in any order, with good and bad input and a clock that jumps."""
    seen: Counter[str] = Counter()

    class Queues(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.stack = ExitStack()
            self.now = T0
            fresh = (datapkg_databases.in_memory(), datapkg_databases.in_transaction())
            self.sides = [Side(self.stack.enter_context(each)) for each in fresh]
            for others, priority in (([], "LOW"), ([], "MEDIUM"), ([1], "HIGH"), ([2, 3], "MEDIUM")):
                self.enqueue("start", "a", priority, others, None, False, 2)
            # Whatever is drawn, each queue has seen work done, a claim that was lost, and both kinds of refusal.
            self.work(None)
            self.complete(0, None, 0)
            self.enqueue("", "a", "LOW", [], None, False, 2)
            self.by_hand(1, "retry")

        def teardown(self):
            for side in self.sides:
                with override(side.database):
                    assert workqueue.verify_counts() == []
                    for row in workqueue.list_features(limit=1000):
                        assert self.history_of(row) == row.status
                        assert (row.status == "IN_PROGRESS") == (row.claim_token is not None)
                        assert row.attempt <= row.max_attempts
            self.stack.close()

        def history_of(self, row):
            """Follow a feature's transitions from the first to the last, without a gap; return where they end."""
            mark = current().dialect.param
            steps = current().fetch(
                f"SELECT from_status, to_status FROM feature_transitions WHERE feature_id = {mark} ORDER BY id",
                (str(row.id),),
            )
            assert steps[0][0] is None
            assert all(before[1] == after[0] for before, after in itertools.pairwise(steps))
            return steps[-1][1]

        def both(self, operation):
            sqlite, postgresql = (side.run(operation) for side in self.sides)
            assert sqlite == postgresql
            seen[sqlite[0]] += 1
            return sqlite

        @rule(
            name=st.sampled_from(["n", "", "x" * 501]),
            category=CATEGORIES,
            priority=PRIORITIES,
            others=DEPENDENCIES,
            number=st.one_of(st.none(), st.none(), NUMBERS),
            draft=st.booleans(),
            attempts=st.integers(0, 3),
        )
        def enqueue(self, name, category, priority, others, number, draft, attempts):
            self.both(
                lambda side: workqueue.enqueue(
                    name,
                    category=category,
                    test_steps="",
                    priority=priority,
                    depends_on_ids=others,
                    feature_number=number,
                    draft=draft,
                    max_attempts=attempts,
                )
            )

        @rule(others=st.lists(DEPENDENCIES, max_size=3), first=NUMBERS)
        def enqueue_many(self, others, first):
            rows = [
                {
                    "name": "m",
                    "category": "b",
                    "test_steps": "",
                    "feature_number": first + place,
                    "depends_on_ids": each,
                }
                for place, each in enumerate(others)
            ]
            self.both(lambda side: workqueue.enqueue_many(rows))

        @rule(gap=GAPS, category=st.one_of(st.none(), st.none(), CATEGORIES), lease=st.sampled_from([60, 60, 0]))
        def claim(self, gap, category, lease):
            self.now += dt.timedelta(seconds=gap)

            def operation(side):
                row = workqueue.claim_next("w", lease=dt.timedelta(seconds=lease), category=category, now=self.now)
                if row is not None:
                    side.claims.append((row.id, row.claim_token))
                    seen["claims"] += 1
                return row

            self.both(operation)

        @rule(metrics=METRICS)
        def work(self, metrics):
            self.claim(0, None, 60)
            self.complete(0, metrics, 0)

        @rule(number=st.sampled_from([0, 0, 0, 1, 2]), metrics=METRICS, gap=GAPS)
        def complete(self, number, metrics, gap):
            self.now += dt.timedelta(seconds=gap)

            def operation(side):
                key, token = side.claim(number)
                given = {"metrics": metrics, "roi": None if metrics is None else {"tools_called": 1}}
                return workqueue.complete(key, claim_token=token, now=self.now, **given)

            if self.both(operation)[0] == "done":
                seen["completions"] += 1

        @rule(number=NUMBERS.map(lambda number: number % 3), retry=st.booleans(), kind=st.sampled_from(["ERROR", "x"]))
        def fail(self, number, retry, kind):
            def operation(side):
                key, token = side.claim(number)
                return workqueue.fail(key, claim_token=token, retry=retry, kind=kind, note="n", now=self.now)

            self.both(operation)

        @rule(number=st.integers(0, 2), gap=GAPS, what=st.sampled_from(["heartbeat", "release"]))
        def hold(self, number, gap, what):
            self.now += dt.timedelta(seconds=gap)

            def operation(side):
                key, token = side.claim(number)
                return getattr(workqueue, what)(key, claim_token=token, now=self.now)

            self.both(operation)

        @rule(feature=FEATURES, what=st.sampled_from(["stop", "retry", "submit"]))
        def by_hand(self, feature, what):
            self.both(lambda side: getattr(workqueue, what)(feature, actor="me", now=self.now))

        @rule(feature=FEATURES, other=FEATURES)
        def add_dependency(self, feature, other):
            self.both(lambda side: workqueue.add_dependency(feature, depends_on=other))

        @rule(feature=FEATURES, other=FEATURES)
        def remove_dependency(self, feature, other):
            self.both(lambda side: workqueue.remove_dependency(feature, depends_on=other))

        @rule(feature=FEATURES)
        def delete_feature(self, feature):
            self.both(lambda side: workqueue.delete_feature(feature))

        @rule(feature=FEATURES, priority=PRIORITIES)
        def update_feature(self, feature, priority):
            self.both(lambda side: workqueue.update_feature(feature, priority=priority))

        @rule(gap=GAPS)
        def release_expired(self, gap):
            self.now += dt.timedelta(seconds=gap)
            self.both(lambda side: sorted(row.label for row in workqueue.release_expired(now=self.now)))

        @rule(feature=FEATURES, limit=st.integers(0, 3))
        def look(self, feature, limit):
            self.both(lambda side: workqueue.ready())
            self.both(lambda side: workqueue.list_features(limit=limit))
            self.both(lambda side: [row.public() for row in workqueue.blocked()])
            self.both(lambda side: workqueue.plan().public())
            self.both(lambda side: workqueue.plan().dot())
            self.both(lambda side: workqueue.explain(feature, now=self.now).sentence)
            self.both(lambda side: workqueue.find_execution_metric(feature))
            self.both(lambda side: workqueue.list_transitions(feature=feature))
            self.both(lambda side: {**workqueue.stats(now=self.now).public(), "oldest_ready_seconds": None})

    run_state_machine_as_test(
        Queues,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A comparison of nothing but refusals would say little; how each queue begins makes this certain.
    assert seen["claims"] > 50 and seen["completions"] > 15 and seen["LeaseLostError"] > 10, seen
    assert seen["ValidationError"] > 50 and seen["InvalidTransitionError"] > 0, seen
