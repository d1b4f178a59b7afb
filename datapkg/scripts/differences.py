"""How two states of a script differ, for people and for programs."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from datapkg.kit.database import snapshot
from datapkg.kit.errors import ValidationError
from datapkg.kit.markup import html_lines
from datapkg.kit.results import Rows
from datapkg.scripts.contents import Element, Page
from datapkg.scripts.materializer import split_text
from datapkg.scripts.reading import ScriptState, at

if TYPE_CHECKING:
    import pandas

__all__ = ["ElementChange", "PageChange", "ScriptDiff", "diff"]


@dataclass(frozen=True, slots=True)
class ElementChange:
    """What became of an element.

    Attributes:
        change: ``added``, ``removed``, ``edited`` or ``moved``; one that was edited and moved has two of these.
        element_id: its key.
        before, after: the element; None where it is not there.
        position_before, position_after: its places.
    """

    change: str
    element_id: str
    before: Element | None = None
    after: Element | None = None
    position_before: int | None = None
    position_after: int | None = None

    def public(self) -> dict[str, object]:
        """Return it as a dictionary."""
        return {
            "change": self.change,
            "element_id": self.element_id,
            "position_before": self.position_before,
            "position_after": self.position_after,
            "before": None if self.before is None else self.before.public(),
            "after": None if self.after is None else self.after.public(),
        }

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what the columns of :meth:`public` hold."""
        places = {"position_before": int | None, "position_after": int | None}
        return {"change": str, "element_id": str, **places, "before": object, "after": object}


@dataclass(frozen=True, slots=True)
class PageChange:
    """What became of a page.

    Attributes:
        change: ``added``, ``removed``, ``titled``, ``resized`` or ``moved``; a page may have several of the last three.
        page_id: its key.
        before, after: the page; None where it is not there.
        position_before, position_after: its places among the pages.
    """

    change: str
    page_id: str
    before: Page | None = None
    after: Page | None = None
    position_before: int | None = None
    position_after: int | None = None

    def public(self) -> dict[str, object]:
        """Return it as a dictionary."""
        return {
            "change": self.change,
            "page_id": self.page_id,
            "position_before": self.position_before,
            "position_after": self.position_after,
            "before": None if self.before is None else self.before.public(),
            "after": None if self.after is None else self.after.public(),
        }

    @classmethod
    def public_shape(cls) -> dict[str, object]:
        """Return what the columns of :meth:`public` hold."""
        places = {"position_before": int | None, "position_after": int | None}
        return {"change": str, "page_id": str, **places, "before": object, "after": object}


