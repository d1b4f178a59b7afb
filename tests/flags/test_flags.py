"""Feature flags: who they are on for, and what changes when an operator sets one."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import Value

from datapkg import flags
from datapkg.flags import FeatureFlag
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, NotFoundError, ValidationError


def test_a_missing_flag_is_off(db: KitDatabase) -> None:
    """Nobody has to create a flag before asking for it."""
    assert flags.is_enabled("no_such_flag") is False
    assert flags.is_enabled("no_such_flag", subject="ann") is False
    assert flags.find_flag("no_such_flag") is None
    with pytest.raises(NotFoundError):
        flags.get_flag("no_such_flag")


def test_a_flag_is_created_off_and_turned_on(db: KitDatabase) -> None:
    """A new flag is off unless told otherwise, and is_enabled follows what was set."""
    assert flags.set_flag("new_page").enabled is False
    assert flags.is_enabled("new_page") is False
    flags.set_flag("new_page", enabled=True)
    assert flags.is_enabled("new_page") is True
    assert flags.is_enabled("new_page", subject="ann") is True
    flags.set_flag("new_page", enabled=False)
    assert flags.is_enabled("new_page", subject="ann") is False


def test_setting_changes_only_what_is_given(db: KitDatabase) -> None:
    """Each setting keeps the others; None clears a description or a percentage."""
    made = flags.set_flag("a", enabled=True, description="all of it", rollout_percentage=30)
    flags.set_flag("a", rollout_percentage=40)
    flags.set_flag("a", description="less")
    flag = flags.set_flag("a")
    assert (flag.id, flag.enabled, flag.description, flag.rollout_percentage) == (made.id, True, "less", 40)
    assert flag.created_at == made.created_at
    flag = flags.set_flag("a", description=None, rollout_percentage=None)
    assert (flag.enabled, flag.description, flag.rollout_percentage) == (True, None, None)
    assert len(flags.list_flags()) == 1


def test_updated_at_says_when_it_last_changed(db: KitDatabase) -> None:
    """A change moves updated_at; setting nothing does not."""
    made = flags.set_flag("a")
    assert flags.set_flag("a").updated_at == made.updated_at
    assert flags.set_flag("a", enabled=True).updated_at > made.updated_at


@pytest.mark.parametrize(
    ("change", "near_miss"),
    [
        ({"key": ""}, {"key": "x"}),
        ({"key": "x" * 101}, {"key": "x" * 100}),
        ({"key": "a b"}, {"key": "a_b"}),
        ({"key": "_a"}, {"key": "a_"}),
        ({"key": "a\n"}, {"key": "a"}),
        ({"key": 7}, {"key": "7"}),
        ({"enabled": 1}, {"enabled": True}),
        ({"enabled": None}, {"enabled": False}),
        ({"description": "x" * 2001}, {"description": "x" * 2000}),
        ({"description": "a\0"}, {"description": ""}),
        ({"rollout_percentage": -1}, {"rollout_percentage": 0}),
        ({"rollout_percentage": 101}, {"rollout_percentage": 100}),
        ({"rollout_percentage": 1.0}, {"rollout_percentage": 1}),
        ({"percentage": 1}, {"rollout_percentage": 1}),
    ],
)
def test_settings_are_checked(db: KitDatabase, change: dict[str, object], near_miss: dict[str, object]) -> None:
    """A bad setting is named and nothing is written; its near miss is taken."""
    with pytest.raises(ValidationError) as caught:
        flags.set_flag(**{"key": "flag", **change})  # type: ignore[misc]  # on purpose
    assert set(caught.value.errors) == set(change)
    assert flags.list_flags() == []
    flags.set_flag(**{"key": "flag", **near_miss})  # type: ignore[misc]  # these are right
    assert len(flags.list_flags()) == 1


@pytest.mark.parametrize(
    ("column", "refused", "accepted"),
    [
        ("key", "", "x"),
        ("key", "x" * 101, "x" * 100),
        ("description", "x" * 2001, "x" * 2000),
        ("rollout_percentage", -1, 0),
        ("rollout_percentage", 101, 100),
    ],
)
def test_the_table_checks_its_columns(db: KitDatabase, column: str, refused: object, accepted: object) -> None:
    """The database itself refuses a value that does not fit, and takes its near miss."""
    with pytest.raises(ConflictError) as caught:
        FeatureFlag.insert({"key": "flag", column: Value(refused, converter=False)}).execute()
    assert caught.value.constraint == f"ck_feature_flags_{column}"
    FeatureFlag.insert({"key": "flag", column: Value(accepted, converter=False)}).execute()


def test_a_key_is_there_once(db: KitDatabase) -> None:
    """The database refuses a second flag of one key; another case is another key."""
    FeatureFlag.insert({"key": "flag"}).execute()
    with pytest.raises(ConflictError) as caught:
        FeatureFlag.insert({"key": "flag"}).execute()
    assert caught.value.constraint == "uq_feature_flags_key"
    FeatureFlag.insert({"key": "Flag"}).execute()


# Percentages ----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    percentages=st.lists(st.integers(0, 100), min_size=2, max_size=4),
    subjects=st.lists(st.text(max_size=20), min_size=1, max_size=20, unique=True),
)
def test_widening_never_removes_anyone(db: KitDatabase, percentages: list[int], subjects: list[str]) -> None:
    """Whoever has a flag keeps it at every greater percentage, and nobody's answer changes by asking again."""
    before: set[str] = set()
    for percentage in sorted(percentages):
        flags.set_flag("wide", enabled=True, rollout_percentage=percentage)
        now = {subject for subject in subjects if flags.is_enabled("wide", subject=subject)}
        assert now == {subject for subject in reversed(subjects) if flags.is_enabled("wide", subject=subject)}
        assert before <= now
        before = now


