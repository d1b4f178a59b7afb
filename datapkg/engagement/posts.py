"""Posts: recorded once however often they are found, and dealt with."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from datapkg.engagement.authors import refuse_anonymised
from datapkg.engagement.held import forget_released, locked_post
from datapkg.engagement.locking import locked, not_before
from datapkg.engagement.models import Author, Post
from datapkg.engagement.rules import Violation, load_checked, post_violations
from datapkg.kit.columns import load_columns
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert_many

__all__ = [
    "ANONYMISED_CONTENT",
    "delete_post",
    "find_post",
    "find_post_by_platform_id",
    "get_post",
    "list_posts",
    "mark_processed",
    "record_post",
]

logger = logging.getLogger(__name__)

ENTITY = "post"

ANONYMISED_CONTENT = "[anonymised]"
"""What a post says whose author was anonymised."""

_by_id: Statement[Post] = Statement(lambda _: Post.select().where(Post.id == Param("id")), model=Post)
_by_platform_id: Statement[Post] = Statement(
    lambda _: Post.select().where(
        (Post.platform == Param("platform")) & (Post.platform_post_id == Param("platform_post_id"))
    ),
    model=Post,
)


def record_post(
    platform: str,
    *,
    platform_post_id: str,
    author_id: UUID | str,
    content: str,
    keyword_matches: Sequence[str],
    keyword_categories: Sequence[str] | None = None,
    detected_at: dt.datetime | None = None,
    spam_filtered: bool = False,
    raw_metrics: Mapping[str, float] | None = None,
) -> Post:
    """Record a post that was found; of one that is recorded already, return the row as it is.

    A post is the same again if author and content are the same; whatever else is given then has no effect. Of several
    at once, one writes.

    Args:
        platform: one of ``PLATFORMS``.
        platform_post_id: the platform's own key of it, by the rules of ``content_rules()``.
        author_id: who wrote it; an author of the same platform.
        content: what it says, by the rules.
        keyword_matches: the keywords it was found by, texts of 1 to 200 characters; their number is the rules'.
        keyword_categories: their categories, up to 100 texts.
        detected_at: when it was found, by default now; retention counts from here.
        spam_filtered: whether it was taken for spam.
        raw_metrics: figures by name, such as ``{"likes": 3}``.

    Raises:
        NotFoundError: there is no such author.
        ConflictError: another author's post, or one that says something else, has this key on this platform.
        InvalidTransitionError: the author was anonymised.
        ValidationError: with every complaint; where the rules refused it, ``meta`` says by which. Nothing is written.

    Example:
        >>> record_post("REDDIT", platform_post_id="p1", author_id=author.id, content="I can't sleep.",
        ...     keyword_matches=["sleep"])  # doctest: +SKIP
    """
    told = {
        "platform": platform,
        "platform_post_id": platform_post_id,
        "author_id": author_id,
        "content": content,
        "keyword_matches": keyword_matches,
        "keyword_categories": keyword_categories,
        "detected_at": detected_at,
        "spam_filtered": spam_filtered,
    }
    row = _checked(told, {} if raw_metrics is None else {"raw_metrics": {"values": raw_metrics}})
    key = row.pop("author_id")
    made = clock()
    row = {"detected_at": made, **row, "author": key, "id": new_id(), "created_at": made, "updated_at": made}

    @run_in_transaction
    def write() -> Post:
        author = locked(Author, key, entity="author")
        refuse_anonymised(author)
        if author.platform != platform:
            problem = f"This author is on {author.platform}, and the post on {platform}."
            raise ValidationError({"author_id": [problem]}, what=ENTITY)
        stored: Post | None = None
        while stored is None:  # again only if somebody deletes it just now
            if insert_many(Post, [row], unless=("platform", "platform_post_id")):
                return get_post(row["id"])
            stored = _by_platform_id.one(platform=platform, platform_post_id=platform_post_id)
        return _same(stored, key, content)

    post = write()
    if post.id == row["id"]:
        logger.info("post recorded", extra={"post_id": str(post.id), "platform": platform})
    return post


def _checked(told: Mapping[str, Any], documents: Mapping[str, object]) -> dict[str, Any]:
    from datapkg.engagement import schemas

    optional = ("keyword_categories", "detected_at")
    given = {name: value for name, value in told.items() if value is not None or name not in optional}
    looked_at = ("content", "platform", "platform_post_id", "keyword_matches")

    def violations(sound: Mapping[str, Any]) -> list[Violation]:
        return post_violations(**{name: sound[name] for name in looked_at if name in sound})

    return load_checked(
        lambda: load_columns(Post, schemas.NewPost, given=given, documents=documents, what=ENTITY),
        given,
        violations,
        what=ENTITY,
    )


def _same(stored: Post, author: UUID, content: str) -> Post:
    differing = [
        name
        for name, same in (("author_id", stored.author_id == author), ("content", stored.content == content))
        if not same
    ]
    if differing:
        raise ConflictError(
            f"The {stored.platform} post {stored.platform_post_id} is recorded with another {' and '.join(differing)}.",
            fix="Leave the record of what was found first, or delete it with delete_post and record it anew.",
            constraint="uq_posts_platform_platform_post_id",
            table="posts",
            columns=("platform", "platform_post_id"),
            post_id=str(stored.id),
            differing=differing,
        )
    return stored


def mark_processed(post_id: UUID | str, *, error: str | None = None, now: dt.datetime | None = None) -> Post:
    """Say that a post was dealt with, or that dealing with it failed.

    A success notes its time, once, and clears the message of a failure before. A failure is counted and leaves the
    post to be dealt with again.

    Args:
        post_id: which.
        error: how it failed, 1 to 10,000 characters; left out, it did not.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such post.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    told = {"post_id": post_id} if error is None else {"post_id": post_id, "error": error}
    given: dict[str, Any] = load(schemas.Processing, told, what="processing of a post")
    key, moment = given["post_id"], as_instant(now)

    @run_in_transaction
    def mark() -> Post:
        post = locked(Post, key, entity=ENTITY)
        if error is None:
            # The clock may have been set back since the post was found.
            at = post.processed_at or not_before(moment, post.detected_at)
            change: dict[str, Any] = {"processed_at": at, "error_message": None}
        else:
            # A message may quote what was erased meanwhile.
            message = None if post.content == ANONYMISED_CONTENT else given["error"]
            change = {"error_count": post.error_count + 1, "error_message": message}
        Post.update(**change).where(Post.id == key).execute()
        return get_post(key)

    return mark()


