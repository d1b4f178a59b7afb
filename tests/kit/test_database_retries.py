"""Transactions that collide: really provoked on both engines, run again, and at last given up."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import ConflictError, DatabaseBusyError, StatementError
from datapkg.kit.fields import IntegerField, TextField
from datapkg.kit.models import Model


class Account(Model):
    """A row that transactions fight over."""

    name = TextField(unique=True)
    balance = IntegerField()

    class Meta:
        table_name = "kit_accounts"


def balances() -> dict[str, int]:
    """What every account holds."""
    return {account.name: account.balance for account in Account.select()}


def add(name: str, amount: int) -> None:
    """Change one account in one statement."""
    Account.update(balance=Account.balance + amount).where(Account.name == name).execute()


@pytest.fixture
def accounts(db: KitDatabase) -> KitDatabase:
    """Two accounts with 100 each, committed."""
    db.create_tables([Account])
    for name in ("a", "b"):
        Account.create(name=name, balance=100)
    return db


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_deadlock_is_run_again(accounts: KitDatabase, caplog: pytest.LogCaptureFixture) -> None:
    """Two transactions that lock the same rows in opposite order both come through, each exactly once."""
    caplog.set_level(logging.INFO, "datapkg.kit.database")
    both_hold_one = threading.Barrier(2)
    attempts: list[str] = []

    @kit.run_in_transaction
    def move(source: str, target: str) -> None:
        attempts.append(source)
        add(source, -10)
        if attempts.count(source) == 1:
            both_hold_one.wait(30)
        add(target, 10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(move, ("a", "b"), ("b", "a"), timeout=60))
    assert balances() == {"a": 100, "b": 100}
    assert len(attempts) == 3
    assert "deadlock detected" in caplog.text


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_a_serialization_failure_is_run_again(accounts: KitDatabase) -> None:
    """A read that another transaction made stale is done again, so no update is lost."""
    seen: list[int] = []

    @kit.run_in_transaction
    def double() -> None:
        accounts.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        balance = Account.get(Account.name == "a").balance
        seen.append(balance)
        if len(seen) == 1:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(add, "a", 1).result(30)
        Account.update(balance=2 * balance).where(Account.name == "a").execute()

    double()
    assert seen == [100, 101]
    assert balances()["a"] == 202


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_bounded(accounts: KitDatabase, datapkg_url: str, retries: int) -> None:
    """A transaction that always collides is tried once and `retries` times more, then the typed error comes out."""
    attempts = []

    @kit.run_in_transaction
    def collide() -> None:
        attempts.append(1)
        kit.current().execute_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'serialization_failure'; END $$")

    with kit.override(kit.open_database(datapkg_url, retries=retries)) as database:
        with pytest.raises(DatabaseBusyError):
            collide()
        kit.release(database)
    assert len(attempts) == retries + 1


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
def test_only_the_outermost_transaction_is_run_again(accounts: KitDatabase) -> None:
    """Inside a transaction the error goes up at once: what the outer one did would be lost otherwise."""
    attempts: list[str] = []

    @kit.run_in_transaction
    def inner() -> None:
        attempts.append("inner")
        if len(attempts) < 4:
            accounts.execute_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END $$")

    @kit.run_in_transaction
    def outer() -> None:
        attempts.append("outer")
        add("a", 1)
        inner()

    outer()
    assert attempts == ["outer", "inner"] * 2
    assert balances()["a"] == 101
    attempts.clear()
    with pytest.raises(DatabaseBusyError), kit.transaction():
        inner()
    assert attempts == ["inner"]


@pytest.mark.parametrize("error", [ConflictError, StatementError])
def test_other_errors_are_not_run_again(accounts: KitDatabase, error: type[Exception]) -> None:
    """A conflict or a wrong statement comes out after one attempt."""
    attempts = []

    @kit.run_in_transaction
    def fail() -> None:
        attempts.append(1)
        if error is ConflictError:
            Account.create(name="a", balance=0)
        accounts.execute_sql("SELECT nonsense FROM nowhere")

    with pytest.raises(error):
        fail()
    assert len(attempts) == 1


# SQLite: the write lock of another process ----------------------------------------------------------------------------

_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


@contextmanager
def locked_by_another_process(path: str) -> Iterator[Callable[[], None]]:
    """Hold a file's write lock in another process until the block ends, or the function it gives is called."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process.stdin.close
        finally:
            process.stdin.close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A SQLite file with two accounts, in WAL mode."""
    path = tmp_path / "accounts.db"
    with kit.override(kit.open_database(f"sqlite:///{path}")) as database:
        database.create_tables([Account])
        Account.create(name="a", balance=100)
        database.execute_sql("PRAGMA journal_mode = wal")
        kit.release(database)
    return str(path)


def test_a_locked_sqlite_file_is_run_again(file: str, caplog: pytest.LogCaptureFixture) -> None:
    """A writer that another process keeps out for longer than the busy timeout gets through once it lets go."""
    caplog.set_level(logging.INFO, "datapkg.kit.database")
    database = kit.open_database(f"sqlite:///{file}", busy_timeout=0.05, retries=1000)
    with kit.override(database), locked_by_another_process(file) as let_go:
        timer = threading.Timer(0.4, let_go)
        timer.start()
        kit.run_in_transaction(add)("a", 1)
        timer.join()
        assert balances() == {"a": 101}
    kit.release(database)
    assert "trying the transaction again" in caplog.text


def test_a_sqlite_file_that_stays_locked_is_given_up(file: str) -> None:
    """When the retries are used up the typed error comes out and nothing is written; readers were never kept out."""
    database = kit.open_database(f"sqlite:///{file}", busy_timeout=0.01, retries=2)
    with kit.override(database), locked_by_another_process(file):
        started = time.monotonic()
        with pytest.raises(DatabaseBusyError) as caught:
            kit.run_in_transaction(add)("a", 1)
        assert time.monotonic() - started < 20
        assert caught.value.code == "database_busy"
        with pytest.raises(DatabaseBusyError):  # a single statement waits and gives up alike
            add("a", 1)
        assert balances() == {"a": 100}
    kit.release(database)
