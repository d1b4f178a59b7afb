"""The stages of a backfill that make scripts: the rows, then commands and versions."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from datapkg.kit.database import current
from datapkg.kit.errors import StaleWriteError
from datapkg.kit.statements import insert_many
from datapkg.scripts.appending import append
from datapkg.scripts.history import content_at
from datapkg.scripts.legacy.keys import Keys
from datapkg.scripts.legacy.people import expect_rows
from datapkg.scripts.legacy.staging import Staging
from datapkg.scripts.models import ChatMessage, Script

__all__ = ["expect_text", "write_scripts", "write_versions"]

_Progress = Callable[[int], None]

# A version without a time is as old as the one before, and a script never younger than its first version.
_SCRIPTS = """
SELECT k.key, u.key, s.title, nullif(min(coalesce(s.at, v.at), coalesce(v.at, s.at)), ''), s.rows
FROM scripts AS s JOIN scripts_keys AS k ON k.id = s.id JOIN users_keys AS u ON u.id = s.user_id
LEFT JOIN (SELECT script_id, min(at) AS at FROM versions GROUP BY script_id) AS v ON v.script_id = s.id
ORDER BY k.key
"""


def write_scripts(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Insert the scripts' rows, still without a command, and link the chat messages to them."""
    written = 0
    for batch in staging.batches(_SCRIPTS):
        rows = [
            {
                "id": UUID(key),
                "owner": UUID(owner),
                "title": title,
                "current_sequence": 0,
                "current_version": 0,
                "created_at": keys.moment(at),
                "updated_at": keys.moment(at),
            }
            for key, owner, title, at, _ in batch
        ]
        written += insert_many(Script, rows)
        expect_rows(Script, {row["id"]: row for row in rows})
        progress(sum(row[4] for row in batch))
    _link_messages(staging)
    return written


def _link_messages(staging: Staging) -> None:
    database = current()
    p = database.dialect.param
    sql = (
        "SELECT mk.key, sk.key FROM messages AS m JOIN messages_keys AS mk ON mk.id = m.id "
        "JOIN row_scripts AS r ON r.id = m.script_id JOIN scripts_keys AS sk ON sk.id = r.script_id ORDER BY sk.key"
    )
    for batch in staging.batches(sql):
        by_script: dict[str, list[str]] = {}
        for message, script in batch:
            by_script.setdefault(script, []).append(message)
        for script, messages in by_script.items():
            marks = ", ".join([p] * len(messages))
            database.change(f"UPDATE chat_messages SET script_id = {p} WHERE id IN ({marks})", [script, *messages])
        # A message that somebody deleted since its stage needs no link.
        expected = {UUID(message): UUID(script) for message, script in batch}
        for row in ChatMessage.select().where(ChatMessage.id.in_(list(expected))):
            if row.script_id != expected[row.id]:
                raise StaleWriteError(f"The chat message {row.id} was linked to a script, and reads otherwise.")


def write_versions(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Append an import for each version of each script: the first is the script's genesis, with its title."""
    written = 0
    for batch in staging.batches(
        "SELECT s.id, k.key, s.title FROM scripts AS s JOIN scripts_keys AS k ON k.id = s.id ORDER BY k.key"
    ):
        for legacy, key, title in batch:
            written += _write_script(staging, keys, legacy, UUID(key), title, progress)
    return written


def _write_script(staging: Staging, keys: Keys, legacy: str, key: UUID, title: str, progress: _Progress) -> int:
    made = Script.get_by_id(key).created_at
    last = staging.query("SELECT max(number) FROM versions WHERE script_id = ?", legacy)[0][0]
    for number in range(1, last + 1):
        sql = "SELECT content, at, origin FROM versions WHERE script_id = ? AND number = ?"
        content, at, origin = staging.query(sql, legacy, number)[0]
        made = max(made, keys.moment(at)) if at else made
        command: dict[str, object] = {
            "command_type": "IMPORT",
            "command_id": keys.derive("commands", f"{legacy}.{number}", at),
            "text": content,
        }
        if number == 1:
            command["title"] = title
        append(key, commands=[command], expected_sequence=number - 1, actor_type="IMPORT", now=made)
        expect_text(key, number, content)
        if origin != "scripts":
            progress(1)
    return int(last)


def expect_text(script_id: UUID, sequence: int, text: str) -> None:
    """Read a script's text back as it is after a command, and compare it letter for letter.

    Raises:
        StaleWriteError: it reads otherwise.
    """
    if content_at(script_id, sequence).text != text:
        raise StaleWriteError(
            f"The script {script_id} reads otherwise at sequence {sequence} than it was written; nothing of the stage "
            "is kept.",
            fix="Report it with the text; nothing that this package does could cause it.",
        )
