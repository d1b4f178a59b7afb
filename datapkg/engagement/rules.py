"""What posts, authors and replies have to be like: the checks, by the rules that are configured.

The messages are those of the schemas that these rules come from, word for word, so that programs which look for them
go on working. A refusal also says which rule of which version refused, and where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from datapkg.engagement.folding import occurrences
from datapkg.engagement.rule_settings import DEFAULT_RULES, ContentRules, configure_rules, content_rules, use_rules
from datapkg.kit.errors import ValidationError

__all__ = [
    "DEFAULT_RULES",
    "RULE_MESSAGES",
    "ContentRules",
    "Violation",
    "author_violations",
    "check_author",
    "check_post",
    "check_reply",
    "configure_rules",
    "content_rules",
    "load_checked",
    "post_violations",
    "refusal",
    "reply_violations",
    "use_rules",
]

RULE_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "post.content.empty": "Post content cannot be empty",
        "post.content.too-long": "Post content exceeds maximum length",
        "post.id.format": "Invalid post ID format",
        "post.id.too-long": "Post ID exceeds maximum length",
        "post.keywords.none": "Must match at least one keyword",
        "post.keywords.too-many": "Too many keyword matches",
        "author.handle.format": "Invalid handle format",
        "author.handle.too-long": "Handle exceeds maximum length",
        "reply.too-short": "Reply too short",
        "reply.too-long": "Reply exceeds maximum length",
        "reply.signature": "Reply must include signature",
        "reply.prohibited-claim": "Reply contains prohibited medical claims",
        "reply.utm-code.format": "Invalid UTM code",
        "reply.utm-code.too-long": "UTM code exceeds maximum length",
    }
)
"""What each rule says when it refuses, by its id."""


@dataclass(frozen=True)
class Violation:
    """That one rule refuses one text.

    Attributes:
        path: the field.
        rule: the rule's id, a key of ``RULE_MESSAGES``.
        version: the version of the rules.
        span: from where to where in the raw text, in characters, the end not included; None where it is no text.
    """

    path: str
    rule: str
    version: str
    span: tuple[int, int] | None = None

    @property
    def message(self) -> str:
        """What the rule says."""
        return RULE_MESSAGES[self.rule]


def _format_problems(
    path: str, rule: str, value: str, pattern: str, longest: int, rules: ContentRules
) -> Iterator[Violation]:
    """Yield what is wrong with a short text that has a pattern and a greatest length."""
    if not re.fullmatch(pattern, value):
        fits = re.match(pattern, value)
        yield Violation(path, f"{rule}.format", rules.version, (fits.end() if fits else 0, len(value)))
    if len(value) > longest:
        yield Violation(path, f"{rule}.too-long", rules.version, (longest, len(value)))


def post_violations(
    *,
    content: str | None = None,
    platform: str | None = None,
    platform_post_id: str | None = None,
    author_handle: str | None = None,
    keyword_matches: list[str] | None = None,
) -> list[Violation]:
    """Return what the rules refuse about a post; a field that is left out is not looked at.

    Args:
        content: what it says.
        platform: one of ``PLATFORMS``; the handle's pattern depends on it.
        platform_post_id: the platform's key of it.
        author_handle: who wrote it.
        keyword_matches: the keywords it was found by.
    """
    rules = content_rules()
    found: list[Violation] = []
    if content is not None and not content:
        found.append(Violation("content", "post.content.empty", rules.version, (0, 0)))
    if content is not None and len(content) > rules.post_max_length:
        beyond = (rules.post_max_length, len(content))
        found.append(Violation("content", "post.content.too-long", rules.version, beyond))
    if platform_post_id is not None:
        given = "platform_post_id", "post.id", platform_post_id
        found += _format_problems(*given, rules.post_id_pattern, rules.post_id_max_length, rules)
    if author_handle is not None and platform is not None:
        found += author_violations(author_handle, platform, path="author_handle")
    if keyword_matches is not None and not keyword_matches:
        found.append(Violation("keyword_matches", "post.keywords.none", rules.version))
    if keyword_matches is not None and len(keyword_matches) > rules.max_keywords:
        found.append(Violation("keyword_matches", "post.keywords.too-many", rules.version))
    return found


def author_violations(handle: str, platform: str, *, path: str = "handle") -> list[Violation]:
    """Return what the rules refuse about an author's handle.

    Args:
        handle: what the account is called.
        platform: where, one of ``PLATFORMS``.
        path: what the violations call the field.
    """
    rules = content_rules()
    pattern = rules.handle_patterns[platform]
    return list(_format_problems(path, "author.handle", handle, pattern, rules.handle_max_length, rules))


def reply_violations(content: str | None, platform: str | None, utm_code: str | None = None) -> list[Violation]:
    """Return what the rules refuse about a reply; a part that is None is not looked at.

    Prohibited claims are looked for in the text as a reader sees it (NFKC, without characters that show nothing), and
    the signature in the raw text.

    Args:
        content: what it says.
        platform: where it goes, one of ``PLATFORMS``.
        utm_code: what its links are counted by.
    """
    rules = content_rules()
    found: list[Violation] = []
    if content is not None:
        length, longest = len(content), rules.reply_length(platform)
        if length < rules.reply_min_length:
            found.append(Violation("content", "reply.too-short", rules.version, (0, length)))
        if length > longest:
            found.append(Violation("content", "reply.too-long", rules.version, (longest, length)))
        if rules.signature not in content:
            found.append(Violation("content", "reply.signature", rules.version, (length, length)))
        # A text beyond every length is refused anyway, and may be of any size.
        searched = content[: rules.reply_max_length + 1]
        for claims in rules.prohibited_claims:
            for span in occurrences(re.compile(claims, re.IGNORECASE), searched):
                found.append(Violation("content", "reply.prohibited-claim", rules.version, span))
    if utm_code is not None:
        given = "utm_code", "reply.utm-code", utm_code
        found += _format_problems(*given, rules.utm_pattern, rules.utm_max_length, rules)
    return found


def refusal(
    violations: Iterable[Violation], *, what: str, errors: Mapping[str, list[str]] | None = None
) -> ValidationError:
    """Return the error for violations, and for what else is wrong with the same input.

    Its ``meta["violations"]`` lists ``{path, rule, version, message, span}`` for each place; ``rule``, ``version`` and
    ``span`` of the first stand in ``meta`` too.

    Args:
        violations: what the rules refuse.
        what: what the error calls the input.
        errors: complaints of other kinds, by path.
    """
    merged: dict[str, list[str]] = {path: list(messages) for path, messages in (errors or {}).items()}
    listed: list[dict[str, object]] = []
    for each in violations:
        messages = merged.setdefault(each.path, [])
        if each.message not in messages:
            messages.append(each.message)
        span = None if each.span is None else list(each.span)
        place = {"rule": each.rule, "version": each.version, "span": span}
        listed.append({"path": each.path, "message": each.message, **place})
    error = ValidationError(merged, what=what)
    if listed:
        error.meta |= {**{name: listed[0][name] for name in ("rule", "version", "span")}, "violations": listed}
    return error


def load_checked(
    load_them: Callable[[], dict[str, Any]],
    given: Mapping[str, Any],
    check: Callable[[Mapping[str, Any]], Iterable[Violation]],
    *,
    what: str,
) -> dict[str, Any]:
    """Return columns that both their schema and the rules accept, or raise with every complaint of both.

    Args:
        load_them: validates by schemas, and returns the columns.
        given: the input by field.
        check: returns the violations of what is given, less the fields that the schemas refuse.
        what: what the error calls the input.

    Raises:
        ValidationError: see :func:`refusal`.
    """
    columns: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    try:
        columns = load_them()
    except ValidationError as error:
        errors = error.errors
    refused = {path.partition(".")[0] for path in errors}
    violations = list(check({name: value for name, value in given.items() if name not in refused}))
    if errors or violations:
        raise refusal(violations, what=what, errors=errors)
    return columns


def check_post(
    content: str,
    platform: str,
    platform_post_id: str,
    keyword_matches: list[str],
    author_handle: str | None = None,
) -> None:
    """Raise unless the rules accept a post.

    Args:
        content: what it says.
        platform: one of ``PLATFORMS``.
        platform_post_id: the platform's key of it.
        keyword_matches: the keywords it was found by.
        author_handle: who wrote it.

    Raises:
        ValidationError: with every complaint; see :func:`refusal`.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    given = {
        "content": content,
        "platform": platform,
        "platform_post_id": platform_post_id,
        "keyword_matches": keyword_matches,
        "author_handle": author_handle,
    }
    load_checked(lambda: load(schemas.PostTexts, given), given, lambda sound: post_violations(**sound), what="post")


