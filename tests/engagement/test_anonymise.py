"""Anonymising a person: nothing that names them is left, and what was done stays provable."""

from __future__ import annotations

import datetime as dt
import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from reply_samples import UNKNOWN, actions, all_at_once, new_author, new_decision, new_post

from datapkg import audit, engagement
from datapkg.engagement import (
    AbAssignment,
    AbExperiment,
    Author,
    CommunityChampion,
    Decision,
    Escalation,
    LegalHold,
    Post,
    Reply,
)
from datapkg.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction

SECRET = re.compile("nadia|t2_secret|9876543", re.IGNORECASE)
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def whole_database():
    """Return everything in the domain's tables and the audit log, as text."""
    tables = [model._meta.table_name for model in (Author, Post, Decision, Reply, CommunityChampion, Escalation)]
    tables += [model._meta.table_name for model in (LegalHold, AbExperiment, AbAssignment)]
    return "\n".join(str(current().fetch(f"SELECT * FROM {table}", ())) for table in [*tables, "audit_logs"])


def a_known_person():
    """Store an author with something personal in every place that can hold it."""
    author = engagement.upsert_author(
        "REDDIT",
        platform_id="t2_secret",
        handle="nadia-owl",
        display_name="Nadia",
        follower_count=9876543,
        is_verified=True,
        archetype_tags=["nadia"],
        relationship_score=0.75,
        is_power_user=True,
    )
    engagement.record_interaction(author.id, kind="replied", note="to Nadia")
    post = engagement.record_post(
        "REDDIT",
        platform_post_id="post-of-nadia",
        author_id=author.id,
        content="I am Nadia and cannot sleep.",
        keyword_matches=["sleep", "@NADIA-owl", "nadian"],
        keyword_categories=["rest", "friends of Ｎadia"],
        raw_metrics={"nadia": 9876543},
    )
    engagement.mark_processed(post.id, error="could not parse: I am Nadia")
    decision = engagement.record_decision(
        post.id,
        **dict.fromkeys(("sss_score", "ars_score", "evs_score", "trs_score", "composite_score"), 0.5),
        mode="HELPFUL",
        signals={"who": "nadia"},
        temporal_context={"their time": "nadia's night"},
    )
    reply = engagement.draft_reply(decision.id, content="Try less light at night. —Antone (Vita)")
    engagement.promote_champion(author.id, actor="ann")
    audit.record("author", entity_id=author.id, action="note", actor="ann", details={"name": "Nadia"})
    return author, post, decision, reply


def test_nothing_that_names_the_person_is_left_anywhere(db):
    """Not in any column of any row, nor in the audit log, whose chain is whole; the act is recorded last."""
    author, post, decision, reply = a_known_person()
    new_post()
    assert SECRET.search(whole_database())
    gone = engagement.anonymise_author(author.id, actor="ann", reason="request 7", now=NOON)
    # "nadian" is another word.
    left = whole_database().replace("nadian", "")
    assert not SECRET.search(left), SECRET.findall(left)
    assert gone.anonymised_at == NOON
    assert (gone.display_name, gone.follower_count, gone.is_verified) == (None, 0, False)
    assert (gone.archetype_tags, gone.interaction_history) == ([], [])
    assert gone.handle == gone.platform_id == f"anonymised_{author.id.hex}"
    engagement.check_author(gone.handle, "TWITTER")
    assert (gone.relationship_score, gone.is_power_user, gone.first_seen_at) == (0.75, True, author.first_seen_at)
    emptied = engagement.get_post(post.id)
    assert (emptied.content, emptied.keyword_matches, emptied.keyword_categories) == (
        "[anonymised]",
        ["sleep", "nadian"],
        ["rest"],
    )
    assert (emptied.platform_post_id, emptied.raw_metrics["values"]) == (f"anonymised_{post.id}", {})
    assert (emptied.error_count, emptied.error_message) == (1, None)
    assert emptied.updated_at > post.updated_at
    judged = engagement.get_decision(decision.id)
    assert (judged.signals_json["data"], judged.temporal_context["data"], judged.mode) == ({}, {}, "HELPFUL")
    assert engagement.get_reply(reply.id) == reply
    assert engagement.list_champions() == []
    assert [(action, details) for action, _, details in actions("author")] == [
        ("promote_champion", None),
        ("note", None),
        ("erase_details", {"entries": 2}),
        ("anonymise_author", {"reason": "request 7"}),
    ]
    assert audit.verify_chain().ok


