"""The script store, as the registry lists it."""

from __future__ import annotations

from datapkg.kit.domains import Domain
from datapkg.scripts.documents import COMMAND_PAYLOAD, VERSION_SNAPSHOT
from datapkg.scripts.models import ChatMessage, Persona, Script, ScriptCommand, ScriptElement, ScriptVersion

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="scripts",
    models=(Script, ScriptCommand, ScriptVersion, Persona, ScriptElement, ChatMessage),
    documents={"script_commands.payload": COMMAND_PAYLOAD, "script_versions.snapshot": VERSION_SNAPSHOT},
    immutable_documents=frozenset({"script_commands.payload", "script_versions.snapshot"}),
)
"""What migrate, seed and the test fixtures know of this domain."""
