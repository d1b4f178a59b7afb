"""A row's plain columns and its documents: validated together when they are given, checked when parts are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datapkg.kit.errors import DocumentError, ValidationError
from datapkg.kit.models import Model

if TYPE_CHECKING:
    from datapkg.kit.documents import Document
    from datapkg.kit.schemas import Schema

__all__ = ["load_columns", "sound"]

_UNKNOWN = "Unknown field."


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


def sound(document: Document[Any], content: Any) -> Any:
    """Return stored content, for code that is about to take it to pieces, if it has the current version's shape.

    Rules between fields are not looked at, and keys that the version does not know do no harm.

    Args:
        document: its type.
        content: what was read, in the current version.

    Raises:
        DocumentError: it is corrupt, such as after foreign SQL.
    """
    from datapkg.kit.documents import ITEMS_KEY, VERSION_KEY
    from datapkg.kit.schemas import load

    # The schema of a list describes what is stored around it.
    whole = {VERSION_KEY: document.version, ITEMS_KEY: content} if document.listed else content
    try:
        load(document.schema, whole)
    except ValidationError as error:
        for path, messages in error.errors.items():
            wrong = [message for message in messages if message != _UNKNOWN]
            if wrong:
                raise DocumentError(document.name, wrong[0].rstrip("."), path=path.removeprefix("_schema")) from error
    return content
