"""Health: can the database be reached, is it ours and up to date, can it be written, how fast does it answer."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from datapkg.kit.database import current, release
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import DatabaseBusyError, DatapkgError, ReadOnlyError
from datapkg.kit.frames import shape_of
from datapkg.kit.markup import badge, html_table
from datapkg.kit.results import Rows
from datapkg.operations import migrations
from datapkg.operations.migrations.history import is_missing

if TYPE_CHECKING:
    import pandas

__all__ = ["Health", "HealthState", "health"]

HealthState = Literal[
    "ok", "unreachable", "unmigrated", "behind", "ahead", "edited", "foreign", "damaged", "read-only", "unconfigured"
]

TIMEOUT = 2
"""Seconds: whoever asks for the health of a server that does not answer wants to know soon."""


@dataclass(frozen=True, slots=True)
class Health:
    """A database's health; no attribute holds a password, or where credentials lie.

    Attributes:
        state: ``ok``, ``unreachable``, ``unmigrated``, ``behind``, ``ahead``, ``edited``, ``foreign``, ``damaged``,
            ``read-only``, or from a server ``unconfigured``: no database was named.
        engine: ``sqlite`` or ``postgresql``.
        version: the engine's version, or None where it cannot be asked.
        url: the database, by its host, port and name, or its path.
        latency_ms: how long one bounded query took, connecting left out; or None.
        pending: how many migrations are to be applied, or None where that cannot be asked.
        detail: what is wrong and what to do, or None.
    """

    state: HealthState
    engine: str | None
    version: str | None
    url: str | None
    latency_ms: float | None
    pending: int | None
    detail: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the database can be worked with."""
        return self.state == "ok"

    def as_dict(self) -> dict[str, object]:
        """Return the attributes as a JSON-ready dictionary."""
        return {**asdict(self), "ok": self.ok}

    def _repr_html_(self) -> str:
        shown: dict[str, object] = self.as_dict()
        shown["state"] = badge(self.state, "good" if self.ok else "bad")
        return html_table(["", "health"], shown.items())

    def df(self) -> pandas.DataFrame:
        """Return the attributes as a DataFrame of one row.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return Rows([self.as_dict()], of={**shape_of(type(self)), "ok": bool}).df()


def health(*, database: KitDatabase | None = None) -> Health:
    """Return the health of the database in force (or of the given one); never raises for a sick database.

    It answers within about two seconds, whatever hangs: looking up the host, connecting, a query, a lock, the disk.
    It has a connection of its own, which it closes, so that it neither needs a free one of the pool nor sees what an
    open transaction has not committed; only an in-memory database has no other. Nothing is written or created.

    Args:
        database: instead of the database in force.

    Raises:
        NotConnectedError: no database is connected and none is given.

    Example:
        ``assert datapkg.health().ok``
    """
    database = database or current()
    twin = database.twin(TIMEOUT)
    if twin is database:
        try:
            with database.alone(TIMEOUT):  # type: ignore[attr-defined]  # only SQLite's in-memory database is its twin
                return _examine(database)
        except DatabaseBusyError as error:
            return _report(database, "unreachable", f"{error.why} {error.fix}")
    probe = _Probe(twin)
    probe.start()
    return probe.outcome()


class _Probe(threading.Thread):
    """Looks at a database in a thread of its own, which can be left behind when it hangs."""

    def __init__(self, twin: KitDatabase) -> None:
        super().__init__(name="datapkg-health", daemon=True)
        self._twin = twin
        self._conn: Any = None
        self._left = False
        self._guard = threading.Lock()
        self._found: Health | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Look, and close the connection."""
        try:
            self._found = self._look()
        except BaseException as error:
            self._error = error
        finally:
            with self._guard:  # from here on nobody hangs up what may be another connection's by then
                self._conn = None
            with contextlib.suppress(DatapkgError):  # closing what is broken already
                release(self._twin)

    def _look(self) -> Health:
        if is_missing(self._twin):  # connecting would be refused
            return _examine(self._twin)
        try:
            self._twin.connect()
        except DatapkgError as error:
            return _refused(self._twin, error, None)
        with self._guard:
            if not self._left:
                self._conn = self._twin.connection()  # type: ignore[no-untyped-call]  # untyped in Peewee's stubs
        return self._silent() if self._conn is None else _examine(self._twin)

    def _silent(self) -> Health:
        return _report(self._twin, "unreachable", f"It did not answer within {TIMEOUT} seconds.")

    def outcome(self) -> Health:
        """Wait for what it finds, no longer than the timeout."""
        self.join(TIMEOUT)
        if self.is_alive():
            with self._guard:
                self._left = True
                if self._conn is not None:
                    self._twin.hang_up(self._conn)
            return self._silent()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found


def _report(
    database: KitDatabase,
    state: HealthState,
    detail: str | None = None,
    *,
    version: str | None = None,
    latency_ms: float | None = None,
    pending: int | None = None,
) -> Health:
    return Health(
        state,
        database.dialect.name,
        version,
        _place(database.url),
        latency_ms,
        pending,
        detail and _FILES.sub(r"\1 (its path is left out)", detail),
    )


def _examine(database: KitDatabase) -> Health:
    if is_missing(database):
        pending = len(migrations.status(database=database).pending)
        detail = f"There is no file {database.database}. Run `datapkg migrate` to create it."
        return _report(database, "unmigrated", detail, pending=pending)
    version = latency = None
    try:
        with database.bounded(TIMEOUT * 1000):
            started = time.perf_counter()
            version, read_only = database.facts()
            latency = round((time.perf_counter() - started) * 1000, 3)
            status = migrations.status(database=database)
    except DatapkgError as error:
        return _refused(database, error, version)

    state: HealthState
    match status.state:
        case "missing" | "empty" | "unmigrated":
            state = "unmigrated"
        case "current":
            state = "read-only" if read_only else "ok"
        case other:
            state = other
    advice = {
        "unmigrated": "There are no tables yet. Run `datapkg migrate`.",
        "behind": f"Migrations are pending: {', '.join(status.pending)}. Run `datapkg migrate`.",
        "ahead": f"Unknown migrations: {', '.join(status.unknown)}. Upgrade datapkg.",
        "foreign": "The database holds tables, but none of datapkg's. Check the URL.",
        "edited": f"Migrations were edited after they ran: {', '.join(status.edited)}. Restore their files.",
        "read-only": "The database takes no writes.",
    }
    return _report(
        database,
        state,
        advice.get(state),
        version=version,
        latency_ms=latency,
        pending=None if state == "foreign" else len(status.pending),
    )


def _refused(database: KitDatabase, error: DatapkgError, version: str | None) -> Health:
    state: HealthState = "unreachable"
    if error.meta.get("damaged"):
        state = "damaged"
    elif isinstance(error, ReadOnlyError) and version is None:
        # A SQLite file in a folder where its WAL cannot be made. Once there is a version it is PostgreSQL, which
        # gives the same error to a user who may not even read.
        state = "read-only"
    return _report(database, state, f"{error.why} {error.fix}", version=version)


# libpq's words on a key, a certificate or a password file that it cannot use.
_FILES = re.compile(
    r'((?:private key|certificate|password|revocation list|service|definition of service)(?: file)?) "[^"]*"'
)
# What says where a database is, and nothing about who may come in.
_WHERE = ("host", "hostaddr", "port", "dbname")


def _place(url: str) -> str:
    """Return a URL without its user, its password, and whatever else its query says."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return url
    query = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in parse_qsl(parts.query) if name in _WHERE)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?' + query if query else ''}"
