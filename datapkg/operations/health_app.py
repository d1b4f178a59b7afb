"""A WSGI application (PEP 3333) that answers the probes of a load balancer or an orchestrator."""

from __future__ import annotations

import json
import logging
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from datapkg.kit.database import open_database, proxy
from datapkg.kit.errors import ConfigurationError
from datapkg.operations.health_checks import Health, health

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from datapkg.kit.engines import KitDatabase

__all__ = ["HealthApp", "make_wsgi_app", "wsgi_app"]

logger = logging.getLogger(__name__)

_READY, _LIVE = ("/health", "/ready"), "/live"
# Neither where the database is nor what an error said: whoever reaches the port may read it.
_SHOWN = ("state", "ok", "engine", "version", "latency_ms", "pending")


class HealthApp:
    """``/health`` and ``/ready`` tell whether the database can be worked with, ``/live`` that the process answers.

    However many ask at once, one check runs at a time, on one connection that it closes; they share its answer.

    Args:
        url: the database; left out, the one that the process is connected to, else ``DATABASE_URL``.
        read_only_ok: whether a database that takes no writes counts as ready, for a reader on a standby.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(self, url: str | None = None, *, read_only_ok: bool = False) -> None:
        self._given = None if url is None else open_database(url, must_exist=True)
        self._named: tuple[str, KitDatabase] | None = None
        self._read_only_ok = read_only_ok
        self._told: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._running: Future[Health] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer a request."""
        method, path = str(environ["REQUEST_METHOD"]), str(environ.get("PATH_INFO", ""))
        headers = []
        body: dict[str, Any]
        if path != _LIVE and path not in _READY:
            status, body = "404 Not Found", {"error": "not found", "paths": [*_READY, _LIVE]}
        elif method not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", {"error": "method not allowed"}
            headers = [("Allow", "GET, HEAD")]
        elif path == _LIVE:
            status, body = "200 OK", {"state": "live"}
        else:
            status, body = self._ready()
        content = json.dumps(body).encode() + b"\n"
        start_response(
            status,
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(content))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                *headers,
            ],
        )
        return [] if method == "HEAD" else [content]

    def _ready(self) -> tuple[str, dict[str, object]]:
        try:
            found = self._share()
        except Exception:  # a probe gets an answer, and the log tells what is wrong with us
            logger.exception("the health could not be looked at")
            return "503 Service Unavailable", {**dict.fromkeys(_SHOWN), "state": "failed", "ok": False}
        ready = found.ok or (self._read_only_ok and found.state == "read-only")
        if found.state != self._told:
            self._told = found.state
            why = f": {found.detail}" if found.detail else ""
            level = logging.INFO if ready else logging.WARNING
            logger.log(level, "the database is %s%s", found.state, why, extra={"url": found.url, "state": found.state})
        facts = found.as_dict()
        status = "200 OK" if ready else "503 Service Unavailable"
        return status, {**{name: facts[name] for name in _SHOWN}, "ok": ready}

    def _share(self) -> Health:
        """Look at the database, or wait for what another thread finds that looks at it already."""
        if self._pid != os.getpid():
            self._begin()  # a forked worker: the parent's threads are not here to finish what they began
        with self._lock:
            running, mine = self._running, False
            if running is None:
                running, mine = Future(), True
                self._running = running
        if mine:
            try:
                running.set_result(self._look())
            except BaseException as error:
                running.set_exception(error)
            finally:
                with self._lock:
                    self._running = None
        return running.result()  # comes soon: a check is bounded in time

    def _look(self) -> Health:
        try:
            database = self._database()
        except ConfigurationError as error:
            return _unconfigured(f"{error.why} {error.fix}")
        if database is None:
            return _unconfigured("No database is named. Set DATABASE_URL, or call datapkg.connect() in this process.")
        return health(database=database)

    def _database(self) -> KitDatabase | None:
        if self._given is not None:
            return self._given
        if (database := proxy.obj) is not None:
            return database
        url = os.environ.get("DATABASE_URL")
        if not url:
            return None
        if self._named is None or self._named[0] != url:
            self._named = (url, open_database(url, must_exist=True))
        return self._named[1]


def _unconfigured(detail: str) -> Health:
    return Health("unconfigured", None, None, None, None, None, detail)


def make_wsgi_app(url: str, *, read_only_ok: bool = False) -> HealthApp:
    """Return an application for one database; it connects at each check, not now.

    Args:
        url: the database.
        read_only_ok: whether a database that takes no writes counts as ready, for a reader on a standby.

    Raises:
        ConfigurationError: the URL cannot be used.
    """
    return HealthApp(url, read_only_ok=read_only_ok)


wsgi_app = HealthApp()
"""The application for the database that the process is connected to, else for ``DATABASE_URL``."""
