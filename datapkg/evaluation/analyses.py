"""Analyses of runs: versioned results, and whether what they were made from is still the same."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from datapkg.evaluation.fingerprints import fingerprint_inputs
from datapkg.evaluation.models import AnalysisResult
from datapkg.evaluation.run_changes import lock_run
from datapkg.kit.columns import load_columns
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "delete_analysis",
    "find_analysis",
    "get_analysis",
    "get_current_analysis",
    "invalidate_analysis",
    "is_stale",
    "list_analyses",
    "record_analysis",
]

logger = logging.getLogger(__name__)

_moment = AnalysisResult.updated_at.db_value
_of_type = (AnalysisResult.run == Param("run")) & (AnalysisResult.analysis_type == Param("type"))
_is_current = AnalysisResult.status == "CURRENT"

_by_id: Statement[AnalysisResult] = Statement(
    lambda _: AnalysisResult.select().where(AnalysisResult.id == Param("id")), model=AnalysisResult
)
_current: Statement[AnalysisResult] = Statement(
    lambda _: AnalysisResult.select().where(_of_type & _is_current), model=AnalysisResult
)
_highest: Statement[AnalysisResult] = Statement(
    lambda dialect: (
        f"SELECT max(version) FROM analysis_results WHERE run_id = {dialect.param} AND analysis_type = {dialect.param}",
        [Param("run"), Param("type")],
    )
)
_supersede: Statement[AnalysisResult] = Statement(
    lambda _: AnalysisResult.update(status="SUPERSEDED", updated_at=Param("now", _moment)).where(_of_type & _is_current)
)
_invalidate: Statement[AnalysisResult] = Statement(
    lambda _: (
        AnalysisResult.update(
            status="INVALIDATED",
            invalidated_at=Param("now", _moment),
            invalidated_by=Param("author"),
            invalidated_reason=Param("reason"),
            updated_at=Param("now", _moment),
        )
        .where((AnalysisResult.id == Param("id")) & (AnalysisResult.status != "INVALIDATED"))
        .returning(AnalysisResult)
    )
)


def record_analysis(
    run_id: UUID | str,
    *,
    analysis_type: str,
    output: object,
    code_version: str,
    rubric_id: UUID | str | None = None,
) -> AnalysisResult:
    """Record an analysis of a run as the current one of its type, in one transaction; the one before is superseded.

    Its version is one above the highest that there is for this run and type, however many record at once.

    The fingerprint of what it was made from is taken first, from one state of the database and without a lock:
    it may take a while, and what is written to the run meanwhile makes the analysis stale.

    Args:
        run_id: the run.
        analysis_type: the kind of analysis, 1 to 100 characters.
        output: what was found, any JSON object; it is stored under ``data`` of an ``analysis-output`` document.
        code_version: the version of the code that did it, 1 to 200 characters.
        rubric_id: the rubric that it used.

    Raises:
        NotFoundError: there is no such run or rubric.
        ValidationError: with every complaint about the arguments; nothing is written.
        DocumentError: a stored transcript, or the definition, is corrupt.

    Example:
        >>> record_analysis(run.id, analysis_type="means", output={"accuracy": 0.9}, code_version="1")  # doctest: +SKIP
    """
    columns = _checked(
        {"run_id": run_id, "analysis_type": analysis_type, "code_version": code_version, "rubric_id": rubric_id},
        output,
    )
    run, rubric = columns.pop("run_id"), columns.pop("rubric_id")
    columns["input_hash"] = fingerprint_inputs(run, rubric_id=rubric)
    which = {"run": str(run), "type": columns["analysis_type"]}

    @run_in_transaction
    def record() -> AnalysisResult:
        # Locked, because the highest version and the current one are read and then written.
        lock_run(str(run))
        version = (_highest.tuples(**which)[0][0] or 0) + 1
        made = now()
        _supersede.run(**which, now=made)
        row = {"run": run, "rubric": rubric, "version": version, "created_at": made, "updated_at": made}
        return insert(AnalysisResult, {**columns, **row})

    analysis = record()
    logger.info("analysis recorded", extra={"analysis_id": str(analysis.id), "version": analysis.version})
    return analysis


def _checked(given: dict[str, object], output: object) -> dict[str, Any]:
    from datapkg.evaluation import schemas

    try:
        return load_columns(
            AnalysisResult, schemas.NewAnalysis, given=given, documents={"output": {"data": output}}, what="analysis"
        )
    except ValidationError as error:
        # The caller gave the object, and does not know where it is stored.
        errors = {
            f"output{path.removeprefix('output.data')}" if path.startswith("output.data") else path: messages
            for path, messages in error.errors.items()
        }
        raise ValidationError(errors, what="analysis") from None


def get_analysis(analysis_id: UUID | str) -> AnalysisResult:
    """Return an analysis, whatever its status.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    analysis = find_analysis(analysis_id)
    if analysis is None:
        raise NotFoundError("analysis", analysis_id)
    return analysis


