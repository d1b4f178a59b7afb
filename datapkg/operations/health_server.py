"""A small threaded server for the health application, from the standard library; for probes, not for the internet."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from datapkg.kit.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["HealthServer"]

logger = logging.getLogger(__name__)

_LAST_SECONDS = 3.0
"""How long requests that are being answered hold the end up; a check takes two seconds at the most."""


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds that a client may take to say anything

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("%s " + format, self.address_string(), *args)


class HealthServer(ThreadingMixIn, WSGIServer):
    """Serves an application, each request in a thread, so that a slow check holds up no other answer.

    Args:
        app: the application.
        host: the address to listen on.
        port: the port, or 0 for one that is free; :attr:`url` tells which.

    Raises:
        ConfigurationError: the address or the port cannot be used.
    """

    daemon_threads = True  # a client that says nothing must not keep the process
    request_queue_size = 128
    allow_reuse_port = False

    def __init__(self, app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._answering = 0
        self._changed = threading.Condition()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise _refusal(error, host, port) from error
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind, without asking a name server for the own name, which can take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = self.server_name
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    def run(self) -> None:
        """Serve until :meth:`stop`, then let the requests that are being answered finish, and close."""
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self.server_close()
            with self._changed:
                self._changed.wait_for(lambda: self._answering == 0, timeout=_LAST_SECONDS)

    def stop(self) -> None:
        """Ask it to end, from any thread or from a signal's handler, and return at once."""
        # shutdown() waits for the end of the loop, which may be the very thread that calls this.
        threading.Thread(target=self.shutdown, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a request and answer it in a thread."""
        with self._changed:
            self._answering += 1
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._done()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._answering -= 1
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with one client instead of printing it."""
        logger.debug("a request was not answered", exc_info=True)


def _refusal(error: OSError, host: str, port: int) -> ConfigurationError:
    where = f"port {port} of {host}"
    if error.errno == errno.EADDRINUSE:
        why, fix = f"Another program listens on {where}.", "Choose another port, or 0 for one that is free."
    elif error.errno == errno.EACCES:
        why, fix = f"This user may not listen on {where}.", "Choose a port of 1024 or more."
    else:
        why, fix = f"Nothing can listen on {where}: {error.strerror or error}.", "Give an address of this machine."
    return ConfigurationError(why, fix=fix, host=host, port=port)
