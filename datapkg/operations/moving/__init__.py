"""Moving rows between databases and files: which tables, in which order, and one spelling of a row for every engine.

:mod:`~datapkg.operations.moving.tables` says which tables move and in which order,
:mod:`~datapkg.operations.moving.rows` spells rows, :mod:`~datapkg.operations.moving.streams` reads and writes them a
batch at a time.
"""

from __future__ import annotations
