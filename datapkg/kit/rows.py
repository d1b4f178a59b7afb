"""From a row of the driver to a model instance, fast: one generated function for each model and engine.

The instances are ordinary Peewee ones. Their documents stay text until somebody looks at them: listing a thousand
rows does not parse a thousand documents.
"""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID, SafeUUID

import peewee as pw

from datapkg.kit.errors import DatapkgError

if TYPE_CHECKING:
    from datapkg.kit.dialect import Dialect

__all__ = ["LazyData", "Raw", "Unread", "instance_builder", "paused_collection"]

M = TypeVar("M", bound=pw.Model)
Builder = Callable[[Any], M]

_new_uuid = UUID.__new__
# The slots' own setters: UUID's __setattr__ refuses, and object.__setattr__ has to look the slot up each time.
_set_int = UUID.__dict__["int"].__set__
_set_safe = UUID.__dict__["is_safe"].__set__
_unknown = SafeUUID.unknown


class Raw(tuple[str]):
    """A document column's text as the engine gave it, not parsed yet; a tuple, as that takes no Python code to make."""

    __slots__ = ()


class Unread(tuple[Callable[[Any], Any]]):
    """A document column that the query left out; its function reads it, by the key, when somebody looks at it."""

    __slots__ = ()


class LazyData(dict[str, Any]):
    """An instance's ``__data__`` whose raw documents are decoded by whoever looks first.

    ``copy()`` keeps them raw on purpose: Peewee's ``save`` copies, and an untouched document must go back as it came.
    """

    __slots__ = ()
    decoders: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    """What parses each document column; every model has a class of its own with them."""

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if type(value) is Raw:
            try:
                value = self.decoders[key](value[0])
            except DatapkgError as error:
                error.locate(key, self.get("id"))
                raise
            dict.__setitem__(self, key, value)
        elif type(value) is Unread:
            self.read(key)
            return self[key]
        return value

    def read(self, key: str) -> Any:
        """Return a value as it is held, not decoded, after reading it if the query has left it out."""
        value = dict.get(self, key)
        if type(value) is Unread:
            value = value[0](self["id"])
            dict.__setitem__(self, key, value)
        return value

    def raw_text(self, key: str) -> str | None:
        """Return a document's stored text if nobody has decoded it yet."""
        value = self.read(key)
        return value[0] if type(value) is Raw else None

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, decoded, or the default."""
        return self[key] if key in self else default  # noqa: SIM401  # it is this very method

    def __iter__(self) -> Iterator[str]:
        # Having its own makes dict(data) and {**data} come through __getitem__ instead of copying raw values.
        return super().__iter__()

    def copy(self) -> dict[str, Any]:
        """Return a plain dict with raw documents left raw."""
        return {key: self.read(key) for key in dict.keys(self)}

    def items(self) -> Any:
        """Return keys and decoded values."""
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        """Return the decoded values."""
        return [self[key] for key in self]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its decoded value."""
        if key in self:
            value = self[key]
            del self[key]
            return value
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key and return it with its decoded value."""
        key = next(reversed(self), "")
        return (key, self.pop(key)) if key else super().popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value, decoded, or set and return the default."""
        super().setdefault(key, default)
        return self[key]

    def __eq__(self, other: object) -> bool:
        return dict(self) == other

    def __ne__(self, other: object) -> bool:
        return dict(self) != other

    __hash__ = None  # as for every dict

    def __reduce__(self) -> Any:
        return (LazyData, (dict(self),))


def _uuid(text: str) -> UUID:
    """Build a UUID from the engines' own spelling, in a third of the time of ``UUID(text)``."""
    made = _new_uuid(UUID)
    _set_int(made, int(text.replace("-", ""), 16))
    _set_safe(made, _unknown)
    return made


# Many rows refer to few: a user's, a run's, a parent's key is the same object in all of them.
_shared_uuid = lru_cache(maxsize=1024)(_uuid)

_EMPTY = " made.__rel__ = {}\n made._dirty = set()\n"

_builders: dict[tuple[type[pw.Model], str, tuple[str, ...]], tuple[tuple[Any, ...], Builder[Any]]] = {}


