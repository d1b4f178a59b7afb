"""Setting the one row that a unique constraint allows, whatever others write at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from datapkg.kit.database import current, run_statement
from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import quote
from datapkg.kit.models import MutableModel, new_id, now
from datapkg.kit.rows import instance_builder

__all__ = ["upsert"]

M = TypeVar("M", bound=MutableModel)

_KEPT = ("id", "created_at")


def upsert(model: type[M], values: Mapping[str, Any], *, key: Sequence[str]) -> M:
    """Insert a row, or give the one that has the same key these values; return it as it is now.

    One statement, so of several at once each finds the row that another has just made.

    Args:
        model: the table.
        values: of every field but ``id`` and the times.
        key: the fields of a unique constraint.

    Raises:
        ConflictError: another constraint refused the row.
    """
    database = current()
    made = now()
    row = {**values, "id": new_id(), "created_at": made, "updated_at": made}
    fields = model._meta.sorted_fields
    bound = [None if row[field.name] is None else field.db_value(row[field.name]) for field in fields]
    sql = _sql(model, tuple(key), database.dialect)
    found = run_statement(lambda: database.fetch(sql, bound))
    return instance_builder(model, database.dialect)(found[0])


def _sql(model: type[MutableModel], key: Sequence[str], dialect: Dialect) -> str:
    fields = model._meta.sorted_fields
    columns = ", ".join(quote(field.column_name) for field in fields)
    target = ", ".join(quote(model._meta.fields[name].column_name) for name in key)
    changes = ", ".join(
        f"{quote(field.column_name)} = excluded.{quote(field.column_name)}"
        for field in fields
        if field.name not in (*_KEPT, *key)
    )
    return (
        f"INSERT INTO {quote(model._meta.table_name)} ({columns}) VALUES ({', '.join([dialect.param] * len(fields))}) "
        f"ON CONFLICT ({target}) DO UPDATE SET {changes} RETURNING {columns}"
    )
