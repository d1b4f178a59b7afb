"""The rules of posts, authors and replies: each refuses in the original's words, and lets the near miss pass."""

from __future__ import annotations

import dataclasses
import random
import re
import sys
import threading
import unicodedata

import pytest

from datapkg import engagement
from datapkg.engagement import DEFAULT_RULES, ContentRules
from datapkg.engagement.folding import fold, occurrences
from datapkg.engagement.rules import RULE_MESSAGES
from datapkg.errors import ConfigurationError, ValidationError

SIGNED = " —Antone (Vita)"
CLAIM = "reply.prohibited-claim"
POST = {"content": "x", "platform": "TWITTER", "platform_post_id": "a-1_Z", "keyword_matches": ["sleep"]}


def refused(check, *arguments, **named):
    """Return the error that a check raises, and its violations as ``(rule, part of the raw text)``."""
    with pytest.raises(ValidationError) as caught:
        check(*arguments, **named)
    texts = {**dict(zip(("content", "platform", "utm_code"), arguments, strict=False)), **named}
    violations = [
        (each["rule"], each["span"] and texts[each["path"]][slice(*each["span"])])
        for each in caught.value.meta.get("violations", [])
    ]
    return caught.value, violations


def reply(text):
    """Make a reply of a text: signed, and long enough."""
    return text + SIGNED


@pytest.mark.parametrize(
    ("change", "path", "message", "rule", "part"),
    [
        ({"content": ""}, "content", "Post content cannot be empty", "post.content.empty", ""),
        (
            {"content": "é" * 5001},
            "content",
            "Post content exceeds maximum length",
            "post.content.too-long",
            "é",
        ),
        ({"platform_post_id": "ab c"}, "platform_post_id", "Invalid post ID format", "post.id.format", " c"),
        ({"platform_post_id": ""}, "platform_post_id", "Invalid post ID format", "post.id.format", ""),
        ({"platform_post_id": "a\n"}, "platform_post_id", "Invalid post ID format", "post.id.format", "\n"),
        ({"platform_post_id": "ａ"}, "platform_post_id", "Invalid post ID format", "post.id.format", "ａ"),
        (
            {"platform_post_id": "a" * 101},
            "platform_post_id",
            "Post ID exceeds maximum length",
            "post.id.too-long",
            "a",
        ),
        ({"author_handle": "night-owl"}, "author_handle", "Invalid handle format", "author.handle.format", "-owl"),
        ({"keyword_matches": []}, "keyword_matches", "Must match at least one keyword", "post.keywords.none", None),
        (
            {"keyword_matches": ["k"] * 51},
            "keyword_matches",
            "Too many keyword matches",
            "post.keywords.too-many",
            None,
        ),
    ],
    ids=lambda value: "" if isinstance(value, dict) else None,
)
def test_each_rule_of_posts_refuses_in_the_words_of_the_original(change, path, message, rule, part):
    """The complaint stands at the field, with rule, version and the part of the text."""
    error, violations = refused(engagement.check_post, **{**POST, **change})
    assert error.errors == {path: [message]}
    assert violations == [(rule, part)]
    assert (error.meta["rule"], error.meta["version"]) == (rule, "1")
    assert error.meta["span"] == error.meta["violations"][0]["span"]


@pytest.mark.parametrize(
    "change",
    [
        {"content": "\U0001f600" * 5000},
        {"content": " "},
        {"platform_post_id": "a" * 100},
        {"keyword_matches": ["k"] * 50},
        {"author_handle": "a" * 50},
        {"author_handle": "night-owl", "platform": "REDDIT"},
        {"author_handle": "night.owl", "platform": "THREADS"},
    ],
    ids=["longest", "a-space", "longest-id", "most-keywords", "longest-handle", "reddit", "threads"],
)
def test_the_near_misses_of_posts_are_accepted(change):
    """What is just within each rule passes; lengths count characters, not their bytes."""
    engagement.check_post(**{**POST, **change})


@pytest.mark.parametrize(
    ("platform", "good", "bad"),
    [
        ("TWITTER", "Night_Owl9", "night-owl"),
        ("TWITTER", "a", "night.owl"),
        ("REDDIT", "night-owl_", "night.owl"),
        ("THREADS", "night.owl_", "night-owl"),
        ("THREADS", "a" * 50, "a" * 51),
        ("REDDIT", "0", ""),
        ("REDDIT", "K", "\u212a"),  # the Kelvin sign
        ("TWITTER", "owl", "owl\n"),
    ],
)
def test_handles_are_what_the_platform_allows(platform, good, bad):
    """Reddit knows a hyphen, Threads a full stop, Twitter neither; only ASCII counts."""
    engagement.check_author(good, platform)
    message = "Handle exceeds maximum length" if len(bad) > 50 else "Invalid handle format"
    assert refused(engagement.check_author, handle=bad, platform=platform)[0].errors == {"handle": [message]}


