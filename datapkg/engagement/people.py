"""Anonymising a person: what names them goes, and what was done stays."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from datapkg import audit
from datapkg.engagement.authors import get_author
from datapkg.engagement.documents import POST_METRICS
from datapkg.engagement.held import refuse_held
from datapkg.engagement.locking import actor_text, locked
from datapkg.engagement.models import Author, Decision, Post, Reply
from datapkg.engagement.naming import masking, naming
from datapkg.engagement.oversight_models import CommunityChampion, Escalation, LegalHold
from datapkg.engagement.posts import ANONYMISED_CONTENT
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.instants import as_instant
from datapkg.kit.models import now as clock

__all__ = ["anonymise_author"]

logger = logging.getLogger(__name__)

_PLACEHOLDER = "anonymised_"


def anonymise_author(
    author_id: UUID | str, *, actor: UUID | str, reason: str, now: dt.datetime | None = None
) -> Author:
    """Take out everything that names an author, for good, and record who did it; doing it again changes nothing.

    Account key, handle and the keys of posts become placeholders that are made of the rows' own keys, so there is
    nothing to turn back. Display name, tags, history and the figures of the account go; so do the content and the
    figures of posts, keywords and flags that name the person, what decisions rest on, the row of a champion, and the
    details of what the audit log says about the author, whose chain stays valid. Replies, escalations and released
    holds stay; where their notes and reasons name the person, ``[anonymised]`` stands for the name, and the details of
    the audit log are erased.

    Args:
        author_id: who.
        actor: who says so, 1 to 200 characters: a user's key, or a name.
        reason: why, 1 to 1,000 characters; it is kept in the audit log, so it must not name the person.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such author.
        InvalidTransitionError: they, or a post of theirs, are under legal hold.
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> anonymise_author(author.id, actor="ann@example.com", reason="request 2026-114")  # doctest: +SKIP
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    told = {"author_id": author_id, "actor": actor_text(actor), "reason": reason}
    given: dict[str, Any] = load(schemas.Anonymisation, told, what="anonymisation of an author")
    key, who = given["author_id"], given["actor"]
    moment = as_instant(now)

    @run_in_transaction
    def anonymise() -> bool:
        # Posts, decisions and holds are written with the author locked, so nothing of theirs comes meanwhile.
        author = locked(Author, key, entity="author")
        if author.anonymised_at is not None:
            return False
        refuse_held(author)
        _lock_posts(key)
        _empty_keywords(author)
        named = _mask_texts(author)
        _empty_posts(key)
        _empty_author(key, moment)
        CommunityChampion.delete().where(CommunityChampion.author == key).execute()
        # The audit log last, because writing to it makes all others who do so wait.
        for entity, entity_id in [("author", key), *named]:
            audit.erase_details(entity, entity_id=entity_id, actor=who)
        details = {"reason": given["reason"]}
        audit.record("author", entity_id=key, action="anonymise_author", actor=who, details=details)
        return True

    if anonymise():
        logger.info("author anonymised", extra={"author_id": str(key)})
    return get_author(key)


def _empty_author(key: UUID, moment: dt.datetime) -> None:
    placeholder = f"{_PLACEHOLDER}{key.hex}"  # fits every platform's rules
    Author.update(
        platform_id=placeholder,
        handle=placeholder,
        display_name=None,
        follower_count=0,
        is_verified=False,
        archetype_tags=[],
        interaction_history=[],
        anonymised_at=moment,
    ).where(Author.id == key).execute()


def _lock_posts(key: UUID) -> None:
    """Lock the posts before their decisions, as everybody else does, so that nobody waits for us and we for them."""
    query = Post.select(Post.id).where(Post.author == key).order_by(Post.id)
    list((query.for_update() if current().dialect.for_update else query).tuples())


def _empty_posts(key: UUID) -> None:
    theirs = Post.select(Post.id).where(Post.author == key)
    Decision.update(signals_json={"data": {}}, temporal_context={"data": {}}).where(Decision.post.in_(theirs)).execute()
    database = current()
    mark = database.dialect.param
    sql = (
        f"UPDATE posts SET content = {mark}, raw_metrics = {database.dialect.json_value(mark)}, error_message = NULL,"
        f" platform_post_id = '{_PLACEHOLDER}' || CAST(id AS text), updated_at = {mark} WHERE author_id = {mark}"
    )
    no_metrics = POST_METRICS.dumps(POST_METRICS.validate({"values": {}}))
    database.change(sql, (ANONYMISED_CONTENT, no_metrics, Post.updated_at.db_value(clock()), str(key)))


def _mask_texts(author: Author) -> list[tuple[str, UUID]]:
    """Mask the author's names in notes and reasons about them; return what the audit log names them at, too."""
    posts = Post.select(Post.id).where(Post.author == author.id)
    decisions = Decision.select(Decision.id).where(Decision.post.in_(posts))
    about: list[tuple[str, Any, Any, Any]] = [
        ("reply", Reply, Reply.delete_reason, Reply.decision.in_(decisions)),
        ("escalation", Escalation, Escalation.resolution_notes, Escalation.post.in_(posts)),
        ("legal_hold", LegalHold, LegalHold.reason, (LegalHold.author == author.id) | LegalHold.post.in_(posts)),
    ]
    names_them = naming(author)
    named: list[tuple[str, UUID]] = []
    for entity, model, column, theirs in about:
        masked = masking(author, ANONYMISED_CONTENT, longest=column.max_length)
        for key, text in list(model.select(model.id, column).where(theirs).order_by(model.id).tuples()):
            if text is not None and (after := masked(text)) != text:
                model.update({column: after}).where(model.id == key).execute()
            entries = audit.list_entries(entity_type=entity, entity_id=key, limit=1000)
            if any(names_them(str(value)) for each in entries for value in _values(each.details)):
                named.append((entity, key))
    return named


def _values(details: object) -> list[object]:
    if isinstance(details, dict):
        return [value for each in details.values() for value in _values(each)]
    if isinstance(details, list):
        return [value for each in details for value in _values(each)]
    return [] if details is None else [details]


def _empty_keywords(author: Author) -> None:
    """Take out of posts and decisions the keywords, flags and competitors that name the author."""
    names_them = naming(author)
    for post in list(
        Post.select(Post.id, Post.keyword_matches, Post.keyword_categories).where(Post.author == author.id)
    ):
        change = {}
        for column in ("keyword_matches", "keyword_categories"):
            before = getattr(post, column)
            after = [each for each in before if not names_them(str(each))]
            if after != before:
                change[column] = after
        if change:
            Post.update(**change).where(Post.id == post.id).execute()
    theirs = Post.select(Post.id).where(Post.author == author.id)
    for decision in list(
        Decision.select(Decision.id, Decision.safety_flags, Decision.competitor_detected).where(
            Decision.post.in_(theirs)
        )
    ):
        flags = [each for each in decision.safety_flags if not names_them(str(each))]
        competitor = decision.competitor_detected
        if competitor is not None and names_them(competitor):
            competitor = None
        if (flags, competitor) != (decision.safety_flags, decision.competitor_detected):
            Decision.update(safety_flags=flags, competitor_detected=competitor).where(
                Decision.id == decision.id
            ).execute()
