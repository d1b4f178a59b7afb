"""Lists of runs, each with its definition, in one query; contents stay text until somebody looks at them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from datapkg.evaluation.models import Definition, Run
from datapkg.evaluation.run_changes import all_checked
from datapkg.kit.database import current
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import CorruptTreeError, NotFoundError
from datapkg.kit.keys import as_id_text
from datapkg.kit.results import Rows
from datapkg.kit.rows import instance_builder, paused_collection

__all__ = ["get_runs_for_definition_tree", "list_runs"]

_RUN = tuple(field.column_name for field in Run._meta.sorted_fields)
_DEFINITION = tuple(field.column_name for field in Definition._meta.sorted_fields)
_WIDTH, _KEY = len(_RUN), _RUN.index("definition_id")
_COLUMNS = ", ".join([*(f"r.{quote(name)}" for name in _RUN), *(f"d.{quote(name)}" for name in _DEFINITION)])

_instant = Run.created_at.db_value
# What each filter asks of a run, and what makes the driver's value of the filter's.
_CONDITIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "definition_id": ("r.definition_id =", str),
    "experiment_id": ("r.experiment_id =", str),
    "status": ("r.status =", str),
    "created_from": ("r.created_at >=", _instant),
    "created_before": ("r.created_at <", _instant),
    "after": ("r.id <", str),
}

# CROSS JOIN keeps SQLite from starting at the definitions; PostgreSQL plans both spellings alike.
_LIST = "SELECT {columns} FROM runs AS r CROSS JOIN definitions AS d WHERE d.id = r.definition_id"
# Only keys go through the recursion, and UNION drops those seen before, so a cycle ends it. A definition has one
# parent, so the only cycle that can be reached from the root goes through the root.
_DOWN = """
WITH RECURSIVE down (id) AS (
  SELECT id FROM definitions WHERE id = {p}
  UNION
  SELECT d.id FROM down CROSS JOIN definitions AS d WHERE d.parent_id = down.id
)"""
_LOOPS = "(SELECT count(*) FROM definitions AS root CROSS JOIN down WHERE root.id = {p} AND down.id = root.parent_id)"
# The page is cut before contents are read.
_TREE = f"""{_DOWN}, page (id) AS (
  SELECT r.id FROM down CROSS JOIN runs AS r WHERE r.definition_id = down.id{{conditions}}
)
SELECT {{columns}}, {_LOOPS}
FROM page CROSS JOIN runs AS r CROSS JOIN definitions AS d WHERE r.id = page.id AND d.id = r.definition_id
ORDER BY r.id DESC"""
_ROOT = f"{_DOWN} SELECT count(*), {_LOOPS} FROM down"


def _narrowed(filters: Mapping[str, Any], *, unindexed: str = "") -> tuple[str, list[Any]]:
    """Return the conditions for checked filters, and their values; the one of ``unindexed`` by no index."""
    mark = current().dialect.param
    sql, params = "", []
    for name, (condition, convert) in _CONDITIONS.items():
        if name in filters:
            sql += f" AND ({condition} {mark}) IS TRUE" if name == unindexed else f" AND {condition} {mark}"
            params.append(convert(filters[name]))
    return sql, params


def _attached(rows: Iterable[Any]) -> Rows[Run]:
    """Make runs, each with its definition: one object for each definition, however many runs it has."""
    dialect = current().dialect
    build_run, build_definition = instance_builder(Run, dialect), instance_builder(Definition, dialect)
    definitions: dict[str, Definition] = {}
    runs: Rows[Run] = Rows(of=Run)
    for row in rows:
        run = build_run(row)
        definition = definitions.get(row[_KEY])
        if definition is None:
            definition = definitions[row[_KEY]] = build_definition(row[_WIDTH:])
        run.__rel__ = {"definition": definition}
        runs.append(run)
    return runs


def list_runs(
    *,
    definition_id: UUID | str | None = None,
    experiment_id: UUID | str | None = None,
    status: str | None = None,
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Run]:
    """Return a page of runs, newest first, each with its definition in ``definition``, by one query.

    Args:
        definition_id: only runs of this definition; ``get_runs_for_definition_tree`` takes its forks along.
        experiment_id: only runs of this experiment.
        status: only runs in this status.
        created_from: only those made at or after this instant.
        created_before: only those made before this instant.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    given = {
        "definition_id": definition_id,
        "experiment_id": experiment_id,
        "status": status,
        "created_from": created_from,
        "created_before": created_before,
        "limit": limit,
        "after": after,
    }
    filters = load(
        schemas.RunFilters, {name: value for name, value in given.items() if value is not None}, what="list of runs"
    )
    conditions, params = _narrowed(filters)
    database = current()
    sql = f"{_LIST.format(columns=_COLUMNS)}{conditions} ORDER BY r.id DESC LIMIT {database.dialect.param}"
    with paused_collection():
        return _attached(database.fetch(sql, [*params, filters["limit"]]))


def get_runs_for_definition_tree(
    root_id: UUID | str, *, status: str | None = None, limit: int | None = None, after: UUID | str | None = None
) -> Rows[Run]:
    """Return the runs of a definition and of everything forked from it at any depth, newest first, by one query.

    Each has its definition in ``definition``.

    Args:
        root_id: the definition to start from.
        status: only runs in this status.
        limit: rows at the most, 1 to 1,000; without it all.
        after: the key of the last row of the page before.

    Raises:
        NotFoundError: there is no such definition.
        CorruptTreeError: the definition descends from itself.
        ValidationError: an argument is not valid.
    """
    from datapkg.evaluation import schemas
    from datapkg.kit.schemas import load

    what = "list of a tree's runs"
    given = {"status": status, "limit": limit, "after": after}
    key, filters = all_checked(
        lambda: as_id_text(root_id, "root_id"),
        lambda: load(
            schemas.RunTreeFilters, {name: value for name, value in given.items() if value is not None}, what=what
        ),
        what=what,
    )
    database = current()
    mark = database.dialect.param
    # SQLite would read all runs of the status anew for each definition, instead of each definition's few runs.
    conditions, params = _narrowed(filters, unindexed="status")
    if limit is not None:
        conditions += f" ORDER BY r.id DESC LIMIT {mark}"
        params.append(filters["limit"])
    with paused_collection():
        rows = database.fetch(_TREE.format(p=mark, columns=_COLUMNS, conditions=conditions), [key, *params, key])
        found, loops = (1, rows[0][-1]) if rows else database.fetch(_ROOT.format(p=mark), [key, key])[0]
        if not found:
            raise NotFoundError("definition", UUID(key))
        if loops:
            raise CorruptTreeError("definitions", UUID(key))
        return _attached(rows)
