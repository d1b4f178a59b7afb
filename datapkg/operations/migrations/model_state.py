"""Small changes to Peewee's models, which stand for the tables between two migrations."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import peewee as pw

from datapkg.kit.errors import MigrationError
from datapkg.kit.models import named_index

__all__ = [
    "bind_again",
    "forget_attributes",
    "is_on",
    "name_foreign_keys",
    "names_of",
    "refuse_index_name",
    "rename_guarded",
    "renaming_indexes",
]


def name_foreign_keys(model: Any) -> None:
    """Name the foreign keys that plain Peewee fields leave to the engine as the kit's are."""
    for field in model._meta.sorted_fields:
        if isinstance(field, pw.ForeignKeyField) and not field.constraint_name:
            field.constraint_name = f"fk_{model._meta.table_name}_{field.column_name}"


def bind_again(model: Any, name: str, field: Any) -> None:
    """Give a model a field that was taken from it before, perhaps by another name."""
    if isinstance(field, pw.ForeignKeyField):
        field.declared_backref = field.backref  # binding it the first time used it up
    field.__dict__.pop("column", None)
    model._meta.add_field(name, field)


def forget_attributes(model: Any, field: Any) -> None:
    """Take the attributes from a model, and from the one it refers to, that a field put there."""
    names = {field.name}
    if isinstance(field, pw.ForeignKeyField):
        names.add(field.object_id_name)
        backref = field.backref
        if backref not in ("+", "!") and hasattr(field.rel_model, backref):
            delattr(field.rel_model, backref)
    for name in names:
        if name in vars(model):
            delattr(model, name)


def names_of(index: Any) -> tuple[str, ...]:
    """Return the fields or columns of an index of ``Meta.indexes``, in whichever form it stands there."""
    if isinstance(index, pw.Index):
        parts: Any = vars(index)["_expressions"]
        return tuple(part.name for part in parts if isinstance(part, pw.Field))
    return tuple(getattr(part, "name", part) for part in index[0])


def is_on(index: Any, names: set[str], count: int) -> bool:
    """Whether an index is on exactly these fields, each known by its field's and its column's name."""
    mine = names_of(index)
    return len(mine) == count and not {*mine} - names


def refuse_index_name(name: str | None, *, unique: bool) -> None:
    """Refuse an index's own name that does not say what it is.

    Raises:
        MigrationError: it begins with something else than ``uq_`` or ``ix_``.
    """
    prefix = "uq_" if unique else "ix_"
    if name is not None and not name.startswith(prefix):
        raise MigrationError(f"The index name {name} must start with {prefix}.", fix="Rename it.")


def rename_guarded(model: Any, old: str, new: str | None) -> None:
    """Let the triggers of single columns follow a column to its new name, or go with it."""
    meta = model._meta
    names = {old: new}

    def followed(columns: Iterable[str]) -> list[tuple[str, str]]:
        return [(column, kept) for column in columns if (kept := names.get(column, column)) is not None]

    meta.immutable = tuple(kept for _, kept in followed(getattr(meta, "immutable", ())))
    frozen = getattr(meta, "frozen_by", {})
    meta.frozen_by = {kept: frozen[column] for column, kept in followed(frozen)}


@contextmanager
def renaming_indexes(model: Any) -> Iterator[None]:
    """Let index objects follow a change of the table's or a field's name in the block."""
    objects: list[Any] = [each for each in model._meta.indexes if isinstance(each, pw.Index)]
    following = [each for each in objects if each._name == _default_name(model, each)]
    yield
    for each in objects:
        each._table = model._meta.table
    for each in following:
        each._name = _default_name(model, each)


def _default_name(model: Any, index: Any) -> str:
    unnamed = copy.copy(index)
    unnamed._name = ""
    return str(named_index(model, unnamed)._name)
