"""How long the engagement tables keep their rows: posts 90 days, daily figures two years, all else for ever."""

from __future__ import annotations

import datetime as dt

from datapkg.engagement.models import Decision, Post
from datapkg.engagement.oversight_models import CompetitiveMention, KpiMetric, LegalHold
from datapkg.kit.domains import Exemption, RetentionPolicy

__all__ = ["KPI_METRICS", "POSTS"]

_OPEN = "e.status IN ('OPEN', 'IN_PROGRESS')"

POSTS = RetentionPolicy(
    name="posts",
    model=Post,
    by="detected_at",
    keep=dt.timedelta(days=90),
    # Holds in force exempt the post, so those that go with it are released.
    parts=((Decision, "post"), (CompetitiveMention, "post"), (LegalHold, "post")),
    exempt=(
        Exemption(
            why="open escalation",
            condition=(
                f"EXISTS (SELECT 1 FROM escalations e WHERE e.post_id = this.id AND {_OPEN}) "
                "OR EXISTS (SELECT 1 FROM decisions d JOIN escalations e ON e.decision_id = d.id "
                f"WHERE d.post_id = this.id AND {_OPEN}) "
                "OR EXISTS (SELECT 1 FROM decisions d JOIN replies r ON r.decision_id = d.id "
                f"JOIN escalations e ON e.reply_id = r.id WHERE d.post_id = this.id AND {_OPEN})"
            ),
        ),
        Exemption(
            why="legal hold",
            condition=(
                "EXISTS (SELECT 1 FROM legal_holds h WHERE h.post_id = this.id AND h.released_at IS NULL) "
                "OR EXISTS (SELECT 1 FROM legal_holds h WHERE h.author_id = this.author_id AND h.released_at IS NULL)"
            ),
            locks=("author",),
        ),
    ),
    # What named the person is in the archive still; it does not come back.
    withheld={"author": "anonymised_at IS NOT NULL"},
)
"""Posts with their decisions, mentions and released holds; replies stay, and keep the decision as a snapshot."""

KPI_METRICS = RetentionPolicy(
    name="kpi_metrics", model=KpiMetric, by="date", keep=dt.timedelta(days=730), format="csv", period="quarter"
)
"""The daily figures."""
