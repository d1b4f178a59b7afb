"""A web service on the queue, with nothing but the standard library: features in, features out, and probes.

Run ``python service.py sqlite:///datapkg.db 8000``, then::

    curl -d '[{"name": "Login page", "category": "frontend", "test_steps": "It works."}]' localhost:8000/features
    curl localhost:8000/features/1
    curl -X POST localhost:8000/features/1/retry
    curl localhost:8000/health

Any WSGI server can serve ``Service(url)``; the one here starts a thread for each request.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import datapkg
from datapkg import errors, workqueue
from datapkg.operations.health import make_wsgi_app

# The first that fits; every error of the package is one of its family, and says what is wrong and how to mend it.
STATUSES: list[tuple[type[errors.DatapkgError], str]] = [
    (errors.ValidationError, "422 Unprocessable Entity"),
    (errors.NotFoundError, "404 Not Found"),
    (errors.ConflictError, "409 Conflict"),
    (errors.InvalidTransitionError, "409 Conflict"),
    (errors.DatabaseBusyError, "503 Service Unavailable"),
    (errors.DatabaseUnavailableError, "503 Service Unavailable"),
    (errors.DatapkgError, "500 Internal Server Error"),
]


class Service:
    """The WSGI application.

    Args:
        url: the database; it has to be migrated.
    """

    def __init__(self, url: str) -> None:
        self.database = datapkg.connect(url)
        self.health = make_wsgi_app(url)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, on a connection that goes back to the pool afterwards."""
        if environ["PATH_INFO"] in ("/live", "/health", "/ready"):
            return self.health(environ, start_response)
        try:
            with self.database.connection_context():
                status, body = self.answer(environ)
        except errors.DatapkgError as error:
            status = next(status for kind, status in STATUSES if isinstance(error, kind))
            body = {"code": error.code, "why": error.why, "fix": error.fix, **error.meta}
        content = json.dumps(body, default=str).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    def answer(self, environ: WSGIEnvironment) -> tuple[str, dict[str, Any]]:
        """Do what is asked for; what cannot be done is raised."""
        match environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/"):
            case "POST", ["features"]:
                made = workqueue.enqueue_many(read(environ))  # all of them, or none
                return "201 Created", {"features": [feature.public() for feature in made]}
            case "GET", ["features", number]:
                return "200 OK", workqueue.get_feature(number).public()
            case "POST", ["features", number, "retry"]:
                return "200 OK", workqueue.retry(number, actor="service").public()
        raise errors.NotFoundError("resource", environ["PATH_INFO"])


def read(environ: WSGIEnvironment) -> Any:
    """Return a request's JSON; whether it makes sense is for the package to say."""
    try:
        return json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    except ValueError:
        raise errors.ValidationError({"body": ["Not valid JSON."]}) from None


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


class Handler(WSGIRequestHandler):
    """Without a line in the log for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[2]), Service(sys.argv[1]), Server, Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
