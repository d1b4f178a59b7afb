r"""Validation: a strict base for marshmallow schemas, its field types, and loading with all errors collected.

    class Dimension(Schema):
        name = Text(1, 100, pattern=r"\A[a-z_]+\Z", required=True)
        values = List(Text(1, 200), min=1, required=True)

    load(Dimension, {"name": "tone", "values": ["warm", "cold"]}, what="dimension")

Input that is already as it should be is recognised by a function generated from the schema (see
:mod:`datapkg.kit.recogniser`); everything else is marshmallow's to convert or to refuse, so messages are its own.
Importing this module imports marshmallow: models import it only within functions.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import marshmallow
from marshmallow import RAISE, fields, validate

from datapkg.kit.container_fields import Dict, Json, List, Nested, Versioned
from datapkg.kit.errors import ValidationError
from datapkg.kit.field_options import FieldOptions, anchored
from datapkg.kit.json_values import Dotted, dotted
from datapkg.kit.recogniser import recogniser
from datapkg.kit.scalar_fields import (
    Boolean,
    Choice,
    Constant,
    Date,
    Decimal,
    Float,
    Integer,
    Text,
    Timestamp,
    Uuid,
)

__all__ = [
    "Boolean",
    "Bulk",
    "Choice",
    "Constant",
    "Date",
    "Decimal",
    "Dict",
    "FieldOptions",
    "Float",
    "Integer",
    "Json",
    "List",
    "Nested",
    "Page",
    "Schema",
    "Text",
    "Timestamp",
    "Uuid",
    "Versioned",
    "fields_within",
    "instance",
    "load",
    "load_many",
]

_TOO_DEEP = "Nested too deeply."


class Schema(marshmallow.Schema):
    """Base of every schema: unknown keys are refused, here and in whatever is nested.

    Marshmallow's own fields and validators may be used too; what is lax in them is made strict: a validator that
    returns ``False`` refuses, ``Integer`` takes no ``1.7``, a ``Regexp`` must be anchored, ``Constant`` is refused
    in favour of :class:`Constant` here.

    Raises:
        TypeError: the class, a nested schema or the instance asks for another treatment of unknown keys.
        ValueError: a pattern is not anchored with ``\\A…\\Z``.
    """

    class Meta:
        """Unknown keys are refused."""

        unknown = RAISE

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # The metaclass reads Meta only after this hook, so the option is looked up where it is written.
        if getattr(cls.Meta, "unknown", RAISE) != RAISE:
            raise TypeError(f"{cls.__name__}: unknown keys are refused in every schema; remove Meta.unknown.")

    def __init__(self, **options: Any) -> None:
        if options.get("unknown") not in (None, RAISE):
            raise TypeError(f"{type(self).__name__}: unknown keys are refused in every schema.")
        super().__init__(**options)

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Make marshmallow's own fields and validators strict; called once for each field of an instance."""
        for each in fields_within(field_obj):
            if isinstance(each, fields.Constant):
                raise TypeError(f"{field_name}: marshmallow's Constant accepts any value; use the kit's Constant.")
            if isinstance(each, fields.Integer):
                each.strict = True
            if isinstance(each, fields.Nested):
                each.unknown = RAISE
            each.validators = [_strict(validator) for validator in each.validators]


class Page(Schema):
    """Where a page of a list starts, and how long it is; a list's own schema adds its filters."""

    limit = Integer(1, 1000, required=True)
    after = Uuid()


