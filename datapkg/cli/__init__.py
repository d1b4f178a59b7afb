"""The command line: every command parses, calls one public function, and renders what it returns.

A package that brings commands of its own (the entry point group ``datapkg.commands``) makes them with these names, so
that they take ``--json`` and print as the others do.
"""

from __future__ import annotations

from datapkg.cli.render import progress, say, show, show_rows
from datapkg.cli.root import Settings, command, group, main

__all__ = ["Settings", "command", "group", "main", "progress", "say", "show", "show_rows"]
