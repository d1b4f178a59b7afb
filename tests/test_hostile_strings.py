"""Hostile text in every text and JSON argument is stored faithfully or refused with a ValidationError."""

from __future__ import annotations

import itertools

import hostile_places
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datapkg import accounts, audit, evaluation, flags
from datapkg.errors import ValidationError
from datapkg.kit.database import transaction
from datapkg.testing import factories

HOSTILE = [
    "",
    " ",
    "\t\r\n",
    "\x00",
    "a\x00b",
    "\x01\x02\x7f\x80\x9f",
    "\ud800",
    "a\udfffb",
    "\ufeff",
    "\ufffe\uffff",
    "\u202eright to left\u202c",
    "\u200b\u200c\u200d\u2060",
    "é",
    "e\u0301",
    "\u1e9b\u0323",
    "ﷺ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "Z" + "\u0301" * 300,
    "'",
    '"',
    "`",
    "\\",
    "\\'",
    "\\u0000",
    "\\\\u0000",
    "%",
    "%s",
    "%(name)s",
    "{}",
    "{0}",
    "$1",
    "?",
    ":name",
    "'; DROP TABLE users; --",
    "' OR '1'='1",
    "1; SELECT pg_sleep(10)",
    "/* */",
    "NULL",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-0",
    "1e400",
    "0x10",
    "[]",
    '{"a": 1}',
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    "&amp;&#0;",
    "../../etc/passwd",
    "file:///etc/passwd",
    "$(reboot)",
    "`reboot`",
    "${HOME}",
    "{{7*7}}",
    "\x1b[31mred\x1b[0m",
    "a" * 100_001,
    "é" * 201,
]

numbers = itertools.count()


def email():
    """Return an address that is not taken."""
    return f"u{next(numbers)}@example.com"


def content(text):
    """Return a definition's content with the text in every place."""
    dimension = {"name": text or "n", "values": [text or "v"], "description": text}
    return {"preamble": text, "template": text, "dimensions": [dimension], "matching_rules": text}


def definition(text):
    """Write the text into every place of a definition's content."""
    made = evaluation.create_definition("n", content=content(text))
    read = evaluation.get_definition(made.id).content
    return {key: value for key, value in read.items() if key != "schema_version"}, content(text)


def details(text):
    """Write the text into an audit entry's details."""
    entry = audit.record("t", entity_id="1", action="a", actor="me", details={"x": text, "list": [text]})
    return audit.get_entry(entry.id).details["data"], {"x": text, "list": [text]}


def flag(text):
    """Write the text into a flag's description."""
    key = f"k{next(numbers)}"
    flags.set_flag(key, description=text)
    return flags.get_flag(key).description, text


def transcript(text):
    """Write the text into every place of a transcript."""
    run = factories.make_run()
    turns = [
        {
            "role": "tool", "content": text, "name": text[:200], "tool_call_id": text[:200],
            "tool_calls": [{"id": text[:200], "name": text[:200] or "n", "arguments": text}],
            "parts": [{"type": text[:100] or "t", "value": text}],
        }
    ]  # fmt: skip
    metrics = {"values": {text[:200] or "n": 1.0}, "labels": {text[:200] or "n": text[:10_000]}}
    made = factories.make_transcript(run_id=run.id, content=turns, metrics=metrics)
    scenario = evaluation.list_scenarios(run_id=run.id)[0]
    row = {"scenario_id": scenario.id, "model": text[:200] or "m", "content": turns, "metrics": metrics}
    evaluation.create_transcripts(run.id, rows=[row])  # the bulk way has an encoding of its own
    bulk = evaluation.list_transcripts(run_id=run.id)[0]
    read = evaluation.get_transcript(made.id)
    return [read.content, read.metrics, bulk.content, bulk.metrics, bulk.model], [
        turns, {"schema_version": 1, **metrics}, turns, {"schema_version": 1, **metrics}, row["model"],
    ]  # fmt: skip


def scenario(text):
    """Write the text into every place of a scenario."""
    given = {"preamble": text, "prompt": text, "values": {text[:100] or "n": text}}
    made = factories.make_scenario(name=text[:200] or "n", content=given)
    read = evaluation.get_scenario(made.id)
    return (read.name, read.content), (text[:200] or "n", {"schema_version": 1, **given})


def analysis(text):
    """Write the text into every place of an analysis, and invalidate it with the text."""
    run = factories.make_run()
    given = {"analysis_type": text[:100], "code_version": text[:200], "output": {"x": text, "list": [text]}}
    made = evaluation.record_analysis(run.id, **given)
    gone = evaluation.invalidate_analysis(made.id, author=text[:200], reason=text[:2000])
    return (made.analysis_type, made.code_version, made.output["data"], gone.invalidated_by), (
        text[:100], text[:200], given["output"], text[:200],
    )  # fmt: skip


def failure(text):
    """Write the text into a run's error."""
    run = factories.make_run()
    return evaluation.update_run_status(run.id, status="FAILED", error=text[:10_000]).error, text[:10_000]


# Each writes the text and returns what was read back beside what it should be.
PLACES = {
    "user name": lambda text: (accounts.get_user(accounts.create_user(email(), name=text).id).name, text),
    "definition name": lambda text: (
        evaluation.get_definition(evaluation.create_definition(text, content=content("x")).id).name,
        text,
    ),
    "definition content": definition,
    "audit actor": lambda text: (
        audit.get_entry(audit.record("t", entity_id="1", action="a", actor=text, details={}).id).actor,
        text,
    ),
    "audit entity": lambda text: (
        audit.get_entry(audit.record("t", entity_id=text, action="a", actor="me", details={}).id).entity_id,
        text,
    ),
    "audit details": details,
    "flag description": flag,
    "transcript": transcript,
    "scenario": scenario,
    "analysis": analysis,
    "run error": failure,
    "run model": lambda text: (
        evaluation.create_run(factories.make_definition().id, config={"models": [text]}).config["models"],
        [text],
    ),
    "experiment": lambda text: (factories.make_experiment(name=text, hypothesis=text).hypothesis, text),
    "rubric": lambda text: (
        evaluation.create_rubric(text, content={"instructions": text, "criteria": [{"name": "n"}]}).content,
        {"schema_version": 1, "instructions": text, "criteria": [{"name": "n"}]},
    ),
    "cohort": lambda text: (evaluation.create_cohort(text, criteria={"models": [text]}).criteria["models"], [text]),
    "email": lambda text: (accounts.create_user(text).email, accounts.create_user and text.strip().lower()),
    "flag key": lambda text: (flags.set_flag(text, enabled=True).key, text),
    "list filter": lambda text: (evaluation.list_definitions(name=text), []),
    "find by email": lambda text: (accounts.find_user_by_email(text), None),
    "flag subject": lambda text: (flags.is_enabled("missing", subject=text), False),
    "api key": lambda text: (accounts.authenticate_api_key(text), None),
    **hostile_places.PLACES,
}


def attempt(place, text):
    """Write the text there: it comes back, or the refusal is a ValidationError and the transaction goes on."""
    with transaction():
        try:
            stored, expected = PLACES[place](text)
        except ValidationError as error:
            assert error.errors
        else:
            assert stored == expected
        assert flags.is_enabled("still working") is False


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_is_stored_faithfully_or_refused(db, place):
    """No string leads to anything but the same string or a ValidationError."""
    for text in HOSTILE:
        attempt(place, text)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("email", "no choice")])
def test_any_text_is_stored_faithfully_or_refused(db, place):
    """The same for text that nobody thought of, lone surrogates and NUL among it."""

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.text(st.characters(), max_size=120))
    def check(text):
        attempt(place, text)

    check()
