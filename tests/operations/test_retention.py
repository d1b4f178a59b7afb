"""Retention: what goes, what stays, what an archive holds, and that it comes back as it was."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import json
import threading
from pathlib import Path

import pytest
from retention_samples import (
    NOW,
    count,
    days_ago,
    fill,
    make_author,
    make_decision,
    make_escalation,
    make_post,
    make_reply,
    state,
)

import datapkg
from datapkg import audit, engagement, retention
from datapkg.audit.models import AuditHead, AuditLog
from datapkg.engagement.models import Author, Post, Reply
from datapkg.engagement.oversight_models import CompetitiveMention, Competitor, Escalation, LegalHold
from datapkg.errors import ConfigurationError, ConflictError, ValidationError
from datapkg.kit.database import current, open_database, override, transaction
from datapkg.operations.bookkeeping import Archive, Setting


def archive_posts(folder, **options):
    """Archive the posts that are due, and return the one archive's report."""
    report = retention.apply(folder, now=NOW, policies=["posts"], **options)
    (made,) = report.archives
    return made


def read_lines(folder, pattern):
    """The JSON objects of an archive's files whose names match."""
    found = []
    for path in sorted(Path(folder).glob(pattern)):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found += [json.loads(line) for line in data.decode().split("\n")[:-1]]
    return found