def check_author(handle: str, platform: str) -> None:
    """Raise unless the rules accept an author's handle.

    Args:
        handle: what the account is called.
        platform: where, one of ``PLATFORMS``.

    Raises:
        ValidationError: with every complaint; see :func:`refusal`.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    given = {"handle": handle, "platform": platform}
    load_checked(lambda: load(schemas.AuthorTexts, given), given, check_handle, what="author")


def check_handle(given: Mapping[str, Any]) -> list[Violation]:
    """Return the violations of an author's input, as :func:`load_checked` wants it.

    Args:
        given: ``handle`` and ``platform``; without both there is nothing to look at.
    """
    return author_violations(given["handle"], given["platform"]) if {"handle", "platform"} <= set(given) else []


def check_reply(content: str, platform: str, utm_code: str | None = None) -> None:
    """Raise unless the rules accept a reply.

    Args:
        content: what it says.
        platform: where it goes, one of ``PLATFORMS``.
        utm_code: what its links are counted by.

    Raises:
        ValidationError: with every complaint; see :func:`refusal`.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    given = {"content": content, "platform": platform, "utm_code": utm_code}
    load_checked(lambda: load(schemas.ReplyTexts, given), given, check_texts, what="reply")


def check_texts(given: Mapping[str, Any]) -> list[Violation]:
    """Return the violations of a reply's input, as :func:`load_checked` wants it.

    Args:
        given: ``content``, ``platform`` and ``utm_code``, as far as they are there.
    """
    return reply_violations(given.get("content"), given.get("platform"), given.get("utm_code"))
