"""Pages while commands change them: which page each place among the elements belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from datapkg.scripts.contents import Page, RefusedCommandError

__all__ = ["MOST_PAGES", "PageDraft", "within"]

MOST_PAGES = 100_000

_NO_PAGE = -1  # where a page's place among the pages is expected: the elements before the first page


def within(position: int, last: int, whose: str = "script's") -> None:
    """Refuse a position that is not from 0 to the last one.

    Args:
        position: what a command says.
        last: the last place there is.
        whose: what the positions are of.

    Raises:
        RefusedCommandError: it lies outside.
    """
    if not 0 <= position <= last:
        raise RefusedCommandError("position", f"The {whose} positions end at {last}.")


class PageDraft:
    """The pages of a draft; it counts elements, and does not know them.

    Args:
        pages: what to start from.
        elements: how many elements there are; those that no page counts come before the first.
    """

    def __init__(self, pages: Iterable[Page], elements: int) -> None:
        self._pages = list(pages)
        self._unpaged = elements - sum(page.length for page in self._pages)

    def pages(self) -> tuple[Page, ...]:
        """Return them in their order."""
        return tuple(self._pages)

    def add(self, position: int, page_id: str | None, *, last: int) -> int:
        """Count an element that is put in, and return its place among all elements.

        Args:
            position: its place on the page, or among all elements.
            page_id: the page. Left out, it goes to the page of the element before it; what comes first goes before
                the first page, or onto it where nothing else comes before it.
            last: the last place among all elements.

        Raises:
            RefusedCommandError: there is no such page or place; nothing has changed.
        """
        if page_id is not None:
            index = self._index(page_id)
            within(position, self._pages[index].length, "page's")
            flat = self._first(index) + position
        else:
            within(position, last)
            flat = position
            index = self._holder(position - 1) if position else 0 if self._pages and not self._unpaged else _NO_PAGE
        self._grow(index, 1)
        return flat

    def take(self, position: int) -> None:
        """Count an element that is taken out.

        Args:
            position: its place among all elements.
        """
        self._grow(self._holder(position), -1)

    def move(self, was: int, position: int, page_id: str | None, *, last: int) -> int:
        """Count an element that is put elsewhere, and return its new place among all elements.

        Args:
            was: its place among all elements.
            position: where it shall stand afterwards, on the page or among all elements; without a page, one that is
                there already stays on the page that it is on.
            page_id: the page.
            last: the last place among all elements.

        Raises:
            RefusedCommandError: there is no such page or place; nothing has changed.
        """
        if page_id is None and position == was:
            return was
        index = self._holder(was)
        self._grow(index, -1)
        try:
            return self.add(position, page_id, last=last)
        except RefusedCommandError:
            self._grow(index, 1)
            raise

    def start(self, page_id: str, title: str | None, position: int, *, elements: int) -> None:
        """Let a page begin at a place; it takes what is left of the page, or of what stands on none.

        Where a page begins already, the new one comes right before it and is empty; at the end it is an empty last one.

        Args:
            page_id: its key.
            title: its heading.
            position: the place among all elements.
            elements: how many elements there are.

        Raises:
            RefusedCommandError: there is such a page already, there are too many, or there is no such place.
        """
        if any(page.page_id == page_id for page in self._pages):
            raise RefusedCommandError("page_id", f"The script has a page {page_id} already.")
        if len(self._pages) >= MOST_PAGES:
            raise RefusedCommandError("page_id", f"A script has {MOST_PAGES:,} pages at the most.")
        within(position, elements)
        if position == elements:
            self._pages.append(Page(page_id, title, 0))
            return
        holder = self._holder(position)
        first = self._first(holder)
        if holder != _NO_PAGE and first == position:
            self._pages.insert(holder, Page(page_id, title, 0))
            return
        rest = first + self._length(holder) - position
        self._grow(holder, -rest)
        self._pages.insert(holder + 1, Page(page_id, title, rest))

    def set_title(self, page_id: str, title: str | None) -> None:
        """Give a page another heading, or none.

        Raises:
            RefusedCommandError: there is no such page.
        """
        index = self._index(page_id)
        self._pages[index] = replace(self._pages[index], title=title)

    def move_page(self, page_id: str, position: int) -> tuple[int, int, int]:
        """Put a page elsewhere; return where its elements were, how many, and where they begin then.

        Args:
            page_id: the page.
            position: its place among the pages afterwards.

        Raises:
            RefusedCommandError: there is no such page or place.
        """
        index = self._index(page_id)
        within(position, len(self._pages) - 1, "pages'")
        was = self._first(index)
        page = self._pages.pop(index)
        self._pages.insert(position, page)
        return was, page.length, self._first(position)

    def remove(self, page_id: str, *, keep_elements: bool) -> tuple[int, int]:
        """Take a page away; return where its elements begin, and how many of them go with it.

        Args:
            page_id: the page.
            keep_elements: whether they go to the page before it instead, or onto none where it is the first.

        Raises:
            RefusedCommandError: there is no such page.
        """
        index = self._index(page_id)
        first = self._first(index)
        length = self._pages.pop(index).length
        if keep_elements:
            self._grow(index - 1, length)
            return first, 0
        return first, length

    def _index(self, page_id: str) -> int:
        for index, page in enumerate(self._pages):
            if page.page_id == page_id:
                return index
        raise RefusedCommandError("page_id", f"The script has no page {page_id}.")

    def _length(self, index: int) -> int:
        return self._unpaged if index == _NO_PAGE else self._pages[index].length

    def _first(self, index: int) -> int:
        return 0 if index == _NO_PAGE else self._unpaged + sum(page.length for page in self._pages[:index])

    def _holder(self, position: int) -> int:
        end = self._unpaged
        if position < end:
            return _NO_PAGE
        for index, page in enumerate(self._pages):
            end += page.length
            if position < end:
                return index
        return len(self._pages) - 1

    def _grow(self, index: int, by: int) -> None:
        if index == _NO_PAGE:
            self._unpaged += by
        else:
            page = self._pages[index]
            self._pages[index] = Page(page.page_id, page.title, page.length + by)
