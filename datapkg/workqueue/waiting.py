"""What is ready, what waits, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from datapkg.kit.database import current, snapshot
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.workqueue.models import Feature, FeatureTransition, feature_label, load_depends_on_ids
from datapkg.workqueue.references import COLUMNS, FeatureRef, as_ref, get_row

__all__ = ["REASONS", "Blocked", "Explanation", "Waiting", "blocked", "explain", "ready", "waiting_graph"]

REASONS = ("DELETED", "FAILED", "DRAFT", "CYCLE", "WAITING")
"""Why a feature waits, the worst first: something it waits for, directly or not, was deleted, failed, is a draft or
waits for itself; or else everything takes its course."""

_READY = "f.status = 'PENDING' AND f.unmet_dependencies = 0"


def ready(*, category: str | None = None, limit: int = 50) -> Rows[Feature]:
    """Return what ``claim_next`` would give, in that order, leases that have run out aside.

    Args:
        category: only features of this category.
        limit: rows at the most, 1 to 1,000.

    Raises:
        ValidationError: an argument is not valid.
    """
    from datapkg.kit.schemas import load
    from datapkg.workqueue import schemas
    from datapkg.workqueue.dependencies import UNMET

    given = {"limit": limit} if category is None else {"limit": limit, "category": category}
    load(schemas.ReadyFilters, given, what="list of ready features")
    database = current()
    p, dialect = database.dialect.param, database.dialect
    index = dialect.indexed_by("ix_feature_queue_ready" if category is None else "ix_feature_queue_ready_category")
    narrowed = "" if category is None else f"AND f.category = {p} "
    rows = database.fetch(
        f"SELECT {COLUMNS} FROM feature_queue AS f{index} WHERE {_READY} {narrowed}"
        "AND NOT EXISTS (SELECT 1 FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id "
        f"WHERE e.feature_id = f.id AND {UNMET}) ORDER BY priority_rank, created_at, id LIMIT {p}",
        [limit] if category is None else [category, limit],
    )
    found = Rows(map(instance_builder(Feature, dialect), rows), of=Feature)
    load_depends_on_ids(found)
    return found


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unfinished feature in the graph of what waits for what.

    Attributes:
        number, name, category, status, priority: the feature's.
        rank: what it is claimed by: priority, age, key.
        unmet: the numbers of what it waits for that is not completed, deleted ones too.
    """

    number: int
    name: str
    category: str
    status: str
    priority: str
    rank: tuple[Any, ...]
    unmet: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A submitted feature that cannot be claimed yet.

    Attributes:
        feature: its label.
        name: its name.
        reason: one of ``REASONS``.
        because_of: the labels of the features that make the reason.
        waits_for: the labels of everything it waits for itself.
    """

    feature: str
    name: str
    reason: str
    because_of: tuple[str, ...]
    waits_for: tuple[str, ...]

    def public(self) -> dict[str, object]:
        """Return what a table shows."""
        return {
            "feature": self.feature,
            "name": self.name,
            "reason": self.reason,
            "because_of": ", ".join(self.because_of),
            "waits_for": ", ".join(self.waits_for),
        }

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what the columns of :meth:`public` hold."""
        return dict.fromkeys(("feature", "name", "reason", "because_of", "waits_for"), str)


def waiting_graph() -> tuple[dict[int, Waiting], set[int]]:
    """Return every feature that is not completed, by number, and the numbers of the deleted that some wait for."""
    with snapshot():
        database = current()
        features = database.fetch(
            "SELECT feature_number, name, category, status, priority, priority_rank, created_at, id "
            "FROM feature_queue WHERE status <> 'COMPLETED' ORDER BY feature_number",
            (),
        )
        edges = database.fetch(
            "SELECT f.feature_number, e.depends_on_number, d.id IS NULL FROM feature_dependencies e "
            "JOIN feature_queue f ON f.id = e.feature_id LEFT JOIN feature_queue d ON d.id = e.depends_on_id "
            "WHERE f.status <> 'COMPLETED' AND (d.status IS NULL OR d.status <> 'COMPLETED') "
            "ORDER BY f.feature_number, e.depends_on_number",
            (),
        )
    found = {
        number: Waiting(number, name, category, status, priority, (rank, created, str(key)))
        for number, name, category, status, priority, rank, created, key in features
    }
    deleted: set[int] = set()
    for number, other, gone in edges:
        if gone:
            # A feature that got the number of a deleted one is another: a number below nothing keeps them apart.
            other = -other
            deleted.add(other)
        found[number].unmet.append(other)
    return found, deleted


def blocked() -> Rows[Blocked]:
    """Return the PENDING features that wait for another one, by number, with the reason.

    Reads every feature that is not completed.
    """
    graph, deleted = waiting_graph()
    reasons = _reasons(graph, deleted)
    stuck = (
        Blocked(
            feature_label(number),
            each.name,
            reasons[number][0],
            tuple(feature_label(abs(other)) for other in reasons[number][1]),
            tuple(feature_label(abs(other)) for other in each.unmet),
        )
        for number, each in graph.items()
        if each.status == "PENDING" and each.unmet
    )
    return Rows(stuck, of=Blocked)


