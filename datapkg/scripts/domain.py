"""The script store, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain, SeedTable
from datapkg.scripts.documents import COMMAND_PAYLOAD, VERSION_SNAPSHOT
from datapkg.scripts.models import (
    BackfillProgress,
    ChatMessage,
    Persona,
    Script,
    ScriptCommand,
    ScriptElement,
    ScriptFeedEntry,
    ScriptPage,
    ScriptVersion,
)

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="scripts",
    models=(
        Script,
        ScriptCommand,
        ScriptFeedEntry,
        ScriptVersion,
        Persona,
        ScriptElement,
        ScriptPage,
        ChatMessage,
        BackfillProgress,
    ),
    # History: a seed writes it once, and none of it into a script that has gone on since.
    seeds=tuple(
        SeedTable(
            model=model,
            schema=f"datapkg.scripts.schemas:{schema}",
            natural_key=key,
            insert_only=tuple(name for name in model._meta.fields if name not in ("id", *key)),
            comes_with=key[0] if key else None,
        )
        for model, schema, key in (
            (Script, "ScriptRow", ()),
            (ScriptCommand, "CommandRow", ("script", "sequence")),
            (ScriptFeedEntry, "FeedEntryRow", ("command",)),
            (ScriptVersion, "VersionRow", ("script", "version_number")),
            (Persona, "PersonaRow", ("script", "name")),
            (ScriptElement, "ElementRow", ("script", "position")),
            (ScriptPage, "PageRow", ("script", "position")),
            (ChatMessage, "MessageRow", ()),
        )
    ),
    documents={"script_commands.payload": COMMAND_PAYLOAD, "script_versions.snapshot": VERSION_SNAPSHOT},
    immutable_documents=frozenset({"script_commands.payload", "script_versions.snapshot"}),
)
"""What migrate, seed and the test fixtures know of this domain."""
