"""What is stored of a script: its row, commands, versions, elements, pages, and its content at any command."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from datapkg.kit.dialect import Dialect
from datapkg.kit.errors import DatapkgError, DocumentError, NotFoundError
from datapkg.kit.statements import Param, Statement
from datapkg.scripts.contents import NOTHING, Content, Element, Page, RefusedCommandError
from datapkg.scripts.materializer import Command, Draft
from datapkg.scripts.models import Script, ScriptCommand, ScriptVersion

__all__ = [
    "StoredElement",
    "StoredPage",
    "StoredState",
    "commands_between",
    "commands_by_id",
    "content_at",
    "lock_script",
    "newest_version",
    "replayed",
    "script_by_id",
    "stored_elements",
    "stored_pages",
    "stored_state",
    "version_at",
]

_PAGE = 100

_script: Statement[Script] = Statement(lambda _: Script.select().where(Script.id == Param("id")), model=Script)
_locked: Statement[Script] = Statement(
    lambda dialect: (
        Script.select().where(Script.id == Param("id")).for_update()
        if dialect.for_update
        else Script.select().where(Script.id == Param("id"))
    ),
    model=Script,
)
_commands: Statement[ScriptCommand] = Statement(
    lambda _: (
        ScriptCommand.select()
        .where(
            (ScriptCommand.script == Param("script"))
            & (ScriptCommand.sequence > Param("after"))
            & (ScriptCommand.sequence <= Param("last"))
        )
        .order_by(ScriptCommand.sequence)
        .limit(_PAGE)
    ),
    model=ScriptCommand,
)
_version: Statement[ScriptVersion] = Statement(
    lambda _: (
        ScriptVersion.select()
        .where((ScriptVersion.script == Param("script")) & (ScriptVersion.through_sequence <= Param("sequence")))
        .order_by(ScriptVersion.through_sequence.desc(), ScriptVersion.version_number.desc())
        .limit(1)
    ),
    model=ScriptVersion,
)
_last_revert: Statement[ScriptCommand] = Statement(
    lambda _: (
        ScriptCommand.select()
        .where(
            (ScriptCommand.script == Param("script"))
            & (ScriptCommand.sequence > Param("after"))
            & (ScriptCommand.sequence <= Param("last"))
            & (ScriptCommand.command_type == "REVERT")
        )
        .order_by(ScriptCommand.sequence.desc())
        .limit(1)
    ),
    model=ScriptCommand,
)


def _newest(dialect: Dialect) -> tuple[str, list[Param]]:
    return (
        f"SELECT version_number, through_sequence FROM script_versions WHERE script_id = {dialect.param} "
        "ORDER BY version_number DESC LIMIT 1",
        [Param("script")],
    )


def _elements(dialect: Dialect) -> tuple[str, list[Param]]:
    return (
        "SELECT e.id, e.position, e.element_id, e.kind, e.text, p.name FROM script_elements AS e "
        f"LEFT JOIN personas AS p ON p.id = e.persona_id WHERE e.script_id = {dialect.param} ORDER BY e.position",
        [Param("script")],
    )


def _pages(dialect: Dialect) -> tuple[str, list[Param]]:
    return (
        f"SELECT position, page_id, title, first_position FROM script_pages WHERE script_id = {dialect.param} "
        "ORDER BY position",
        [Param("script")],
    )


_newest_version: Statement[Any] = Statement(_newest)
_stored_elements: Statement[Any] = Statement(_elements)
_stored_pages: Statement[Any] = Statement(_pages)


@dataclass(frozen=True, slots=True)
class StoredElement:
    """A row of ``script_elements``.

    Attributes:
        row_id: its key, as text.
        position: its place.
        element: what it says.
    """

    row_id: str
    position: int
    element: Element


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A row of ``script_pages``.

    Attributes:
        position: its place among the pages.
        page_id: its key, as text.
        title: its heading.
        first_position: the place of its first element.
    """

    position: int
    page_id: str
    title: str | None
    first_position: int


@dataclass(frozen=True, slots=True)
class StoredState:
    """A script's newest state as its rows tell it.

    Attributes:
        title: of the script's row.
        elements: by position.
        pages: by position.
    """

    title: str
    elements: list[StoredElement]
    pages: list[StoredPage]

    @property
    def content(self) -> Content:
        """The same as a content; a page ends where the next one begins."""
        ends = [*(page.first_position for page in self.pages[1:]), len(self.elements)]
        return Content(
            self.title,
            tuple(row.element for row in self.elements),
            tuple(
                Page(page.page_id, page.title, end - page.first_position)
                for page, end in zip(self.pages, ends, strict=False)
            ),
        )


def script_by_id(key: UUID) -> Script:
    """Return a script.

    Raises:
        NotFoundError: there is none with this key.
    """
    script = _script.one(id=str(key))
    if script is None:
        raise NotFoundError("script", key)
    return script


