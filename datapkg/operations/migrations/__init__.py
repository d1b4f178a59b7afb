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

import importlib
from typing import TYPE_CHECKING, Any

from datapkg.kit.database import current
from datapkg.kit.dialect.catalog import Catalog, difference, read_catalog
from datapkg.operations.migrations.commands import MigrationReport, migrate, plan, rollback
from datapkg.operations.migrations.comparison import Entry, State, Status, status
from datapkg.operations.migrations.environments import environment, guard, set_environment
from datapkg.operations.migrations.files import BUILT_IN, History, histories

if TYPE_CHECKING:
    from datapkg.kit.engines import KitDatabase
    from datapkg.operations.migrations.checking import Differences, check
    from datapkg.operations.migrations.creation import create_migration
    from datapkg.operations.migrations.linting import Finding, lint
    from datapkg.operations.migrations.rehearsal import Rehearsal, RehearsedStep, rehearse

__all__ = [
    "BUILT_IN",
    "Catalog",
    "Differences",
    "Entry",
    "Finding",
    "History",
    "MigrationReport",
    "Rehearsal",
    "RehearsedStep",
    "State",
    "Status",
    "catalog",
    "check",
    "create_migration",
    "difference",
    "environment",
    "guard",
    "histories",
    "lint",
    "migrate",
    "plan",
    "rehearse",
    "rollback",
    "set_environment",
    "status",
]

# These need peewee-migrate, which costs more to import than connecting does.
_LATE = {
    "Differences": "checking",
    "check": "checking",
    "Finding": "linting",
    "Rehearsal": "rehearsal",
    "RehearsedStep": "rehearsal",
    "create_migration": "creation",
    "lint": "linting",
    "rehearse": "rehearsal",
}


# What `datapkg` itself calls them.
_ALIASES = {"check_migrations": "check", "lint_migrations": "lint"}


def __getattr__(name: str) -> Any:
    name = _ALIASES.get(name, name)
    if name in _LATE:
        return getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def catalog(*, database: KitDatabase | None = None) -> Catalog:
    """Return the tables of the database in force (or of this one), comparable by :func:`difference`."""
    return read_catalog(database or current())