def find_analysis(analysis_id: UUID | str) -> AnalysisResult | None:
    """Return an analysis, whatever its status, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(analysis_id, "analysis_id"))


def get_current_analysis(run_id: UUID | str, *, analysis_type: str) -> AnalysisResult:
    """Return a run's current analysis of a type.

    Args:
        run_id: the run.
        analysis_type: the kind of analysis.

    Raises:
        NotFoundError: none is current: there never was one, or it was invalidated or deleted.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.CurrentAnalysis, {"run_id": run_id, "analysis_type": analysis_type}, what="current analysis"
    )
    analysis = _current.one(run=str(given["run_id"]), type=given["analysis_type"])
    if analysis is None:
        raise NotFoundError(
            "current analysis",
            f"of the type {analysis_type!r} of the run {given['run_id']}",
            fix="Record one, or look at the older versions with list_analyses.",
        )
    return analysis


def list_analyses(
    *,
    run_id: UUID | str | None = None,
    analysis_type: str | None = None,
    status: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[AnalysisResult]:
    """Return a page of analyses, newest first.

    Args:
        run_id: only those of this run.
        analysis_type: only those of this type.
        status: only those with this status, one of ``ANALYSIS_STATUSES``.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {"run_id": run_id, "analysis_type": analysis_type, "status": status, "limit": limit, "after": after}
    where = {
        "run_id": AnalysisResult.run.__eq__,
        "analysis_type": AnalysisResult.analysis_type.__eq__,
        "status": AnalysisResult.status.__eq__,
    }
    return list_page(AnalysisResult, schemas.AnalysisFilters, what="list of analyses", given=given, where=where)


def is_stale(analysis_id: UUID | str, *, code_version: str | None = None) -> bool:
    """Tell whether an analysis would have to be done again: what it was made from has changed, or the code has.

    The run's transcripts, its definition's content and the rubric are compared by
    :func:`~datapkg.evaluation.fingerprints.fingerprint_inputs`, which reads all of them. Its status does not count.

    Args:
        analysis_id: which.
        code_version: the version of the code that would do it now; left out, the code does not count.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: with every complaint about the arguments.
        DocumentError: a stored transcript, or the definition, is corrupt.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    load(schemas.Staleness, {"analysis_id": analysis_id, "code_version": code_version}, what="question of staleness")
    analysis = get_analysis(analysis_id)
    if code_version is not None and code_version != analysis.code_version:
        return True
    recorded: str = analysis.input_hash
    return fingerprint_inputs(analysis.run_id, rubric_id=analysis.rubric_id) != recorded


def invalidate_analysis(analysis_id: UUID | str, *, author: str, reason: str) -> AnalysisResult:
    """Declare an analysis invalid, for good; of several at once, one succeeds.

    A current one leaves none: the one that it superseded does not come back, because it was replaced for a reason.
    Record a new one instead.

    Args:
        analysis_id: which, current or superseded.
        author: who says so, 1 to 200 characters.
        reason: why, 1 to 2,000 characters.

    Raises:
        NotFoundError: there is none with this key.
        InvalidTransitionError: it is invalid already; who said so, when and why stays.
        ValidationError: with every complaint about the arguments.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given: dict[str, Any] = load(
        schemas.Invalidation,
        {"analysis_id": analysis_id, "author": author, "reason": reason},
        what="invalidation of an analysis",
    )
    key: UUID = given.pop("analysis_id")
    rows = _invalidate.returning(id=str(key), now=now(), **given)
    if not rows:
        analysis = get_analysis(key)
        raise InvalidTransitionError(
            f"The analysis {key} is {analysis.status} and cannot become INVALIDATED.",
            fix="Nothing is to be done; record a new analysis to have a current one.",
            **{"from": analysis.status, "to": "INVALIDATED", "allowed": []},
        )
    logger.info("analysis invalidated", extra={"analysis_id": str(key)})
    return instance_builder(AnalysisResult, current().dialect)(rows[0])


def delete_analysis(analysis_id: UUID | str) -> None:
    """Delete an analysis; one that it superseded does not become current again.

    The next one gets the version after the highest that is left. To keep what was concluded, invalidate it instead.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    delete_row(AnalysisResult, as_id(analysis_id, "analysis_id"), entity="analysis")
