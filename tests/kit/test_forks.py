"""Forks: a child gets connections of its own, and leaves the parent's sessions, transactions and memory alone."""

from __future__ import annotations

import gc
import os
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg.kit import database as kit
from datapkg.kit.engines import KitDatabase
from datapkg.kit.fields import TextField
from datapkg.kit.models import Model


class Line(Model):
    """A table of the tests' own."""

    text = TextField()

    class Meta:
        table_name = "kit_forked_lines"


def lines() -> list[str]:
    """The texts of the database in force, sorted."""
    return sorted(line.text for line in Line.select())


def in_child(function: Callable[[], None]) -> None:
    """Run a function in a forked child and fail if it raised; the child leaves without any clean-up."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.datapkg_commits
def test_child_and_parent_both_work_after_a_fork(db: KitDatabase) -> None:
    """A forked child gets connections of its own; the parent's session and open transaction are left alone."""
    db.create_tables([Line])
    Line.create(text="before")

    def child() -> None:
        assert lines() == ["before"]
        Line.create(text="child")
        with kit.transaction():
            Line.create(text="child too")
        db.close()

    in_child(child)
    Line.create(text="parent")
    assert lines() == ["before", "child", "child too", "parent"]
    with kit.transaction():
        Line.create(text="open across a fork")
        in_child(lambda: gc.collect() and None)
        Line.create(text="still open")
    assert "still open" in lines() and "open across a fork" in lines()


@pytest.mark.datapkg_commits
def test_a_fork_leaves_other_threads_transactions_alone(db: KitDatabase) -> None:
    """Neither the fork nor the child's exit touches the open transaction of a thread that only the parent has."""
    db.create_tables([Line])
    forked, opened = threading.Event(), threading.Event()

    def worker() -> list[str]:
        with kit.transaction():
            Line.create(text="worker")
            opened.set()
            forked.wait(30)
            Line.create(text="worker again")
        return lines()

    def child() -> None:
        assert lines() == []
        gc.collect()

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(worker)
        opened.wait(30)
        in_child(child)
        forked.set()
        assert result.result(30) == ["worker", "worker again"]


def test_a_child_does_not_inherit_another_threads_open_work_in_memory() -> None:
    """What a thread of the parent had not committed is not there in the child, which can write; the parent commits."""
    opened, forked = threading.Event(), threading.Event()
    with kit.bound(kit.open_database("sqlite:///:memory:")) as database:
        database.create_tables([Line])

        def work() -> None:
            with kit.transaction():
                Line.create(text="open")
                opened.set()
                forked.wait(60)

        def child() -> None:
            assert lines() == []
            with kit.transaction():
                Line.create(text="child")
            assert lines() == ["child"]

        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            assert opened.wait(60)
            try:
                in_child(child)
            finally:
                forked.set()
            working.result(timeout=60)
        assert lines() == ["open"]
        kit.release(database)


def test_a_child_can_end_the_transaction_it_was_forked_in() -> None:
    """In memory the child has its own copy of the transaction, and ends it as the parent does."""
    with kit.bound(kit.open_database("sqlite:///:memory:")) as database:
        database.create_tables([Line])

        def child() -> None:
            Line.create(text="child")
            transaction.__exit__(None, None, None)
            assert lines() == ["both", "child"]

        transaction = kit.transaction()
        with transaction:
            Line.create(text="both")
            in_child(child)
        assert lines() == ["both"]
        kit.release(database)


def test_a_child_gets_a_copy_of_the_memory() -> None:
    """An in-memory database is copied by a fork: the child sees what was there, the parent nothing of the child's."""
    database = kit.open_database("sqlite:///:memory:")
    with kit.bound(database):
        database.create_tables([Line])
        Line.create(text="before")

        def child() -> None:
            Line.create(text="child")
            assert lines() == ["before", "child"]

        in_child(child)
        assert lines() == ["before"]
    kit.release(database)
