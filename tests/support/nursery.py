"""Processes that need not start Python: forked from one that has imported the package already.

Each is a process of its own, with its own folder, environment and streams, that may be killed, and ends as any
interpreter does. What is spared is a third of a second for every one. Run as a program, this is what forks them.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

__all__ = ["Process", "fork_from_here", "run", "run_python", "start", "start_python"]

_NUMBER = 12  # how wide a number is that goes through a pipe, so that the next is not read with it
_lock = threading.Lock()
_nursery: socket.socket | None = None


class Process:
    """A running process; its streams are pipes.

    Attributes:
        pid: its number.
        args: what it was started with.
        stdin, stdout, stderr: the other ends of its streams, as text.
        returncode: how it ended, negative for a signal; None until :meth:`poll`, :meth:`wait` or :meth:`communicate`
            has seen its end.
    """

    def __init__(self, args: Sequence[str], request: Mapping[str, object]) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        inner, outer = zip(os.pipe(), reversed(os.pipe()), reversed(os.pipe()), strict=True)
        self._end, theirs = socket.socketpair()
        with theirs, _lock:
            socket.send_fds(_started(), [json.dumps(request).encode()], [*inner, theirs.fileno()])
        for number in inner:
            os.close(number)
        self.stdin: IO[str] = os.fdopen(outer[0], "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(outer[1], encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(outer[2], encoding="utf-8")
        self.pid = int(self._end.recv(_NUMBER))

    def communicate(self, given: str = "", timeout: float | None = None) -> tuple[str, str]:
        """Write to its standard input, read what it prints until it ends, and return both streams' text."""
        with ThreadPoolExecutor(2) as readers:
            printed = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.stdin.write(given)
                self.stdin.close()
            except BrokenPipeError:
                pass  # it ended without reading
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            out, err = (each.result() for each in printed)
        self.stdout.close()
        self.stderr.close()
        return out, err

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, ``timeout`` seconds at most, and return how."""
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._end.recv(_NUMBER))
            self._end.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def start(words: Sequence[str], *, cwd: object = None, env: Mapping[str, str] | None = None) -> Process:
    """Start ``datapkg`` with these arguments.

    The environment's settings of Python itself are the test run's, whatever ``env`` says.
    """
    return Process(words, _request(cwd, env) | {"words": list(words)})


def start_python(code: str, *words: object, cwd: object = None, env: Mapping[str, str] | None = None) -> Process:
    """Start ``python -c code`` with these arguments; ``env`` as for :func:`start`."""
    given = [str(word) for word in words]
    return Process(["-c", *given], _request(cwd, env) | {"code": code, "words": given})


def run(
    words: Sequence[str], *, cwd: object = None, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run ``datapkg`` with these arguments, and return its exit code and what it printed."""
    return _ended(start(words, cwd=cwd, env=env), stdin)


def run_python(
    code: str, *words: object, cwd: object = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -c code`` with these arguments, and return its exit code and what it printed."""
    return _ended(start_python(code, *words, cwd=cwd, env=env))


def _ended(process: Process, given: str = "") -> subprocess.CompletedProcess[str]:
    printed = process.communicate(given)
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, *printed)


def _request(cwd: object, env: Mapping[str, str] | None) -> dict[str, object]:
    return {"cwd": str(cwd or os.getcwd()), "env": dict(os.environ if env is None else env)}


def fork_from_here() -> None:
    """Fork this process's later ones from itself as it is now, and not from a program of its own.

    Each begins, and ends, in this call; so it has to come before anything is opened, and outside of any ``try``.
    """
    global _nursery
    ours, theirs = _pair()
    if os.fork() == 0:
        ours.close()
        _serve(theirs)
        raise SystemExit
    theirs.close()
    _nursery = ours


def _started() -> socket.socket:
    global _nursery
    if _nursery is None:
        _nursery, theirs = _pair()
        with theirs:
            program = subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        atexit.register(program.wait)
        atexit.register(_nursery.close)
    return _nursery


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Large enough for every environment: a request is one message.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return ours, theirs


def _serve(connection: socket.socket) -> None:
    """Fork a process for each request, and one beside it that tells how it ended."""
    from datapkg import registry
    from datapkg.cli import root  # noqa: F401  # imported for those who are forked
    from datapkg.operations import migrations, seeding  # noqa: F401  # likewise

    registry.domains()
    # Who waits for a process is forked too; nobody waits for those.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, *_ = socket.recv_fds(connection, 1 << 20, 4)
        if not message:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.close()
            if (child := os.fork()) == 0:
                os.close(descriptors.pop())
                _become(json.loads(message), descriptors)
                return  # and end as every interpreter does
            for number in descriptors[:3]:
                os.close(number)
            os.write(descriptors[3], b"%*d" % (_NUMBER, child))
            _, status = os.waitpid(child, 0)
            os.write(descriptors[3], b"%*d" % (_NUMBER, os.waitstatus_to_exitcode(status)))
            os._exit(0)
        for number in descriptors:
            os.close(number)


def _become(request: dict[str, object], streams: list[int]) -> None:
    cwd, env, words, code = request["cwd"], request["env"], request["words"], request.get("code")
    assert isinstance(env, dict) and isinstance(words, list)
    os.chdir(str(cwd))
    os.environ.clear()
    os.environ.update(env)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if "DATAPKG_FAILPOINT" in env:
        from datapkg.kit import failpoints

        importlib.reload(failpoints)  # it read the environment of the nursery
    if code is None:
        sys.argv = ["datapkg", *words]
        runpy.run_module("datapkg", run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *words]
        exec(compile(str(code), "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
