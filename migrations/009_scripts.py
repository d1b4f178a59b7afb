"""Scripts: commands, the versions, elements and pages derived from them, personas, and chat messages."""

from __future__ import annotations

from typing import Any

import peewee as pw

from datapkg.kit.fields import (
    BigIntegerField,
    EnumField,
    ForeignKey,
    IntegerField,
    JSONField,
    TextField,
    TimestampField,
    UUIDField,
)
from datapkg.kit.models import Model, MutableModel


def migrate(migrator: Any, database: Any, *, fake: bool = False) -> None:
    users, sessions = migrator.orm["users"], migrator.orm["sessions"]

    @migrator.create_model
    class Script(MutableModel):
        owner = ForeignKey(users, on_delete="RESTRICT")
        title = TextField(max_length=500, min_length=1)
        current_sequence = IntegerField(min=0, default=0)
        current_version = IntegerField(min=0, default=0)

        class Meta:
            table_name = "scripts"

    @migrator.create_model
    class ScriptCommand(Model):
        script = ForeignKey(Script, on_delete="RESTRICT", index=False)
        sequence = IntegerField(min=1)
        command_id = UUIDField(unique=True)
        command_type = EnumField(
            choices=(
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
        )
        payload = JSONField()
        actor_type = EnumField(choices=("USER", "AI", "IMPORT", "SYSTEM"))
        actor_id = TextField(max_length=200, min_length=1, null=True)
        model = TextField(max_length=200, min_length=1, null=True)

        class Meta:
            table_name = "script_commands"
            indexes = ((("script", "sequence"), True),)
            constraints = [pw.Check("actor_type <> 'AI' OR model IS NOT NULL", "ck_script_commands_ai_names_its_model")]
            append_only = True

    @migrator.create_model
    class ScriptFeedEntry(Model):
        command = ForeignKey(ScriptCommand, on_delete="RESTRICT", unique=True)
        position = BigIntegerField(min=1, null=True, unique=True)

        class Meta:
            table_name = "script_feed"

    @migrator.create_model
    class ScriptVersion(Model):
        script = ForeignKey(Script, on_delete="RESTRICT", index=False)
        version_number = IntegerField(min=1)
        through_sequence = IntegerField(min=0)
        snapshot = JSONField()
        content_hash = TextField(max_length=64, min_length=64)
        materializer_version = IntegerField(min=1)

        class Meta:
            table_name = "script_versions"
            indexes = ((("script", "version_number"), True), (("script", "through_sequence"), False))
            append_only = True
            gated = True

    @migrator.create_model
    class Persona(MutableModel):
        script = ForeignKey(Script, on_delete="CASCADE", index=False)
        name = TextField(max_length=200, min_length=1)
        description = TextField(max_length=10_000, null=True)

        class Meta:
            table_name = "personas"
            indexes = ((("script", "name"), True),)

    @migrator.create_model
    class ScriptElement(Model):
        script = ForeignKey(Script, on_delete="RESTRICT", index=False)
        position = IntegerField(min=0)
        element_id = UUIDField()
        kind = EnumField(
            choices=("SCENE", "ACTION", "CHARACTER", "DIALOGUE", "PARENTHETICAL", "TRANSITION", "NOTE", "TEXT")
        )
        text = TextField(max_length=10_000_000)
        persona = ForeignKey(Persona, on_delete="RESTRICT", null=True)

        class Meta:
            table_name = "script_elements"
            indexes = ((("script", "position"), True), (("script", "element_id"), True))
            append_only = True
            gated = True

    @migrator.create_model
    class ScriptPage(Model):
        script = ForeignKey(Script, on_delete="RESTRICT", index=False)
        position = IntegerField(min=0)
        page_id = UUIDField()
        title = TextField(max_length=500, min_length=1, null=True)
        first_position = IntegerField(min=0)

        class Meta:
            table_name = "script_pages"
            indexes = ((("script", "position"), True), (("script", "page_id"), True))
            append_only = True
            gated = True

    @migrator.create_model
    class ChatMessage(Model):
        session = ForeignKey(sessions, on_delete="SET NULL", null=True)
        user = ForeignKey(users, on_delete="CASCADE", index=False)
        script = ForeignKey(Script, on_delete="SET NULL", null=True)
        role = EnumField(choices=("USER", "ASSISTANT", "SYSTEM", "TOOL"))
        content = TextField(max_length=10_000_000)

        class Meta:
            table_name = "chat_messages"
            indexes = ((("user", "id"), False),)

    @migrator.create_model
    class BackfillProgress(Model):
        fingerprint = TextField(max_length=64, min_length=64)
        source = TextField(max_length=2000, min_length=1)
        stage = TextField(max_length=40, min_length=1)
        legacy_rows = IntegerField(min=0)
        done_at = TimestampField()

        class Meta:
            table_name = "backfill_progress"
            indexes = ((("fingerprint", "stage"), True),)


def rollback(migrator: Any, database: Any, *, fake: bool = False) -> None:
    for table in (
        "backfill_progress",
        "chat_messages",
        "script_pages",
        "script_elements",
        "personas",
        "script_versions",
        "script_feed",
        "script_commands",
        "scripts",
    ):
        migrator.remove_model(table)
