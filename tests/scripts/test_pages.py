"""Pages of stored scripts: what commands make of them, what is refused, and what follows in the tables."""

from __future__ import annotations

import uuid

import pytest

from datapkg import scripts
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.database import current, transaction
from datapkg.kit.json_values import content_hash
from datapkg.testing.factories import make_script

ONE, TWO, THREE = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
JOINED = (
    "SELECT e.text, (SELECT p.page_id FROM script_pages AS p WHERE p.script_id = e.script_id "
    "AND p.first_position <= e.position ORDER BY p.position DESC LIMIT 1) "
    "FROM script_elements AS e WHERE e.script_id = {p} ORDER BY e.position"
)


def do(script, *commands, **options):
    """Append to the script as it is now."""
    expected = scripts.get_script(script.id).current_sequence
    given = {"expected_sequence": expected, "actor_type": "USER", **options}
    return scripts.append(script.id, commands=[{"command_type": kind, **more} for kind, more in commands], **given)


def add(text, position, **more):
    """A command that inserts a line."""
    return "INSERT_ELEMENT", {"position": position, "kind": "ACTION", "text": text, **more}


def start(page_id, position, **more):
    """A command that begins a page."""
    return "START_PAGE", {"page_id": page_id, "position": position, **more}


def layout(script, **moment):
    """The texts page by page, what stands on none before a bar; and that joining the tables tells the same."""
    state = scripts.at(script.id, **moment)
    texts = [element.text.strip() for element in state.elements]
    ends = [len(texts) - sum(page.length for page in state.pages)]
    for page in state.pages:
        ends.append(ends[-1] + page.length)
    parts = [texts[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    if not moment:
        rows = current().fetch(JOINED.format(p=current().dialect.param), (str(script.id),))
        owners = [None, *(page.page_id for page in state.pages)]
        assert [(text.strip(), key) for text, key in rows] == [
            (text, key) for key, part in zip(owners, parts, strict=True) for text in part
        ]
    return "|".join("".join(part) for part in parts)


@pytest.fixture
def play(db):
    """A script of the lines a to f: ab on no page, cd on ONE, ef on TWO."""
    script = make_script(text="a\nb\nc\nd\ne\nf\n", title="T")
    do(script, start(ONE, 2, title="First"), start(TWO, 4))
    assert layout(script) == "ab|cd|ef"
    return script


def keys(script):
    """The elements' keys by their text."""
    return {element.text.strip(): element.element_id for element in scripts.at(script.id).elements}


def test_where_pages_begin(play):
    """Inside a page, inside what is on none, before a page, at the front and at the end."""
    names = [str(uuid.uuid4()) for _ in range(4)]
    do(play, start(names[0], 3), start(names[1], 1))
    assert layout(play) == "a|b|c|d|ef"
    do(play, start(names[2], 4), start(names[3], 6, title="Last"))
    assert layout(play) == "a|b|c|d||ef|"
    assert [page.page_id for page in scripts.at(play.id).pages] == [
        names[1], ONE, names[0], names[2], TWO, names[3],
    ]  # fmt: skip
    made = do(play, ("START_PAGE", {"position": 0})).commands[0].payload["page_id"]
    assert layout(play) == "|a|b|c|d||ef|" and scripts.at(play.id).pages[0].page_id == made
    newer, newest = (do(play, ("START_PAGE", {"position": 0})).commands[0].payload["page_id"] for _ in range(2))
    assert layout(play) == "|||a|b|c|d||ef|"
    assert [page.page_id for page in scripts.at(play.id).pages][:3] == [newer, newest, made]
    assert scripts.verify().ok


def test_titles_moves_and_removals(play):
    """A page is titled, goes elsewhere with its elements, and is removed with or without them."""
    do(
        play,
        ("SET_PAGE_TITLE", {"page_id": TWO, "title": "Second"}),
        ("SET_PAGE_TITLE", {"page_id": ONE, "title": None}),
    )
    assert [page.title for page in scripts.at(play.id).pages] == [None, "Second"]
    do(play, ("MOVE_PAGE", {"page_id": TWO, "position": 0}))
    assert layout(play) == "ab|ef|cd"
    do(play, ("MOVE_PAGE", {"page_id": TWO, "position": 1}))
    assert layout(play) == "ab|cd|ef"
    do(play, ("REMOVE_PAGE", {"page_id": TWO, "keep_elements": True}))
    assert layout(play) == "ab|cdef"
    do(play, ("REMOVE_PAGE", {"page_id": ONE, "keep_elements": True}))
    assert layout(play) == "abcdef" and scripts.list_pages(play.id) == []
    scripts.revert(play.id, to_sequence=3)
    assert layout(play) == "ab|cd|ef" and scripts.at(play.id).pages[0].title == "First"
    do(play, ("REMOVE_PAGE", {"page_id": ONE}), ("REMOVE_PAGE", {"page_id": TWO, "keep_elements": False}))
    assert layout(play) == "ab"
    assert [layout(play, sequence=number) for number in (1, 2, 3, 6)] == ["abcdef", "ab|cdef", "ab|cd|ef", "ab|ef|cd"]
    assert scripts.verify().ok


def test_elements_come_and_go_on_pages(play):
    """Without a page an element goes to the one before it; with one, its position counts there."""
    do(play, add("1", 2), add("2", 5), add("3", 0), add("4", 9))
    assert layout(play) == "3ab1|cd2|ef4"
    do(play, add("5", 0, page_id=ONE), add("6", 3, page_id=TWO))
    assert layout(play) == "3ab1|5cd2|ef46"
    key = keys(play)
    do(play, ("MOVE_ELEMENT", {"element_id": key["5"], "position": 2, "page_id": TWO}))
    assert layout(play) == "3ab1|cd2|ef546"
    do(play, ("MOVE_ELEMENT", {"element_id": key["e"], "position": 4, "page_id": TWO}))
    assert layout(play) == "3ab1|cd2|f546e"
    do(play, ("MOVE_ELEMENT", {"element_id": key["c"], "position": 4}))
    assert layout(play) == "3ab1|cd2|f546e", "where it stands already it stays, on its page too"
    do(play, ("MOVE_ELEMENT", {"element_id": key["c"], "position": 0}))
    assert layout(play) == "c3ab1|d2|f546e"
    do(play, *(("REMOVE_ELEMENT", {"element_id": key[each]}) for each in "3ab1d2"))
    assert layout(play) == "c||f546e"
    do(play, ("REMOVE_ELEMENT", {"element_id": key["c"]}), add("7", 0))
    assert layout(play) == "|7|f546e", "what comes first stands on the first page where all stand on one"
    do(play, ("EDIT_ELEMENT", {"element_id": key["f"], "text": "F"}), add("8", 0, page_id=TWO))
    assert layout(play) == "|7|8F546e"
    assert scripts.verify().ok


NOWHERE = str(uuid.UUID(int=9))
REFUSED = [
    (start(ONE, 0), "page_id"),
    (start(THREE, 7), "position"),
    (start(THREE, -1), "position"),
    (start("x", 0), "page_id"),
    (start(THREE, 0, title=""), "title"),
    (start(THREE, 0, text="x"), "text"),
    (("START_PAGE", {}), "position"),
    (("SET_PAGE_TITLE", {"page_id": NOWHERE, "title": "x"}), "page_id"),
    (("SET_PAGE_TITLE", {"page_id": ONE}), "title"),
    (("SET_PAGE_TITLE", {"page_id": ONE, "title": "x" * 501}), "title"),
    (("MOVE_PAGE", {"page_id": NOWHERE, "position": 0}), "page_id"),
    (("MOVE_PAGE", {"page_id": ONE, "position": 2}), "position"),
    (("REMOVE_PAGE", {"page_id": NOWHERE}), "page_id"),
    (("REMOVE_PAGE", {"page_id": ONE, "keep_elements": "no"}), "keep_elements"),
    (add("x", 3, page_id=ONE), "position"),
    (add("x", 0, page_id=NOWHERE), "page_id"),
    (add("x", 0, page_id=None), "page_id"),
    (("IMPORT", {"text": "x", "pages": []}), "pages"),
    (("IMPORT", {"elements": [], "pages": [{"length": 1}]}), "pages"),
    (("IMPORT", {"elements": [], "pages": [{"page_id": ONE, "length": 0}] * 2}), "pages"),
    (("IMPORT", {"elements": [], "pages": [{"length": -1}]}), "pages.0.length"),
    (("SET_TITLE", {"title": None}), "title"),
]
ACCEPTED = [
    (start(THREE, 6, title="x" * 500), "ab|cd|ef|"),
    (("SET_PAGE_TITLE", {"page_id": ONE, "title": "x" * 500}), "ab|cd|ef"),
    (("MOVE_PAGE", {"page_id": ONE, "position": 1}), "ab|ef|cd"),
    (("REMOVE_PAGE", {"page_id": ONE, "keep_elements": True}), "abcd|ef"),
    (add("x", 2, page_id=ONE), "ab|cdx|ef"),
    (("IMPORT", {"elements": [{"kind": "NOTE", "text": "x"}], "pages": [{"length": 1}]}), "|x"),
    (("IMPORT", {"elements": [], "pages": [{"length": 0}] * 2}), "||"),
]


def test_what_does_not_fit_is_refused_and_nothing_is_written(play):
    """Each under its own path, after a good command that is not kept either; a near miss of each is accepted."""
    before = scripts.verify()
    for command, path in REFUSED:
        with pytest.raises(ValidationError) as caught:
            do(play, ("SET_PAGE_TITLE", {"page_id": TWO, "title": "good"}), command)
        assert f"commands.1.{path}" in caught.value.errors, (command, caught.value.errors)
    move = "MOVE_ELEMENT", {"element_id": keys(play)["c"], "position": 2, "page_id": ONE}
    with pytest.raises(ValidationError) as caught:
        do(play, move)
    assert caught.value.errors == {"commands.0.position": ["The page's positions end at 1."]}
    assert scripts.verify() == before and layout(play) == "ab|cd|ef"
    move[1]["position"] = 1
    for command, made in [*ACCEPTED, (move, "ab|dc|ef")]:
        do(play, command)
        assert layout(play) == made, command
        scripts.revert(play.id, to_sequence=3)
    assert scripts.verify().ok


def test_a_batch_with_pages_is_done_once_and_undone_with_its_transaction(play):
    """Sent again it is recognised by its keys, given or not; a transaction that fails leaves no page."""
    batch = [
        ("START_PAGE", {"position": 1, "command_id": str(uuid.uuid4())}),
        ("REMOVE_PAGE", {"page_id": ONE, "command_id": str(uuid.uuid4())}),
    ]
    first = do(play, *batch)
    assert layout(play) == "a|b|ef"
    again = do(play, *batch)
    assert again.repeated and again.commands == first.commands and layout(play) == "a|b|ef"
    with pytest.raises(ConflictError):
        do(play, ("START_PAGE", {**batch[0][1], "position": 2}))
    with pytest.raises(KeyError), transaction():
        do(play, ("MOVE_PAGE", {"page_id": TWO, "position": 0}), start(THREE, 0))
        raise KeyError
    assert layout(play) == "a|b|ef" and scripts.verify().ok


def test_elements_with_pages_can_be_imported_again(play):
    """What a state gives goes into another script; an import without pages has none."""
    state = scripts.at(play.id).public()
    other = make_script(title="T", text="z")
    do(other, ("IMPORT", {"elements": state["elements"], "pages": state["pages"]}))
    assert layout(other) == "ab|cd|ef"
    assert scripts.at(other.id).content_hash == scripts.at(play.id).content_hash
    assert scripts.list_versions(other.id)[0].snapshot["pages"] == state["pages"]
    do(other, ("IMPORT", {"elements": state["elements"]}))
    assert layout(other) == "abcdef" and scripts.list_pages(other.id) == []
    (version, *_) = scripts.list_versions(other.id)
    plain = {"title": "T", "elements": state["elements"]}
    assert version.snapshot == {"schema_version": 1, **plain} and version.content_hash == content_hash(plain)
    assert scripts.materialize(play.id).snapshot["pages"] == state["pages"]
    assert scripts.verify().ok and scripts.verify().pages == 2


def test_pages_that_only_shift_keep_their_rows(play):
    """Those before a change are not touched, those after it are only shifted; what is made anew is a new row."""
    do(play, start(THREE, 5))

    def rows():
        return {
            str(page.page_id): (page.id, page.position, page.first_position) for page in scripts.list_pages(play.id)
        }

    before = rows()
    do(play, add("x", 1, page_id=ONE))
    after = rows()
    assert after[ONE] == before[ONE]
    for key in (TWO, THREE):
        assert after[key] == (before[key][0], before[key][1], before[key][2] + 1)
    do(play, ("EDIT_ELEMENT", {"element_id": keys(play)["a"], "text": "A"}))
    assert rows() == after
    do(play, start(str(uuid.uuid4()), 0))
    assert {key: row[0] for key, row in rows().items() if key in before} == {key: row[0] for key, row in before.items()}
    assert rows()[ONE][1:] == (1, 2)
    do(play, ("REMOVE_PAGE", {"page_id": TWO}))
    assert rows()[ONE][0] == before[ONE][0] and rows()[THREE] == (before[THREE][0], 2, 5)
    assert scripts.verify().ok


def test_a_difference_tells_pages(play):
    """Added, removed, titled, resized and moved; an element that only changes its page is told by their sizes."""
    do(play, ("SET_PAGE_TITLE", {"page_id": ONE, "title": "New"}), ("MOVE_PAGE", {"page_id": TWO, "position": 0}))
    do(play, ("REMOVE_PAGE", {"page_id": TWO, "keep_elements": True}), start(THREE, 0))

    def changes(a, b):
        found = scripts.diff(play.id, a, b, by="sequence")
        return [(each.change, each.page_id, each.position_before, each.position_after) for each in found.page_changes]

    assert changes(1, 3) == [("added", ONE, None, 0), ("added", TWO, None, 1)]
    assert changes(3, 4) == [("titled", ONE, 0, 0)]
    assert [kind for kind, *_ in changes(4, 5)] == ["moved"]
    assert changes(5, 6) == [("removed", TWO, 0, None)]
    assert changes(6, 7) == [("added", THREE, None, 0)]
    assert (
        not scripts.diff(play.id, 6, 7, by="sequence").same and not scripts.diff(play.id, 6, 7, by="sequence").changes
    )
    last = scripts.at(play.id).elements[3].element_id
    do(play, ("MOVE_ELEMENT", {"element_id": last, "position": 0, "page_id": ONE}))
    found = scripts.diff(play.id, 7, 8, by="sequence")
    assert [(each.change, each.before.length, each.after.length) for each in found.page_changes] == [
        ("resized", 4, 3), ("resized", 2, 3),
    ]  # fmt: skip
    assert found.changes == [] and found.public()["page_changes"][0]["before"]["page_id"] == THREE
    assert scripts.diff(play.id, 8, 8, by="sequence").same


def test_pages_are_listed_and_shown(play):
    """In the script's order, some at a time; a state shows their headings among its elements."""
    first, second = scripts.list_pages(play.id)
    assert [(str(each.page_id), each.title, each.position, each.first_position) for each in (first, second)] == [
        (ONE, "First", 0, 2), (TWO, None, 1, 4),
    ]  # fmt: skip
    assert scripts.list_pages(play.id, limit=1) == [first]
    assert scripts.list_pages(play.id, limit=1, after=ONE) == [second]
    assert scripts.list_pages(play.id, after=uuid.UUID(TWO)) == []
    for wrong in ({"after": THREE}, {"after": first.id}):
        with pytest.raises(NotFoundError):
            scripts.list_pages(play.id, **wrong)
    with pytest.raises(NotFoundError):
        scripts.list_pages(uuid.uuid4())
    for wrong in ({"after": "x"}, {"limit": 0}):
        with pytest.raises(ValidationError):
            scripts.list_pages(play.id, **wrong)
    shown = repr(scripts.at(play.id)).splitlines()
    marks = [place for place, line in enumerate(shown) if "— page" in line]
    assert [shown[place].split() for place in marks] == [["—", "page", "1", "—", "First"], ["—", "page", "2", "—"]]
    assert shown[marks[0] + 1].endswith("c") and shown[marks[1] - 1].endswith("d")
    assert "— page 2 —" in scripts.at(play.id)._repr_html_()


def test_pages_are_rebuilt_from_the_commands(play):
    """After somebody removed, shifted or made some behind the store's back."""
    before, rows = scripts.at(play.id), [(str(row.page_id), row.first_position) for row in scripts.list_pages(play.id)]
    for statement in (
        "DELETE FROM script_pages WHERE position = 0",
        "UPDATE script_pages SET first_position = 3 WHERE position = 0",
        "DELETE FROM script_pages",
    ):
        with transaction(), current().open_gate("script_pages"):
            assert current().change(statement, ()) > 0
        assert {finding.check for finding in scripts.verify(play.id).findings} == {"page"}
        assert scripts.rebuild_elements(play.id) == 6
        assert scripts.verify().ok and scripts.at(play.id) == before
        assert [(str(row.page_id), row.first_position) for row in scripts.list_pages(play.id)] == rows
