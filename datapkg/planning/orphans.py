"""Rows of this domain whose parents are missing."""

from __future__ import annotations

from datapkg.kit.database import current
from datapkg.kit.dialect.base import literal, quote
from datapkg.kit.fields import ForeignKey
from datapkg.kit.results import Rows
from datapkg.planning import models

__all__ = ["check_orphans"]

_TABLES = (
    models.PlanningScenario,
    models.InitiativeStatus,
    models.TokenSupply,
    models.TokenDemand,
    models.TokenCalibration,
)


def check_orphans() -> Rows[dict[str, object]]:
    """Return the rows that refer to a scenario, an initiative or a pool that is not there; one query.

    Foreign keys keep there from being any. Only SQL of others that ran with them turned off can make some.

    Returns:
        For each such reference its ``table``, the row's ``id``, the ``column``, and the key that is ``missing``.
    """
    parts = []
    for model in _TABLES:
        for field in model._meta.sorted_fields:
            if isinstance(field, ForeignKey):
                child, column = quote(model._meta.table_name), quote(field.column_name)
                parts.append(
                    f"SELECT {literal(model._meta.table_name)}, c.id, {literal(field.column_name)}, c.{column} "
                    f"FROM {child} AS c LEFT JOIN {quote(field.rel_model._meta.table_name)} AS p ON p.id = c.{column} "
                    f"WHERE c.{column} IS NOT NULL AND p.id IS NULL"
                )
    sql = f"{' UNION ALL '.join(parts)} ORDER BY 1, 3, 2"
    names = ("table", "id", "column", "missing")
    rows = (dict(zip(names, row, strict=True)) for row in current().fetch(sql, ()))
    return Rows(rows, of=dict.fromkeys(names, str))
