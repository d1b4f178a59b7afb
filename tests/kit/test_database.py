"""The database in force: the process's default, overrides by thread and task, transactions and their owner."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import (
    ConfigurationError,
    ConflictError,
    NotConnectedError,
    StatementError,
    TransactionOwnerError,
)
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model
from datapkg.testing.databases import RunDatabases


class Memo(Model):
    """A table of the tests' own."""

    text = TextField(max_length=100, unique=True)

    class Meta:
        table_name = "kit_memos"


@pytest.fixture
def memos(db: KitDatabase) -> KitDatabase:
    """The test's database, with the table of memos."""
    db.create_tables([Memo])
    return db


def texts() -> list[str]:
    """The memos of the database in force, sorted."""
    return sorted(memo.text for memo in Memo.select())


def in_thread(function: Any, *args: Any) -> Any:
    """Run a function in a new thread, and return its result or raise its error."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(timeout=60)


# Which database is in force -------------------------------------------------------------------------------------------


def test_everything_before_connect_says_so() -> None:
    """Without a database, reading, writing and transactions raise NotConnectedError, not an attribute error."""
    attempts = (
        lambda: Memo.select().count(),
        lambda: Memo(text="a").save(),
        lambda: Memo.create(text="a"),
        kit.current,
        kit.transaction,
        kit.run_in_transaction(lambda: None),
    )
    for attempt in attempts:
        with pytest.raises(NotConnectedError) as caught:
            attempt()
        assert "datapkg.connect" in caught.value.fix


def test_the_default_is_seen_by_every_thread() -> None:
    """A thread that binds nothing works on the process's default."""
    database = kit.open_database("sqlite:///:memory:")
    with kit.bound(database):
        database.create_tables([Memo])
        Memo.create(text="from the main thread")
        assert in_thread(texts) == ["from the main thread"]
        in_thread(lambda: Memo.create(text="from another"))
        assert texts() == ["from another", "from the main thread"]
    kit.release(database)


def test_an_override_holds_for_its_thread_alone(datapkg_databases: RunDatabases) -> None:
    """Two threads work on two databases at once, and a third sees the default."""
    with datapkg_databases.in_memory() as first, datapkg_databases.in_memory() as second, kit.bound(first):
        first.create_tables([Memo])
        with kit.override(second):
            second.create_tables([Memo])
            Memo.create(text="second")
            assert kit.current() is second
            assert in_thread(kit.current) is first
            assert in_thread(texts) == []
        assert kit.current() is first
        assert texts() == []


def test_an_override_ends_with_an_error_too() -> None:
    """After an exception in the block the default is in force again."""
    one, two = kit.open_database("sqlite:///:memory:"), kit.open_database("sqlite:///:memory:")
    with kit.bound(one):
        with pytest.raises(ZeroDivisionError), kit.override(two):
            raise ZeroDivisionError
        assert kit.current() is one


def test_bind_replaces_the_default_and_unbind_forgets_it() -> None:
    """The last bound URL is the default; after unbind there is none."""
    before = kit.open_database("sqlite:///:memory:")
    with kit.bound(before):
        first = kit.bind("sqlite:///:memory:")
        second = kit.bind("sqlite:///:memory:")
        assert kit.current() is second is not first
        kit.unbind()
        with pytest.raises(NotConnectedError):
            kit.current()


def test_two_tasks_on_two_engines(datapkg_databases: RunDatabases) -> None:
    """Two asyncio tasks that take turns each stay on their own engine."""

    async def write(database: KitDatabase, name: str) -> tuple[str, list[str]]:
        with kit.override(database):
            database.create_tables([Memo])
            for number in range(5):
                Memo.create(text=f"{name} {number}")
                await asyncio.sleep(0)
            return kit.current().dialect.name, texts()

    async def both(one: KitDatabase, two: KitDatabase) -> Any:
        return await asyncio.gather(write(one, "left"), write(two, "right"))

    with datapkg_databases.in_memory() as lite, datapkg_databases.in_transaction() as postgres:
        results = asyncio.run(both(lite, postgres))
    assert results == [
        ("sqlite", [f"left {number}" for number in range(5)]),
        ("postgresql", [f"right {number}" for number in range(5)]),
    ]


# Transactions ---------------------------------------------------------------------------------------------------------


def test_a_transaction_commits_or_undoes_everything(memos: KitDatabase) -> None:
    """What the block wrote stays when it ends and goes when it raises."""
    with kit.transaction():
        Memo.create(text="stays")
    with pytest.raises(ZeroDivisionError), kit.transaction():
        Memo.create(text="goes")
        raise ZeroDivisionError
    assert texts() == ["stays"]


