"""Text columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Unpack, overload

import peewee as pw

from datapkg.kit.dialect import Dialect
from datapkg.kit.dialect.base import literal
from datapkg.kit.fields.base import Column, ColumnOptions, V

__all__ = ["EnumField", "TextField"]


class TextField(Column[V]):
    """Text of bounded length, without NUL characters and lone surrogates.

    Args:
        max_length: characters (code points) at the most; None for no bound.
        min_length: characters at the least.
    """

    field_type = "TEXT"

    @overload
    def __init__(
        self: TextField[str],
        *,
        max_length: int | None = ...,
        min_length: int = ...,
        null: Literal[False] = ...,
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: TextField[str | None],
        *,
        max_length: int | None = ...,
        min_length: int = ...,
        null: Literal[True],
        **kwargs: Unpack[ColumnOptions],
    ) -> None: ...
    def __init__(self, *, max_length: int | None = None, min_length: int = 0, **kwargs: Any) -> None:
        self.max_length, self.min_length = max_length, min_length
        super().__init__(**kwargs)

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        bounds = []
        if self.max_length is not None:
            bounds.append(f"length({column}) <= {self.max_length}")
        if self.min_length:
            bounds.append(f"length({column}) >= {self.min_length}")
        return bounds + dialect.text_checks(column)

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        if value is None or isinstance(value, pw.Node):
            return value
        if not isinstance(value, str):
            raise self.invalid("Not text.")
        if "\0" in value:
            raise self.invalid("Text must not contain NUL characters.")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self.invalid("Text must not contain lone surrogates.") from None
        return value


class EnumField(TextField[V]):
    """One of a fixed set of texts.

    Args:
        choices: the allowed texts.
    """

    @overload
    def __init__(
        self: EnumField[str], *, choices: Iterable[str], null: Literal[False] = ..., **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: EnumField[str | None], *, choices: Iterable[str], null: Literal[True], **kwargs: Unpack[ColumnOptions]
    ) -> None: ...
    def __init__(self, *, choices: Iterable[str], **kwargs: Any) -> None:
        self.values = tuple(choices)
        super().__init__(**kwargs)  # type: ignore[misc]  # mypy compares an open V with each of the overloads

    def conditions(self, column: str, dialect: Dialect) -> list[str]:
        """The conditions of this column's CHECK, for one engine."""
        return [f"{column} IN ({', '.join(literal(value) for value in self.values)})"]

    def db_value(self, value: Any) -> Any:
        """Return the driver's value, or raise the error that says why the column refuses it."""
        text = super().db_value(value)
        if text is not None and not isinstance(text, pw.Node) and text not in self.values:
            raise self.invalid(f"Must be one of: {', '.join(self.values)}.")
        return text
