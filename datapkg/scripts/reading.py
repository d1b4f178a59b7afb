"""Reading scripts: rows, lists, and their state at any version, command or instant."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from datapkg.kit.database import current, snapshot
from datapkg.kit.errors import NotFoundError, ValidationError
from datapkg.kit.keys import as_id
from datapkg.kit.markup import html_table
from datapkg.kit.pages import list_page
from datapkg.kit.results import Rows, cell, text_table
from datapkg.scripts.contents import Content, Element, Page
from datapkg.scripts.history import content_at, newest_version, script_by_id, stored_state, version_at
from datapkg.scripts.models import Script, ScriptCommand, ScriptPage, ScriptVersion

if TYPE_CHECKING:
    import pandas

__all__ = [
    "ScriptState",
    "at",
    "find_script",
    "get_script",
    "list_commands",
    "list_pages",
    "list_scripts",
    "list_versions",
]

_SHOWN = 100


@dataclass(frozen=True)
class ScriptState:
    """A script as it was right after one of its commands.

    Attributes:
        script_id: the script.
        title: its title.
        elements: its elements, in their order.
        sequence: the command's sequence.
        version: the newest version that goes no further; more commands may have followed it.
        pages: its pages, in their order; the elements before the first page stand on none.
    """

    script_id: UUID
    title: str
    elements: Rows[Element]
    sequence: int
    version: int
    pages: Rows[Page] = field(default_factory=Rows)

    @property
    def text(self) -> str:
        """The whole text; an imported one letter for letter. What is not ``TEXT`` ends its line."""
        return self._content.text

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON of title, elements and pages, as in ``script_versions``."""
        return self._content.content_hash

    @property
    def _content(self) -> Content:
        return Content(self.title, tuple(self.elements), tuple(self.pages))

    def public(self) -> dict[str, object]:
        """Return it as a dictionary, elements and pages included."""
        return {
            "script_id": self.script_id,
            "title": self.title,
            "sequence": self.sequence,
            "version": self.version,
            "elements": [element.public() for element in self.elements],
            "pages": [page.public() for page in self.pages],
        }

    def _rows(self) -> list[tuple[object, ...]]:
        lines: list[tuple[int, int, tuple[object, ...]]] = [
            (place, 1, (place, each.kind, each.persona, each.text.rstrip("\n")))
            for place, each in enumerate(self.elements[:_SHOWN])
        ]
        headings = [
            (place, 0, (None, f"— page {number} —", None, page.title))
            for number, (page, place) in enumerate(zip(self.pages, self._content.first_positions, strict=True), start=1)
            if place < _SHOWN
        ]
        return [row for _, _, row in sorted([*lines, *headings[:_SHOWN]], key=lambda line: line[:2])]

    @property
    def _caption(self) -> str:
        more = f", {_SHOWN} of {len(self.elements)} elements shown" if len(self.elements) > _SHOWN else ""
        return f"{cell(self.title)} (sequence {self.sequence}, version {self.version}{more})"

    def __repr__(self) -> str:
        return f"{self._caption}\n" + text_table(["position", "kind", "persona", "text"], self._rows())

    def df(self) -> pandas.DataFrame:
        """Return the elements as a DataFrame, in their order.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.elements.df()

    def _repr_html_(self) -> str:
        return html_table(["position", "kind", "persona", "text"], self._rows(), caption=self._caption)


def get_script(script_id: UUID | str) -> Script:
    """Return a script's row.

    Raises:
        NotFoundError: there is none with this key.
        ValidationError: the key is not a UUID.
    """
    return script_by_id(as_id(script_id, "script_id"))


def find_script(script_id: UUID | str) -> Script | None:
    """Return a script's row, or None.

    Raises:
        ValidationError: the key is not a UUID.
    """
    try:
        return get_script(script_id)
    except NotFoundError:
        return None


def list_scripts(
    *,
    owner_id: UUID | str | None = None,
    title: str | None = None,
    limit: int = 50,
    after: UUID | str | None = None,
) -> Rows[Script]:
    """Return a page of scripts, newest first.

    Args:
        owner_id: only this user's.
        title: only with exactly this title now.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        ValidationError: a filter is not valid.
    """
    from datapkg.scripts import schemas

    given = {"owner_id": owner_id, "title": title, "limit": limit, "after": after}
    where = {"owner_id": Script.owner.__eq__, "title": Script.title.__eq__}
    return list_page(Script, schemas.ScriptFilters, what="list of scripts", given=given, where=where)


def list_commands(script_id: UUID | str, *, limit: int = 50, after: UUID | str | None = None) -> Rows[ScriptCommand]:
    """Return a page of a script's commands, newest first.

    Args:
        script_id: the script.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        NotFoundError: there is no such script, or it has no such command.
        ValidationError: an argument is not valid.
    """
    key, filters = _page(script_id, limit, after)
    query = ScriptCommand.select().where(ScriptCommand.script == key)
    if after is not None:
        last = (
            ScriptCommand.select().where((ScriptCommand.id == filters["after"]) & (ScriptCommand.script == key)).first()
        )
        if last is None:
            raise NotFoundError("command of the script", after)
        query = query.where(ScriptCommand.sequence < last.sequence)
    return Rows(query.order_by(ScriptCommand.sequence.desc()).limit(filters["limit"]), of=ScriptCommand)


def list_versions(script_id: UUID | str, *, limit: int = 50, after: UUID | str | None = None) -> Rows[ScriptVersion]:
    """Return a page of a script's versions, newest first.

    Args:
        script_id: the script.
        limit: rows at the most, 1 to 1,000.
        after: the key of the last row of the page before.

    Raises:
        NotFoundError: there is no such script, or it has no such version.
        ValidationError: an argument is not valid.
    """
    key, filters = _page(script_id, limit, after)
    query = ScriptVersion.select().where(ScriptVersion.script == key)
    if after is not None:
        last = (
            ScriptVersion.select().where((ScriptVersion.id == filters["after"]) & (ScriptVersion.script == key)).first()
        )
        if last is None:
            raise NotFoundError("version of the script", after)
        query = query.where(ScriptVersion.version_number < last.version_number)
    return Rows(query.order_by(ScriptVersion.version_number.desc()).limit(filters["limit"]), of=ScriptVersion)


def list_pages(script_id: UUID | str, *, limit: int = 50, after: UUID | str | None = None) -> Rows[ScriptPage]:
    """Return some of the pages that a script has now, in the script's order; ``at`` tells those of any moment.

    Args:
        script_id: the script.
        limit: rows at the most, 1 to 1,000.
        after: the ``page_id`` of the last one of the list before; rows are written anew when pages change.

    Raises:
        NotFoundError: there is no such script, or it has no such page.
        ValidationError: an argument is not valid.
    """
    key, filters = _page(script_id, limit, after)
    query = ScriptPage.select().where(ScriptPage.script == key)
    if after is not None:
        last = ScriptPage.select().where((ScriptPage.page_id == filters["after"]) & (ScriptPage.script == key)).first()
        if last is None:
            raise NotFoundError("page of the script", after)
        query = query.where(ScriptPage.position > last.position)
    return Rows(query.order_by(ScriptPage.position).limit(filters["limit"]), of=ScriptPage)


def _page(script_id: UUID | str, limit: int, after: UUID | str | None) -> tuple[UUID, dict[str, object]]:
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    key = as_id(script_id, "script_id")
    given = {"limit": limit} if after is None else {"limit": limit, "after": after}
    filters = load(schemas.History, given, what="page of a script's history")
    script_by_id(key)
    return key, filters


def at(
    script_id: UUID | str,
    *,
    version: int | None = None,
    sequence: int | None = None,
    time: dt.datetime | None = None,
) -> ScriptState:
    """Return a script's state: the newest, or that of a version, right after a command, or at an instant.

    The newest is read from its elements; any other from the nearest version before it and the commands since, never
    more of them than 100, or than the script has elements.

    Args:
        script_id: the script.
        version: a version's number.
        sequence: a command's sequence.
        time: an instant, aware.

    Raises:
        NotFoundError: there is no such script, version or command, or the script was made later.
        ValidationError: more than one of the three is given, or it is not valid.
        DocumentError: a stored document is corrupt.
    """
    from datapkg.kit.schemas import load
    from datapkg.scripts import schemas

    key = as_id(script_id, "script_id")
    given = {"version": version, "sequence": sequence, "time": time}
    moment = load(schemas.Moment, {name: each for name, each in given.items() if each is not None}, what="moment")
    if len(moment) > 1:
        raise ValidationError({"_schema": ["Give one of version, sequence and time."]}, what="moment")
    joined = current().in_transaction()
    with snapshot():
        script = script_by_id(key)
        through = _sequence(script, moment)
        content = None
        if through == script.current_sequence:
            content = stored_state(script).content
            number = newest_version(key)[0]
            # In the caller's transaction each statement may see more than the one before; the history never changes.
            if joined and script_by_id(key).current_sequence != through:
                content = None
        if content is None:
            content = content_at(key, through)
            nearest = version_at(key, through)
            number = 0 if nearest is None else nearest.version_number
        if version is not None:
            number = version
        return ScriptState(
            key, content.title, Rows(content.elements, of=Element), through, number, Rows(content.pages, of=Page)
        )


def _sequence(script: Script, moment: dict[str, object]) -> int:
    newest: int = script.current_sequence
    if "version" in moment:
        stored = (
            ScriptVersion.select(ScriptVersion.through_sequence)
            .where((ScriptVersion.script == script.id) & (ScriptVersion.version_number == moment["version"]))
            .first()
        )
        if stored is None:
            raise NotFoundError("script version", moment["version"])
        return int(stored.through_sequence)
    if "sequence" in moment:
        wanted = moment["sequence"]
        if not isinstance(wanted, int) or wanted > newest:
            raise NotFoundError("script command", wanted, fix=f"The script's newest command is {newest}.")
        return wanted
    if "time" in moment:
        # No command is older than the one before it, so the newest of those that are old enough ends the search.
        last = (
            ScriptCommand.select(ScriptCommand.sequence)
            .where((ScriptCommand.script == script.id) & (ScriptCommand.created_at <= moment["time"]))
            .order_by(ScriptCommand.sequence.desc())
            .first()
        )
        if last is None:
            raise NotFoundError("script state", moment["time"], fix=f"The script was made at {script.created_at}.")
        return int(last.sequence)
    return newest
