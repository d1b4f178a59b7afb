"""The history of statuses: one row for every change, written in the change's transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from datapkg.kit.models import new_id
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert, insert_many
from datapkg.workqueue.models import Feature, FeatureTransition
from datapkg.workqueue.references import FeatureRef, Ref, as_ref, find_row

__all__ = ["list_transitions", "record_transition", "record_transitions"]


def record_transition(
    feature: Feature,
    from_status: str | None,
    to_status: str,
    *,
    actor: str | None,
    note: str | None,
    moment: dt.datetime,
    attempt: int | None = None,
) -> None:
    """Write one change of status, inside the transaction that makes it."""
    insert(  # datapkg: allow-write the one place where a change of status is recorded
        FeatureTransition,
        {
            "id": new_id(),
            "created_at": moment,
            "feature_id": feature.id,
            "feature_number": feature.feature_number,
            "from_status": from_status,
            "to_status": to_status,
            "actor": actor,
            "attempt": feature.attempt if attempt is None else attempt,
            "note": note,
        },
    )


def record_transitions(rows: Iterable[Mapping[str, Any]]) -> None:
    """Write many changes of status, inside the transaction that makes them; columns by field name."""
    # datapkg: allow-write likewise, for many
    insert_many(FeatureTransition, ({"id": new_id(), **row} for row in rows))


def list_transitions(
    *,
    feature: FeatureRef | None = None,
    to_status: str | None = None,
    actor: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[FeatureTransition]:
    """Return a page of changes of status, newest first; those of deleted features too.

    Args:
        feature: only those of this feature; a deleted one by its number or key.
        to_status: only those to this status.
        actor: only those by this worker or caller.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.workqueue import schemas

    table: Any = FeatureTransition
    where = {"to_status": table.to_status.__eq__, "actor": table.actor.__eq__}
    if feature is not None:
        which = _of(as_ref(feature))
        where["limit"] = lambda _: which  # every page has a limit, so this condition always counts
    given = {"to_status": to_status, "actor": actor, "limit": limit, "after": after}
    return list_page(FeatureTransition, schemas.TransitionFilters, what="list of transitions", given=given, where=where)


def _of(ref: Ref) -> Any:
    """Return the condition for a feature's rows, by its number where that can be known: the index is on it."""
    table: Any = FeatureTransition
    if isinstance(ref.value, int):
        return table.feature_number == ref.value
    row = find_row(ref)
    by_key = table.feature_id == UUID(ref.value)
    return by_key if row is None else (table.feature_number == row.feature_number) & by_key