def instance_builder(model: type[M], dialect: Dialect, *, unread: tuple[str, ...] = ()) -> Builder[M]:
    """Return the function that makes an instance of ``model`` from a row of all its columns, in declared order.

    Columns after the model's own are left to the caller. A column type the generator does not know goes through the
    field's own ``python_value``.

    Args:
        model: the table, with the key ``id``.
        dialect: the engine that the rows come from.
        unread: document fields that the row lacks; each is read from the database when somebody looks at it.
    """
    fields = tuple(model._meta.sorted_fields)
    cached = _builders.get((model, dialect.name, unread))
    if cached is None or cached[0] != fields:  # a migration's model may gain fields
        cached = _builders[model, dialect.name, unread] = (fields, _generate(model, fields, dialect, unread))
    return cached[1]


def _reader(field: Any) -> Callable[[UUID], Raw | None]:
    """Return the function that reads one document column of the row with a key."""
    column, table = field.column_name, field.model._meta.table_name

    def read(key: UUID) -> Raw | None:
        from datapkg.kit.database import current
        from datapkg.kit.errors import NotFoundError

        database = current()
        sql = f'SELECT "{column}" FROM "{table}" WHERE "id" = {database.dialect.param}'
        rows = database.fetch(sql, [str(key)])
        if not rows:
            raise NotFoundError(field.model.__name__.lower(), key)
        return None if rows[0][0] is None else Raw(rows[0])

    return read


@contextmanager
def paused_collection() -> Iterator[None]:
    """Hold off cyclic garbage collection while thousands of rows become objects, which halves the time.

    It is process-wide, so keep the block short; nested and concurrent uses leave it as they found it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _generate(model: type[M], fields: tuple[Any, ...], dialect: Dialect, unread: tuple[str, ...]) -> Builder[M]:
    from datapkg.kit.fields import DocumentField, JSONField

    # A versioned document's own function, without the field's in between: lists decode thousands.
    decoders = {
        field.name: field.document.loads if isinstance(field, DocumentField) else field.decode
        for field in fields
        if isinstance(field, JSONField)
    }
    names: dict[str, Any] = {
        "new": model.__new__,
        "cls": model,
        "Data": type("LazyData", (LazyData,), {"__slots__": (), "decoders": decoders}) if decoders else dict,
        "uuid": _uuid,
        "shared_uuid": _shared_uuid,
        "parse": dt.datetime.fromisoformat,
        "UTC": dt.UTC,
        "Raw": Raw,
    }
    pairs = []
    for field in fields:
        if field.name in unread:
            names[f"unread_{field.name}"] = Unread((_reader(field),))
            pairs.append((field.name, f"unread_{field.name}"))
    for index, field in enumerate(field for field in fields if field.name not in unread):
        names[f"c{index}"] = field.python_value
        expression = _expression(field, fields, index, dialect.name)
        if field.null and expression != f"row[{index}]":
            expression = f"None if row[{index}] is None else {expression}"
        pairs.append((field.name, expression))
    made_late = getattr(model, "bookkeeping_made_late", False)
    # Filled item by item, because a dictionary handed to the subclass would be copied.
    filled = "".join(f" data[{name!r}] = {expression}\n" for name, expression in pairs)
    source = (
        "def build(row):\n"
        " made = new(cls)\n"
        " made.__data__ = data = Data()\n"
        f"{filled}"
        f"{'' if made_late else _EMPTY}"
        " return made\n"
    )
    exec(compile(source, f"<row builder of {model.__name__}>", "exec"), names)
    build: Builder[M] = names["build"]
    return build


def _expression(field: Any, fields: tuple[Any, ...], index: int, engine: str) -> str:
    from datapkg.kit import fields as kit

    value = f"row[{index}]"
    kind = type(getattr(field, "rel_field", field))
    if kind in (kit.TextField, kit.EnumField, kit.IntegerField, kit.BigIntegerField):
        return value
    if kind is kit.UUIDField:
        # Rows that refer to rows of their own table mostly come together with them.
        shared = not field.primary_key or any(getattr(each, "rel_model", None) is field.model for each in fields)
        return f"{'shared_uuid' if shared else 'uuid'}({value})"
    if kind is kit.TimestampField:
        return f"parse({value})" if engine == "sqlite" else f"{value}.astimezone(UTC)"
    if kind is kit.BooleanField:
        return f"{value} != 0" if engine == "sqlite" else value
    if isinstance(field, kit.JSONField):
        return f"Raw(({value},))"
    return f"c{index}({value})"