@pytest.mark.parametrize(
    ("content", "utm", "platform", "rules"),
    [
        ("x" * 9, None, "REDDIT", ["reply.too-short", "reply.signature"]),
        ("x" * (1001 - len(SIGNED)) + SIGNED, None, "REDDIT", ["reply.too-long"]),
        ("x" * (281 - len(SIGNED)) + SIGNED, None, "TWITTER", ["reply.too-long"]),
        ("x" * 10, None, "REDDIT", ["reply.signature"]),
        ("Hello all. -Antone (Vita)", None, "REDDIT", ["reply.signature"]),
        ("Hello all. \u2014Antone\u200b (Vita)", None, "REDDIT", ["reply.signature"]),
        ("Hello all. \u2014Antone (Ｖita)", None, "REDDIT", ["reply.signature"]),
        ("It CURES." + SIGNED, None, "REDDIT", [CLAIM]),
        ("Stay secure." + SIGNED, None, "REDDIT", [CLAIM]),
        ("It prevents it." + SIGNED, None, "REDDIT", [CLAIM]),
        ("A treat for you." + SIGNED, None, "REDDIT", [CLAIM]),
        ("Clinically Proven." + SIGNED, None, "REDDIT", [CLAIM]),
        ("Hello all." + SIGNED, "Summer", "REDDIT", ["reply.utm-code.format"]),
        ("Hello all." + SIGNED, "", "REDDIT", ["reply.utm-code.format"]),
        ("Hello all." + SIGNED, "a" * 101, "REDDIT", ["reply.utm-code.too-long"]),
        ("", "a b", "THREADS", ["reply.too-short", "reply.signature", "reply.utm-code.format"]),
    ],
)
def test_each_rule_of_replies_refuses(content, utm, platform, rules):
    """Every complaint comes at once, each in the words of its rule."""
    error, violations = refused(engagement.check_reply, content, platform, utm)
    assert [rule for rule, _ in violations] == rules
    said = [message for messages in error.errors.values() for message in messages]
    assert said == [RULE_MESSAGES[rule] for rule in rules]


@pytest.mark.parametrize(
    ("content", "utm", "platform"),
    [
        ("x" * (1000 - len(SIGNED)) + SIGNED, None, "REDDIT"),
        ("x" * (280 - len(SIGNED)) + SIGNED, "a-z_0", "TWITTER"),
        ("x" * (281 - len(SIGNED)) + SIGNED, "a" * 100, "THREADS"),
        ("\u2014Antone (Vita)", None, "TWITTER"),
        ("It is a cur, prevalent, with trea; clinically  proven: cu re." + SIGNED, None, "REDDIT"),
        ("c.u.r.e, pre-vent" + SIGNED, None, "REDDIT"),
    ],
)
def test_the_near_misses_of_replies_are_accepted(content, utm, platform):
    """What is just within each rule passes."""
    engagement.check_reply(content, platform, utm)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("it cu\u200bre s", ["cu\u200bre"]),  # zero-width space
        ("it cu\u200dre s", ["cu\u200dre"]),  # zero-width joiner
        ("it \u200bcure\u200b s", ["cure"]),
        ("it p\u00adre\u00advent s", ["p\u00adre\u00advent"]),  # soft hyphens
        ("it ｃｕｒｅ s", ["ｃｕｒｅ"]),
        ("\U0001f600\U0001f469\u200d\U0001f52c cure", ["cure"]),
        ("e\u0301 cure", ["cure"]),  # an accent that joins the letter before it
        ("\u1112\u1161\u11ab cure", ["cure"]),  # Hangul that joins to one syllable
        ("\uff76\uff9e cure", ["cure"]),  # half-width katakana that join
        ("\ufb01\ufb01 \u1d9cure", ["\u1d9cure"]),  # ligatures before it, and a superscript c
        ("tr\u200beat and \u24d2ure", ["tr\u200beat", "\u24d2ure"]),  # two of them, one in a circle
        ("clin\u2060ically\u00a0proven", ["clin\u2060ically\u00a0proven"]),  # a space that does not break
        ("cu\ufe0fre", ["cu\ufe0fre"]),  # a variation selector
        ("\u202ecure\u202c", ["cure"]),  # the other direction
        ("cu\U000e0072re", ["cu\U000e0072re"]),  # a tag character
        ("\u017fecure", ["cure"]),  # a long s
        ("CU\u200bRE", ["CU\u200bRE"]),
        ("it cu\x7fre", ["cu\x7fre"]),  # a control character
    ],
)
def test_claims_are_found_however_they_are_dressed_up(raw, parts):
    """The text is searched as a reader sees it, and the span leads to what was really written."""
    violations = refused(engagement.check_reply, reply(raw), "REDDIT")[1]
    assert violations == [(CLAIM, part) for part in parts]


def test_a_ligature_is_within_the_span_as_a_whole():
    """A match that begins within a character of several letters takes in the character."""
    with engagement.use_rules(dataclasses.replace(DEFAULT_RULES, prohibited_claims=("ine",))):
        assert refused(engagement.check_reply, reply("\ufb01ne, all of it"), "REDDIT")[1] == [(CLAIM, "\ufb01ne")]


