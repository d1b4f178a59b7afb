"""The fixture's database as the code under test sees it: transactions, threads, forks, and a clean end."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import Any

import pytest

import datapkg
from datapkg import accounts, flags
from datapkg.accounts import passwords
from datapkg.flags import FeatureFlag
from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConfigurationError, ConflictError, DatapkgError, StatementError
from datapkg.testing import factories
from datapkg.testing.databases import RunDatabases


def keys() -> list[str]:
    """The flags there are."""
    return sorted(flag.key for flag in FeatureFlag.select())


def add(key: str) -> None:
    """Write a flag by one statement."""
    FeatureFlag.create(key=key)


@pytest.mark.parametrize("again", range(2))
def test_nothing_is_left_for_the_next_test(db: KitDatabase, again: int) -> None:
    """Rows, tables, settings, open transactions and closed connections of one test are gone in the next."""
    assert keys() == []
    assert "scratch" not in db.get_tables()
    if db.dialect.name == "postgresql":
        assert db.fetch("SELECT current_setting('work_mem') = '77kB'", ()) == [(False,)]
        assert db.fetch("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77", ()) == [(0,)]
        db.execute_sql("SET work_mem = '77kB'")
        db.execute_sql("SELECT pg_advisory_lock(77)")
        db.execute_sql("PREPARE left_behind AS SELECT 1")
    add("a")
    db.execute_sql("CREATE TABLE scratch (a integer)")
    db.begin()
    add("in a transaction that nobody ends")


def test_a_refused_statement_outside_of_a_transaction_spoils_nothing(db: KitDatabase) -> None:
    """As with autocommit: what came before stays, and work goes on."""
    add("a")
    for _ in range(2):
        with pytest.raises(ConflictError):
            add("a")
        with pytest.raises(StatementError):
            db.execute_sql("SELECT nonsense FROM nowhere")
    add("b")
    assert keys() == ["a", "b"]


def test_transactions_commit_nest_and_roll_back(db: KitDatabase) -> None:
    """What a test calls a transaction behaves as one, savepoints in it included."""
    with kit.transaction():
        add("kept")
        with pytest.raises(ZeroDivisionError), kit.transaction():
            add("inner")
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), kit.transaction():
        add("outer")
        raise ZeroDivisionError
    assert keys() == ["kept"]
    assert kit.run_in_transaction(lambda: [add("x"), keys()][1])() == ["kept", "x"]
    assert not db.in_transaction()


def test_a_failed_transaction_is_not_committed(db: KitDatabase) -> None:
    """Whoever swallows an error inside a transaction is told on PostgreSQL that nothing of it is kept."""
    keeps = db.dialect.name == "sqlite"
    with nullcontext() if keeps else pytest.raises(StatementError), kit.transaction():
        add("a")
        with suppress(ConflictError):
            add("a")
    assert keys() == (["a"] if keeps else [])
    add("b")
    assert "b" in keys()


def test_callbacks_run_when_the_tests_transaction_ends(db: KitDatabase) -> None:
    """after_commit runs at the end of the code's own outermost transaction, and not when that is undone."""
    ran: list[str] = []
    with kit.transaction():
        db.after_commit(lambda: ran.append("first"))
        assert ran == []
    with pytest.raises(ZeroDivisionError), kit.transaction():
        db.after_commit(lambda: ran.append("undone"))
        raise ZeroDivisionError
    assert ran == ["first"]


def test_explicit_begin_commit_and_rollback(db: KitDatabase) -> None:
    """The database's own methods work too."""
    db.begin()
    add("a")
    db.commit()
    db.begin()
    add("b")
    db.rollback()
    assert keys() == ["a"]


def test_closing_and_disconnecting_lose_nothing(db: KitDatabase) -> None:
    """The connection is the test's: code that closes it, or disconnects altogether, finds its rows again."""
    add("a")
    db.close()
    assert keys() == ["a"]
    with db.connection_context():
        add("b")
    assert keys() == ["a", "b"]
    datapkg.disconnect()
    with datapkg.using(db):
        assert keys() == ["a", "b"]


def test_connecting_elsewhere_ends_with_the_test(datapkg_databases: RunDatabases) -> None:
    """Code under test may connect to another database; afterwards the default is what it was before."""
    with datapkg_databases.in_memory() as outer, kit.bound(outer):
        with datapkg_databases.in_memory() as inner, kit.bound(inner):
            other = datapkg.connect("sqlite:///:memory:")
            assert kit.current() is other
        assert kit.current() is outer
        assert keys() == []


@pytest.mark.datapkg_engines("postgresql")
def test_another_thread_is_told_what_to_do(db: KitDatabase) -> None:
    """A thread cannot see the test's transaction; instead of writing past it, it gets an error that names the mark."""
    add("a")
    with ThreadPoolExecutor(1) as pool:
        for attempt in (keys, lambda: add("b"), kit.run_in_transaction(keys)):
            with pytest.raises(ConfigurationError) as caught:
                pool.submit(attempt).result(30)
            assert "datapkg_commits" in caught.value.fix
    assert keys() == ["a"]


