"""Both engines are driven with the same generated commands: results, refusals, hashes and texts must be the same."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from datapkg import scripts
from datapkg.errors import DatapkgError
from datapkg.kit.database import override
from datapkg.testing.databases import RunDatabases
from datapkg.testing.factories import make_user

TEXT = st.one_of(
    st.sampled_from(
        ["", "a", "a\r\nb\n\nc", "\n", "\0", "\ud800", "\\N\t\\.", "'; --", "%s", "é", "e\u0301", "\u2028x", "👩‍👩‍👧"]
    ),
    st.text(max_size=6),
)
KEYS = [str(UUID(int=number)) for number in range(1, 6)]
KEY = st.sampled_from(KEYS)
PLACE = st.integers(-1, 4)
PERSONA = st.one_of(st.none(), st.sampled_from(["Ada", "Bo", "", "é"]))
KIND = st.sampled_from(["TEXT", "DIALOGUE", "SCENE", "text"])
ELEMENT = st.fixed_dictionaries({"element_id": KEY, "kind": KIND, "text": TEXT}, optional={"persona": PERSONA})
COMMAND = st.one_of(
    st.builds(lambda place, each: {"command_type": "INSERT_ELEMENT", "position": place, **each}, PLACE, ELEMENT),
    st.builds(lambda place, each: {"command_type": "INSERT_ELEMENT", "position": place, **each}, PLACE, ELEMENT),
    st.builds(lambda title: {"command_type": "SET_TITLE", "title": title}, TEXT),
    st.fixed_dictionaries(
        {"command_type": st.just("EDIT_ELEMENT"), "element_id": KEY},
        optional={"text": TEXT, "kind": KIND, "persona": PERSONA},
    ),
    st.builds(lambda key, to: {"command_type": "MOVE_ELEMENT", "element_id": key, "position": to}, KEY, PLACE),
    st.builds(lambda key: {"command_type": "REMOVE_ELEMENT", "element_id": key}, KEY),
    st.builds(lambda text: {"command_type": "IMPORT", "text": text}, TEXT),
    st.builds(lambda each: {"command_type": "IMPORT", "elements": each}, st.lists(ELEMENT, max_size=3)),
    st.fixed_dictionaries(
        {"command_type": st.just("START_PAGE"), "page_id": KEY, "position": PLACE}, optional={"title": TEXT}
    ),
    st.builds(lambda key, text: {"command_type": "SET_PAGE_TITLE", "page_id": key, "title": text}, KEY, TEXT),
    st.builds(lambda key, to: {"command_type": "MOVE_PAGE", "page_id": key, "position": to}, KEY, PLACE),
    st.fixed_dictionaries(
        {"command_type": st.just("REMOVE_PAGE"), "page_id": KEY}, optional={"keep_elements": st.booleans()}
    ),
    st.builds(
        lambda key, to, page: {"command_type": "MOVE_ELEMENT", "element_id": key, "position": to, "page_id": page},
        KEY,
        PLACE,
        KEY,
    ),
    st.builds(lambda to: {"command_type": "REVERT", "to_sequence": to}, st.integers(0, 12)),
)
IDS = st.one_of(st.none(), st.integers(100, 104))


class Both(RuleBasedStateMachine):
    """One script on each engine."""

    databases: RunDatabases
    outcomes: Counter[str]

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.sides = []
        for each in (self.databases.in_memory(), self.databases.in_transaction()):
            database = self.stack.enter_context(each)
            with override(database):
                # The first command's key is given, because the keys of imported lines come from it.
                made = scripts.create_script(make_user().id, title="T", text="x\ny", command_id=UUID(int=99))
            self.sides.append((database, made.id))
        self.number = 1000
        # Once for sure in every history, whatever is drawn.
        self.append_stale(1, "t")
        self.append_reused("tt")
        self.append([({"command_type": "SET_TITLE", "title": ""}, None)])

    def both(self, action):
        """Do it on each engine and compare what comes of it."""
        results = []
        for database, key in self.sides:
            with override(database):
                try:
                    results.append(("done", action(key)))
                except DatapkgError as error:
                    why = getattr(error, "errors", None) or error.meta.get("actual_sequence") or error.meta.get("row")
                    results.append((error.code, why))
        assert results[0] == results[1]
        self.outcomes[results[0][0]] += 1
        return results[0]

    @rule(batch=st.lists(st.tuples(COMMAND, IDS), min_size=1, max_size=3))
    def append(self, batch):
        """Some commands, at times with keys used before."""
        commands = []
        for command, key in batch:
            self.number += 1
            commands.append({**command, "command_id": str(UUID(int=key or self.number))})

        def work(key):
            expected = scripts.get_script(key).current_sequence
            done = scripts.append(key, commands=commands, expected_sequence=expected, actor_type="USER")
            return done.first_sequence, done.sequence, done.repeated

        self.both(work)
        self.look()

    @rule(off=st.sampled_from([-1, 1]), title=TEXT)
    def append_stale(self, off, title):
        """A command that expects another sequence than there is."""
        self.both(lambda key: self.titled(key, title, off=off))

    @rule(title=st.text(min_size=2, max_size=6))
    def append_reused(self, title):
        """Another command with the first command's key."""
        self.both(lambda key: self.titled(key, title, command_id=str(UUID(int=99))))

    @staticmethod
    def titled(key, title, *, off=0, command_id=None):
        """Append a title."""
        command = {"command_type": "SET_TITLE", "title": title}
        if command_id is not None:
            command["command_id"] = command_id
        expected = scripts.get_script(key).current_sequence + off
        return scripts.append(key, commands=[command], expected_sequence=expected, actor_type="USER").sequence

    @rule()
    def materialize(self):
        """A version now."""
        self.both(lambda key: scripts.materialize(key).content_hash)

    @rule()
    def rebuild(self):
        """Elements anew."""
        self.both(scripts.rebuild_elements)

    @rule(sequence=st.integers(1, 12))
    def look_back(self, sequence):
        """An earlier state."""
        self.both(lambda key: self.state(scripts.at(key, sequence=sequence)))

    @rule(a=st.integers(1, 8), b=st.integers(1, 8))
    def compare(self, a, b):
        """Two states."""
        self.both(lambda key: self.difference(scripts.diff(key, a, b, by="sequence")))

    def look(self):
        """The newest state, and that verify is content."""
        self.both(lambda key: self.state(scripts.at(key)))
        assert self.both(lambda key: list(scripts.verify(key).findings)) == ("done", [])

    @staticmethod
    def state(state):
        """What must be equal on both engines."""
        pages = list(state.pages)
        return state.title, list(state.elements), pages, state.text, state.sequence, state.version, state.content_hash

    @staticmethod
    def difference(found):
        """What two states differ in."""
        return found.unified, str(found.changes), str(found.page_changes)

    def teardown(self):
        """Replay everything once more, then undo it."""
        self.look()
        self.stack.close()


@pytest.mark.datapkg_engines("sqlite")
def test_both_engines_make_the_same_of_the_same_commands(datapkg_databases):
    """Many generated histories, verified as a whole at the end of each; both engines take part in the one test."""
    seen: Counter[str] = Counter()

    class Engines(Both):
        databases = datapkg_databases
        outcomes = seen

    run_state_machine_as_test(
        Engines,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A comparison of nothing but refusals would say little.
    assert seen["done"] > 150 and all(seen[code] >= 25 for code in ("validation", "conflict", "stale_write")), seen
