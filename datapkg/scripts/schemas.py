"""What the script store accepts."""

from __future__ import annotations

from datapkg.kit.schemas import Boolean, Choice, Integer, Json, List, Nested, Page, Schema, Text, Timestamp, Uuid
from datapkg.scripts.materializer import MOST_ELEMENTS
from datapkg.scripts.models import ACTOR_TYPES, CHAT_ROLES, COMMAND_TYPES, ELEMENT_KINDS
from datapkg.scripts.paging import MOST_PAGES

__all__ = [
    "COMMAND_SCHEMAS",
    "AnyCommand",
    "CommandRow",
    "ElementRow",
    "ElementSchema",
    "FeedEntryRow",
    "FeedPage",
    "History",
    "MessageFilters",
    "MessageRow",
    "Moment",
    "NewMessage",
    "NewPersona",
    "PageRow",
    "PageSchema",
    "PayloadSchema",
    "PersonaFilters",
    "PersonaRow",
    "ScriptFilters",
    "ScriptRow",
    "SnapshotSchema",
    "VersionRow",
]

_TEXT = 10_000_000
_SEQUENCE = 2**31 - 1


class ElementSchema(Schema):
    """One element: its key, kind, text and speaker."""

    element_id = Text(36, 36, required=True)
    kind = Text(1, 20, required=True)
    text = Text(0, 10_000_000, required=True)
    persona = Text(1, 200, allow_none=True)


class PageSchema(Schema):
    """One page: its key, heading and number of elements."""

    page_id = Text(36, 36, required=True)
    title = Text(1, 500, allow_none=True)
    length = Integer(0, MOST_ELEMENTS, required=True)


class PayloadSchema(Schema):
    """Version 1 of ``script-command``; each command type needs some of these and takes no others."""

    title = Text(1, 500, allow_none=True)
    element_id = Text(36, 36)
    kind = Text(1, 20)
    text = Text(0, 10_000_000)
    persona = Text(1, 200, allow_none=True)
    position = Integer(0, 2**31 - 1)
    elements = List(Nested(ElementSchema), max=MOST_ELEMENTS)
    to_sequence = Integer(0, 2**31 - 1)
    page_id = Text(36, 36)
    pages = List(Nested(PageSchema), max=MOST_PAGES)
    keep_elements = Boolean()


class SnapshotSchema(Schema):
    """Version 1 of ``script-snapshot``."""

    title = Text(1, 500, required=True)
    elements = List(Nested(ElementSchema), required=True, max=MOST_ELEMENTS)
    pages = List(Nested(PageSchema), max=MOST_PAGES)


class AnyCommand(Schema):
    """What every command says about itself and about who gives it."""

    command_id = Uuid()
    command_type = Choice(COMMAND_TYPES, required=True)
    actor_type = Choice(ACTOR_TYPES, required=True)
    actor_id = Text(1, 200, allow_none=True)
    model = Text(1, 200, allow_none=True)


class _SetTitle(AnyCommand):
    title = Text(1, 500, required=True)


class _InsertElement(AnyCommand):
    position = Integer(0, _SEQUENCE, required=True)
    page_id = Uuid()
    element_id = Uuid()
    kind = Choice(ELEMENT_KINDS, required=True)
    text = Text(0, _TEXT, required=True)
    persona = Text(1, 200, allow_none=True)


class _EditElement(AnyCommand):
    element_id = Uuid(required=True)
    kind = Choice(ELEMENT_KINDS)
    text = Text(0, _TEXT)
    persona = Text(1, 200, allow_none=True)


class _MoveElement(AnyCommand):
    element_id = Uuid(required=True)
    position = Integer(0, _SEQUENCE, required=True)
    page_id = Uuid()


class _RemoveElement(AnyCommand):
    element_id = Uuid(required=True)


class _StartPage(AnyCommand):
    page_id = Uuid()
    position = Integer(0, _SEQUENCE, required=True)
    title = Text(1, 500, allow_none=True)


class _SetPageTitle(AnyCommand):
    page_id = Uuid(required=True)
    title = Text(1, 500, required=True, allow_none=True)


class _MovePage(AnyCommand):
    page_id = Uuid(required=True)
    position = Integer(0, _SEQUENCE, required=True)


class _RemovePage(AnyCommand):
    page_id = Uuid(required=True)
    keep_elements = Boolean()


class _ImportedElement(Schema):
    element_id = Uuid()
    kind = Choice(ELEMENT_KINDS, required=True)
    text = Text(0, _TEXT, required=True)
    persona = Text(1, 200, allow_none=True)


class _ImportedPage(Schema):
    page_id = Uuid()
    title = Text(1, 500, allow_none=True)
    length = Integer(0, MOST_ELEMENTS, required=True)


class _Import(AnyCommand):
    title = Text(1, 500)
    text = Text(0, _TEXT)
    elements = List(Nested(_ImportedElement), max=MOST_ELEMENTS)
    pages = List(Nested(_ImportedPage), max=MOST_PAGES)


