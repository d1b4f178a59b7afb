"""The base of every table: UUIDv7 keys, aware UTC times, constraints named alike, strict on both engines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar, cast
from uuid import UUID

import peewee as pw
from uuid_utils.compat import uuid7

from datapkg.kit.database import proxy
from datapkg.kit.dialect import dialect_of
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.fields import TimestampField, UUIDField
from datapkg.kit.markup import html_table
from datapkg.kit.rows import instance_builder

__all__ = ["Model", "MutableModel", "new_id", "now"]

V = TypeVar("V")


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562): keys sort by the time they were made, also within one millisecond."""
    return uuid7()


def now() -> dt.datetime:
    """Return the present instant, aware and in UTC."""
    return dt.datetime.now(dt.UTC)


class KitSchemaManager(pw.SchemaManager):
    """Creates STRICT tables on SQLite, names every index, and adds the triggers that protect rows and columns."""

    def _create_table(self, safe: bool = True, **options: Any) -> Any:
        meta = self.model._meta
        # Peewee would write STRICT on PostgreSQL too.
        before, meta.strict_tables = meta.strict_tables, dialect_of(self.database).strict_tables
        try:
            return super()._create_table(safe, **options)  # type: ignore[misc]  # not in Peewee's stubs
        finally:
            meta.strict_tables = before

    def _create_index(self, index: Any, safe: bool = True) -> Any:
        return super()._create_index(named_index(self.model, index), safe)  # type: ignore[misc]  # not in Peewee's stubs

    def create_all(self, safe: bool = True, **table_options: Any) -> None:
        existed = safe and self.database.table_exists(self.model._meta.table_name)
        super().create_all(safe, **table_options)
        if not existed:
            for statement in self.trigger_ddl():
                self.database.execute_sql(statement)

    def trigger_ddl(self) -> list[str]:
        """The statements that make the triggers of this table."""
        meta = self.model._meta
        dialect = dialect_of(self.database)
        statements: list[str] = []
        for column, (by_table, by_column) in getattr(meta, "frozen_by", {}).items():
            statements += dialect.frozen_ddl(meta.table_name, column=column, by_table=by_table, by_column=by_column)
        for column in getattr(meta, "immutable", ()):
            statements += dialect.immutable_ddl(meta.table_name, column=column)
        if not getattr(meta, "append_only", False):
            return statements
        keys = [("id",)]
        for index in meta.fields_to_index():
            if index._unique and index._where is None:
                keys.append(tuple(field.column_name for field in index._expressions))
        return statements + dialect.append_only_ddl(
            meta.table_name, keys=keys, rowid=not meta.without_rowid, inserts=getattr(meta, "gated", False)
        )

    def trigger_names(self) -> list[str]:
        """The names of those triggers."""
        meta = self.model._meta
        dialect = dialect_of(self.database)
        names: list[str] = []
        for column in getattr(meta, "frozen_by", {}):
            names += dialect.frozen_trigger_names(meta.table_name, column=column)
        for column in getattr(meta, "immutable", ()):
            names += dialect.immutable_trigger_names(meta.table_name, column=column)
        return names + (
            dialect.trigger_names(meta.table_name, inserts=getattr(meta, "gated", False))
            if getattr(meta, "append_only", False)
            else []
        )


def named_index(model: type[pw.Model], index: Any) -> Any:
    """Give an index of Peewee's naming ours: ``uq_`` or ``ix_``, the table, the columns."""
    prefix = "uq_" if index._unique else "ix_"
    if not index._name.startswith(prefix):
        columns = [getattr(part, "column_name", None) or part.unwrap().column_name for part in index._expressions]
        index._name = prefix + "_".join([model._meta.table_name, *columns])
        if len(index._name) > 63:
            raise ConfigurationError(f"The index name {index._name} is longer than PostgreSQL's 63 characters.")
    return index


class Select(pw.ModelSelect):
    """Peewee's SELECT, with whole rows of one table made by the generated builder."""

    def _get_model_cursor_wrapper(self, cursor: Any) -> Any:
        me: Any = self  # Peewee's stubs know none of these
        if me._is_default and not me._joins and len(me._from_list) == 1 and me._from_list[0] is self.model:
            return _BuilderCursor(cursor, instance_builder(self.model, dialect_of(me._database)))
        return super()._get_model_cursor_wrapper(cursor)  # type: ignore[misc]  # not in Peewee's stubs


class _BuilderCursor(pw.CursorWrapper):
    def __init__(self, cursor: Any, build: Any) -> None:
        super().__init__(cursor)
        self.process_row = build  # type: ignore[method-assign]  # Peewee sets it as an attribute


