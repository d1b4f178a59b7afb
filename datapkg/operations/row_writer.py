"""One way for whole rows to get into tables: what seeds use, and what moves data in general.

A row writer takes rows in the form they are stored in (a finished run, a past date, an old document), applies the
schema and the document types, and finds out what a row would change.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast
from uuid import UUID

import peewee as pw

from datapkg.kit.database import current, run_statement
from datapkg.kit.documents import VERSION_KEY, Document
from datapkg.kit.errors import ConfigurationError, DatapkgError, ValidationError
from datapkg.kit.fields import DocumentField, ForeignKey, JSONField
from datapkg.kit.json_values import parse_json
from datapkg.kit.jsontext import Encoded, encode
from datapkg.kit.models import Model
from datapkg.kit.schemas import Schema, load
from datapkg.kit.statements import insert

__all__ = ["RowWriter", "schema_class"]


def schema_class(name: str) -> type[Schema]:
    """Return the schema that ``"package.module:Class"`` names.

    Raises:
        ConfigurationError: there is none of this name.
    """
    module, _, attribute = name.partition(":")
    try:
        return cast("type[Schema]", getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"The schema {name!r} of a seed table cannot be found: {error}.", fix='Write it as "package.module:Class".'
        ) from error


class RowWriter:
    """Writes rows of one table.

    Args:
        model: the table.
        schema: ``"module:Class"`` of the schema for a stored row, by field name.
    """

    def __init__(self, model: type[Model], schema: str) -> None:
        self.model = model
        self.schema = schema_class(schema)

    def validate(self, row: Mapping[str, object]) -> dict[str, object]:
        """Return the row's values ready to be written.

        Raises:
            ValidationError: with every complaint, paths by field.
        """
        problems: dict[str, list[str]] = {}
        values: dict[str, object] = {}
        try:
            values = load(self.schema, dict(row), what=f"row of {self.model._meta.table_name}")
        except ValidationError as error:
            problems.update(error.errors)
        for field in self.model._meta.sorted_fields:
            if isinstance(field, JSONField) and row.get(field.name) is not None:
                try:
                    values[field.name] = self._stored_json(field, row[field.name])
                except ValidationError as error:
                    problems.update(error.errors)
                except DatapkgError as error:  # an unknown version, a corrupt document
                    problems[field.name] = [error.why]
        if problems:
            raise ValidationError(problems, what=f"row of {self.model._meta.table_name}")
        return values

    def _stored_json(self, field: JSONField, value: object) -> Encoded:
        """Return a document in the version it comes in, once its upgraded form has passed the current schema."""
        text = encode(value, path=field.name)
        if isinstance(field, DocumentField):
            document: Document[Any] = field.document
            document.validate(document.upgrade(parse_json(str(text))), path=field.name)
        return text

    def insert(self, values: Mapping[str, object]) -> UUID:
        """Insert a validated row and return its key."""
        table = self.model._meta
        # Seeds and loads bring rows that their own functions would have made; domains verify that.
        # datapkg: allow-write whole rows come in through here
        gate = current().open_gate(table.table_name) if getattr(table, "gated", False) else nullcontext()
        with gate:
            return insert(self.model, values).id

    def changes(self, row: Model, values: Mapping[str, object]) -> dict[str, tuple[object, object]]:
        """Return ``{field: (stored, given)}`` for the values that differ from a stored row.

        Raises:
            UnknownSchemaVersionError: a stored document is newer than this code.
            DocumentError: a stored document is corrupt.
        """
        found: dict[str, tuple[object, object]] = {}
        for name, given in values.items():
            field = self.model._meta.fields[name]
            stored = _stored(row, field)
            comparable = json.loads(given) if isinstance(given, Encoded) else given
            if isinstance(field, DocumentField) and stored is not None:
                upgraded = field.document.upgrade(stored)  # refuses to replace what newer code wrote
                # The same in an older version, such as a seed file's after the stored one was upgraded, is no change.
                older = comparable is not None and _version(comparable) < _version(stored)
                if older and _same(upgraded, field.document.upgrade(comparable)):
                    continue
            if not _same(stored, comparable):
                found[name] = (stored, comparable)
        return found

    def update(self, key: UUID, values: Mapping[str, object]) -> None:
        """Set these values on a row.

        Raises:
            ConflictError: a constraint refused the change; the transaction goes on.
        """
        run_statement(lambda: self.model.update(**values).where(self.model.id == key).execute())


def _version(document: object) -> int:
    return int(document.get(VERSION_KEY, 0)) if isinstance(document, dict) else 0


def _same(a: object, b: object) -> bool:
    """Whether two values are equal, where Python alone would take ``true`` for 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _stored(row: Model, field: pw.Field[Any]) -> object:
    if isinstance(field, JSONField):
        raw_text = getattr(row.__data__, "raw_text", None)
        text = raw_text(field.name) if raw_text else None
        return parse_json(text) if text is not None else row.__data__.get(field.name)
    if isinstance(field, ForeignKey):
        return row.__data__.get(field.name)
    return getattr(row, field.name)
