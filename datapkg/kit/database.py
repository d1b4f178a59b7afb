"""The proxy that every model is bound to, and transactions.

``bind`` sets the process's default database, seen by every thread; ``using`` overrides it for the current thread or
asyncio task, so two threads can work on two engines at once. Nothing here looks at migrations:
:mod:`datapkg.connection` does.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import ParamSpec, TypeVar, Unpack, cast

import peewee as pw

from datapkg.kit.engines import (
    KitDatabase,
    MemoryDatabase,
    Options,
    PostgresDatabase,
    PostgresMixin,
    SqliteFileDatabase,
    log_slow_queries,
)
from datapkg.kit.errors import ConfigurationError, DatabaseBusyError, NotConnectedError
from datapkg.kit.urls import parse_url
from datapkg.kit.words import did_you_mean

__all__ = [
    "bind",
    "bound",
    "current",
    "lock",
    "open_database",
    "override",
    "proxy",
    "release",
    "run_in_transaction",
    "run_statement",
    "snapshot",
    "transaction",
    "unbind",
]

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

_override: ContextVar[KitDatabase | None] = ContextVar("datapkg_database", default=None)
_default: list[KitDatabase | None] = [None]


class ContextProxy(pw.DatabaseProxy):
    """Peewee's database proxy, but per context: a task's or thread's own database before the process's."""

    @property
    def obj(self) -> KitDatabase | None:
        """The database in force here, or None."""
        return _override.get() or _default[0]

    @obj.setter
    def obj(self, value: KitDatabase | None) -> None:
        _default[0] = value

    def __getattr__(self, name: str) -> object:
        database = self.obj
        if database is None:
            raise NotConnectedError("No database is connected.")
        return getattr(database, name)


proxy = ContextProxy()
"""The database of every model of this package; a model of yours that inherits them uses it too."""


def open_database(url: str, **options: Unpack[Options]) -> KitDatabase:
    """Make a database object for a URL without binding it and without connecting.

    Args:
        url: ``sqlite:///file.db``, ``sqlite:///:memory:``, ``postgresql://…``, or a scheme of ``playhouse.db_url``.
        options: see :class:`datapkg.kit.engines.Options`.

    Raises:
        ConfigurationError: the URL or an option cannot be used.
    """
    _check_options(options)
    parsed = parse_url(url)
    synchronous = options.get("synchronous", "FULL").upper()
    busy_timeout = options.get("busy_timeout", 5.0)
    database: KitDatabase
    if parsed.scheme == "sqlite":
        if parsed.database == ":memory:":
            database = MemoryDatabase(busy_timeout=busy_timeout, synchronous=synchronous)
        else:
            database = SqliteFileDatabase(
                os.path.abspath(parsed.database),  # threads connect later, and the program may change its folder
                busy_timeout=busy_timeout,
                synchronous=synchronous,
                must_exist=options.get("must_exist", False),
            )
    else:
        arguments = {"connect_timeout": options.get("connect_timeout", 10), **parsed.arguments}
        if parsed.scheme == "postgresql":
            database = PostgresDatabase(
                parsed.database,
                pool_size=options.get("pool_size", 20),
                pool_timeout=options.get("pool_timeout", 10.0),
                **arguments,
            )
        else:
            database = _other_engine(parsed.scheme, parsed.database, dict(parsed.arguments))
    database.url = parsed.safe
    database.retries = options.get("retries", 5)
    slow = options.get("slow_query_ms")
    if slow is not None:
        log_slow_queries(database, slow)
    return database


_SMALLEST: dict[str, float] = {
    "busy_timeout": 0,
    "connect_timeout": 1,
    "pool_size": 1,
    "pool_timeout": 0,
    "retries": 0,
    "slow_query_ms": 0,
}
_WHOLE = ("connect_timeout", "pool_size", "retries")


def _check_options(options: Options) -> None:
    """Raise unless every option is known and can work."""
    known = Options.__annotations__
    for name, value in options.items():
        if name not in known:
            raise ConfigurationError(f"There is no option {name}.", fix=f"Use: {', '.join(known)}.")
        if name == "synchronous":
            right = isinstance(value, str) and value.upper() in ("EXTRA", "FULL", "NORMAL")
            wanted = "FULL (the default), EXTRA or NORMAL"
        elif name == "must_exist":
            right, wanted = isinstance(value, bool), "True or False"
        else:
            kind = int if name in _WHOLE else (int, float)
            right = isinstance(value, kind) and not isinstance(value, bool) and value >= _SMALLEST[name]
            right = right or (name == "slow_query_ms" and value is None)
            wanted = f"a {'whole ' if name in _WHOLE else ''}number, {_SMALLEST[name]:g} or more"
        if not right:
            raise ConfigurationError(f"The option {name} cannot be {value!r}.", fix=f"Give {wanted}.")


def _other_engine(scheme: str, name: str, arguments: dict[str, str | int]) -> KitDatabase:
    # Here because it is heavy, and only the rarer engines need it; it comes without stubs.
    from playhouse.db_url import schemes  # type: ignore[import-untyped]

    engine = schemes.get(scheme)
    if engine is None:
        raise ConfigurationError(
            f"The URL's scheme {scheme!r} is not known.{did_you_mean(scheme, ('sqlite', 'postgresql', *schemes))}",
            fix="Use sqlite, postgresql, or a scheme of playhouse.db_url.",
        )
    if not issubclass(engine, pw.PostgresqlDatabase):
        raise ConfigurationError(
            f"datapkg's tables need SQLite or PostgreSQL; {scheme!r} is neither.",
            fix="Use sqlite:///, postgresql:// or cockroachdb://.",
        )
    if scheme.startswith("psycopg3"):
        raise ConfigurationError(
            f"datapkg talks to PostgreSQL through psycopg2; {scheme!r} is another driver.", fix="Use postgresql://."
        )
    # Some engines of the playhouse pass an argument for named cursors through all layers; the kit streams its own way.
    kind = type(engine.__name__, (PostgresMixin, engine), {"execute": pw.Database.execute})
    return cast(KitDatabase, kind(name, **arguments))


def bind(url: str, **options: Unpack[Options]) -> KitDatabase:
    """Make a URL's database the process's default and return it; nothing is connected or migrated yet."""
    database = open_database(url, **options)
    unbind()
    _default[0] = database
    return database


def unbind() -> None:
    """Close and forget the process's default database."""
    database, _default[0] = _default[0], None
    if database is not None:
        release(database)