class _Late:
    """An attribute made when somebody first asks for it; most rows are only read, and never need it."""

    def __init__(self, name: str, make: type) -> None:
        self.name, self.make = name, make

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return None
        made = instance.__dict__[self.name] = self.make()
        return made


class Model(pw.Model):
    """A row with a UUIDv7 key and the time it was made. Inherit it for tables of your own.

    ``save()`` on a fresh instance inserts it. Append-only tables set ``append_only = True`` in ``Meta``, and
    ``gated = True`` too where rows may be inserted only behind their gate (``database.open_gate``); a column
    that must stay as it is once rows of another table refer to the row stands in ``frozen_by``, as
    ``{"content": ("runs", "definition_id")}``; a column that never changes stands in ``immutable``. ``written_by``
    names the functions that write such a table, for ``datapkg lint-writes``.

    Attributes:
        id: the key.
        created_at: when the row was made, aware UTC.
    """

    id = UUIDField(primary_key=True, default=new_id)
    created_at = TimestampField(default=now)

    _fresh = False
    bookkeeping_made_late = True

    class Meta:
        database = proxy
        schema_manager_class = KitSchemaManager
        legacy_table_names = False
        append_only = False
        gated = False
        written_by = ""
        frozen_by: Mapping[str, tuple[str, str]] = {}
        immutable: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._fresh = "__no_default__" not in kwargs
        super().__init__(*args, **kwargs)

    @classmethod
    def select(cls, *fields: Any) -> pw.ModelSelect[Self]:
        """Start a SELECT of these columns, or of whole rows."""
        return cast("pw.ModelSelect[Self]", Select(cls, fields or cls._meta.sorted_fields, is_default=not fields))

    def save(self, force_insert: bool = False, only: Any = None) -> int:
        """Insert a fresh instance, update any other; return the number of rows written."""
        written = super().save(force_insert=force_insert or self._fresh, only=only)
        self._fresh = False
        return int(written)

    def public(self) -> dict[str, object]:
        """Return the columns as a dictionary for people: secrets left out, the row's own times last."""
        data = self.__data__
        return _times_last(
            {field.column_name: data.get(field.name) for field in self._meta.sorted_fields if not _secret(field)}
        )

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what :meth:`public` gives: by name the column, or the type of what is no column."""
        return _times_last({field.column_name: field for field in cls._meta.sorted_fields if not _secret(field)})

    @classmethod
    def validate_model(cls) -> None:
        """Peewee's hook for a class that has just been made."""
        # Peewee's notes of loaded parents and of changed columns, which the row builder leaves out.
        cls.__rel__, cls._dirty = _Late("__rel__", dict), _Late("_dirty", set)  # type: ignore[attr-defined]  # not in Peewee's stubs
        # Peewee gives every class a __repr__ of its own, which hides an inherited one.
        cls.__repr__ = cls._describe  # type: ignore[assignment, method-assign]

    def _describe(self) -> str:
        shown = {field.name for field in self._meta.sorted_fields if not _secret(field)} & set(self.__data__)
        label = next((name for name in ("name", "key", "email", "action") if name in shown), None)
        detail = f" {label}={self.__data__[label]!r}" if label else ""
        return f"<{type(self).__name__} {self.__data__.get('id')}{detail}>"

    def _repr_html_(self) -> str:
        return html_table(["column", "value"], self.public().items(), caption=type(self).__name__)


class MutableModel(Model):
    """A row that changes.

    Attributes:
        updated_at: when the row was last written, aware UTC; set by every update, also by ``Model.update()``.
    """

    updated_at = TimestampField(default=now)

    @classmethod
    def update(cls, data: Any = None, /, **values: Any) -> Any:
        """Start an UPDATE; it sets ``updated_at`` unless given."""
        given = {getattr(key, "name", key) for key in (data or {})} | set(values)
        if "updated_at" not in given:
            values["updated_at"] = now()
        return super().update(data, **values)

    def save(self, force_insert: bool = False, only: Any = None) -> int:
        """Insert a fresh instance, update any other and its ``updated_at``; return the number of rows written."""
        if not (force_insert or self._fresh):
            self.updated_at = now()
            only = None if only is None else [*only, "updated_at"]
        return super().save(force_insert=force_insert, only=only)


def _times_last(shown: dict[str, V]) -> dict[str, V]:
    for name in ("created_at", "updated_at"):
        if name in shown:
            shown[name] = shown.pop(name)
    return shown


def _secret(field: Any) -> bool:
    return bool(getattr(field, "secret", False))
