"""The note in a database that a copy into it is not finished; whoever connects is told so."""

from __future__ import annotations

from datapkg.kit.database import override
from datapkg.kit.dialect.catalog import table_names
from datapkg.kit.engines import KitDatabase
from datapkg.kit.errors import CopyError
from datapkg.operations.bookkeeping import Setting
from datapkg.operations.migrations.history import is_missing

__all__ = ["COPYING", "copying", "refuse_unfinished"]

COPYING = "copying"
"""The setting that a database has until a copy into it is whole."""


def copying(database: KitDatabase) -> dict[str, str] | None:
    """Return what is noted about an unfinished copy into this database, or None."""
    if is_missing(database) or Setting._meta.table_name not in table_names(database):
        return None
    with override(database):
        row = Setting.get_or_none(Setting.key == COPYING)
    return None if row is None else dict(row.value)


def refuse_unfinished(database: KitDatabase) -> None:
    """Refuse a database that a copy is not done with.

    Raises:
        CopyError: it is half full.
    """
    note = copying(database)
    if note is not None:
        raise CopyError(
            f"A copy from {note.get('source')} into {database.url} is not finished.",
            fix="Run the same `datapkg copy` again: it goes on where it was interrupted.",
            source=note.get("source"),
        )
