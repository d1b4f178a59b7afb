"""JSON columns, plain and versioned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

import peewee as pw

from datapkg.kit import jsontext
from datapkg.kit.dialect import Dialect
from datapkg.kit.fields.base import Column, ColumnOptions, V
from datapkg.kit.rows import Raw

if TYPE_CHECKING:
    from datapkg.kit.documents import Document

__all__ = ["DocumentField", "JSONField"]

D = TypeVar("D")


class JSONField(Column[V], pw.JSONField):
    """Any JSON value: JSONB on PostgreSQL, checked text on SQLite.

    Peewee's paths (``field["a"]``), ``contains`` and ``has_key`` work on both. Its ``update`` does not: it merges
    deeply on SQLite and shallowly on PostgreSQL, so replace the document instead. ``==`` with a
    whole document depends on the order of its keys on SQLite alone.

    A type checker takes its value for ``Any``; say what it holds by an annotation: ``tags: JSONField[list[str]]``.
    """

    field_type = "JSON"

    def _db_hook(self, database: object) -> None:
        pass  # Peewee caches one engine's helper on the field; behind a per-context proxy it is looked up per use

    @property
    def _helper(self) -> Any:
        proxy = self.model._meta.database
        database = getattr(proxy, "obj", proxy)
        return database.json_methods(database)

    @_helper.setter
    def _helper(self, value: object) -> None:
        pass  # Peewee's __init__ clears it

    def _dumps(self, value: object) -> str:
        return jsontext.encode(value, path=self.name)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.json_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        # Peewee calls this twice for `==`, so text that is encoded already passes through.
        if value is None or isinstance(value, (pw.Node, jsontext.Encoded)):
            return value
        if isinstance(value, Raw):
            return jsontext.Encoded(value[0])
        return self.encode(value)

    def encode(self, value: Any) -> jsontext.Encoded:
        """Return the column's text for a value."""
        return jsontext.encode(value, path=self.name)

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        return self.decode(value) if isinstance(value, str) else value

    def decode(self, text: str) -> Any:
        """Return the value of the column's text."""
        return jsontext.decode(text)


class DocumentField(JSONField[V]):
    """A versioned document: validated and stamped when written, upgraded when read.

    Args:
        document: its type; see :class:`datapkg.Document`.
    """

    @overload
    def __init__(
        self: DocumentField[D], document: Document[D], *, null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: DocumentField[D | None], document: Document[D], *, null: Literal[True], **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    def __init__(self, document: Document[Any], **kwargs: Any) -> None:
        self.document = document
        super().__init__(**kwargs)

    def encode(self, value: Any) -> jsontext.Encoded:
        """Validate a document and return its text, stamped with the current version."""
        return jsontext.Encoded(self.document.dumps(self.document.validate(value, path=self.name)))

    def decode(self, text: str) -> Any:
        """Return the document of a text, upgraded to the current version."""
        return self.document.loads(text)
