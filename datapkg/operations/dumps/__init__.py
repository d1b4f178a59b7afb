"""Dump and load: one portable archive file, the same for the same data, readable by any ZIP tool."""

from __future__ import annotations

from datapkg.operations.dumps.dumping import DumpReport, dump
from datapkg.operations.dumps.loading import LoadReport, load

__all__ = ["DumpReport", "LoadReport", "dump", "load"]
