"""What a script is at one moment: its title, its elements, and the pages that they stand on. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datapkg.kit.json_values import content_hash

__all__ = ["NOTHING", "Content", "Element", "Page", "RefusedCommandError"]


class RefusedCommandError(Exception):
    """A command that does not fit the content.

    Attributes:
        field: the part of the payload that is wrong.
        why: one sentence.
    """

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(f"{field}: {why}")


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

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Element:
        """Return the element that a part of a document describes."""
        return cls(values["element_id"], values["kind"], values["text"], values.get("persona"))

    def public(self) -> dict[str, object]:
        """Return it as a dictionary, the way a snapshot holds it."""
        return {"element_id": self.element_id, "kind": self.kind, "text": self.text, "persona": self.persona}

    def line(self) -> str:
        """Return its part of the script's text: as it is, with a line end after what is not ``TEXT`` and has none."""
        return self.text if self.kind == "TEXT" or self.text.endswith("\n") else self.text + "\n"


@dataclass(frozen=True, slots=True)
class Page:
    """A run of consecutive elements.

    Attributes:
        page_id: the key that commands call it by, as text.
        title: its heading, if it has one.
        length: how many elements stand on it.
    """

    page_id: str
    title: str | None
    length: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Page:
        """Return the page that a part of a document describes."""
        return cls(values["page_id"], values.get("title"), values["length"])

    def public(self) -> dict[str, object]:
        """Return it as a dictionary, the way a snapshot holds it."""
        return {"page_id": self.page_id, "title": self.title, "length": self.length}


@dataclass(frozen=True, slots=True)
class Content:
    """A script's title, elements and pages at one moment.

    Attributes:
        title: empty before the first command.
        elements: in their order.
        pages: in their order; the elements before the first page stand on none, each after it on exactly one.
    """

    title: str
    elements: tuple[Element, ...] = ()
    pages: tuple[Page, ...] = ()

    @property
    def text(self) -> str:
        """The whole text; an imported one letter for letter."""
        return "".join(element.line() for element in self.elements)

    @property
    def first_positions(self) -> list[int]:
        """The place among all elements at which each page begins."""
        place = len(self.elements) - sum(page.length for page in self.pages)
        found = []
        for page in self.pages:
            found.append(place)
            place += page.length
        return found

    def snapshot(self) -> dict[str, object]:
        """Return the ``script-snapshot`` document; one of a script without pages does not mention them."""
        made: dict[str, object] = {"title": self.title, "elements": [element.public() for element in self.elements]}
        if self.pages:
            made["pages"] = [page.public() for page in self.pages]
        return made

    @property
    def content_hash(self) -> str:
        """SHA-256 of the snapshot's canonical JSON."""
        return content_hash(self.snapshot())

    @classmethod
    def of_snapshot(cls, snapshot: Mapping[str, Any]) -> Content:
        """Return the content that a ``script-snapshot`` document holds."""
        return cls(
            snapshot["title"],
            tuple(map(Element.of, snapshot["elements"])),
            tuple(map(Page.of, snapshot.get("pages", ()))),
        )


NOTHING = Content("")
"""A script before its first command."""
