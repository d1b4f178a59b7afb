"""What the accounts' tests share: cheap passwords, users, and many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from datapkg import accounts
from datapkg.accounts import User, passwords
from datapkg.kit.database import current
from datapkg.kit.engines import KitDatabase


@pytest.fixture(autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashes that protect nothing and cost nothing."""
    before = passwords.use_profile("cheap")
    yield
    passwords.use_profile(before)


@pytest.fixture
def ann(db: KitDatabase) -> User:
    """A user without a password."""
    return accounts.create_user("ann@example.com", name="Ann")


@pytest.fixture
def ben(db: KitDatabase) -> User:
    """Another one."""
    return accounts.create_user("ben@example.com")


AtOnce = Callable[..., list[object]]


@pytest.fixture
def at_once() -> AtOnce:
    """Call functions in threads of their own at the same moment; return each one's result or exception."""

    def run(*functions: Callable[[], object]) -> list[object]:
        barrier = threading.Barrier(len(functions))

        def call(function: Callable[[], object]) -> object:
            current().connect(reuse_if_open=True)
            barrier.wait(timeout=30)
            try:
                return function()
            except Exception as error:
                return error
            finally:
                current().close()

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(call, functions))

    return run
