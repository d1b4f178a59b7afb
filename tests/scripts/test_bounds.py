"""What a long script and a long history cost: one more command, verifying, and where the limits are."""

from __future__ import annotations

import tracemalloc

import pytest

from datapkg import scripts
from datapkg.errors import ValidationError
from datapkg.kit.database import current
from datapkg.kit.json_values import MAX_VALUES
from datapkg.scripts.contents import Content, Element, Page
from datapkg.scripts.materializer import MOST_ELEMENTS
from datapkg.scripts.paging import MOST_PAGES
from datapkg.testing.factories import make_script, make_user

ELEMENTS = 2_000
COMMANDS, CHARACTERS = 2_000, 7_500


@pytest.fixture
def long(db):
    """A script with many elements."""
    script = make_script()
    lines = [{"kind": "DIALOGUE", "text": f"line {number}", "persona": "Keeper"} for number in range(ELEMENTS)]
    command = {"command_type": "IMPORT", "elements": lines}
    scripts.append(script.id, commands=[command], expected_sequence=1, actor_type="USER")
    return script


@pytest.fixture
def written(db, datapkg_engine):
    """Count the writes of each element's row from now on, by a trigger that the database itself calls."""
    if datapkg_engine == "sqlite":
        db.execute_sql("CREATE TABLE written (what TEXT, id TEXT)")
        for what, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            db.execute_sql(
                f"CREATE TRIGGER count_{what} AFTER {what} ON script_elements "
                f"BEGIN INSERT INTO written VALUES ('{what}', {row}.id); END"
            )
    else:
        db.execute_sql("CREATE TABLE written (what text, id uuid)")
        db.execute_sql(
            "CREATE FUNCTION count_written() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO written VALUES (TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END $$"
        )
        db.execute_sql(
            "CREATE TRIGGER count_written AFTER INSERT OR UPDATE OR DELETE ON script_elements "
            "FOR EACH ROW EXECUTE FUNCTION count_written()"
        )

    def during(call):
        db.execute_sql("DELETE FROM written")
        call()
        return {row[0]: row[1] for row in db.fetch("SELECT what, count(*) FROM written GROUP BY what", ())}

    return during


def rows(script):
    """The keys of the element rows, in the elements' order."""
    mark = current().dialect.param
    sql = f"SELECT id FROM script_elements WHERE script_id = {mark} ORDER BY position"
    return [str(row[0]) for row in current().fetch(sql, (str(script.id),))]


def append(script, **command):
    """Append one command to the script as it is now."""
    sequence = scripts.get_script(script.id).current_sequence
    scripts.append(script.id, commands=[command], expected_sequence=sequence, actor_type="USER")


def test_one_more_command_writes_the_rows_that_it_concerns_and_no_others(long, written):
    """The edited row is made anew; what is put in or taken away shifts those behind it, which keep their keys."""
    elements, before, middle = scripts.at(long.id).elements, rows(long), ELEMENTS // 2
    key = str(elements[middle].element_id)

    assert written(lambda: append(long, command_type="SET_TITLE", title="Another")) == {}
    assert written(lambda: append(long, command_type="EDIT_ELEMENT", element_id=key, text=elements[middle].text)) == {}
    assert rows(long) == before

    edit = {"command_type": "EDIT_ELEMENT", "element_id": key, "text": "edited"}
    assert written(lambda: append(long, **edit)) == {"DELETE": 1, "INSERT": 1}
    edited = rows(long)
    assert (edited[:middle], edited[middle + 1 :]) == (before[:middle], before[middle + 1 :])
    assert edited[middle] != before[middle]

    add = {"command_type": "INSERT_ELEMENT", "kind": "NOTE", "text": "new"}
    assert written(lambda: append(long, **add, position=ELEMENTS)) == {"INSERT": 1}
    assert rows(long)[:ELEMENTS] == edited
    last = str(scripts.at(long.id).elements[-1].element_id)
    assert written(lambda: append(long, command_type="REMOVE_ELEMENT", element_id=last)) == {"DELETE": 1}
    assert rows(long) == edited

    # Ten rows behind it make way in two steps, so that no two have one position meanwhile.
    assert written(lambda: append(long, **add, position=ELEMENTS - 10)) == {"INSERT": 1, "UPDATE": 20}
    assert [row for row in rows(long) if row in set(edited)] == edited
    move = {"command_type": "MOVE_ELEMENT", "element_id": key, "position": middle + 3}
    assert written(lambda: append(long, **move)) == {"DELETE": 4, "INSERT": 4}
    assert rows(long)[:middle] == edited[:middle]
    assert scripts.verify(long.id).ok


def test_verifying_keeps_a_part_of_the_history_in_memory(db):
    """Commands of 15 MB are verified in less than a third of that."""
    script = scripts.create_script(make_user().id, title="Long", text="One line.")
    (element,) = scripts.at(script.id).elements
    for start in range(0, COMMANDS, 500):
        batch = [
            {
                "command_type": "EDIT_ELEMENT",
                "element_id": str(element.element_id),
                "text": f"{start + number}".ljust(CHARACTERS, "x"),
            }
            for number in range(500)
        ]
        scripts.append(script.id, commands=batch, expected_sequence=1 + start, actor_type="USER")
    del batch
    assert scripts.verify(script.id).ok  # what is made once and kept is not of the history
    tracemalloc.start()
    try:
        report = scripts.verify(script.id)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.ok and report.commands == COMMANDS + 1
    assert peak < COMMANDS * CHARACTERS / 3


def test_an_import_of_more_elements_than_a_script_has_is_refused_by_its_field(db):
    """The complaint names what was given, and the limit."""
    script = make_script()
    with pytest.raises(ValidationError) as refused:
        append(script, command_type="IMPORT", text="\n" * (MOST_ELEMENTS + 1))
    assert refused.value.errors == {"commands.0.text": ["Makes 300,001 elements; a script has 300,000 at the most."]}


def test_a_snapshot_of_the_most_elements_and_pages_can_be_stored():
    """A stored document has at most so many values, and both limits are within."""

    def values(part):
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return 1 + sum(map(values, inner))

    outside = values({**Content("T").snapshot(), "schema_version": 1, "pages": []})
    element, page = Element("k", "NOTE", "x", "Ann"), Page("k", "Act One", 1)
    most = outside + MOST_ELEMENTS * values(element.public()) + MOST_PAGES * values(page.public())
    assert most <= MAX_VALUES
