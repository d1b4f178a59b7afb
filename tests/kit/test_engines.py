"""The database classes: the pool, the shared in-memory database, restarts, the slow-query log."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg2
import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import (
    ConfigurationError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    DatapkgError,
    ReadOnlyError,
    StatementError,
)
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model
from datapkg.testing import EmbeddedPostgres


class Line(Model):
    """A table of the tests' own."""

    text = TextField(secret=True)

    class Meta:
        table_name = "kit_lines"


def lines() -> list[str]:
    """The texts of the database in force, sorted."""
    return sorted(line.text for line in Line.select())


def in_thread(function: Any, *args: Any) -> Any:
    """Run a function in a new thread, and return its result or raise its error."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(timeout=60)


# The pool -------------------------------------------------------------------------------------------------------------


@pytest.mark.datapkg_commits
@pytest.mark.datapkg_engines("postgresql")
class TestPool:
    """PostgreSQL connections are few and come back."""

    def sessions(self, url: str, besides: int = 0) -> int:
        """How many sessions the server counts on this database, those that ask left out.

        One that asked before may still be on its way out; by its number alone it would be taken for another's.
        """
        connection = psycopg2.connect(url, application_name="counting")
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name <> 'counting' AND backend_type = 'client backend'"
                )
                row = cursor.fetchone()
                assert row is not None
                return int(row[0]) - besides
        finally:
            connection.close()

    def test_an_exhausted_pool_says_so(self, db: KitDatabase, datapkg_url: str) -> None:
        """Whoever waits longer than pool_timeout for a connection gets a typed error that names the size."""
        database = kit.open_database(datapkg_url, pool_size=1, pool_timeout=0.1)
        database.connect()
        with pytest.raises(DatabaseUnavailableError, match="All 1 pooled connections") as caught:
            in_thread(database.connect)
        assert caught.value.meta == {"pool_size": 1}
        database.close()
        assert in_thread(lambda: database.fetch("SELECT 1", ())) == [(1,)]
        kit.release(database)

    def test_a_waiting_thread_gets_the_connection_that_comes_back(self, db: KitDatabase, datapkg_url: str) -> None:
        """A thread that waits for the pool goes on as soon as another closes."""
        database = kit.open_database(datapkg_url, pool_size=1, pool_timeout=30)
        database.connect()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(database.fetch, "SELECT 7", ())
            database.close()
            assert waiting.result(30) == [(7,)]
        kit.release(database)

    def test_threads_that_never_close_do_not_exhaust_the_pool(self, db: KitDatabase, datapkg_url: str) -> None:
        """A thread's connection goes back when the thread ends, also out of an open transaction."""
        database = kit.open_database(datapkg_url, pool_size=2, pool_timeout=10)
        before = self.sessions(datapkg_url)

        def leave_open() -> None:
            database.begin()
            database.execute_sql("CREATE TABLE never_committed ()")

        for _ in range(10):
            thread = threading.Thread(target=leave_open)
            thread.start()
            thread.join()
            del thread
            gc.collect()
        assert database.get_tables().count("never_committed") == 0
        assert self.sessions(datapkg_url, before) <= 2
        kit.release(database)
        deadline = time.monotonic() + 20
        while self.sessions(datapkg_url, before) and time.monotonic() < deadline:
            time.sleep(0.01)  # a session is counted until its process has noticed
        assert self.sessions(datapkg_url, before) == 0

    def test_an_idle_connection_that_the_server_ended_is_replaced(self, db: KitDatabase, datapkg_url: str) -> None:
        """A session terminated while idle, in a thread's hand or in the pool, is not noticed by the program."""
        database = kit.open_database(datapkg_url)

        def terminate() -> None:
            (pid,) = database.fetch("SELECT pg_backend_pid()", ())[0]
            db.execute_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        terminate()
        assert database.fetch("SELECT 1", ()) == [(1,)]
        terminate()
        with database.atomic():
            assert database.fetch("SELECT 2", ()) == [(2,)]
        (pid,) = database.fetch("SELECT pg_backend_pid()", ())[0]
        database.close()
        db.execute_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        assert database.fetch("SELECT 3", ()) == [(3,)]
        kit.release(database)

    def test_a_session_that_ends_inside_a_transaction_undoes_it(self, db: KitDatabase, datapkg_url: str) -> None:
        """The transaction fails with the typed error, nothing of it stays, and the next one works."""
        db.create_tables([Line])
        with kit.override(kit.open_database(datapkg_url)) as database:
            with pytest.raises(DatabaseUnavailableError), kit.transaction():
                Line.create(text="lost")
                (pid,) = database.fetch("SELECT pg_backend_pid()", ())[0]
                db.execute_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,))
                Line.create(text="lost too")
            Line.create(text="kept")
            assert lines() == ["kept"]
            kit.release(database)