def _own_reason(number: int, graph: Mapping[int, Waiting], deleted: set[int]) -> str:
    if number in deleted:
        return "DELETED"
    return graph[number].status if graph[number].status in ("FAILED", "DRAFT") else "WAITING"


def _reasons(graph: Mapping[int, Waiting], deleted: set[int]) -> dict[int, tuple[str, list[int]]]:
    """Return for each feature the worst that stands in its way, near or far, and what that is."""
    from datapkg.workqueue.graph import in_order

    plain = {number: each.unmet for number, each in graph.items()}
    order = in_order(plain, rank=lambda number: number)
    reasons: dict[int, tuple[str, list[int]]] = {}
    for number in [*order, *sorted(graph.keys() - set(order))]:
        causes: dict[str, set[int]] = {}
        for other in graph[number].unmet:
            own = _own_reason(other, graph, deleted)
            if own == "WAITING" and other not in deleted:
                # What has no place in the order and no reason yet is a cycle's, or waits for one.
                own, roots = reasons.get(other, ("CYCLE", [other]))
                causes.setdefault(own, set()).update(roots if own != "WAITING" else [other])
            else:
                causes.setdefault(own, set()).add(other)
        worst = min(causes, key=REASONS.index, default="WAITING")
        reasons[number] = (worst, sorted(causes.get(worst, ()), key=abs))
    return reasons


@dataclass(frozen=True)
class Explanation:
    """Why a feature is where it is.

    Attributes:
        feature: its label.
        status: its status.
        sentence: what happens next, or what is in the way, for people.
        reason: for one that waits, one of ``REASONS``; else None.
        waits_for: ``{label: status}`` of everything it waits for itself; ``DELETED`` for what is gone.
        ahead: for one that is ready, how many features are claimed before it; else None.
        history: its changes of status, oldest first, up to the last 50.
    """

    feature: str
    status: str
    sentence: str
    reason: str | None = None
    waits_for: Mapping[str, str] = field(default_factory=dict)
    ahead: int | None = None
    history: Rows[Any] = field(default_factory=Rows)

    def public(self) -> dict[str, object]:
        """Return what a table or JSON shows."""
        return {
            "feature": self.feature,
            "status": self.status,
            "sentence": self.sentence,
            "reason": self.reason,
            "waits_for": dict(self.waits_for),
            "ahead": self.ahead,
            "history": self.history.records(),
        }


def explain(feature: FeatureRef, *, now: dt.datetime | None = None) -> Explanation:
    """Tell why a feature is not done yet, or what became of it.

    Args:
        feature: which.
        now: the present, for tests.

    Raises:
        NotFoundError: there is no such feature.
    """
    from datapkg.kit.instants import as_instant
    from datapkg.workqueue.history import list_transitions

    moment = as_instant(now)
    with snapshot():
        row = get_row(as_ref(feature))
        newest_first = list_transitions(feature=row)
        graph, deleted = waiting_graph()
    history = Rows(reversed(newest_first), of=FeatureTransition)
    waiting = graph.get(row.feature_number)
    states = {
        feature_label(abs(other)): "DELETED" if other in deleted else graph[other].status
        for other in (waiting.unmet if waiting else ())
    }
    reason, ahead = None, None
    if row.status == "IN_PROGRESS":
        assert row.lease_expires_at is not None
        over = " has run out: the next claim takes it away" if row.lease_expires_at <= moment else ""
        sentence = (
            f"{row.claimed_by} works on it, attempt {row.attempt} of {row.max_attempts}; "
            f"its lease{over or f' ends at {row.lease_expires_at:%Y-%m-%d %H:%M:%S} UTC'}."
        )
    elif row.status == "COMPLETED":
        sentence = "It is completed."
    elif row.status == "FAILED":
        note = newest_first[0].note if newest_first else None
        why = ": ".join(each for each in (row.failure_kind, note) if each) or "no reason given"
        sentence = f"It failed ({why}); retry lets it run again."
    elif row.status == "DRAFT":
        sentence = "It is a draft; submit puts it into the queue."
    elif states:
        reason, roots = _reasons(graph, deleted)[row.feature_number]
        sentence = _in_the_way(reason, roots, states)
    else:
        mine = graph[row.feature_number].rank
        ahead = sum(each.status == "PENDING" and not each.unmet and each.rank < mine for each in graph.values())
        sentence = f"It is ready, {ahead} to be claimed before it."
    return Explanation(row.label, row.status, sentence, reason, states, ahead, history)


def _in_the_way(reason: str, roots: Iterable[int], states: Mapping[str, str]) -> str:
    listed = ", ".join(f"{label} ({status})" for label, status in states.items())
    labels = ", ".join(feature_label(abs(number)) for number in roots)
    advice = {
        "DELETED": f"{labels} was deleted: remove the dependency on it",
        "FAILED": f"{labels} failed: retry it, or remove the dependency on it",
        "DRAFT": f"{labels} is a draft: submit it",
        "CYCLE": f"{labels} is part of a cycle: remove one of its dependencies",
        "WAITING": "they take their course",
    }[reason]
    return f"It waits for {listed}; {advice}."
