"""Noting what an expression touches, where it stands."""

from __future__ import annotations

import ast
import bisect
import re
from collections import Counter

from datapkg.operations.linting.sources import Source
from datapkg.operations.linting.sql import Access, sql_touches
from datapkg.operations.linting.touches import Touch

__all__ = ["Notes"]


class Notes(ast.NodeVisitor):
    """Takes down the touches of one file.

    Args:
        source: the file.

    Attributes:
        found: the touches.
        gates: the tables whose gates are open around the expression.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Touch] = []
        self.gates: list[str] = []

    def note(self, node: ast.expr, access: Access, table: str | None, how: str) -> None:
        """Note what an expression does to a table."""
        column = len(self._line(node.lineno).encode()[: node.col_offset].decode("utf-8", "replace")) + 1
        behind = table is not None and table in self.gates
        self.found.append(
            Touch(node.lineno, node.end_lineno or node.lineno, column, access, table, how, behind_gate=behind)
        )

    def _line(self, number: int) -> str:
        return self.source.lines[number - 1] if number <= len(self.source.lines) else ""

    def note_text(self, node: ast.expr, text: str, *, known: list[str]) -> None:
        """Note what a text does, but for what its named parts do by themselves: those were noted already."""
        before = Counter((touch.access, touch.table) for part in known for touch in sql_touches(part))
        first, end = node.lineno, node.end_lineno or node.lineno
        start = len(self._line(first).encode()[: node.col_offset].decode("utf-8", "replace")) + 1
        # A long literal holds its lines as they stand in the file.
        breaks = [match.start() for match in re.finditer("\n", text)] if isinstance(node, ast.Constant) else []
        if len(breaks) != end - first:
            breaks = []
        for touch in sql_touches(text):
            if before[touch.access, touch.table] > 0:
                before[touch.access, touch.table] -= 1
                continue
            down = bisect.bisect_left(breaks, touch.offset)
            line, column = first + down, touch.offset - breaks[down - 1] if down else start
            how = touch.verb if touch.access != "gate" else "the setting datapkg.gate"
            behind = touch.table is not None and touch.table in self.gates
            self.found.append(Touch(line, end, column, touch.access, touch.table, how, behind, touch.sure))
