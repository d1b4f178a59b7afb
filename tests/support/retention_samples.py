"""A database with rows of every age, and what it looks like, for the tests of retention."""

from __future__ import annotations

import datetime as dt
import hashlib

from datapkg import audit
from datapkg.engagement.models import Author, Decision, Post, Reply
from datapkg.engagement.oversight_models import (
    CompetitiveMention,
    Competitor,
    Escalation,
    KpiMetric,
    RandomizedExperiment,
)
from datapkg.kit.database import current, transaction
from datapkg.kit.models import new_id
from datapkg.kit.statements import insert_many

NOW = dt.datetime(2040, 6, 1, tzinfo=dt.UTC)
"""So late that the audit entries of today are due too."""

TABLES = (
    "authors",
    "posts",
    "decisions",
    "competitive_mentions",
    "legal_holds",
    "replies",
    "escalations",
    "randomized_experiments",
    "kpi_metrics",
)

CHILDREN = """
import datetime as dt, importlib, json, os, sys, traceback, datapkg
import datapkg.audit, datapkg.engagement, datapkg.operations.retention.restoring
from datapkg import retention
from datapkg.kit import failpoints
for line in sys.stdin:
    folder, what, os.environ["DATAPKG_FAILPOINT"] = json.loads(line)
    child = os.fork()
    if not child:
        try:
            importlib.reload(failpoints)
            datapkg.connect(sys.argv[1])
            if what == "restore":
                retention.restore(folder)
            else:
                retention.apply(folder, now=dt.datetime.fromisoformat(what))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A process that forks one after another, each with a failpoint, which archive (folder, instant) or restore (folder,
"restore"), and says how each ended; its imports are paid for once."""


def days_ago(days):
    """An instant before ``NOW``."""
    return NOW - dt.timedelta(days=days)


def make_author(key="1"):
    """An author."""
    return Author.create(platform="TWITTER", platform_id=key, handle=f"ann{key}")


def make_post(author, key, *, days, **values):
    """A post that was detected so many days before ``NOW``."""
    content = values.pop("content", f"post {key}\nwith a second line, “quotes” and a \\")
    return Post.create(
        platform="TWITTER",
        platform_post_id=str(key),
        author=author,
        content=content,
        detected_at=days_ago(days),
        **values,
    )


def scores():
    """A decision's scores."""
    return dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score", "composite_score"), 0.1)


def make_decision(post, **values):
    """A decision on a post."""
    return Decision.create(post=post, **scores(), mode="HELPFUL", **values)


def make_reply(decision):
    """A reply to a decision, with its snapshot."""
    snapshot = {
        "decision_id": str(decision.id),
        "post_id": str(decision.post_id),
        "decided_at": NOW.isoformat(),
        **scores(),
        "mode": "HELPFUL",
        "archetype": None,
        "safety_flags": [],
        "competitor_detected": None,
        "is_power_user": False,
        "experiment_id": None,
        "experiment_variant": None,
        "is_randomized_experiment": False,
        "predicted_mode": None,
    }
    return Reply.create(
        decision=decision, decision_snapshot=snapshot, content="ten letters and more", platform="TWITTER"
    )


def make_escalation(status="OPEN", **values):
    """An escalation, open or resolved."""
    closed = {"resolved_by": "me", "resolved_at": days_ago(1)} if status == "RESOLVED" else {}
    return Escalation.create(reason="SAFETY", status=status, **closed, **values)


def fill(posts=1100, *, entries=6, days=400, figures=700):
    """Posts from so many to 0 days old with all that belongs to them, daily figures since 2037, and audit entries.

    Returns:
        The posts that are due.
    """
    author = make_author()
    rival = Competitor.create(name="Rival", category="APP", brand_keywords=[])
    keys = [new_id() for _ in range(posts)]
    decided = [(new_id(), key) for key in keys[::2]]
    age = days / max(posts, 1)
    with transaction():
        insert_many(
            Post,
            (
                {
                    "id": key,
                    "platform": "TWITTER",
                    "platform_post_id": str(place),
                    "author": author,
                    "content": f"post {place}\n\tä “quoted” \\ \u2028 {'x' * (place % 50)}",
                    "detected_at": days_ago(days - age * place),
                    "keyword_matches": ["sleep"],
                    "raw_metrics": {"values": {"likes": 1e20, "rate": 0.1}},
                }
                for place, key in enumerate(keys)
            ),
        )
        insert_many(
            Decision,
            ({"id": key, "post": post, **scores(), "mode": "HELPFUL", "safety_flags": ["x"]} for key, post in decided),
        )
        insert_many(
            CompetitiveMention,
            (
                {"post": key, "competitor": rival, "sentiment": "MIXED", "opportunity_score": 0.5, "replied": True}
                for key in keys[::3]
            ),
        )
        insert_many(RandomizedExperiment, ({"decision": key, **_modes()} for key, _ in decided[::5]))
        insert_many(
            Escalation,
            (
                {
                    "post": post,
                    "decision": key,
                    "reason": "OTHER",
                    "status": "DISMISSED",
                    "resolved_by": "me",
                    "resolved_at": NOW,
                }
                for key, post in decided[::7]
            ),
        )
        insert_many(
            KpiMetric,
            (
                {
                    "date": dt.date(2037, 1, 1) + dt.timedelta(days=day),
                    "platform": "ALL",
                    "metric_type": "REACH",
                    "metric_name": 'replies, "posted"\nand more',
                    "value": day / 7,
                }
                for day in range(figures)
            ),
        )
        for number in range(entries):
            audit.record("report", entity_id=str(number), action="publish", actor="ä", details={"number": number})
    return [key for place, key in enumerate(keys) if days - age * place > 90]


def _modes():
    return {"predicted_mode": "HELPFUL", "actual_mode": "HYBRID"}


def state(*, audit_below=0):
    """A hash of each table's rows; of the audit log those up to a sequence."""
    found = {}
    for table in TABLES:
        rows = current().fetch(f"SELECT * FROM {table} ORDER BY id", ())
        found[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
    rows = current().fetch(f"SELECT * FROM audit_logs WHERE sequence <= {audit_below:d} ORDER BY sequence", ())
    return {**found, "audit_logs": hashlib.sha256(repr(rows).encode()).hexdigest()}


def count(table, condition="1 = 1"):
    """How many rows a table has."""
    return current().fetch(f"SELECT count(*) FROM {table} WHERE {condition}", ())[0][0]
