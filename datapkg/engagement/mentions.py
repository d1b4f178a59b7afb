"""Mentions: that a post talks about a competitor."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.engagement.competitors import get_competitor
from datapkg.engagement.held import locked_post
from datapkg.engagement.locking import locked
from datapkg.engagement.models import Post
from datapkg.engagement.oversight_models import CompetitiveMention
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert_many

__all__ = ["delete_mention", "find_mention", "get_mention", "list_mentions", "record_mention"]

logger = logging.getLogger(__name__)

ENTITY = "competitive mention"

_by_id: Statement[CompetitiveMention] = Statement(
    lambda _: CompetitiveMention.select().where(CompetitiveMention.id == Param("id")), model=CompetitiveMention
)
_of: Statement[CompetitiveMention] = Statement(
    lambda _: CompetitiveMention.select().where(
        (CompetitiveMention.post == Param("post")) & (CompetitiveMention.competitor == Param("competitor"))
    ),
    model=CompetitiveMention,
)


def record_mention(
    post_id: UUID | str,
    *,
    competitor_id: UUID | str,
    sentiment: str,
    opportunity_score: float,
    satisfaction: str | None = None,
    replied: bool = False,
) -> CompetitiveMention:
    """Record that a post talks about a competitor; of what is recorded already, return the row.

    The same again changes nothing, except that ``replied`` becomes True once it is given as True, and stays so. Of
    several at once, one writes.

    Args:
        post_id: the post.
        competitor_id: the competitor.
        sentiment: one of ``SENTIMENTS``.
        opportunity_score: 0 to 1.
        satisfaction: one of ``SATISFACTIONS``.
        replied: whether it was answered.

    Raises:
        NotFoundError: there is no such post or competitor.
        ConflictError: it is recorded with another sentiment, satisfaction or score.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    told = {
        "post_id": post_id,
        "competitor_id": competitor_id,
        "sentiment": sentiment,
        "satisfaction": satisfaction,
        "opportunity_score": opportunity_score,
        "replied": replied,
    }
    row: dict[str, Any] = load(schemas.NewMention, told, what=ENTITY)
    row["opportunity_score"] += 0.0  # PostgreSQL would keep -0.0, and SQLite would not
    post, competitor = row.pop("post_id"), row.pop("competitor_id")
    row = {**row, "post": post, "competitor": competitor, "id": new_id(), "created_at": clock()}

    @run_in_transaction
    def write() -> CompetitiveMention:
        locked(Post, post, entity="post")  # so that it is not deleted meanwhile
        get_competitor(competitor)
        stored: CompetitiveMention | None = None
        while stored is None:  # again only if somebody deletes it just now
            if insert_many(CompetitiveMention, [row], unless=("post", "competitor")):
                return get_mention(row["id"])
            stored = _of.one(post=str(post), competitor=str(competitor))
        _refuse_other(stored, row)
        if row["replied"] and not stored.replied:
            CompetitiveMention.update(replied=True).where(CompetitiveMention.id == stored.id).execute()
        return get_mention(stored.id)

    return write()


def _refuse_other(stored: CompetitiveMention, row: dict[str, Any]) -> None:
    names = ("sentiment", "satisfaction", "opportunity_score")
    differing = [name for name in names if getattr(stored, name) != row[name]]
    if differing:
        raise ConflictError(
            f"That the post {stored.post_id} talks about this competitor is recorded with another"
            f" {' and '.join(differing)}.",
            fix="Leave the record that is there, or delete it with delete_mention and record it anew.",
            constraint="uq_competitive_mentions_post_id_competitor_id",
            table="competitive_mentions",
            columns=("post_id", "competitor_id"),
            mention_id=str(stored.id),
            differing=differing,
        )


def get_mention(mention_id: UUID | str) -> CompetitiveMention:
    """Return a mention.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    mention = find_mention(mention_id)
    if mention is None:
        raise NotFoundError(ENTITY, mention_id)
    return mention


def find_mention(mention_id: UUID | str) -> CompetitiveMention | None:
    """Return a mention, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(mention_id, "mention_id"))


def list_mentions(
    *,
    post_id: UUID | str | None = None,
    competitor_id: UUID | str | None = None,
    sentiment: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[CompetitiveMention]:
    """Return a page of mentions, newest first.

    Args:
        post_id: only in this post.
        competitor_id: only of this competitor.
        sentiment: only with this sentiment.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import schemas

    given = {
        "post_id": post_id,
        "competitor_id": competitor_id,
        "sentiment": sentiment,
        "limit": limit,
        "after": after,
    }
    where = {
        "post_id": CompetitiveMention.post.__eq__,
        "competitor_id": CompetitiveMention.competitor.__eq__,
        "sentiment": CompetitiveMention.sentiment.__eq__,
    }
    return list_page(CompetitiveMention, schemas.MentionFilters, what="list of mentions", given=given, where=where)


def delete_mention(mention_id: UUID | str) -> None:
    """Delete a mention.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: its post, or everything of the post's author, is under legal hold.
        ValidationError: the key is not a UUID.
    """
    key = as_id(mention_id, "mention_id")

    @run_in_transaction
    def delete() -> None:
        locked_post(get_mention(key).post_id)
        delete_row(CompetitiveMention, key, entity=ENTITY)

    delete()
    logger.info("competitive mention deleted", extra={"mention_id": str(key)})
