"""Hostile text in every text and JSON argument of engagement is stored faithfully or refused with a ValidationError."""

from __future__ import annotations

import datetime as dt
import runpy
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datapkg import audit, engagement
from datapkg.errors import ValidationError
from datapkg.kit.database import transaction
from datapkg.testing import factories

HOSTILE = runpy.run_path(str(Path(__file__).parents[1] / "test_hostile_strings.py"))["HOSTILE"]
SIGNATURE = engagement.content_rules().signature
DAY = dt.date(2026, 3, 2)
EQUAL = {"sss_weight": 0.25, "ars_weight": 0.25, "evs_weight": 0.25, "trs_weight": 0.25}

# The rows that the others hang on, made once.
DECIDED, POSTED = {}, {}


def author(text):
    """Everything about an author that is no form of the platform's."""
    made = factories.make_author(platform_id=text[:100], display_name=text[:200], archetype_tags=[text[:100]])
    made = engagement.record_interaction(made.id, kind=text[:100], note=text[:2000])
    assert engagement.find_author_by_platform_id("TWITTER", platform_id=text[:100]) == made
    last = made.interaction_history[-1]
    return (made.platform_id, made.display_name, made.archetype_tags, last["kind"], last["note"]), (
        text[:100], text[:200], [text[:100]], text[:100], text[:2000],
    )  # fmt: skip


def post(text):
    """A post's content, keywords, categories, the names of its figures, and how dealing with it failed."""
    made = factories.make_post(
        content=text[:5000],
        keyword_matches=[text[:200]],
        keyword_categories=[text[:100]],
        raw_metrics={text[:100]: 1.0},
    )
    made = engagement.mark_processed(made.id, error=text[:10_000])
    return (made.content, made.keyword_matches, made.keyword_categories, made.raw_metrics, made.error_message), (
        text[:5000], [text[:200]], [text[:100]], {"schema_version": 1, "values": {text[:100]: 1.0}}, text[:10_000],
    )  # fmt: skip


def decision(text):
    """A decision's flags, documents and competitor; a reply keeps them all but the documents."""
    made = factories.make_decision(
        safety_flags=[text[:200]],
        signals={text: [text]},
        temporal_context={"x": text},
        competitor_detected=text[:200],
    )
    kept = factories.make_reply(decision_id=made.id).decision_snapshot
    return (
        (made.safety_flags, made.signals_json["data"], made.temporal_context["data"], made.competitor_detected),
        (kept["safety_flags"], kept["competitor_detected"]),
    ), (([text[:200]], {text: [text]}, {"x": text}, text[:200]), ([text[:200]], text[:200]))


def competitor(text):
    """A competitor's name, mechanism and keywords, made and changed."""
    made = engagement.create_competitor(
        text[:200], category="APP", primary_mechanism=text[:1000], brand_keywords=[text[:200]]
    )
    assert engagement.find_competitor_by_name(text[:200]) == made
    changed = engagement.update_competitor(made.id, primary_mechanism=text[:1000])
    return (made.name, changed.primary_mechanism, made.brand_keywords), (text[:200], text[:1000], [text[:200]])


def reply(text):
    """A reply's content, with the signature behind it; only the rules of content refuse more than elsewhere."""
    said = f"{text[:200]} tonight {SIGNATURE}"
    made = factories.make_reply(**DECIDED, content=said)
    assert engagement.edit_reply(made.id, content=f"{said}!").content == f"{said}!"
    return made.content, said


def approval(text):
    """Who approves, rejects and deletes, and why; what is counted."""
    posted = factories.make_reply(**DECIDED, status="POSTED", approved_by=text[:200])
    posted = engagement.record_reply_metrics(posted.id, metrics={text[:100]: 1.0})
    gone = engagement.delete_reply(posted.id, reason=text[:1000], actor=text[:200])
    pending = factories.make_reply(**DECIDED)
    rejected = engagement.reject_reply(pending.id, rejected_by=text[:200], reason=text[:1000])
    return (posted.approved_by, posted.metrics_json["values"], gone.delete_reason, rejected.approved_by), (
        text[:200], {text[:100]: 1.0}, text[:1000], text[:200],
    )  # fmt: skip


def escalation(text):
    """Who looks at an escalation, and how it ends."""
    made = factories.make_escalation(**DECIDED, assigned_to=text[:200], actor=text[:200])
    assert made in engagement.list_escalations(assigned_to=text[:200])
    closed = engagement.resolve_escalation(made.id, resolved_by=text[:200], notes=text[:10_000])
    return (made.assigned_to, closed.resolved_by, closed.resolution_notes), (text[:200], text[:200], text[:10_000])