def test_notes_and_reasons_lose_the_name_and_keep_the_rest(db):
    """Of escalations, deleted replies and released holds; of the audit log on them too, and what names nobody stays."""
    author, post, decision, reply = a_known_person()
    other = engagement.draft_reply(decision.id, content="Try more light at noon. —Antone (Vita)")
    engagement.reject_reply(reply.id, rejected_by="ann", reason="does not answer nadia-owl")
    engagement.reject_reply(other.id, rejected_by="ann", reason="too short")
    engagement.delete_reply(other.id, reason="Na\u200bdia, t2_secret, asked for it", actor="ann")
    noted = [
        engagement.escalate("OTHER", post_id=key, actor="ann") for key in (post.id, post.id, post.id, new_post().id)
    ]
    long = "n" * 9_990 + " @nadia"
    for each, notes in zip(
        noted, ("told @Nadia-Owl: rest; nadian", long, "called back", "not our nadian"), strict=True
    ):
        engagement.resolve_escalation(each.id, resolved_by="ann", notes=notes)
    for on in ({"post_id": post.id}, {"author_id": author.id}):
        hold = engagement.place_hold(**on, reason="Nadia v. us", placed_by="law")
        engagement.release_hold(hold.id, released_by="law")
    engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    assert not SECRET.search(whole_database().replace("nadian", ""))
    notes = [engagement.get_escalation(each.id).resolution_notes for each in noted]
    assert notes == ["told @[anonymised]: rest; nadian", "[anonymised]", "called back", "not our nadian"]
    assert engagement.get_reply(other.id).delete_reason == "[anonymised], [anonymised], asked for it"
    assert {each.reason for each in engagement.list_holds()} == {"[anonymised] v. us"}
    assert engagement.get_reply(reply.id).content == reply.content
    told = {(action, details is None) for action, _, details in actions("reply")}
    assert told == {("reject_reply", True), ("delete_reply", True), ("erase_details", False)}
    assert None not in [details for entity in ("escalation", "legal_hold") for _, _, details in actions(entity)]
    assert audit.verify_chain().ok


def test_others_are_not_touched(db):
    """Another author with the same name keeps theirs, and so do their posts."""
    author, *_ = a_known_person()
    other = engagement.upsert_author("THREADS", platform_id="t2_secret", handle="nadia", display_name="Nadia")
    theirs = engagement.record_post(
        "THREADS", platform_post_id="p", author_id=other.id, content="Nadia here", keyword_matches=["nadia"]
    )
    engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    assert engagement.get_author(other.id).public() == other.public()
    assert engagement.get_post(theirs.id).public() == theirs.public()


def test_doing_it_again_changes_nothing(db):
    """Neither the rows nor the audit log; whoever asks gets the author as it is."""
    author, *_ = a_known_person()
    first = engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    before = whole_database()
    assert engagement.anonymise_author(str(author.id), actor="bob", reason="again") == first
    assert whole_database() == before


def test_the_same_account_seen_again_is_somebody_new(db):
    """The old row is not found by the account, and the new one knows nothing."""
    author, *_ = a_known_person()
    engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    again = engagement.upsert_author("REDDIT", platform_id="t2_secret", handle="nadia-owl")
    assert again.id != author.id
    assert (again.interaction_history, again.anonymised_at) == ([], None)
    assert engagement.find_author_by_platform_id("REDDIT", platform_id="t2_secret") == again


def test_nothing_more_is_kept_about_them(db):
    """A late interaction is refused, and a late failure keeps its count but not its message."""
    author, post, *_ = a_known_person()
    engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    with pytest.raises(InvalidTransitionError):
        engagement.record_interaction(author.id, kind="replied", note="to Nadia")
    late = engagement.mark_processed(post.id, error="could not parse: I am Nadia")
    assert (late.error_count, late.error_message) == (2, None)


