"""Champions: authors who speak for the product, how far they are, and what passed between us."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg import audit
from datapkg.engagement.authors import refuse_anonymised
from datapkg.engagement.held import refuse_held
from datapkg.engagement.locking import actor_text, locked
from datapkg.engagement.models import Author
from datapkg.engagement.oversight_models import CommunityChampion
from datapkg.engagement.vocabulary import CHAMPION_TIERS
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "ChampionChanges",
    "delete_champion",
    "demote_champion",
    "find_champion",
    "get_champion",
    "list_champions",
    "promote_champion",
    "record_champion_contact",
    "update_champion",
]

logger = logging.getLogger(__name__)

ENTITY = "champion"

_MOST_ENGAGEMENTS = 2**31 - 1  # what the column holds

_of_author: Statement[CommunityChampion] = Statement(
    lambda _: CommunityChampion.select().where(CommunityChampion.author == Param("author")), model=CommunityChampion
)


class ChampionChanges(TypedDict, total=False):
    """What ``update_champion`` changes; what is left out stays.

    Attributes:
        dm_sent_at: when they were written to; None if they were not.
        dm_response: what came back, one of ``DM_RESPONSES``; None takes it away.
        sample_sent: whether they were sent a sample.
        converted: whether they became a customer.
        advocate_status: one of ``ADVOCATE_STATUSES``.
        engagements: how many to add to ``engagement_count``.
    """

    dm_sent_at: dt.datetime | None
    dm_response: str | None
    sample_sent: bool
    converted: bool
    advocate_status: str
    engagements: int


def promote_champion(author_id: UUID | str, *, tier: str | None = None, actor: UUID | str) -> CommunityChampion:
    """Make an author a champion, or raise one, and record who did it.

    The tier that they have already is no change, and is not recorded; nobody is lowered, see ``demote_champion``.

    Args:
        author_id: whom.
        tier: one of ``CHAMPION_TIERS``; by default the lowest, and for a champion the next one (the highest stays).
        actor: who says so, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: there is no such author.
        InvalidTransitionError: they are higher already, or were anonymised.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {"author_id": author_id, "tier": tier, "actor": actor_text(actor)}
    given: dict[str, Any] = load(oversight_schemas.Promotion, told, what="promotion")
    key = given["author_id"]

    @run_in_transaction
    def promote() -> CommunityChampion:
        # There may be no champion's row to lock yet.
        refuse_anonymised(locked(Author, key, entity="author"))
        before = find_champion(key)
        rank = -1 if before is None else CHAMPION_TIERS.index(before.tier)
        wanted = given["tier"] or CHAMPION_TIERS[min(rank + 1, len(CHAMPION_TIERS) - 1)]
        if before is None:
            made = clock()
            insert(CommunityChampion, {"author": key, "tier": wanted, "created_at": made, "updated_at": made})
        elif wanted == before.tier:
            return before
        elif CHAMPION_TIERS.index(wanted) < rank:
            raise InvalidTransitionError(
                f"The author {key} is {before.tier} already, which is more than {wanted}.",
                fix="Lower them with demote_champion, if that is meant.",
                **{"author_id": str(key), "from": before.tier, "to": wanted},
            )
        else:
            CommunityChampion.update(tier=wanted).where(CommunityChampion.author == key).execute()
        return _recorded(key, "promote_champion", before, given["actor"])

    champion = promote()
    logger.info("champion promoted", extra={"author_id": str(key), "tier": champion.tier})
    return champion


