"""The script store's tables."""

from __future__ import annotations

from uuid import UUID

import peewee as pw

from datapkg.accounts.models import Session, User
from datapkg.kit.fields import (
    BigIntegerField,
    DocumentField,
    EnumField,
    ForeignKey,
    IntegerField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, MutableModel
from datapkg.scripts.documents import COMMAND_PAYLOAD, VERSION_SNAPSHOT

__all__ = [
    "ACTOR_TYPES",
    "CHAT_ROLES",
    "COMMAND_TYPES",
    "ELEMENT_KINDS",
    "BackfillProgress",
    "ChatMessage",
    "Persona",
    "Script",
    "ScriptCommand",
    "ScriptElement",
    "ScriptFeedEntry",
    "ScriptPage",
    "ScriptVersion",
]

ACTOR_TYPES = ("USER", "AI", "IMPORT", "SYSTEM")
COMMAND_TYPES = (
    "SET_TITLE",
    "INSERT_ELEMENT",
    "EDIT_ELEMENT",
    "MOVE_ELEMENT",
    "REMOVE_ELEMENT",
    "START_PAGE",
    "SET_PAGE_TITLE",
    "MOVE_PAGE",
    "REMOVE_PAGE",
    "IMPORT",
    "REVERT",
)
ELEMENT_KINDS = ("SCENE", "ACTION", "CHARACTER", "DIALOGUE", "PARENTHETICAL", "TRANSITION", "NOTE", "TEXT")
CHAT_ROLES = ("USER", "ASSISTANT", "SYSTEM", "TOOL")


class Script(MutableModel):
    """A text that commands make; its title and counters are derived from them.

    Attributes:
        owner: whose it is.
        title: as the commands left it.
        current_sequence: the sequence of its newest command, 0 before the first.
        current_version: the number of its newest version, 0 before the first.
    """

    owner = ForeignKey(User, on_delete="RESTRICT")
    title = TextField(max_length=500, min_length=1)
    current_sequence = IntegerField(min=0, default=0)
    current_version = IntegerField(min=0, default=0)

    owner_id: UUID

    class Meta:
        table_name = "scripts"


class ScriptCommand(Model):
    """One edit: what the script is made of, and the only truth about it.

    Attributes:
        script: which script.
        sequence: its place among the script's commands, from 1 without a gap.
        command_id: the caller's key, so that sending a command again does nothing.
        command_type: one of ``COMMAND_TYPES``.
        payload: its ``script-command`` document.
        actor_type: one of ``ACTOR_TYPES``.
        actor_id: who, as text.
        model: which model, for an AI's edit.
    """

    script = ForeignKey(Script, on_delete="RESTRICT", index=False)
    sequence = IntegerField(min=1)
    command_id = UUIDField(unique=True)
    command_type = EnumField(choices=COMMAND_TYPES)
    payload = DocumentField(COMMAND_PAYLOAD)
    actor_type = EnumField(choices=ACTOR_TYPES)
    actor_id = TextField(max_length=200, min_length=1, null=True)
    model = TextField(max_length=200, min_length=1, null=True)

    script_id: UUID

    class Meta:
        table_name = "script_commands"
        indexes = ((("script", "sequence"), True),)
        constraints = [pw.Check("actor_type <> 'AI' OR model IS NOT NULL", "ck_script_commands_ai_names_its_model")]
        append_only = True
        written_by = "datapkg.scripts.append"


class ScriptFeedEntry(Model):
    """A command's place in the feed of all scripts; written with the command, numbered once it is committed.

    Attributes:
        command: which command.
        position: from 1, in an order in which nothing appears before what a reader has read; None until then.
    """

    command = ForeignKey(ScriptCommand, on_delete="RESTRICT", unique=True)
    position = BigIntegerField(min=1, null=True, unique=True)

    command_id: UUID

    class Meta:
        table_name = "script_feed"


class ScriptVersion(Model):
    """What the commands up to one of them make: derived, and written by the materializer alone.

    Attributes:
        script: which script.
        version_number: from 1 without a gap.
        through_sequence: the last command that it covers.
        snapshot: its ``script-snapshot`` document.
        content_hash: SHA-256 of title, elements and pages.
        materializer_version: the version of the code that made it.
    """

    script = ForeignKey(Script, on_delete="RESTRICT", index=False)
    version_number = IntegerField(min=1)
    through_sequence = IntegerField(min=0)
    snapshot = DocumentField(VERSION_SNAPSHOT)
    content_hash = TextField(max_length=64, min_length=64)
    materializer_version = IntegerField(min=1)

    script_id: UUID

    class Meta:
        table_name = "script_versions"
        indexes = ((("script", "version_number"), True), (("script", "through_sequence"), False))
        append_only = True
        gated = True
        written_by = "datapkg.scripts.append"


class Persona(MutableModel):
    """Somebody who speaks in a script.

    Attributes:
        script: which script.
        name: unique within the script.
        description: who they are.
    """

    script = ForeignKey(Script, on_delete="CASCADE", index=False)
    name = TextField(max_length=200, min_length=1)
    description = TextField(max_length=10_000, null=True)

    script_id: UUID

    class Meta:
        table_name = "personas"
        indexes = ((("script", "name"), True),)


class ScriptElement(Model):
    """A part of a script's newest state: a projection of the commands, written by the materializer alone.

    Attributes:
        script: which script.
        position: its place, from 0 without a gap.
        element_id: the key that commands call it by.
        kind: one of ``ELEMENT_KINDS``.
        text: what it says.
        persona: who speaks.
    """

    script = ForeignKey(Script, on_delete="RESTRICT", index=False)
    position = IntegerField(min=0)
    element_id = UUIDField()
    kind = EnumField(choices=ELEMENT_KINDS)
    text = TextField(max_length=10_000_000)
    persona = ForeignKey(Persona, on_delete="RESTRICT", null=True)

    script_id: UUID
    persona_id: UUID | None

    class Meta:
        table_name = "script_elements"
        indexes = ((("script", "position"), True), (("script", "element_id"), True))
        append_only = True
        gated = True
        written_by = "datapkg.scripts.append"


class ScriptPage(Model):
    """A page of a script's newest state: a projection of the commands, written by the materializer alone.

    An element stands on the page with the greatest ``position`` whose ``first_position`` is not beyond its own; on none
    where there is no such page. So a page without elements begins where the next one does, or where the script ends.

    Attributes:
        script: which script.
        position: its place among the script's pages, from 0 without a gap.
        page_id: the key that commands call it by.
        title: its heading.
        first_position: the ``position`` of its first element.
    """

    script = ForeignKey(Script, on_delete="RESTRICT", index=False)
    position = IntegerField(min=0)
    page_id = UUIDField()
    title = TextField(max_length=500, min_length=1, null=True)
    first_position = IntegerField(min=0)

    script_id: UUID

    class Meta:
        table_name = "script_pages"
        indexes = ((("script", "position"), True), (("script", "page_id"), True))
        append_only = True
        gated = True
        written_by = "datapkg.scripts.append"


class ChatMessage(Model):
    """What somebody or a model said in a session, about a script or not.

    Attributes:
        session: the session that it was said in.
        user: whose conversation it is.
        script: which script it is about.
        role: one of ``CHAT_ROLES``.
        content: the text.
    """

    session = ForeignKey(Session, on_delete="SET NULL", null=True)
    user = ForeignKey(User, on_delete="CASCADE", index=False)
    script = ForeignKey(Script, on_delete="SET NULL", null=True)
    role = EnumField(choices=CHAT_ROLES)
    content = TextField(max_length=10_000_000)

    session_id: UUID | None
    user_id: UUID
    script_id: UUID | None

    class Meta:
        table_name = "chat_messages"
        indexes = ((("user", "id"), False),)


class BackfillProgress(Model):
    """A stage of a backfill that is committed, so that one that was killed goes on after it.

    Attributes:
        fingerprint: SHA-256 of everything that the legacy database holds, as it was read.
        source: which legacy database, without user and password.
        stage: ``users``, ``sessions``, ``chat_messages``, ``scripts``, ``versions`` or ``elements``.
        legacy_rows: how many legacy rows the stage dealt with.
        done_at: when it was finished; ``created_at`` is when the backfill began.
    """

    fingerprint = TextField(max_length=64, min_length=64)
    source = TextField(max_length=2000, min_length=1)
    stage = TextField(max_length=40, min_length=1)
    legacy_rows = IntegerField(min=0)
    done_at = TimestampField()

    class Meta:
        table_name = "backfill_progress"
        indexes = ((("fingerprint", "stage"), True),)
