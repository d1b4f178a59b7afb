"""Claiming features: the fast path, leases, and what happens when they run out.

A claim is good for as long as its token stands in the row. The clock alone does not end it: a worker that comes back
late may still finish, as long as nobody has taken the expired claim away (``claim_next`` and ``release_expired`` do).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import LeaseLostError, NotFoundError
from datapkg.kit.instants import as_instant, later
from datapkg.kit.models import new_id
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import Param, Statement
from datapkg.workqueue.dependencies import UNMET
from datapkg.workqueue.history import record_transition, record_transitions
from datapkg.workqueue.models import Feature
from datapkg.workqueue.references import COLUMNS, FeatureRef, Ref, as_ref, find_row, locked_row, update_row

__all__ = [
    "LEASE",
    "RELEASED",
    "claim_next",
    "claim_token_of",
    "heartbeat",
    "held_row",
    "lost",
    "release",
    "release_expired",
]

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(minutes=5)
"""How long a claim lasts without a heartbeat, by default."""

RELEASED: dict[str, Any] = {"claim_token": None, "claimed_by": None, "lease_expires_at": None}
"""What a row holds of a claim when nobody holds it."""

_CHUNK = 500
_instant = Feature.lease_expires_at.db_value


def claim_next(
    worker: str, *, lease: dt.timedelta = LEASE, category: str | None = None, now: dt.datetime | None = None
) -> Feature | None:
    """Claim the next feature that is ready: the highest priority first, then the oldest, then by key.

    A feature is ready when it is PENDING and everything that it depends on is completed. Claims whose lease ran out
    are taken away first: what they held is PENDING again, or FAILED with ``EXHAUSTED`` where its attempts are used up.

    Args:
        worker: who claims, 1 to 200 characters.
        lease: how long the claim lasts without a heartbeat.
        category: only features of this category.
        now: the present, for tests.

    Returns:
        The feature, IN_PROGRESS, with the ``claim_token`` that every later write needs; None when nothing is ready.

    Raises:
        ValidationError: an argument is not valid.

    Example:
        >>> feature = claim_next("worker-1", lease=dt.timedelta(minutes=1))  # doctest: +SKIP
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    given = {"worker": worker} if category is None else {"worker": worker, "category": category}
    request = _Request(load(schemas.Claim, given, what="claim"), lease, now)
    feature = _claim(request, expired_first=False)
    if feature is None and _any_expired.tuples(**request.values()):
        feature = _claim_after_expired(request)
    if feature is not None and logger.isEnabledFor(logging.INFO):
        logger.info("feature claimed", extra={"feature_number": feature.feature_number, "worker": worker})
    return feature


class _Request(NamedTuple):
    given: dict[str, Any]
    lease: dt.timedelta
    now: dt.datetime | None

    def values(self) -> dict[str, Any]:
        """Return the driver's values; the lease begins now, not before the wait for SQLite's lock."""
        moment = as_instant(self.now)
        return {
            **self.given,
            "now": _instant(moment),
            "expires": _instant(later(moment, self.lease, "lease")),
            "token": str(new_id()),
            "transition": str(new_id()),
        }


_any_expired: Statement[Feature] = Statement(
    lambda dialect: (
        f"SELECT 1 FROM feature_queue{dialect.indexed_by('ix_feature_queue_leased')} "
        f"WHERE status = 'IN_PROGRESS' AND lease_expires_at <= {dialect.param} LIMIT 1",
        [Param("now")],
    )
)


def _claim(request: _Request, *, expired_first: bool) -> Feature | None:
    """Claim a feature; nothing while a lease has run out, unless those were released already."""
    database = current()
    statement = _claims["category" in request.given, expired_first]
    if database.dialect.writes_in_with:
        rows = statement.returning(**request.values())
    else:
        rows = _claim_and_record(statement, request)
    return instance_builder(Feature, database.dialect)(rows[0]) if rows else None


@run_in_transaction
def _claim_and_record(statement: Statement[Feature], request: _Request) -> list[Any]:
    values = request.values()
    rows = statement.tuples(**values)
    if rows:
        values["feature"], values["number"], values["attempt"] = _recorded(rows[0])
        _record.tuples(**values)
    return rows


@run_in_transaction
def _claim_after_expired(request: _Request) -> Feature | None:
    _release_expired(as_instant(request.now))
    return _claim(request, expired_first=True)


