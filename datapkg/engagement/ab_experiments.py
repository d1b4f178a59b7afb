"""A/B experiments: planned, started, finished or cancelled."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack
from uuid import UUID

import peewee as pw

from datapkg.engagement.documents import AB_RESULTS
from datapkg.engagement.experiment_models import AbExperiment
from datapkg.engagement.locking import locked
from datapkg.kit.database import run_in_transaction, run_statement
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now as clock
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "AbExperimentChanges",
    "cancel_ab_experiment",
    "create_ab_experiment",
    "delete_ab_experiment",
    "find_ab_experiment",
    "finish_ab_experiment",
    "get_ab_experiment",
    "list_ab_experiments",
    "start_ab_experiment",
    "update_ab_experiment",
]

logger = logging.getLogger(__name__)

_ENTITY = "A/B experiment"
_ALLOWED: dict[str, tuple[str, ...]] = {
    "DRAFT": ("RUNNING", "CANCELLED"),
    "RUNNING": ("COMPLETED", "CANCELLED"),
    "COMPLETED": (),
    "CANCELLED": (),
}

_by_id: Statement[AbExperiment] = Statement(
    lambda _: AbExperiment.select().where(AbExperiment.id == Param("id")), model=AbExperiment
)


class AbExperimentChanges(TypedDict, total=False):
    """What ``update_ab_experiment`` changes; what is left out stays.

    Attributes:
        name: 1 to 200 characters, unique.
        description: up to 10,000 characters; None clears it.
        variant_a: what A is, 1 to 2,000 characters.
        variant_b: what B is, 1 to 2,000 characters.
        metric: what decides, 1 to 200 characters.
        traffic_split: the share of subjects that gets A, 0 to 1.
    """

    name: str
    description: str | None
    variant_a: str
    variant_b: str
    metric: str
    traffic_split: float


def create_ab_experiment(
    name: str,
    *,
    variant_a: str,
    variant_b: str,
    metric: str,
    traffic_split: float = 0.5,
    description: str | None = None,
) -> AbExperiment:
    """Plan an experiment; it is a draft until it is started.

    Args:
        name: 1 to 200 characters, unique.
        variant_a: what A is, 1 to 2,000 characters.
        variant_b: what B is, 1 to 2,000 characters.
        metric: what decides, 1 to 200 characters.
        traffic_split: the share of subjects that gets A, 0 to 1.
        description: what it is about, up to 10,000 characters.

    Raises:
        ConflictError: the name is taken (``uq_ab_experiments_name``).
        ValidationError: with every complaint; nothing is written.

    Example:
        >>> create_ab_experiment("opening", variant_a="question", variant_b="tip",
        ...     metric="help_count")  # doctest: +SKIP
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given = {
        "name": name,
        "description": description,
        "variant_a": variant_a,
        "variant_b": variant_b,
        "metric": metric,
        "traffic_split": traffic_split,
    }
    columns: dict[str, Any] = load(ab_schemas.NewAbExperiment, given, what=_ENTITY)
    columns["traffic_split"] += 0.0  # PostgreSQL would keep -0.0, and SQLite would not
    made = clock()
    experiment = insert(AbExperiment, {**columns, "created_at": made, "updated_at": made})
    logger.info("A/B experiment created", extra={"ab_experiment_id": str(experiment.id)})
    return experiment


def get_ab_experiment(experiment_id: UUID | str) -> AbExperiment:
    """Return an experiment.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    experiment = find_ab_experiment(experiment_id)
    if experiment is None:
        raise NotFoundError(_ENTITY, experiment_id)
    return experiment


def find_ab_experiment(experiment_id: UUID | str) -> AbExperiment | None:
    """Return an experiment, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(experiment_id, "experiment_id"))


