"""Both engines engage alike: every result and every refusal of the same generated operations is the same."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import ExitStack
from dataclasses import fields, is_dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from datapkg import audit, engagement
from datapkg.engagement import vocabulary
from datapkg.errors import DatapkgError
from datapkg.kit.database import override, transaction
from datapkg.kit.models import Model

NUMBERS = st.sampled_from([0, 0, 1, 1, 2, 3])
GOOD_NAMES = st.sampled_from(["a", "b", "c_d"])
NAMES = st.one_of(
    GOOD_NAMES,
    GOOD_NAMES,
    st.sampled_from(["c-d", "e.f", "é", "x" * 101, "", "\0", "'; --"]),
    st.text(max_size=3),
)
PEOPLE = st.sampled_from(["ann", "ann", "ann", "bob", ""])
SCORES = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 0.5, 1.0000001, -0.0, -1e-9, float("nan"), None, "1", True]))
GOOD = st.floats(0, 1)
FIGURES = st.one_of(st.floats(), st.integers(-3, 3), st.sampled_from([None, "1"]))
DAYS = st.one_of(st.dates(dt.date(2026, 3, 1), dt.date(2026, 3, 4)), st.sampled_from(["2026-03-02", "x", None]))
MOMENTS = st.sampled_from([dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC) for day in (1, 2, 3)])
SIGNATURE = engagement.content_rules().signature
TEXTS = st.one_of(
    st.sampled_from(["Sleep well.", "Sleep better.", "It cures all.", "Clinically\u200b proven!", "x" * 300]),
    st.text(max_size=8),
)
SIGNED = TEXTS.map(lambda text: f"{text} {SIGNATURE}")
UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"


def choices(values):
    """One of these, or something that is none."""
    return st.sampled_from([*values, *values, *values, "nothing"])


class Side:
    """One engine: its database, and the keys seen so far in the order they were made."""

    def __init__(self, database):
        self.database = database
        self.keys = {}

    def key(self, model, number):
        """Return a key of this model's rows, or one that nothing has."""
        known = self.keys.get(model, [])
        return known[number] if number < len(known) else UNKNOWN

    def comparable(self, value):
        """Replace keys by the order in which they were made, and leave out times."""
        if isinstance(value, Model):
            known = self.keys.setdefault(type(value).__name__, [])
            if value.id not in known:
                known.append(value.id)
            return type(value).__name__, self.comparable(value.public())
        if is_dataclass(value):
            return [self.comparable(getattr(value, field.name)) for field in fields(value)]
        if isinstance(value, dict):
            return {name: self.comparable(each) for name, each in value.items() if name != "decided_at"}
        if isinstance(value, (list, tuple)):
            return [self.comparable(each) for each in value]
        if isinstance(value, (UUID, str)):
            text = str(value)
            for model, keys in self.keys.items():
                for number, key in enumerate(keys):
                    text = text.replace(str(key), f"{model} {number}").replace(key.hex, f"{model} {number}")
            return text
        return type(value).__name__ if isinstance(value, dt.datetime) else repr(value)

    def run(self, operation):
        """Run an operation in a savepoint; return its result or its refusal, comparable."""
        with override(self.database):
            try:
                with transaction():
                    return "done", self.comparable(operation(self))
            except DatapkgError as error:
                told = getattr(error, "errors", None), getattr(error, "constraint", None), error.meta.get("violations")
                why = error.why if error.code in ("invalid_transition", "stale_write", "not_found") else None
                return type(error).__name__, error.code, self.comparable([told, why])