def _claim_statement(category: bool, expired_first: bool, dialect: Dialect) -> tuple[str, list[Any]]:
    """Return the claim's SQL for an engine, and its parameters.

    ``UPDATE … RETURNING`` ignores the order of a subquery, and ``IN (SELECT … LIMIT 1)`` may be evaluated more than
    once and claim more: so the one row comes from a materialised CTE.
    """
    p = dialect.param
    parameters: list[Any] = []
    index = "ix_feature_queue_ready_category" if category else "ix_feature_queue_ready"
    sql = (
        f"WITH next AS MATERIALIZED (SELECT f.id FROM feature_queue AS f{dialect.indexed_by(index)} "
        "WHERE f.status = 'PENDING' AND f.unmet_dependencies = 0"
    )
    if category:
        sql += f" AND f.category = {p}"
        parameters.append(Param("category"))
    if not expired_first:
        leased = dialect.indexed_by("ix_feature_queue_leased")
        sql += (
            f" AND NOT EXISTS (SELECT 1 FROM feature_queue AS x{leased} "
            f"WHERE x.status = 'IN_PROGRESS' AND x.lease_expires_at <= {p})"
        )
        parameters.append(Param("now"))
    # The count in the row says the same, unless foreign code has written it. NOT EXISTS would say it too, but without
    # statistics PostgreSQL makes a join with every dependency of it; this looks at the candidate's own alone.
    sql += (
        " AND 0 = (SELECT count(*) FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id "
        f"WHERE e.feature_id = f.id AND {UNMET}) "
        f"ORDER BY f.priority_rank, f.created_at, f.id LIMIT 1{dialect.skip_locked})"
    )
    update = (
        "UPDATE feature_queue SET status = 'IN_PROGRESS', attempt = attempt + 1, failure_kind = NULL, "
        f"claimed_by = {p}, claim_token = {p}, lease_expires_at = {p}, updated_at = {p} "
        f"WHERE id = (SELECT id FROM next) RETURNING {COLUMNS}"
    )
    parameters += [Param("worker"), Param("token"), Param("expires"), Param("now")]
    if not dialect.writes_in_with:
        return f"{sql} {update}", parameters
    sql += (
        # datapkg: allow-write a claim's history, in one statement with the claim
        f", claimed AS ({update}), recorded AS (INSERT INTO feature_transitions {_TRANSITION} "
        f"SELECT {p}, {p}, id, feature_number, 'PENDING', 'IN_PROGRESS', claimed_by, attempt FROM claimed) "
        f"SELECT {COLUMNS} FROM claimed"
    )
    return sql, [*parameters, Param("transition"), Param("now")]


_TRANSITION = "(id, created_at, feature_id, feature_number, from_status, to_status, actor, attempt)"
_recorded = itemgetter(
    *([field.name for field in Feature._meta.sorted_fields].index(name) for name in ("id", "feature_number", "attempt"))
)

_claims: dict[tuple[bool, bool], Statement[Feature]] = {
    (category, expired_first): Statement(partial(_claim_statement, category, expired_first))
    for category in (False, True)
    for expired_first in (False, True)
}

_record: Statement[Feature] = Statement(
    lambda dialect: (
        # datapkg: allow-write a claim's history, in one transaction with the claim
        f"INSERT INTO feature_transitions {_TRANSITION} "
        "VALUES ({p}, {p}, {p}, {p}, 'PENDING', 'IN_PROGRESS', {p}, {p})".format(p=dialect.param),
        [Param(name) for name in ("transition", "now", "feature", "number", "worker", "attempt")],
    )
)


def heartbeat(
    feature: FeatureRef, *, claim_token: UUID | str | None, lease: dt.timedelta = LEASE, now: dt.datetime | None = None
) -> Feature:
    """Prolong a claim: its lease lasts from now on.

    Args:
        feature: which.
        claim_token: the claim's; None, as a feature has that nobody has claimed, is refused.
        lease: how long from now.
        now: the present, for tests.

    Raises:
        LeaseLostError: the claim was taken over, released or stopped.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    ref, token, moment = as_ref(feature), claim_token_of(claim_token), as_instant(now)
    row = update_row(ref, {"lease_expires_at": later(moment, lease, "lease"), "updated_at": moment}, held_with=token)
    if row is None:
        lost(ref)
    return row


def release(
    feature: FeatureRef, *, claim_token: UUID | str | None, note: str | None = None, now: dt.datetime | None = None
) -> Feature:
    """Give a claimed feature back unfinished, as a worker does that has to stop; the attempt does not count.

    Args:
        feature: which.
        claim_token: the claim's; None, as a feature has that nobody has claimed, is refused.
        note: why, up to 2,000 characters.
        now: the present, for tests.

    Raises:
        LeaseLostError: the claim was taken over, released or stopped.
        NotFoundError: there is no such feature.
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    load(schemas.Note, {} if note is None else {"note": note}, what="release")
    ref, token, moment = as_ref(feature), claim_token_of(claim_token), as_instant(now)

    @run_in_transaction
    def give_back() -> Feature:
        row = held_row(ref, token)
        attempt = max(row.attempt - 1, 0)
        values = {"status": "PENDING", "attempt": attempt, "updated_at": moment, **RELEASED}
        changed = update_row(Ref("id", str(row.id)), values)
        assert changed is not None, "the row is locked"
        record_transition(row, "IN_PROGRESS", "PENDING", actor=row.claimed_by, note=note, moment=moment)
        return changed

    row = give_back()
    logger.info("feature released", extra={"feature_number": row.feature_number})
    return row


