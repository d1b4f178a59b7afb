"""Health: can the database be reached, is it ours and up to date, can it be written, how fast does it answer."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from datapkg.kit.database import current
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import DatapkgError, ReadOnlyError
from datapkg.kit.results import html_table
from datapkg.operations import migrations
from datapkg.operations.migrations.history import is_missing

__all__ = ["Health", "health"]

TIMEOUT_MS = 2000


@dataclass(frozen=True, slots=True)
class Health:
    """A database's health.

    Attributes:
        state: ``ok``, ``unreachable``, ``unmigrated``, ``behind``, ``ahead``, ``foreign``, ``edited`` or ``read-only``.
        engine: ``sqlite`` or ``postgresql``.
        version: the engine's version, or None where it cannot be asked.
        url: the database, without its password.
        latency_ms: how long one bounded query took, or None.
        detail: what is wrong and what to do, or None.
    """

    state: str
    engine: str
    version: str | None
    url: str
    latency_ms: float | None
    detail: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the database can be worked with."""
        return self.state == "ok"

    def as_dict(self) -> dict[str, object]:
        """Return the attributes as a JSON-ready dictionary."""
        return {**asdict(self), "ok": self.ok}

    def _repr_html_(self) -> str:
        return html_table(["", "health"], self.as_dict().items())


def health(*, database: KitDatabase | None = None) -> Health:
    """Return the health of the database in force (or of the given one); never raises for a sick database.

    Nothing is written or created. Connecting is bounded by ``connect_timeout``, every query then to two seconds, locks
    included; an answer never holds a secret.

    Raises:
        NotConnectedError: no database is connected and none is given.
    """
    database = database or current()

    def report(state: str, detail: str | None = None, version: str | None = None, ms: float | None = None) -> Health:
        return Health(state, database.dialect.name, version, database.url, ms, detail)

    if is_missing(database):  # asking the engine would create it
        return report("unmigrated", f"There is no file {database.database}. Run `datapkg migrate` to create it.")
    try:
        with database.bounded(TIMEOUT_MS):
            started = time.perf_counter()
            version, read_only = database.facts()
            elapsed = round((time.perf_counter() - started) * 1000, 3)
            status = migrations.status(database=database)
    except ReadOnlyError as error:  # a SQLite file in a folder where its WAL cannot be made
        return report("read-only", f"{error.why} {error.fix}")
    except DatapkgError as error:
        return report("unreachable", f"{error.why} {error.fix}")

    states = {"missing": "unmigrated", "empty": "unmigrated", "current": "ok"}
    state = states.get(status.state, status.state)
    if state == "ok" and read_only:
        return report("read-only", "The database takes no writes.", version, elapsed)
    advice = {
        "unmigrated": "There are no tables yet. Run `datapkg migrate`.",
        "behind": f"Migrations are pending: {', '.join(status.pending)}. Run `datapkg migrate`.",
        "ahead": f"Unknown migrations: {', '.join(status.unknown)}. Upgrade datapkg.",
        "foreign": "The database holds tables, but none of datapkg's. Check the URL.",
        "edited": f"Migrations were edited after they ran: {', '.join(status.edited)}.",
    }
    return report(state, advice.get(state), version, elapsed)
