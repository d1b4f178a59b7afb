"""What a document type derives from its schema; imports marshmallow, therefore only documents.py imports it, late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import marshmallow
from marshmallow import fields

from datapkg.kit import schemas
from datapkg.kit.errors import ConfigurationError
from datapkg.kit.recogniser import recogniser

__all__ = ["Traits", "stamped", "traits"]

#: Fields that give what JSON has, written by orjson exactly as by the standard library.
_QUICK = {
    schemas.Text,
    schemas.Choice,
    schemas.Constant,
    schemas.Integer,
    schemas.Boolean,
    schemas.List,
    schemas.Dict,
    schemas.Nested,
}
#: Those that give what JSON has, but spell floats in two ways, or may go deeper than the schema tells.
_PLAIN = _QUICK | {schemas.Float, schemas.Json, schemas.Versioned}


class Traits(NamedTuple):
    """What the fields of a document's schema say about it as a whole.

    Attributes:
        recognise: the recogniser, if the schema has one.
        converts: whether some field gives what JSON does not have, so that the result has to be dumped.
        check: whether the result must be looked through, because the schema alone does not bound it.
        quick: whether orjson writes it byte for byte as the standard library does.
    """

    recognise: Callable[[object], bool] | None
    converts: bool
    check: bool
    quick: bool


def stamped(name: str, schema: object, version: int, *, listed: bool) -> type[schemas.Schema]:
    """Return the schema with ``schema_version`` added, which must be exactly ``version``.

    Args:
        name: the document's name, for errors.
        schema: what was given as its schema.
        version: its current version.
        listed: whether it has to have exactly one field, ``items``.

    Raises:
        ConfigurationError: it is not a schema of the kit, or its fields do not fit a document.
    """
    if not isinstance(schema, type) or not issubclass(schema, schemas.Schema):
        raise ConfigurationError(
            f"The document {name!r} has {schema!r} for its schema.",
            fix="Give a subclass of datapkg.kit.schemas.Schema.",
        )
    own = set(schema._declared_fields)
    if "schema_version" in own:
        raise ConfigurationError(
            f"The schema of the document {name!r} declares schema_version.", fix="Remove it; the document adds it."
        )
    if listed and own != {"items"}:
        raise ConfigurationError(
            f"The schema of the listed document {name!r} has the fields {sorted(own)}.",
            fix="Give it exactly one field, items, which is the list.",
        )
    meta = type("Meta", (schema.Meta,), {"register": False})
    added = {"schema_version": schemas.Constant(version, required=True), "Meta": meta, "__module__": schema.__module__}
    return type(schema.__name__, (schema,), added)


def traits(schema: type[schemas.Schema]) -> Traits:
    """Return what the fields of a document's schema say about it as a whole.

    Args:
        schema: as :func:`stamped` returned it.
    """
    made = schemas.instance(schema)
    holds_itself, kinds = False, set()
    for field, again in _fields(made, ()):
        kinds.add(type(field))
        holds_itself = holds_itself or again
    foreign = not kinds <= _PLAIN
    check = foreign or holds_itself or schemas.Json in kinds or schemas.Versioned in kinds
    return Traits(recogniser(made), converts=foreign, check=check, quick=kinds <= _QUICK)


def _fields(schema: marshmallow.Schema, above: tuple[type, ...]) -> Iterator[tuple[fields.Field[Any], bool]]:
    """Yield every field at any depth, and whether its schema is one of those around it."""
    for field in schema.load_fields.values():
        for each in schemas.fields_within(field):
            if isinstance(each, fields.Nested):
                again = type(each.schema) in (*above, type(schema))
                yield each, again
                if not again:
                    yield from _fields(each.schema, (*above, type(schema)))
            else:
                yield each, False
