"""Keys as callers give them."""

from __future__ import annotations

from uuid import UUID

from datapkg.kit.errors import ValidationError

__all__ = ["as_id"]


def as_id(value: UUID | str, name: str) -> UUID:
    """Return a key as a UUID.

    Args:
        value: a ``UUID`` or its text.
        name: the argument it was given as, for the error.

    Raises:
        ValidationError: it is neither.
    """
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValidationError({name: ["Not a valid UUID."]}, what="key")
