"""Every listing uses the index that is there for its filter, as each engine explains the statement that it ran."""

from __future__ import annotations

import datetime as dt
import uuid

from datapkg import engagement
from datapkg.engagement import models, oversight_models
from datapkg.kit.database import transaction
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert_many

ROWS = 3000
EVERY = 300  # one row in so many has what is looked for
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATE = START + dt.timedelta(minutes=ROWS - 5)
DAY = dt.date(2026, 1, 1)
PLATFORMS = ("REDDIT", "THREADS")


def at(number):
    """The instant of the row with this number, a minute apart."""
    return START + dt.timedelta(minutes=number)


def rare(number, value, usual):
    """The value that is looked for in one row of many, else the usual one."""
    return value if number % EVERY == 0 else usual


def filled():
    """Fill every table, and return the keys of some table's rows by its name."""
    keys = {
        name: [new_id() for _ in range(ROWS)] for name in ("authors", "posts", "decisions", "experiments", "others")
    }
    authors, posts, decisions, experiments, others = keys.values()
    scores = dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score"), 0.5)
    weights = {"sss_weight": 1.0, "ars_weight": 0.0, "evs_weight": 0.0, "trs_weight": 0.0}
    snapshot = {
        "schema_version": 1,
        "decision_id": str(decisions[0]),
        "post_id": str(posts[0]),
        "decided_at": START.isoformat(),
        **scores,
        "composite_score": 0.5,
        "mode": "HELPFUL",
        "safety_flags": [],
        "is_power_user": False,
        "is_randomized_experiment": False,
        **dict.fromkeys(("archetype", "competitor_detected", "experiment_id", "experiment_variant", "predicted_mode")),
    }

    def platform(n):
        return rare(n, "TWITTER", PLATFORMS[n % 2])

    def row_of_author(n):
        seen = {"first_seen_at": START, "last_seen_at": START}
        named = {"platform_id": f"p{n}", "handle": f"h{n}", "is_power_user": rare(n, True, False)}
        return {"id": authors[n], "platform": platform(n), **named, **seen}

    def row_of_post(n):
        done = rare(n, None, START)
        keyed = {"id": posts[n], "platform": platform(n), "platform_post_id": f"p{n}", "author": authors[n]}
        return {**keyed, "content": "help", "detected_at": at(n), "processed_at": done, "keyword_matches": ["help"]}

    def row_of_experiment(n):
        named = {"id": experiments[n], "name": f"e{n}", "status": rare(n, "RUNNING", "COMPLETED")}
        return {**named, "variant_a": "a", "variant_b": "b", "metric": "m"}

    def row_of_decision(n):
        judged = {"composite_score": n / ROWS, "mode": rare(n, "HYBRID", "HELPFUL"), **scores}
        tried = {"experiment_variant": rare(n, "A", None), "is_randomized_experiment": rare(n, True, False)}
        return {"id": decisions[n], "post": posts[n], "created_at": at(n), **judged, **tried}

    def row_of_reply(n):
        said = {
            "decision": decisions[n],
            "decision_snapshot": snapshot,
            "content": "0123456789",
            "platform": "TWITTER" if n % EVERY == 1 else PLATFORMS[n % 2],
        }
        if n % EVERY == 0:
            return said
        approved = {"approval_status": "APPROVED", "approved_by": "x", "approved_at": START}
        posted = {"approved_content_sha256": "0" * 64, "posted_at": at(n), "platform_post_id": f"r{n}"}
        return {**said, **approved, **posted}

    def row_of_escalation(n):
        closed = {"status": "RESOLVED", "resolved_at": START, "resolved_by": "x"}
        state = {"status": "OPEN", "priority": "HIGH", "assigned_to": "eve"} if n % EVERY == 0 else closed
        return {"post": posts[n], "reason": "SAFETY", "created_at": at(n), **state}

    def row_of_hold(n):
        on = {"post": posts[n]} if n % 2 else {"author": authors[n]}
        return {**on, "reason": "r", "placed_by": "x"}

    def row_of_kpi(n):
        return {
            "date": DAY + dt.timedelta(n),
            "platform": "ALL",
            "metric_type": "REACH",
            "metric_name": "m",
            "value": 1.0,
        }

    def row_of_log(n):
        counted = {"valid_segments": 0, "total_segments": 0, "sample_sizes": {"schema_version": 1, "values": {}}}
        return {
            "date": DAY + dt.timedelta(n),
            "action": "SKIP",
            "reason": "r",
            **counted,
            "old_weights": [],
            "new_weights": [],
        }

    def row_of_event(n):
        figures = {"predicted_improvement": 0.1, "baseline_performance": 0.1}
        changed = {"adjustment_type": "TIMING", "adjustment": {"schema_version": 1, "data": {}}}
        return {"date": DAY + dt.timedelta(n), **changed, **figures}

    def row_of_mention(n):
        return {"post": posts[n], "competitor": others[n], "sentiment": "MIXED", "opportunity_score": 0.5}

    def row_of_draw(n):
        return {"decision": decisions[n], "predicted_mode": "HELPFUL", "actual_mode": "HYBRID"}

    tables = {
        models.Author: row_of_author,
        models.Post: row_of_post,
        engagement.AbExperiment: row_of_experiment,
        engagement.AbAssignment: lambda n: {"experiment": experiments[n], "subject": f"s{n}", "variant": "A"},
        models.Decision: row_of_decision,
        models.Reply: row_of_reply,
        oversight_models.Competitor: lambda n: {"id": others[n], "name": f"c{n}", "category": "APP"},
        oversight_models.CompetitiveMention: row_of_mention,
        oversight_models.CommunityChampion: lambda n: {"author": authors[n]},
        oversight_models.KpiMetric: row_of_kpi,
        oversight_models.Escalation: row_of_escalation,
        oversight_models.RandomizedExperiment: row_of_draw,
        engagement.SegmentedWeight: lambda n: {"segment_type": f"t{n}", "segment_key": "k", **weights},
        engagement.WeightAdjustmentLog: row_of_log,
        engagement.LearningEvent: row_of_event,
        oversight_models.LegalHold: row_of_hold,
    }
    with transaction():
        for model, row in tables.items():
            insert_many(model, map(row, range(ROWS)))
    return keys