def get_post(post_id: UUID | str) -> Post:
    """Return a post.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    post = find_post(post_id)
    if post is None:
        raise NotFoundError(ENTITY, post_id)
    return post


def find_post(post_id: UUID | str) -> Post | None:
    """Return a post, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(post_id, "post_id"))


def find_post_by_platform_id(platform: str, *, platform_post_id: str) -> Post | None:
    """Return the post with a platform's own key, or None.

    Args:
        platform: one of ``PLATFORMS``.
        platform_post_id: the platform's key.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    told = {"platform": platform, "platform_post_id": platform_post_id}
    return _by_platform_id.one(**load(schemas.PostKey, told, what="key of a post"))


def list_posts(
    *,
    platform: str | None = None,
    author_id: UUID | str | None = None,
    processed: bool | None = None,
    detected_from: dt.datetime | None = None,
    detected_before: dt.datetime | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Post]:
    """Return a page of posts, newest first.

    Args:
        platform: only on this platform.
        author_id: only by this author.
        processed: only those that were dealt with, or that were not.
        detected_from: only found at this instant or later.
        detected_before: only found before this instant.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import schemas

    given = {
        "platform": platform,
        "author_id": author_id,
        "processed": processed,
        "detected_from": detected_from,
        "detected_before": detected_before,
        "limit": limit,
        "after": after,
    }
    where: dict[str, Any] = {
        "platform": Post.platform.__eq__,
        "author_id": Post.author.__eq__,
        "processed": lambda done: Post.processed_at.is_null(not done),
        "detected_from": Post.detected_at.__ge__,
        "detected_before": Post.detected_at.__lt__,
    }
    return list_page(Post, schemas.PostFilters, what="list of posts", given=given, where=where)


def delete_post(post_id: UUID | str) -> None:
    """Delete a post, its decisions, mentions and released holds; replies and escalations stay, without them.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it, or everything of its author, is under legal hold.
        ValidationError: the key is not a UUID.
    """
    key = as_id(post_id, "post_id")

    @run_in_transaction
    def delete() -> None:
        locked_post(key)
        forget_released(post_id=key)
        delete_row(Post, key, entity=ENTITY)

    delete()
    logger.info("post deleted", extra={"post_id": str(key)})
