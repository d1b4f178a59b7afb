"""Competitors: other products that posts talk about."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg.engagement.oversight_models import Competitor
from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "CompetitorChanges",
    "create_competitor",
    "delete_competitor",
    "find_competitor",
    "find_competitor_by_name",
    "get_competitor",
    "list_competitors",
    "update_competitor",
]

logger = logging.getLogger(__name__)

ENTITY = "competitor"

_by_id: Statement[Competitor] = Statement(
    lambda _: Competitor.select().where(Competitor.id == Param("id")), model=Competitor
)
_by_name: Statement[Competitor] = Statement(
    lambda _: Competitor.select().where(Competitor.name == Param("name")), model=Competitor
)


class CompetitorChanges(TypedDict, total=False):
    """What ``update_competitor`` changes; what is left out stays.

    Attributes:
        name: 1 to 200 characters, unique.
        category: one of ``COMPETITOR_CATEGORIES``.
        primary_mechanism: how it works, up to 1,000 characters; None clears it.
        price_point: one of ``PRICE_POINTS``; None clears it.
        brand_keywords: the words it is known by.
    """

    name: str
    category: str
    primary_mechanism: str | None
    price_point: str | None
    brand_keywords: Sequence[str]


def create_competitor(
    name: str,
    *,
    category: str,
    primary_mechanism: str | None = None,
    price_point: str | None = None,
    brand_keywords: Sequence[str] | None = None,
) -> Competitor:
    """Create a competitor.

    Args:
        name: 1 to 200 characters, unique.
        category: one of ``COMPETITOR_CATEGORIES``.
        primary_mechanism: how it works, up to 1,000 characters.
        price_point: one of ``PRICE_POINTS``.
        brand_keywords: the words it is known by, up to 1,000 texts of 1 to 200 characters.

    Raises:
        ConflictError: the name is taken (``uq_competitors_name``).
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = {
        "name": name,
        "category": category,
        "primary_mechanism": primary_mechanism,
        "price_point": price_point,
    }
    if brand_keywords is not None:
        given["brand_keywords"] = brand_keywords
    columns = load(schemas.NewCompetitor, given, what=ENTITY)
    made = clock()
    competitor = insert(Competitor, {**columns, "created_at": made, "updated_at": made})
    logger.info("competitor created", extra={"competitor_id": str(competitor.id)})
    return competitor


def update_competitor(competitor_id: UUID | str, **changes: Unpack[CompetitorChanges]) -> Competitor:
    """Change a competitor.

    Args:
        competitor_id: which.
        changes: see :class:`CompetitorChanges`; at least one.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: the name is taken (``uq_competitors_name``).
        ValidationError: with every complaint, or nothing is given; nothing is written.
    """
    from datapkg.engagement import schemas
    from datapkg.kit.schemas import load

    key = as_id(competitor_id, "competitor_id")
    what = "change of a competitor"
    if not changes:
        raise ValidationError({"_schema": [f"Give one of {', '.join(CompetitorChanges.__annotations__)}."]}, what=what)
    change: dict[str, Any] = load(schemas.CompetitorChange, dict(changes), what=what)

    @run_in_transaction
    def update() -> Competitor:
        Competitor.update(**change).where(Competitor.id == key).execute()
        return get_competitor(key)

    return update()


def get_competitor(competitor_id: UUID | str) -> Competitor:
    """Return a competitor.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    competitor = find_competitor(competitor_id)
    if competitor is None:
        raise NotFoundError(ENTITY, competitor_id)
    return competitor


def find_competitor(competitor_id: UUID | str) -> Competitor | None:
    """Return a competitor, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(competitor_id, "competitor_id"))


def find_competitor_by_name(name: str) -> Competitor | None:
    """Return the competitor with this name, or None.

    Raises:
        ValidationError: the name is not text.
    """
    if not isinstance(name, str):
        raise ValidationError({"name": ["Not a valid string."]}, what="competitor's name")
    return _by_name.one(name=Competitor.name.db_value(name))


def list_competitors(
    *,
    category: str | None = None,
    price_point: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Competitor]:
    """Return a page of competitors, newest first.

    Args:
        category: only of this category.
        price_point: only at this price point.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import schemas

    given = {"category": category, "price_point": price_point, "limit": limit, "after": after}
    where = {"category": Competitor.category.__eq__, "price_point": Competitor.price_point.__eq__}
    return list_page(Competitor, schemas.CompetitorFilters, what="list of competitors", given=given, where=where)


def delete_competitor(competitor_id: UUID | str) -> None:
    """Delete a competitor that no post talks about.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: there are mentions of it; they are counted.
        ValidationError: the key is not a UUID.
    """
    delete_row(Competitor, as_id(competitor_id, "competitor_id"), entity=ENTITY)
    logger.info("competitor deleted", extra={"competitor_id": str(competitor_id)})
