"""Experiments: a question put to several runs, and the plan of its analysis made beforehand."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.evaluation.models import Experiment
from datapkg.kit.columns import load_columns
from datapkg.kit.database import current
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "create_experiment",
    "delete_experiment",
    "find_experiment",
    "get_experiment",
    "list_experiments",
    "update_experiment_status",
]

logger = logging.getLogger(__name__)

_ALLOWED: dict[str, tuple[str, ...]] = {
    "DRAFT": ("RUNNING", "ABANDONED"),
    "RUNNING": ("COMPLETED", "ABANDONED"),
    "COMPLETED": (),
    "ABANDONED": (),
}


def _moving(status: str) -> Statement[Experiment]:
    sources = [source for source, targets in _ALLOWED.items() if status in targets]
    return Statement(
        lambda _: (
            Experiment.update(status=status, updated_at=Param("now", Experiment.updated_at.db_value))
            .where((Experiment.id == Param("id")) & Experiment.status.in_(sources))
            .returning(Experiment)
        )
    )


_by_id: Statement[Experiment] = Statement(
    lambda _: Experiment.select().where(Experiment.id == Param("id")), model=Experiment
)
_moves = {status: _moving(status) for status in _ALLOWED}


def create_experiment(name: str, *, analysis_plan: object, hypothesis: str | None = None) -> Experiment:
    """Create an experiment, a draft at first, with the plan of its analysis.

    The plan is pre-registered: no function changes it, so that nobody can choose the test after seeing the results.
    Another plan is another experiment.

    Args:
        name: 1 to 200 characters.
        analysis_plan: an ``analysis-plan`` document: ``test``, ``alpha`` (between 0 and 1), ``correction``.
        hypothesis: what is expected.

    Raises:
        ValidationError: with every complaint about name, hypothesis and plan; nothing is written.

    Example:
        >>> create_experiment("tone", analysis_plan={"test": "paired t", "alpha": 0.05})  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas

    columns = load_columns(
        Experiment,
        schemas.NewExperiment,
        given={"name": name, "hypothesis": hypothesis},
        documents={"analysis_plan": analysis_plan},
        what="experiment",
    )
    made = now()
    experiment = insert(Experiment, {**columns, "created_at": made, "updated_at": made})
    logger.info("experiment created", extra={"experiment_id": str(experiment.id)})
    return experiment


def get_experiment(experiment_id: UUID | str) -> Experiment:
    """Return an experiment.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    experiment = find_experiment(experiment_id)
    if experiment is None:
        raise NotFoundError("experiment", experiment_id)
    return experiment


def find_experiment(experiment_id: UUID | str) -> Experiment | None:
    """Return an experiment, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(experiment_id, "experiment_id"))


def list_experiments(
    *, name: str | None = None, status: str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[Experiment]:
    """Return a page of experiments, newest first.

    Args:
        name: only with exactly this name.
        status: only with this status, one of ``EXPERIMENT_STATUSES``.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"name": name, "status": status, "limit": limit, "after": after}
    where = {"name": Experiment.name.__eq__, "status": Experiment.status.__eq__}
    return list_page(Experiment, schemas.ExperimentFilters, what="list of experiments", given=given, where=where)


def update_experiment_status(experiment_id: UUID | str, *, status: str) -> Experiment:
    """Bring an experiment to another status; of several at once, one succeeds.

    A draft runs or is abandoned; one that runs is completed or abandoned; both of those are final.

    Args:
        experiment_id: which.
        status: the new status.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: its status does not lead to the new one; ``meta`` has ``from``, ``to`` and
            ``allowed``.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.ExperimentStatusChange,
        {"experiment_id": experiment_id, "status": status},
        what="change of an experiment's status",
    )
    key: UUID = given["experiment_id"]
    rows = _moves[status].returning(id=str(key), now=now())
    if not rows:
        raise _refusal(get_experiment(key), status)
    logger.info("experiment's status changed", extra={"experiment_id": str(key), "status": status})
    return instance_builder(Experiment, current().dialect)(rows[0])


def _refusal(experiment: Experiment, status: str) -> InvalidTransitionError:
    allowed = _ALLOWED[experiment.status]
    return InvalidTransitionError(
        f"The experiment {experiment.id} is {experiment.status} and cannot become {status}.",
        fix=f"Choose {' or '.join(allowed)}." if allowed else f"{experiment.status} is final; create a new experiment.",
        **{"from": experiment.status, "to": status, "allowed": list(allowed)},
    )


def delete_experiment(experiment_id: UUID | str) -> None:
    """Delete an experiment; its runs and comparisons stay, without one.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(Experiment, as_id(experiment_id, "experiment_id"), entity="experiment")