def test_a_nested_transaction_is_a_savepoint(memos: KitDatabase) -> None:
    """An inner block that fails undoes its own work; the outer goes on and commits the rest."""
    with kit.transaction():
        Memo.create(text="outer")
        with pytest.raises(ConflictError), kit.transaction():
            Memo.create(text="inner")
            Memo.create(text="outer")
        Memo.create(text="after")
    assert texts() == ["after", "outer"]


def test_a_refused_statement_leaves_the_transaction_usable(memos: KitDatabase) -> None:
    """The kit's own writes stand in a savepoint, so a caught conflict does not poison the caller's transaction."""
    from datapkg.kit.statements import insert

    with kit.transaction():
        insert(Memo, {"text": "one"})
        with pytest.raises(ConflictError):
            insert(Memo, {"text": "one"})
        insert(Memo, {"text": "two"})
    assert texts() == ["one", "two"]


@pytest.mark.datapkg_commits
def test_a_failed_transaction_is_never_taken_for_committed(memos: KitDatabase) -> None:
    """A plain statement's error that the caller swallows undoes all on PostgreSQL, and leaving the block says so."""
    keeps = memos.dialect.name == "sqlite"
    with nullcontext() if keeps else pytest.raises(StatementError, match="keeps nothing"), kit.transaction():
        Memo.create(text="one")
        with suppress(ConflictError):
            Memo.create(text="one")
    assert texts() == (["one"] if keeps else [])
    with kit.transaction():
        Memo.create(text="two")
    assert "two" in texts()


def test_run_in_transaction_returns_and_undoes(memos: KitDatabase) -> None:
    """It passes arguments and the result through, keeps the name, and undoes all on an error, which it lets out."""

    @kit.run_in_transaction
    def write(*names: str, fail: bool = False) -> int:
        """Write memos."""
        for name in names:
            Memo.create(text=name)
        if fail:
            raise LookupError("on purpose")
        return len(names)

    assert (write.__name__, write.__doc__) == ("write", "Write memos.")
    assert write("a", "b") == 2
    with pytest.raises(LookupError, match="on purpose"):
        write("c", fail=True)
    assert texts() == ["a", "b"]


def test_what_would_run_after_the_transaction_is_refused() -> None:
    """A coroutine or generator function does nothing until the transaction is over, so it is refused at once."""

    async def coroutine() -> None:
        Memo.create(text="late")

    def generator() -> Any:
        yield Memo.create(text="late")

    for late in (coroutine, generator):
        with pytest.raises(ConfigurationError, match="to_thread"):
            kit.run_in_transaction(late)


def test_a_task_does_not_share_another_tasks_transaction(memos: KitDatabase) -> None:
    """While one task has a transaction open, another on that connection gets a typed error, and nothing is mixed up."""

    async def holder(opened: asyncio.Event, done: asyncio.Event) -> None:
        with kit.transaction():
            Memo.create(text="holder")
            opened.set()
            await done.wait()
            Memo.create(text="holder again")

    async def scenario() -> None:
        opened, done = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(holder(opened, done))
        await opened.wait()
        for attempt in (
            lambda: Memo.create(text="intruder"),
            texts,
            lambda: kit.run_in_transaction(lambda: Memo.create(text="intruder"))(),
            lambda: kit.transaction().__enter__(),
        ):
            with pytest.raises(TransactionOwnerError) as caught:
                attempt()
            assert "to_thread" in caught.value.fix
        done.set()
        await task
        Memo.create(text="afterwards")

    asyncio.run(scenario())
    assert texts() == ["afterwards", "holder", "holder again"]


@pytest.mark.datapkg_commits
def test_transactions_in_to_thread_run_side_by_side(memos: KitDatabase) -> None:
    """What the error recommends works: each transaction in a thread of its own."""

    @kit.run_in_transaction
    def write(name: str) -> None:
        Memo.create(text=name)
        Memo.create(text=f"{name} too")

    async def scenario() -> None:
        await asyncio.gather(*(asyncio.to_thread(write, str(number)) for number in range(6)))

    asyncio.run(scenario())
    assert len(texts()) == 12


@pytest.mark.datapkg_commits
def test_open_work_is_not_seen_by_other_threads(memos: KitDatabase) -> None:
    """Another thread sees a transaction's rows only after it committed."""
    with kit.transaction():
        Memo.create(text="draft")
        assert in_thread(texts) == []
    assert in_thread(texts) == ["draft"]


def test_a_named_lock_needs_a_transaction(db: KitDatabase) -> None:
    """Without one it would be given back at once, or not at all: that is refused, and inside one it is taken."""
    with pytest.raises(ConfigurationError):
        kit.lock("x")
    with kit.transaction():
        kit.lock("x")
