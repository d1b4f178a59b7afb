"""Authors: seen again and again, one row for each account, and remembered with what passed between us."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from datapkg.engagement.held import forget_released, refuse_held
from datapkg.engagement.locking import locked
from datapkg.engagement.models import Author
from datapkg.engagement.rules import check_handle, load_checked
from datapkg.engagement.vocabulary import PLATFORMS
from datapkg.kit.database import current, run_in_transaction, run_statement
from datapkg.kit.deletion import delete_row
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement

__all__ = [
    "delete_author",
    "find_author",
    "find_author_by_platform_id",
    "get_author",
    "list_authors",
    "record_interaction",
    "refuse_anonymised",
    "upsert_author",
]

logger = logging.getLogger(__name__)

ENTITY = "author"

_by_id: Statement[Author] = Statement(lambda _: Author.select().where(Author.id == Param("id")), model=Author)
_by_platform_id: Statement[Author] = Statement(
    lambda _: Author.select().where(
        (Author.platform == Param("platform")) & (Author.platform_id == Param("platform_id"))
    ),
    model=Author,
)


def upsert_author(
    platform: str,
    *,
    platform_id: str,
    handle: str,
    display_name: str | None = None,
    follower_count: int | None = None,
    is_verified: bool | None = None,
    is_power_user: bool | None = None,
    power_tier: str | None = None,
    archetype_tags: Sequence[str] | None = None,
    relationship_score: float | None = None,
    seen_at: dt.datetime | None = None,
) -> Author:
    """Store an author who was seen, or bring the row of the same account up to date; return it as it is now.

    One statement, so of several at once each finds the row that another has just made. What is left out stays as it
    is; ``first_seen_at`` stays too, and ``last_seen_at`` never goes back. What was seen before ``last_seen_at``, by the
    ``seen_at`` that is given, comes too late and changes nothing.

    Args:
        platform: one of ``PLATFORMS``.
        platform_id: the platform's own key of the account, 1 to 100 characters.
        handle: what the account is called, by the rules of ``content_rules()``.
        display_name: what it shows, up to 200 characters.
        follower_count: followers, from 0.
        is_verified: whether the platform verified it.
        is_power_user: whether many people listen.
        power_tier: how many, one of ``POWER_TIERS``.
        archetype_tags: what kinds of answers suit, up to 100 texts.
        relationship_score: 0 to 1.
        seen_at: when it was seen, by default now.

    Raises:
        ValidationError: with every complaint; nothing is written.
        InvalidTransitionError: the key is the placeholder of an author who was anonymised.

    Example:
        >>> upsert_author("REDDIT", platform_id="t2_1", handle="night-owl")  # doctest: +SKIP
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    told = {
        "platform": platform,
        "platform_id": platform_id,
        "handle": handle,
        "display_name": display_name,
        "follower_count": follower_count,
        "is_verified": is_verified,
        "is_power_user": is_power_user,
        "power_tier": power_tier,
        "archetype_tags": archetype_tags,
        "relationship_score": relationship_score,
        "seen_at": seen_at,
    }
    required = ("platform", "platform_id", "handle")
    given = {name: value for name, value in told.items() if value is not None or name in required}
    columns = load_checked(lambda: load(schemas.SeenAuthor, given, what=ENTITY), given, check_handle, what=ENTITY)
    moment = columns.pop("seen_at", None) or clock()
    if "relationship_score" in columns:
        columns["relationship_score"] += 0.0  # PostgreSQL would keep -0.0, and SQLite would not
    author = _upsert(columns, moment, late_is_old=seen_at is not None)
    if author is None:
        raise InvalidTransitionError(
            f"The {platform} account {platform_id} stands for an author who was anonymised.",
            fix="Give the platform's own key of the account.",
        )
    return author


