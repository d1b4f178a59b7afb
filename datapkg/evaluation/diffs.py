"""What differs between two definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datapkg.evaluation.definitions import get_definition_with_content
from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.kit.columns import sound
from datapkg.kit.differences import ABSENT, differences
from datapkg.kit.results import Rows

__all__ = ["DefinitionDiff", "diff_definitions"]


@dataclass(frozen=True, slots=True)
class DefinitionDiff:
    """The differences from definition ``a`` to definition ``b``.

    Attributes:
        a: the first definition's key.
        b: the second's.
        changes: rows of ``path``, ``change`` (``added``, ``removed`` or ``changed``), ``before`` and ``after``.
    """

    a: UUID
    b: UUID
    changes: Rows[dict[str, Any]]

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not self.changes

    def __repr__(self) -> str:
        return repr(self.changes) if self.changes else "(no differences)"

    def _repr_html_(self) -> str:
        return self.changes._repr_html_() if self.changes else "<p>(no differences)</p>"


def diff_definitions(a: UUID | str, b: UUID | str) -> DefinitionDiff:
    """Compare the names and contents of two definitions, both in the current version.

    Dimensions are matched by name, so that reordering them is no difference.

    Raises:
        NotFoundError: one of them does not exist.
        UnknownSchemaVersionError: a content is newer than this code.
        DocumentError: a stored content is corrupt.
    """
    first, second = get_definition_with_content(a), get_definition_with_content(b)
    changes: Rows[dict[str, Any]] = Rows()
    for path, before, after in differences(_comparable(first), _comparable(second)):
        change = "added" if before is ABSENT else "removed" if after is ABSENT else "changed"
        changes.append(
            {
                "path": path,
                "change": change,
                "before": None if before is ABSENT else before,
                "after": None if after is ABSENT else after,
            }
        )
    return DefinitionDiff(first.id, second.id, changes)


def _comparable(definition: Any) -> dict[str, Any]:
    content = dict(sound(DEFINITION_CONTENT, definition.content))
    content["dimensions"] = {dimension["name"]: dimension for dimension in content["dimensions"]}
    return {"name": definition.name, "content": content}
