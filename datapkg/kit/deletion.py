"""Deleting one row, and saying what stands in the way."""

from __future__ import annotations

from uuid import UUID

from datapkg.kit.database import current, run_statement
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import ConflictError, NotFoundError
from datapkg.kit.models import Model

__all__ = ["delete_row"]


def delete_row(model: type[Model], key: UUID, *, entity: str) -> None:
    """Delete a row by its key; rows that depend on it go or stay by their ``ON DELETE`` rules.

    Args:
        model: its table.
        key: its key.
        entity: what errors call it.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: rows that refer to it stand in the way; tables, columns and counts are in the message and in
            ``meta["in_the_way"]``.
    """
    database = current()
    table = model._meta.table_name
    sql = f'DELETE FROM {quote(table)} WHERE "id" = {database.dialect.param}'
    try:
        deleted = run_statement(lambda: database.change(sql, (str(key),)))
    except ConflictError as error:
        found = _in_the_way(table, key)
        if not found:
            raise
        listed = ", ".join(f"{count} in {place}" for place, count in found.items())
        first = next(iter(found)).split(".")
        raise ConflictError(
            f"The {entity} {key} is still referred to: {listed}.",
            fix="Delete those rows first, or let them refer to another.",
            constraint=f"fk_{first[0]}_{first[1]}",
            table=first[0],
            columns=(first[1],),
            in_the_way=found,
        ) from error
    if not deleted:
        raise NotFoundError(entity, key)


def _in_the_way(table: str, key: UUID) -> dict[str, int]:
    """Count the rows that refer to this one by a key that forbids deleting it, as ``{"table.column": count}``."""
    database = current()
    found: dict[str, int] = {}
    for child, column in database.fetch(database.dialect.restricting_sql, (table,)):
        sql = f"SELECT count(*) FROM {quote(child)} WHERE {quote(column)} = {database.dialect.param}"
        count = database.fetch(sql, (str(key),))[0][0]
        if count:
            found[f"{child}.{column}"] = count
    return dict(sorted(found.items()))
