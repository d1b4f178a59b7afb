"""On a SQLite file statements go straight to the driver; what Peewee's layers promise must hold all the same."""

from __future__ import annotations

import asyncio
import logging

import pytest

from datapkg.errors import ConflictError, TransactionOwnerError
from datapkg.kit.database import open_database
from datapkg.kit.engines import log_slow_queries
from datapkg.kit.errors import StatementError


@pytest.fixture
def file(tmp_path):
    """A file with one table that has a unique column and a named check."""
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    database.execute_sql("CREATE TABLE t (name TEXT UNIQUE, n INTEGER CONSTRAINT ck_t_n CHECK (n < 10)) STRICT")
    yield database
    database.close()


def test_rows_and_counts(file):
    """Writing tells how many rows it changed, reading returns them."""
    with file.atomic():
        assert file.insert_rows("t", ["name", "n"], [("a", 1), ("b", 2)]) == 2
    assert file.change("UPDATE t SET n = n + 1 WHERE n < ?", [9]) == 2
    assert file.fetch("SELECT name, n FROM t ORDER BY name", ()) == [("a", 2), ("b", 3)]


@pytest.mark.parametrize(
    ("refused", "constraint"), [([("a", 1), ("a", 2)], "uq_t_name"), ([("a", 1), ("b", 11)], "ck_t_n")]
)
def test_refusals_are_typed(file, refused, constraint):
    """A broken constraint is named, for a single statement and for a batch."""
    with pytest.raises(ConflictError) as one:
        for row in refused:
            file.change("INSERT INTO t VALUES (?, ?)", row)
    assert one.value.constraint == constraint
    file.change("DELETE FROM t", ())
    with pytest.raises(ConflictError) as batch, file.atomic():
        file.insert_rows("t", ["name", "n"], refused)
    assert batch.value.constraint == constraint
    assert file.fetch("SELECT * FROM t", ()) == []


def test_nonsense_is_typed_too(file):
    """SQL that SQLite cannot read raises the package's error with the driver's as its cause."""
    with pytest.raises(StatementError) as error:
        file.fetch("SELECT * FROM nowhere", ())
    assert "nowhere" in str(error.value.__cause__)


def test_another_tasks_transaction_is_not_shared(file):
    """A task that reads or writes in the middle of another's transaction is refused, and the owner is not disturbed."""

    async def intrude(statement):
        return statement()

    async def scene():
        with file.atomic():
            file.change("INSERT INTO t VALUES (?, ?)", ("mine", 1))
            for statement in (
                lambda: file.fetch("SELECT * FROM t", ()),
                lambda: file.change("DELETE FROM t", ()),
                lambda: file.insert_rows("t", ["name", "n"], [("yours", 1)]),
            ):
                with pytest.raises(TransactionOwnerError):
                    await asyncio.create_task(intrude(statement))

    asyncio.run(scene())
    assert file.fetch("SELECT name FROM t", ()) == [("mine",)]


def test_listeners_hear_every_statement(file, caplog):
    """The slow-query log and Peewee's debug log miss nothing."""
    with caplog.at_level(logging.DEBUG, logger="peewee"):
        file.fetch("SELECT 'debug log'", ())
    assert "debug log" in caplog.text
    log_slow_queries(file, 0)
    with caplog.at_level(logging.WARNING, logger="datapkg.kit.slow_query"):
        file.fetch("SELECT 'slow log'", ())
        file.change("INSERT INTO t VALUES ('slow log', 1)", ())
    assert caplog.text.count("slow query") == 2
