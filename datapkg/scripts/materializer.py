"""What commands make: pure functions from a content and a command to the next content. Nothing here knows a database.

Replaying a script's commands from nothing always gives the same: keys that a command left out come from its own key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from datapkg.kit.json_values import content_hash

__all__ = [
    "CHECKPOINT",
    "MATERIALIZER_VERSION",
    "NOTHING",
    "Command",
    "Content",
    "Draft",
    "Element",
    "RefusedCommandError",
    "apply",
    "checkpoint_due",
    "element_key",
    "split_text",
]

MATERIALIZER_VERSION = 1
"""Grows with every change of what a command makes; each version row says which one made it."""

CHECKPOINT = 100
"""A version is made after this many commands, or after as many as the script has elements if those are more."""

MOST_ELEMENTS = 1_000_000
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a script.

    Attributes:
        element_id: the key that commands call it by, as text.
        kind: one of ``ELEMENT_KINDS``.
        text: what it says.
        persona: the name of who speaks, if somebody does.
    """

    element_id: str
    kind: str
    text: str
    persona: str | None = None

    def public(self) -> dict[str, object]:
        """Return it as a dictionary, the way a snapshot holds it."""
        return {"element_id": self.element_id, "kind": self.kind, "text": self.text, "persona": self.persona}

    def line(self) -> str:
        """Return its part of the script's text: as it is, with a line end after what is not ``TEXT`` and has none."""
        return self.text if self.kind == "TEXT" or self.text.endswith("\n") else self.text + "\n"


@dataclass(frozen=True, slots=True)
class Content:
    """A script's title and elements at one moment.

    Attributes:
        title: empty before the first command.
        elements: in their order.
    """

    title: str
    elements: tuple[Element, ...] = ()

    @property
    def text(self) -> str:
        """The whole text; an imported one letter for letter."""
        return "".join(element.line() for element in self.elements)

    def snapshot(self) -> dict[str, object]:
        """Return the ``script-snapshot`` document."""
        return {"title": self.title, "elements": [element.public() for element in self.elements]}

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON of title and elements."""
        return content_hash(self.snapshot())

    @classmethod
    def of_snapshot(cls, snapshot: Mapping[str, Any]) -> Content:
        """Return the content that a ``script-snapshot`` document holds."""
        return cls(snapshot["title"], tuple(_element(each) for each in snapshot["elements"]))


NOTHING = Content("")
"""A script before its first command."""


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


class RefusedCommandError(Exception):
    """A command that does not fit the content.

    Attributes:
        field: the part of the payload that is wrong.
        why: one sentence.
    """

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(f"{field}: {why}")


def _element(values: Mapping[str, Any]) -> Element:
    return Element(values["element_id"], values["kind"], values["text"], values.get("persona"))


def element_key(command_id: UUID, place: int = 0) -> str:
    """Return the key of an element that a command makes without naming it.

    Args:
        command_id: the command.
        place: which of its elements, from 0.
    """
    return str(uuid5(command_id, str(place)))


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

    def __len__(self) -> int:
        return len(self._order)

    def content(self) -> Content:
        """Return what the draft holds now."""
        return Content(self.title, tuple(map(self._elements.__getitem__, self._order)))

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
                key = self._there(payload)
                self._within(payload["position"], len(self._order) - 1)
                self._order.remove(key)
                self._order.insert(payload["position"], key)
            case "REMOVE_ELEMENT":
                key = self._there(payload)
                self._order.remove(key)
                del self._elements[key]
            case "IMPORT":
                self._replace(payload.get("title", self.title), _imported(command))
            case "REVERT":
                before = at(payload["to_sequence"])
                self._replace(before.title, before.elements)
            case _:
                raise RefusedCommandError("command_type", f"There is no command {command.command_type!r}.")

    def _there(self, payload: Mapping[str, Any]) -> str:
        key: str = payload["element_id"]
        if key not in self._elements:
            raise RefusedCommandError("element_id", f"The script has no element {key}.")
        return key

    def _within(self, position: int, last: int) -> None:
        if not 0 <= position <= last:
            raise RefusedCommandError("position", f"The script's positions end at {last}.")

    def _insert(self, payload: Mapping[str, Any]) -> None:
        key = payload["element_id"]
        if key in self._elements:
            raise RefusedCommandError("element_id", f"The script has an element {key} already.")
        if len(self._order) >= MOST_ELEMENTS:
            raise RefusedCommandError("position", f"A script has {MOST_ELEMENTS:,} elements at the most.")
        self._within(payload["position"], len(self._order))
        self._order.insert(payload["position"], key)
        self._elements[key] = _element(payload)

    def _replace(self, title: str, elements: Iterable[Element]) -> None:
        given = list(elements)
        if len(given) > MOST_ELEMENTS:
            raise RefusedCommandError("text", f"A script has {MOST_ELEMENTS:,} elements at the most.")
        by_key = {element.element_id: element for element in given}
        if len(by_key) < len(given):
            raise RefusedCommandError("elements", "Two elements have the same key.")
        self.title, self._elements, self._order = title, by_key, [element.element_id for element in given]


def _imported(command: Command) -> list[Element]:
    payload = command.payload
    if "elements" in payload:
        return [_element(each) for each in payload["elements"]]
    lines = split_text(payload["text"])
    return [Element(element_key(command.command_id, place), "TEXT", line) for place, line in enumerate(lines)]


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
