"""Natural keys in one spelling, so that a row, a reference to it and its stored form are known for the same."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import marshmallow

from datapkg.kit.domains import SeedTable
from datapkg.kit.fields import ForeignKey
from datapkg.kit.json_values import text_problem
from datapkg.kit.schemas import instance
from datapkg.operations.row_writer import schema_class

__all__ = ["KEY", "BadKeyError", "Key", "key_of_reference", "key_of_row", "shown"]

KEY = "key"
_LONGEST = 200  # of the column that keeps them

#: One part for each field of a natural key, as the schema converts it; a reference among them is a key itself.
Key = tuple[object, ...]


class BadKeyError(Exception):
    """A key that no row can have.

    Attributes:
        problems: what is wrong, by field; under ``""`` where it is the key as a whole.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__(self.problems)


def key_of_row(tables: Mapping[str, SeedTable], name: str, row: Mapping[str, object]) -> Key:
    """Return the key of a seed row.

    Args:
        tables: how tables are seeded, by their names.
        name: the row's table.
        row: as it stands in the file.

    Raises:
        BadKeyError: a part of it is missing or cannot be one.
    """
    parts: list[object] = []
    problems: dict[str, str] = {}
    for field in tables[name].natural_key or (KEY,):
        if row.get(field) is None:
            problems[field] = "Is part of the row's key and must be given."
            continue
        try:
            parts.append(_part(tables, name, field, row[field]))
        except BadKeyError as error:
            problems[field] = " ".join(error.problems.values())
    if problems:
        raise BadKeyError(problems)
    return tuple(parts)


def key_of_reference(tables: Mapping[str, SeedTable], name: str, given: object) -> Key:
    """Return the key that a reference names.

    Args:
        tables: how tables are seeded, by their names.
        name: the table that is referred to.
        given: the value of a key of one field, or a list with a value for each field.

    Raises:
        BadKeyError: rows of that table cannot be referred to, or not like this.
    """
    if name not in tables:
        raise BadKeyError({"": f"Rows of {name} have no keys in seeds, so nothing can refer to them."})
    fields = tables[name].natural_key or (KEY,)
    if len(fields) == 1:
        return (_part(tables, name, fields[0], given),)
    if not isinstance(given, list) or len(given) != len(fields):
        raise BadKeyError({"": f"Write a row of {name} as a list of its {', '.join(fields)}."})
    return tuple(_part(tables, name, field, value) for field, value in zip(fields, given, strict=True))


def _part(tables: Mapping[str, SeedTable], name: str, field: str, value: object) -> object:
    table = tables[name]
    if not table.natural_key:
        return _text_key(value)
    column = table.model._meta.fields[field]
    if isinstance(column, ForeignKey):
        return key_of_reference(tables, column.rel_model._meta.table_name, value)
    if not isinstance(value, (str, int, float)):
        raise BadKeyError({"": f"A {field} as part of a key is text or a number."})
    try:
        converted = instance(schema_class(table.schema)).fields[field].deserialize(value)
    except (KeyError, marshmallow.ValidationError):
        return value  # the row's own validation says what is wrong with it
    return converted.normalize() if isinstance(converted, Decimal) else converted


def _text_key(value: object) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise BadKeyError({"": "A key is text."})
    text = str(value)
    if not 1 <= len(text) <= _LONGEST:
        raise BadKeyError({"": f"A key has 1 to {_LONGEST} characters."})
    if problem := text_problem(text):
        raise BadKeyError({"": problem})
    return text


def shown(key: Key) -> str:
    """Return a key for people: its parts with slashes between them."""
    return " / ".join(shown(part) if isinstance(part, tuple) else str(part) for part in key)
