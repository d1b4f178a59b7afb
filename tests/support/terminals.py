"""Commands on a pseudo-terminal: what somebody who sits there would see."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["DATAPKG", "Terminal", "on_terminal"]

DATAPKG = [sys.executable, "-m", "datapkg"]


class Terminal:
    """A process whose stdin, stdout and stderr are a terminal.

    Args:
        words: the program and its arguments.
        cwd: where it runs.
        env: what it sees; ``TERM`` is xterm unless it says otherwise.
        columns: how wide the terminal is.
    """

    def __init__(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        surroundings = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**surroundings, "TERM": env.get("TERM", "xterm")},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.shown = ""

    def read(self, until: str | None = None) -> str:
        """Return what was shown so far, up to a text or to the end."""
        while until is None or until not in self.shown:
            try:
                read = os.read(self._ours, 65_536)
            except OSError:  # everybody has left
                break
            if not read:
                break
            self.shown += read.decode()
        return self.shown

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._ours, text.encode())

    def close(self) -> int:
        """Wait for the end, and return the exit code."""
        self.read()
        os.close(self._ours)
        return self.process.wait()


def on_terminal(*args: str, cwd: Path, env: Mapping[str, str], columns: int = 80) -> tuple[int, str]:
    """Run a command on a terminal; return its exit code and what was shown."""
    terminal = Terminal([*DATAPKG, *args], cwd=cwd, env=env, columns=columns)
    code = terminal.close()
    return code, terminal.shown.replace("\r\n", "\n")
