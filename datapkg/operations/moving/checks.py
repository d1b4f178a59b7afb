"""What a whole row has to pass before it is written: its columns, its schema, its documents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from datapkg import registry
from datapkg.kit.domains import SeedTable
from datapkg.kit.errors import DatapkgError, ValidationError
from datapkg.kit.fields import DocumentField
from datapkg.kit.schemas import Schema
from datapkg.operations.moving.tables import MovedTable
from datapkg.operations.row_writer import RowWriter, schema_class

__all__ = ["MAX_PROBLEMS", "Problems", "RowCheck", "for_stored_rows"]

MAX_PROBLEMS = 100
"""Rows whose complaints are listed; the search ends there."""


class Problems:
    """The complaints about rows, by place.

    Attributes:
        found: ``{"table row 7, column": [message, …]}``.
    """

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._rows = 0

    def add(self, place: str, error: ValidationError) -> bool:
        """Note the complaints about a row; return whether there is room for more rows."""
        self.found |= {f"{place}, {path}": why for path, why in error.errors.items()}
        self._rows += 1
        return self._rows < MAX_PROBLEMS

    def raise_any(self, what: str, *, fix: str | None = None) -> None:
        """Raise what was found, if anything was.

        Raises:
            ValidationError: with every complaint.
        """
        if self.found:
            raise ValidationError(self.found, what=what, fix=fix)


class RowCheck:
    """Checks the rows of one table: by the schema for a stored row where the domain has one, and its documents.

    Args:
        table: the table, of today.
    """

    def __init__(self, table: MovedTable) -> None:
        self.table = table
        seed = _seed_tables().get(table.name)
        self._writer = None if seed is None else RowWriter(seed.model, seed.schema)
        if self._writer is not None:
            self._writer.schema = for_stored_rows(self._writer.schema)
        self._fields = {column: table.fields[column] for column in table.columns}
        declared: Mapping[str, Any] = {} if seed is None else schema_class(seed.schema)._declared_fields
        # Empty columns are left to the schema's defaults, unless it wants to be told.
        self._optional = {name for name, field in declared.items() if not field.required}
        self._known = set(declared)
        self._documents = [
            (column, field)
            for column, field in self._fields.items()
            if isinstance(field, DocumentField) and field.name not in self._known
        ]

    def check(self, row: Mapping[str, Any]) -> None:
        """Check a row, by column, in the form of a parsed line.

        Raises:
            ValidationError: with every complaint.
        """
        problems: dict[str, list[str]] = {}
        if self._writer is not None:
            given = {
                field.name: row[column]
                for column, field in self._fields.items()
                if field.name in self._known and not (row[column] is None and field.name in self._optional)
            }
            try:
                self._writer.validate(given)
            except ValidationError as error:
                problems |= error.errors
        for column, field in self._documents:
            if row[column] is not None:
                try:
                    document = field.document
                    document.validate(document.upgrade(row[column]), path=column)
                except ValidationError as error:
                    problems |= error.errors
                except DatapkgError as error:  # an unknown version, a corrupt document
                    problems[column] = [error.why]
        if problems:
            raise ValidationError(problems, what=f"row of {self.table.name}")


@cache
def for_stored_rows(schema: type[Schema]) -> type[Schema]:
    """Return a schema without its checks that are about new rows only, which it names in ``only_when_new``."""
    names: tuple[str, ...] = getattr(schema, "only_when_new", ())
    return type(schema.__name__, (schema,), dict.fromkeys(names)) if names else schema


def _seed_tables() -> dict[str, SeedTable]:
    return {table.model._meta.table_name: table for domain in registry.domains() for table in domain.seeds}
