"""Changing one run under a condition in one statement, and saying why it was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.evaluation.models import Definition, Run
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import literal, quote
from datapkg.kit.errors import DatapkgError, DocumentError, InvalidTransitionError, NotFoundError, ValidationError
from datapkg.kit.json_values import content_hash, parse_json
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement

__all__ = [
    "FINAL_RUN_STATUSES",
    "RUN_TRANSITIONS",
    "all_checked",
    "change_run",
    "forbidden",
    "lock_content",
    "lock_run",
    "one_of",
    "run_columns",
]

RUN_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "PENDING": ("RUNNING", "CANCELLED", "FAILED"),
    "RUNNING": ("PAUSED", "COMPLETED", "FAILED", "CANCELLED"),
    "PAUSED": ("RUNNING", "FAILED", "CANCELLED"),
    "COMPLETED": (),
    "FAILED": (),
    "CANCELLED": (),
}
"""What may follow each status of a run; nothing follows a final one."""

FINAL_RUN_STATUSES = tuple(status for status, following in RUN_TRANSITIONS.items() if not following)
"""The statuses that a run never leaves."""

run_columns = ", ".join(quote(field.column_name) for field in Run._meta.sorted_fields)
"""Every column of a run, in the order that rows are built from."""


def one_of(values: tuple[str, ...]) -> str:
    """Return texts of our own as the list of an SQL ``IN``."""
    return f"({', '.join(map(literal, values))})"


def _locking(dialect: Dialect) -> tuple[str, list[Param]]:
    return f"SELECT {run_columns} FROM runs WHERE id = {dialect.param}{dialect.for_update}", [Param("id")]


_locked: Statement[Run] = Statement(_locking, model=Run)


def lock_run(key: str) -> Run:
    """Return a run that nobody else can change until the transaction ends.

    Raises:
        NotFoundError: there is no such run.
    """
    run = _locked.one(id=key)
    if run is None:
        raise NotFoundError("run", UUID(key))
    return run


def _content_locking(dialect: Dialect) -> tuple[str, list[Param]]:
    return f"SELECT content FROM definitions WHERE id = {dialect.param}{dialect.for_update}", [Param("id")]


_content: Statement[Definition] = Statement(_content_locking)


def lock_content(definition_id: UUID) -> tuple[Any, str]:
    """Return a definition's content as it is stored, not upgraded, and its hash; it cannot change meanwhile.

    Nobody else can change the definition until the transaction ends.

    Raises:
        NotFoundError: there is no such definition.
        DocumentError: the content is corrupt.
    """
    rows = _content.tuples(id=str(definition_id))
    if not rows:
        raise NotFoundError("definition", definition_id)
    try:
        stored = parse_json(rows[0][0])
        return stored, content_hash(stored)
    except (ValueError, ValidationError) as error:
        raise DocumentError(DEFINITION_CONTENT.name, f"it is not JSON as both engines store it ({error})") from error


def change_run(key: str, attempt: Callable[[], list[Any]], refusal: Callable[[Run], DatapkgError]) -> Run:
    """Change a run by a conditional UPDATE … RETURNING, and return it as it is then.

    Only where that changes nothing is the run locked and the statement run again, so that the reason told is the one
    it was refused for, whatever other processes do meanwhile.

    Args:
        key: which run.
        attempt: runs the statement and returns its rows.
        refusal: makes the error from the run that was not changed.

    Raises:
        NotFoundError: there is no such run.
    """
    rows = attempt() or _again(key, attempt, refusal)
    return instance_builder(Run, current().dialect)(rows[0])


@run_in_transaction
def _again(key: str, attempt: Callable[[], list[Any]], refusal: Callable[[Run], DatapkgError]) -> list[Any]:
    run = lock_run(key)
    rows = attempt()
    if not rows:
        raise refusal(run)
    return rows


def forbidden(run: Run, what: str, *, to: str | None = None, fix: str | None = None) -> InvalidTransitionError:
    """Return the error for what a run's status does not allow.

    Args:
        run: the run.
        what: what it cannot do, as ``become RUNNING``.
        to: the status that it should have become, if any.
        fix: what to do instead; left out, it says what may follow the status.
    """
    allowed = RUN_TRANSITIONS[run.status]
    if fix is None and allowed:
        fix = f"From {run.status} it can become {', '.join(allowed[:-1])} or {allowed[-1]}."
    elif fix is None:
        fix = f"{run.status} is final; make a new run with create_run or retry_run."
    meta = {"from": run.status, "to": to, "allowed": list(allowed)}
    return InvalidTransitionError(
        f"The run {run.id} is {run.status} and cannot {what}.",
        fix=fix,
        run_id=str(run.id),
        **{name: value for name, value in meta.items() if value is not None},
    )


def all_checked(*checks: Callable[[], Any], what: str) -> list[Any]:
    """Return what each of these functions returns, or raise the complaints of all of them as one error.

    Args:
        checks: functions that raise ValidationError.
        what: what the error calls the input.

    Raises:
        ValidationError: with every complaint.
    """
    problems: dict[str, list[str]] = {}
    found = []
    for check in checks:
        try:
            found.append(check())
        except ValidationError as error:
            problems.update(error.errors)
    if problems:
        raise ValidationError(problems, what=what)
    return found
