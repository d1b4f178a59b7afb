"""Keys as callers give them."""

from __future__ import annotations

import re
from uuid import UUID

from datapkg.kit.errors import ValidationError

__all__ = ["as_id", "as_id_text"]

_usual = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


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


def as_id_text(value: UUID | str, name: str) -> str:
    """Return a key as the usual dashed text, which both engines take; quicker than :func:`as_id` on such text.

    Args:
        value: a ``UUID`` or its text.
        name: the argument it was given as, for the error.

    Raises:
        ValidationError: it is neither.
    """
    return value if type(value) is str and _usual(value) else str(as_id(value, name))
