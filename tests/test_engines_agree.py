"""Both engines are driven with the same generated operations: every result and every refusal must be the same."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from datapkg import accounts, audit, evaluation, flags
from datapkg.errors import DatapkgError
from datapkg.kit.database import override, transaction
from datapkg.kit.models import Model

EMAILS = st.sampled_from(
    ["ada@example.com", "ADA@example.com", " bob@example.com ", "bob@example.com", "no", "ü@example.com"]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "x", " x ", "é", "e\u0301", "x" * 200, "x" * 201, "\0", "\ud800", "'; --", "Ž", "z", "Z", "10", "9"]
    ),
    st.text(max_size=5),
)
KEYS = st.sampled_from(["a", "b", "a.b", "", "x y", "A", "é", "x" * 100, "x" * 101])
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        TEXTS,
        st.sampled_from([1e16, 1e22, 1e300, -0.0, 0.1, 1.0, 2**53 + 1, 5e-324]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)
DIMENSION = st.fixed_dictionaries(
    {"name": TEXTS, "values": st.lists(TEXTS, max_size=3)}, optional={"description": TEXTS}
)
GOOD = st.builds(
    lambda preamble, values: {
        "preamble": preamble, "template": "",
        "dimensions": [{"name": name, "values": [name]} for name in sorted(values)],
    },
    st.sampled_from(["", "p", "é"]),
    st.sets(st.sampled_from("abc")),
)  # fmt: skip
NAMES = st.one_of(st.sampled_from(["n", "m", "é", "x" * 200]), st.sampled_from(["n", "m"]), TEXTS)
CONTENT = st.one_of(
    GOOD,
    GOOD,
    GOOD,
    st.fixed_dictionaries(
        {"preamble": TEXTS, "template": TEXTS, "dimensions": st.lists(DIMENSION, max_size=2)},
        optional={
            "matching_rules": st.one_of(st.none(), TEXTS),
            "schema_version": st.sampled_from([1, 0, 2, "1", True]),
        },
    ),
    st.just({"preamble": "", "template": "", "dimensions": []}),
    st.dictionaries(st.sampled_from(["preamble", "template", "other"]), JSON, max_size=3),
)
NUMBERS = st.integers(0, 6)
CONFIG = st.one_of(
    st.just({"models": ["a"]}),
    st.builds(
        lambda percentage, seed: {"models": ["a", "b"], "sample_percentage": percentage, "sample_seed": seed},
        st.sampled_from([1, 33.3, 50, 99.9, 100, 0, 101]),
        st.integers(0, 5),
    ),
    st.fixed_dictionaries({}, optional={"models": st.lists(TEXTS, max_size=2), "temperature": st.floats()}),
)
METRICS = st.one_of(
    st.none(), st.just({"x": 1}), st.dictionaries(st.sampled_from(["x", "y", ""]), st.one_of(st.floats(), TEXTS))
)
MODES = st.fixed_dictionaries(
    {}, optional={"on_error": st.sampled_from(["raise", "collect"]), "on_existing": st.sampled_from(["raise", "keep"])}
)


class Side:
    """One engine: its database, and the rows made so far in the order they were made."""

    def __init__(self, database):
        self.database = database
        self.users: list = []
        self.definitions: list = []
        self.scenarios: list = []
        self.runs: list = []

    def user(self, number):
        """Return the key of one of the users made so far."""
        return self.users[number % len(self.users)] if self.users else "01a1fca4-af86-72e7-b08b-b033503a7195"

    def definition(self, number):
        """Return the key of one of the definitions made so far."""
        return self.definitions[number % len(self.definitions)] if self.definitions else "not an id"

    def scenario(self, number):
        """Return the key of one of the scenarios made so far."""
        return self.scenarios[number % len(self.scenarios)] if self.scenarios else None

    def run_key(self, number):
        """Return the key of one of the runs made so far."""
        return self.runs[number % len(self.runs)] if self.runs else "01a1fca4-af86-72e7-b08b-b033503a7195"

    def comparable(self, value):
        """Replace keys by the order in which they were made, and leave out times."""
        if isinstance(value, Model):
            hidden = (
                "created_at", "updated_at", "started_at", "finished_at", "heartbeat_at", "invalidated_at",
                "details_digest", "previous_hash", "entry_hash",
            )  # fmt: skip
            shown = {key: self.comparable(each) for key, each in value.public().items() if key not in hidden}
            return type(value).__name__, shown
        if isinstance(value, dict):
            return {key: self.comparable(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.comparable(each) for each in value]
        for name in ("users", "definitions", "scenarios", "runs"):
            keys = [str(key) for key in getattr(self, name)]
            if str(value) in keys:  # also where a key stands as text, as in the audit log
                return name, keys.index(str(value))
        if isinstance(value, (str, int, float, bool)) or value is None:
            return type(value).__name__, repr(value)
        return type(value).__name__  # a key that only this side knows, such as an audit entry's

    def run(self, operation):
        """Run an operation in a savepoint; return its result or its refusal, comparable."""
        with override(self.database):
            try:
                with transaction():
                    return "done", self.comparable(operation(self))
            except DatapkgError as error:
                return type(error).__name__, error.code, getattr(error, "errors", None), getattr(error, "columns", None)


@pytest.mark.datapkg_engines("sqlite")
def test_both_engines_give_the_same_results_and_refusals(datapkg_databases, db):
    """Users, flags, definitions, trees, runs, transcripts and the audit log, in any order, with good and bad input."""

    seen = Counter()

    class Engines(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.stack = ExitStack()
            fresh = (datapkg_databases.in_memory(), datapkg_databases.in_transaction())
            self.sides = [Side(self.stack.enter_context(each)) for each in fresh]
            for email in ("one@example.com", "two@example.com"):
                self.create_user(email, None)
            for parent in (None, 0, 0, 1):
                content = {"preamble": str(parent), "template": "", "dimensions": []}
                if parent is None:
                    self.create_definition("root", content, None)
                else:
                    self.fork_definition(parent, "fork", content)

            content = {
                "preamble": "", "template": "{a}{b}",
                "dimensions": [{"name": "a", "values": ["x", "y"]}, {"name": "b", "values": ["1", "2"]}],
            }  # fmt: skip
            self.create_definition("asked", content, None)
            self.generate_scenarios(5, None)
            for number in (5, 5):
                self.create_run(number, {"models": ["a", "b"]})

        def teardown(self):
            for side in self.sides:
                with override(side.database):
                    assert audit.verify_chain().ok
            self.stack.close()

        def both(self, operation):
            sqlite, postgresql = (side.run(operation) for side in self.sides)
            assert sqlite == postgresql
            seen[sqlite[0]] += 1

        @rule(email=EMAILS, name=st.one_of(st.none(), TEXTS))
        def create_user(self, email, name):
            def operation(side):
                user = accounts.create_user(email, name=name)
                side.users.append(user.id)
                return user

            self.both(operation)

        @rule(number=NUMBERS, actor=NUMBERS, role=st.sampled_from(["ADMIN", "USER", "admin", ""]))
        def grant_role(self, number, actor, role):
            self.both(lambda side: accounts.grant_role(side.user(number), role=role, actor_id=side.user(actor)))

        @rule(number=NUMBERS)
        def delete_user(self, number):
            self.both(lambda side: accounts.delete_user(side.user(number)))

        @rule(email=EMAILS)
        def find_user(self, email):
            self.both(lambda side: accounts.find_user_by_email(email))

        @rule(limit=st.integers(-1, 4))
        def list_users(self, limit):
            self.both(lambda side: accounts.list_users(limit=limit))

        @rule(key=KEYS, change=st.fixed_dictionaries({}, optional={
            "enabled": st.booleans(), "description": st.one_of(st.none(), TEXTS),
            "rollout_percentage": st.one_of(st.none(), st.integers(-1, 101)),
        }))  # fmt: skip
        def set_flag(self, key, change):
            self.both(lambda side: flags.set_flag(key, **change))

        @rule(key=KEYS, subject=st.one_of(st.none(), TEXTS))
        def is_enabled(self, key, subject):
            self.both(lambda side: flags.is_enabled(key, subject=subject))

        @rule(key=KEYS)
        def delete_flag(self, key):
            self.both(lambda side: flags.delete_flag(key))

        @rule()
        def list_flags(self):
            self.both(lambda side: flags.list_flags())

        @rule(name=NAMES, content=CONTENT, author=st.one_of(st.none(), NUMBERS))
        def create_definition(self, name, content, author):
            def operation(side):
                by = None if author is None else side.user(author)
                made = evaluation.create_definition(name, content=content, created_by=by)
                side.definitions.append(made.id)
                return made

            self.both(operation)

        @rule(number=NUMBERS, name=NAMES, content=st.one_of(st.none(), st.just("inherit"), CONTENT))
        def fork_definition(self, number, name, content):
            def operation(side):
                given = {} if content == "inherit" else {"content": content}
                made = evaluation.fork_definition(side.definition(number), name=name, **given)
                side.definitions.append(made.id)
                return made

            self.both(operation)

        @rule(number=NUMBERS, name=st.one_of(st.none(), NAMES), content=st.one_of(st.none(), CONTENT))
        def update_definition(self, number, name, content):
            self.both(lambda side: evaluation.update_definition(side.definition(number), name=name, content=content))

        @rule(number=NUMBERS)
        def delete_definition(self, number):
            self.both(lambda side: evaluation.delete_definition(side.definition(number)))

        @rule(number=NUMBERS, other=NUMBERS)
        def look_at_the_tree(self, number, other):
            self.both(lambda side: evaluation.get_ancestors(side.definition(number), include_self=True))
            self.both(lambda side: evaluation.get_descendants(side.definition(number)))
            self.both(lambda side: evaluation.common_ancestor(side.definition(number), side.definition(other)))
            self.both(lambda side: evaluation.diff_definitions(side.definition(number), side.definition(other)).changes)

        @rule(name=st.one_of(st.none(), st.none(), NAMES), roots=st.booleans(), parent=st.one_of(st.none(), NUMBERS))
        def list_definitions(self, name, roots, parent):
            def operation(side):
                above = None if parent is None else side.definition(parent)
                return evaluation.list_definitions(name=name, roots=roots, parent_id=above)

            self.both(operation)

        @rule(number=NUMBERS, limit=st.one_of(st.none(), st.integers(0, 5)))
        def generate_scenarios(self, number, limit):
            def operation(side):
                made = evaluation.generate_scenarios(side.definition(number), limit=limit)
                side.scenarios += [each.id for each in made if each.id not in side.scenarios]
                return made

            self.both(operation)

        @rule(number=NUMBERS, name=NAMES, values=st.dictionaries(TEXTS, TEXTS, max_size=2))
        def create_scenario(self, number, name, values):
            def operation(side):
                content = {"preamble": "", "prompt": "x", "values": values}
                made = evaluation.create_scenario(side.definition(number), name=name, content=content)
                side.scenarios.append(made.id)
                return made

            self.both(operation)

        @rule(number=NUMBERS)
        def delete_scenario(self, number):
            self.both(lambda side: evaluation.delete_scenario(side.scenario(number) or "none yet"))

        @rule(number=NUMBERS, config=CONFIG)
        def create_run(self, number, config):
            def operation(side):
                made = evaluation.create_run(side.definition(number), config=config)
                side.runs.append(made.id)
                return made, evaluation.list_scenarios(run_id=made.id)

            self.both(operation)

        @rule(number=NUMBERS, status=st.sampled_from([*evaluation.RUN_STATUSES, "RUNNING", "GONE"]))
        def update_run_status(self, number, status):
            self.both(lambda side: evaluation.update_run_status(side.run_key(number), status=status))

        @rule(number=NUMBERS, completed=st.integers(-1, 3), failed=st.integers(0, 2))
        def count(self, number, completed, failed):
            self.both(
                lambda side: evaluation.increment_run_progress(side.run_key(number), completed=completed, failed=failed)
            )

        @rule(number=NUMBERS)
        def retry_run(self, number):
            def operation(side):
                made = evaluation.retry_run(side.run_key(number))
                side.runs.append(made.id)
                return made

            self.both(operation)

        @rule(number=NUMBERS, scenario=NUMBERS, model=st.sampled_from(["a", "b", ""]), metrics=METRICS, turn=TEXTS)
        def create_transcript(self, number, scenario, model, metrics, turn):
            def operation(side):
                content = [{"role": "user", "content": turn}]
                made = evaluation.create_transcript(
                    side.run_key(number), scenario_id=side.scenario(scenario), model=model, content=content,
                    metrics=metrics,
                )  # fmt: skip
                return made.content, made.metrics, evaluation.get_transcript(made.id).metrics

            self.both(operation)

        @rule(number=NUMBERS, models=st.lists(st.sampled_from("ab"), max_size=2), mode=MODES)
        def create_transcripts(self, number, models, mode):
            def operation(side):
                rows = [
                    {"scenario_id": key, "model": model, "content": [], "metrics": {"x": 0.1}}
                    for key in side.scenarios[:3]
                    for model in models
                ]
                report = evaluation.create_transcripts(side.run_key(number), rows=rows, **mode)
                return report.public(), evaluation.missing_transcripts(side.run_key(number))

            self.both(operation)

        @rule(number=NUMBERS, other=NUMBERS)
        def compare(self, number, other):
            self.both(lambda side: evaluation.compare_runs(side.run_key(number), side.run_key(other), metric="x").delta)
            self.both(lambda side: evaluation.fingerprint_inputs(side.run_key(number)))

        @rule(number=NUMBERS, kind=NAMES, output=JSON)
        def record_analysis(self, number, kind, output):
            def operation(side):
                made = evaluation.record_analysis(
                    side.run_key(number), analysis_type=kind, output={"x": output}, code_version="1"
                )
                return made.output, made.version, made.input_hash, evaluation.is_stale(made.id)

            self.both(operation)

        @rule(status=st.one_of(st.none(), st.sampled_from(evaluation.RUN_STATUSES)), number=NUMBERS)
        def list_runs(self, status, number):
            self.both(lambda side: evaluation.list_runs(status=status))
            self.both(lambda side: evaluation.get_runs_for_definition_tree(side.definition(number), status=status))

        @rule(number=NUMBERS)
        def delete_run(self, number):
            self.both(lambda side: evaluation.delete_run(side.run_key(number)))

        @rule(entity=NAMES, action=NAMES, details=JSON)
        def record(self, entity, action, details):
            self.both(lambda side: audit.record(entity, entity_id="1", action=action, actor="me", details=details))

        @rule(action=st.one_of(st.none(), NAMES))
        def list_entries(self, action):
            given = {} if action is None else {"action": action}
            self.both(lambda side: audit.list_entries(**given))

    run_state_machine_as_test(
        Engines,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A comparison of nothing but refusals would say little.
    assert seen["done"] > 300 and seen["ValidationError"] > 50 and seen["ConflictError"] > 0, seen