@pytest.mark.parametrize("on", ["post", "author"])
def test_who_is_held_is_not_anonymised(db, on):
    """A hold on the author or one post refuses it as a whole; once all are released it works."""
    author, post, *_ = a_known_person()
    held = {"post_id": post.id} if on == "post" else {"author_id": author.id}
    holds = [engagement.place_hold(**held, reason="a case", placed_by="ann") for _ in range(2)]
    before = whole_database()
    with pytest.raises(InvalidTransitionError) as caught:
        engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    assert caught.value.meta["legal_hold_ids"] == [str(hold.id) for hold in holds]
    assert whole_database() == before
    engagement.anonymise_author(new_author().id, actor="ann", reason="somebody else")
    for hold in holds:
        engagement.release_hold(hold.id, released_by="ann")
    assert engagement.anonymise_author(author.id, actor="ann", reason="request 7").display_name is None


def test_what_is_wrong_is_refused(db):
    """Every complaint comes at once, and an unknown author is told."""
    with pytest.raises(ValidationError) as caught:
        engagement.anonymise_author("x", actor="", reason="x" * 1001)
    assert set(caught.value.errors) == {"author_id", "actor", "reason"}
    with pytest.raises(NotFoundError):
        engagement.anonymise_author(UNKNOWN, actor="ann", reason="x")


@pytest.mark.datapkg_commits
def test_posts_recorded_at_the_same_moment_are_emptied_or_refused(db):
    """Whatever comes first, no post of the person keeps what they wrote, and the act is recorded once."""
    author = new_author()

    def record(number):
        return engagement.record_post(
            "REDDIT", platform_post_id=f"p{number}", author_id=author.id, content="Nadia", keyword_matches=["k"]
        )

    def erase():
        return engagement.anonymise_author(author.id, actor="ann", reason="request 7")

    all_at_once(lambda: record(0), erase, lambda: record(1), erase, lambda: record(2), erase, lambda: record(3))
    assert {post.content for post in engagement.list_posts()} <= {"[anonymised]"}
    assert [action for action, _, _ in actions("author")] == ["anonymise_author"]


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_an_escalation_at_the_same_time_waits_and_is_no_deadlock(db, monkeypatch):
    """Both lock the post before its decision, so neither has to be tried again.

    On SQLite one writer waits for the other from its beginning on.
    """
    monkeypatch.setattr(db, "retries", 0)
    decision = new_decision()
    author = engagement.get_post(decision.post_id).author_id

    def run(function):
        db.connect(reuse_if_open=True)
        try:
            return function()
        finally:
            db.close()

    def wait_for(waiting):
        deadline = time.monotonic() + 30
        while db.fetch("SELECT count(*) FROM pg_locks WHERE NOT granted", ())[0][0] < waiting:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with ThreadPoolExecutor(2) as pool:
        with transaction():
            db.fetch("SELECT id FROM decisions WHERE id = %s FOR UPDATE", (str(decision.id),))
            anonymise = partial(engagement.anonymise_author, author, actor="ann", reason="r")
            first = pool.submit(run, anonymise)
            wait_for(1)
            second = pool.submit(run, partial(engagement.escalate, "OTHER", decision_id=decision.id, actor="a"))
            wait_for(2)
        assert first.result(timeout=30).anonymised_at is not None
        assert second.result(timeout=30).decision_id == decision.id


def test_flags_and_disguised_keywords_that_name_the_person_go_too(db):
    """Also from the copy that a reply keeps of its decision, which never changes; near misses stay."""
    author = engagement.upsert_author("REDDIT", platform_id="t2_secret", handle="nadia-owl", display_name="Na Dia")
    named = ["nadia\u200b-owl", "na\u00addia-owl", "_nadia-owl_", "nadia_owl", "#NADIAowl", "Na  Dia", "na\tdia"]
    post = engagement.record_post(
        "REDDIT", platform_post_id="p", author_id=author.id, content="x", keyword_matches=[*named, "owl", "nadia-owls"]
    )
    decision = new_decision(post=post, safety_flags=["about @nadia-owl", "medical"], competitor_detected="nadia_owl")
    reply = engagement.draft_reply(decision.id, content="Try less light at night. —Antone (Vita)")
    engagement.anonymise_author(author.id, actor="ann", reason="request 7")
    assert engagement.get_post(post.id).keyword_matches == ["owl", "nadia-owls"]
    read = engagement.get_decision(decision.id)
    assert (read.safety_flags, read.competitor_detected) == (["medical"], None)
    snapshot = engagement.get_reply(reply.id).decision_snapshot
    assert (snapshot["safety_flags"], snapshot["competitor_detected"]) == (["medical"], None)
    assert not SECRET.search(whole_database().replace("nadia-owls", ""))
