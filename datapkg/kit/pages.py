"""Lists, a page at a time: filters checked, newest first, continued by the last row's key (keyset pagination)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from datapkg.kit.models import Model
from datapkg.kit.results import Rows

if TYPE_CHECKING:
    from datapkg.kit.schemas import Page

__all__ = ["list_page"]

M = TypeVar("M", bound=Model)


def list_page(
    model: type[M],
    schema: type[Page],
    *,
    what: str,
    given: Mapping[str, object],
    where: Mapping[str, Callable[[Any], Any]],
) -> Rows[M]:
    """Return a page of a table's rows.

    Keys sort by creation, so the primary key serves the order and the page; a page stays the same however many rows
    are added meanwhile.

    Args:
        model: the table.
        schema: what checks ``given``.
        what: what errors call the list.
        given: the arguments by name, ``limit`` and ``after`` among them; those that are None do not count.
        where: for each filter, what makes the condition of its checked value, such as ``User.role.__eq__``.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load

    table: Any = model
    filters = load(schema, {name: value for name, value in given.items() if value is not None}, what=what)
    query = table.select()
    for name, condition in where.items():
        if name in filters:
            query = query.where(condition(filters[name]))
    if "after" in filters:
        query = query.where(table.id < filters["after"])
    return Rows(query.order_by(table.id.desc()).limit(filters["limit"]), of=model)
