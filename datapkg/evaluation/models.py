"""The evaluation domain's tables."""

from __future__ import annotations

from uuid import UUID

from datapkg.accounts.models import User
from datapkg.evaluation.documents import DEFINITION_CONTENT
from datapkg.kit.fields import DocumentField, ForeignKey, TextField
from datapkg.kit.models import MutableModel

__all__ = ["Definition"]


class Definition(MutableModel):
    """A versioned scenario definition; forking it makes a child that points back to it.

    Attributes:
        parent: what it was forked from; never changes.
        name: how people call it.
        content: its ``definition-content`` document.
        created_by: the user who made it.
        depth: how far from where a tree function started, else None.
    """

    parent = ForeignKey("self", on_delete="RESTRICT", null=True)
    name = TextField(max_length=200, min_length=1, index=True)
    content = DocumentField(DEFINITION_CONTENT)
    created_by = ForeignKey(User, on_delete="RESTRICT", null=True, column_name="created_by")

    parent_id: UUID | None  # Peewee sets these beside the references
    created_by_id: UUID | None
    depth: int | None = None  # set by the tree functions only; not a column

    def public(self) -> dict[str, object]:
        """Return the columns as a dictionary for people, and the depth where a tree function set it."""
        return super().public() if self.depth is None else {"depth": self.depth, **super().public()}

    class Meta:
        table_name = "definitions"
        indexes = ((("created_at",), False),)
