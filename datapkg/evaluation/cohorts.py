"""Cohorts: named segments of transcripts, by model, scenario and the values of dimensions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.evaluation.models import Cohort
from datapkg.kit.columns import load_columns
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["create_cohort", "delete_cohort", "find_cohort", "get_cohort", "in_cohort", "list_cohorts"]

logger = logging.getLogger(__name__)

_by_id: Statement[Cohort] = Statement(lambda _: Cohort.select().where(Cohort.id == Param("id")), model=Cohort)


def create_cohort(name: str, *, criteria: object) -> Cohort:
    """Create a cohort.

    Args:
        name: 1 to 200 characters, unique.
        criteria: a ``cohort-criteria`` document; see :func:`in_cohort`. An empty one holds every transcript.

    Raises:
        ValidationError: with every complaint about name and criteria; nothing is written.
        ConflictError: there is a cohort of this name (``uq_cohorts_name``).

    Example:
        >>> create_cohort("curt", criteria={"models": ["small"], "values": {"tone": ["curt"]}})  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas

    columns = load_columns(
        Cohort, schemas.NewCohort, given={"name": name}, documents={"criteria": criteria}, what="cohort"
    )
    made = now()
    cohort = insert(Cohort, {**columns, "created_at": made, "updated_at": made})
    logger.info("cohort created", extra={"cohort_id": str(cohort.id)})
    return cohort


def in_cohort(criteria: Mapping[str, object], *, model: str, scenario: str | None, values: Mapping[str, str]) -> bool:
    """Tell whether a transcript belongs to a cohort: every part of the criteria that is given has to hold.

    Args:
        criteria: a ``cohort-criteria`` document: ``models`` and ``scenarios`` list names, ``values`` lists the values
            allowed for each of some dimensions.
        model: the transcript's model.
        scenario: the name of its scenario, None without one.
        values: the scenario's value for each dimension; a dimension that it lacks has none of the values allowed.

    Example:
        >>> in_cohort({"models": ["a"], "values": {"tone": ["curt"]}}, model="a", scenario="s", values={"tone": "kind"})
        False
    """
    parts: Mapping[str, Any] = criteria
    if "models" in parts and model not in parts["models"]:
        return False
    if "scenarios" in parts and scenario not in parts["scenarios"]:
        return False
    return all(values.get(dimension) in allowed for dimension, allowed in parts.get("values", {}).items())


def get_cohort(cohort_id: UUID | str) -> Cohort:
    """Return a cohort.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    cohort = find_cohort(cohort_id)
    if cohort is None:
        raise NotFoundError("cohort", cohort_id)
    return cohort


def find_cohort(cohort_id: UUID | str) -> Cohort | None:
    """Return a cohort, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(cohort_id, "cohort_id"))


def list_cohorts(*, name: str | None = None, limit: int = 50, after: UUID | str | None = None) -> Rows[Cohort]:
    """Return a page of cohorts, newest first.

    Args:
        name: only the one of this name.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"name": name, "limit": limit, "after": after}
    where = {"name": Cohort.name.__eq__}
    return list_page(Cohort, schemas.CohortFilters, what="list of cohorts", given=given, where=where)


def delete_cohort(cohort_id: UUID | str) -> None:
    """Delete a cohort; comparisons within it keep its name.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(Cohort, as_id(cohort_id, "cohort_id"), entity="cohort")
