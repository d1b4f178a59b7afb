"""DataFrames of rows: every column has the type that its model or dataclass says, also where no row is."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import types
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import peewee as pw

from datapkg.kit.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas

__all__ = ["Shape", "data_frame", "shape_of"]

Shape = Mapping[str, object]
"""What rows hold: by column a kit field, or a type such as ``float | None``."""

_TIMES = "datetime64[us, UTC]"
_DATES = "datetime64[s]"


def shape_of(kind: object) -> Shape:
    """Return the shape of a kind of row.

    Args:
        kind: a model, another class with a method ``public_shape``, a dataclass, a ``TypedDict``, or a shape itself.
    """
    if isinstance(kind, Mapping):
        return kind
    given = getattr(kind, "public_shape", None)
    if callable(given):
        shape: Shape = given()
        return shape
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, TypeError):  # a name that only type checkers import; or nothing that has annotations
        return {}
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return hints if typing.is_typeddict(kind) else {}


def data_frame(records: Sequence[Mapping[str, Any]], *, columns: Sequence[str], shape: Shape) -> pandas.DataFrame:
    """Return records as a DataFrame.

    Args:
        records: by column; what is left out is empty.
        columns: the columns, in order.
        shape: what they hold; a column that it does not name has the type that pandas finds.

    Raises:
        ConfigurationError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ConfigurationError(
            "DataFrames need pandas, which is not installed.", fix="Run: pip install pandas."
        ) from None
    made = {}
    for column in columns:
        values = [record.get(column) for record in records]
        dtype = _dtype(shape[column]) if column in shape else None
        if dtype == "str":
            dtype = pandas.StringDtype(na_value=float("nan"))  # what pandas 3 makes of text by itself
            values = [None if value is None else str(value) for value in values]
        elif isinstance(dtype, tuple):
            dtype = pandas.CategoricalDtype(list(dtype))
        elif dtype in _EMPTY and None in values:  # of a row that is not stored yet, or was read in part
            dtype = _EMPTY[dtype]
        made[column] = pandas.Series(values, dtype=dtype)
    return pandas.DataFrame(made, index=range(len(records)))


def _dtype(kind: Any) -> Any:
    """Return the dtype of a column; of one with a fixed set of texts, those."""
    from datapkg.kit import fields

    if isinstance(kind, pw.Field):
        column = getattr(kind, "rel_field", kind)  # a reference is what it refers to
        if not isinstance(column, fields.Column):
            return None  # one of Peewee's own
        if isinstance(column, fields.EnumField):
            return column.values
        for held, types_of_it in _HELD.items():
            if isinstance(column, tuple(getattr(fields, name) for name in types_of_it)):
                return _nullable(held) if kind.null else _plain(held)
        return object
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kept = [each for each in typing.get_args(kind) if each is not type(None)]
        empty = len(kept) < len(typing.get_args(kind))
        return (_nullable if empty else _plain)(kept[0]) if len(kept) == 1 else object
    return _plain(kind)


_EMPTY = {"int64": "Int64", "bool": "boolean"}  # numpy's integers and booleans cannot be empty
_HELD: dict[type, tuple[str, ...]] = {
    str: ("TextField", "UUIDField"),
    dt.datetime: ("TimestampField",),
    dt.date: ("DateField",),
    int: ("IntegerField",),
    bool: ("BooleanField",),
    float: ("FloatField",),
}


def _plain(kind: Any) -> Any:
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    if not isinstance(kind, type) or issubclass(kind, Decimal):
        return object  # decimals stay exact
    if issubclass(kind, (str, UUID, os.PathLike)):
        return "str"
    if issubclass(kind, dt.datetime):
        return _TIMES
    return {dt.date: _DATES, int: "int64", bool: "bool", float: "float64"}.get(kind, object)


def _nullable(kind: Any) -> Any:
    plain = _plain(kind)
    return _EMPTY.get(plain, plain) if isinstance(plain, str) else plain
