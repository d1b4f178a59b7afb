"""Chat messages, and the personas who speak in a script."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from datapkg.accounts.models import Session, User
from datapkg.kit.database import run_in_transaction
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.instants import as_instant
from datapkg.kit.keys import as_id
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows
from datapkg.kit.statements import insert
from datapkg.scripts.history import script_by_id
from datapkg.scripts.models import ChatMessage, Persona, Script

__all__ = ["create_persona", "find_persona", "get_persona", "list_messages", "list_personas", "record_message"]


def record_message(
    user_id: UUID | str,
    *,
    role: str,
    content: str,
    session_id: UUID | str | None = None,
    script_id: UUID | str | None = None,
    now: dt.datetime | None = None,
) -> ChatMessage:
    """Keep a chat message.

    Args:
        user_id: whose conversation it is.
        role: ``USER``, ``ASSISTANT``, ``SYSTEM`` or ``TOOL``.
        content: the text, kept letter for letter.
        session_id: the session that it was said in, one of the user's.
        script_id: the script that it is about.
        now: the present, for tests and for what was said earlier.

    Raises:
        ValidationError: with every complaint; the session is another user's.
        NotFoundError: there is no such user, session or script.
    """
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    made = as_instant(now)
    given = {"user_id": user_id, "role": role, "content": content, "session_id": session_id, "script_id": script_id}
    values: dict[str, Any] = load(schemas.NewMessage, given, what="chat message")

    @run_in_transaction
    def record() -> ChatMessage:
        if not User.select().where(User.id == values["user_id"]).exists():
            raise NotFoundError("user", user_id)
        if values["session_id"] is not None:
            session = Session.select().where(Session.id == values["session_id"]).first()
            if session is None:
                raise NotFoundError("session", session_id)
            if session.user_id != values["user_id"]:
                raise ValidationError({"session_id": ["Is another user's session."]}, what="chat message")
        if values["script_id"] is not None:
            script_by_id(values["script_id"])
        return insert(
            ChatMessage,
            {
                "user": values["user_id"],
                "session": values["session_id"],
                "script": values["script_id"],
                "role": values["role"],
                "content": values["content"],
                "created_at": made,
            },
        )

    return record()


def list_messages(
    *,
    user_id: UUID | str | None = None,
    session_id: UUID | str | None = None,
    script_id: UUID | str | None = None,
    role: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[ChatMessage]:
    """Return a page of chat messages, newest first.

    Args:
        user_id: only of this user's conversations.
        session_id: only said in this session.
        script_id: only about this script.
        role: only said in this role.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.scripts import schemas

    given = {
        "user_id": user_id,
        "session_id": session_id,
        "script_id": script_id,
        "role": role,
        "limit": limit,
        "after": after,
    }
    where = {
        "user_id": ChatMessage.user.__eq__,
        "session_id": ChatMessage.session.__eq__,
        "script_id": ChatMessage.script.__eq__,
        "role": ChatMessage.role.__eq__,
    }
    return list_page(ChatMessage, schemas.MessageFilters, what="list of messages", given=given, where=where)


def create_persona(script_id: UUID | str, *, name: str, description: str | None = None) -> Persona:
    """Create a persona of a script; a command that names one for the first time creates it too.

    Args:
        script_id: the script.
        name: 1 to 200 characters, unique in the script, and fixed: commands call it by its name.
        description: who they are.

    Raises:
        ValidationError: with every complaint.
        NotFoundError: there is no such script.
        ConflictError: the script has a persona of this name.
    """
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    key = as_id(script_id, "script_id")
    values = load(schemas.NewPersona, {"name": name, "description": description}, what="persona")

    @run_in_transaction
    def create() -> Persona:
        if not Script.select().where(Script.id == key).exists():
            raise NotFoundError("script", key)
        return insert(Persona, {"script": key, **values})

    return create()


def get_persona(script_id: UUID | str, *, name: str) -> Persona:
    """Return a script's persona.

    Raises:
        NotFoundError: the script has none of this name.
        ValidationError: the key is not a UUID.
    """
    persona = find_persona(script_id, name=name)
    if persona is None:
        raise NotFoundError("persona", name)
    return persona


def find_persona(script_id: UUID | str, *, name: str) -> Persona | None:
    """Return a script's persona, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    found = list_personas(script_id, name=name, limit=1)
    return found[0] if found else None


def list_personas(
    script_id: UUID | str, *, name: str | None = None, limit: int = 50, after: UUID | str | None = None
) -> Rows[Persona]:
    """Return a page of a script's personas, newest first.

    Args:
        script_id: the script.
        name: only of this name.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.scripts import schemas

    given = {"script_id": script_id, "name": name, "limit": limit, "after": after}
    where = {"script_id": Persona.script.__eq__, "name": Persona.name.__eq__}
    return list_page(Persona, schemas.PersonaFilters, what="list of personas", given=given, where=where)
