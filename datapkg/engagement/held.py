"""Whether a legal hold forbids to delete, archive or erase something."""

from __future__ import annotations

from uuid import UUID

from datapkg.engagement.locking import locked
from datapkg.engagement.models import Author, Post
from datapkg.engagement.oversight_models import LegalHold
from datapkg.kit.database import current
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.statements import Param, Statement

__all__ = ["forget_released", "locked_post", "refuse_held"]

_holds: Statement[Author] = Statement(
    lambda dialect: (
        "SELECT id FROM legal_holds WHERE released_at IS NULL"
        f" AND (author_id = {dialect.param} OR post_id IN (SELECT id FROM posts WHERE author_id = {dialect.param}"
        f" AND id = coalesce({dialect.param}, id))) ORDER BY id",
        [Param("author"), Param("author"), Param("post")],
    )
)


def refuse_held(author: Author, *, post_id: UUID | None = None) -> None:
    """Raise if a hold that is not released covers an author, or one of their posts.

    Whoever places a hold needs the rows that it is on, so lock them first.

    Args:
        author: the author.
        post_id: only this post of theirs; left out, any.

    Raises:
        InvalidTransitionError: there is such a hold.
    """
    post = None if post_id is None else str(post_id)
    found = [str(row[0]) for row in _holds.tuples(author=str(author.id), post=post)]
    if found:
        what = f"author {author.id}" if post_id is None else f"post {post_id}"
        raise InvalidTransitionError(
            f"The {what} is under legal hold.",
            fix="Release the hold first, if it may be released: release_hold(…).",
            legal_hold_ids=found,
        )


def locked_post(post_id: UUID, *, refuse: bool = True) -> tuple[Post, Author]:
    """Return a post and its author, both locked until the caller's transaction ends, the author first.

    Args:
        post_id: which.
        refuse: whether a legal hold on either is an error.

    Raises:
        NotFoundError: there is no such post.
        InvalidTransitionError: it is under legal hold.
    """
    mark = current().dialect.param
    found = current().fetch(f"SELECT author_id FROM posts WHERE id = {mark}", (str(post_id),))
    if not found:
        raise NotFoundError("post", post_id)
    author = locked(Author, UUID(str(found[0][0])), entity="author")
    post = locked(Post, post_id, entity="post")
    if refuse:
        refuse_held(author, post_id=post_id)
    return post, author


def forget_released(*, post_id: UUID | None = None, author_id: UUID | None = None) -> None:
    """Delete the released holds on what is about to be deleted; that there were any stays in the audit log.

    Args:
        post_id: the post, locked; or
        author_id: the author, locked.
    """
    on = LegalHold.author == author_id if post_id is None else LegalHold.post == post_id
    LegalHold.delete().where(on & LegalHold.released_at.is_null(False)).execute()