@pytest.mark.datapkg_engines("postgresql")
def test_a_forked_child_is_told_what_to_do(db: KitDatabase) -> None:
    """A child gets the same error, and its end does not disturb the test's transaction."""
    add("a")
    pid = os.fork()
    if pid == 0:
        try:
            add("b")
        except ConfigurationError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    add("c")
    assert keys() == ["a", "c"]


def test_threads_share_the_database_in_memory_and_in_marked_tests(datapkg_databases: RunDatabases) -> None:
    """On SQLite every thread sees the test's rows without a mark."""
    with datapkg_databases.in_memory() as database, kit.bound(database):
        add("a")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(keys).result(30) == ["a"]


@pytest.mark.datapkg_engines("postgresql")
def test_a_lost_connection_fails_the_test_not_the_next(datapkg_databases: RunDatabases) -> None:
    """When the session ends in the middle, the statement fails, and the next test gets a new connection."""
    with datapkg_databases.in_transaction() as database, kit.bound(database):
        with pytest.raises(DatapkgError):
            database.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(DatapkgError):
            add("a")
    with datapkg_databases.in_transaction() as again, kit.bound(again):
        assert again is database
        add("b")
        assert keys() == ["b"]


def test_two_at_once_are_two_databases(datapkg_databases: RunDatabases) -> None:
    """A test may ask for more than one transaction; they do not see each other."""
    with datapkg_databases.in_transaction() as one, datapkg_databases.in_transaction() as two:
        with kit.override(one):
            add("one")
        with kit.override(two):
            assert keys() == []


# Factories ------------------------------------------------------------------------------------------------------------


def test_factories_make_valid_rows_that_differ(db: KitDatabase) -> None:
    """Called twice without arguments each makes two rows, and what they return can be used."""
    users = [factories.make_user() for _ in range(2)]
    admins = [factories.make_admin() for _ in range(2)]
    api_keys = [factories.make_api_key() for _ in range(2)]
    sessions = [factories.make_session() for _ in range(2)]
    tokens = [factories.make_verification_token() for _ in range(2)]
    made = [factories.make_flag(), factories.make_flag(), factories.make_definition(), factories.make_definition()]
    entries = [factories.make_audit_entry() for _ in range(2)]
    rows: list[Any] = [*users, *admins, *made, *entries, *(each.row for each in (*api_keys, *sessions, *tokens))]
    assert len({row.id for row in rows}) == len(rows)
    assert {admin.role for admin in admins} == {"ADMIN"} and {user.role for user in users} == {"USER"}
    assert accounts.verify_password(admins[1].id, password=factories.PASSWORD)
    assert accounts.authenticate_api_key(api_keys[0].secret) == accounts.get_user(api_keys[0].row.user_id)
    assert accounts.authenticate_session(sessions[0].token) == accounts.get_user(sessions[0].row.user_id)
    assert accounts.consume_verification_token(tokens[0].token) == tokens[0].row
    assert datapkg.audit.verify_chain().ok


def test_factories_take_what_is_given(db: KitDatabase) -> None:
    """Every value can be chosen, and is validated like any other."""
    user = factories.make_user(email="Ann@Example.com", name="Ann", password="correct horse")
    assert (user.email, user.name) == ("ann@example.com", "Ann")
    assert accounts.verify_password(user.id, password="correct horse")
    assert factories.make_api_key(user_id=user.id, name="ci").row.user_id == user.id
    assert factories.make_flag("beta", enabled=True, rollout_percentage=10).rollout_percentage == 10
    assert flags.get_flag("beta").enabled
    root = factories.make_definition(name="root", created_by=user.id)
    fork = factories.make_definition(parent_id=root.id, content=factories.definition_content(preamble="Mine."))
    assert (fork.parent_id, fork.content["preamble"]) == (root.id, "Mine.")
    with pytest.raises(datapkg.DatapkgError):
        factories.make_flag("beta", rollout_percentage=101)


@pytest.mark.parametrize(("depth", "width", "sizes"), [(1, 3, [1]), (3, 2, [1, 2, 4]), (4, 1, [1, 1, 1, 1])])
def test_trees_have_the_asked_shape(db: KitDatabase, depth: int, width: int, sizes: list[int]) -> None:
    """A tree has so many levels, and so many children under each node."""
    tree = factories.make_definition_tree(depth=depth, width=width)
    assert [len(level) for level in tree.levels] == sizes
    assert len(tree.definitions) == sum(sizes) == len(datapkg.evaluation.get_descendants(tree.root.id)) + 1
    assert all(leaf.parent_id == (tree.levels[-2][0].id if depth > 1 else None) for leaf in tree.leaves[:width])


def test_passwords_are_cheap_with_the_fixture(db: KitDatabase) -> None:
    """Within a test that uses the database a hash costs next to nothing."""
    assert passwords.use_profile("cheap") == "cheap"


def test_passwords_are_dear_without_it() -> None:
    """Elsewhere the standard profile holds, also after tests that used the database."""
    assert passwords.use_profile("standard") == "standard"