@dataclass(frozen=True)
class ScriptDiff:
    """The difference between two states of a script.

    Attributes:
        a, b: the states.
        changes: what became of each element; those that stay as they are left out.
        page_changes: what became of each page, likewise. An element that goes to another page and is still between
            the same elements is told by the sizes of the two pages alone.
    """

    a: ScriptState = field(repr=False)
    b: ScriptState = field(repr=False)
    changes: Rows[ElementChange]
    page_changes: Rows[PageChange] = field(default_factory=Rows)

    @property
    def title(self) -> tuple[str, str] | None:
        """The titles before and after, or None where they are equal."""
        return None if self.a.title == self.b.title else (self.a.title, self.b.title)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.changes and not self.page_changes and self.title is None

    @property
    def unified(self) -> str:
        """The texts' difference as ``diff -u`` writes it, the titles at its head."""
        lines = difflib.unified_diff(
            split_text(self.a.text),
            split_text(self.b.text),
            fromfile=f"{' '.join(self.a.title.split())} (sequence {self.a.sequence})",
            tofile=f"{' '.join(self.b.title.split())} (sequence {self.b.sequence})",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def public(self) -> dict[str, object]:
        """Return it as a dictionary."""
        return {
            "script_id": self.a.script_id,
            "a": {"sequence": self.a.sequence, "version": self.a.version, "title": self.a.title},
            "b": {"sequence": self.b.sequence, "version": self.b.version, "title": self.b.title},
            "changes": [change.public() for change in self.changes],
            "page_changes": [change.public() for change in self.page_changes],
            "unified": self.unified,
        }

    def __repr__(self) -> str:
        return self.unified or "(no difference in the text)"

    def df(self) -> pandas.DataFrame:
        """Return the changes of elements as a DataFrame, ``before`` and ``after`` as they are.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return self.changes.df()

    def _repr_html_(self) -> str:
        return html_lines(repr(self), tones={"+": "good", "-": "bad", "@": "plain"})


def diff(script_id: UUID | str, a: int, b: int, *, by: str = "version") -> ScriptDiff:
    """Compare two states of a script.

    Args:
        script_id: the script.
        a: the number of the version before.
        b: that of the version after; it may be the earlier one.
        by: ``"version"``, or ``"sequence"`` where a and b are sequences of commands.

    Raises:
        NotFoundError: there is no such script, version or command.
        ValidationError: an argument is not valid.
    """
    if by not in ("version", "sequence"):
        raise ValidationError({"by": ["Must be version or sequence."]}, what="diff")
    with snapshot():
        if by == "version":
            before, after = at(script_id, version=a), at(script_id, version=b)
        else:
            before, after = at(script_id, sequence=a), at(script_id, sequence=b)
    changes = Rows(_changes(before.elements, after.elements), of=ElementChange)
    return ScriptDiff(before, after, changes, Rows(_page_changes(before.pages, after.pages), of=PageChange))


def _changes(before: Sequence[Element], after: Sequence[Element]) -> list[ElementChange]:
    places_before = {element.element_id: place for place, element in enumerate(before)}
    places_after = {element.element_id: place for place, element in enumerate(after)}
    found = [
        ElementChange("removed", each.element_id, before=each, position_before=place)
        for place, each in enumerate(before)
        if each.element_id not in places_after
    ]
    stay = _staying([places_before[each.element_id] for each in after if each.element_id in places_before])
    for place, each in enumerate(after):
        was = places_before.get(each.element_id)
        if was is None:
            found.append(ElementChange("added", each.element_id, after=each, position_after=place))
            continue
        for change, applies in (("edited", each != before[was]), ("moved", was not in stay)):
            if applies:
                found.append(ElementChange(change, each.element_id, before[was], each, was, place))
    return found


def _page_changes(before: Sequence[Page], after: Sequence[Page]) -> list[PageChange]:
    places_before = {page.page_id: place for place, page in enumerate(before)}
    there = {page.page_id for page in after}
    found = [
        PageChange("removed", each.page_id, before=each, position_before=place)
        for place, each in enumerate(before)
        if each.page_id not in there
    ]
    stay = _staying([places_before[each.page_id] for each in after if each.page_id in places_before])
    for place, each in enumerate(after):
        was = places_before.get(each.page_id)
        if was is None:
            found.append(PageChange("added", each.page_id, after=each, position_after=place))
            continue
        old = before[was]
        for change, applies in (
            ("titled", each.title != old.title),
            ("resized", each.length != old.length),
            ("moved", was not in stay),
        ):
            if applies:
                found.append(PageChange(change, each.page_id, old, each, was, place))
    return found


def _staying(places: Sequence[int]) -> set[int]:
    """Return the longest part of the places that is in order: the fewest others have moved."""
    tails: list[int] = []  # the smallest end of an ordered part of each length
    ends: list[int] = []  # which of the places that is
    back: list[int] = []
    for index, place in enumerate(places):
        length = bisect_left(tails, place)
        back.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(place)
            ends.append(index)
        else:
            tails[length], ends[length] = place, index
    staying: set[int] = set()
    index = ends[-1] if ends else -1
    while index >= 0:
        staying.add(places[index])
        index = back[index]
    return staying