def lock_script(key: UUID) -> Script:
    """Return a script that nobody else appends to until the caller's transaction ends.

    Raises:
        NotFoundError: there is none with this key.
    """
    script = _locked.one(id=str(key))
    if script is None:
        raise NotFoundError("script", key)
    return script


def commands_between(script_id: UUID, *, after: int, last: int) -> Iterator[ScriptCommand]:
    """Yield a script's commands in order, a page at a time.

    Args:
        script_id: the script.
        after: the sequence to begin behind.
        last: the sequence to end with.
    """
    while after < last and (page := _commands.all(script=str(script_id), after=after, last=last)):
        yield from page
        after = page[-1].sequence


def commands_by_id(ids: Sequence[UUID]) -> dict[UUID, ScriptCommand]:
    """Return the commands that have one of these ids, whatever their script, by id."""
    found: dict[UUID, ScriptCommand] = {}
    for start in range(0, len(ids), 500):
        some = {str(place): each for place, each in enumerate(ids[start : start + 500])}
        found.update({command.command_id: command for command in _by_ids(len(some)).all(**some)})
    return found


@functools.lru_cache(maxsize=32)
def _by_ids(count: int) -> Statement[ScriptCommand]:
    marks: Any = [Param(str(place), ScriptCommand.command_id.db_value) for place in range(count)]
    return Statement(lambda _: ScriptCommand.select().where(ScriptCommand.command_id.in_(marks)), model=ScriptCommand)


def newest_version(script_id: UUID) -> tuple[int, int]:
    """Return the number of a script's newest version and the sequence that it goes through; 0 and 0 for none."""
    rows = _newest_version.tuples(script=str(script_id))
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


def version_at(script_id: UUID, sequence: int) -> ScriptVersion | None:
    """Return the newest version that goes through a sequence or an earlier one, or None."""
    return _version.one(script=str(script_id), sequence=sequence)


def stored_elements(script_id: UUID) -> list[StoredElement]:
    """Return a script's elements as they are stored, by position."""
    return [
        StoredElement(row_id, position, Element(element_id, kind, text, persona))
        for row_id, position, element_id, kind, text, persona in _stored_elements.tuples(script=str(script_id))
    ]


def stored_pages(script_id: UUID) -> list[StoredPage]:
    """Return a script's pages as they are stored, by position."""
    return [StoredPage(*row) for row in _stored_pages.tuples(script=str(script_id))]


def stored_state(script: Script) -> StoredState:
    """Return a script's newest state as it is stored, inside the caller's transaction or snapshot."""
    return StoredState(script.title, stored_elements(script.id), stored_pages(script.id))


def replayed(command: ScriptCommand) -> Command:
    """Return a stored command for the materializer.

    Raises:
        RefusedCommandError: it reverts to itself or to what comes after it, which ``append`` never writes.
        DocumentError: its payload cannot be read.
        UnknownSchemaVersionError: its payload is newer than this code.
    """
    payload = command.payload
    if command.command_type == "REVERT" and not 1 <= payload["to_sequence"] < command.sequence:
        raise RefusedCommandError("to_sequence", f"Must be before {command.sequence}, the command's own.")
    return Command(command.command_id, command.command_type, payload)


def content_at(script_id: UUID, sequence: int) -> Content:
    """Return a script's content right after a command: the nearest version before it, and the commands since.

    Args:
        script_id: the script.
        sequence: the command's.

    Raises:
        DocumentError: a stored command does not fit those before it, or cannot be read.
        UnknownSchemaVersionError: a document is newer than this code.
    """
    parts: list[tuple[int, int]] = []
    while True:
        version = version_at(script_id, sequence)
        through = 0 if version is None else version.through_sequence
        revert = None
        if through != sequence:
            # A revert leaves a version; where that is lost, what was before the revert does not matter.
            revert = _last_revert.one(script=str(script_id), after=through, last=sequence)
        if revert is None:
            break
        parts.append((revert.sequence, sequence))
        with _corrupt(revert):
            sequence = replayed(revert).payload["to_sequence"]
    start = NOTHING if version is None else Content.of_snapshot(version.snapshot)
    if through < sequence:
        parts.append((through, sequence))
    if not parts:
        return start
    draft = Draft(start)
    for after, last in reversed(parts):
        for command in commands_between(script_id, after=after, last=last):
            with _corrupt(command):
                draft.apply(replayed(command), at=_passed_over)
    return draft.content()


def _passed_over(sequence: int) -> Content:
    raise AssertionError(f"no revert, not even one to {sequence}, lies between a version or a revert and the next")


@contextmanager
def _corrupt(command: ScriptCommand) -> Iterator[None]:
    """Tell of a stored command that does not fit those before it as of a corrupt document."""
    try:
        yield
    except RefusedCommandError as error:
        raise DocumentError(
            "script-command",
            f"command {command.sequence} of the script {command.script_id}: {error.why}",
            path=error.field,
        ) from error
    except DatapkgError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # what schemas keep out, somebody wrote by hand
        raise DocumentError(
            "script-command",
            f"command {command.sequence} of the script {command.script_id} lacks or has a wrong {error}",
        ) from error
