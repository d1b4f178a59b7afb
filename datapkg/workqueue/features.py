"""Reading, changing and deleting features, and what their execution cost and was worth."""

from __future__ import annotations

import logging
from typing import Any, TypedDict, Unpack
from uuid import UUID

from datapkg.kit.database import run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.workqueue.models import (
    PRIORITIES,
    ExecutionMetric,
    Feature,
    FeatureDependency,
    RoiMetric,
    load_depends_on_ids,
)
from datapkg.workqueue.references import FeatureRef, Ref, as_ref, find_row, get_row, locked_row, update_row

__all__ = [
    "FeatureChanges",
    "delete_feature",
    "find_execution_metric",
    "find_feature",
    "find_roi_metric",
    "get_execution_metric",
    "get_feature",
    "get_roi_metric",
    "list_features",
    "update_feature",
]

logger = logging.getLogger(__name__)


def get_feature(feature: FeatureRef) -> Feature:
    """Return a feature.

    Args:
        feature: its key, its number, or ``"FEAT-005"``.

    Raises:
        NotFoundError: there is none.
        ValidationError: that is no key and no number.
    """
    return get_row(as_ref(feature))


def find_feature(feature: FeatureRef) -> Feature | None:
    """Return a feature, or None.

    Args:
        feature: its key, its number, or ``"FEAT-005"``.

    Raises:
        ValidationError: that is no key and no number.
    """
    return find_row(as_ref(feature))


def list_features(
    *,
    status: str | None = None,
    category: str | None = None,
    priority: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Feature]:
    """Return a page of features, newest first, with what they depend on.

    Args:
        status: only those with this status.
        category: only those of this category.
        priority: only those of this priority.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.workqueue import schemas

    table: Any = Feature
    given = {"status": status, "category": category, "priority": priority, "limit": limit, "after": after}
    where = {name: getattr(table, name).__eq__ for name in ("status", "category", "priority")}
    found = list_page(Feature, schemas.FeatureFilters, what="list of features", given=given, where=where)
    load_depends_on_ids(found)
    return found


class FeatureChanges(TypedDict, total=False):
    """What ``update_feature`` changes; what is left out stays.

    Attributes:
        name: what is to be done.
        category: what kind of work it is.
        test_steps: how to tell that it is done.
        priority: one of ``PRIORITIES``.
        max_attempts: how often it is tried.
    """

    name: str
    category: str
    test_steps: str
    priority: str
    max_attempts: int


def update_feature(feature: FeatureRef, **changes: Unpack[FeatureChanges]) -> Feature:
    """Change what a feature says, while nobody works on it and it is not completed.

    Args:
        feature: which.
        changes: see :class:`FeatureChanges`.

    Raises:
        InvalidTransitionError: it is in progress or completed.
        NotFoundError: there is no such feature.
        ValidationError: with every complaint, or nothing is given.
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    ref = as_ref(feature)
    values = load(schemas.FeatureChange, changes, what="change of a feature")
    if "priority" in values:
        values["priority_rank"] = PRIORITIES.index(str(values["priority"]))

    @run_in_transaction
    def update() -> Feature:
        row = locked_row(ref)
        if row.status in ("IN_PROGRESS", "COMPLETED"):
            raise InvalidTransitionError(
                f"{row.label} is {row.status} and stays as it is.",
                fix="Stop it first, or wait for its end." if row.status == "IN_PROGRESS" else "Enqueue another one.",
                status=row.status,
            )
        changed = update_row(Ref("id", str(row.id)), {**values, "updated_at": clock()})
        assert changed is not None, "the row is locked"
        return changed

    return update()


def delete_feature(feature: FeatureRef) -> None:
    """Delete a feature and its metrics; its history stays, and its number is not given out again.

    What waits for a completed feature no longer depends on it. What waits for any other goes on waiting, and
    ``blocked`` says for what; ``remove_dependency`` lets it go.

    Args:
        feature: which.

    Raises:
        InvalidTransitionError: somebody works on it.
        NotFoundError: there is no such feature.
    """
    ref = as_ref(feature)

    @run_in_transaction
    def delete() -> Feature:
        row = locked_row(ref)
        if row.status == "IN_PROGRESS":
            raise InvalidTransitionError(
                f"{row.label} is IN_PROGRESS, claimed by {row.claimed_by}.", fix="Stop it first.", status=row.status
            )
        if row.status == "COMPLETED":
            FeatureDependency.delete().where(FeatureDependency.depends_on == row.id).execute()
        delete_row(Feature, row.id, entity="feature")
        return row

    row = delete()
    logger.info("feature deleted", extra={"feature_number": row.feature_number})


def get_execution_metric(feature: FeatureRef) -> ExecutionMetric:
    """Return what the execution of a feature cost.

    Raises:
        NotFoundError: there is no such feature, or nothing was recorded.
    """
    found = find_execution_metric(feature)
    if found is None:
        raise NotFoundError("execution metric", f"of {as_ref(feature).label}")
    return found


def find_execution_metric(feature: FeatureRef) -> ExecutionMetric | None:
    """Return what the execution of a feature cost, or None."""
    found: ExecutionMetric | None = _metric(ExecutionMetric, as_ref(feature))
    return found


def get_roi_metric(feature: FeatureRef) -> RoiMetric:
    """Return what a feature was worth.

    Raises:
        NotFoundError: there is no such feature, or nothing was recorded.
    """
    found = find_roi_metric(feature)
    if found is None:
        raise NotFoundError("roi metric", f"of {as_ref(feature).label}")
    return found


def find_roi_metric(feature: FeatureRef) -> RoiMetric | None:
    """Return what a feature was worth, or None."""
    found: RoiMetric | None = _metric(RoiMetric, as_ref(feature))
    return found


def _metric(model: Any, ref: Ref) -> Any:
    if ref.column == "id":
        return model.select().where(model.feature == UUID(str(ref.value))).first()
    number = Feature.select(Feature.id).where(Feature.feature_number == ref.value)
    return model.select().where(model.feature.in_(number)).first()
