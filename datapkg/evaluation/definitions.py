"""Creating, forking, reading, changing and deleting definitions."""

from __future__ import annotations

import datetime as dt
import logging
from enum import Enum
from typing import Final
from uuid import UUID

from datapkg.evaluation.models import Definition, Run, Scenario
from datapkg.kit.columns import load_columns
from datapkg.kit.database import current, run_in_transaction
from datapkg.kit.deletion import delete_row
from datapkg.kit.errors import NotFoundError, StaleWriteError, ValidationError
from datapkg.kit.json_values import parse_json
from datapkg.kit.keys import as_id, as_id_text
from datapkg.kit.models import new_id, now
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import Param, Statement, insert

__all__ = [
    "INHERIT",
    "create_definition",
    "delete_definition",
    "find_definition",
    "fork_definition",
    "get_definition",
    "get_definition_with_content",
    "list_definitions",
    "update_definition",
]

logger = logging.getLogger(__name__)


class _Inherit(Enum):
    INHERIT = "inherit"


INHERIT: Final = _Inherit.INHERIT
"""The default of ``fork_definition``: take the parent's content."""

_by_id: Statement[Definition] = Statement(
    lambda dialect: Definition.select().where(Definition.id == Param("id")), model=Definition
)


def create_definition(name: str, *, content: object, created_by: UUID | str | None = None) -> Definition:
    """Create a root definition.

    Args:
        name: 1 to 200 characters.
        content: a ``definition-content`` document; one of an older version is upgraded first.
        created_by: the user who makes it.

    Raises:
        ValidationError: with every complaint about name and content; nothing is written.
        ConflictError: ``created_by`` is no user.

    Example:
        >>> create_definition("tone", content={"preamble": "", "template": "Be {tone}.",
        ...     "dimensions": [{"name": "tone", "values": ["kind", "curt"]}]})  # doctest: +SKIP
    """
    definition = _insert(name=name, content=content, created_by=created_by, parent=None)
    if logger.isEnabledFor(logging.INFO):  # spelling a key out costs more than asking
        logger.info("definition created", extra={"definition_id": str(definition.id)})
    return definition


def fork_definition(
    parent_id: UUID | str,
    *,
    name: str,
    content: object = INHERIT,
    created_by: UUID | str | None = None,
) -> Definition:
    """Create a child of a definition, in one transaction.

    Args:
        parent_id: what to fork.
        name: the child's name.
        content: the child's content; left out, the parent's is inherited in the current version.
        created_by: the user who makes it.

    Raises:
        NotFoundError: there is no such parent.
        ValidationError: the name or the content is not valid; ``None`` is not content.
    """
    key = as_id(parent_id, "parent_id")

    @run_in_transaction
    def fork() -> Definition:
        parent = _by_id.one(id=str(key))
        if parent is None:
            raise NotFoundError("definition", key)
        inherited = parent.content if content is INHERIT else content
        return _insert(name=name, content=inherited, created_by=created_by, parent=key)

    child = fork()
    logger.info("definition forked", extra={"parent_id": str(key), "definition_id": str(child.id)})
    return child


def _insert(*, name: str, content: object, created_by: UUID | str | None, parent: UUID | None) -> Definition:
    from datapkg.evaluation import schemas

    given: dict[str, object] = {"name": name}
    if created_by is not None:
        given["created_by"] = created_by
    columns = load_columns(
        Definition, schemas.NewDefinition, given=given, documents={"content": content}, what="definition"
    )
    made = now()
    return insert(Definition, {**columns, "id": new_id(), "parent": parent, "created_at": made, "updated_at": made})


def get_definition(definition_id: UUID | str) -> Definition:
    """Return a definition; its content is parsed and upgraded when it is first looked at.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    definition = find_definition(definition_id)
    if definition is None:
        raise NotFoundError("definition", definition_id)
    return definition


def find_definition(definition_id: UUID | str) -> Definition | None:
    """Return a definition, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    return _by_id.one(id=as_id_text(definition_id, "definition_id"))


def get_definition_with_content(definition_id: UUID | str) -> Definition:
    """Return a definition whose content has been upgraded to the current version; the database is not changed.

    Raises:
        NotFoundError: there is none with this key.
        UnknownSchemaVersionError: the content is newer than this code.
        DocumentError: the stored content is corrupt.
    """
    definition = get_definition(definition_id)
    _decode(definition)
    return definition


