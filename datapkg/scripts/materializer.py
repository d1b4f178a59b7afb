"""What commands make: pure functions from a content and a command to the next content. Nothing here knows a database.

Replaying a script's commands from nothing always gives the same: keys that a command left out come from its own key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from datapkg.scripts.contents import NOTHING, Content, Element, Page, RefusedCommandError
from datapkg.scripts.paging import MOST_PAGES, PageDraft

__all__ = [
    "CHECKPOINT",
    "MATERIALIZER_VERSION",
    "MOST_ELEMENTS",
    "Command",
    "Draft",
    "apply",
    "checkpoint_due",
    "element_key",
    "page_key",
    "split_text",
]

MATERIALIZER_VERSION = 1
"""Grows with every change of what a command makes; each version row says which one made it."""

CHECKPOINT = 100
"""A version is made after this many commands, or after as many as the script has elements if those are more."""

MOST_ELEMENTS = 300_000
"""With as many pages as there may be, a snapshot of so many is just a document that the kit stores."""

_LINES = re.compile(r"[^\n]*\n|[^\n]+")


class Command(NamedTuple):
    """What the materializer needs to know of a command.

    Attributes:
        command_id: its key.
        command_type: one of ``COMMAND_TYPES``.
        payload: its ``script-command`` document.
    """

    command_id: UUID
    command_type: str
    payload: Mapping[str, Any]


def element_key(command_id: UUID, place: int = 0) -> str:
    """Return the key of an element that a command makes without naming it.

    Args:
        command_id: the command.
        place: which of its elements, from 0.
    """
    return str(uuid5(command_id, str(place)))


def page_key(command_id: UUID, place: int = 0) -> str:
    """Return the key of a page that a command makes without naming it.

    Args:
        command_id: the command.
        place: which of its pages, from 0.
    """
    return str(uuid5(command_id, f"page {place}"))


def split_text(text: str) -> list[str]:
    r"""Split a text after each ``\n``; joined, the parts are the text again, letter for letter."""
    return _LINES.findall(text)


class Draft:
    """A content that commands change in place, so that many of them cost no copy each.

    Args:
        content: what to start from.
    """

    def __init__(self, content: Content = NOTHING) -> None:
        self.title = content.title
        self._order = [element.element_id for element in content.elements]
        self._elements = {element.element_id: element for element in content.elements}
        self._pages = PageDraft(content.pages, len(self._order))

    def __len__(self) -> int:
        return len(self._order)

    def content(self) -> Content:
        """Return what the draft holds now."""
        return Content(self.title, tuple(map(self._elements.__getitem__, self._order)), self._pages.pages())

    def apply(self, command: Command, *, at: Callable[[int], Content]) -> None:
        """Change the draft as a command says, or leave it as it is.

        Args:
            command: what to do.
            at: gives the script's content right after an earlier command, by that command's sequence.

        Raises:
            RefusedCommandError: the command does not fit.
        """
        payload = command.payload
        match command.command_type:
            case "SET_TITLE":
                self.title = payload["title"]
            case "INSERT_ELEMENT":
                self._insert(payload)
            case "EDIT_ELEMENT":
                old = self._elements[self._there(payload)]
                self._elements[old.element_id] = Element(
                    old.element_id,
                    payload.get("kind", old.kind),
                    payload.get("text", old.text),
                    payload.get("persona", old.persona),
                )
            case "MOVE_ELEMENT":
                self._move(self._there(payload), payload)
            case "REMOVE_ELEMENT":
                key = self._there(payload)
                place = self._order.index(key)
                self._pages.take(place)
                self._drop(place, 1)
            case "START_PAGE":
                self._pages.start(
                    payload["page_id"], payload.get("title"), payload["position"], elements=len(self._order)
                )
            case "SET_PAGE_TITLE":
                self._pages.set_title(payload["page_id"], payload["title"])
            case "MOVE_PAGE":
                was, length, now = self._pages.move_page(payload["page_id"], payload["position"])
                moved = self._order[was : was + length]
                del self._order[was : was + length]
                self._order[now:now] = moved
            case "REMOVE_PAGE":
                keep = payload.get("keep_elements", False)
                self._drop(*self._pages.remove(payload["page_id"], keep_elements=keep))
            case "IMPORT":
                self._replace(_imported(command, title=self.title))
            case "REVERT":
                self._replace(at(payload["to_sequence"]))
            case _:
                raise RefusedCommandError("command_type", f"There is no command {command.command_type!r}.")

    def _there(self, payload: Mapping[str, Any]) -> str:
        key: str = payload["element_id"]
        if key not in self._elements:
            raise RefusedCommandError("element_id", f"The script has no element {key}.")
        return key

    def _insert(self, payload: Mapping[str, Any]) -> None:
        key = payload["element_id"]
        if key in self._elements:
            raise RefusedCommandError("element_id", f"The script has an element {key} already.")
        if len(self._order) >= MOST_ELEMENTS:
            raise RefusedCommandError("position", f"A script has {MOST_ELEMENTS:,} elements at the most.")
        element = Element.of(payload)
        place = self._pages.add(payload["position"], payload.get("page_id"), last=len(self._order))
        self._order.insert(place, key)
        self._elements[key] = element

    def _move(self, key: str, payload: Mapping[str, Any]) -> None:
        was = self._order.index(key)
        place = self._pages.move(was, payload["position"], payload.get("page_id"), last=len(self._order) - 1)
        del self._order[was]
        self._order.insert(place, key)

    def _drop(self, first: int, count: int) -> None:
        for key in self._order[first : first + count]:
            del self._elements[key]
        del self._order[first : first + count]

    def _replace(self, content: Content) -> None:
        given, pages = content.elements, content.pages
        by_key = {element.element_id: element for element in given}
        if len(by_key) < len(given):
            raise RefusedCommandError("elements", "Two elements have the same key.")
        if len({page.page_id for page in pages}) < len(pages):
            raise RefusedCommandError("pages", "Two pages have the same key.")
        if len(pages) > MOST_PAGES:
            raise RefusedCommandError("pages", f"A script has {MOST_PAGES:,} pages at the most.")
        if sum(page.length for page in pages) > len(given):
            raise RefusedCommandError("pages", f"More elements stand on them than the {len(given)} there are.")
        self.title, self._elements, self._order = content.title, by_key, [element.element_id for element in given]
        self._pages = PageDraft(pages, len(given))


def _imported(command: Command, *, title: str) -> Content:
    payload = command.payload
    title = payload.get("title", title)
    field = "elements" if "elements" in payload else "text"
    parts = payload["elements"] if field == "elements" else split_text(payload["text"])
    if len(parts) > MOST_ELEMENTS:
        raise RefusedCommandError(field, f"Makes {len(parts):,} elements; a script has {MOST_ELEMENTS:,} at the most.")
    if field == "elements":
        return Content(title, tuple(map(Element.of, parts)), tuple(map(Page.of, payload.get("pages", ()))))
    return Content(
        title, tuple(Element(element_key(command.command_id, place), "TEXT", line) for place, line in enumerate(parts))
    )


def _no_history(sequence: int) -> Content:
    raise RefusedCommandError("to_sequence", f"The content at {sequence} is not known here.")


def apply(content: Content, command: Command, *, at: Callable[[int], Content] = _no_history) -> Content:
    """Return what a command makes of a content; pure.

    Args:
        content: the script before.
        command: what to do.
        at: for ``REVERT``, gives the content right after an earlier command, by its sequence.

    Raises:
        RefusedCommandError: the command does not fit.
    """
    draft = Draft(content)
    draft.apply(command, at=at)
    return draft.content()


def checkpoint_due(command_type: str, *, sequence: int, last: int, elements: int) -> bool:
    """Tell whether a command ends with a version.

    The first command does, every import and revert, and every command after which a reader would otherwise have to
    replay too many: more than :data:`CHECKPOINT` and more than the script has elements. So all snapshots together
    stay in proportion to the commands, and reading any moment costs about what reading its elements costs.

    Args:
        command_type: the command's type.
        sequence: its sequence.
        last: the sequence that the newest version goes through, 0 for none.
        elements: how many elements the script has after it.
    """
    return sequence == 1 or command_type in ("IMPORT", "REVERT") or sequence - last >= max(CHECKPOINT, elements)
