"""The work loop: claim, hand to a handler, keep the lease alive meanwhile, write down what became of it."""

from __future__ import annotations

import contextvars
import datetime as dt
import logging
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from datapkg.kit.database import current
from datapkg.kit.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    DatapkgError,
    LeaseLostError,
    NotFoundError,
    ValidationError,
)
from datapkg.workqueue.claims import LEASE, claim_next, heartbeat, release
from datapkg.workqueue.finishing import complete, fail
from datapkg.workqueue.models import Feature

__all__ = ["Handler", "Job", "Outcome", "WorkReport", "work"]

logger = logging.getLogger(__name__)

_TICK = 0.1
_LONGEST_NOTE = 2000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a piece of work.

    Attributes:
        state: ``"completed"``, ``"failed"``, or ``"released"`` to give it back unfinished.
        result_data, execution_log, metrics, roi: as for ``complete``.
        kind, retry: as for ``fail``.
        note: why it failed or was given back; kept in the history.
    """

    state: Literal["completed", "failed", "released"] = "completed"
    result_data: str | None = None
    execution_log: str | None = None
    metrics: dict[str, object] | None = None
    roi: dict[str, object] | None = None
    kind: str = "ERROR"
    retry: bool = False
    note: str | None = None


@dataclass
class Job:
    """A claimed feature in a handler's hands.

    Attributes:
        feature: what to work on.
        should_end: call it now and then; True once the worker has to stop, or has lost the claim.
        lost: whether the claim is lost; nothing that the handler returns is written then.
    """

    feature: Feature
    should_end: Callable[[], bool]
    lost: bool = False


Handler = Callable[[Job], Outcome | str | None]
"""Does the work: returns an :class:`Outcome`, or just its result; an exception is a failure."""


@dataclass
class WorkReport:
    """What a worker did.

    Attributes:
        worker: its name.
        claimed, completed, failed, released, lost: how many features.
        features: ``(label, what became of it)``, the last thousand.
    """

    worker: str
    claimed: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0
    features: list[tuple[str, str]] = field(default_factory=list)

    def public(self) -> dict[str, object]:
        """Return the figures."""
        return {name: getattr(self, name) for name in ("worker", "claimed", "completed", "failed", "released", "lost")}


def work(
    handler: Handler,
    *,
    worker: str | None = None,
    category: str | None = None,
    lease: dt.timedelta = LEASE,
    until: Literal["stopped", "drained", "one"] = "stopped",
    poll: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
    on_end: Callable[[Feature, str], object] = lambda feature, state: None,
) -> WorkReport:
    """Work on the queue: claim a feature, call the handler, write down the outcome, and so on.

    While the handler runs, a thread prolongs the lease. Once ``stop`` says so, no feature is claimed any more, and
    the handler is told by its job; what it returns then is written as ever, ``released`` included.

    Args:
        handler: does the work.
        worker: the name that the claims carry; left out, the machine's name and the process's number.
        category: only features of this category.
        lease: how long a claim lasts without a heartbeat; there are three heartbeats in that time.
        until: ``"stopped"`` to wait for new features, ``"drained"`` to end when nothing is ready, ``"one"`` to end
            after one feature, or at once when none is ready.
        poll: seconds between looks at a queue that has nothing ready.
        stop: asked several times a second; such as the ``is_set`` of a ``threading.Event``.
        on_end: called after each feature with what became of it: ``completed``, ``failed``, ``released`` or ``lost``.

    Raises:
        ValidationError: an argument is not valid.
        DatabaseUnavailableError: the database cannot be reached.
    """
    _check(until, poll)
    report = WorkReport(worker or f"{platform.node() or 'localhost'}:{os.getpid()}")
    while not stop():
        feature = claim_next(report.worker, lease=lease, category=category)
        if feature is None:
            if until != "stopped":
                break
            _pause(poll, stop)
            continue
        report.claimed += 1
        state = _process(feature, handler, lease, stop)
        setattr(report, state, getattr(report, state) + 1)
        report.features = [*report.features[-999:], (feature.label, state)]
        on_end(feature, state)
        if until == "one":
            break
    return report


def _check(until: str, poll: float) -> None:
    problems = {}
    if until not in ("stopped", "drained", "one"):
        problems["until"] = ["Must be one of: stopped, drained, one."]
    if isinstance(poll, bool) or not isinstance(poll, (int, float)) or not 0 < poll < float("inf"):
        problems["poll"] = ["Must be a number of seconds above 0."]
    if problems:
        raise ValidationError(problems, what="work")


def _pause(seconds: float, stop: Callable[[], bool]) -> None:
    # In slices: a signal's handler may only set a flag, and waiting on an event that it sets can hang.
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(_TICK, left))


def _process(feature: Feature, handler: Handler, lease: dt.timedelta, stop: Callable[[], bool]) -> str:
    """Run the handler on a claimed feature and write down what became of it; return that in a word."""
    job = Job(feature, should_end=stop)
    if stop():  # asked while the claim was made
        return _persist(job, Outcome(state="released", note="the worker had to stop"), lease)
    job.should_end = lambda: job.lost or stop()
    done = threading.Event()
    # A thread of its own starts in an empty context; the worker's may override the database.
    context = contextvars.copy_context()
    heart = threading.Thread(target=context.run, args=(_beat, job, lease, done), name="datapkg-heartbeat", daemon=True)
    heart.start()
    try:
        try:
            outcome = _outcome(handler(job))
        except Exception as error:
            logger.exception("the handler failed", extra={"feature_number": feature.feature_number})
            outcome = Outcome(state="failed", note=f"{type(error).__name__}: {error}")
        except BaseException:
            # Ctrl-C and the like end the worker, but not before the feature is free again.
            _persist(job, Outcome(state="released", note="the worker was interrupted"), lease)
            raise
    finally:
        done.set()
        heart.join()
    return _persist(job, outcome, lease)


def _outcome(returned: Outcome | str | None) -> Outcome:
    outcome = returned if isinstance(returned, Outcome) else Outcome(result_data=returned)
    if outcome.state not in ("completed", "failed", "released"):
        return Outcome(
            state="failed", note=f"The handler returned the state {outcome.state!r}, which there is none of."
        )
    if outcome.note is not None and not isinstance(outcome.note, str):
        return replace(outcome, note=str(outcome.note))
    return outcome


def _beat(job: Job, lease: dt.timedelta, done: threading.Event) -> None:
    """Prolong the lease until the work is done or the claim is lost."""
    try:
        while not done.wait(lease.total_seconds() / 3):
            try:
                heartbeat(job.feature, claim_token=_token(job), lease=lease)
            except (LeaseLostError, NotFoundError) as error:
                logger.warning("the claim is lost: %s", error.why, extra={"feature": job.feature.label})
                job.lost = True
                return
            except DatapkgError as error:
                # The next one may come through; if none does, the lease runs out.
                logger.warning("a heartbeat failed: %s", error.why, extra={"feature": job.feature.label})
    finally:
        database = current()
        if not database.is_closed():
            database.close()


def _token(job: Job) -> str:
    return str(job.feature.claim_token)


def _persist(job: Job, outcome: Outcome, lease: dt.timedelta) -> str:
    """Write an outcome down, trying for as long as the lease may last where the database is away or busy."""
    end = time.monotonic() + lease.total_seconds()
    while True:
        try:
            _write(job, outcome)
            return outcome.state
        except (LeaseLostError, NotFoundError) as error:
            logger.warning("the work is lost: %s", error.why, extra={"feature": job.feature.label})
            return "lost"
        except (DatabaseUnavailableError, DatabaseBusyError):
            if time.monotonic() >= end:
                raise
            time.sleep(_TICK * 5)
        except ValidationError as error:
            # A result that cannot be stored is a failure to tell, not a reason to hold the feature.
            outcome = Outcome(state="failed", note=f"The outcome is refused: {error.why}")


def _write(job: Job, outcome: Outcome) -> None:
    note = None if outcome.note is None else _short(outcome.note)
    if outcome.state == "released":
        release(job.feature, claim_token=_token(job), note=note)
    elif outcome.state == "completed":
        complete(
            job.feature,
            claim_token=_token(job),
            result_data=outcome.result_data,
            execution_log=outcome.execution_log,
            metrics=outcome.metrics,
            roi=outcome.roi,
        )
    else:
        fail(
            job.feature,
            claim_token=_token(job),
            kind=outcome.kind,
            note=note,
            retry=outcome.retry,
            result_data=outcome.result_data,
            execution_log=outcome.execution_log,
        )


def _short(note: str) -> str:
    # An exception's words may hold anything.
    clean = note.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= _LONGEST_NOTE else clean[: _LONGEST_NOTE - 1] + "…"