@pytest.mark.datapkg_engines("sqlite")
def test_both_engines_engage_alike(datapkg_databases, db):
    """Posts, decisions, replies, people's oversight, experiments and learning, with good and bad input."""
    seen = Counter()

    class Engines(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.stack = ExitStack()
            fresh = (datapkg_databases.in_memory(), datapkg_databases.in_transaction())
            self.sides = [Side(self.stack.enter_context(each)) for each in fresh]
            noon = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
            for number, platform in enumerate(("TWITTER", "REDDIT")):
                self.upsert_author(platform, "a", "owl", {}, noon)
                self.record_post(platform, number, "p", "How do you sleep?", ["sleep"], noon)
                self.record_decision(number, [0.5] * 5, "HELPFUL", None)
                self.draft_reply(number, f"Sleep well. {SIGNATURE}", None)
                self.create_competitor(f"rival {number}", "APP")
                self.create_ab_experiment(f"trial {number}", number)
            # Each kind of refusal once for sure in every history, whatever is drawn,
            self.create_competitor("rival 0", "APP")
            self.record_post("TWITTER", 3, "q", "", [], noon)
            self.mark_posted(0, "r", "ann", noon)
            self.approve_reply(0, "ann", "Something else.", noon)
            self.mark_processed(3, None)
            # and each thing that is made, once done.
            self.begin(noon)

        def begin(self, noon):
            """What succeeds for sure."""
            before = seen["done"]
            self.approve_reply(1, "ann", None, noon)
            self.mark_posted(1, "r", "ann", noon)
            self.measure_or_delete_reply(1, 3, "ann", False)
            self.escalate("Reply", 1, False, "SAFETY", "ann")
            self.escalate("Post", 0, False, "OTHER", None)
            self.work_on_escalation(0, "bob", "resolve", noon)
            self.record_mention(0, 1, "MIXED", 0.5, False)
            self.change_champion(0, None, True)
            self.record_kpi("2026-03-02", "ALL", "seen", 1)
            self.hold("Author", 1, "ann", False, noon)
            self.hold("Author", 0, "ann", True, noon)
            self.move_ab_experiment(0, "start", noon)
            self.assign_variant(0, "owl")
            self.adjust_weights(["a", "b"], 0.25, 0, "ann")
            self.rollback_weights(0)
            self.learn(0, 0.5, 0.25, noon)
            self.record_randomized(0, "HYBRID", 0.5)
            assert seen["done"] - before == 19, seen

        def teardown(self):
            for side in self.sides:
                with override(side.database):
                    assert audit.verify_chain().ok
            self.stack.close()

        def both(self, operation):
            sqlite, postgresql = (side.run(operation) for side in self.sides)
            assert sqlite == postgresql
            seen[sqlite[0]] += 1

        @rule(platform=choices(vocabulary.PLATFORMS), key=NAMES, handle=NAMES, seen_at=MOMENTS,
              more=st.fixed_dictionaries({}, optional={
                  "display_name": NAMES, "follower_count": st.integers(-1, 9), "relationship_score": SCORES,
                  "is_power_user": st.booleans(), "archetype_tags": st.lists(NAMES, max_size=2),
              }))  # fmt: skip
        def upsert_author(self, platform, key, handle, more, seen_at):
            self.both(
                lambda side: engagement.upsert_author(platform, platform_id=key, handle=handle, seen_at=seen_at, **more)
            )

        @rule(author=NUMBERS, kind=NAMES, at=MOMENTS)
        def record_interaction(self, author, kind, at):
            self.both(lambda side: engagement.record_interaction(side.key("Author", author), kind=kind, at=at))

        @rule(platform=choices(vocabulary.PLATFORMS), author=NUMBERS, key=NAMES, content=TEXTS,
              keywords=st.lists(NAMES, max_size=2), at=MOMENTS)  # fmt: skip
        def record_post(self, platform, author, key, content, keywords, at):
            def operation(side):
                return engagement.record_post(
                    platform,
                    platform_post_id=key,
                    author_id=side.key("Author", author),
                    content=content,
                    keyword_matches=keywords,
                    detected_at=at,
                )

            self.both(operation)

        @rule(post=NUMBERS, error=st.one_of(st.none(), NAMES))
        def mark_processed(self, post, error):
            self.both(lambda side: engagement.mark_processed(side.key("Post", post), error=error))

        @rule(kind=st.sampled_from(["post", "decision", "author", "champion", "competitor"]), number=NUMBERS)
        def delete(self, kind, number):
            model = {"champion": "Author"}.get(kind, kind.title())
            self.both(lambda side: getattr(engagement, f"delete_{kind}")(side.key(model, number)))

        @rule(post=NUMBERS, scores=st.one_of(st.lists(SCORES, min_size=5, max_size=5),
                                             st.lists(GOOD, min_size=5, max_size=5)),
              mode=choices(vocabulary.OPERATIONAL_MODES), rival=st.one_of(st.none(), NAMES))  # fmt: skip
        def record_decision(self, post, scores, mode, rival):
            names = ("sss_score", "ars_score", "evs_score", "trs_score", "composite_score")
            given = dict(zip(names, scores, strict=True))
            self.both(
                lambda side: engagement.record_decision(
                    side.key("Post", post), mode=mode, competitor_detected=rival, **given
                )
            )

        @rule(decision=NUMBERS, content=st.one_of(SIGNED, TEXTS), utm=st.one_of(st.none(), NAMES))
        def draft_reply(self, decision, content, utm):
            self.both(
                lambda side: engagement.draft_reply(side.key("Decision", decision), content=content, utm_code=utm)
            )

        @rule(reply=NUMBERS, content=SIGNED)
        def edit_reply(self, reply, content):
            self.both(lambda side: engagement.edit_reply(side.key("Reply", reply), content=content))

        @rule(reply=NUMBERS, by=PEOPLE, saw=st.one_of(st.none(), st.none(), SIGNED), now=MOMENTS)
        def approve_reply(self, reply, by, saw, now):
            def operation(side):
                key = side.key("Reply", reply)
                there = engagement.find_reply(key)
                content = there.content if saw is None and there is not None else saw or ""
                seen_hash = engagement.content_sha256(content)
                return engagement.approve_reply(key, approved_by=by, content_sha256=seen_hash, now=now)

            self.both(operation)

        @rule(reply=NUMBERS, by=PEOPLE, reason=NAMES)
        def reject_reply(self, reply, by, reason):
            self.both(lambda side: engagement.reject_reply(side.key("Reply", reply), rejected_by=by, reason=reason))

        @rule(reply=NUMBERS, key=NAMES, actor=PEOPLE, now=MOMENTS)
        def mark_posted(self, reply, key, actor, now):
            self.both(
                lambda side: engagement.mark_posted(
                    side.key("Reply", reply), platform_post_id=key, actor=actor, now=now
                )
            )

        @rule(reply=NUMBERS, likes=FIGURES, actor=PEOPLE, gone=st.booleans())
        def measure_or_delete_reply(self, reply, likes, actor, gone):
            if gone:
                self.both(lambda side: engagement.delete_reply(side.key("Reply", reply), reason="no", actor=actor))
            else:
                metrics = {"likes": likes}
                self.both(lambda side: engagement.record_reply_metrics(side.key("Reply", reply), metrics=metrics))

        @rule(about=st.sampled_from(["Post", "Decision", "Reply"]), number=NUMBERS, other=st.booleans(),
              reason=choices(vocabulary.ESCALATION_REASONS), to=st.one_of(st.none(), PEOPLE))  # fmt: skip
        def escalate(self, about, number, other, reason, to):
            def operation(side):
                given = {f"{about.lower()}_id": side.key(about, number)}
                if other:
                    given["post_id"] = side.key("Post", number)
                return engagement.escalate(reason, **given, assigned_to=to, actor="ann")

            self.both(operation)

        @rule(number=NUMBERS, by=PEOPLE, how=st.sampled_from(["assign", "resolve", "dismiss"]), now=MOMENTS)
        def work_on_escalation(self, number, by, how, now):
            def operation(side):
                key = side.key("Escalation", number)
                if how == "assign":
                    return engagement.assign_escalation(key, assigned_to=by, actor="ann")
                return engagement.resolve_escalation(key, resolved_by=by, dismissed=how == "dismiss", now=now)

            self.both(operation)

        @rule(name=NAMES, category=choices(vocabulary.COMPETITOR_CATEGORIES))
        def create_competitor(self, name, category):
            self.both(lambda side: engagement.create_competitor(name, category=category))

        @rule(post=NUMBERS, rival=NUMBERS, sentiment=choices(vocabulary.SENTIMENTS), score=GOOD, replied=st.booleans())
        def record_mention(self, post, rival, sentiment, score, replied):
            def operation(side):
                return engagement.record_mention(
                    side.key("Post", post),
                    competitor_id=side.key("Competitor", rival),
                    sentiment=sentiment,
                    opportunity_score=score,
                    replied=replied,
                )

            self.both(operation)

        @rule(author=NUMBERS, tier=st.one_of(st.none(), choices(vocabulary.CHAMPION_TIERS)), up=st.booleans())
        def change_champion(self, author, tier, up):
            def operation(side):
                change = engagement.promote_champion if up or tier is None else engagement.demote_champion
                return change(side.key("Author", author), tier=tier, actor="ann")

            self.both(operation)

        @rule(day=DAYS, platform=choices(vocabulary.KPI_PLATFORMS), name=NAMES, value=FIGURES)
        def record_kpi(self, day, platform, name, value):
            self.both(
                lambda side: engagement.record_kpi(
                    day, platform=platform, metric_type="REACH", metric_name=name, value=value
                )
            )

        @rule(on=st.sampled_from(["Post", "Author"]), number=NUMBERS, by=PEOPLE, end=st.booleans(), now=MOMENTS)
        def hold(self, on, number, by, end, now):
            def operation(side):
                if end:
                    return engagement.release_hold(side.key("LegalHold", number), released_by=by, now=now)
                return engagement.place_hold(reason="asked", placed_by=by, **{f"{on.lower()}_id": side.key(on, number)})

            self.both(operation)

        @rule(author=st.integers(0, 5), actor=PEOPLE)
        def anonymise_author(self, author, actor):
            self.both(lambda side: engagement.anonymise_author(side.key("Author", author), actor=actor, reason="asked"))

        @rule(name=NAMES, split=st.sampled_from([0, 1, 1.5]))
        def create_ab_experiment(self, name, split):
            # A split of 0 or 1, because the variant otherwise depends on the experiment's key.
            self.both(
                lambda side: engagement.create_ab_experiment(
                    name, variant_a="a", variant_b="b", metric="m", traffic_split=split
                )
            )

        @rule(number=NUMBERS, how=st.sampled_from(["start", "start", "finish", "cancel", "delete"]), now=MOMENTS)
        def move_ab_experiment(self, number, how, now):
            def operation(side):
                key = side.key("AbExperiment", number)
                if how == "delete":
                    return engagement.delete_ab_experiment(key)
                if how == "finish":
                    return engagement.finish_ab_experiment(key, results={"n": 1}, winner="NONE", now=now)
                return getattr(engagement, f"{how}_ab_experiment")(key, now=now)

            self.both(operation)

        @rule(number=NUMBERS, subject=NAMES)
        def assign_variant(self, number, subject):
            self.both(lambda side: engagement.assign_variant(side.key("AbExperiment", number), subject=subject))
            self.both(lambda side: engagement.experiment_health(side.key("AbExperiment", number)))

        @rule(keys=st.lists(NAMES, max_size=2), first=GOOD, off=st.sampled_from([0, 0, 1e-5]), actor=PEOPLE)
        def adjust_weights(self, keys, first, off, actor):
            weights = {"sss_weight": first, "ars_weight": 1 - first, "evs_weight": 0.0, "trs_weight": off}
            rows = [{"segment_type": "platform", "segment_key": key, **weights} for key in keys]
            self.both(lambda side: engagement.adjust_weights(rows, reason="fit", actor=actor))

        @rule(number=NUMBERS)
        def rollback_weights(self, number):
            self.both(
                lambda side: engagement.rollback_weights(
                    side.key("WeightAdjustmentLog", number), reason="no", actor="ann"
                )
            )

        @rule(number=NUMBERS, predicted=FIGURES, actual=FIGURES, now=MOMENTS)
        def learn(self, number, predicted, actual, now):
            self.both(
                lambda side: engagement.record_learning_event(
                    "TIMING", adjustment={}, predicted_improvement=predicted, baseline_performance=0.5, date=now.date()
                )
            )
            self.both(
                lambda side: engagement.evaluate_learning_event(
                    side.key("LearningEvent", number), actual_improvement=actual, now=now
                )
            )

        @rule(decision=NUMBERS, mode=choices(vocabulary.OPERATIONAL_MODES), outcome=FIGURES)
        def record_randomized(self, decision, mode, outcome):
            def operation(side):
                made = engagement.record_randomized_experiment(
                    side.key("Decision", decision), predicted_mode="HYBRID", actual_mode=mode, predicted_outcome=outcome
                )
                return engagement.record_randomized_outcome(made.id, actual_outcome=outcome)

            self.both(operation)

        @rule(platform=st.one_of(st.none(), choices(vocabulary.PLATFORMS)), first=DAYS, limit=st.integers(0, 4))
        def look(self, platform, first, limit):
            self.both(lambda side: engagement.report(platform=platform, date_from=first))
            for name in ("authors", "posts", "replies"):
                listing = getattr(engagement, f"list_{name}")
                self.both(lambda side, listing=listing: listing(platform=platform, limit=limit))
            for name in ("decisions", "mentions", "champions", "kpis", "escalations", "holds", "weights"):
                listing = getattr(engagement, f"list_{name}")
                self.both(lambda side, listing=listing: listing(limit=limit))

    run_state_machine_as_test(
        Engines,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    kinds = {"ConflictError", "InvalidTransitionError", "NotFoundError", "StaleWriteError", "ValidationError"}
    assert set(seen) >= kinds | {"done"}, seen
