"""Who got which variant of an A/B experiment, and whether the split came out as planned."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datapkg.engagement.ab_experiments import get_ab_experiment
from datapkg.engagement.ab_statistics import split_p_value
from datapkg.engagement.experiment_models import AbAssignment, AbExperiment
from datapkg.engagement.vocabulary import VARIANTS
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import InvalidTransitionError, NotFoundError
from datapkg.kit.keys import as_id
from datapkg.kit.models import new_id, now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert_many

__all__ = ["MISMATCH_BELOW", "AbExperimentHealth", "assign_variant", "experiment_health", "list_assignments"]

logger = logging.getLogger(__name__)

MISMATCH_BELOW = 0.001
"""A split less likely than this is taken for a fault and not for chance."""

_SPACE = 2**64

_existing: Statement[AbAssignment] = Statement(
    lambda _: AbAssignment.select().where(
        (AbAssignment.experiment == Param("experiment")) & (AbAssignment.subject == Param("subject"))
    ),
    model=AbAssignment,
)
# Shared, so that assignments do not wait for each other, but an end of the experiment for those under way.
_held: Statement[AbExperiment] = Statement(
    lambda dialect: (
        AbExperiment.select()
        .where(AbExperiment.id == Param("experiment"))
        .for_update("FOR SHARE" if dialect.for_update else None)  # type: ignore[arg-type]  # it takes the clause too
    ),
    model=AbExperiment,
)
_counts: Statement[AbAssignment] = Statement(
    lambda dialect: (
        f"SELECT variant, count(*) FROM ab_assignments WHERE experiment_id = {dialect.param} GROUP BY variant",
        [Param("experiment")],
    )
)


@dataclass(frozen=True)
class AbExperimentHealth:
    """How the subjects of an experiment split, and whether that can be chance.

    Attributes:
        experiment_id: the experiment.
        total: how many subjects were assigned.
        counts: how many got each variant, by its name.
        expected: the share of each that was planned, 0 to 1.
        test: ``binomial`` (exact), ``chi-square`` (for larger numbers), or None without subjects.
        p_value: how likely chance alone gives a split at least as odd; None without subjects.
    """

    experiment_id: UUID
    total: int
    counts: dict[str, int]
    expected: dict[str, float]
    test: str | None
    p_value: float | None

    @property
    def sample_ratio_mismatch(self) -> bool:
        """Whether the split is too odd for chance: what decides about a variant decides about being counted too."""
        return self.p_value is not None and self.p_value < MISMATCH_BELOW


def assign_variant(experiment_id: UUID | str, *, subject: UUID | str) -> AbAssignment:
    """Return which variant a subject gets: always the same, in every process, for good.

    The first time it is computed from the SHA-256 of the experiment's key and the subject, and stored; from then on
    what is stored counts. Different experiments split the same subjects independently of each other.

    Args:
        experiment_id: the experiment; only while it is RUNNING are new subjects assigned.
        subject: who or what, such as an author's key, 1 to 200 characters.

    Raises:
        NotFoundError: there is no such experiment.
        InvalidTransitionError: the subject is new and the experiment is not RUNNING.
        ValidationError: an argument is not valid.

    Example:
        >>> assign_variant(experiment.id, subject=author.id).variant  # doctest: +SKIP
        'A'
    """
    from datapkg.engagement import ab_schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        ab_schemas.NewSubject,
        {"experiment_id": experiment_id, "subject": str(subject) if isinstance(subject, UUID) else subject},
        what="assignment",
    )
    key = {"experiment": str(given["experiment_id"]), "subject": given["subject"]}
    return _existing.one(**key) or _assign(key)


@run_in_transaction
def _assign(key: dict[str, str]) -> AbAssignment:
    experiment = _held.one(experiment=key["experiment"])
    if experiment is None:
        raise NotFoundError("A/B experiment", key["experiment"])
    if experiment.status == "RUNNING":
        variant = _variant(key["experiment"], key["subject"], experiment.traffic_split)
        row = {**key, "experiment": experiment.id, "id": new_id(), "created_at": now(), "variant": variant}
        insert_many(AbAssignment, [row], unless=("experiment", "subject"))
    stored = _existing.one(**key)  # another's, if that came first
    if stored is None:
        raise InvalidTransitionError(
            f"The A/B experiment {experiment.id} is {experiment.status} and assigns nobody new.",
            fix="Start it with start_ab_experiment."
            if experiment.status == "DRAFT"
            else "Treat the subject as outside of the experiment.",
            status=experiment.status,
        )
    return stored


def _variant(experiment_id: str, subject: str, split: float) -> str:
    digest = hashlib.sha256(f"{experiment_id}\0{subject}".encode()).digest()
    # Compared exactly: a float times a power of two is not rounded. A split of 1 is above every number, 0 above none.
    return VARIANTS[0] if int.from_bytes(digest[:8]) < split * _SPACE else VARIANTS[1]


def list_assignments(
    *,
    experiment_id: UUID | str | None = None,
    subject: UUID | str | None = None,
    variant: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[AbAssignment]:
    """Return a page of assignments, newest first.

    Args:
        experiment_id: only of this experiment.
        subject: only of this subject.
        variant: only to this variant, ``A`` or ``B``.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.engagement import ab_schemas

    given = {
        "experiment_id": experiment_id,
        "subject": str(subject) if isinstance(subject, UUID) else subject,
        "variant": variant,
        "limit": limit,
        "after": after,
    }
    where = {
        "experiment_id": AbAssignment.experiment.__eq__,
        "subject": AbAssignment.subject.__eq__,
        "variant": AbAssignment.variant.__eq__,
    }
    return list_page(AbAssignment, ab_schemas.AbAssignmentFilters, what="list of assignments", given=given, where=where)


def experiment_health(experiment_id: UUID | str) -> AbExperimentHealth:
    """Return how an experiment's subjects split, and how likely that is by chance.

    Args:
        experiment_id: the experiment, whatever its status.

    Raises:
        NotFoundError: there is no such experiment.
        ValidationError: the key is not a UUID.

    Example:
        >>> experiment_health(experiment.id).sample_ratio_mismatch  # doctest: +SKIP
        False
    """
    experiment = get_ab_experiment(as_id(experiment_id, "experiment_id"))
    counts = dict.fromkeys(VARIANTS, 0) | dict(_counts.tuples(experiment=str(experiment.id)))
    total, split = sum(counts.values()), experiment.traffic_split
    test, p_value = split_p_value(*counts.values(), split=split) if total else (None, None)
    expected = dict(zip(VARIANTS, (split, 1 - split), strict=True))
    return AbExperimentHealth(experiment.id, total, counts, expected, test, p_value)
