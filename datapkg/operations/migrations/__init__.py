"""Migrations: numbered files, applied once, each under a lock and in its own transaction, on both engines.

A migration is a file ``NNN_name.py`` with peewee-migrate's signatures::

    def migrate(migrator, database, *, fake=False):
        class Note(Model):
            text = TextField(max_length=200)

            class Meta:
                table_name = "notes"

        migrator.create_model(Note)
        migrator.run(fill, migrator)

    def rollback(migrator, database, *, fake=False):
        migrator.remove_model("notes")

Its body only says what is to be done, by operations on the model state (``migrator.orm["notes"]`` is the table at
this point); it runs again whenever the state is needed, so SQL in it is refused. Work on rows goes into
``migrator.sql`` or, as a function, ``migrator.run``: those run exactly once. A migration is frozen: it imports no live
model, but a data step may call a public function. Write gates hold in data steps too: open them with
``database.open_gate(table)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.kit.database import current
from datapkg.kit.dialect.catalog import Catalog, difference, read_catalog
from datapkg.operations.migrations.commands import MigrationReport, migrate, plan, rollback
from datapkg.operations.migrations.comparison import Entry, State, Status, status
from datapkg.operations.migrations.environments import environment, guard, set_environment
from datapkg.operations.migrations.files import BUILT_IN, History, histories

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase

__all__ = [
    "BUILT_IN",
    "Catalog",
    "Entry",
    "History",
    "MigrationReport",
    "State",
    "Status",
    "catalog",
    "difference",
    "environment",
    "guard",
    "histories",
    "migrate",
    "plan",
    "rollback",
    "set_environment",
    "status",
]


def catalog(*, database: KitDatabase | None = None) -> Catalog:
    """Return the tables of the database in force (or of this one), comparable by :func:`difference`."""
    return read_catalog(database or current())