class _Revert(AnyCommand):
    to_sequence = Integer(1, _SEQUENCE, required=True)


COMMAND_SCHEMAS: dict[str, type[AnyCommand]] = {
    "SET_TITLE": _SetTitle,
    "INSERT_ELEMENT": _InsertElement,
    "EDIT_ELEMENT": _EditElement,
    "MOVE_ELEMENT": _MoveElement,
    "REMOVE_ELEMENT": _RemoveElement,
    "START_PAGE": _StartPage,
    "SET_PAGE_TITLE": _SetPageTitle,
    "MOVE_PAGE": _MovePage,
    "REMOVE_PAGE": _RemovePage,
    "IMPORT": _Import,
    "REVERT": _Revert,
}
"""What each type of command takes, and nothing else."""


class Moment(Schema):
    """Which state of a script is asked for."""

    version = Integer(1, _SEQUENCE)
    sequence = Integer(1, _SEQUENCE)
    time = Timestamp()


class ScriptFilters(Page):
    """What a list of scripts can be narrowed by, and where its page starts."""

    owner_id = Uuid()
    title = Text(1, 500)


class History(Page):
    """Where a page of a list of a script's commands, versions or pages starts."""


class FeedPage(Schema):
    """Where the reader of the feed is."""

    cursor = Integer(0, 2**63 - 1, required=True)
    limit = Integer(1, 1000, required=True)


class NewPersona(Schema):
    """A persona as a caller gives it."""

    name = Text(1, 200, required=True)
    description = Text(0, 10_000, allow_none=True)


class PersonaFilters(Page):
    """What a list of personas can be narrowed by, and where its page starts."""

    script_id = Uuid(required=True)
    name = Text(1, 200)


class NewMessage(Schema):
    """A chat message as a caller gives it."""

    user_id = Uuid(required=True)
    session_id = Uuid(allow_none=True)
    script_id = Uuid(allow_none=True)
    role = Choice(CHAT_ROLES, required=True)
    content = Text(0, _TEXT, required=True)


class MessageFilters(Page):
    """What a list of messages can be narrowed by, and where its page starts."""

    user_id = Uuid()
    session_id = Uuid()
    script_id = Uuid()
    role = Choice(CHAT_ROLES)


class ScriptRow(Schema):
    """A script in a seed file."""

    owner = Uuid(required=True)
    title = Text(1, 500, required=True)
    current_sequence = Integer(0, _SEQUENCE, required=True)
    current_version = Integer(0, _SEQUENCE, required=True)
    created_at = Timestamp()
    updated_at = Timestamp()


class CommandRow(Schema):
    """A command in a seed file."""

    script = Uuid(required=True)
    sequence = Integer(1, _SEQUENCE, required=True)
    command_id = Uuid(required=True)
    command_type = Choice(COMMAND_TYPES, required=True)
    payload = Json(required=True)
    actor_type = Choice(ACTOR_TYPES, required=True)
    actor_id = Text(1, 200, allow_none=True)
    model = Text(1, 200, allow_none=True)
    created_at = Timestamp()


class FeedEntryRow(Schema):
    """A command's entry in the feed in a seed file; it is numbered when somebody reads the feed."""

    command = Uuid(required=True)


class VersionRow(Schema):
    """A version in a seed file."""

    script = Uuid(required=True)
    version_number = Integer(1, _SEQUENCE, required=True)
    through_sequence = Integer(0, _SEQUENCE, required=True)
    snapshot = Json(required=True)
    content_hash = Text(64, 64, required=True)
    materializer_version = Integer(1, _SEQUENCE, required=True)
    created_at = Timestamp()


class PersonaRow(Schema):
    """A persona in a seed file."""

    script = Uuid(required=True)
    name = Text(1, 200, required=True)
    description = Text(0, 10_000, allow_none=True)


class ElementRow(Schema):
    """An element in a seed file."""

    script = Uuid(required=True)
    position = Integer(0, _SEQUENCE, required=True)
    element_id = Uuid(required=True)
    kind = Choice(ELEMENT_KINDS, required=True)
    text = Text(0, _TEXT, required=True)
    persona = Uuid(allow_none=True)


class PageRow(Schema):
    """A page in a seed file."""

    script = Uuid(required=True)
    position = Integer(0, _SEQUENCE, required=True)
    page_id = Uuid(required=True)
    title = Text(1, 500, allow_none=True)
    first_position = Integer(0, _SEQUENCE, required=True)


class MessageRow(Schema):
    """A chat message in a seed file."""

    session = Uuid(allow_none=True)
    user = Uuid(required=True)
    script = Uuid(allow_none=True)
    role = Choice(CHAT_ROLES, required=True)
    content = Text(0, _TEXT, required=True)
    created_at = Timestamp()
