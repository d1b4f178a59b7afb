"""Dependencies between features: adding, removing, and the counts that a claim goes by."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.models import new_id, now
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert
from datapkg.workqueue.graph import path
from datapkg.workqueue.models import Feature, FeatureDependency, feature_label
from datapkg.workqueue.references import FeatureRef, Ref, as_ref, find_row, get_row, locked_row, update_row

__all__ = [
    "GRAPH_LOCK",
    "UNMET",
    "add_dependency",
    "cycle_text",
    "list_dependencies",
    "remove_dependency",
    "verify_counts",
]

logger = logging.getLogger(__name__)

GRAPH_LOCK = "workqueue.graph"
"""Held by whoever adds features or dependencies: two that are fine alone may form a cycle together."""

UNMET = "(d.status IS NULL OR d.status <> 'COMPLETED')"
"""That a dependency, joined as ``d``, is not met: not completed, or deleted."""

_CHANGEABLE = ("DRAFT", "PENDING", "FAILED")


def cycle_text(numbers: Iterable[int]) -> str:
    """Return a cycle for people: ``FEAT-001 -> FEAT-002 -> FEAT-001``."""
    return " -> ".join(map(feature_label, numbers))


def add_dependency(feature: FeatureRef, *, depends_on: FeatureRef) -> FeatureDependency:
    """Let a feature wait for another one; for as long as nobody works on it and it is not completed.

    Args:
        feature: which one waits.
        depends_on: for which.

    Raises:
        NotFoundError: one of them is not there.
        ValidationError: they are the same, or the other one waits for this one already; the cycle is named.
        ConflictError: it waits for that one already.
        InvalidTransitionError: it is in progress or completed.
    """
    waiting, wanted = as_ref(feature), as_ref(depends_on, "depends_on")

    @run_in_transaction
    def add() -> FeatureDependency:
        lock(GRAPH_LOCK)
        # What is waited for first: complete() locks in the same order.
        other = locked_row(wanted)
        row = locked_row(waiting)
        if other.id == row.id:
            raise ValidationError({"depends_on": [f"{row.label} cannot wait for itself."]}, what="dependency")
        _check_changeable(row)
        numbers = _between(other.id, row.id)
        if numbers is not None:
            circle = cycle_text([row.feature_number, *numbers])
            raise ValidationError({"depends_on": [f"That would be a cycle: {circle}."]}, what="dependency")
        edges = FeatureDependency.select().where(
            (FeatureDependency.feature == row.id) & (FeatureDependency.depends_on_number == other.feature_number)
        )
        edge = edges.first()
        if edge is not None:
            if edge.depends_on_id is not None:
                raise ConflictError(
                    f"{row.label} waits for {other.label} already.",
                    fix="There is nothing to do.",
                    constraint="uq_feature_dependencies_feature_id_depends_on_number",
                    table="feature_dependencies",
                    columns=("feature_id", "depends_on_number"),
                )
            edge.delete_instance()  # of a deleted feature with the same number
        made = insert(
            FeatureDependency,
            {
                "id": new_id(),
                "created_at": now(),
                "feature": row.id,
                "depends_on": other.id,
                "depends_on_number": other.feature_number,
            },
        )
        _recount(row)
        return made

    made = add()
    logger.info("dependency added", extra={"feature_id": str(made.feature_id), "depends_on": made.depends_on_number})
    return made


def remove_dependency(feature: FeatureRef, *, depends_on: FeatureRef) -> None:
    """Let a feature no longer wait for another one, which may be deleted; then give its number.

    Args:
        feature: which one waits.
        depends_on: for which.

    Raises:
        NotFoundError: the feature is not there, or does not wait for that one.
        InvalidTransitionError: it is in progress or completed.
    """
    waiting, wanted = as_ref(feature), as_ref(depends_on, "depends_on")

    @run_in_transaction
    def remove() -> Feature:
        lock(GRAPH_LOCK)
        # Locked first, as in add_dependency: a completion that still saw the dependency would take one off anew.
        other = find_row(wanted, lock=current().dialect.for_update)
        if other is None and not isinstance(wanted.value, int):
            raise NotFoundError("feature", wanted.label)
        number = other.feature_number if other is not None else int(wanted.value)
        row = locked_row(waiting)
        _check_changeable(row)
        edges = FeatureDependency.delete().where(
            (FeatureDependency.feature == row.id) & (FeatureDependency.depends_on_number == number)
        )
        if not edges.execute():
            raise NotFoundError("dependency", f"of {row.label} on {feature_label(number)}")
        _recount(row)
        return row

    row = remove()
    logger.info("dependency removed", extra={"feature_id": str(row.id)})


def list_dependencies(feature: FeatureRef) -> Rows[FeatureDependency]:
    """Return what a feature waits for or waited for, by number.

    Args:
        feature: which one waits.

    Raises:
        NotFoundError: the feature is not there.
    """
    row = get_row(as_ref(feature))
    query = FeatureDependency.select().where(FeatureDependency.feature == row.id)
    return Rows(query.order_by(FeatureDependency.depends_on_number), of=FeatureDependency)


def _check_changeable(row: Feature) -> None:
    if row.status not in _CHANGEABLE:
        raise InvalidTransitionError(
            f"{row.label} is {row.status}, so what it waits for is settled.",
            fix="Enqueue another feature." if row.status == "COMPLETED" else "Stop it first, or wait for its end.",
            status=row.status,
        )


# A row of the whole table for each step: a CTE of keys alone, joined to its table, is a full scan on recent SQLite.
_REACHED = """
WITH RECURSIVE reached(id) AS (
  SELECT id FROM feature_queue WHERE id = {param}
  UNION
  SELECT e.depends_on_id FROM reached CROSS JOIN feature_dependencies e
  WHERE e.feature_id = reached.id AND e.depends_on_id IS NOT NULL)