def _decode(definition: Definition) -> object:
    """Look at the content, so that a document that cannot be read is told here and now."""
    return definition.__data__["content"]


def list_definitions(
    *,
    name: str | None = None,
    parent_id: UUID | str | None = None,
    roots: bool = False,
    created_by: UUID | str | None = None,
    created_from: dt.datetime | None = None,
    created_before: dt.datetime | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Definition]:
    """Return a page of definitions, newest first.

    Args:
        name: only with exactly this name.
        parent_id: only direct children of this definition.
        roots: only those without a parent.
        created_by: only by this user.
        created_from: only made at or after this instant.
        created_before: only made before this instant.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.evaluation import schemas

    given = {
        "name": name,
        "parent_id": parent_id,
        "roots": roots or None,
        "created_by": created_by,
        "created_from": created_from,
        "created_before": created_before,
        "limit": limit,
        "after": after,
    }
    where = {
        "name": Definition.name.__eq__,
        "parent_id": Definition.parent.__eq__,
        "roots": lambda only: Definition.parent.is_null(only),
        "created_by": Definition.created_by.__eq__,
        "created_from": Definition.created_at.__ge__,
        "created_before": Definition.created_at.__lt__,
    }
    return list_page(Definition, schemas.DefinitionFilters, what="list of definitions", given=given, where=where)


def update_definition(
    definition_id: UUID | str,
    *,
    name: str | None = None,
    content: object | None = None,
    unchanged_since: dt.datetime | None = None,
) -> Definition:
    """Change a definition's name or content; the parent never changes.

    New content takes the scenarios with it that were generated from the old; those written by hand stay. Once a run
    refers to the definition, its content is frozen.

    Args:
        definition_id: which.
        name: the new name, if it changes.
        content: the new content, if it changes.
        unchanged_since: the ``updated_at`` that the caller read; refuses to overwrite a later change.

    Raises:
        NotFoundError: there is none with this key.
        StaleWriteError: it was changed since ``unchanged_since``, or the content is frozen by a run.
        UnknownSchemaVersionError: the stored content is newer than this code, and would be lost.
        ValidationError: with every complaint about name and content, or neither is given.
    """
    from datapkg.evaluation import schemas

    key = as_id(definition_id, "definition_id")
    if name is None and content is None:
        raise ValidationError({"_schema": ["Give a name or content."]}, what="change of a definition")
    given = {"name": name, "unchanged_since": unchanged_since}
    change = load_columns(
        Definition,
        schemas.DefinitionChange,
        given={field: value for field, value in given.items() if value is not None},
        documents={} if content is None else {"content": content},
        what="change of a definition",
    )
    expected = change.pop("unchanged_since", None)

    @run_in_transaction
    def update() -> None:
        query = Definition.select().where(Definition.id == key)
        stored = (query.for_update() if current().dialect.for_update else query).first()
        if stored is None:
            raise NotFoundError("definition", key)
        if expected is not None and stored.updated_at != expected:
            raise StaleWriteError(
                f"The definition {key} was changed at {stored.updated_at.isoformat()}.",
                fix="Read it again and repeat the change.",
                updated_at=stored.updated_at.isoformat(),
            )
        if content is not None:
            before = _decode(stored)  # refuses a newer document, which this would overwrite
            if parse_json(str(change["content"])) == before:
                del change["content"]  # the same again, which a run's definition may be told too
            else:
                _replace_content(key)
        if change:
            Definition.update(**change).where(Definition.id == key).execute()

    update()
    return get_definition(key)


def _replace_content(key: UUID) -> None:
    """Refuse if a run refers to the content, else remove the scenarios that were generated from it."""
    # The row is locked and create_run locks it too, so no run can come between. The database refuses by itself as
    # well; this says how many runs there are, and what to do.
    runs = Run.select().where(Run.definition == key).count()
    if runs:
        raise StaleWriteError(
            f"The content of the definition {key} is frozen: {runs} run{'s refer' if runs > 1 else ' refers'} to it.",
            fix="Fork the definition and change the fork's content.",
            runs=runs,
        )
    Scenario.delete().where((Scenario.definition == key) & Scenario.content["source_sha256"].is_null(False)).execute()


def delete_definition(definition_id: UUID | str) -> None:
    """Delete a definition that nothing was forked from and that was never run; its scenarios go with it.

    Raises:
        NotFoundError: there is none with this key.
        ConflictError: it has forks or runs; they are counted.
    """
    delete_row(Definition, as_id(definition_id, "definition_id"), entity="definition")