def release_expired(*, now: dt.datetime | None = None) -> Rows[Feature]:
    """Take away every claim whose lease has run out; ``claim_next`` does the same before it claims.

    What they held is PENDING again, or FAILED with ``EXHAUSTED`` where its attempts are used up.

    Args:
        now: the present, for tests.

    Returns:
        The features, as they are afterwards.
    """
    moment = as_instant(now)
    released = run_in_transaction(_release_expired)(moment)
    logger.info("expired claims released", extra={"features": len(released)})
    return Rows((row for key in released if (row := find_row(Ref("id", key))) is not None), of=Feature)


def _release_expired(moment: dt.datetime) -> list[str]:
    database = current()
    p, dialect = database.dialect.param, database.dialect
    instant = _instant(moment)
    expired = database.fetch(
        "SELECT id, feature_number, claimed_by, attempt, max_attempts FROM feature_queue"
        f"{dialect.indexed_by('ix_feature_queue_leased')} "
        f"WHERE status = 'IN_PROGRESS' AND lease_expires_at <= {p} ORDER BY id{dialect.skip_locked}",
        (instant,),
    )
    for start in range(0, len(expired), _CHUNK):
        _take_away(expired[start : start + _CHUNK], moment)
    return [str(row[0]) for row in expired]


def _take_away(expired: Sequence[Any], moment: dt.datetime) -> None:
    database = current()
    p, instant = database.dialect.param, _instant(moment)
    for used_up, status, sets in (
        (False, "PENDING", "status = 'PENDING'"),
        (True, "FAILED", f"status = 'FAILED', failure_kind = 'EXHAUSTED', finished_at = {p}"),
    ):
        rows = [row for row in expired if (row[3] >= row[4]) is used_up]
        if not rows:
            continue
        marks = ", ".join([p] * len(rows))
        database.change(
            f"UPDATE feature_queue SET {sets}, claim_token = NULL, claimed_by = NULL, lease_expires_at = NULL, "
            f"updated_at = {p} WHERE id IN ({marks})",
            [*([instant] if used_up else []), instant, *(str(row[0]) for row in rows)],
        )
        record_transitions(
            {
                "created_at": moment,
                "feature_id": UUID(str(key)),
                "feature_number": number,
                "from_status": "IN_PROGRESS",
                "to_status": status,
                "actor": worker,
                "attempt": attempt,
                "note": "the lease ran out",
            }
            for key, number, worker, attempt, _ in rows
        )


def claim_token_of(given: UUID | str | None) -> UUID:
    """Return a claim's token as a UUID.

    Raises:
        ValidationError: it is none.
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas

    token = load(schemas.Claimed, {"claim_token": given}, what="claim")["claim_token"]
    assert isinstance(token, UUID)
    return token


def held_row(ref: Ref, token: UUID) -> Feature:
    """Return a feature, locked, that the claim with this token holds.

    Raises:
        LeaseLostError: it does not.
        NotFoundError: there is no such feature.
    """
    row = locked_row(ref)
    if row.status != "IN_PROGRESS" or row.claim_token != token:
        lost(ref)
    return row


def lost(ref: Ref) -> NoReturn:
    """Tell a worker that its claim is not good any more.

    Raises:
        LeaseLostError: always, unless
        NotFoundError: the feature is gone.
    """
    row = find_row(ref)
    if row is None:
        raise NotFoundError("feature", ref.label)
    holder = f", claimed by {row.claimed_by}" if row.claimed_by else ""
    raise LeaseLostError(
        f"This claim of {row.label} is not good any more: the feature is {row.status}{holder}.",
        fix="Claim another feature. If the lease ended under the work: more heartbeats, or a longer lease.",
        feature=row.label,
        status=row.status,
        claimed_by=row.claimed_by,
    )