def test_everything_due_goes_to_files_and_comes_back_as_it_was(db, tmp_path):
    """The three policies of the original, over many batches; files that others read; the same rows afterwards."""
    due = fill()
    before = state(audit_below=6)
    plan = retention.plan(now=NOW)
    periods = [row["period"] for row in plan.rows]
    assert {"2039-05", "2040-02", "2037-Q1", "2038-Q2", "2026"} <= set(periods)
    assert plan.due == len(due) + 517 + 6 and plan.unfinished == ()
    assert state(audit_below=6) == before and not list(tmp_path.iterdir())

    steps = []
    report = retention.apply(tmp_path / "archives", now=NOW, progress=steps.append)
    posts, kpis, logs = report.archives
    assert posts.deleted["posts"] == len(due) and posts.kept == {} and not posts.resumed
    assert kpis.deleted == {"kpi_metrics": 517}
    assert logs.deleted == {"audit_logs": 8}  # the six, and what the first two archives recorded
    assert sum(steps) == 3 * (len(due) + 517 + 8)
    assert retention.plan(now=NOW, policies=["posts", "kpi_metrics"]).due == 0
    assert count("posts") == 1100 - len(due) and count("kpi_metrics") == 700 - 517
    assert count("randomized_experiments") == 110 and count("escalations") == 79

    # Posts: one JSON object a line, decisions and mentions beside them, the references that were cut too.
    names = sorted(path.name for path in Path(posts.folder).iterdir())
    assert {"manifest.json", "outcome.json", "posts-2039-05.jsonl", "decisions-2039-05.jsonl"} < set(names)
    archived = read_lines(posts.folder, "posts-*.jsonl")
    assert [line["id"] for line in archived] == [str(key) for key in due]
    assert archived[0]["detected_at"] == "2039-04-28T00:00:00.000000Z" and archived[0]["spam_filtered"] is False
    assert archived[0]["raw_metrics"] == {"schema_version": 1, "values": {"likes": 1e20, "rate": 0.1}}
    cut = read_lines(posts.folder, "randomized_experiments.decision_id-*.jsonl")
    assert len(cut) == posts.deleted["randomized_experiments.decision_id"] and set(cut[0]) == {"id", "decision_id"}
    manifest = json.loads((Path(posts.folder) / "manifest.json").read_text("utf-8"))
    assert manifest["revision"] == "010_engagement" and manifest["policy"]["keep_days"] == 90
    for file in manifest["files"]:
        data = (Path(posts.folder) / file["file"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["bytes"])

    # Figures: CSV by quarter, which Python's own reader takes.
    with open(Path(kpis.folder) / "kpi_metrics-2037-Q1.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 90 and rows[0]["metric_name"] == 'replies, "posted"\nand more'
    assert (rows[1]["date"], float(rows[1]["value"])) == ("2037-01-02", 1 / 7)

    # The audit log: compressed, a verified beginning of the chain; what is left is whole.
    entries = read_lines(logs.folder, "audit_logs-2026.jsonl.gz")
    assert [entry["sequence"] for entry in entries] == list(range(1, 9))
    assert audit.verify_chain() == audit.ChainReport(checked=2, erased=0, archived=8)  # the cut, the archive
    assert audit.list_entries(limit=1)[0].details["data"]["cut_sequence"] == 8

    for made in reversed(report.archives):
        assert retention.restore(made.folder).present == 0
        again = retention.restore(made.folder)
        assert set(again.restored.values()) == {0} and again.present == sum(
            number for name, number in made.deleted.items() if "." not in name
        )
    assert state(audit_below=6) == before
    assert audit.verify_chain().ok and audit.verify_chain().archived == 0
    assert {row.status for row in Archive.select()} == {"RESTORED"}
    assert [entry.action for entry in audit.list_entries(entity_type="archive")] == ["restore"] * 6 + ["archive"] * 3


def test_what_is_open_or_held_stays_and_replies_stay_always(db, tmp_path):
    """Escalations on the post, its decision or its reply, holds on the post or its author; once closed, they go."""
    author, held = make_author("1"), make_author("2")
    posts = {name: make_post(author, name, days=91) for name in ("post", "decision", "reply", "hold", "free", "closed")}
    posts["author"] = make_post(held, "author", days=91)
    young = make_post(author, "young", days=90)  # to the microsecond, so not yet
    decisions = {name: make_decision(post) for name, post in posts.items()}
    reply, free = make_reply(decisions["reply"]), make_reply(decisions["free"])
    open_ones = [
        make_escalation(post=posts["post"]),
        make_escalation("IN_PROGRESS", decision=decisions["decision"]),
        make_escalation(reply=reply),
    ]
    closed = make_escalation("RESOLVED", post=posts["closed"], decision=decisions["closed"])
    holds = [
        LegalHold.create(post=posts["hold"], reason="court", placed_by="me"),
        LegalHold.create(author=held, reason="court", placed_by="me"),
    ]
    LegalHold.create(post=posts["closed"], reason="old", placed_by="me", released_by="me", released_at=NOW)
    (row,) = retention.plan(now=NOW, policies=["posts"]).rows
    assert (row["period"], row["due"], row["exempt"]) == ("2040-03", 2, 5)

    before = state()
    made = archive_posts(tmp_path)
    assert made.deleted == {
        "posts": 2,
        "decisions": 2,
        "legal_holds": 1,
        "replies.decision_id": 1,
        "escalations.post_id": 1,
        "escalations.decision_id": 1,
    }
    assert count("posts") == 6 and Post.get_or_none(Post.id == young.id) is not None
    kept = Reply.get_by_id(free.id)
    assert kept.decision_id is None and kept.decision_snapshot["decision_id"] == str(decisions["free"].id)
    assert kept.updated_at == free.updated_at
    assert Escalation.get_by_id(closed.id).post_id is None
    retention.restore(made.folder)
    assert state() == before

    Escalation.update(status="DISMISSED", resolved_by="me", resolved_at=NOW).where(
        Escalation.id << [each.id for each in open_ones]
    ).execute()
    LegalHold.update(released_by="me", released_at=NOW).where(LegalHold.id << [each.id for each in holds]).execute()
    assert archive_posts(tmp_path).deleted["posts"] == 7
    assert count("replies") == 2 and count("legal_holds") == 1  # the author's


def test_what_changes_while_it_is_archived_stays(db, tmp_path):
    """A new decision, another content, an escalation, a hold, one deleted: none is lost, and none comes back twice."""
    author, rival = make_author(), Competitor.create(name="R", category="APP", brand_keywords=[])
    posts = [make_post(author, number, days=200 + number, content=f"post {number}") for number in range(7)]
    decision = make_decision(posts[3])
    happened = []

    def meanwhile(rows):
        if happened:
            return
        happened.append(rows)
        make_decision(posts[0])
        Post.update(content="other").where(Post.id == posts[1].id).execute()
        make_escalation(post=posts[2])
        make_reply(decision)
        LegalHold.create(post=posts[4], reason="court", placed_by="me")
        Post.delete().where(Post.id == posts[5].id).execute()

    made = archive_posts(tmp_path, progress=meanwhile)
    assert made.kept == {"changed since it was archived": 3, "open escalation": 1, "legal hold": 1}
    assert made.deleted == {"posts": 2, "decisions": 0}
    assert {post.id for post in Post.select()} == {post.id for post in posts[:5]}
    assert Reply.select().get().decision_id == decision.id
    assert len(read_lines(made.folder, "kept.jsonl")) == 5

    # What stayed is archived by the next run as it is then.
    CompetitiveMention.create(post=posts[1], competitor=rival, sentiment="MIXED", opportunity_score=1.0)
    second = archive_posts(tmp_path)
    assert second.deleted["posts"] == 3 and second.deleted["competitive_mentions"] == 1
    first_back, second_back = retention.restore(made.folder), retention.restore(second.folder)
    assert (first_back.restored["posts"], first_back.kept) == (2, 5)
    assert second_back.restored["posts"] == 3 and second_back.kept == 0
    assert count("posts") == 7 and count("decisions") == 2 and count("competitive_mentions") == 1
    assert Post.get_by_id(posts[1].id).content == "other"
    assert Reply.select().get().decision_id == decision.id


def test_a_row_that_is_there_and_different_stops_a_restore(db, tmp_path):
    """Nothing is overwritten and nothing is written beside it; what took a row's place stops it too."""
    author = make_author()
    posts = [make_post(author, number, days=100) for number in range(3)]
    made = archive_posts(tmp_path)
    retention.restore(made.folder)
    Post.update(content="edited since").where(Post.id == posts[1].id).execute()
    Post.delete().where(Post.id == posts[0].id).execute()
    before = state()
    with pytest.raises(ConflictError, match="but different") as caught:
        retention.restore(made.folder)
    assert caught.value.meta["rows"] == [f"posts {posts[1].id}"] and state() == before
    Post.delete().execute()
    make_post(author, 2, days=1)  # found again on its platform, under a key of its own
    before = state()
    with pytest.raises(ConflictError, match="does not fit the database any more"):
        retention.restore(made.folder)
    assert state() == before
    Post.delete().execute()
    assert retention.restore(made.folder).restored == {"posts": 3}


@pytest.mark.datapkg_commits
def test_posts_of_somebody_anonymised_do_not_come_back(db, tmp_path):
    """The others do; and who is anonymised while their posts are being restored is not forgotten either."""
    ann, bob = make_author("1"), make_author("2")
    make_decision(make_post(ann, "a", days=100))
    make_decision(make_post(bob, "b", days=100))
    made = archive_posts(tmp_path)
    engagement.anonymise_author(ann.id, actor="me", reason="asked")
    done, erasing = threading.Event(), threading.Thread(target=lambda: erase_bob())

    def erase_bob():
        with override(db):
            engagement.anonymise_author(bob.id, actor="me", reason="asked")
        db.close()
        done.set()

    def meanwhile(rows):
        if current().in_transaction() and not erasing.ident:  # it has been looked up who is anonymised
            erasing.start()
            done.wait(0.3)

    back = retention.restore(made.folder, progress=meanwhile)
    erasing.join()
    assert (back.withheld, back.restored["posts"], back.restored["decisions"]) == (1, 1, 1)
    post = Post.select().get()
    assert post.author_id == bob.id and post.content == engagement.ANONYMISED_CONTENT


@pytest.mark.datapkg_engines("postgresql")
def test_the_other_engine_takes_an_archive(db, tmp_path):
    """From PostgreSQL into SQLite, archived there, and back: the same rows, by hash."""
    due = fill(posts=60)
    before = state(audit_below=6)
    first = retention.apply(tmp_path, now=NOW, policies=["posts", "kpi_metrics"])
    shared = [list(model.select()) for model in (Author, Competitor)]
    with override(open_database("sqlite:///:memory:")):
        datapkg.migrate()
        for row in (row for rows in shared for row in rows):
            row.save(force_insert=True)
        assert [retention.restore(made.folder).present for made in first.archives] == [0, 0]
        again = [retention.restore(made.folder) for made in first.archives]
        assert again[0].present >= len(due) and again[0].restored["posts"] == 0 and again[1].present == 517
        second = retention.apply(tmp_path, now=NOW, policies=["posts", "kpi_metrics"])
        assert [made.deleted["posts"] for made in second.archives[:1]] == [len(due)]
    for one, two in zip(first.archives, second.archives, strict=True):
        names = {path.name for path in Path(two.folder).iterdir()} - {"manifest.json", "outcome.json"}
        for name in names:  # letter for letter, as long as the servers spell documents alike
            assert (Path(one.folder) / name).read_bytes() == (Path(two.folder) / name).read_bytes(), name
        retention.restore(two.folder)
    cut = retention.restore(first.archives[0].folder)  # what refers to the rows had stayed on PostgreSQL
    assert cut.restored["posts"] == 0 and cut.restored["escalations.post_id"] > 0
    assert state(audit_below=6) == before


def test_documents_stay_letter_for_letter(db, tmp_path):
    """An old version is not upgraded, and what somebody else wrote over several lines comes back so."""
    author = make_author()
    texts = ['{"likes": 3}', '{\n  "schema_version": 1,\r\n  "values": {"a": 1.50}\n}', '{"é": "\\u00e9\\n", "n": 1e3}']
    mark = current().dialect.json_value(current().dialect.param)
    for number, text in enumerate(texts):
        post = make_post(author, number, days=100)
        current().change(
            f"UPDATE posts SET raw_metrics = {mark} WHERE id = {current().dialect.param}", (text, str(post.id))
        )
    before = state()
    made = archive_posts(tmp_path)
    first = read_lines(made.folder, "posts-*.jsonl")[0]
    assert first["raw_metrics"] == {"likes": 3}
    retention.restore(made.folder)
    assert state() == before


def test_the_chain_is_cut_and_mended_in_order(db, tmp_path):
    """Two cuts, with a clock that was set back between; restored newest first; a broken chain is not archived."""
    step = dt.timedelta(days=4000)
    fill(posts=0, entries=4)
    first = retention.apply(tmp_path, now=NOW, policies=["audit_logs"]).archives[0]
    assert first.deleted == {"audit_logs": 4}
    assert retention.apply(tmp_path, now=NOW - 5 * step, policies=["audit_logs"]).archives == ()
    second = retention.apply(tmp_path, now=NOW, policies=["audit_logs"]).archives[0]
    assert second.deleted == {"audit_logs": 2}
    assert audit.verify_chain() == audit.ChainReport(checked=2, erased=0, archived=6)
    with pytest.raises(ConflictError, match=r"end at 4, but the audit log was cut at 6"):
        retention.restore(first.folder)
    assert audit.verify_chain().archived == 6
    retention.restore(second.folder)
    retention.restore(first.folder)
    # Two cuts and two archives, and as much for what came back.
    assert audit.verify_chain() == audit.ChainReport(checked=4 + 8, erased=0)
    # Erased after it was archived: that entry and those behind it stay.
    happened = []

    def erase(rows):
        if not happened:
            happened.append(audit.erase_details("report", entity_id="2", actor="me"))

    third = retention.apply(tmp_path, now=NOW, policies=["audit_logs"], progress=erase).archives[0]
    assert third.deleted == {"audit_logs": 2}
    assert third.kept == {"changed since it was archived": 1, "behind an entry that stayed": 9}
    report = audit.verify_chain()
    assert report.ok and report.archived == 2 and report.erased == 1
    assert retention.restore(third.folder).kept == 10
    assert audit.verify_chain().archived == 0
    with transaction(), current().open_gate("audit_logs"):  # datapkg: allow-write somebody tampers
        audit.AuditLog.update(actor="other").where(audit.AuditLog.sequence == 3).execute()
    before = state(audit_below=100)
    with pytest.raises(ConflictError, match="Entry 3 was changed"):
        retention.apply(tmp_path, now=NOW, policies=["audit_logs"])
    assert state(audit_below=100) == before and Setting.get_or_none(Setting.key == "retention.writing") is None
    assert not list(tmp_path.glob(".partial-*"))


class Undone(Exception):
    """Ends a transaction that was for looking only."""


def test_a_cut_that_retention_did_not_make_is_told(db, tmp_path):
    """The head's cut changed, or moved on over entries that somebody deleted; erased details hide nothing of it."""
    fill(posts=0, entries=5)
    retention.apply(tmp_path, now=NOW, policies=["audit_logs"])
    assert audit.erase_details("audit_logs", entity_id="5", actor="me") == 1
    audit.record("report", entity_id="9", action="publish", actor="me")
    whole = audit.ChainReport(checked=4, erased=1, archived=5)
    cut, archived = audit.list_entries(limit=4)[3], audit.list_entries(limit=4)[2]
    assert (cut.action, cut.entity_id, cut.details) == ("cut", "5", None)
    for gone, change, kind, sequence in (
        (0, {"cut_sequence": 4}, "gap", 5),
        (0, {"cut_sequence": 0, "cut_hash": "0" * 64}, "gap", 1),
        (0, {"cut_sequence": 6}, "edited", 7),
        (0, {"cut_hash": "a" * 64}, "edited", 6),
        (6, {"cut_sequence": 6, "cut_hash": cut.entry_hash}, "cut", 6),
        (7, {"cut_sequence": 7, "cut_hash": archived.entry_hash}, "cut", 7),
    ):
        assert audit.verify_chain() == whole
        with pytest.raises(Undone), transaction():
            with current().open_gate("audit_logs"):  # datapkg: allow-write somebody tampers
                AuditLog.delete().where(AuditLog.sequence < gone + 1).execute()
            with current().open_gate("audit_heads"):  # datapkg: allow-write somebody tampers
                AuditHead.update(**change).execute()
            problem = audit.verify_chain().problem
            assert problem is not None and (problem.kind, problem.sequence) == (kind, sequence), change
            raise Undone
    assert audit.verify_chain() == whole


def test_arguments_that_cannot_be_are_refused(db, tmp_path):
    """All of them at once, before anything is looked at; and nothing inside a transaction."""
    fill(posts=20)
    before = state(audit_below=100)
    with pytest.raises(ValidationError) as caught:
        retention.apply(tmp_path, keep={"pots": dt.timedelta(1), "posts": dt.timedelta(0)}, policies=["posts", "x"])
    assert set(caught.value.errors) == {"keep.pots", "keep.posts", "policies.1"}
    with pytest.raises(ValidationError, match="time zone"):
        retention.plan(now=dt.datetime(2040, 1, 1))
    with pytest.raises(ValidationError, match="beyond the year 1"):
        retention.apply(tmp_path, keep={"posts": dt.timedelta(days=99_999_999)})
    with pytest.raises(ConfigurationError, match="inside a transaction"), transaction():
        retention.apply(tmp_path)
    assert state(audit_below=100) == before
    assert retention.plan(now=NOW, keep={"posts": dt.timedelta(days=399)}, policies=["posts"]).due == 1
    assert retention.plan(now=days_ago(5000)).due == 0  # a clock that was set back
