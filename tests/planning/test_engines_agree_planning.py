"""Both engines plan alike: every result and every refusal of the same generated operations is the same."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import ExitStack
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from datapkg import audit, flags, planning
from datapkg.errors import DatapkgError
from datapkg.kit.database import override, transaction
from datapkg.kit.models import Model

NUMBERS = st.integers(0, 5)
NAMES = st.one_of(st.sampled_from(["a", "b", "é", "Z", "x" * 100, "x" * 201, "", "\0", "'; --"]), st.text(max_size=3))
FIGURES = st.one_of(
    st.sampled_from([0, -0.0, 1, 2.5, 0.1, 0.2, 0.3, 1e15, 1e16, -1, 5e-324, float("nan"), float("inf"), None, "1"]),
    st.floats(),
    st.floats(0, 1000),
    st.floats(0, 1000),
    st.integers(0, 100),
)
GOOD = st.one_of(st.sampled_from([0, 0.1, 0.2, 0.3, 1, 1e15]), st.floats(0, 1000))
DAYS = st.one_of(
    st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 5)), st.dates(), st.sampled_from(["2026-01-03", "x", None])
)
NOTES = st.one_of(st.none(), st.text(max_size=3))
STATUSES = st.sampled_from([*planning.INITIATIVE_STATUSES, "active"])
MODES = st.sampled_from(["LEGACY", "TOKEN", "TOKEN", "token"])
KINDS = ("scenarios", "initiatives", "pools", "supplies", "demands", "calibrations")
UNKNOWN = "01a1fca4-af86-72e7-b08b-b033503a7195"
HIDDEN = ("created_at", "updated_at")


class Side:
    """One engine: its database, and the keys made so far in the order they were made."""

    def __init__(self, database):
        self.database = database
        self.keys = {kind: [] for kind in KINDS}

    def key(self, kind, number):
        """Return a key of this kind, or one that nothing has."""
        return self.keys[kind][number] if number < len(self.keys[kind]) else UNKNOWN

    def made(self, kind, row):
        """Note a row's key if it is new."""
        if row.id not in self.keys[kind]:
            self.keys[kind].append(row.id)
        return row

    def comparable(self, value):
        """Replace keys by the order in which they were made, and leave out times."""
        if isinstance(value, Model):
            shown = {name: self.comparable(each) for name, each in value.public().items() if name not in HIDDEN}
            return type(value).__name__, shown
        if is_dataclass(value):
            return [self.comparable(getattr(value, field.name)) for field in fields(value)]
        if isinstance(value, dict):
            return {name: self.comparable(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.comparable(each) for each in value]
        for kind, keys in self.keys.items():
            for number, key in enumerate(keys):
                if str(value) == str(key):
                    return kind, number
        if isinstance(value, (str, int, float, dt.date)) or value is None:
            text = repr(value)
            for kind, keys in self.keys.items():
                for number, key in enumerate(keys):
                    text = text.replace(str(key), f"{kind} {number}")
            return type(value).__name__, text
        return type(value).__name__

    def run(self, operation):
        """Run an operation in a savepoint; return its result or its refusal, comparable."""
        with override(self.database):
            try:
                with transaction():
                    return "done", self.comparable(operation(self))
            except DatapkgError as error:
                told = getattr(error, "errors", None), getattr(error, "columns", None), error.meta.get("in_the_way")
                return type(error).__name__, error.code, self.comparable(told)


@pytest.mark.datapkg_engines("sqlite")
def test_both_engines_plan_alike(datapkg_databases, db):
    """Scenarios, initiatives, pools, ledgers, rates, balances and simulations, with good and bad input."""

    seen = Counter()

    class Engines(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.stack = ExitStack()
            fresh = (datapkg_databases.in_memory(), datapkg_databases.in_transaction())
            self.sides = [Side(self.stack.enter_context(each)) for each in fresh]
            for name in ("one", "two"):
                self.create_scenario(name)
                self.create_initiative(name, "PROPOSED")
                self.create_skill_pool(name)
            # Refused once for sure in every history, whatever is drawn: a name twice, a mode without its flag.
            self.create_skill_pool("one")
            self.set_planning_mode(0, "TOKEN", "me")

        def teardown(self):
            for side in self.sides:
                with override(side.database):
                    assert audit.verify_chain().ok
                    assert planning.check_orphans() == []
            self.stack.close()

        def both(self, operation):
            sqlite, postgresql = (side.run(operation) for side in self.sides)
            assert sqlite == postgresql
            seen[sqlite[0]] += 1

        def both_make(self, kind, operation):
            self.both(lambda side: side.made(kind, operation(side)))

        @rule(name=NAMES)
        def create_scenario(self, name):
            self.both_make("scenarios", lambda side: planning.create_scenario(name))

        @rule(number=NUMBERS, name=st.one_of(st.none(), NAMES))
        def revise_scenario(self, number, name):
            def operation(side):
                made = side.made("scenarios", planning.revise_scenario(side.key("scenarios", number), name=name))
                for kind, rows in (("supplies", planning.list_supplies), ("demands", planning.list_demands)):
                    for row in rows(scenario_id=made.id)[::-1]:
                        side.made(kind, row)
                return made

            self.both(operation)

        @rule(source=NUMBERS, into=NUMBERS)
        def clone_ledger(self, source, into):
            def operation(side):
                key = side.key("scenarios", into)
                copied = planning.clone_ledger(side.key("scenarios", source), target_id=key)
                for kind, rows in (("supplies", planning.list_supplies), ("demands", planning.list_demands)):
                    for row in rows(scenario_id=key)[::-1]:
                        side.made(kind, row)
                return copied

            self.both(operation)

        @rule(number=NUMBERS, change=st.fixed_dictionaries({}, optional={
            "name": NAMES, "needs_reconciliation": st.one_of(st.booleans(), st.none())
        }))  # fmt: skip
        def update_scenario(self, number, change):
            self.both(lambda side: planning.update_scenario(side.key("scenarios", number), **change))

        @rule(number=NUMBERS)
        def delete_scenario(self, number):
            self.both(lambda side: planning.delete_scenario(side.key("scenarios", number)))

        @rule(number=NUMBERS, mode=MODES, actor=NAMES)
        def set_planning_mode(self, number, mode, actor):
            self.both(lambda side: planning.set_planning_mode(side.key("scenarios", number), mode=mode, actor=actor))

        @rule(enabled=st.booleans())
        def set_flag(self, enabled):
            self.both(lambda side: flags.set_flag("token_planning_v1", enabled=enabled))

        @rule(name=NAMES, status=STATUSES)
        def create_initiative(self, name, status):
            self.both_make("initiatives", lambda side: planning.create_initiative(name, status=status))

        @rule(number=NUMBERS, status=STATUSES, note=NOTES)
        def set_initiative_status(self, number, status, note):
            def operation(side):
                key = side.key("initiatives", number)
                changed = planning.set_initiative_status(key, status=status, actor="me", note=note)
                log = planning.list_initiative_statuses(initiative_id=key)
                return changed, [(row.from_status, row.to_status, row.note) for row in log]

            self.both(operation)

        @rule(number=NUMBERS)
        def delete_initiative(self, number):
            self.both(lambda side: planning.delete_initiative(side.key("initiatives", number)))

        @rule(name=NAMES)
        def create_skill_pool(self, name):
            self.both_make("pools", lambda side: planning.create_skill_pool(name))

        @rule(number=NUMBERS, change=st.fixed_dictionaries({}, optional={
            "name": NAMES, "description": NOTES, "is_active": st.booleans()
        }))  # fmt: skip
        def update_skill_pool(self, number, change):
            self.both(lambda side: planning.update_skill_pool(side.key("pools", number), **change))

        @rule(number=NUMBERS, cascade=st.booleans())
        def delete_skill_pool(self, number, cascade):
            self.both(lambda side: planning.delete_skill_pool(side.key("pools", number), cascade=cascade))

        @rule(scenario=NUMBERS, pool=NUMBERS, tokens=FIGURES, notes=NOTES)
        def set_supply(self, scenario, pool, tokens, notes):
            def operation(side):
                keys = side.key("scenarios", scenario), side.key("pools", pool)
                return planning.set_supply(keys[0], skill_pool_id=keys[1], tokens=tokens, notes=notes)

            self.both_make("supplies", operation)

        @rule(scenario=NUMBERS, initiative=NUMBERS, pool=NUMBERS, p50=FIGURES, p90=st.one_of(st.none(), FIGURES))
        def set_demand(self, scenario, initiative, pool, p50, p90):
            self.demand(scenario, initiative, pool, p50, p90)

        @rule(scenario=NUMBERS, initiative=NUMBERS, pool=NUMBERS, p50=GOOD, times=st.one_of(st.none(), st.floats(1, 9)))
        def set_good_demand(self, scenario, initiative, pool, p50, times):
            self.demand(scenario % 2, initiative % 2, pool % 2, p50, None if times is None else p50 * times)

        def demand(self, scenario, initiative, pool, p50, p90):
            def operation(side):
                return planning.set_demand(
                    side.key("scenarios", scenario),
                    initiative_id=side.key("initiatives", initiative),
                    skill_pool_id=side.key("pools", pool),
                    tokens_p50=p50,
                    tokens_p90=p90,
                )

            self.both_make("demands", operation)

        @rule(kind=st.sampled_from(["supply", "demand", "calibration"]), number=NUMBERS)
        def delete_row(self, kind, number):
            kinds = {"supply": "supplies", "demand": "demands", "calibration": "calibrations"}
            self.both(lambda side: getattr(planning, f"delete_{kind}")(side.key(kinds[kind], number)))

        @rule(pool=NUMBERS, rate=FIGURES, day=DAYS, notes=NOTES)
        def set_calibration(self, pool, rate, day, notes):
            def operation(side):
                key = side.key("pools", pool)
                return planning.set_calibration(key, token_per_hour=rate, effective_date=day, notes=notes)

            self.both_make("calibrations", operation)

        @rule(pool=NUMBERS, hours=FIGURES, day=DAYS)
        def hours_to_tokens(self, pool, hours, day):
            self.both(lambda side: planning.hours_to_tokens(side.key("pools", pool), hours=hours, on=day))

        @rule(scenario=NUMBERS, other=NUMBERS)
        def look(self, scenario, other):
            self.both(lambda side: planning.balance(side.key("scenarios", scenario)))
            self.both(lambda side: planning.simulate(side.key("scenarios", scenario), draws=100, seed=3).rows)
            self.both(
                lambda side: planning.diff_scenarios(side.key("scenarios", scenario), side.key("scenarios", other))
            )

        @rule(mode=st.one_of(st.none(), MODES), limit=st.integers(0, 4))
        def list_rows(self, mode, limit):
            self.both(lambda side: planning.list_scenarios(planning_mode=mode, limit=limit))
            self.both(lambda side: planning.list_skill_pools(is_active=True, limit=limit))
            self.both(lambda side: planning.list_supplies(limit=limit))
            self.both(lambda side: planning.list_demands(limit=limit))

    run_state_machine_as_test(
        Engines,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # A comparison of nothing but refusals would say little.
    assert seen["done"] > 500, seen
    for refusal in ("ValidationError", "NotFoundError", "ConflictError", "InvalidTransitionError"):
        assert seen[refusal] > 0, seen
