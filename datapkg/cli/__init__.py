"""The command line: every command parses, calls one public function, and renders what it returns."""

from __future__ import annotations

from datapkg.cli.root import main

__all__ = ["main"]