def hold(text):
    """Why something is held, by whom, and who ends it."""
    made = factories.make_hold(**POSTED, reason=text[:1000], placed_by=text[:200])
    ended = engagement.release_hold(made.id, released_by=text[:200])
    return (made.reason, made.placed_by, ended.released_by), (text[:1000], text[:200], text[:200])


def person(text):
    """Who takes a person out, and why; and who promotes them."""
    champion = factories.make_champion(actor=text[:200])
    gone = engagement.anonymise_author(champion.author_id, actor=text[:200], reason=text[:1000])
    (entry, *_) = [each for each in audit.list_entries(entity_id=str(gone.id)) if each.details]
    return entry.actor, text[:200]


def experiment(text):
    """An A/B experiment's texts, results and subjects."""
    made = engagement.create_ab_experiment(
        text[:200], variant_a=text[:2000], variant_b=text[:2000], metric=text[:200], description=text[:10_000]
    )
    engagement.start_ab_experiment(made.id)
    assigned = engagement.assign_variant(made.id, subject=text[:200])
    done = engagement.finish_ab_experiment(made.id, results={text: [text]})
    assert engagement.list_ab_experiments(name=text[:200]) == [done]
    return (done.name, done.variant_a, done.description, done.results_json["data"], assigned.subject), (
        text[:200], text[:2000], text[:10_000], {text: [text]}, text[:200],
    )  # fmt: skip


def weights(text):
    """A segment's names, and why its weights change."""
    change = {"segment_type": text[:50], "segment_key": text[:100], **EQUAL}
    log = engagement.adjust_weights([change], reason=text[:2000], actor=text[:200])
    found = engagement.get_weights(text[:50], segment_key=text[:100])
    engagement.rollback_weights(log.id, reason=text[:2000], actor=text[:200])
    return (log.reason, found.segment_type, found.segment_key), (text[:2000], text[:50], text[:100])


# Each writes the text and returns what was read back beside what it should be.
PLACES = {
    "author": author,
    "handle": lambda text: (factories.make_author(platform="THREADS", handle=text).handle, text),
    "post": post,
    "post key": lambda text: (factories.make_post(platform_post_id=text).platform_post_id, text),
    "post content as it is": lambda text: (factories.make_post(content=text).content, text),
    "decision": decision,
    "competitor": competitor,
    "reply": reply,
    "reply as it is": lambda text: (factories.make_reply(**DECIDED, content=text).content, text),
    "utm code": lambda text: (factories.make_reply(**DECIDED, utm_code=text).utm_code, text),
    "reply key": lambda text: (
        factories.make_reply(**DECIDED, status="POSTED", platform_post_id=text).platform_post_id,
        text,
    ),
    "approval": approval,
    "content hash": lambda text: (
        engagement.approve_reply(factories.make_reply(**DECIDED).id, approved_by="ann", content_sha256=text),
        None,
    ),
    "escalation": escalation,
    "hold": hold,
    "person": person,
    "kpi": lambda text: (factories.make_kpi(metric_name=text).metric_name, text),
    "experiment": experiment,
    "weights": weights,
    "learning": lambda text: (
        engagement.record_learning_event(
            "TIMING", adjustment={text: text}, predicted_improvement=0.1, baseline_performance=0.5
        ).adjustment["data"],
        {text: text},
    ),
    "filters": lambda text: (
        (engagement.list_authors(handle=text), engagement.list_assignments(subject=text)),
        ([], []),
    ),
    "choices": lambda text: (engagement.list_posts(platform=text), None),
    "period": lambda text: (engagement.report(platform=text, date_from=text), None),
}


class _Undo(Exception):
    """Takes back what an attempt wrote."""


def prepare():
    """Make the rows that the others hang on."""
    decision = factories.make_decision()
    DECIDED["decision_id"], POSTED["post_id"] = decision.id, decision.post_id


def attempt(place, text):
    """Write the text there: it comes back, or the refusal is a ValidationError; the transaction goes on. Tell which."""
    written = False
    try:
        with transaction():
            try:
                stored, expected = PLACES[place](text)
            except ValidationError as error:
                assert error.errors
            else:
                assert stored == expected, place
                written = True
            assert engagement.list_holds() == [] or place == "hold"
            raise _Undo
    except _Undo:
        return written


def test_hostile_text_is_stored_faithfully_or_refused(db):
    """No string leads to anything but the same string or a ValidationError, wherever it is given."""
    prepare()
    written = {place for text in [*HOSTILE, "abc_1"] for place in PLACES if attempt(place, text)}
    assert set(PLACES) - written == {"reply as it is", "content hash", "choices", "period"}
    assert audit.verify_chain().ok


def test_any_text_is_stored_faithfully_or_refused(db):
    """The same for text that nobody thought of, lone surrogates and NUL among it."""
    prepare()

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.text(st.characters(), max_size=120))
    def check(text):
        for place in PLACES:
            attempt(place, text)

    check()