"""


def _between(start: UUID, end: UUID) -> list[int] | None:
    """Return the numbers on a way from one feature along what it waits for to another, or None."""
    database = current()
    param = database.dialect.param
    reached = _REACHED.format(param=param)
    if not database.fetch(f"{reached} SELECT 1 FROM reached WHERE id = {param}", (str(start), str(end))):
        return None
    edges = database.fetch(
        f"{reached} SELECT f.feature_number, e.depends_on_number FROM reached "
        "CROSS JOIN feature_dependencies e CROSS JOIN feature_queue f "
        "WHERE e.feature_id = reached.id AND e.depends_on_id IS NOT NULL AND f.id = e.feature_id",
        (str(start),),
    )
    graph: dict[int, list[int]] = {}
    for number, other in edges:
        graph.setdefault(number, []).append(other)
    first, last = get_row(Ref("id", str(start))), get_row(Ref("id", str(end)))
    return path(graph, first.feature_number, last.feature_number)


def _recount(row: Feature) -> None:
    """Count anew what a locked feature waits for."""
    database = current()
    sql = (
        "SELECT count(*) FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id "
        f"WHERE e.feature_id = {database.dialect.param} AND {UNMET}"
    )
    # A completion that is not committed yet counts as unmet here, and takes its one away once it gets the row's lock.
    unmet = database.fetch(sql, (str(row.id),))[0][0]
    update_row(Ref("id", str(row.id)), {"unmet_dependencies": unmet, "updated_at": now()})


def verify_counts(*, repair: bool = False) -> Rows[dict[str, object]]:
    """Find features whose count of unmet dependencies is not what their dependencies say.

    Only rows written around this package can be wrong. A count too low never lets a feature run early, because a
    claim looks at the dependencies too; one too high keeps it waiting for ever.

    Args:
        repair: set them right as well.

    Returns:
        ``{"feature", "stored", "actual"}`` for each, by number.
    """
    # Every join is by an index: a subquery that is joined by its result is walked through for each feature where the
    # planner has no statistics yet.
    sql = (
        f"SELECT f.id, f.feature_number, f.unmet_dependencies, count(CASE WHEN {UNMET} THEN e.feature_id END) "
        "FROM feature_queue f LEFT JOIN feature_dependencies e ON e.feature_id = f.id "
        "LEFT JOIN feature_queue d ON d.id = e.depends_on_id WHERE f.status <> 'COMPLETED' "
        "GROUP BY f.id, f.feature_number, f.unmet_dependencies "
        f"HAVING f.unmet_dependencies <> count(CASE WHEN {UNMET} THEN e.feature_id END) ORDER BY f.feature_number"
    )
    wrong = current().fetch(sql, ())
    if repair:
        for key, *_ in wrong:
            _repair(Ref("id", str(key)))
    rows = ({"feature": feature_label(number), "stored": was, "actual": now} for _, number, was, now in wrong)
    return Rows(rows, of={"feature": str, "stored": int, "actual": int})


@run_in_transaction
def _repair(ref: Ref) -> None:
    row = find_row(ref, lock=current().dialect.for_update)
    if row is not None:
        _recount(row)