def _upsert(columns: Mapping[str, Any], moment: dt.datetime, *, late_is_old: bool) -> Author | None:
    # Our own clock may have been set back, and what it says is seen now is the newest all the same.
    newer = "excluded.last_seen_at >= authors.last_seen_at" if late_is_old else "true"
    database = current()
    made = clock()
    fresh: Any = Author(**columns, first_seen_at=moment, last_seen_at=moment, created_at=made, updated_at=made)
    fields = Author._meta.sorted_fields
    bound = [None if (value := fresh.__data__.get(field.name)) is None else field.db_value(value) for field in fields]
    names = ", ".join(quote(field.column_name) for field in fields)
    marks = ", ".join([database.dialect.param] * len(fields))
    changes = [
        f"{name} = CASE WHEN {newer} THEN excluded.{name} ELSE authors.{name} END"
        for name in map(quote, [*columns, "updated_at"])
    ]
    sql = (
        f'INSERT INTO "authors" ({names}) VALUES ({marks}) ON CONFLICT ("platform", "platform_id") DO UPDATE SET '
        f"{', '.join(changes)}, last_seen_at = CASE WHEN excluded.last_seen_at > authors.last_seen_at"
        " THEN excluded.last_seen_at ELSE authors.last_seen_at END"
        f" WHERE authors.anonymised_at IS NULL RETURNING {names}"
    )
    found = run_statement(lambda: database.fetch(sql, bound))
    return instance_builder(Author, database.dialect)(found[0]) if found else None


def record_interaction(
    author_id: UUID | str, *, kind: str, note: str | None = None, at: dt.datetime | None = None
) -> Author:
    """Add to what passed between us and an author; the history keeps the order of the calls.

    Args:
        author_id: with whom.
        kind: what it was, 1 to 100 characters, such as ``replied``.
        note: anything else, up to 2,000 characters.
        at: when, by default now.

    Raises:
        NotFoundError: there is no such author.
        InvalidTransitionError: they were anonymised.
        ValidationError: with every complaint, or the history has 10,000 entries already; nothing is written.
    """
    from datapkg.engagement.document_schemas import InteractionSchema
    from datapkg.kit.schemas import load

    key = as_id(author_id, "author_id")
    given = {"at": as_instant(at, "at").isoformat(), "kind": kind}
    entry = load(InteractionSchema, given if note is None else {**given, "note": note}, what="interaction")

    @run_in_transaction
    def add() -> Author:
        author = locked(Author, key, entity=ENTITY)
        refuse_anonymised(author)
        history = [*author.interaction_history, entry]
        Author.update(interaction_history=history).where(Author.id == key).execute()
        return get_author(key)

    return add()


def refuse_anonymised(author: Author) -> None:
    """Raise if an author was anonymised: nothing more is kept about them.

    Args:
        author: the author; locked, where something is then written.

    Raises:
        InvalidTransitionError: they were.
    """
    if author.anonymised_at is not None:
        raise InvalidTransitionError(
            f"The author {author.id} was anonymised, and nothing more is kept about them.",
            fix="If they are seen again, upsert_author makes a new author; use that one's key.",
            author_id=str(author.id),
        )


def get_author(author_id: UUID | str) -> Author:
    """Return an author.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    author = find_author(author_id)
    if author is None:
        raise NotFoundError(ENTITY, author_id)
    return author


def find_author(author_id: UUID | str) -> Author | None:
    """Return an author, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(author_id, "author_id"))


def find_author_by_platform_id(platform: str, *, platform_id: str) -> Author | None:
    """Return the author of an account, or None.

    Args:
        platform: one of ``PLATFORMS``.
        platform_id: the platform's own key of the account.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    given = load(schemas.AccountKey, {"platform": platform, "platform_id": platform_id}, what="key of an account")
    return _by_platform_id.one(**given)


def list_authors(
    *,
    platform: str | None = None,
    handle: str | None = None,
    is_power_user: bool | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Author]:
    """Return a page of authors, newest first.

    Args:
        platform: only on this platform.
        handle: only with exactly this handle.
        is_power_user: only those whom many listen to, or the others.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import schemas

    given = {"platform": platform, "handle": handle, "is_power_user": is_power_user, "limit": limit, "after": after}
    where = {
        "platform": Author.platform.__eq__,
        # With every platform named, the index on platform and handle serves a handle alone too.
        "handle": lambda handle: (Author.handle == handle) & Author.platform.in_(PLATFORMS),
        "is_power_user": Author.is_power_user.__eq__,
    }
    return list_page(Author, schemas.AuthorFilters, what="list of authors", given=given, where=where)


def delete_author(author_id: UUID | str) -> None:
    """Delete an author who has no posts; as a champion they go too. ``anonymise_author`` is for the others.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: they are under legal hold.
        ConflictError: there are posts; they are counted.
        ValidationError: the key is not a UUID.
    """
    key = as_id(author_id, "author_id")

    @run_in_transaction
    def delete() -> None:
        refuse_held(locked(Author, key, entity=ENTITY))
        forget_released(author_id=key)
        delete_row(Author, key, entity=ENTITY)

    delete()
    logger.info("author deleted", extra={"author_id": str(key)})
