"""A row's plain columns and its documents, validated together, so that every complaint comes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datapkg.kit.errors import ValidationError
from datapkg.kit.models import Model

if TYPE_CHECKING:
    from datapkg.kit.schemas import Schema

__all__ = ["load_columns"]


def load_columns(
    model: type[Model], schema: type[Schema], *, given: object, documents: Mapping[str, object], what: str
) -> dict[str, Any]:
    """Return validated columns: plain ones converted by the schema, documents as the text that is stored.

    Args:
        model: the table.
        schema: what checks ``given``.
        given: the plain columns.
        documents: contents by the name of their JSON field.
        what: what the error calls the input.

    Raises:
        ValidationError: with every complaint about all of them.
        UnknownSchemaVersionError: a document is of a newer version than this code.
    """
    from datapkg.kit.schemas import load

    columns: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    try:
        columns = load(schema, given, what=what)
    except ValidationError as error:
        problems.update(error.errors)
    for name, content in documents.items():
        field: Any = model._meta.fields[name]
        try:
            columns[name] = field.encode(content)
        except ValidationError as error:
            problems.update(error.errors)
    if problems:
        raise ValidationError(problems, what=what)
    return columns
