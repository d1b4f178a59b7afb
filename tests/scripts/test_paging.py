"""The pure part of pages: any commands, beside a slow and simple model of what they should do."""

from __future__ import annotations

import copy
import itertools
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapkg.scripts.contents import NOTHING, Content, Element, Page, RefusedCommandError
from datapkg.scripts.materializer import Command, Draft, apply, page_key
from datapkg.scripts.paging import MOST_PAGES

KEYS, PAGES = "abcdef", "PQRS"
PLACE = st.integers(0, 7)
ON_PAGE = {"page_id": st.sampled_from(PAGES)}
TITLE = st.sampled_from([None, "One"])
ELEMENT = st.fixed_dictionaries({"element_id": st.sampled_from(KEYS), "kind": st.just("NOTE"), "text": st.just("x")})


def commands(name, optional=None, **needed):
    """Commands of one type."""
    return st.tuples(st.just(name), st.fixed_dictionaries(needed, optional=optional or {}))


KEY, PAGE = st.sampled_from(KEYS), st.sampled_from(PAGES)
TEXT = {"kind": st.just("NOTE"), "text": st.just("x")}
INSERT = commands("INSERT_ELEMENT", optional=ON_PAGE, element_id=KEY, position=PLACE, **TEXT)
START = commands("START_PAGE", optional={"title": TITLE}, page_id=PAGE, position=PLACE)
ANY = st.one_of(
    INSERT,
    START,
    commands("MOVE_ELEMENT", optional=ON_PAGE, element_id=KEY, position=PLACE),
    commands("REMOVE_ELEMENT", element_id=KEY),
    commands("SET_PAGE_TITLE", page_id=PAGE, title=TITLE),
    commands("MOVE_PAGE", page_id=PAGE, position=PLACE),
    commands("REMOVE_PAGE", optional={"keep_elements": st.booleans()}, page_id=PAGE),
    commands(
        "IMPORT",
        elements=st.lists(ELEMENT, max_size=4, unique_by=lambda each: each["element_id"]),
        pages=st.lists(
            st.fixed_dictionaries({"page_id": PAGE, "title": TITLE, "length": st.integers(0, 2)}), max_size=3
        ),
    ),
    commands("REVERT", to_sequence=st.integers(0, 9)),
)


class DoesNotFitError(Exception):
    """The model cannot do what a command says."""


class Sections:
    """A script as sections of keys; the first section is what stands on no page."""

    def __init__(self):
        self.sections = [[None, None, []]]

    def state(self):
        """What a content should say."""
        return [tuple(each) for _, _, part in self.sections for each in part], [
            (key, title, len(part)) for key, title, part in self.sections[1:]
        ]

    def flat(self):
        """The section and place of each element."""
        return [(section, place) for section in self.sections for place in range(len(section[2]))]

    def element(self, key):
        """The section and place of an element, and its place among all."""
        for number, (section, place) in enumerate(self.flat()):
            if section[2][place] == key:
                return section, place, number
        raise DoesNotFitError

    def page(self, key):
        """The number of a page's section."""
        for number, section in enumerate(self.sections):
            if section[0] == key:
                return number
        raise DoesNotFitError

    def put(self, key, position, page=None):
        """Put an element in."""
        flat = self.flat()
        if page is not None:
            part = self.sections[self.page(page)][2]
        elif position > 0:
            if position > len(flat):
                raise DoesNotFitError
            section, place = flat[position - 1]
            part, position = section[2], place + 1
        else:
            part = self.sections[0 if self.sections[0][2] or len(self.sections) == 1 else 1][2]
        if position > len(part):
            raise DoesNotFitError
        part.insert(position, key)

    def apply(self, kind, given):
        """Do what a command says."""
        if kind == "INSERT_ELEMENT":
            if any(given["element_id"] in part for _, _, part in self.sections):
                raise DoesNotFitError
            self.put(given["element_id"], given["position"], given.get("page_id"))
        elif kind == "MOVE_ELEMENT":
            section, place, number = self.element(given["element_id"])
            if "page_id" in given or number != given["position"]:
                section[2].pop(place)
                self.put(given["element_id"], given["position"], given.get("page_id"))
        elif kind == "REMOVE_ELEMENT":
            section, place, _ = self.element(given["element_id"])
            section[2].pop(place)
        elif kind == "START_PAGE":
            self.start(given["page_id"], given.get("title"), given["position"])
        elif kind == "SET_PAGE_TITLE":
            self.sections[self.page(given["page_id"])][1] = given["title"]
        elif kind == "MOVE_PAGE":
            index = self.page(given["page_id"])
            if given["position"] > len(self.sections) - 2:
                raise DoesNotFitError
            self.sections.insert(given["position"] + 1, self.sections.pop(index))
        elif kind == "REMOVE_PAGE":
            index = self.page(given["page_id"])
            _, _, part = self.sections.pop(index)
            if given.get("keep_elements"):
                self.sections[index - 1][2].extend(part)
        else:
            self.replace([each["element_id"] for each in given["elements"]], given["pages"])

    def start(self, key, title, position):
        """Begin a page."""
        flat = self.flat()
        if position > len(flat) or key in [section[0] for section in self.sections[1:]]:
            raise DoesNotFitError
        if position == len(flat):
            self.sections.append([key, title, []])
            return
        section, place = flat[position]
        index = next(number for number, each in enumerate(self.sections) if each is section)
        if index and not place:
            self.sections.insert(index, [key, title, []])
            return
        self.sections.insert(index + 1, [key, title, section[2][place:]])
        del section[2][place:]

    def replace(self, keys, pages):
        """Take all of it from an import."""
        lengths = [page["length"] for page in pages]
        if len({page["page_id"] for page in pages}) < len(pages) or sum(lengths) > len(keys):
            raise DoesNotFitError
        rest = len(keys) - sum(lengths)
        self.sections = [[None, None, keys[:rest]]]
        for page in pages:
            self.sections.append([page["page_id"], page["title"], keys[rest : rest + page["length"]]])
            rest += page["length"]