def demote_champion(author_id: UUID | str, *, tier: str, actor: UUID | str) -> CommunityChampion:
    """Lower a champion, and record who did it; the tier that they have already is no change.

    Args:
        author_id: whom.
        tier: one of ``CHAMPION_TIERS``.
        actor: who says so, 1 to 200 characters: a user's key, or a name.

    Raises:
        NotFoundError: the author is no champion.
        InvalidTransitionError: the tier is higher than theirs.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    told = {"author_id": author_id, "tier": tier, "actor": actor_text(actor)}
    given: dict[str, Any] = load(oversight_schemas.Demotion, told, what="demotion")
    key, wanted = given["author_id"], given["tier"]

    @run_in_transaction
    def demote() -> CommunityChampion:
        locked(Author, key, entity="author")
        before = get_champion(key)
        if wanted == before.tier:
            return before
        if CHAMPION_TIERS.index(wanted) > CHAMPION_TIERS.index(before.tier):
            raise InvalidTransitionError(
                f"The author {key} is only {before.tier}, which is less than {wanted}.",
                fix="Raise them with promote_champion, if that is meant.",
                **{"author_id": str(key), "from": before.tier, "to": wanted},
            )
        CommunityChampion.update(tier=wanted).where(CommunityChampion.author == key).execute()
        return _recorded(key, "demote_champion", before, given["actor"])

    champion = demote()
    logger.info("champion demoted", extra={"author_id": str(key), "tier": wanted})
    return champion


def _recorded(key: UUID, action: str, before: CommunityChampion | None, actor: str) -> CommunityChampion:
    champion = get_champion(key)
    details = {"from": None if before is None else before.tier, "to": champion.tier}
    # On the author, so that anonymising them finds it.
    audit.record("author", entity_id=key, action=action, actor=actor, details=details)
    return champion


def record_champion_contact(author_id: UUID | str, *, dm_sent_at: dt.datetime | None = None) -> CommunityChampion:
    """Say that we wrote to a champion: one engagement more, and no response yet.

    A message that is not newer than the last one changes nothing, so telling the same twice does no harm.

    Args:
        author_id: whom.
        dm_sent_at: when, by default now.

    Raises:
        NotFoundError: the author is no champion.
        ValidationError: an argument is not valid.
    """
    key, sent = as_id(author_id, "author_id"), as_instant(dm_sent_at, "dm_sent_at")
    newer = CommunityChampion.dm_sent_at.is_null() | (CommunityChampion.dm_sent_at < sent)

    @run_in_transaction
    def contact() -> CommunityChampion:
        CommunityChampion.update(
            dm_sent_at=sent, dm_response="NO_RESPONSE", engagement_count=CommunityChampion.engagement_count + 1
        ).where((CommunityChampion.author == key) & newer).execute()
        return get_champion(key)

    return contact()


def update_champion(author_id: UUID | str, **changes: Unpack[ChampionChanges]) -> CommunityChampion:
    """Change what is known of a champion; engagements are added, so that of several at once none is lost.

    Args:
        author_id: whom.
        changes: see :class:`ChampionChanges`; at least one.

    Raises:
        NotFoundError: the author is no champion.
        ValidationError: with every complaint, or nothing is given; nothing is written.
        ConflictError: the count would be above what its column holds.
    """
    from datapkg.engagement import oversight_schemas
    from datapkg.kit.schemas import load

    key = as_id(author_id, "author_id")
    what = f"change of a {ENTITY}"
    if not changes:
        raise ValidationError({"_schema": ["Give at least one thing to change."]}, what=what)
    change: dict[str, Any] = load(oversight_schemas.ChampionChange, dict(changes), what=what)
    more = change.pop("engagements", 0)
    if more:
        change["engagement_count"] = CommunityChampion.engagement_count + more
    # A condition rather than the column's CHECK: PostgreSQL cannot even add beyond it.
    fits = CommunityChampion.engagement_count <= _MOST_ENGAGEMENTS - more

    @run_in_transaction
    def update() -> CommunityChampion:
        written = True
        if change:
            written = CommunityChampion.update(**change).where((CommunityChampion.author == key) & fits).execute()
        champion = get_champion(key)
        if not written:
            raise ConflictError(
                f"The champion has {champion.engagement_count} engagements, and {more} more are too many.",
                fix=f"Add so many that there are {_MOST_ENGAGEMENTS} at the most.",
                constraint="ck_community_champions_engagement_count",
                table="community_champions",
                columns=("engagement_count",),
            )
        return champion

    return update()


def get_champion(author_id: UUID | str) -> CommunityChampion:
    """Return the champion that an author is.

    Raises:
        NotFoundError: the author is none.
        ValidationError: the key is not a UUID.
    """
    champion = find_champion(author_id)
    if champion is None:
        raise NotFoundError(ENTITY, author_id, fix="Give the key of an author; promote_champion makes one a champion.")
    return champion


def find_champion(author_id: UUID | str) -> CommunityChampion | None:
    """Return the champion that an author is, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _of_author.one(author=as_id_text(author_id, "author_id"))


def list_champions(
    *,
    tier: str | None = None,
    advocate_status: str | None = None,
    converted: bool | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[CommunityChampion]:
    """Return a page of champions, newest first.

    Args:
        tier: only of exactly this tier.
        advocate_status: only with this status, one of ``ADVOCATE_STATUSES``.
        converted: only those that became customers, or did not.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before (the row's own ``id``, not the author's).

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import oversight_schemas

    given = {
        "tier": tier,
        "advocate_status": advocate_status,
        "converted": converted,
        "limit": limit,
        "after": after,
    }
    where = {
        "tier": CommunityChampion.tier.__eq__,
        "advocate_status": CommunityChampion.advocate_status.__eq__,
        "converted": CommunityChampion.converted.__eq__,
    }
    schema = oversight_schemas.ChampionFilters
    return list_page(CommunityChampion, schema, what="list of champions", given=given, where=where)


def delete_champion(author_id: UUID | str) -> None:
    """Forget that an author is a champion; the author stays.

    Raises:
        NotFoundError: the author is none.
        InvalidTransitionError: the author, or a post of theirs, is under legal hold.
        ValidationError: the key is not a UUID.
    """
    key = as_id(author_id, "author_id")

    @run_in_transaction
    def delete() -> None:
        get_champion(key)
        refuse_held(locked(Author, key, entity="author"))
        if not CommunityChampion.delete().where(CommunityChampion.author == key).execute():
            raise NotFoundError(ENTITY, key, fix="Give the key of an author who is one.")

    delete()
    logger.info("champion deleted", extra={"author_id": str(key)})