def release(database: KitDatabase) -> None:
    """Close this thread's connection and what the database keeps for others."""
    if not database.is_closed() and not database.in_transaction():
        database.close()
    if isinstance(database, MemoryDatabase):
        database.destroy()
    elif isinstance(database, PostgresDatabase):
        database.close_idle()


@contextmanager
def bound(database: KitDatabase) -> Iterator[KitDatabase]:
    """Make a database the process's default until the block ends, then put back the one before; neither is closed."""
    before, _default[0] = _default[0], database
    try:
        yield database
    finally:
        if _default[0] is not database:
            unbind()  # one that the block bound itself
        _default[0] = before


@contextmanager
def override(database: KitDatabase) -> Iterator[KitDatabase]:
    """Use this database in the current thread or task until the block ends."""
    token = _override.set(database)
    try:
        yield database
    finally:
        _override.reset(token)


def current() -> KitDatabase:
    """Return the database in force in this thread or task.

    Raises:
        NotConnectedError: none is.
    """
    database = proxy.obj
    if database is None:
        raise NotConnectedError("No database is connected.")
    return database


def transaction() -> AbstractContextManager[object]:
    """Open a transaction, or a savepoint inside one; committed at the block's end, undone by an exception.

    Never retries. Another task of the same thread that uses the connection meanwhile gets
    ``TransactionOwnerError``.
    """
    return cast(AbstractContextManager[object], current().atomic())


def snapshot() -> AbstractContextManager[object]:
    """Let every statement of the block see one state of the database, whatever others commit meanwhile.

    For reading only: what is written comes after the block. Inside a transaction the block is a part of it; on
    PostgreSQL, where transactions are READ COMMITTED, each statement then sees what was committed before it began.
    """
    database = current()
    return nullcontext() if database.in_transaction() else database.snapshot()


def lock(name: str) -> None:
    """Let one transaction at a time pass here; the others wait until it ends.

    For what no row stands for yet, such as "the first of its kind". On SQLite a write transaction excludes all
    others anyway.

    Args:
        name: what is locked, the same in every process.

    Raises:
        ConfigurationError: no transaction is open.
    """
    database = current()
    if not database.in_transaction():
        raise ConfigurationError(
            f"The lock {name!r} lasts as long as a transaction, and none is open.", fix="Open one."
        )
    if database.dialect.named_lock_sql:
        database.fetch(database.dialect.named_lock_sql, (f"datapkg:{name}",))


# Code flags of generators, coroutines and asynchronous generators; inspect, which names them, is slow to import.
_SUSPENDED = 0x20 | 0x80 | 0x200


def run_in_transaction(fn: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to run in a transaction that is retried as a whole.

    The outermost one is run again after a serialization failure, a deadlock or a locked SQLite, up to the
    database's ``retries`` times with growing pauses; inside another transaction it is a savepoint and the error
    goes up to the outermost. The function must not have effects outside the database.

    Example:
        ``run_in_transaction(move)(source, target)`` or ``@run_in_transaction`` above a function.

    Raises:
        DatabaseBusyError: the retries are used up.
        ConfigurationError: the function is a coroutine or a generator, which would run after the transaction.
    """
    code = getattr(fn, "__code__", None)
    if code is not None and code.co_flags & _SUSPENDED:
        raise ConfigurationError(
            f"{fn.__name__} only runs after run_in_transaction has committed, as it is a coroutine or a generator.",
            fix="Give it a plain function; asynchronous code awaits asyncio.to_thread(that function).",
        )

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        database = current()

        def attempt() -> R:
            with database.atomic():
                return fn(*args, **kwargs)

        return _retry(database, attempt)

    return wrapper


def run_statement(fn: Callable[[], R]) -> R:
    """Run one writing statement: on its own when outermost (it commits by itself), else inside the transaction.

    PostgreSQL runs a lone statement 1.4 times as fast as a transaction around it. Inside a transaction it gets a
    savepoint where a refused statement would otherwise spoil the rest. Retries like :func:`run_in_transaction`.
    """
    database = current()
    if database.in_transaction() and database.dialect.error_spoils_transaction:
        with database.atomic():
            return fn()
    return _retry(database, fn)


def _retry(database: KitDatabase, attempt: Callable[[], R]) -> R:
    if database.in_transaction():
        return attempt()
    for left in range(database.retries, -1, -1):
        try:
            return attempt()
        except DatabaseBusyError as error:
            if left == 0 or not database.dialect.is_retryable(error.__cause__ or error):
                raise
            # Full jitter, so that those who collided do not collide again.
            pause = random.uniform(0, 0.01 * 2 ** (database.retries - left))
            logger.info("trying the transaction again after: %s", error.why, extra={"pause_s": pause})
            time.sleep(pause)
    raise AssertionError("unreachable")  # the loop returns or raises
