"""``datapkg engagement``, driven as a process, and the function behind it."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from datapkg import engagement
from datapkg.cli import engagement as command
from datapkg.engagement.models import Decision
from datapkg.engagement.vocabulary import PLATFORMS
from datapkg.errors import ValidationError
from datapkg.testing import factories


def test_the_report_as_text_and_as_json(shell):
    """Four tables; the same figures as one JSON object; a period and a platform narrow them."""
    assert "KPIs: none." in shell("engagement", "report").stdout
    shell("--quiet", "seed")
    text = shell("engagement", "report").stdout
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert text.startswith("Engagement on all platforms\n\nKPIs\n")
    assert {
        "ALL QUALITY helpful_share 4 2026-03-23 0.63 0.635 0.61 0.66",
        "HELPFUL 7 0.686214 0",
        "APPROVED 9 7 1",
        "MEDIUM 1 0 2026-03-15 21:14:00",
    } <= lines
    given = ("--from", "2026-03-09", "--to", "2026-03-15", "--platform", "reddit")
    data = shell.json("engagement", "report", *given)
    assert (data["date_from"], data["date_to"], data["platform"]) == ("2026-03-09", "2026-03-15", "REDDIT")
    assert [(row["metric_name"], row["latest_on"]) for row in data["kpis"]] == [
        ("replies_posted", "2026-03-09"), ("impressions", "2026-03-09"),
    ]  # fmt: skip
    assert {row["mode"]: row["decisions"] for row in data["decisions"]} == {
        "HELPFUL": 0, "ENGAGEMENT": 0, "HYBRID": 2, "DISENGAGED": 0,
    }  # fmt: skip
    assert "Engagement on REDDIT from 2026-03-09 to 2026-03-15\n" in shell("engagement", "report", *given).stdout
    for arguments, code in (
        (["--from", "2026-04-01", "--to", "2026-03-31"], 1),
        (["--from", "yesterday"], 2),
        (["--platform", "MYSPACE"], 2),
    ):
        refusal = shell.refusal("engagement", "report", *arguments, expect=code)
        assert refusal["code"] == ("usage" if code == 2 else "validation")


def test_the_command_knows_the_platforms():
    """The list that it has of its own is the domain's."""
    assert tuple(command._PLATFORMS) == PLATFORMS


DAY = dt.date(2026, 3, 10)


def at(day, hour=0, microsecond=0):
    """An instant of a day."""
    return dt.datetime(day.year, day.month, day.day, hour, 0, 0, microsecond, tzinfo=dt.UTC)


def test_the_report_counts_what_is_in_the_period(db):
    """Both days count as a whole; one microsecond on either side does not; nothing is nought or nothing."""
    empty = engagement.report()
    assert (empty.kpis, [row.decisions for row in empty.decisions]) == ([], [0, 0, 0, 0])
    assert empty.decisions[0].mean_composite_score is None
    moments = (
        at(DAY) - dt.timedelta(microseconds=1),
        at(DAY),
        at(DAY + dt.timedelta(1)) - dt.timedelta(microseconds=1),
        at(DAY + dt.timedelta(1)),
    )
    for moment, score in zip(moments, (0.9, 0.2, 0.4, 0.9), strict=True):
        made = factories.make_decision(composite_score=score)
        Decision.update(created_at=moment).where(Decision.id == made.id).execute()
    for days in (-1, 0, 1):
        for platform, value in (("TWITTER", 1.0), ("ALL", 1e308)):
            engagement.record_kpi(
                DAY + dt.timedelta(days), platform=platform, metric_type="REACH", metric_name="seen", value=value + days
            )
    found = engagement.report(date_from=DAY, date_to=DAY)
    helpful = found.decisions[0]
    assert (helpful.mode, helpful.decisions, helpful.mean_composite_score) == ("HELPFUL", 2, 0.3)
    assert [(row.platform, row.days, row.latest, row.latest_on) for row in found.kpis] == [
        ("ALL", 1, 1e308, DAY), ("TWITTER", 1, 1.0, DAY),
    ]  # fmt: skip
    everything = engagement.report(date_from=dt.date.min, date_to=dt.date.max)
    assert everything.decisions[0].decisions == 4
    assert [(row.days, row.mean, row.least, row.greatest) for row in everything.kpis] == [
        (3, 1e308, 1e308, 1e308), (3, 1.0, 0.0, 2.0),
    ]  # fmt: skip
    assert [row.platform for row in engagement.report(platform="TWITTER").kpis] == ["TWITTER"]
    assert engagement.report(platform="REDDIT").decisions[0].decisions == 0


def test_the_report_tells_replies_and_open_escalations_apart(db):
    """Deleted replies count apart; an escalation of long ago counts while it is open, and not once it is closed."""
    deleted = factories.make_reply(status="POSTED")
    engagement.delete_reply(deleted.id, reason="Asked for.", actor="ann")
    for status in ("PENDING", "APPROVED", "POSTED", "REJECTED"):
        factories.make_reply(status=status)
    assert [(row.approval_status, row.replies, row.posted, row.deleted) for row in engagement.report().replies] == [
        ("PENDING", 1, 0, 0), ("APPROVED", 2, 1, 1), ("REJECTED", 1, 0, 0),
    ]  # fmt: skip
    post = factories.make_post(platform="THREADS")
    first = factories.make_escalation(post_id=post.id, priority="HIGH")
    second = factories.make_escalation(post_id=post.id, priority="HIGH", assigned_to="ann")
    closed = factories.make_escalation(post_id=post.id, priority="HIGH")
    engagement.resolve_escalation(closed.id, resolved_by="ann")
    tomorrow = first.created_at.date() + dt.timedelta(2)
    for narrowed in ({}, {"platform": "THREADS"}, {"date_from": tomorrow}):
        rows = {row.priority: row for row in engagement.report(**narrowed).escalations}
        assert list(rows) == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
        assert (rows["HIGH"].unassigned, rows["HIGH"].assigned, rows["HIGH"].oldest) == (1, 1, first.created_at)
    assert second.created_at >= first.created_at
    for narrowed in ({"platform": "REDDIT"}, {"date_to": dt.date(2026, 1, 1)}):
        assert {row.unassigned + row.assigned for row in engagement.report(**narrowed).escalations} == {0}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"date_from": dt.date(2026, 3, 2), "date_to": dt.date(2026, 3, 1)}, "date_to"),
        ({"date_from": dt.datetime(2026, 3, 2, tzinfo=dt.UTC)}, "date_from"),
        ({"platform": "ALL"}, "platform"),
    ],
)
@pytest.mark.datapkg_engines("sqlite")
def test_a_report_of_no_period_is_refused(db, given, path):
    """Days in the wrong order, instants, unknown platforms; the same day twice is a period."""
    with pytest.raises(ValidationError) as caught:
        engagement.report(**given)
    assert list(caught.value.errors) == [path]
    day = dt.date(2026, 3, 2)
    found = engagement.report(date_from=day, date_to=day)
    assert json.dumps(found.public(), default=str)
    assert "<caption" in found._repr_html_()
