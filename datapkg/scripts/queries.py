"""Every function of the script store, in one place."""

from __future__ import annotations

from datapkg.scripts.appending import Appended, append, create_script, revert
from datapkg.scripts.backfilling import BackfillReport, Violation, backfill, count_legacy_rows
from datapkg.scripts.contents import Element, Page
from datapkg.scripts.conversation import (
    create_persona,
    find_persona,
    get_persona,
    list_messages,
    list_personas,
    record_message,
)
from datapkg.scripts.differences import ElementChange, PageChange, ScriptDiff, diff
from datapkg.scripts.feed import FeedPage, commands_since
from datapkg.scripts.reading import (
    ScriptState,
    at,
    find_script,
    get_script,
    list_commands,
    list_pages,
    list_scripts,
    list_versions,
)
from datapkg.scripts.verification import Finding, VerifyReport, rebuild_elements, verify
from datapkg.scripts.versions import materialize

__all__ = [
    "Appended",
    "BackfillReport",
    "Element",
    "ElementChange",
    "FeedPage",
    "Finding",
    "Page",
    "PageChange",
    "ScriptDiff",
    "ScriptState",
    "VerifyReport",
    "Violation",
    "append",
    "at",
    "backfill",
    "commands_since",
    "count_legacy_rows",
    "create_persona",
    "create_script",
    "diff",
    "find_persona",
    "find_script",
    "get_persona",
    "get_script",
    "list_commands",
    "list_messages",
    "list_pages",
    "list_personas",
    "list_scripts",
    "list_versions",
    "materialize",
    "rebuild_elements",
    "record_message",
    "revert",
    "verify",
]
