"""Putting features into the queue, one or thousands."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from datapkg.kit.database import current, lock, run_in_transaction
from datapkg.kit.errors import ValidationError
from datapkg.kit.models import new_id, now
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder
from datapkg.kit.statements import insert_many
from datapkg.workqueue.dependencies import GRAPH_LOCK, cycle_text
from datapkg.workqueue.graph import cycles
from datapkg.workqueue.history import record_transitions
from datapkg.workqueue.models import PRIORITIES, Feature, FeatureDependency, feature_label, load_depends_on_ids
from datapkg.workqueue.references import COLUMNS

__all__ = ["enqueue", "enqueue_many"]

logger = logging.getLogger(__name__)

_MOST = 2**31 - 1
_CHUNK = 500
Problems = dict[str, list[str]]


def enqueue(
    name: str,
    *,
    category: str,
    test_steps: str,
    priority: str = "MEDIUM",
    depends_on_ids: Iterable[int] = (),
    feature_number: int | None = None,
    draft: bool = False,
    max_attempts: int = 3,
) -> Feature:
    """Put a feature into the queue.

    Args:
        name: 1 to 500 characters.
        category: what kind of work it is, such as ``"backend"``; 1 to 100 characters.
        test_steps: requirements and acceptance criteria.
        priority: ``HIGH``, ``MEDIUM`` or ``LOW``.
        depends_on_ids: the numbers of the features that must be completed first.
        feature_number: what people call it by; left out, the next after the highest there ever was.
        draft: leave it out of the queue until ``submit``.
        max_attempts: how often it may be claimed, counted anew by ``retry``.

    Raises:
        ValidationError: with every complaint: a value, an unknown dependency, one on itself or given twice.
        ConflictError: the number is taken.

    Example:
        >>> enqueue("Charts", category="frontend", test_steps="They render.", depends_on_ids=[5])  # doctest: +SKIP
    """
    row = {
        "name": name,
        "category": category,
        "test_steps": test_steps,
        "priority": priority,
        "depends_on_ids": depends_on_ids if isinstance(depends_on_ids, (list, str)) else _listed(depends_on_ids),
        "feature_number": feature_number,
        "draft": draft,
        "max_attempts": max_attempts,
    }
    return _enqueue([row], alone=True)[0]


def _listed(numbers: object) -> object:
    return list(numbers) if isinstance(numbers, Iterable) else numbers


def enqueue_many(rows: Iterable[Mapping[str, object]]) -> Rows[Feature]:
    """Put many features into the queue, all or none, in one transaction.

    They may depend on each other in any order; such a row has to give its ``feature_number``.

    Args:
        rows: the arguments of :func:`enqueue`, each a dictionary.

    Returns:
        The features, in the order of the rows.

    Raises:
        ValidationError: with every complaint about every row; a path begins with the row's 0-based position:
            ``17.depends_on_ids.0``. Cycles are named.
        ConflictError: a number is taken.
    """
    if not isinstance(rows, Iterable):
        raise ValidationError({"rows": ["Not a list of features."]}, what="features")
    return _enqueue(list(rows), alone=False)


def _enqueue(rows: list[Any], *, alone: bool) -> Rows[Feature]:
    from datapkg.kit.schemas import load, load_many
    from datapkg.workqueue import schemas

    if alone:
        checked: dict[int, dict[str, Any]] = {0: load(schemas.NewFeature, rows[0], what="feature")}
        problems: Problems = {}
        refused: set[int] = set()
    else:
        bulk = load_many(schemas.NewFeature, rows, what="features", on_error="collect")
        checked = dict(bulk.rows)
        asked = (rows[number].get("feature_number") for number in bulk.errors if isinstance(rows[number], Mapping))
        refused = {number for number in asked if isinstance(number, int)}
        problems = {
            str(number) if path == "_schema" else f"{number}.{path}": why
            for number, found in bulk.errors.items()
            for path, why in found.items()
        }

    @run_in_transaction
    def write() -> list[dict[str, Any]]:
        # Numbers and edges are looked up, then written: one at a time.
        lock(GRAPH_LOCK)
        return _write(checked, dict(problems), alone, refused)

    written = write()
    found = {str(feature.feature_number): feature for feature in _read([row["feature_number"] for row in written])}
    features = Rows((found[str(row["feature_number"])] for row in written), of=Feature)
    load_depends_on_ids(features)
    logger.info("features enqueued", extra={"features": len(features)})
    return features


def _write(
    checked: dict[int, dict[str, Any]], problems: Problems, alone: bool, refused: set[int]
) -> list[dict[str, Any]]:
    """Look the rows' numbers up, refuse what is wrong, and insert the rest.

    Args:
        checked: the rows that are valid by themselves, by their place.
        problems: what is wrong with the others.
        alone: whether there is one row only, whose complaints need no place.
        refused: the numbers of the others; that one depends on them is no complaint more.
    """

    def at(row: int, path: str) -> str:
        return path if alone else f"{row}.{path}"

    rows = _number(checked)
    by_number: dict[int, int] = {}
    for place, row in rows.items():
        first = by_number.setdefault(row["feature_number"], place)
        if first != place:
            problems[at(place, "feature_number")] = [
                f"{feature_label(row['feature_number'])} is the number of row {first} already."
            ]
    stored = _stored({each for row in rows.values() for each in row["depends_on_ids"]} - by_number.keys())
    for place, row in rows.items():
        seen: set[int] = set()
        for index, number in enumerate(row["depends_on_ids"]):
            if number == row["feature_number"]:
                why = f"{feature_label(number)} cannot wait for itself."
            elif number in seen:
                why = f"{feature_label(number)} is given twice."
            elif number not in by_number and number not in stored and number not in refused:
                why = f"There is no {feature_label(number)}."
            else:
                seen.add(number)
                continue
            problems.setdefault(at(place, f"depends_on_ids.{index}"), []).append(why)
    # Nothing that is stored waits for a feature that is not, so a cycle lies within the batch.
    graph: dict[int, list[int]] = {}
    for row in rows.values():
        others = [each for each in row["depends_on_ids"] if each != row["feature_number"]]
        graph.setdefault(row["feature_number"], []).extend(others)
    for cycle in cycles(graph):
        where = at(by_number[cycle[0]], "depends_on_ids")
        problems.setdefault(where, []).append(f"That would be a cycle: {cycle_text(cycle)}.")
    if problems:
        raise ValidationError(_sorted(problems), what="feature" if alone else "features")
    _insert(rows, by_number, stored)
    return list(rows.values())


def _sorted(problems: Problems) -> Problems:
    """Put the complaints in the order of the rows."""

    def place(path: str) -> tuple[int, str]:
        head = path.split(".")[0]
        return (int(head), path) if head.isdigit() else (-1, path)

    return {path: problems[path] for path in sorted(problems, key=place)}


def _number(checked: Mapping[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Give a number to each row that brings none: the next after the highest there is, was, or is in the batch."""
    database = current()
    highest = 0
    # A number is not used again when its feature is deleted, or its history would be two features'.
    for table in ("feature_queue", "feature_transitions"):
        highest = max(highest, database.fetch(f"SELECT coalesce(max(feature_number), 0) FROM {table}", ())[0][0])
    highest = max([highest, *(row["feature_number"] for row in checked.values() if row.get("feature_number"))])
    rows = {}
    for place, row in checked.items():
        number = row.get("feature_number")
        if number is None:
            number = highest = highest + 1
            if number > _MOST:
                raise ValidationError(
                    {"feature_number": ["The highest possible number is taken; give one that is free."]}, what="feature"
                )
        rows[place] = {**row, "feature_number": number, "depends_on_ids": row.get("depends_on_ids", [])}
    return rows


