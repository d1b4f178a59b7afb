"""What every column shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypedDict

import peewee as pw

from datapkg.kit.dialect import Dialect, dialect_of
from datapkg.kit.dialect.base import quote
from datapkg.kit.errors import ValidationError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    V = TypeVar("V", default=Any)

    class _Field(pw.Field[V]): ...

else:
    from typing import TypeVar

    V = TypeVar("V")

    class _Field(pw.Field, Generic[V]):  # Peewee's fields take parameters in its stubs alone
        pass


__all__ = ["Column", "ColumnOptions", "V"]


class ColumnOptions(TypedDict, total=False):
    """The options that every column takes, ``null`` aside; they mean what they mean in Peewee."""

    primary_key: bool
    index: bool
    unique: bool
    default: object
    column_name: str | None
    constraints: list[pw.Node] | None
    collation: str | None
    help_text: str | None
    verbose_name: str | None
    secret: bool


class Column(_Field[V]):
    """What every column of the kit shares: a named CHECK and values checked in Python.

    For a type checker a column is generic in what an instance holds: ``TextField[str]``, and with ``null=True``
    ``TextField[str | None]``. On the class it is the column itself, for expressions.

    Args:
        null: whether the column may be empty.
        index, unique: an index ``ix_…`` or ``uq_…`` on this column alone.
        default: a value or a function, applied in Python.
        secret: kept out of reprs, tables, logs and dumps.
    """

    def __init__(self, *, secret: bool = False, **kwargs: Any) -> None:
        self.secret = secret
        super().__init__(**kwargs)

    def ddl(self, ctx: Any) -> pw.NodeList:
        """Write the column's definition with its named CHECK."""
        node = super().ddl(ctx)
        check = self.named_check(ctx.state.dialect or dialect_of(self.model._meta.database))
        if check:
            node.nodes.append(pw.SQL(check))
        return node

    def named_check(self, dialect: Dialect) -> str:
        """The whole CHECK of this column for one engine, ``CONSTRAINT "ck_…" CHECK (…)``; empty if it has none."""
        conditions = self.conditions(quote(self.column_name), dialect)
        name = f"ck_{self.model._meta.table_name}_{self.column_name}"
        return f"CONSTRAINT {quote(name)} CHECK ({' AND '.join(conditions)})" if conditions else ""

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine; NULL passes every one of them."""
        return []

    def case_value(self, value: Any) -> Any:
        """Return a value as a branch of CASE, which Peewee's ``bulk_update`` writes."""
        if isinstance(value, pw.Node):
            return value
        encoded = pw.Value(None if value is None else self.db_value(value), converter=False)  # type: ignore[no-untyped-call]  # each field has its own
        database: Any = self.model._meta.database
        if database.dialect.name == "sqlite":
            return encoded
        # The branches of a CASE have no type on PostgreSQL unless they say one.
        return pw.Cast(encoded, database.field_types.get(self.field_type, self.field_type))

    def invalid(self, message: str) -> ValidationError:
        """Return the error for a value that this column refuses."""
        return ValidationError({getattr(self, "name", None) or "value": [message]})
