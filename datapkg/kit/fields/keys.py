"""Keys and references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, overload
from uuid import UUID

import peewee as pw

from datapkg.kit.dialect import Dialect
from datapkg.kit.fields.base import Column, ColumnOptions, V

if TYPE_CHECKING:

    class _ForeignKeyField(pw.ForeignKeyField[V]): ...

else:

    class _ForeignKeyField(pw.ForeignKeyField, Generic[V]):  # Peewee's fields take parameters in its stubs alone
        pass


__all__ = ["ForeignKey", "UUIDField"]

M = TypeVar("M", bound=pw.Model)


class _ReferenceOptions(ColumnOptions, total=False):
    backref: str
    object_id_name: str
    on_update: str
    deferrable: str


class UUIDField(Column[V]):
    """A UUID; taken as ``UUID`` or text, kept on SQLite as the usual dashed text."""

    field_type = "UUID"

    @overload
    def __init__(self: UUIDField[UUID], *, null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]) -> None: ...
    @overload
    def __init__(self: UUIDField[UUID | None], *, null: Literal[True], **kwargs: Unpack[ColumnOptions]) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return dialect.uuid_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if type(value) is UUID:
            return str(value)
        if value is None or isinstance(value, pw.Node):
            return value
        if isinstance(value, str):
            try:
                return str(UUID(value))
            except ValueError:
                pass
        elif isinstance(value, UUID):
            return str(value)
        raise self.invalid("Not a valid UUID.")

    def python_value(self, value: Any) -> Any:
        """Return Python's value of what the driver gave."""
        return value if value is None or isinstance(value, UUID) else UUID(value)


class ForeignKey(Column[V], _ForeignKeyField[V]):
    """A reference with an explicit rule for deletion; the constraint is called ``fk_<table>_<column>``.

    A type checker sees the model referred to; the key beside it, ``<name>_id``, is annotated by hand, and so is a
    reference to the own table: ``parent: ForeignKey[Page | None] = ForeignKey("self", …)``, ``parent_id: UUID | None``.

    Args:
        model: the model referred to, or ``"self"``.
        on_delete: ``"RESTRICT"``, ``"CASCADE"`` or ``"SET NULL"``.
    """

    @overload
    def __init__(
        self: ForeignKey[M],
        model: type[M],
        *,
        on_delete: str,
        null: Literal[False] = ...,
        **kwargs: Unpack[_ReferenceOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ForeignKey[M | None],
        model: type[M],
        *,
        on_delete: str,
        null: Literal[True],
        **kwargs: Unpack[_ReferenceOptions],
    ) -> None: ...
    @overload
    def __init__(
        self, model: Literal["self"], *, on_delete: str, null: bool = ..., **kwargs: Unpack[_ReferenceOptions]
    ) -> None: ...
    def __init__(self, model: Any, *, on_delete: str, **kwargs: Any) -> None:
        kwargs.setdefault("backref", "+")  # reads are functions in queries.py, not attributes of the parent
        super().__init__(model=model, on_delete=on_delete, **kwargs)

    def bind(self, model: Any, name: str, set_attribute: bool = True) -> None:
        """Attach the column to its model, and name its constraint."""
        super().bind(model, name, set_attribute)
        self.constraint_name = f"fk_{model._meta.table_name}_{self.column_name}"

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        related: Sequence[str] = (
            self.rel_field.conditions(column, dialect) if isinstance(self.rel_field, Column) else ()
        )
        return list(related)
