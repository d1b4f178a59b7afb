"""Field types of lists, dictionaries, nested objects, free JSON and versioned documents for schemas.

Unknown keys are refused at every depth. Import them from :mod:`datapkg.kit.schemas`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from marshmallow import RAISE, ValidationError, fields, missing

from datapkg.kit import errors as kit_errors
from datapkg.kit.field_options import FieldOptions, length_bound, merged_options
from datapkg.kit.json_values import Dotted, normalise
from datapkg.kit.scalar_fields import Text

if TYPE_CHECKING:
    from datapkg.kit.documents import Document
    from datapkg.kit.schemas import Schema

__all__ = ["Dict", "Json", "List", "Nested", "Versioned"]

_REQUIRED = str(fields.Field.default_error_messages["required"])


class Json(fields.Field[Any]):
    """Any JSON value: text keys only, finite numbers, integers of at most 64 bits, no NUL or lone surrogate in any
    key or text, at most 100 levels deep. Every offending place is reported with its path. Tuples become lists.

    Args:
        options: see :class:`FieldOptions`. ``None`` within the value is allowed, as the value itself only with
            ``allow_none``.
    """

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> object:
        copy, problems = normalise(value)
        if problems:
            own = problems.get(Dotted(""))
            raise ValidationError(own if own and len(problems) == 1 else {**problems})
        return copy


class List(fields.List[Any]):
    """A list (or tuple) of values of one field; gives a list. Sets, dictionaries and generators are refused.

    Args:
        inner: the field of the items.
        min: the least number of items.
        max: the greatest number of items.
        options: see :class:`FieldOptions`.
    """

    def __init__(
        self,
        inner: fields.Field[Any],
        min: int | None = None,
        max: int | None = None,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(inner, **merged_options(options, length_bound(min, max)))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise self.make_error("invalid")
        # Marshmallow's marker for "nothing there" would pass through as an item of any type.
        absent = {number: [_REQUIRED] for number, each in enumerate(value) if each is missing}
        if absent:
            raise ValidationError(absent)
        return super()._deserialize(value, attr, data, **kwargs)


class Dict(fields.Field[dict[Any, Any]]):
    """A dictionary whose keys and values are each of one field.

    Args:
        values: the field of the values.
        keys: the field of the keys; by default any :class:`Text`.
        min: the least number of entries.
        max: the greatest number of entries.
        options: see :class:`FieldOptions`.
    """

    default_error_messages = {"invalid": "Not a valid mapping type."}

    def __init__(
        self,
        values: fields.Field[Any],
        *,
        keys: fields.Field[Any] | None = None,
        min: int | None = None,
        max: int | None = None,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(**merged_options(options, length_bound(min, max)))
        self.value_field, self.key_field = values, keys if keys is not None else Text()

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        # Copies, as marshmallow does it: a field belongs to one schema instance.
        self.value_field, self.key_field = copy.copy(self.value_field), copy.copy(self.key_field)
        self.value_field._bind_to_schema(field_name, self)
        self.key_field._bind_to_schema(field_name, self)

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: Any) -> dict[Any, Any]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        result: dict[Any, Any] = {}
        problems: dict[Any, Any] = {}
        for key, item in value.items():
            try:
                if key is missing:
                    raise ValidationError(_REQUIRED)
                name = self.key_field.deserialize(key, **kwargs)
                if name in result:
                    raise ValidationError("Key given twice.")
            except ValidationError as error:
                problems[key] = [f"Key: {message}" for message in error.messages]
                continue
            try:
                if item is missing:
                    raise ValidationError(_REQUIRED)
                result[name] = self.value_field.deserialize(item, **kwargs)
            except ValidationError as error:
                problems[key] = error.messages
        if problems:
            raise ValidationError(problems, valid_data=result)
        return result

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        key, item = self.key_field._serialize, self.value_field._serialize
        return {key(k, attr, obj, **kwargs): item(v, attr, obj, **kwargs) for k, v in value.items()}


class Nested(fields.Nested):
    """An object with a schema of its own; unknown keys are refused in it too.

    Args:
        schema: the schema's class, or a function without arguments that returns it (for a schema that holds itself).
        options: see :class:`FieldOptions`.
    """

    def __init__(self, schema: type[Schema] | Callable[[], type[Schema]], **options: Unpack[FieldOptions]) -> None:
        super().__init__(schema, unknown=RAISE, **merged_options(options, None))


class Versioned(fields.Field[Any]):
    """The content of a versioned document; gives it validated and stamped with its current version.

    A document that is newer than the code raises ``UnknownSchemaVersionError``, and not a validation error.

    Args:
        document: the document type.
        options: see :class:`FieldOptions`.
    """

    def __init__(self, document: Document[Any], **options: Unpack[FieldOptions]) -> None:
        self.document = document
        super().__init__(**merged_options(options, None))

    def _deserialize(self, value: object, attr: object, data: object, **kwargs: object) -> object:
        try:
            return self.document.validate(value)
        except kit_errors.ValidationError as error:
            problems = {Dotted(path): messages for path, messages in error.errors.items()}
            raise ValidationError(problems.get(Dotted("_schema"), problems)) from error