def test_the_way_back_is_right_for_any_text():
    """Of texts out of characters that fold, join and vanish, each letter's span holds what it was made of."""
    odd = "aé\u0301\u0327\u200b\u00ad\ufb03\ufb01\uff43\u1112\u1161\u11ab\u3131\uff76\uff9e\uff9f"
    odd += "\u0f73\U0001f600\ufe0f\u0344\u00bd\ufdfa Z"
    rng = random.Random(20260101)
    for _ in range(300):
        text = "".join(rng.choices(odd, k=rng.randint(0, 12)))
        folded = fold(text)
        assert folded == unicodedata.normalize("NFKC", folded)
        assert not any(unicodedata.category(char) == "Cf" for char in folded)
        spans = list(occurrences(re.compile(".", re.DOTALL), text))
        assert len(spans) == len(folded)
        assert spans == sorted(spans)
        parts = [text[start:end] for start, end in dict.fromkeys(spans)]
        assert "".join(map(fold, parts)) == folded


def test_every_invisible_character_is_removed():
    """No format character is left, of all that Unicode has, and no control."""
    formats = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    free = "\u2065\ufff0\U000e0002\U000e0fff"  # reserved for more of the kind
    controls = "\x01\x08\x1b\x7f\x80\x9f"
    assert fold("cu" + "".join(formats) + free + controls + "re") == "cure"
    assert fold("cu\x7fre") == "cure"
    assert fold("a\tb\nc\x85d") == "a\tb\nc\x85d"  # white space shows


@pytest.mark.parametrize("given", [None, 7, b"x", "a\0b", "\ud800"])
def test_what_is_no_text_is_a_complaint_among_others(given):
    """A check never fails otherwise, and goes on to the other fields."""
    error, _ = refused(engagement.check_reply, given, "MYSPACE", "A")
    assert set(error.errors) == {"content", "platform", "utm_code"}


def test_a_huge_text_is_refused_quickly_and_whole():
    """A text far beyond every length, full of claims and accents, ends with its few complaints."""
    error, _ = refused(engagement.check_reply, ("cure\u0301" + "\u0301" * 50) * 100_000, "REDDIT")
    assert "Reply exceeds maximum length" in error.errors["content"]


def test_rules_are_configured_for_a_block_or_the_process():
    """Within the block the rules and their version hold, in this thread only; afterwards the ones before do."""
    words = dataclasses.replace(
        DEFAULT_RULES,
        version="words-1",
        prohibited_claims=(r"\b(cures?|treats?)\b",),
        signature="",
        reply_min_length=12,
    )
    harmless = "Stay secure, all."
    with engagement.use_rules(words) as rules:
        assert engagement.content_rules() is rules
        engagement.check_reply(harmless, "TWITTER")
        error, _ = refused(engagement.check_reply, "It treats you.", "TWITTER")
        assert error.meta["version"] == "words-1"
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(engagement.content_rules()))
        thread.start()
        thread.join()
        assert elsewhere == [DEFAULT_RULES]
    assert engagement.content_rules() is DEFAULT_RULES
    engagement.configure_rules(words)
    try:
        engagement.check_reply(harmless, "TWITTER")
    finally:
        engagement.configure_rules(DEFAULT_RULES)
    refused(engagement.check_reply, harmless, "TWITTER")


@pytest.mark.parametrize(
    "change",
    [
        {"version": ""},
        {"post_max_length": 5001},
        {"post_max_length": True},
        {"reply_max_length": 1001},
        {"reply_min_length": 9},
        {"reply_min_length": 300},
        {"reply_platform_lengths": {"TWITTER": 1001}},
        {"reply_platform_lengths": {"MYSPACE": 280}},
        {"handle_patterns": {"TWITTER": "[a-z]+"}},
        {"prohibited_claims": "cure"},
        {"prohibited_claims": ("(",)},
        {"prohibited_claims": (7,)},
        {"utm_pattern": "["},
        {"signature": None},
        {"signature": "x" * 1001},
    ],
)
def test_rules_that_cannot_work_are_refused_when_they_are_made(change):
    """Also those that would allow what the tables do not hold."""
    with pytest.raises(ConfigurationError):
        dataclasses.replace(DEFAULT_RULES, **change)


def test_rules_cannot_be_changed_from_outside():
    """What was given stays the caller's: changing it later changes no rule."""
    lengths = {"REDDIT": 500}
    rules = ContentRules(reply_platform_lengths=lengths, prohibited_claims=["cure"])
    lengths["REDDIT"] = 20
    assert (rules.reply_length("REDDIT"), rules.reply_length("TWITTER")) == (500, 1000)
    with pytest.raises(TypeError):
        rules.reply_platform_lengths["REDDIT"] = 20
    with pytest.raises(ConfigurationError):
        engagement.configure_rules({"version": "2"})
    with pytest.raises(ConfigurationError), engagement.use_rules(None):
        pass
