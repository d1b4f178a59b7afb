"""The configuration of what posts, authors and replies have to be like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType

from datapkg.engagement.vocabulary import PLATFORMS
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.json_values import text_problem

__all__ = ["DEFAULT_RULES", "ContentRules", "configure_rules", "content_rules", "use_rules"]

_HANDLES: Mapping[str, str] = {
    "TWITTER": "[A-Za-z0-9_]+",
    "REDDIT": "[A-Za-z0-9_-]+",
    "THREADS": "[A-Za-z0-9_.]+",
}


@dataclass(frozen=True, kw_only=True)
class ContentRules:
    """The configuration of the checks; ``dataclasses.replace(DEFAULT_RULES, …)`` changes some of it.

    Lengths are in characters (code points). Patterns are regular expressions that have to match the whole text;
    ``prohibited_claims`` are searched for anywhere, upper and lower case alike.

    Attributes:
        version: what refusals call this configuration; give each of yours its own.
        post_max_length: of a post's content, 1 to 5,000.
        post_id_max_length: of a platform's key of a post, 1 to 100.
        post_id_pattern: what such a key looks like.
        handle_max_length: of a handle, 1 to 50.
        handle_patterns: what a handle looks like, by platform.
        max_keywords: how many keywords a post may match, at least 1.
        reply_min_length: of a reply, 10 to ``reply_max_length``.
        reply_max_length: of a reply, up to 1,000.
        reply_platform_lengths: a smaller maximum, for platforms that have one.
        signature: what every reply has to contain, exactly; empty for none.
        prohibited_claims: what no reply may say.
        utm_pattern: what a UTM code looks like.
        utm_max_length: of a UTM code, 1 to 100.

    Raises:
        ConfigurationError: a setting cannot be used, or allows what the tables do not hold.
    """

    version: str = "1"
    post_max_length: int = 5000
    post_id_max_length: int = 100
    post_id_pattern: str = "[a-zA-Z0-9_-]+"
    handle_max_length: int = 50
    handle_patterns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(dict(_HANDLES)))
    max_keywords: int = 50
    reply_min_length: int = 10
    reply_max_length: int = 1000
    reply_platform_lengths: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"TWITTER": 280}))
    signature: str = "—Antone (Vita)"
    prohibited_claims: tuple[str, ...] = ("cure|prevent|treat|clinically proven",)
    utm_pattern: str = "[a-z0-9_-]+"
    utm_max_length: int = 100

    def __post_init__(self) -> None:
        if not isinstance(self.version, str) or not self.version or text_problem(self.version):
            raise _unusable("version", self.version, "Give it a name, such as '2'.")
        self._check_lengths()
        if not isinstance(self.signature, str) or len(self.signature) > self.reply_max_length:
            raise _unusable("signature", self.signature, "Give a text that fits into a reply.")
        if not isinstance(self.prohibited_claims, (tuple, list)):  # a text would be searched for letter by letter
            raise _unusable("prohibited_claims", self.prohibited_claims, "Give a tuple of regular expressions.")
        object.__setattr__(self, "prohibited_claims", tuple(self.prohibited_claims))
        if not isinstance(self.handle_patterns, Mapping) or set(self.handle_patterns) != set(PLATFORMS):
            raise _unusable("handle_patterns", self.handle_patterns, f"Give one for each of {', '.join(PLATFORMS)}.")
        patterns = (*self.prohibited_claims, *self.handle_patterns.values(), self.post_id_pattern, self.utm_pattern)
        for pattern in patterns:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise _unusable("pattern", pattern, f"Correct the regular expression: {error}.") from error
        for name in ("handle_patterns", "reply_platform_lengths"):  # a copy, which nobody else can change
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def _check_lengths(self) -> None:
        bounds = {
            "post_max_length": (1, 5000),
            "post_id_max_length": (1, 100),
            "handle_max_length": (1, 50),
            "max_keywords": (1, 10_000),
            "reply_max_length": (10, 1000),
            "utm_max_length": (1, 100),
        }
        for name, (low, high) in bounds.items():
            _check_length(name, getattr(self, name), low, high)
        _check_length("reply_min_length", self.reply_min_length, 10, self.reply_max_length)
        if not isinstance(self.reply_platform_lengths, Mapping) or set(self.reply_platform_lengths) - set(PLATFORMS):
            raise _unusable("reply_platform_lengths", self.reply_platform_lengths, f"Name only {', '.join(PLATFORMS)}.")
        for platform, length in self.reply_platform_lengths.items():
            name = f"reply_platform_lengths[{platform!r}]"
            _check_length(name, length, self.reply_min_length, self.reply_max_length)

    def reply_length(self, platform: object) -> int:
        """Return how many characters a reply on a platform may have.

        Args:
            platform: one of ``PLATFORMS``; for anything else it is the general maximum.
        """
        limit = self.reply_platform_lengths.get(platform) if isinstance(platform, str) else None
        return self.reply_max_length if limit is None else limit


def _check_length(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise _unusable(name, value, f"Give a whole number, {low} to {high}.")


def _unusable(name: str, value: object, fix: str) -> ConfigurationError:
    return ConfigurationError(f"The content rule {name} cannot be {value!r}.", fix=fix)


DEFAULT_RULES = ContentRules()
"""The rules unless others are configured."""

_configured: list[ContentRules] = [DEFAULT_RULES]
_override: ContextVar[ContentRules | None] = ContextVar("datapkg_content_rules", default=None)


def content_rules() -> ContentRules:
    """Return the rules in force in this thread or task."""
    return _override.get() or _configured[0]


def configure_rules(rules: ContentRules) -> None:
    """Set the rules of the whole process; what is stored already is not looked at again.

    Args:
        rules: the rules from now on.

    Raises:
        ConfigurationError: that is no ``ContentRules``.
    """
    _configured[0] = _checked(rules)


@contextmanager
def use_rules(rules: ContentRules) -> Iterator[ContentRules]:
    """Use other rules in the current thread or task until the block ends.

    Args:
        rules: the rules within the block.

    Raises:
        ConfigurationError: that is no ``ContentRules``.
    """
    token = _override.set(_checked(rules))
    try:
        yield rules
    finally:
        _override.reset(token)


def _checked(rules: object) -> ContentRules:
    if not isinstance(rules, ContentRules):
        raise ConfigurationError(
            f"Content rules cannot be {type(rules).__name__}.", fix="Give a ContentRules, such as DEFAULT_RULES."
        )
    return rules
