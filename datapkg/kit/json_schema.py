"""JSON Schema (draft 2020-12) of a marshmallow schema, and the fingerprint that notices a change of shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow
from marshmallow import fields, missing, validate

from datapkg.kit import container_fields as containers
from datapkg.kit import scalar_fields as scalars
from datapkg.kit.json_values import content_hash, is_plain

__all__ = ["describe", "shape_hash"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def describe(schema: marshmallow.Schema) -> dict[str, object]:
    """Return the JSON Schema of a schema instance.

    Nested schemas stand under ``$defs`` by their class's name. What JSON Schema has no word for stands under
    ``x-checks`` (names of functions and hooks) or, for a field type that is not the kit's, ``x-type``. A field's
    ``metadata["description"]`` becomes its ``description``.

    Args:
        schema: an instance.
    """
    return {"$schema": DIALECT, "title": type(schema).__name__, **_Describer(named=True).document(schema)}


def shape_hash(schema: marshmallow.Schema) -> str:
    """Return a SHA-256 of everything about a schema that decides which input it accepts and what comes out.

    That is names, types, what is required, what may be null, defaults, bounds, choices, patterns, the names of other
    validators and hooks. The names of the classes, descriptions and the order of the fields do not count. It is the
    same in every run and on every machine.

    Args:
        schema: an instance.
    """
    return content_hash(_Describer(named=False).document(schema))


class _Describer:
    def __init__(self, *, named: bool) -> None:
        self.named = named
        self.names: dict[type, str] = {}
        self.definitions: dict[str, object] = {}

    def document(self, schema: marshmallow.Schema) -> dict[str, object]:
        root = self.shape(schema, root=type(schema))
        return {**root, "$defs": self.definitions} if self.definitions else root

    def shape(self, schema: marshmallow.Schema, *, root: type) -> dict[str, object]:
        properties: dict[str, object] = {}
        required: list[str] = []
        for attribute, field in schema.load_fields.items():
            key = attribute if field.data_key is None else field.data_key
            properties[key] = self.field(field, root)
            if field.required:
                required.append(key)
        described: dict[str, object] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            described["required"] = sorted(required)
        hooks = sorted(
            {
                entry[0]
                for name in ("pre_load", "post_load", "validates", "validates_schema")
                for entry in schema._hooks[name]
            }
        )
        if hooks:
            described["x-checks"] = hooks
        return described

    def reference(self, schema: marshmallow.Schema, root: type) -> dict[str, object]:
        kind = type(schema)
        if kind is root:
            return {"$ref": "#"}
        if kind not in self.names:
            name = kind.__name__ if self.named else str(len(self.names) + 1)
            taken = sum(each.__name__ == kind.__name__ for each in self.names)
            self.names[kind] = f"{name}{taken + 1}" if self.named and taken else name
            # The name is taken before its content is described, so that a schema may hold itself.
            self.definitions[self.names[kind]] = self.shape(schema, root=root)
        return {"$ref": f"#/$defs/{self.names[kind]}"}

    def field(self, field: fields.Field[Any], root: type) -> dict[str, object]:
        described = self.kind(field, root)
        checks: list[str] = []
        for validator in field.validators:
            _apply(validator, described, checks)
        if checks:
            described["x-checks"] = sorted(checks)
        if field.pre_load or field.post_load:
            described["x-processors"] = [_name_of(each) for each in (*field.pre_load, *field.post_load)]
        if field.allow_none:
            described = {"anyOf": [described, {"type": "null"}]}
        default = field.load_default
        if default is not missing:
            described["default"] = default if is_plain(default) else f"computed by {_name_of(default)}"
        if self.named and isinstance(field.metadata.get("description"), str):
            described["description"] = field.metadata["description"]
        return described

    def kind(self, field: fields.Field[Any], root: type) -> dict[str, object]:
        simple = _SIMPLE.get(type(field))
        if simple is not None:
            return simple(field)
        if isinstance(field, fields.List):
            return {"type": "array", "items": self.field(field.inner, root)}
        if isinstance(field, containers.Dict):
            keys = self.field(field.key_field, root)
            return {
                "type": "object",
                "propertyNames": keys,
                "additionalProperties": self.field(field.value_field, root),
            }
        if isinstance(field, fields.Nested):
            return self.reference(field.schema, root)
        return {"x-type": _name_of(type(field))}


def _apply(validator: Any, described: dict[str, object], checks: list[str]) -> None:
    if isinstance(validator, validate.And):
        for each in validator.validators:
            _apply(each, described, checks)
    elif type(validator) is validate.Length:
        unit = {"string": "Length", "array": "Items"}.get(str(described.get("type")), "Properties")
        equal = validator.equal
        _bound(described, f"min{unit}", validator.min if equal is None else equal)
        _bound(described, f"max{unit}", validator.max if equal is None else equal)
    elif type(validator) is validate.Range:
        _bound(described, "minimum" if validator.min_inclusive else "exclusiveMinimum", validator.min)
        _bound(described, "maximum" if validator.max_inclusive else "exclusiveMaximum", validator.max)
    elif type(validator) is validate.Regexp:
        # JSON Schema writes patterns in the dialect of ECMAScript, where ^ and $ stand for the whole text.
        pattern = str(validator.regex.pattern).removeprefix(r"\A").removesuffix(r"\Z")
        flags = validator.regex.flags & ~32  # 32 is re.UNICODE, which every pattern of text has
        described.setdefault("pattern", f"^{pattern}$")
        if flags or described["pattern"] != f"^{pattern}$":
            checks.append(f"pattern {pattern} flags {flags}")
    elif type(validator) is validate.OneOf:
        described["enum"] = sorted((each if is_plain(each) else str(each) for each in validator.choices), key=str)
    elif type(validator) is validate.Equal:
        described["const"] = validator.comparable if is_plain(validator.comparable) else str(validator.comparable)
    else:
        checks.append(_name_of(getattr(validator, "validator", validator)))


def _bound(described: dict[str, object], word: str, value: Any) -> None:
    if value is not None:
        plain = value if type(value) in (int, float) else str(value)
        present: Any = described.get(word)
        tighter = max if word.startswith(("min", "exclusiveMin")) else min
        comparable = isinstance(present, (int, float)) and isinstance(plain, (int, float))
        described[word] = tighter(present, plain) if comparable else plain


def _name_of(thing: Any) -> str:
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    own = "" if named is thing or not isinstance(thing, validate.Validator) else f"({thing._repr_args()})"
    # Methods of built-in types have no module.
    return f"{getattr(named, '__module__', 'builtins')}.{named.__qualname__}{own}"


def _decimal(field: Any) -> dict[str, object]:
    whole = field.max_digits - field.scale
    fraction = rf"(?:\.[0-9]{{1,{field.scale}}})?" if field.scale else ""
    return {"type": "string", "pattern": rf"^-?[0-9]{{1,{max(whole, 1)}}}{fraction}$", "x-scale": field.scale}


def _integer(field: Any) -> dict[str, object]:
    return {"type": "integer", "minimum": scalars.MIN_FIELD_INTEGER, "maximum": scalars.MAX_FIELD_INTEGER}


def _versioned(field: Any) -> dict[str, object]:
    return {"x-document": field.document.name, "x-version": field.document.version}


_SIMPLE: dict[type, Callable[[Any], dict[str, object]]] = {
    scalars.Text: lambda field: {"type": "string"},
    scalars.Choice: lambda field: {"type": "string"},
    scalars.Constant: lambda field: {"const": field.constant},
    scalars.Integer: _integer,
    scalars.Float: lambda field: {"type": "number"},
    scalars.Boolean: lambda field: {"type": "boolean"},
    scalars.Uuid: lambda field: {"type": "string", "format": "uuid"},
    scalars.Timestamp: lambda field: {"type": "string", "format": "date-time"},
    scalars.Date: lambda field: {"type": "string", "format": "date"},
    scalars.Decimal: _decimal,
    containers.Json: lambda field: {},
    containers.Versioned: _versioned,
}