def listings(keys):
    """Every listing with its filters and the index for them; without a filter the keys' own index serves the order."""
    key = {name: some[7] for name, some in keys.items()}
    late_days = {"date_from": DAY + dt.timedelta(ROWS - 5), "date_before": DAY + dt.timedelta(ROWS)}
    return [
        ("list_authors", {"is_power_user": True}, "ix_authors_is_power_user"),
        ("list_authors", {"platform": "TWITTER", "handle": "h300"}, "ix_authors_platform_handle"),
        ("list_authors", {"handle": "h301"}, "ix_authors_platform_handle"),
        ("list_posts", {"processed": False}, "ix_posts_processed_at"),
        ("list_posts", {"platform": "TWITTER", "detected_from": at(ROWS // 2)}, "ix_posts_platform_detected_at"),
        ("list_posts", {"detected_from": LATE, "detected_before": at(ROWS)}, "ix_posts_detected_at_id"),
        ("list_posts", {"author_id": key["authors"]}, "ix_posts_author_id"),
        ("list_decisions", {"post_id": key["posts"]}, "ix_decisions_post_id"),
        ("list_decisions", {"created_from": LATE, "created_before": at(ROWS)}, "ix_decisions_created_at"),
        ("list_decisions", {"experiment_variant": "A"}, "ix_decisions_experiment_variant"),
        ("list_decisions", {"is_randomized_experiment": True}, "ix_decisions_is_randomized_experiment"),
        ("list_decisions", {"mode": "HYBRID"}, "ix_decisions_mode"),
        ("list_decisions", {"min_composite_score": 0.999}, "ix_decisions_composite_score"),
        ("list_replies", {"posted_from": LATE, "posted_before": at(ROWS)}, "ix_replies_posted_at"),
        ("list_replies", {"approval_status": "PENDING"}, "ix_replies_approval_status"),
        ("list_replies", {"platform": "TWITTER", "posted_from": at(ROWS // 2)}, "ix_replies_platform_posted_at"),
        ("list_replies", {"decision_id": key["decisions"]}, "ix_replies_decision_id"),
        ("list_escalations", {"status": "OPEN", "priority": "HIGH"}, "ix_escalations_status_priority"),
        ("list_escalations", {"status": "OPEN"}, "ix_escalations_status_priority"),
        ("list_escalations", {"created_from": LATE, "created_before": at(ROWS)}, "ix_escalations_created_at"),
        ("list_escalations", {"assigned_to": "eve"}, "ix_escalations_assigned_to"),
        ("list_kpis", late_days, "uq_kpi_metrics_date_platform_metric_type_metric_name"),
        ("list_champions", {}, None),
        ("list_competitors", {}, None),
        ("list_mentions", {"post_id": key["posts"]}, "uq_competitive_mentions_post_id_competitor_id"),
        ("list_mentions", {"competitor_id": key["others"]}, "ix_competitive_mentions_competitor_id"),
        ("list_holds", {"post_id": key["posts"]}, "ix_legal_holds_post_id"),
        ("list_holds", {"author_id": keys["authors"][8]}, "ix_legal_holds_author_id"),
        ("list_ab_experiments", {"status": "RUNNING"}, "ix_ab_experiments_status"),
        ("list_ab_experiments", {"name": "e7"}, "uq_ab_experiments_name"),
        ("list_assignments", {"experiment_id": key["experiments"]}, "uq_ab_assignments_experiment_id_subject"),
        ("list_assignments", {"subject": "s301"}, "ix_ab_assignments_subject"),
        ("list_weights", {"segment_type": "t7"}, "uq_segmented_weights_segment_type_segment_key"),
        ("list_weight_adjustments", late_days, "ix_weight_adjustment_logs_date"),
        ("list_learning_events", late_days, "ix_learning_events_date"),
        ("list_randomized_experiments", {"decision_id": key["decisions"]}, "ix_randomized_experiments_decision_id"),
    ]


def explained(db, name, filters):
    """Run a listing, and return what it found, and its engine's plan of the statement that it ran."""
    ran = []
    db.query_hooks.append(ran.append)
    try:
        found = list(getattr(engagement, name)(**filters, limit=20))
    finally:
        db.query_hooks.clear()
    (event,) = ran
    explain = "EXPLAIN QUERY PLAN" if db.dialect.name == "sqlite" else "EXPLAIN"
    return found, "\n".join(str(row[-1]) for row in db.fetch(f"{explain} {event.sql}", event.params))


def test_every_listing_uses_its_index(db):
    """A filter is looked up in its index; pages without one, and after a row, come as the keys are sorted."""
    cases = listings(filled())
    functions = {name for name in engagement.__all__ if name.startswith("list_")}
    assert {name for name, *_ in cases} == functions
    if db.dialect.name != "sqlite":  # which would believe that a rare value is as frequent as the usual one
        db.execute_sql("ANALYZE")
    cases += [(name, more, None) for name in sorted(functions) for more in ({}, {"after": uuid.UUID(int=7)})]
    wrong = {}
    for name, filters, index in cases:
        found, plan = explained(db, name, filters)
        assert (0 < len(found) <= 20) is ("after" not in filters), (name, filters)  # a filter that does find something
        by_key = ("autoindex" in plan or "_pkey" in plan) and "B-TREE" not in plan and "Sort" not in plan
        if not (by_key if index is None else index in plan):
            wrong[name, *filters] = plan
    assert wrong == {}
    assert len(engagement.list_escalations(created_from=LATE, created_before=at(ROWS - 1))) == 4
    assert len(engagement.list_decisions(min_composite_score=(ROWS - 2) / ROWS)) == 2