def test_a_quarter_is_about_a_quarter(db: KitDatabase) -> None:
    """Of 2,000 subjects about one in four has a flag at 25 %, nobody at 0 % and everybody at 100 %."""

    def having(percentage: int) -> int:
        flags.set_flag("part", enabled=True, rollout_percentage=percentage)
        return sum(flags.is_enabled("part", subject=f"user-{number}") for number in range(2000))

    assert having(0) == 0
    assert 430 < having(25) < 570
    assert having(100) == 2000


def test_buckets_stay_what_they_are(db: KitDatabase) -> None:
    """A release that moved subjects to other buckets would take features away from people."""
    flags.set_flag("token_planning_v1", enabled=True, rollout_percentage=50)
    having = [number for number in range(20) if flags.is_enabled("token_planning_v1", subject=f"user-{number}")]
    assert having == [0, 2, 3, 4, 8, 10, 13, 17, 18, 19]


def test_flags_choose_their_subjects_independently(db: KitDatabase) -> None:
    """The first half of one flag is not the first half of another."""
    subjects = [f"user-{number}" for number in range(200)]
    halves = []
    for key in ("one", "two"):
        flags.set_flag(key, enabled=True, rollout_percentage=50)
        halves.append({subject for subject in subjects if flags.is_enabled(key, subject=subject)})
    assert 60 < len(halves[0] ^ halves[1]) < 140


def test_without_a_subject_a_part_is_not_everybody(db: KitDatabase) -> None:
    """A percentage needs somebody to be a percentage of."""
    flags.set_flag("part", enabled=True, rollout_percentage=99)
    assert flags.is_enabled("part") is False
    flags.set_flag("part", rollout_percentage=100)
    assert flags.is_enabled("part") is True


def test_a_subject_is_the_same_as_uuid_and_text(db: KitDatabase) -> None:
    """Callers that hold a key as UUID and callers that hold its text get one answer."""
    flags.set_flag("half", enabled=True, rollout_percentage=50)
    keys = [uuid.uuid4() for _ in range(50)]
    answers = [flags.is_enabled("half", subject=key) for key in keys]
    assert answers == [flags.is_enabled("half", subject=str(key)) for key in keys]
    assert set(answers) == {True, False}


@pytest.mark.parametrize("subject", ["", "a\0b", "\ud800", "x" * 100_000])
def test_any_text_can_be_a_subject(db: KitDatabase, subject: str) -> None:
    """Subjects are only hashed, so nothing about them is refused."""
    flags.set_flag("almost", enabled=True, rollout_percentage=99)
    assert flags.is_enabled("almost", subject=subject) in (True, False)


# Lists and deleting ---------------------------------------------------------------------------------------------------


def test_lists_are_newest_first_and_paged(db: KitDatabase) -> None:
    """Pages walk through all flags, newest first; a filter keeps those that are on."""
    for number in range(5):
        flags.set_flag(f"flag-{number}", enabled=number % 2 == 0)
    first = flags.list_flags(limit=3)
    assert [flag.key for flag in first] == ["flag-4", "flag-3", "flag-2"]
    assert [flag.key for flag in flags.list_flags(after=str(first[-1].id))] == ["flag-1", "flag-0"]
    assert [flag.key for flag in flags.list_flags(enabled=True)] == ["flag-4", "flag-2", "flag-0"]
    assert [flag.key for flag in flags.list_flags(enabled=False)] == ["flag-3", "flag-1"]


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1001}, {"after": "x"}, {"enabled": "yes"}])
def test_bad_pages_are_refused(db: KitDatabase, bad: dict[str, object]) -> None:
    """A limit out of range or a malformed key is a validation error."""
    with pytest.raises(ValidationError) as caught:
        flags.list_flags(**bad)  # type: ignore[arg-type]  # on purpose
    assert set(caught.value.errors) == set(bad)
    assert flags.list_flags(limit=1) == flags.list_flags(limit=1000) == []


def test_a_deleted_flag_is_off(db: KitDatabase) -> None:
    """Deleting turns it off; deleting what is not there says so."""
    flags.set_flag("a", enabled=True)
    flags.set_flag("b", enabled=True)
    flags.delete_flag("a")
    assert (flags.is_enabled("a"), flags.is_enabled("b")) == (False, True)
    with pytest.raises(NotFoundError):
        flags.delete_flag("a")


@pytest.mark.parametrize("key", [None, 7, "a\0", "\ud800"])
def test_a_key_that_is_no_text_is_refused(db: KitDatabase, key: object) -> None:
    """Asking for it is a mistake of the caller, which a plain False would hide."""
    for ask in (flags.is_enabled, flags.find_flag, flags.get_flag, flags.delete_flag):
        with pytest.raises(ValidationError) as caught:
            ask(key)  # type: ignore[operator]  # on purpose
        assert set(caught.value.errors) == {"key"}
