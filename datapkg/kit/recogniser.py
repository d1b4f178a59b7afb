"""Recognisers: a function generated from a schema that tells at once whether input is already as it should be.

``True`` means that ``schema.load(data)`` would return a value that is equal and of the same types, all the way down,
so that loading can be left out. ``False`` means "ask marshmallow": the input may be refused, or valid but in need of
conversion or defaults. A recogniser never refuses anything itself, therefore every message is marshmallow's.

Only what is listed here is generated: the kit's own field types (exactly, no subclasses), no renamed keys, no hooks,
no schema that holds itself. For anything else there is no recogniser, and marshmallow does the work.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable
from typing import Any

import marshmallow
from marshmallow import RAISE, fields, missing, validate

from datapkg.kit import container_fields as containers
from datapkg.kit import scalar_fields as scalars
from datapkg.kit.json_values import is_plain

__all__ = ["recogniser", "recogniser_source"]

#: Methods of a schema that must be marshmallow's own, because the generated code stands for them.
_METHODS = ("load", "_do_load", "_deserialize", "_call_and_store")
_HOOKS = ("pre_load", "post_load", "validates", "validates_schema")


class _Unsupported(Exception):
    """Something in the schema that only marshmallow can do."""


def recogniser(schema: marshmallow.Schema, *, partial: bool = False) -> Callable[[object], bool] | None:
    """Return the recogniser of a schema, or ``None`` where the schema uses something that is not covered.

    Args:
        schema: an instance; later changes to it are not seen.
        partial: whether it stands for ``load(data, partial=True)``.

    Returns:
        A function of one value that never raises and is safe to share between threads.
    """
    generated = _generate(schema, partial)
    if generated is None:
        return None
    source, names = generated
    exec(compile(source, f"<recogniser of {type(schema).__name__}>", "exec"), names)
    function: Callable[[object], bool] = names["recognise"]
    return function


def recogniser_source(schema: marshmallow.Schema, *, partial: bool = False) -> str | None:
    """Return the Python source of the recogniser, for looking into it, or ``None`` where there is none.

    Args:
        schema: an instance.
        partial: as in :func:`recogniser`.
    """
    generated = _generate(schema, partial)
    return None if generated is None else generated[0]


def _generate(schema: marshmallow.Schema, partial: bool) -> tuple[str, dict[str, Any]] | None:
    generator = _Generator(partial)
    try:
        root = generator.schema(schema)
    except _Unsupported:
        return None
    # Whatever goes wrong (a hostile object, a validator that crashes, the end of the stack) is marshmallow's to meet.
    guard = ["def recognise(d):", " try:", f"  return {root}(d)", " except Exception:", "  return False"]
    return "\n".join([*generator.functions, *guard]), generator.names


class _Generator:
    def __init__(self, partial: bool) -> None:
        self.partial = partial
        self.names: dict[str, Any] = {
            "MISSING": object(),
            "INF": math.inf,
            "IS_PLAIN": is_plain,
            "UUID": uuid.UUID,
            "DATE": dt.date,
            "DATETIME": dt.datetime,
            "UTC": dt.UTC,
        }
        self.functions: list[str] = []
        self.lines: list[str] = []
        self.count = 0
        self.open: list[type] = []

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def constant(self, value: object) -> str:
        # Small numbers stand in the code itself, which is quicker than a look-up; other values get a name.
        if type(value) is int:
            return f"({value})"
        name = self.new("k")
        self.names[name] = value
        return name

    def say(self, indent: str, line: str) -> None:
        self.lines.append(indent + line)

    def refuse(self, indent: str, condition: str) -> None:
        self.say(indent, f"if {condition}: return False")

    def schema(self, schema: marshmallow.Schema) -> str:
        """Generate the function of a schema and return its name."""
        kind = type(schema)
        plain = all(getattr(kind, name) is getattr(marshmallow.Schema, name) for name in _METHODS)
        hooked = any(schema._hooks[name] for name in _HOOKS)
        odd = schema.many or schema.partial or schema.dict_class is not dict or schema.unknown != RAISE
        if not plain or hooked or odd or kind in self.open:
            raise _Unsupported
        self.open.append(kind)
        outer, self.lines = self.lines, []
        name = self.new("schema")
        self.say("", f"def {name}(d):")
        self.refuse(" ", "type(d) is not dict")
        self.say(" ", "for k in d:")
        self.refuse("  ", "type(k) is not str")
        self.say(" ", "n = len(d)")
        self.say(" ", "g = d.get")
        for attribute, field in schema.load_fields.items():
            self.entry(attribute, field)
        # Every key that was found has been counted down: what is left is unknown.
        self.say(" ", "return n == 0")
        self.functions += self.lines
        self.lines = outer
        self.open.pop()
        return name

    def entry(self, attribute: str, field: fields.Field[Any]) -> None:
        key = attribute if field.data_key is None else field.data_key
        if (field.attribute or attribute) != key or "." in key:
            raise _Unsupported
        x = self.new("v")
        self.say(" ", f"{x} = g({key!r}, MISSING)")
        if self.partial or (not field.required and field.load_default is missing):
            self.say(" ", f"if {x} is not MISSING:")
            self.say("  ", "n -= 1")
            self.value(field, x, "  ")
        else:
            self.refuse(" ", f"{x} is MISSING")
            self.say(" ", "n -= 1")
            self.value(field, x, " ")

    def value(self, field: fields.Field[Any], x: str, indent: str) -> None:
        """Generate the check of one value, held by the variable ``x``."""
        emit = _EMITTERS.get(type(field))
        if emit is None or field.pre_load or field.post_load:
            raise _Unsupported
        if field.allow_none:
            self.say(indent, f"if {x} is not None:")
            indent += " "
        emit(self, field, x, indent)
        for validator in field.validators:
            self.validator(validator, x, indent)

    def validator(self, validator: Any, x: str, indent: str) -> None:
        kind = type(validator)
        if kind is validate.And:
            for each in validator.validators:
                self.validator(each, x, indent)
        elif kind is validate.Length:
            if validator.equal is not None:
                self.refuse(indent, f"len({x}) != {self.constant(validator.equal)}")
            else:  # a least length of 0 says nothing
                low = f"{self.constant(validator.min)} <= " if validator.min else ""
                high = "" if validator.max is None else f" <= {self.constant(validator.max)}"
                if low or high:
                    self.refuse(indent, f"not {low}len({x}){high}")
        elif kind is validate.Range:
            low, high = ">=" if validator.min_inclusive else ">", "<=" if validator.max_inclusive else "<"
            for bound, operator in ((validator.min, low), (validator.max, high)):
                if bound is not None:
                    self.refuse(indent, f"not {x} {operator} {self.constant(bound)}")
        elif kind is validate.OneOf and isinstance(validator.choices, (tuple, list, set, frozenset)):
            self.refuse(indent, f"{x} not in {self.constant(_quick(validator.choices))}")
        elif kind is validate.Equal:
            self.refuse(indent, f"{x} != {self.constant(validator.comparable)}")
        elif kind is validate.Regexp:
            self.refuse(indent, f"{self.constant(validator.regex.match)}({x}) is None")
        else:  # Any callable: it raises what it has against the value, and the guard turns that into False.
            self.say(indent, f"{self.constant(validator)}({x})")


def _quick(choices: Any) -> Any:
    return frozenset(choices) if all(type(choice) is str for choice in choices) else choices


def _text(generator: _Generator, field: Any, x: str, indent: str) -> None:
    # A lone surrogate cannot be encoded, and what raises is not recognised.
    generator.refuse(indent, rf"type({x}) is not str or '\0' in {x} or not {x}.isascii() and not {x}.encode()")


def _choice(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"type({x}) is not str")


def _constant(generator: _Generator, field: Any, x: str, indent: str) -> None:
    kind = type(field.constant).__name__
    generator.refuse(indent, f"type({x}) is not {kind} or {x} != {generator.constant(field.constant)}")


def _integer(generator: _Generator, field: Any, x: str, indent: str) -> None:
    low, high = scalars.MIN_FIELD_INTEGER, scalars.MAX_FIELD_INTEGER
    generator.refuse(indent, f"type({x}) is not int or not {low} <= {x} <= {high}")


def _float(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"type({x}) is not float or not -INF < {x} < INF")


def _boolean(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"{x} is not True and {x} is not False")


def _uuid(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"type({x}) is not UUID")


def _timestamp(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"type({x}) is not DATETIME or {x}.tzinfo is not UTC")


def _date(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"type({x}) is not DATE")


def _decimal(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"not {generator.constant(field.is_exact)}({x})")


def _json(generator: _Generator, field: Any, x: str, indent: str) -> None:
    # None is plain JSON, but as the field's own value it needs allow_none, which is dealt with before.
    generator.refuse(indent, f"{x} is None or not IS_PLAIN({x})")


def _list(generator: _Generator, field: Any, x: str, indent: str) -> None:
    item = generator.new("i")
    generator.refuse(indent, f"type({x}) is not list")
    generator.say(indent, f"for {item} in {x}:")
    generator.value(field.inner, item, indent + " ")


def _dict(generator: _Generator, field: Any, x: str, indent: str) -> None:
    key, item = generator.new("i"), generator.new("i")
    generator.refuse(indent, f"type({x}) is not dict")
    generator.say(indent, f"for {key}, {item} in {x}.items():")
    generator.value(field.key_field, key, indent + " ")
    generator.value(field.value_field, item, indent + " ")


def _nested(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"not {generator.schema(field.schema)}({x})")


def _versioned(generator: _Generator, field: Any, x: str, indent: str) -> None:
    generator.refuse(indent, f"not {generator.constant(field.document.recognises)}({x})")


_EMITTERS: dict[type, Callable[[_Generator, Any, str, str], None]] = {
    scalars.Text: _text,
    scalars.Choice: _choice,
    scalars.Constant: _constant,
    scalars.Integer: _integer,
    scalars.Float: _float,
    scalars.Boolean: _boolean,
    scalars.Uuid: _uuid,
    scalars.Timestamp: _timestamp,
    scalars.Date: _date,
    scalars.Decimal: _decimal,
    containers.Json: _json,
    containers.List: _list,
    containers.Dict: _dict,
    containers.Nested: _nested,
    containers.Versioned: _versioned,
}
