"""Comparing two runs by a metric, pair by pair."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from datapkg.evaluation.cohorts import get_cohort
from datapkg.evaluation.experiments import get_experiment
from datapkg.evaluation.models import Cohort, Run, RunComparison
from datapkg.evaluation.paired import PairedSums
from datapkg.evaluation.pairing import PairReader, Scores, Segment
from datapkg.kit.database import snapshot
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = ["compare_runs", "delete_comparison", "find_comparison", "get_comparison", "list_comparisons"]

logger = logging.getLogger(__name__)

_by_id: Statement[RunComparison] = Statement(
    lambda _: RunComparison.select().where(RunComparison.id == Param("id")), model=RunComparison
)
_run: Statement[Run] = Statement(
    lambda dialect: (f"SELECT definition_id FROM runs WHERE id = {dialect.param}", [Param("id")])
)
_readers = {with_content: PairReader(with_content) for with_content in (False, True)}


def compare_runs(
    baseline_id: UUID | str,
    comparison_id: UUID | str,
    *,
    metric: str,
    experiment_id: UUID | str | None = None,
    cohort_id: UUID | str | None = None,
) -> RunComparison:
    """Compare two runs by a metric, transcript by transcript, and store what was found.

    Two transcripts are a pair if their scenarios' names, their models and their sample indexes are the same. Names
    rather than keys, so that runs of a definition and of its fork pair too. A transcript whose scenario was deleted,
    or that never had one, has no partner. What is missing on either side is told by ``coverage``,
    ``baseline_only``, ``comparison_only`` and ``unscored``; it never counts as zero.

    Both runs answer the same questions, so the standard error is that of the paired differences: their standard
    deviation, with n - 1, over the root of n. It is smaller than that of two independent means wherever the scores
    of a pair go together (E. Miller, "Adding Error Bars to Evals", 2024, arXiv:2411.00640). Samples of
    one scenario are taken for independent; where there are several, the true error is larger. The sums are exact,
    see ``datapkg.evaluation.paired``.

    The runs are read a batch at a time and in one state of the database (inside a transaction of yours on
    PostgreSQL, each batch sees what was committed before it).

    Args:
        baseline_id: the run to compare with.
        comparison_id: the run to compare.
        metric: the name of a number in the transcripts' metrics.
        experiment_id: what the comparison belongs to.
        cohort_id: count only transcripts of this cohort, on both sides.

    Returns:
        The stored comparison; its ``delta`` has ``n`` (the scored pairs), the two means over them,
        ``mean_difference`` (comparison minus baseline), ``standard_error`` (None with fewer than two pairs),
        ``coverage`` (``n`` over all pairs and all transcripts without a partner, 0 to 1), and the three counts.

    Raises:
        NotFoundError: there is no such run, experiment or cohort.
        ValidationError: an argument is not valid, both runs are the same, the differences are too large for a
            number, or neither run has the metric; then the metrics that there are (the first 20) are named.
        DocumentError: stored metrics are corrupt.

    Example:
        >>> compare_runs(before.id, after.id, metric="accuracy").delta["mean_difference"]  # doctest: +SKIP
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    arguments = {
        "baseline_id": baseline_id,
        "comparison_id": comparison_id,
        "metric": metric,
        "experiment_id": experiment_id,
        "cohort_id": cohort_id,
    }
    given: dict[str, Any] = load(schemas.NewComparison, arguments, what="comparison of runs")
    with snapshot():
        definitions, cohort = _parties(given)
        delta = _delta(given, definitions, cohort)
    columns = {
        "baseline_run": given["baseline_id"],
        "comparison_run": given["comparison_id"],
        "experiment": given["experiment_id"],
        "delta": delta,
    }
    try:
        comparison = insert(RunComparison, columns)
    except ConflictError:
        _parties(given)  # somebody deleted one of them meanwhile
        raise
    logger.info("runs compared", extra={"comparison_id": str(comparison.id), "pairs": delta["n"]})
    return comparison


def _parties(given: Mapping[str, Any]) -> tuple[dict[str, str], Cohort | None]:
    """Return the runs' definitions and the cohort, or raise if anything that is named is not there."""
    definitions = {}
    for side in ("baseline", "comparison"):
        key = given[f"{side}_id"]
        rows = _run.tuples(id=str(key))
        if not rows:
            raise NotFoundError("run", key)
        definitions[f"{side}_definition"] = rows[0][0]
    if given["experiment_id"] is not None:
        get_experiment(given["experiment_id"])
    return definitions, None if given["cohort_id"] is None else get_cohort(given["cohort_id"])


def _delta(given: Mapping[str, Any], definitions: dict[str, str], cohort: Cohort | None) -> dict[str, object]:
    segment, scores, sums = Segment(cohort), Scores(given["metric"]), PairedSums()
    reader = _readers[segment.reads_content]
    baseline, comparison = str(given["baseline_id"]), str(given["comparison_id"])
    baseline_only = pairs = total = 0
    for _, model, name, metrics, partner, content, other in reader.pairs(
        baseline=baseline, comparison=comparison, **definitions
    ):
        first = scores.of(metrics)
        if not segment.holds(model, name, content):
            continue
        if partner is None or not segment.holds(model, name, other):
            baseline_only += 1
            continue
        pairs += 1
        second = scores.of(partner)
        if first is not None and second is not None:
            sums.add(first, second)
    for _, model, name, metrics, content in reader.all(comparison):
        if not scores.seen:
            scores.of(metrics)
        total += segment.holds(model, name, content)
    scores.refuse_unseen()
    try:
        mean, error = sums.mean_difference, sums.standard_error
    except OverflowError:
        raise ValidationError(
            {"metric": ["Its differences are too large for a number."]}, what="comparison of runs"
        ) from None
    keys = baseline_only + total
    return {
        "metric": given["metric"],
        "n": sums.n,
        "baseline_mean": sums.baseline_mean,
        "comparison_mean": sums.comparison_mean,
        "mean_difference": mean,
        "standard_error": error,
        "coverage": sums.n / keys if keys else 0.0,
        "baseline_only": baseline_only,
        "comparison_only": total - pairs,
        "unscored": pairs - sums.n,
        **({} if cohort is None else {"cohort": cohort.name}),
    }


def get_comparison(comparison_id: UUID | str) -> RunComparison:
    """Return a comparison of two runs.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    comparison = find_comparison(comparison_id)
    if comparison is None:
        raise NotFoundError("comparison", comparison_id)
    return comparison


def find_comparison(comparison_id: UUID | str) -> RunComparison | None:
    """Return a comparison of two runs, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(comparison_id, "comparison_id"))


def list_comparisons(
    *,
    baseline_id: UUID | str | None = None,
    comparison_id: UUID | str | None = None,
    experiment_id: UUID | str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[RunComparison]:
    """Return a page of comparisons, newest first.

    Args:
        baseline_id: only those with this run.
        comparison_id: only those of this run.
        experiment_id: only those of this experiment.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {
        "baseline_id": baseline_id,
        "comparison_id": comparison_id,
        "experiment_id": experiment_id,
        "limit": limit,
        "after": after,
    }
    where = {
        "baseline_id": RunComparison.baseline_run.__eq__,
        "comparison_id": RunComparison.comparison_run.__eq__,
        "experiment_id": RunComparison.experiment.__eq__,
    }
    return list_page(RunComparison, schemas.ComparisonFilters, what="list of comparisons", given=given, where=where)


def delete_comparison(comparison_id: UUID | str) -> None:
    """Delete a comparison; the runs stay.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(RunComparison, as_id(comparison_id, "comparison_id"), entity="comparison")
