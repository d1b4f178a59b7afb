"""Work done by a command: the feature goes in as JSON, the result comes out on stdout."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from datapkg.kit.errors import ValidationError
from datapkg.workqueue.models import Feature
from datapkg.workqueue.worker import Handler, Job, Outcome

__all__ = ["command_handler", "feature_json"]

_LONGEST = 10_000_000
_TICK = 0.05


def feature_json(feature: Feature) -> str:
    """Return a feature as the JSON object that commands read: its columns, and ``depends_on_ids``."""

    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, dt.datetime) else str(value)

    return json.dumps({**feature.public(), "depends_on_ids": feature.depends_on_ids}, default=plain)


def command_handler(command: Sequence[str], *, grace: float = 10.0, retry: bool = False) -> Handler:
    """Return a handler for ``work`` that runs a command for each feature.

    The command reads the feature as JSON on stdin. If it exits with 0, its stdout is the ``result_data`` and its
    stderr the ``execution_log``; if not, the attempt failed. When the worker has to stop, the command and what it
    started get SIGTERM, and after the grace period SIGKILL: if it exits with 0 within that time the feature is
    completed, else given back.

    Args:
        command: the program and its arguments.
        grace: seconds that the command has after SIGTERM.
        retry: whether a feature whose command failed may be tried again while attempts are left.

    Raises:
        ValidationError: there is no command, or the grace period is negative.
    """
    _check(command, grace)
    argv = [os.fspath(part) for part in command]

    def handle(job: Job) -> Outcome:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
            given.write(feature_json(job.feature).encode())
            given.seek(0)
            try:
                # A group of its own: a Ctrl-C on the terminal is the worker's, which passes it on in its own time.
                process = subprocess.Popen(argv, stdin=given, stdout=out, stderr=log, start_new_session=True)
            except OSError as error:
                return Outcome(state="failed", retry=retry, note=f"The command cannot be started: {error}.")
            try:
                asked = _wait(process, job, grace)
            finally:
                _kill(process)
            result, words = _text(out), _text(log, end=True)
            return _outcome(process.returncode, result, words, asked=asked, retry=retry)

    return handle


def _check(command: object, grace: object) -> None:
    problems = {}
    # A text would be run letter by letter.
    if isinstance(command, (str, bytes)) or not isinstance(command, Sequence) or not command:
        problems["command"] = ["Give a program to run and its arguments, as a list."]
    elif not all(isinstance(part, (str, os.PathLike)) for part in command):
        problems["command"] = ["Must be texts or paths."]
    if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace < float("inf"):
        problems["grace"] = ["Must be 0 seconds or more."]
    if problems:
        raise ValidationError(problems, what="command")


def _wait(process: subprocess.Popen[bytes], job: Job, grace: float) -> bool:
    """Wait for the command's end and return whether it was asked to end."""
    deadline: float | None = None
    while process.poll() is None:
        if deadline is None and job.should_end():
            _signal(process, signal.SIGTERM)
            deadline = time.monotonic() + grace
        elif deadline is not None and time.monotonic() >= deadline:
            _signal(process, signal.SIGKILL)
            process.wait()
            break
        time.sleep(_TICK)
    if deadline is not None:
        _end_group(process.pid, deadline)
    return deadline is not None


def _end_group(group: int, deadline: float) -> None:
    """Let what a command started, and left behind when it was asked to end, not outlive the claim."""
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(_TICK)
        os.killpg(group, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        process.send_signal(number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs because something went wrong here."""
    if process.poll() is None:
        _signal(process, signal.SIGKILL)
        process.wait()


def _text(file: IO[bytes], *, end: bool = False) -> str:
    """Return the beginning of a file, or its end: no more than is needed, as it may be larger than the memory."""
    most = 4 * (_LONGEST + 1)  # a character has four bytes at the most
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - most, 0) if end else 0)
    return file.read(most).decode("utf-8", "replace").replace("\0", "�")


def _outcome(code: int, result: str, log: str, *, asked: bool, retry: bool) -> Outcome:
    log = log[-_LONGEST:]  # the end of a log says most
    if asked and code != 0:
        return Outcome(state="released", note="the worker had to stop")
    if code != 0:
        how = f"ended by signal {-code}" if code < 0 else f"exited with {code}"
        note = f"The command {how}."
        return Outcome(state="failed", result_data=result[:_LONGEST], execution_log=log, retry=retry, note=note)
    if len(result) > _LONGEST:
        note = f"The command printed more than {_LONGEST:,} characters."
        return Outcome(state="failed", result_data=result[:_LONGEST], execution_log=log, retry=retry, note=note)
    return Outcome(result_data=result, execution_log=log)
