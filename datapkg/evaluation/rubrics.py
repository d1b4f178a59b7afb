"""Rubrics: the rules that a judge scores by, in immutable versions.

There is no function that changes or deletes one, and triggers refuse both: what an analysis was judged by can always
be read again. A correction is the next version.
"""

from __future__ import annotations

import logging
from uuid import UUID

from datapkg.evaluation.models import Rubric
from datapkg.kit.columns import load_columns
from datapkg.kit.database import lock, run_in_transaction
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["create_rubric", "find_rubric", "get_rubric", "list_rubrics"]

logger = logging.getLogger(__name__)

_by_id: Statement[Rubric] = Statement(lambda _: Rubric.select().where(Rubric.id == Param("id")), model=Rubric)
_highest: Statement[Rubric] = Statement(
    lambda dialect: (f"SELECT max(version) FROM rubrics WHERE name = {dialect.param}", [Param("name")])
)


def create_rubric(name: str, *, content: object, version: int | None = None) -> Rubric:
    """Create a version of a rubric; it can never be changed or deleted.

    Args:
        name: 1 to 200 characters; versions of one rubric share it.
        content: a ``rubric-content`` document: ``instructions``, and ``criteria`` with a ``name`` each.
        version: from 1; left out, the one after the highest of this name, however many do so at once.

    Raises:
        ValidationError: with every complaint about name, version and content; nothing is written.
        ConflictError: the name has this version already (``uq_rubrics_name_version``).

    Example:
        >>> create_rubric("helpful", content={"instructions": "Score 1 to 5.", "criteria": []})  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas

    columns = load_columns(
        Rubric,
        schemas.NewRubric,
        given={"name": name, "version": version},
        documents={"content": content},
        what="rubric",
    )

    @run_in_transaction
    def create() -> Rubric:
        # There may be no version yet that could be locked.
        lock(f"rubrics:{columns['name']}")
        number = version if version is not None else (_highest.tuples(name=name)[0][0] or 0) + 1
        # datapkg: allow-write the one place where versions are made
        return insert(Rubric, {**columns, "version": number})

    rubric = create()
    logger.info("rubric created", extra={"rubric_id": str(rubric.id), "version": rubric.version})
    return rubric


def get_rubric(rubric_id: UUID | str) -> Rubric:
    """Return a version of a rubric.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    rubric = find_rubric(rubric_id)
    if rubric is None:
        raise NotFoundError("rubric", rubric_id)
    return rubric


def find_rubric(rubric_id: UUID | str) -> Rubric | None:
    """Return a version of a rubric, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(rubric_id, "rubric_id"))


def list_rubrics(*, name: str | None = None, limit: int = 50, after: UUID | str | None = None) -> Rows[Rubric]:
    """Return a page of rubrics, newest first, each version a row.

    Args:
        name: only the versions of this name.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"name": name, "limit": limit, "after": after}
    where = {"name": Rubric.name.__eq__}
    return list_page(Rubric, schemas.RubricFilters, what="list of rubrics", given=given, where=where)