def test_a_restarted_server_is_reconnected_to() -> None:
    """While PostgreSQL is down the error is typed; when it is back the same database object goes on, data and all."""
    with EmbeddedPostgres(durable=True) as server:
        database = kit.open_database(server.url)
        with kit.override(database):
            database.create_tables([Line])
            Line.create(text="before")
            server.stop()
            for _ in range(2):
                with pytest.raises(DatabaseUnavailableError):
                    lines()
            server.start()
            assert lines() == ["before"]
            # Not kill(): a backend that it orphans may still answer once.
            server.stop("immediate")
            with pytest.raises(DatabaseUnavailableError):
                Line.create(text="during")
            server.start()
            Line.create(text="after")
            assert lines() == ["after", "before"]
            kit.release(database)


# In memory ------------------------------------------------------------------------------------------------------------


class TestInMemory:
    """One in-memory database for the whole process."""

    @pytest.fixture
    def memory(self) -> Any:
        """An in-memory database with the table of lines, in force everywhere."""
        database = kit.open_database("sqlite:///:memory:", busy_timeout=30)
        with kit.bound(database):
            database.create_tables([Line])
            yield database
        kit.release(database)

    @pytest.fixture
    def impatient(self) -> Any:
        """The same, but a thread waits for another's transaction no longer than a moment."""
        database = kit.open_database("sqlite:///:memory:", busy_timeout=0.05, retries=1000)
        with kit.bound(database):
            database.create_tables([Line])
            yield database
        kit.release(database)

    def test_it_is_shared_and_never_lost_by_closing(self, memory: KitDatabase) -> None:
        """Every thread sees the same rows; closing, in whatever thread and way, loses none."""
        Line.create(text="one")
        memory.close()
        assert lines() == ["one"]
        with memory:
            Line.create(text="two")
        with memory.connection_context():
            pass

        def in_another_thread() -> list[str]:
            seen = lines()
            memory.close()
            return seen

        assert in_thread(in_another_thread) == ["one", "two"]
        assert lines() == ["one", "two"]

    def test_threads_do_not_mix_transactions(self, impatient: KitDatabase) -> None:
        """While a transaction is open no other thread reads or writes inside it: it waits, or gets the typed error."""
        with kit.transaction():
            Line.create(text="draft")
            for attempt in (lines, lambda: Line.create(text="intruder"), lambda: kit.transaction().__enter__()):
                with pytest.raises(DatabaseBusyError):
                    in_thread(attempt)
        assert in_thread(lines) == ["draft"]
        with pytest.raises(ZeroDivisionError), kit.transaction():
            Line.create(text="undone")
            raise ZeroDivisionError
        assert in_thread(lines) == ["draft"]

    def test_a_transaction_waits_for_another_threads(self, impatient: KitDatabase) -> None:
        """A transaction that another thread's outlasts is tried again, as with a locked file."""
        with ThreadPoolExecutor(1) as pool:
            with kit.transaction():
                Line.create(text="first")
                waiting = pool.submit(kit.run_in_transaction(lambda: Line.create(text="second")))
                time.sleep(0.3)
                assert not waiting.done()
            waiting.result(60)
        assert lines() == ["first", "second"]

    def test_many_threads_write_at_once(self, memory: KitDatabase) -> None:
        """Eight threads with transactions of several statements lose and double nothing."""

        @kit.run_in_transaction
        def write(number: int) -> None:
            for part in range(5):
                Line.create(text=f"{number:03}-{part}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(40)))
        assert lines() == [f"{number:03}-{part}" for number in range(40) for part in range(5)]

    def test_a_row_read_slowly_is_not_disturbed(self, memory: KitDatabase) -> None:
        """A cursor half read in one thread goes on unharmed while another writes."""
        for number in range(10):
            Line.create(text=str(number))
        rows = iter(Line.select().order_by(Line.text).iterator())
        first = next(rows).text
        in_thread(lambda: Line.create(text="new"))
        assert [first, *(row.text for row in rows)] == [str(number) for number in range(10)]


# Reading only ---------------------------------------------------------------------------------------------------------


def test_reading_only_ends_with_the_outermost_block(db: KitDatabase) -> None:
    """After an inner block the outer one still refuses writes; afterwards, and after an error, they go on."""
    db.create_tables([Line])
    for inner in (lambda: None, lambda: db.fetch("SELECT nothing FROM nowhere", ())):
        with pytest.raises((ReadOnlyError, StatementError)), db.read_only(10_000):
            with suppress(DatapkgError), db.read_only(10_000):
                inner()
            Line.create(text="refused")
        with kit.transaction():
            with db.read_only(10_000):
                assert lines() == []
            Line.create(text="kept")
        assert lines() == ["kept"]
        Line.delete().execute()


# Options --------------------------------------------------------------------------------------------------------------


def test_slow_statements_are_logged_without_their_values(
    new_url: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    """From the threshold on, a statement is logged with its time and SQL, never with what was bound."""
    caplog.set_level(logging.WARNING, "datapkg.kit.slow_query")
    url = new_url()
    with kit.override(kit.open_database(url, slow_query_ms=0)) as database:
        database.create_tables([Line])
        caplog.clear()
        Line.create(text="hunter2")
        record = caplog.records[0]
        assert "INSERT INTO" in record.getMessage() and "hunter2" not in record.getMessage()
        assert record.duration_ms >= 0  # type: ignore[attr-defined]  # given in `extra`
        kit.release(database)
    with kit.override(kit.open_database(url, slow_query_ms=60_000)) as database:
        caplog.clear()
        assert lines() == ["hunter2"]
        assert caplog.records == []
        kit.release(database)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"pool_sice": 3}, "pool_sice"), ({"synchronous": "OFF"}, "OFF"), ({"synchronous": "full, 1"}, "synchronous")],
)
def test_wrong_options_are_refused(options: dict[str, Any], reason: str) -> None:
    """An unknown option, or one with a value it cannot have, raises before anything is opened."""
    with pytest.raises(ConfigurationError, match=reason) as caught:
        kit.open_database("sqlite:///:memory:", **options)
    assert caught.value.fix


@pytest.mark.parametrize(("option", "value"), [(None, 2), ("FULL", 2), ("normal", 1)])
def test_sqlite_is_durable_unless_told_otherwise(tmp_path: Any, option: str | None, value: int) -> None:
    """Foreign keys and replace triggers are on, commits survive a power cut (synchronous FULL), WAL by enable_wal."""
    given: Any = {} if option is None else {"synchronous": option}
    database: Any = kit.open_database(f"sqlite:///{tmp_path / 'a.db'}", **given)
    database.execute_sql("CREATE TABLE t (a)")
    database.enable_wal()
    pragmas = ("synchronous", "foreign_keys", "recursive_triggers", "journal_mode")
    assert [database.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in pragmas] == [value, 1, 1, "wal"]
    kit.release(database)