def list_ab_experiments(
    *, name: str | None = None, status: str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[AbExperiment]:
    """Return a page of experiments, newest first.

    Args:
        name: only the one with exactly this name.
        status: only with this status, one of ``AB_STATUSES``.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {"name": name, "status": status, "limit": limit, "after": after}
    where = {"name": AbExperiment.name.__eq__, "status": AbExperiment.status.__eq__}
    return list_page(
        AbExperiment, ab_schemas.AbExperimentFilters, what="list of A/B experiments", given=given, where=where
    )


def update_ab_experiment(experiment_id: UUID | str, **changes: Unpack[AbExperimentChanges]) -> AbExperiment:
    """Change an experiment that has not started; from its start on it is frozen.

    Another split would move subjects between the variants, and other variants would be another experiment.

    Args:
        experiment_id: which.
        changes: see :class:`AbExperimentChanges`; at least one.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it has started, or was cancelled.
        ConflictError: the name is taken (``uq_ab_experiments_name``).
        ValidationError: with every complaint, or nothing is given; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    what = "change of an A/B experiment"
    key = as_id(experiment_id, "experiment_id")
    if not changes:
        raise ValidationError({"_schema": [f"Give at least one of {', '.join(_CHANGEABLE)}."]}, what=what)
    change: dict[str, Any] = load(ab_schemas.AbExperimentChange, dict(changes), what=what)
    if "traffic_split" in change:
        change["traffic_split"] += 0.0
    experiment = _write(key, change, when=("DRAFT",))
    if experiment is None:
        stored = get_ab_experiment(key)
        raise InvalidTransitionError(
            f"The A/B experiment {key} is {stored.status} and does not change any more.",
            fix="Create a new experiment; whoever was assigned in this one stays assigned.",
            status=stored.status,
        )
    return experiment


_CHANGEABLE = tuple(AbExperimentChanges.__annotations__)


def start_ab_experiment(experiment_id: UUID | str, *, now: dt.datetime | None = None) -> AbExperiment:
    """Start a draft: from now on subjects are assigned, and nothing about it changes.

    Args:
        experiment_id: which.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is no draft; ``meta`` has ``from``, ``to`` and ``allowed``.
        ValidationError: an argument is not valid.
    """
    return _move(experiment_id, "RUNNING", {"start_date": as_instant(now)})


def finish_ab_experiment(
    experiment_id: UUID | str,
    *,
    results: Mapping[str, object],
    winner: str | None = None,
    now: dt.datetime | None = None,
) -> AbExperiment:
    """Finish a running experiment with what it gave; of several at once, one succeeds.

    Args:
        experiment_id: which.
        results: any JSON object; kept as ``data`` of an ``ab-results`` document.
        winner: one of ``WINNERS``; ``NONE`` says that neither won, left out that nobody has said.
        now: the present, for tests. An experiment never ends before it began, even if the clock was set back.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is not running; ``meta`` has ``from``, ``to`` and ``allowed``.
        ValidationError: with every complaint; nothing is written.
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.AbExperimentEnd,
        {"results": results, "winner": winner, "now": now},
        what="end of an A/B experiment",
    )
    end = {
        "results_json": AB_RESULTS.validate({"data": given["results"]}, path="results"),
        "winner": given["winner"],
        "end_date": _not_before_start(as_instant(given["now"])),
    }
    return _move(experiment_id, "COMPLETED", end)


def cancel_ab_experiment(experiment_id: UUID | str, *, now: dt.datetime | None = None) -> AbExperiment:
    """Give an experiment up, before or after its start; assignments that were made stay.

    Args:
        experiment_id: which.
        now: the present, for tests.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it has ended; ``meta`` has ``from``, ``to`` and ``allowed``.
        ValidationError: an argument is not valid.
    """
    return _move(experiment_id, "CANCELLED", {"end_date": _not_before_start(as_instant(now))})


def _not_before_start(moment: dt.datetime) -> Any:
    start = AbExperiment.start_date
    return pw.Case(None, [(start > moment, start)], pw.Value(moment, converter=start.db_value))


def _move(experiment_id: UUID | str, status: str, change: Mapping[str, Any]) -> AbExperiment:
    key = as_id(experiment_id, "experiment_id")
    sources = tuple(source for source, targets in _ALLOWED.items() if status in targets)
    experiment = _write(key, {**change, "status": status}, when=sources)
    if experiment is None:
        raise _refusal(get_ab_experiment(key), status)
    logger.info("A/B experiment's status changed", extra={"ab_experiment_id": str(key), "status": status})
    return experiment


def _write(key: UUID, change: Mapping[str, Any], *, when: tuple[str, ...]) -> AbExperiment | None:
    """Change an experiment in one statement if its status is one of these; return it, else None."""
    query = (
        AbExperiment.update(**change)
        .where((AbExperiment.id == key) & AbExperiment.status.in_(when))
        .returning(AbExperiment)
    )
    written: list[AbExperiment] = run_statement(lambda: list(query.clone().execute()))
    return written[0] if written else None


def _refusal(experiment: AbExperiment, status: str) -> InvalidTransitionError:
    allowed = _ALLOWED[experiment.status]
    return InvalidTransitionError(
        f"The A/B experiment {experiment.id} is {experiment.status} and cannot become {status}.",
        fix=f"Choose {' or '.join(allowed)}." if allowed else f"{experiment.status} is final; create a new experiment.",
        **{"from": experiment.status, "to": status, "allowed": list(allowed)},
    )


def delete_ab_experiment(experiment_id: UUID | str) -> None:
    """Delete an experiment that does not run, with its assignments; decisions that took part stay, without one.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is running, and its subjects would be assigned anew by the next one.
        ValidationError: the key is not a UUID.
    """
    key = as_id(experiment_id, "experiment_id")

    @run_in_transaction
    def delete() -> None:
        if locked(AbExperiment, key, entity=_ENTITY).status == "RUNNING":
            raise InvalidTransitionError(
                f"The A/B experiment {key} is RUNNING.", fix="Finish or cancel it first.", status="RUNNING"
            )
        delete_row(AbExperiment, key, entity=_ENTITY)

    delete()
    logger.info("A/B experiment deleted", extra={"ab_experiment_id": str(key)})
