"""Logging for the command line: one line an event, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

from datapkg.cli.bars import hidden

__all__ = ["set_up"]

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        event = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


class _Handler(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        with hidden():
            super().emit(record)


def set_up(*, level: str, form: str) -> None:
    """Send the package's log to stderr.

    Args:
        level: the lowest level shown: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``text`` or ``json``.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logger = logging.getLogger("datapkg")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
