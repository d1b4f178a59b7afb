"""Progress on a terminal: how far a command is, once it has taken a second; nothing in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from datapkg.cli.settings import Settings

__all__ = ["Progress", "hidden", "progress"]

_AFTER, _EVERY = 1.0, 0.1
_BAR = 24
_TURNING = "|/-\\"


class Progress:
    """How far a command is. Called with a number, it goes on by so much; ``step`` takes how far it is in all.

    Args:
        label: what is being done: ``loading``.
        total: how much there is to do, where that is known.
    """

    def __init__(self, label: str, total: int | None = None) -> None:
        self.label, self.total, self.done = label, total, 0
        self._started = time.monotonic()

    def __call__(self, count: int, /) -> None:
        """Go on by so much."""
        self.done += count

    def step(self, done: int, total: int) -> None:
        """Be so far, of so much."""
        self.done, self.total = done, total

    def line(self, now: float) -> str:
        """Return what is shown at an instant of ``time.monotonic()``."""
        seconds = now - self._started
        rate = self.done / seconds if seconds > 0 else 0.0
        speed = f"  {rate:,.0f}/s" if rate >= 1 else ""
        if not self.total:
            done = f"  {self.done:,}" if self.done else ""
            return f"{_TURNING[int(seconds / _EVERY) % 4]} {self.label}{done}{speed}  {_clock(seconds)}"
        share = min(self.done / self.total, 1.0)
        left = f"  {_clock((self.total - self.done) / rate)} left" if rate and share < 1 else ""
        return f"{self.label}  [{'#' * round(share * _BAR):-<{_BAR}}] {share:4.0%}{speed}{left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class _Line:
    """The terminal's last line, drawn by a thread, so that it also turns while the work tells nothing."""

    def __init__(self, shown: Progress) -> None:
        self._progress = shown
        self.lock = threading.Lock()
        self._ended = threading.Event()
        self._drawn = False
        self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
        self._thread.start()

    def _draw(self) -> None:
        wait = _AFTER
        while not self._ended.wait(wait):
            wait = _EVERY
            with self.lock:
                room = shutil.get_terminal_size().columns - 1
                self._write(f"\r{self._progress.line(time.monotonic())[:room]}\x1b[K")
                self._drawn = True

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that has gone
            sys.stderr.write(text)
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away; with the lock held it stays away."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def end(self) -> None:
        """Take the line away for good."""
        self._ended.set()
        self._thread.join()
        self.clear()


_line: _Line | None = None


@contextmanager
def progress(settings: Settings, label: str, total: int | Callable[[], int] | None = None) -> Iterator[Progress]:
    """Show on a terminal, once a second has gone by, how far the block is: a bar, or time alone without a total.

    Args:
        settings: with ``quiet`` or ``json`` nothing is shown.
        label: what is being done.
        total: how much there is to do, or what counts it, which is called only where somebody looks.

    Yields:
        What is called with numbers, as it goes on; or its ``step`` with how much is done, and how much there is.
    """
    global _line
    if settings.quiet or settings.json or not _visible() or _line is not None:
        yield Progress(label)
        return
    shown = Progress(label)
    _line = _Line(shown)
    try:
        shown.total = total() if callable(total) else total
        yield shown
    finally:
        _line.end()
        _line = None


@contextmanager
def hidden() -> Iterator[None]:
    """Take the line away while something else is written to the terminal."""
    if _line is None:
        yield
        return
    with _line.lock:
        _line.clear()
        yield


def _visible() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
