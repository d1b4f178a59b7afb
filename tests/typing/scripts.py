"""The scripts domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import Any, assert_type
from uuid import UUID

from datapkg import scripts
from datapkg.accounts import Session, User
from datapkg.kit.results import Rows
from datapkg.scripts import (
    Appended,
    BackfillProgress,
    BackfillReport,
    ChatMessage,
    FeedPage,
    Persona,
    Script,
    ScriptCommand,
    ScriptDiff,
    ScriptElement,
    ScriptFeedEntry,
    ScriptPage,
    ScriptState,
    ScriptVersion,
    VerifyReport,
)


def backfill_progress_columns(row: BackfillProgress) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.fingerprint, str)
    assert_type(row.source, str)
    assert_type(row.stage, str)
    assert_type(row.legacy_rows, int)
    assert_type(row.done_at, dt.datetime)


def chat_message_columns(row: ChatMessage) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.session, Session | None)
    assert_type(row.session_id, UUID | None)
    assert_type(row.user, User)
    assert_type(row.user_id, UUID)
    assert_type(row.script, Script | None)
    assert_type(row.script_id, UUID | None)
    assert_type(row.role, str)
    assert_type(row.content, str)


def persona_columns(row: Persona) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.script, Script)
    assert_type(row.script_id, UUID)
    assert_type(row.name, str)
    assert_type(row.description, str | None)


def script_columns(row: Script) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.updated_at, dt.datetime)
    assert_type(row.owner, User)
    assert_type(row.owner_id, UUID)
    assert_type(row.title, str)
    assert_type(row.current_sequence, int)
    assert_type(row.current_version, int)


def script_command_columns(row: ScriptCommand) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.script, Script)
    assert_type(row.script_id, UUID)
    assert_type(row.sequence, int)
    assert_type(row.command_id, UUID)
    assert_type(row.command_type, str)
    assert_type(row.payload, dict[str, Any])
    assert_type(row.actor_type, str)
    assert_type(row.actor_id, str | None)
    assert_type(row.model, str | None)


def script_element_columns(row: ScriptElement) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.script, Script)
    assert_type(row.script_id, UUID)
    assert_type(row.position, int)
    assert_type(row.element_id, UUID)
    assert_type(row.kind, str)
    assert_type(row.text, str)
    assert_type(row.persona, Persona | None)
    assert_type(row.persona_id, UUID | None)


def script_feed_entry_columns(row: ScriptFeedEntry) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.command, ScriptCommand)
    assert_type(row.command_id, UUID)
    assert_type(row.position, int | None)


def script_page_columns(row: ScriptPage) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.script, Script)
    assert_type(row.script_id, UUID)
    assert_type(row.position, int)
    assert_type(row.page_id, UUID)
    assert_type(row.title, str | None)
    assert_type(row.first_position, int)


def script_version_columns(row: ScriptVersion) -> None:
    """The columns of a row."""
    assert_type(row.id, UUID)
    assert_type(row.created_at, dt.datetime)
    assert_type(row.script, Script)
    assert_type(row.script_id, UUID)
    assert_type(row.version_number, int)
    assert_type(row.through_sequence, int)
    assert_type(row.snapshot, dict[str, Any])
    assert_type(row.content_hash, str)
    assert_type(row.materializer_version, int)


def functions(key: UUID, text: str) -> None:
    """What each function gives."""
    assert_type(scripts.append(key, commands=[{}], expected_sequence=1), Appended)
    assert_type(scripts.at(key), ScriptState)
    assert_type(scripts.backfill(text), BackfillReport)
    assert_type(scripts.commands_since(), FeedPage)
    assert_type(scripts.count_legacy_rows(text), int)
    assert_type(scripts.create_persona(key, name=text), Persona)
    assert_type(scripts.create_script(key, title=text), Script)
    assert_type(scripts.diff(key, 1, 1), ScriptDiff)
    assert_type(scripts.find_persona(key, name=text), Persona | None)
    assert_type(scripts.find_script(key), Script | None)
    assert_type(scripts.get_persona(key, name=text), Persona)
    assert_type(scripts.get_script(key), Script)
    assert_type(scripts.list_commands(key), Rows[ScriptCommand])
    assert_type(scripts.list_messages(), Rows[ChatMessage])
    assert_type(scripts.list_pages(key), Rows[ScriptPage])
    assert_type(scripts.list_personas(key), Rows[Persona])
    assert_type(scripts.list_scripts(), Rows[Script])
    assert_type(scripts.list_versions(key), Rows[ScriptVersion])
    assert_type(scripts.materialize(key), ScriptVersion)
    assert_type(scripts.rebuild_elements(key), int)
    assert_type(scripts.record_message(key, role=text, content=text), ChatMessage)
    assert_type(scripts.revert(key), Appended)
    assert_type(scripts.verify(), VerifyReport)
