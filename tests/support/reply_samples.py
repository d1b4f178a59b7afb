"""Rows that replies and what people oversee begin with, and several callers at the same moment."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from datapkg import audit, engagement
from datapkg.engagement import Author, Decision, Post, Reply
from datapkg.kit.database import current

SAFE = "Less light late at night often helps; dim your screens. —Antone (Vita)"
OTHER = "Try to get up at the same time every day, weekends too. —Antone (Vita)"
SCORES = {"sss_score": 0.25, "ars_score": 0.5, "evs_score": 0.75, "trs_score": 1.0, "composite_score": 0.625}
UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"

_numbers = itertools.count(1)


def new_author(platform: str = "REDDIT") -> Author:
    """Store an author that nobody has seen before."""
    number = next(_numbers)
    return engagement.upsert_author(platform, platform_id=f"account-{number}", handle=f"owl_{number}")


def new_post(platform: str = "REDDIT", author: Author | None = None) -> Post:
    """Store a post, of an author of its own unless one is given."""
    author = author or new_author(platform)
    return engagement.record_post(
        platform,
        platform_post_id=f"post-{next(_numbers)}",
        author_id=author.id,
        content="I cannot sleep.",
        keyword_matches=["sleep"],
    )


def new_decision(platform: str = "REDDIT", post: Post | None = None, **given: Any) -> Decision:
    """Store a decision about a post."""
    post = post or new_post(platform)
    columns: dict[str, Any] = {**SCORES, "mode": "HELPFUL", "archetype": "COACH", **given}
    return engagement.record_decision(post.id, **columns)


def new_reply(platform: str = "REDDIT", content: str = SAFE) -> Reply:
    """Draft a reply to a decision of its own."""
    return engagement.draft_reply(new_decision(platform).id, content=content)


def approved_reply(platform: str = "REDDIT") -> Reply:
    """Draft a reply, and approve it as ann."""
    reply = new_reply(platform)
    return engagement.approve_reply(
        reply.id, approved_by="ann", content_sha256=engagement.content_sha256(reply.content)
    )


def posted_reply(platform: str = "REDDIT") -> Reply:
    """Draft, approve and post a reply."""
    return engagement.mark_posted(approved_reply(platform).id, platform_post_id=f"reply-{next(_numbers)}")


def actions(entity_type: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Return what the audit log has on one kind of thing, oldest first: action, actor, details."""
    assert audit.verify_chain().problem is None
    entries = audit.list_entries(entity_type=entity_type, limit=1000)
    return [(each.action, each.actor, each.details and each.details["data"]) for each in reversed(entries)]


def by_plain_sql(sql: str, *params: object) -> int:
    """Change rows as a foreign client would, around every function; ``?`` marks a value."""
    database = current()
    return database.change(sql.replace("?", database.dialect.param), params)


def all_at_once(*functions: Callable[[], object]) -> list[object]:
    """Call functions in threads of their own at the same moment; return each one's result or exception, in order."""
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], object]) -> object:
        database = current()
        database.connect(reuse_if_open=True)
        barrier.wait(timeout=30)
        try:
            return function()
        except Exception as error:
            return error
        finally:
            database.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))