def _stored(numbers: set[int]) -> dict[int, tuple[UUID | str, str]]:
    """Return ``{number: (key, status)}`` of features that are there, locked against being completed meanwhile."""
    database = current()
    wanted = sorted(numbers)
    found: dict[int, tuple[UUID | str, str]] = {}
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        marks = ", ".join([database.dialect.param] * len(some))
        sql = (
            f"SELECT feature_number, id, status FROM feature_queue WHERE feature_number IN ({marks}) "
            f"ORDER BY id{database.dialect.for_update}"
        )
        found.update({number: (key, status) for number, key, status in database.fetch(sql, some)})
    return found


def _insert(
    rows: Mapping[int, dict[str, Any]], by_number: Mapping[int, int], stored: Mapping[int, tuple[UUID | str, str]]
) -> None:
    moment = now()
    keys = {place: new_id() for place in rows}
    insert_many(Feature, (_columns(row, keys[place], stored, moment) for place, row in rows.items()))
    insert_many(
        FeatureDependency,
        (
            {
                "id": new_id(),
                "created_at": moment,
                "feature": keys[place],
                "depends_on": keys[by_number[number]] if number in by_number else UUID(str(stored[number][0])),
                "depends_on_number": number,
            }
            for place, row in rows.items()
            for number in row["depends_on_ids"]
        ),
    )
    record_transitions(
        {
            "created_at": moment,
            "feature_id": keys[place],
            "feature_number": row["feature_number"],
            "from_status": None,
            "to_status": "DRAFT" if row.get("draft") else "PENDING",
        }
        for place, row in rows.items()
    )


def _columns(
    row: Mapping[str, Any], key: UUID, stored: Mapping[int, tuple[UUID | str, str]], moment: dt.datetime
) -> dict[str, Any]:
    priority = row.get("priority", "MEDIUM")
    return {
        "id": key,
        "created_at": moment,
        "updated_at": moment,
        "feature_number": row["feature_number"],
        "name": row["name"],
        "category": row["category"],
        "status": "DRAFT" if row.get("draft") else "PENDING",
        "priority": priority,
        "priority_rank": PRIORITIES.index(priority),
        "test_steps": row["test_steps"],
        "max_attempts": row.get("max_attempts", 3),
        "unmet_dependencies": sum(stored.get(each, ("", ""))[1] != "COMPLETED" for each in row["depends_on_ids"]),
    }


def _read(numbers: list[int]) -> Iterable[Feature]:
    database = current()
    build = instance_builder(Feature, database.dialect)
    for start in range(0, len(numbers), _CHUNK):
        some = numbers[start : start + _CHUNK]
        marks = ", ".join([database.dialect.param] * len(some))
        sql = f"SELECT {COLUMNS} FROM feature_queue WHERE feature_number IN ({marks})"
        yield from map(build, database.fetch(sql, some))