def content_state(content):
    """What of a content the model tells."""
    return [tuple(each.element_id) for each in content.elements], [
        (page.page_id, page.title, page.length) for page in content.pages
    ]


@settings(max_examples=300, deadline=None)
@given(history=st.tuples(st.lists(INSERT, max_size=6), st.lists(START, max_size=3), st.lists(ANY, max_size=25)))
def test_any_commands_make_what_a_simple_model_makes(history):
    """The same elements and pages, the same refusals; each element is on one page at the most, and replaying agrees."""
    draft, model = Draft(), Sections()
    contents, models = [NOTHING], [model.state()]
    for number, (kind, payload) in enumerate(itertools.chain(*history)):
        command = Command(UUID(int=number), kind, payload)
        before = draft.content()
        try:
            draft.apply(command, at=lambda sequence: contents[min(sequence, len(contents) - 1)])
        except RefusedCommandError:
            assert draft.content() == before
            with pytest.raises(DoesNotFitError):
                copy.deepcopy(model).apply(kind, payload)
            continue
        if kind == "REVERT":
            keys, pages = models[min(payload["to_sequence"], len(models) - 1)]
            model.replace(
                ["".join(key) for key in keys],
                [{"page_id": key, "title": title, "length": length} for key, title, length in pages],
            )
        else:
            model.apply(kind, payload)
            assert apply(before, command) == draft.content()
        content = draft.content()
        assert content_state(content) == model.state()
        assert Content.of_snapshot(content.snapshot()) == content
        unpaged = len(content.elements) - sum(page.length for page in content.pages)
        ends = [first + page.length for first, page in zip(content.first_positions, content.pages, strict=True)]
        assert [*content.first_positions, len(content.elements)] == [unpaged, *ends]
        assert unpaged >= 0 and all(page.length >= 0 for page in content.pages)
        contents.append(content)
        models.append(model.state())


def test_a_script_without_pages_says_nothing_of_them():
    """Its snapshot and hash are those of title and elements alone; with a page they are others."""
    plain = Content("T", (Element("a", "NOTE", "x"),))
    assert set(plain.snapshot()) == {"title", "elements"}
    paged = apply(plain, Command(UUID(int=1), "START_PAGE", {"page_id": "P", "position": 0}))
    assert paged.snapshot()["pages"] == [{"page_id": "P", "title": None, "length": 1}]
    assert paged.content_hash != plain.content_hash
    again = apply(paged, Command(UUID(int=2), "REMOVE_PAGE", {"page_id": "P", "keep_elements": True}))
    assert again == plain and again.content_hash == plain.content_hash


def test_there_is_an_end_to_the_number_of_pages():
    """The last one is taken, another is not, started or imported; keys are their own, not those of elements."""
    content = Content("T", (), tuple(Page(str(number), None, 0) for number in range(MOST_PAGES - 1)))
    full = apply(content, Command(UUID(int=1), "START_PAGE", {"page_id": "last", "position": 0}))
    with pytest.raises(RefusedCommandError, match="pages at the most"):
        apply(full, Command(UUID(int=1), "START_PAGE", {"page_id": "more", "position": 0}))
    pages = [page.public() for page in full.pages]
    assert apply(NOTHING, Command(UUID(int=1), "IMPORT", {"elements": [], "pages": pages})).pages == full.pages
    with pytest.raises(RefusedCommandError, match="pages at the most"):
        apply(
            NOTHING, Command(UUID(int=1), "IMPORT", {"elements": [], "pages": [*pages, {"page_id": "x", "length": 0}]})
        )
    assert page_key(UUID(int=1)) == page_key(UUID(int=1), 0) != page_key(UUID(int=1), 1)
