"""Writing what is derived: versions, elements and pages. Nothing else opens their gates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from datapkg.kit import failpoints
from datapkg.kit.database import current
from datapkg.kit.models import new_id
from datapkg.kit.statements import Param, Statement, insert, insert_many
from datapkg.scripts.contents import Content, Element
from datapkg.scripts.history import StoredElement, StoredPage
from datapkg.scripts.materializer import MATERIALIZER_VERSION
from datapkg.scripts.models import Persona, ScriptElement, ScriptPage, ScriptVersion

__all__ = ["change_elements", "change_pages", "expected_pages", "replace_elements", "replace_pages", "write_version"]

# More than any script has elements: rows step aside by this much, so that no two have one position meanwhile.
_ASIDE = 2**30

_of_script: Statement[Persona] = Statement(
    lambda _: Persona.select().where(Persona.script == Param("script")), model=Persona
)


def write_version(script_id: UUID, *, number: int, through: int, content: Content, made: dt.datetime) -> ScriptVersion:
    """Write a version inside the caller's transaction.

    Args:
        script_id: the script, locked.
        number: the version's.
        through: the last command that it covers.
        content: what the commands make.
        made: the instant.
    """
    snapshot = content.snapshot()
    with current().open_gate("script_versions"):  # datapkg: allow-write the materializer
        return insert(
            ScriptVersion,
            {
                "script": script_id,
                "version_number": number,
                "through_sequence": through,
                "snapshot": snapshot,
                "content_hash": content.content_hash,
                "materializer_version": MATERIALIZER_VERSION,
                "created_at": made,
            },
        )


def change_elements(
    script_id: UUID, stored: Sequence[StoredElement], *, elements: Sequence[Element], made: dt.datetime
) -> None:
    """Bring the stored elements to a new state inside the caller's transaction; equal ones at both ends stay.

    Args:
        script_id: the script, locked.
        stored: its elements as they are stored, by position.
        elements: as they shall be.
        made: the instant.
    """
    first = 0
    shorter = min(len(stored), len(elements))
    while first < shorter and stored[first].element == elements[first]:
        first += 1
    kept = 0
    while kept < shorter - first and stored[-1 - kept].element == elements[-1 - kept]:
        kept += 1
    gone = stored[first : len(stored) - kept]
    fresh = list(enumerate(elements))[first : len(elements) - kept]
    if not gone and not fresh:
        return
    database = current()
    p, key = database.dialect.param, str(script_id)
    personas = _personas(script_id, (element for _, element in fresh))
    with database.open_gate("script_elements"):  # datapkg: allow-write the materializer
        if gone:
            database.change(
                f"DELETE FROM script_elements WHERE script_id = {p} AND position >= {p} AND position < {p}",
                (key, first, first + len(gone)),
            )
        shift = len(elements) - len(stored)
        if shift and kept:
            move = f"UPDATE script_elements SET position = position + {p} WHERE script_id = {p} AND position >= {p}"
            database.change(move, (_ASIDE, key, first + len(gone)))
            database.change(move, (shift - _ASIDE, key, _ASIDE))
        insert_many(ScriptElement, (_row(script_id, place, each, personas, made) for place, each in fresh))


def replace_elements(script_id: UUID, elements: Sequence[Element], *, made: dt.datetime) -> None:
    """Write all elements of a script anew inside the caller's transaction.

    Args:
        script_id: the script, locked.
        elements: as they shall be.
        made: the instant.
    """
    database = current()
    personas = _personas(script_id, elements)
    with database.open_gate("script_elements"):  # datapkg: allow-write the materializer
        database.change(f"DELETE FROM script_elements WHERE script_id = {database.dialect.param}", (str(script_id),))
        failpoints.reach("rebuild.mid_write")
        insert_many(
            ScriptElement, (_row(script_id, place, each, personas, made) for place, each in enumerate(elements))
        )


def expected_pages(content: Content) -> list[StoredPage]:
    """Return the pages of a content as they shall be stored."""
    return [
        StoredPage(place, page.page_id, page.title, first)
        for place, (page, first) in enumerate(zip(content.pages, content.first_positions, strict=True))
    ]


def change_pages(script_id: UUID, stored: Sequence[StoredPage], *, content: Content, made: dt.datetime) -> None:
    """Bring the stored pages to a new state inside the caller's transaction; those that only shift are kept.

    Args:
        script_id: the script, locked.
        stored: its pages as they are stored, by position.
        content: what the commands make.
        made: the instant.
    """
    pages = expected_pages(content)
    if stored == pages:
        return
    first = 0
    shorter = min(len(stored), len(pages))
    while first < shorter and stored[first] == pages[first]:
        first += 1
    by = len(pages) - len(stored)
    elements_by = pages[-1].first_position - stored[-1].first_position if shorter else 0

    def shifted(page: StoredPage) -> StoredPage:
        return StoredPage(page.position + by, page.page_id, page.title, page.first_position + elements_by)

    kept = 0
    while kept < shorter - first and shifted(stored[-1 - kept]) == pages[-1 - kept]:
        kept += 1
    gone = len(stored) - kept - first
    database = current()
    p, key = database.dialect.param, str(script_id)
    with database.open_gate("script_pages"):  # datapkg: allow-write the materializer
        if gone:
            database.change(
                f"DELETE FROM script_pages WHERE script_id = {p} AND position >= {p} AND position < {p}",
                (key, first, first + gone),
            )
        if kept and (by or elements_by):
            move = (
                f"UPDATE script_pages SET position = position + {p}, first_position = first_position + {p} "
                f"WHERE script_id = {p} AND position >= {p}"
            )
            if by:
                database.change(move, (_ASIDE, 0, key, first + gone))
                database.change(move, (by - _ASIDE, elements_by, key, _ASIDE))
            else:
                database.change(move, (0, elements_by, key, first + gone))
        insert_many(ScriptPage, (_page_row(script_id, page, made) for page in pages[first : len(pages) - kept]))


def replace_pages(script_id: UUID, content: Content, *, made: dt.datetime) -> None:
    """Write all pages of a script anew inside the caller's transaction.

    Args:
        script_id: the script, locked.
        content: what the commands make.
        made: the instant.
    """
    database = current()
    with database.open_gate("script_pages"):  # datapkg: allow-write the materializer
        database.change(f"DELETE FROM script_pages WHERE script_id = {database.dialect.param}", (str(script_id),))
        insert_many(ScriptPage, (_page_row(script_id, page, made) for page in expected_pages(content)))


def _page_row(script_id: UUID, page: StoredPage, made: dt.datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "script": script_id,
        "position": page.position,
        "page_id": page.page_id,
        "title": page.title,
        "first_position": page.first_position,
        "created_at": made,
    }


def _row(
    script_id: UUID, position: int, element: Element, personas: dict[str, UUID], made: dt.datetime
) -> dict[str, object]:
    return {
        "id": new_id(),
        "script": script_id,
        "position": position,
        "element_id": element.element_id,
        "kind": element.kind,
        "text": element.text,
        "persona": None if element.persona is None else personas[element.persona],
        "created_at": made,
    }


def _personas(script_id: UUID, elements: Iterable[Element]) -> dict[str, UUID]:
    """Return the keys of the personas that elements name; a persona that is not there yet is made."""
    names = {element.persona for element in elements if element.persona is not None}
    if not names:
        return {}
    found = _by_name(script_id)
    missing = sorted(names - found.keys())
    if missing:
        insert_many(Persona, ({"script": script_id, "name": name} for name in missing), unless=("script", "name"))
        found = _by_name(script_id)
    return found


def _by_name(script_id: UUID) -> dict[str, UUID]:
    return {persona.name: persona.id for persona in _of_script.all(script=str(script_id))}
