"""The last stage of a backfill: personas, and elements as one more command for each script that has some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from datapkg.kit.errors import StaleWriteError
from datapkg.kit.statements import insert_many
from datapkg.scripts.appending import append
from datapkg.scripts.contents import Element
from datapkg.scripts.history import content_at, lock_script
from datapkg.scripts.legacy.keys import Keys
from datapkg.scripts.legacy.staging import Staging
from datapkg.scripts.models import Persona

__all__ = ["Part", "aligned", "write_elements"]

_Progress = Callable[[int], None]

OTHERWISE = "scripts whose elements do not spell their text, imported as one more version"
EDITED = "scripts edited before their elements came: those are in the history, and the edited state is the newest"
UNUSED = "personas of no script that no element names, left out"

# A persona belongs to its script; one of no script goes to each script whose elements name it. The newest row's
# personas come first, then the scripts' own before the others: the first of a name is taken.
_PERSONAS = """
SELECT name, description FROM (
    SELECT p.name, p.description, CASE WHEN p.script_id = s.newest_row THEN 0 ELSE 1 END AS rank, p.id
    FROM personas AS p JOIN row_scripts AS r ON r.id = p.script_id JOIN scripts AS s ON s.id = r.script_id
    WHERE s.id = ?1
    UNION
    SELECT p.name, p.description, 2, p.id
    FROM personas AS p JOIN elements AS e ON e.persona_id = p.id JOIN scripts AS s ON s.newest_row = e.script_id
    WHERE s.id = ?1)
ORDER BY rank, length(id), id
"""
_ELEMENTS = """
SELECT coalesce(e.kind, 'TEXT'), e.text, p.name FROM elements AS e
JOIN scripts AS s ON s.newest_row = e.script_id LEFT JOIN personas AS p ON p.id = e.persona_id
WHERE s.id = ? ORDER BY e.position IS NULL, e.position, length(e.id), e.id
"""
_UNUSED = """
SELECT count(*) FROM personas AS p WHERE p.script_id IS NULL AND NOT EXISTS (
    SELECT 1 FROM elements AS e JOIN scripts AS s ON s.newest_row = e.script_id WHERE e.persona_id = p.id)
"""


class Part(NamedTuple):
    """A part of a text.

    Attributes:
        kind: one of ``ELEMENT_KINDS``.
        text: what it says.
        persona: the name of who speaks, if somebody does.
    """

    kind: str
    text: str
    persona: str | None = None


def aligned(parts: Sequence[Part], text: str) -> list[Part] | None:
    """Return the parts with what stands between them in a text, so that together they spell it, or None.

    Each part has to stand in the text where those before it end or later, and unless it is a ``TEXT``, at the end of
    a line; what lies between is added as ``TEXT``. A line end at the text's very end may be one more than it has.

    Args:
        parts: as they follow each other.
        text: the whole text.
    """
    whole = text if text.endswith("\n") or not parts else text + "\n"
    found: list[Part] = []
    at = 0
    for part in parts:
        line = Element("", *part).line()
        start = whole.find(line, at)
        if start < 0:
            return None
        if start > at:
            found.append(Part("TEXT", whole[at:start]))
        found.append(part)
        at = start + len(line)
    if at < len(whole) and (rest := text[at:]):
        found.append(Part("TEXT", rest))
    return found


def write_elements(staging: Staging, keys: Keys, progress: _Progress) -> int:
    """Insert personas, and append an import of its elements to each script that has some; return how many elements."""
    written = 0
    sql = (
        "SELECT s.id, k.key, s.at FROM scripts AS s JOIN scripts_keys AS k ON k.id = s.id WHERE EXISTS "
        "(SELECT 1 FROM elements AS e WHERE e.script_id = s.newest_row) OR EXISTS (SELECT 1 FROM personas AS p "
        "JOIN row_scripts AS r ON r.id = p.script_id WHERE r.script_id = s.id) ORDER BY k.key"
    )
    for batch in staging.batches(sql):
        for legacy, key, at in batch:
            written += _write_script(staging, keys, legacy, UUID(key), at)
    staging.note(UNUSED, staging.query(_UNUSED)[0][0])
    progress(staging.read.get("script_elements", 0) + staging.read.get("personas", 0))
    return written


def _write_script(staging: Staging, keys: Keys, legacy: str, key: UUID, at: str | None) -> int:
    personas: dict[str, str | None] = {}
    for name, description in staging.query(_PERSONAS, legacy):
        personas.setdefault(name, description)
    rows = [{"script": key, "name": name, "description": about} for name, about in personas.items()]
    insert_many(Persona, rows, unless=("script", "name"))
    there = {row.name for row in Persona.select().where(Persona.script == key)}
    if missing := personas.keys() - there:
        raise StaleWriteError(f"Personas of the script {key} were written and are not there: {sorted(missing)}.")
    parts = [Part(*row) for row in staging.query(_ELEMENTS, legacy)]
    if not parts:
        return 0
    number, text = staging.query(
        "SELECT number, content FROM versions WHERE script_id = ? ORDER BY number DESC LIMIT 1", legacy
    )[0]
    whole = aligned(parts, text)
    if whole is None:
        staging.note(OTHERWISE)
        whole = parts
    command: dict[str, object] = {
        "command_type": "IMPORT",
        "command_id": keys.derive("elements", legacy, at),
        "elements": [part._asdict() for part in whole],
    }
    script = lock_script(key)
    commands = [command]
    if script.current_sequence != number:
        # Somebody went on with the script while the backfill was interrupted: their state stays the newest.
        commands.append({"command_type": "REVERT", "to_sequence": script.current_sequence})
        staging.note(EDITED)
    before = script.current_sequence
    append(key, commands=commands, expected_sequence=before, actor_type="IMPORT", now=script.updated_at)
    read = [Part(each.kind, each.text, each.persona) for each in content_at(key, before + 1).elements]
    if read != whole:
        raise StaleWriteError(f"The elements of the script {key} read otherwise than they were written.")
    return len(parts)
