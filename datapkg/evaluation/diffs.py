"""What differs between two definitions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from datapkg.evaluation.definitions import get_definition_with_content
from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.kit.columns import sound
from datapkg.kit.differences import CHANGE, Diff, differences, row_of
from datapkg.kit.results import Rows

__all__ = ["DefinitionDiff", "diff_definitions"]


class DefinitionDiff(Diff):
    """The differences from definition ``a`` to definition ``b``."""

    __slots__ = ()


def diff_definitions(a: UUID | str, b: UUID | str) -> DefinitionDiff:
    """Compare the names and contents of two definitions, both in the current version.

    Dimensions are matched by name, so that reordering them is no difference.

    Raises:
        NotFoundError: one of them does not exist.
        UnknownSchemaVersionError: a content is newer than this code.
        DocumentError: a stored content is corrupt.
    """
    first, second = get_definition_with_content(a), get_definition_with_content(b)
    changes = Rows((row_of(*found) for found in differences(_comparable(first), _comparable(second))), of=CHANGE)
    return DefinitionDiff(first.id, second.id, changes)


def _comparable(definition: Any) -> dict[str, Any]:
    content = dict(sound(DEFINITION_CONTENT, definition.content))
    content["dimensions"] = {dimension["name"]: dimension for dimension in content["dimensions"]}
    return {"name": definition.name, "content": content}