def _strict(validator: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if isinstance(validator, validate.And):
        return validate.And(*map(_strict, validator.validators))
    if isinstance(validator, validate.Regexp):
        validator = copy.copy(validator)
        validator.regex = anchored(cast("re.Pattern[str]", validator.regex))
        return validator
    # Marshmallow's own validators return the value they were given, which may well be False.
    return validator if isinstance(validator, (validate.Validator, _Refusing)) else _Refusing(validator)


class _Refusing:
    """A validator that also refuses by returning False, which marshmallow would ignore."""

    def __init__(self, validator: Callable[[Any], Any]) -> None:
        self.validator = validator

    def __call__(self, value: Any) -> None:
        if self.validator(value) is False:
            raise marshmallow.ValidationError("Invalid value.")


def fields_within(field_obj: fields.Field[Any]) -> Iterator[fields.Field[Any]]:
    """Yield a field and the fields of its items, keys and values; not those of nested schemas."""
    yield field_obj
    inner = [getattr(field_obj, name, None) for name in ("inner", "key_field", "value_field")]
    for each in [*inner, *getattr(field_obj, "tuple_fields", ())]:
        if isinstance(each, fields.Field):
            yield from fields_within(each)


class _Loader(NamedTuple):
    schema: marshmallow.Schema
    recognise: Callable[[object], bool] | None


# Building an instance costs more than using it; marshmallow's load keeps no state in it, so threads may share it.
@functools.lru_cache(maxsize=1024)
def _loader(schema_class: type[marshmallow.Schema], partial: bool) -> _Loader:
    schema = schema_class()
    return _Loader(schema, recogniser(schema, partial=partial))


def instance(schema_class: type[Schema]) -> Schema:
    """Return the shared instance of a schema class, made on first use; not to be changed."""
    schema = _loader(schema_class, False).schema
    assert isinstance(schema, Schema)
    return schema


def load(
    schema_class: type[Schema], data: object, *, what: str = "input", partial: bool = False, path: str = ""
) -> dict[str, object]:
    """Validate ``data`` and return it converted.

    Args:
        schema_class: the schema's class (instances are cached).
        data: the input, usually a dictionary; never changed. Values that need no conversion may be shared with
            the result, the outermost dictionary never is.
        what: what the input is called in the error.
        partial: whether required keys may be missing and defaults are left out, as for an update.
        path: put before every path in the error, for input that is a part of something.

    Raises:
        ValidationError: with every complaint, as ``{"content.dimensions.2.name": [message, …]}``; a complaint about
            an object as a whole stands under the object's path, that about ``data`` itself under ``path`` or
            ``"_schema"``.
    """
    loader = _loader(schema_class, partial)
    if loader.recognise is not None and loader.recognise(data):
        return dict(data)  # type: ignore[call-overload, no-any-return]  # only a dictionary is recognised
    problems = _load(loader, data, partial)
    if isinstance(problems, _Loaded):
        return problems.row
    raise ValidationError(_flat(problems, (Dotted(path),) if path else ()), what=what)


class _Loaded(NamedTuple):
    row: dict[str, object]


def _load(loader: _Loader, data: object, partial: bool) -> _Loaded | dict[Any, Any]:
    try:
        return _Loaded(loader.schema.load(data, partial=partial))  # type: ignore[arg-type]  # it refuses what is none
    except marshmallow.ValidationError as error:
        return {**error.messages_dict}
    except RecursionError:
        return {marshmallow.exceptions.SCHEMA: [_TOO_DEEP]}


def _flat(problems: object, path: tuple[object, ...]) -> dict[str, list[str]]:
    flat: dict[str, list[str]] = {}
    _flatten(problems, path, flat)
    return flat


def _flatten(problems: object, path: tuple[object, ...], flat: dict[str, list[str]]) -> None:
    if isinstance(problems, Mapping):
        # Marshmallow walks unknown keys in the order of a set, which changes from run to run.
        unknown = [marshmallow.Schema._default_error_messages["unknown"]]
        ordered = [(key, each) for key, each in problems.items() if each != unknown]
        ordered += sorted(((key, each) for key, each in problems.items() if each == unknown), key=_key_text)
        for key, each in ordered:
            _flatten(each, path if key == marshmallow.exceptions.SCHEMA else (*path, key), flat)
    elif isinstance(problems, list):
        for each in problems:
            _flatten(each, path, flat)
    else:
        flat.setdefault(dotted(path) or marshmallow.exceptions.SCHEMA, []).append(str(problems))


def _key_text(entry: tuple[object, object]) -> str:
    return str(entry[0])


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of many rows.

    Attributes:
        rows: the valid rows as ``(number, row)``; the number is the row's 0-based position in the input.
        errors: the complaints about the others, as ``{number: {path: [message, …]}}``, paths relative to the row.
    """

    rows: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    @property
    def values(self) -> list[dict[str, object]]:
        """The valid rows without their numbers."""
        return [row for _, row in self.rows]


def load_many(
    schema_class: type[Schema],
    rows: Iterable[object],
    *,
    what: str = "rows",
    on_error: Literal["raise", "collect"] = "raise",
) -> Bulk:
    """Validate every row, also those after one that is refused.

    Args:
        schema_class: the schema's class.
        rows: the rows; any iterable, consumed once.
        what: what the rows are called in the error.
        on_error: ``"raise"`` for all or nothing, ``"collect"`` to get the valid rows and the complaints.

    Returns:
        The valid rows and the complaints; with ``"raise"`` there are no complaints.

    Raises:
        ValidationError: with ``"raise"``, one for all rows; a path begins with the row's 0-based position, as
            ``17.content.name``.
        ValueError: ``on_error`` is neither.
    """
    if on_error not in ("raise", "collect"):
        raise ValueError(f'on_error is "raise" or "collect", not {on_error!r}.')
    loader = _loader(schema_class, False)
    recognise = loader.recognise
    bulk = Bulk()
    for number, data in enumerate(rows):
        if recognise is not None and recognise(data):
            bulk.rows.append((number, dict(data)))  # type: ignore[call-overload]  # only a dictionary is recognised
            continue
        problems = _load(loader, data, False)
        if isinstance(problems, _Loaded):
            bulk.rows.append((number, problems.row))
        else:
            bulk.errors[number] = _flat(problems, ())
    if bulk.errors and on_error == "raise":
        whole = marshmallow.exceptions.SCHEMA
        raise ValidationError(
            {
                f"{number}.{path}" if path != whole else str(number): messages
                for number, problems in bulk.errors.items()
                for path, messages in problems.items()
            },
            what=what,
        )
    return bulk
