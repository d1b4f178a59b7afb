"""The application: its pages, who may ask for them, and where it may be served."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, g, render_template, request
from flask_admin import Admin, AdminIndexView  # type: ignore[import-untyped]  # it has annotations, and does not say so
from flask_admin.theme import Bootstrap4Theme  # type: ignore[import-untyped]

from datapkg import registry
from datapkg.kit.database import override
from datapkg.kit.errors import ConfigurationError, DatabaseBusyError, DatabaseUnavailableError, DatapkgError
from datapkg.operations.bookkeeping import BOOKS
from datapkg.operations.health_server import HealthServer
from datapkg.operations.studio.views import TableView

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from datapkg.kit.engines import KitDatabase

__all__ = ["Studio"]

_MAX_BYTES = 16 * 2**20
_HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Scripts, styles and pictures come from this very process or not at all. Flask-Admin's filters have an attribute
# onclick="return false;", which is what the hash stands for; styles in attributes are select2's.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; "
    "script-src-attr 'unsafe-hashes' 'sha256-2rvfFrggTCtyF5WOiTri1gDS8Boibj4Njn0e+VCBmDI='; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Studio:
    """Pages on one database, as a WSGI application.

    Args:
        database: the database; every request uses a connection of its thread.
        write: whether rows may be edited.
        i_know_this_is: as for :func:`datapkg.studio`.

    Attributes:
        statement_ms: how long a statement may take where the engine can bound it, waiting for others included.
    """

    statement_ms = 15_000

    def __init__(self, database: KitDatabase, *, write: bool, i_know_this_is: str | None = None) -> None:
        self.database, self.write, self.i_know_this_is = database, write, i_know_this_is
        self.label = f"{database.url or 'sqlite:///:memory:'} · {'editing' if write else 'read-only'}"
        self._app = Flask(__name__)
        self._app.secret_key = secrets.token_bytes(32)
        self._app.config.update(
            # Cookies do not know ports: another studio on this machine has a cookie of its own.
            SESSION_COOKIE_NAME=f"datapkg_studio_{secrets.token_hex(4)}",
            SESSION_COOKIE_SAMESITE="Strict",
            MAX_CONTENT_LENGTH=_MAX_BYTES,
            MAX_FORM_MEMORY_SIZE=_MAX_BYTES,
        )
        self._app.before_request(self._refuse)
        self._app.after_request(_secure)
        self._app.register_error_handler(DatapkgError, _complain)
        self._app.context_processor(lambda: {"studio": self})
        self.groups = [
            (each.name, [TableView(self, each, model) for model in each.models])
            for each in (*registry.domains(), BOOKS)
        ]
        self.views = {view.table: view for _, views in self.groups for view in views}
        self._add_views()

    def _add_views(self) -> None:
        admin = Admin(
            self._app,
            name="datapkg studio",
            index_view=AdminIndexView(name="Tables", url="/", template="studio/home.html"),
            theme=Bootstrap4Theme(base_template="studio/base.html", fluid=True),
            csp_nonce_generator=_nonce,
        )
        for view in self.views.values():
            admin.add_view(view)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        return self._app(environ, start_response)

    def server(self, *, host: str = "127.0.0.1", port: int = 0) -> HealthServer:
        """Listen on an address of this machine alone and return the server: its ``url``, ``run()`` and ``stop()``.

        Args:
            host: a loopback address.
            port: the port, or 0 for one that is free.

        Raises:
            ConfigurationError: the address can be reached from elsewhere, or the port cannot be used.
        """
        if not _is_loopback(host):
            raise ConfigurationError(
                f"The studio has no passwords, so it is served on this machine alone, and not on {host}.",
                fix="Leave --host out; to look from elsewhere, forward the port: ssh -L 8001:127.0.0.1:8001 machine.",
                host=host,
            )
        return HealthServer(self, host=host, port=port)

    @contextmanager
    def session(self, *, writing: bool) -> Iterator[None]:
        """Use the database in a request; unless it writes, the engine refuses whatever would."""
        database = self.database
        was_closed = database.is_closed()
        try:
            with override(database):
                if writing:
                    yield
                else:
                    with database.read_only(self.statement_ms):
                        yield
        finally:
            if was_closed and not database.is_closed():
                database.close()

    def _refuse(self) -> Response | None:
        # Another site's name that leads here (DNS rebinding) would let its scripts read the pages.
        try:
            name = urlsplit(f"//{request.host}").hostname or ""
        except ValueError:
            name = ""
        if not _is_loopback(name):
            return Response("This address is served under the names of this machine alone.\n", 421)
        if request.method not in ("GET", "HEAD", "OPTIONS") and not self.write:
            return Response("The studio is read-only; start it with --write to edit rows.\n", 403)
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _nonce() -> str:
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    nonce: str = g.nonce
    return nonce


def _secure(response: Response) -> Response:
    response.headers.extend(_HEADERS)
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=_nonce())
    if not (request.endpoint or "").endswith("static"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _complain(error: DatapkgError) -> tuple[str, int]:
    status = 503 if isinstance(error, (DatabaseBusyError, DatabaseUnavailableError)) else 400
    return render_template("studio/error.html", error=error), status
